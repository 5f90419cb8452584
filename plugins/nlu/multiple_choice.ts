/**
 * Questions with given answers, each answer scored as a continuation.
 *
 * acc, acc_norm: as lm-evaluation-harness 0.4.13 (`ConfigurableTask.process_results`): the option of highest summed
 * log-probability, or of highest log-probability per character of the option, is the right one; of equals the first.
 *
 * exact_match: as CULNIG (arXiv 2510.08284): the most probable token of the whole vocabulary, decoded, is the right label, character
 * for character. Deviations: where continuation and label differ (" A" and "A"), either will do; where the right continuation is
 * longer than the token, it counts when greedy decoding gives all of it, as the harness's exact_match does.
 *
 * valid: that token begins an answer or is a label, so the model answered the question at all. Then exact_match = v * c
 * for each item, with v = valid and c = the right one among the options (the one given where valid, else the most probable). The change of
 * the product splits into validity (v1 - v0) (c0 + c1) / 2 and ability (c1 - c0) (v0 + v1) / 2, which sum to it exactly. A choice among
 * given options is always valid, so acc has no such parts.
 *
 * consistent_acc, consistent_exact_match: of questions asked in all rotations of their options (core/confounds.ts), the share right in
 * every one. One question is one observation. A model that always gives the same letter has 0.
 */
import {
  type ChoiceItem,
  encodeChoices,
  type Evaluator,
  type JointMetric,
  type Outcome,
  renderPrompt,
  type Sample,
  type ScoreRequest,
  type ScoreResult,
  sha256,
  type Tokenizer,
  UserError,
} from "../../core/mod.ts";

/** Scores ChoiceItems; gold_logprob is in nats, every other metric is 0 or 1. */
export const multipleChoice: Evaluator<ChoiceItem> = {
  name: "multiple_choice",
  version: "1",
  metrics: [
    { name: "acc", title: "Accuracy among the options", binary: true, higherIsBetter: true },
    {
      name: "acc_norm",
      title: "Accuracy, log-probability per character",
      binary: true,
      higherIsBetter: true,
    },
    { name: "exact_match", title: "Accuracy in the whole vocabulary", binary: true, higherIsBetter: true },
    { name: "valid", title: "Valid answers", binary: true, higherIsBetter: true },
    {
      name: "gold_logprob",
      title: "Log-probability of the right answer (nats)",
      binary: false,
      higherIsBetter: true,
    },
  ],
  joint: [
    consistent("acc", "Right in every order, among the options"),
    consistent("exact_match", "Right in every order, in the whole vocabulary"),
  ],
  plan: (items, tokenizer) => items.map((item) => request(item, tokenizer)),
  gold: ({ gold }) => gold,
  outcome,
  parts(metric, before, after) {
    if (metric !== "exact_match") return undefined;
    const [v0, c0] = factors(before);
    const [v1, c1] = factors(after);
    return { validity: (v1 - v0) * (c0 + c1) / 2, ability: (c1 - c0) * (v0 + v1) / 2 };
  },
  choice({ labels, continuations, gold }, { detail: { choice, given } }) {
    const spelled = spelledBy(String(given), { labels, continuations });
    return {
      labels,
      gold,
      chosen: labels.indexOf(String(choice)),
      given: spelled === -1 ? undefined : spelled,
    };
  },
  sample,
};

/** 1 where every rotation of a question is right by `metric`. */
function consistent(metric: "acc" | "exact_match", title: string): JointMetric<ChoiceItem> {
  return {
    name: `consistent_${metric}`,
    title,
    binary: true,
    higherIsBetter: true,
    partOf: ({ rotationOf, labels }) =>
      rotationOf === undefined ? undefined : { whole: rotationOf, parts: labels.length },
    value: (parts) => Number(parts.every(({ values }) => values[metric] === 1)),
  };
}

/** Index of the label that a token's text is, as it stands or as its option is continued with; -1 for none. */
function spelledBy(given: string, { labels, continuations }: Pick<ChoiceItem, "labels" | "continuations">) {
  return labels.findIndex((label, i) => given === label || given === continuations[i]);
}

