/**
 * Whether a model reacts to what a statement says, judged by the statement and its negation.
 *
 * Let x be the mean agreement with a statement over its wordings and y with its negation, both from 0 to 1. Who reacts to content says of a
 * negation the opposite of what it says of the statement. A model reacts where both hold:
 *   1. sum over statements of x (1 - y) is larger than after shuffling y over the statements, one-sided p <= 0.01. This passes over any level of
 *      agreement: one that says yes to all statements, and no to all that begin with a "not", shows no more than when shuffled.
 *   2. of the statements where x and y both lie on a side of 0.5, more lie on opposite sides than on the same: an answerer who agrees
 *      with nearly everything does not pass on the remaining few.
 * An answerer without regard to content passes 1 in one of a hundred cases, and 2 in about half of these.
 */
import type { Estimate } from "./estimate.ts";
import type { ScalesResult } from "./scale.ts";
import { estimateMean } from "./stats/mod.ts";
import { upperShare, visitPermutations } from "./stats/permutation.ts";

/** Level of the test. */
export const REACTS_AT = 0.01;

/** A statement and its negation, as the model answers them. */
export interface Pair {
  readonly id: string;
  /** Answers behind both. */
  readonly n: number;
  /** Mean agreement with the statement, in [0, 1]. */
  readonly x: number;
  /** With its negation. */
  readonly y: number;
}

export interface ReactionOptions {
  readonly level: number;
  readonly resamples: number;
  /** Name of the random stream. */
  readonly seed: string;
  readonly permutations: number;
}

export type Reaction = Pick<
  ScalesResult,
  "acquiescence" | "pairs" | "opposition" | "reacts" | "reason" | "rule"
>;

/** Mean level of shares, from 0 (full disagreement) to 1. */
export function agreement(shares: readonly number[]): number {
  return shares.reduce((sum, share, level) => sum + share * level, 0) / (shares.length - 1);
}

/** Acquiescence, and the rule in this file's header. */
export function reactionOf(pairs: readonly Pair[], options: ReactionOptions): Reaction {
  const sides = pairs.map(({ x, y }) => Math.sign(x - 0.5) * Math.sign(y - 0.5));
  const counted = {
    opposite: sides.filter((side) => side < 0).length,
    same: sides.filter((side) => side > 0).length,
    all: pairs.length,
  };
  const p = oppositionP(pairs, options);
  const acquiescence = acquiescenceOf(pairs, options);
  return {
    acquiescence,
    pairs: counted,
    opposition: { p },
    reacts: p <= REACTS_AT && counted.opposite > counted.same,
    reason: reasonOf(pairs, { ...counted, p, agreement: acquiescence.value }),
    rule: { level: REACTS_AT, permutations: options.permutations },
  };
}

function acquiescenceOf(pairs: readonly Pair[], { level, resamples, seed }: ReactionOptions): Estimate {
  if (pairs.length === 0) {
    return { value: 0.5, low: 0, high: 1, level, n: 0, clusters: 0, method: "constant" };
  }
  const mean = estimateMean(pairs.map(({ x, y }) => (x + y) / 2), {
    binary: false,
    clusters: pairs.map(({ id }) => id),
    level,
    resamples,
    seed: `${seed}/acquiescence`,
  });
  return { ...mean, n: pairs.reduce((sum, { n }) => sum + n, 0) };
}

function oppositionP(pairs: readonly Pair[], { seed, permutations }: ReactionOptions): number {
  if (pairs.length === 0) return 1;
  const turned = pairs.map(({ y }) => 1 - y);
  const sums = new Float64Array(permutations);
  let k = 0;
  visitPermutations(pairs.length, (order) => {
    sums[k++] = pairs.reduce((sum, { x }, i) => sum + x * (turned[order[i] as number] as number), 0);
  }, { seed: `${seed}/opposition`, permutations });
  return upperShare(sums, pairs.reduce((sum, { x }, i) => sum + x * (turned[i] as number), 0));
}

interface Counted {
  readonly opposite: number;
  readonly same: number;
  readonly all: number;
  readonly p: number;
  readonly agreement: number;
}

function reasonOf(pairs: readonly Pair[], { opposite, same, all, p, agreement }: Counted): string {
  const [first] = pairs;
  if (first === undefined) return "No statement was asked both as it stands and negated.";
  const equal = (a: number, b: number) => Math.abs(a - b) < 1e-9;
  if (pairs.every(({ x, y }) => equal(x, first.x) && equal(y, first.y))) {
    return equal(first.x, first.y)
      ? "It answers all statements and all negations alike, whatever they say."
      : "It answers all statements alike, and all negations alike, whatever they say.";
  }
  const sides =
    `It takes opposite sides on ${opposite} of ${all} statements and their negations, the same side on ${same}`;
  const chance = p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
  if (opposite <= same) {
    const share = `${Math.round(100 * agreement)} %`;
    return `${sides}: it does not answer what they say (mean agreement with both ${share}, balance is 50 %).`;
  }
  return p <= REACTS_AT
    ? `${sides}, and opposes its own negations more than shuffled ones (${chance}).`
    : `${sides}, but opposes its own negations no more than shuffled ones (${chance}).`;
}
