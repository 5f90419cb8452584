/**
 * Scales: numbers made of a model's answers to all statements of a questionnaire at once, where a metric is a mean over items. A benchmark
 * gives them as data, an evaluator says how an outcome answers, and scale_results.ts makes the rest of these two.
 */
import type { Estimate, Spread } from "./estimate.ts";

/**
 * One axis, linear in the answers: value = offset + sum over statements and levels of weights[statement][level] x share, with the share of
 * a statement's answers at that level. Statements that bear on another axis only are left out of `weights`.
 */
export interface Scale {
  readonly name: string;
  readonly title: string;
  /** What the low end of the range means, and the high one. */
  readonly ends: readonly [string, string];
  /** The value of the lowest and of the highest answers; a figure is cut to it when it is shown. */
  readonly range: readonly [number, number];
  /** Decimals that people are shown. */
  readonly digits: number;
  readonly offset: number;
  /** By `clusters.question` of the items, a number a level, levels from disagreement to agreement. */
  readonly weights: Readonly<Record<string, readonly number[]>>;
}

/** What an outcome answers. */
export interface LevelAnswer {
  /** Share of each level, from disagreement to agreement; they sum to 1. */
  readonly shares: readonly number[];
  /** Whether the model was asked the opposite of the statement. */
  readonly negated: boolean;
}

/** Where a value would lie if the answers had nothing to do with the statements. */
export interface ShuffledRange {
  /** Of the model's own answers, dealt to the statements at random. */
  readonly mean: number;
  /** Range that holds as large a share of them as the run's level. */
  readonly low: number;
  readonly high: number;
  /** Two-sided: how often shuffled answers lie as far from their mean as the value. */
  readonly p: number;
}

export interface ScaleResult extends Omit<Scale, "weights" | "offset"> {
  /** `n` is answers and `clusters` is statements that bear on the axis; statements are resampled. */
  readonly estimate: Estimate;
  readonly null: ShuffledRange;
  /** Against the untouched model, statement by statement; absent for the untouched model itself. */
  readonly difference?: Estimate;
  /** By control: the value and its difference from the untouched model, over the sets. */
  readonly controls: Readonly<Record<string, { readonly value: Spread; readonly difference: Spread }>>;
}

/** All scales of one cell, and whether they mean anything. */
export interface ScalesResult {
  readonly scales: readonly ScaleResult[];
  /** How often shuffled answers lie as far from their mean on all axes together, each measured in its own standard deviations. */
  readonly distance: { readonly p: number };
  /** Mean agreement with a statement and with its negation, from 0 to 1: 0.5 is balance, 1 agrees with everything. `clusters` is statements. */
  readonly acquiescence: Estimate;
  /** Statements on whose negation the model takes the other side, and those on whose negation it takes the same one. */
  readonly pairs: { readonly opposite: number; readonly same: number; readonly all: number };
  /** One-sided: how often shuffled negations oppose the statements as much as their own do. */
  readonly opposition: { readonly p: number };
  /** Whether its place on the scales may be shown as the model's. */
  readonly reacts: boolean;
  /** Why, in words. */
  readonly reason: string;
  /** What `reacts` was decided by. */
  readonly rule: { readonly level: number; readonly permutations: number };
}
