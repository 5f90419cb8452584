/** From items to requests, from answers to outcomes. */
import type { Item } from "./benchmark.ts";
import type { Generation, ScoreRequest, ScoreResult, Tokenizer } from "./model.ts";
import type { LevelAnswer } from "./scale.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** What one item came to under one treatment. Plain JSON: it is stored and compared as it stands. */
export interface Outcome {
  readonly item: string;
  /** One number a metric; means over items are the metric's estimate. */
  readonly values: Readonly<Record<string, number>>;
  /** What the answer was: choice, given label, log-probabilities. */
  readonly detail: { readonly [key: string]: Json };
}

export interface Metric {
  readonly name: string;
  readonly title: string;
  /** Every value is 0 or 1: a proportion, shown in percent. */
  readonly binary: boolean;
  readonly higherIsBetter: boolean;
}

/** A metric of several items at once, made when all outcomes of a cell are there and kept in none of them. */
export interface JointMetric<It extends Item = Item> extends Metric {
  /**
   * The whole that an item is a part of, by name, and its number of parts; undefined where it is none. A cell has the metric where every item
   * is a part. A whole of which parts are missing, cut off by a limit, does not count.
   */
  partOf(item: It): { readonly whole: string; readonly parts: number } | undefined;
  /** Of one whole, from the outcomes of its parts in the order of the items. */
  value(parts: readonly Outcome[]): number;
}

/** How one item was answered by label; indices into `labels`. */
export interface LabelChoice {
  readonly labels: readonly string[];
  readonly gold: number;
  /** The most probable option. */
  readonly chosen: number;
  /** The label that the most probable token of the whole vocabulary spells; undefined where it spells none. */
  readonly given: number | undefined;
}

/** One line of `samples_*.jsonl`, as lm-evaluation-harness names the fields. */
export interface Sample {
  readonly doc_id: number;
  readonly doc: unknown;
  readonly target: unknown;
  readonly arguments: unknown;
  readonly resps: unknown;
  readonly filtered_resps: unknown;
  readonly filter: string;
  readonly metrics: readonly string[];
  readonly [more: string]: unknown;
}

/** What evaluators of either kind have. */
interface Evaluation<It extends Item> {
  readonly name: string;
  readonly version: string;
  readonly metrics: readonly Metric[];
  /** Shown beside the metrics, with intervals, differences and controls as they; without parts. Hypotheses and forecasts know none of them. */
  readonly joint?: readonly JointMetric<It>[];
  /** Index of an item's right continuation, where there is one; scorers that compare answers need it. */
  gold?(item: It): number | undefined;
  /** Splits one item's change in `metric` into named parts that sum to it; undefined when the metric has no parts. The values are those of the
   * metrics that every item of the cell has. */
  parts?(
    metric: string,
    before: Outcome["values"],
    after: Outcome["values"],
  ): Readonly<Record<string, number>> | undefined;
  /** What an outcome answers, for benchmarks that have scales. */
  answer?(item: It, outcome: Outcome): LevelAnswer;
  /** How an outcome answers by label, for the shares of labels. */
  choice?(item: It, outcome: Outcome): LabelChoice;
  sample(index: number, item: It, outcome: Outcome, tokenizer: Tokenizer): Sample;
}

/** Reads what the model says of given continuations. */
export interface Evaluator<It extends Item = Item> extends Evaluation<It> {
  /** One request an item, same order. @throws {UserError} when a label or prompt does not suit the tokenizer. */
  plan(items: readonly It[], tokenizer: Tokenizer): readonly ScoreRequest[];
  outcome(item: It, result: ScoreResult, tokenizer: Tokenizer): Outcome;
}

/** Reads what the model writes by itself: greedily, so that one prompt has one text. */
export interface GeneratingEvaluator<It extends Item = Item> extends Evaluation<It> {
  /** One request an item, same order. @throws {UserError} when a prompt does not suit the tokenizer. */
  generate(items: readonly It[], tokenizer: Tokenizer): readonly GenerateRequest[];
  /** Pure. */
  outcomeOf(item: It, written: Written): Outcome;
}

/** Of either kind; one with generate() has answers written. */
export type AnyEvaluator<It extends Item = Item> = Evaluator<It> | GeneratingEvaluator<It>;

/** A prompt that the model goes on from. */
export interface GenerateRequest {
  /** Token ids, at least one. */
  readonly prompt: readonly number[];
  /** At least 1; with the prompt at most the model's context length. */
  readonly maxNewTokens: number;
}

/** What a model wrote after a prompt, special tokens left out. */
export interface Written {
  readonly text: string;
  /** Whether it ended by itself or was cut off. */
  readonly finish: Generation["finish"];
}
