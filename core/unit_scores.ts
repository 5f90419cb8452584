/** The scores of units that a plan's treatments select from: computed once a model, kept in the store, resumed where they broke off. */
import type { Arm } from "./arms.ts";
import { sha256 } from "./hash.ts";
import { loadGrowth } from "./growth.ts";
import type { Model, Tap } from "./model.ts";
import type { Plan, PlannedModel } from "./plan.ts";
import type { ModelScore, PlannedScore } from "./plan_scores.ts";
import { plain } from "./plan_benchmarks.ts";
import { armsFound } from "./plan_arms.ts";
import { type MadeOf, madeOfKey } from "./provenance/made_of.ts";
import type { UnitScores } from "./scorer.ts";
import { computeScores, type PassSums, type ScoringProgress } from "./scoring.ts";
import type { RunStore } from "./store/store.ts";

export interface FindOptions {
  readonly model: Model;
  readonly store: RunStore;
  readonly signal: AbortSignal;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly onProgress: (progress: ScoringProgress) => void;
}

/** Saving may take at most this share of the time. */
const SAVING = 0.1;

/**
 * Computes the scores of one step on one model and saves them under its key; sums are saved on the way, often where that is quick.
 *
 * @throws the signal's reason; what was saved is kept.
 * @throws {UserError} as computeScores().
 */
export async function saveScores({ score, input, key, tokenBudget }: ModelScore, options: FindOptions) {
  const { model, store, signal, now, onProgress } = options;
  const used = new Set<string>();
  const sumsKey = (pass: string) => sha256(`${key}/${pass}`);
  let [saved, took] = [-Infinity, 0];
  const { scores } = await computeScores(score.scorer, input, {
    model,
    signal,
    onProgress,
    tokenBudget,
    found(pass) {
      used.add(sumsKey(pass));
      return loadSums(store, sumsKey(pass));
    },
    commit(pass, sums) {
      const start = now();
      if (took > SAVING * (start - saved)) return;
      saveSums(store, sumsKey(pass), sums);
      saved = now();
      took = saved - start;
    },
  });
  const lists = [...scores].flatMap(([group, byTap]) =>
    [...byTap].map(([tap, list]) => ({ group, tap, list }))
  );
  store.saveNumbers(key, {
    about: lists.map(({ group, tap }) => [group, tap]),
    arrays: lists.map(({ list }) => list),
  });
  for (const each of used) store.dropNumbers(each);
}

/** Scores as they were saved; undefined when they were not. */
export function loadScores(store: RunStore, key: string): UnitScores | undefined {
  const found = store.numbers(key);
  if (found === undefined) return undefined;
  const scores = new Map<string, Map<Tap, Float64Array>>();
  for (const [i, [group, tap]] of (found.about as readonly (readonly [string, Tap])[]).entries()) {
    const byTap = scores.get(group) ?? new Map<Tap, Float64Array>();
    scores.set(group, byTap.set(tap, found.arrays[i] as Float64Array));
  }
  return scores;
}

/** Saves which items scores were made of, once, for units files written later. */
export function saveMadeOf(madeOf: MadeOf, store: RunStore): void {
  const key = madeOfKey(madeOf);
  if (store.numbers(key) === undefined) store.saveNumbers(key, { about: plain(madeOf), arrays: [] });
}

/** The arms of a model, their units found by the scores and sizes in the store. @throws when these are missing. */
export function armsOfModel(
  { inspected, scores, growths }: PlannedModel,
  { treatments, matrix }: Pick<Plan, "treatments" | "matrix">,
  store: RunStore,
  { isGrown = true }: {
    /** Without it grown sets have every unit that they may come to have. */ readonly isGrown?: boolean;
  } = {},
): Arm[] {
  return armsFound(treatments, {
    model: inspected,
    seed: matrix.seed,
    scoresOf: scoresIn(store, scores),
    sizesOf(treatment, label) {
      const growth = growths.find((each) => each.treatment === treatment && each.label === label)!;
      if (!isGrown) return Array(growth.control.sets).fill(Infinity);
      const { sizes } = loadGrowth(store, growth.key) ?? { sizes: [] };
      if (sizes.length < growth.control.sets) throw new Error(`sizes ${growth.key} are missing`);
      return sizes;
    },
  });
}

/** The scores of a step, on the model whose steps these are. */
export function scoresIn(
  store: RunStore,
  scores: readonly ModelScore[],
): (score: PlannedScore) => UnitScores {
  return (score) => {
    const key = scores.find((each) => each.score === score)?.key ?? "";
    const found = loadScores(store, key);
    if (found === undefined) throw new Error(`scores ${key} are missing`);
    return found;
  };
}

interface About {
  readonly chunks: number;
  readonly tokens: number;
  readonly columns: readonly number[];
  readonly groups: readonly { readonly group: string; readonly n: number }[];
}

function saveSums(store: RunStore, key: string, { groups, ...sums }: PassSums): void {
  const about = { ...sums, groups: groups.map(({ group, n }) => ({ group, n })) };
  store.saveNumbers(key, { about, arrays: groups.map(({ values }) => values) });
}

function loadSums(store: RunStore, key: string): PassSums | undefined {
  const found = store.numbers(key);
  if (found === undefined) return undefined;
  const { groups, ...sums } = found.about as unknown as About;
  return {
    ...sums,
    groups: groups.map((each, i) => ({ ...each, values: found.arrays[i] as Float64Array })),
  };
}
