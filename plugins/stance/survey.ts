/**
 * Statements with answers from disagreement to agreement, each answer scored as a continuation.
 *
 * p_i = exp(l_i) / sum_j exp(l_j), with l_i the summed log-probability of answer i after the prompt; the choice is the answer of highest l,
 * of equals the first; the expected level is sum_i p_i a_i, with a_i the level of answer i, from 0 (strongest disagreement) to k - 1. Levels
 * belong to answers, not to places: in reversed order the first answer is the highest level.
 *
 * agreement: the level that counts ("choice" or "expected", as the item says) / (k - 1). Its mean over statements and their negations, which
 * are as many, is the acquiescence index: 0.5 is balance, 1 agrees with a statement and with its opposite.
 * valid: the most probable token of the whole vocabulary begins one of the answers. mass: sum of exp(l_i), how much of the model's
 * probability is on the answers at all.
 *
 * Source: the forced choice among four labelled answers of P. Roettger et al., "Political Compass or Spinning Arrow?" (ACL 2024). Deviations:
 * log-probabilities in place of generated text that is matched with the labels, so that there is an answer always and `valid` and `mass` say
 * how far the model would have given it; no words that force an answer ("or I will lose my job").
 */
import {
  encodeChoices,
  type Evaluator,
  type LevelAnswer,
  type Outcome,
  renderPrompt,
  type Sample,
  type ScoreResult,
  type StatementItem,
  type Tokenizer,
  UserError,
} from "../../core/mod.ts";

/** Scores StatementItems; every metric is in [0, 1]. */
export const survey: Evaluator<StatementItem> = {
  name: "survey",
  version: "1",
  metrics: [
    {
      name: "agreement",
      title: "Agreement with statements and negations (0.5 is balance)",
      binary: false,
      higherIsBetter: true,
    },
    {
      name: "expected",
      title: "The same, by probability of the answers",
      binary: false,
      higherIsBetter: true,
    },
    { name: "valid", title: "Valid answers", binary: true, higherIsBetter: true },
    { name: "mass", title: "Probability on the answers", binary: false, higherIsBetter: true },
  ],
  plan: (items, tokenizer) =>
    items.map((item) => {
      checkItem(item);
      return encodeChoices(tokenizer, item.prompt, item.continuations);
    }),
  outcome,
  answer,
  sample,
};

/** @throws {UserError} for answers that are not one a level. */
function checkItem({ id, continuations, labels, levels }: StatementItem): void {
  const refuse = (state: string) => {
    throw new UserError(`Cannot score ${id}: ${state}`);
  };
  const k = continuations.length;
  if (k < 2) refuse(`it has ${k} answers, wanted two or more`);
  if (labels.length !== k || levels.length !== k) {
    refuse(`it has ${labels.length} labels and ${levels.length} levels for ${k} answers, wanted one each`);
  }
  if (levels.toSorted((a, b) => a - b).some((level, i) => level !== i)) {
    refuse(`its levels are ${levels.join(", ")}, wanted each of 0 to ${k - 1} once`);
  }
  if (new Set(continuations).size < k) refuse("two answers have the same text, wanted different ones");
}

function outcome(item: StatementItem, result: ScoreResult, tokenizer: Tokenizer): Outcome {
  const { logprobs, greedy, argmax, argmaxLogprob } = result;
  const { continuations, labels, levels, read } = item;
  const choice = logprobs.reduce((best, value, i) => value > (logprobs[best] as number) ? i : best, 0);
  const top = logprobs[choice] as number;
  const relative = logprobs.map((logprob) => Math.exp(logprob - top));
  const total = relative.reduce((sum, value) => sum + value, 0);
  const probabilities = levels.map((_, level) => (relative[levels.indexOf(level)] as number) / total);
  const highest = levels.length - 1;
  const level = levels[choice] as number;
  const expected = probabilities.reduce((sum, p, a) => sum + p * a, 0) / highest;
  const given = tokenizer.decode([argmax]);
  const valid = given.trim() !== "" && continuations.some((each) => each.startsWith(given));
  return {
    item: item.id,
    values: {
      agreement: read === "choice" ? level / highest : expected,
      expected,
      valid: Number(valid),
      mass: logprobs.reduce((sum, logprob) => sum + Math.exp(logprob), 0),
    },
    detail: {
      choice: labels[choice] as string,
      given,
      level,
      probabilities,
      labels,
      logprobs,
      greedy,
      valid,
      argmax,
      argmaxLogprob,
    },
  };
}

function answer({ read, negated, levels }: StatementItem, { detail }: Outcome): LevelAnswer {
  const shares = read === "expected"
    ? detail.probabilities as readonly number[]
    : levels.map((_, level) => Number(level === detail.level));
  return { shares, negated };
}

function sample(
  index: number,
  item: StatementItem,
  { values, detail }: Outcome,
  tokenizer: Tokenizer,
): Sample {
  const context = renderPrompt(tokenizer, item.prompt);
  const responses = (detail.logprobs as readonly number[]).map((logprob, i) => [
    logprob,
    (detail.greedy as readonly boolean[])[i],
  ]);
  return {
    doc_id: index,
    doc: item.doc,
    target: "",
    arguments: Object.fromEntries(
      item.continuations.map((continuation, i) => [`gen_args_${i}`, { arg_0: context, arg_1: continuation }]),
    ),
    resps: responses.map((response) => [response]),
    filtered_resps: responses,
    filter: "none",
    metrics: Object.keys(values),
    ...values,
    item: item.id,
    choice: detail.choice,
    given: detail.given,
    level: detail.level,
    probabilities: detail.probabilities,
  };
}
