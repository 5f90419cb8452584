/** From items to one number a unit: a scorer is a plan of passes and a pure combination of what they give. */
import type { z } from "zod";
import type { Model, Objective, Observation, RunSample, Tap } from "./model.ts";

/** An item as a scorer sees it, tokenised by its benchmark's evaluator. */
export interface ScoredItem {
  readonly id: string;
  /** What scores are kept apart by: a country, a topic; "all" when nothing was named. */
  readonly group: string;
  readonly prompt: readonly number[];
  readonly continuations: readonly (readonly number[])[];
  /** Index of the right continuation; undefined where the benchmark has none. */
  readonly gold: number | undefined;
}

export interface ScorerInput<Params> {
  readonly params: Params;
  /** Items by the name of their set, as the scorer's `sets` names them. */
  readonly items: Readonly<Record<string, readonly ScoredItem[]>>;
  readonly model: Pick<Model, "info" | "units" | "tokenizer">;
  /** Decides every draw. */
  readonly seed: number;
}

/** One walk over items. The core owns batching and resume; values are summed over the samples of a group in float64. */
export interface Pass {
  /** Names the pass for combine(). */
  readonly name: string;
  readonly samples: readonly PassSample[];
  readonly objective?: PassObjective;
  readonly observe: readonly Observation[];
  /** Each sample's pooled values become max(value, floor) before they are summed. */
  readonly floor?: number;
}

export interface PassSample extends RunSample {
  readonly id: string;
  readonly group: string;
  /** Target, contrast or answer of this sample, as the objective's kind has it. */
  readonly target?: number;
  readonly against?: number;
  readonly answer?: number;
}

/** An objective whose targets stand with the samples. */
export type PassObjective =
  | { readonly kind: "probability" | "logprob" | "logitDifference" | "cloze" }
  | Extract<Objective, { kind: "crossEntropy" }>;

/** Sums over the samples of one pass and group at one tap; arrays are as long as the observation has columns. */
export interface PooledValues {
  readonly n: number;
  readonly sum: Float64Array;
  readonly sumOfSquares: Float64Array;
  /** Samples whose value is above 0. */
  readonly positive: Float64Array;
}

export interface Pooled {
  /** @throws {UserError} when there is no such pass, group or observation. */
  at(pass: string, group: string, tap: Tap): PooledValues;
  /** In order of first appearance. */
  groups(pass: string): readonly string[];
  /** Samples of a pass over all its groups. */
  count(pass: string): number;
}

/** One number a unit, by group, then by tap. */
export type UnitScores = ReadonlyMap<string, ReadonlyMap<Tap, Float64Array>>;

export interface Scorer<Params = unknown> {
  readonly name: string;
  readonly version: string;
  readonly title: string;
  /** Paper, section and formula, or "Plumbline". */
  readonly source: string;
  readonly params: z.ZodType<Params>;
  /** Names of the sets of items that it needs: ["items"], or ["positive", "negative"]; none for a scorer that looks at no data. */
  readonly sets: readonly string[];
  /** Pure. @throws {UserError} for items or params that do not suit. */
  passes(input: ScorerInput<Params>): readonly Pass[];
  /** Pure: the same pooled values give the same scores. Larger is more. */
  combine(pooled: Pooled, input: ScorerInput<Params>): UnitScores;
}
