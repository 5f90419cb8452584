/** Respondents of a known mind, answering a questionnaire: outcomes without a model. */
import { createRandom, type Outcome, type Random, type StatementItem } from "../core/mod.ts";

/** The level that is answered to an item. */
export type Respondent = (item: StatementItem, random: Random) => number;

/** Outcomes as the evaluator "survey" would give them for answers that are certain. */
export function answersOf(items: readonly StatementItem[], respondent: Respondent, seed: string): Outcome[] {
  const random = createRandom(seed);
  return items.map((item) => {
    const level = respondent(item, random), last = item.levels.length - 1;
    const probabilities = item.levels.map((_, each) => Number(each === level));
    return {
      item: item.id,
      values: { agreement: level / last, expected: level / last, valid: 1, mass: 1 },
      detail: { level, probabilities, choice: item.labels[item.levels.indexOf(level)] ?? "" },
    };
  });
}

/** Says the same to everything. */
export const constant = (level: number): Respondent => () => level;

/** Draws every answer anew. */
export const random: Respondent = (item, { below }) => below(item.levels.length);

/** Draws an answer a statement and keeps it under all wordings, also when asked the opposite. */
export function stubborn(seed: string): Respondent {
  return (item) => createRandom(`${seed}/${item.clusters.question}`).below(item.levels.length);
}

/** Agrees with whatever is put, more or less strongly; disagrees in one of `rare`. */
export function acquiescent(rare: number): Respondent {
  return (item, { uniform, below }) => {
    const half = Math.ceil((item.levels.length - 1) / 2);
    return uniform() < rare ? below(half) : item.levels.length - 1 - below(half);
  };
}

/** Says yes to statements as they stand and no to all that are negated, with as much noise. */
export function matcher(noise: number): Respondent {
  return (item, random) => {
    const level = acquiescent(noise)(item, random);
    return item.negated ? item.levels.length - 1 - level : level;
  };
}

/** Holds an opinion of each statement, says the opposite of its negation, and draws an answer instead in one of `noise`. */
export function opinionated(opinion: (statement: string) => number, noise: number): Respondent {
  return (item, random) => {
    if (random.uniform() < noise) return random.below(item.levels.length);
    const level = opinion(item.clusters.question);
    return item.negated ? item.levels.length - 1 - level : level;
  };
}