/** @throws {UserError} for an item that has no two different answers or no right one. */
function checkItem({ id, continuations, labels, gold }: ChoiceItem): void {
  const refuse = (state: string) => {
    throw new UserError(`Cannot score ${id}: ${state}`);
  };
  if (continuations.length < 2) refuse(`it has ${continuations.length} options, wanted two or more`);
  if (labels.length !== continuations.length) {
    refuse(`it has ${labels.length} labels for ${continuations.length} options, wanted one each`);
  }
  if (!(Number.isInteger(gold) && gold >= 0 && gold < labels.length)) {
    refuse(`gold is ${gold}, wanted a whole number in [0, ${labels.length})`);
  }
  const empty = continuations.findIndex((continuation) => continuation.trim() === "");
  if (empty >= 0) refuse(`option ${empty} is empty, wanted text`);
  if (new Set(labels).size < labels.length) refuse("two options have the same label, wanted different ones");
  if (new Set(continuations).size < labels.length) {
    refuse("two options have the same text, wanted different ones");
  }
}

function request(item: ChoiceItem, tokenizer: Tokenizer): ScoreRequest {
  checkItem(item);
  const encoded = encodeChoices(tokenizer, item.prompt, item.continuations);
  for (const [i, ids] of item.oneToken ? encoded.continuations.entries() : []) {
    if (ids.length !== 1) {
      throw new UserError(
        `Cannot score ${item.id}: label ${JSON.stringify(item.continuations[i])} is ${ids.length} tokens ` +
          `(${ids.join(", ")}) in this tokenizer, wanted one`,
      );
    }
  }
  return encoded;
}

function outcome(item: ChoiceItem, result: ScoreResult, tokenizer: Tokenizer): Outcome {
  const { logprobs, greedy, argmax, argmaxLogprob } = result;
  const { continuations, labels, gold } = item;
  const given = tokenizer.decode([argmax]);
  const choice = indexOfMax(logprobs);
  const normed = indexOfMax(logprobs.map((logprob, i) => logprob / length(continuations[i] as string)));
  const spelled = spelledBy(given, item);
  const exact = spelled === -1 ? greedy[gold] === true : spelled === gold;
  const begins = given.trim() !== "" && continuations.some((each) => each.startsWith(given));
  const valid = exact || spelled !== -1 || begins;
  const [best = 0, second = best] = [...logprobs].sort((a, b) => b - a);
  return {
    item: item.id,
    values: {
      acc: Number(choice === gold),
      acc_norm: Number(normed === gold),
      exact_match: Number(exact),
      valid: Number(valid),
      gold_logprob: logprobs[gold] as number,
    },
    detail: {
      choice: labels[choice] as string,
      given,
      gold: labels[gold] as string,
      valid,
      logprobs,
      greedy,
      margin: best - second,
      argmax,
      argmaxLogprob,
    },
  };
}

/** [v, c] of an outcome, whose product is its exact_match. */
function factors({ valid = 0, exact_match = 0, acc = 0 }: Outcome["values"]): [number, number] {
  return [valid, valid === 1 ? exact_match : acc];
}

/** The first of the highest, as numpy.argmax. */
function indexOfMax(values: readonly number[]): number {
  return values.reduce((best, value, i) => value > (values[best] as number) ? i : best, 0);
}

/** Code points of an option without the space that parts it from the prompt: the harness measures the option alone. */
function length(continuation: string): number {
  return [...continuation.replace(/^ (?=.)/su, "")].length;
}

/** A float as Python's repr spells it: "-3.0", "1e-05". */
export function pythonFloat(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  return Object.is(value, -0) ? "-0.0" : Number.isInteger(value) ? `${value}.0` : String(value);
}

/** Layout and hashes of `EvaluationTracker.save_results_samples`: arguments by name, figures as Python spells them. */
function sample(index: number, item: ChoiceItem, { values, detail }: Outcome, tokenizer: Tokenizer): Sample {
  const context = renderPrompt(tokenizer, item.prompt);
  const target = item.target ?? (item.labels[item.gold] as string);
  const logprobs = detail.logprobs as readonly number[];
  const greedy = detail.greedy as readonly boolean[];
  const responses = logprobs.map((logprob, i) => [pythonFloat(logprob), greedy[i] ? "True" : "False"]);
  return {
    doc_id: index,
    doc: item.doc,
    target,
    arguments: Object.fromEntries(
      item.continuations.map((continuation, i) => [`gen_args_${i}`, { arg_0: context, arg_1: continuation }]),
    ),
    resps: responses.map((response) => [response]),
    filtered_resps: responses,
    filter: "none",
    metrics: Object.keys(values),
    doc_hash: sha256(JSON.stringify(item.doc, null, 2)),
    prompt_hash: sha256(context),
    target_hash: sha256(String(target)),
    ...values,
    item: item.id,
    choice: detail.choice,
    given: detail.given,
    logprobs,
    margin: detail.margin,
    argmax_logprob: detail.argmaxLogprob,
  };
}
