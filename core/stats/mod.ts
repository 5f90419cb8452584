/** From values of items to estimates: the one place where intervals and p-values are made. */
import type { Difference, Estimate, Spread } from "../estimate.ts";
import { type Clustered, gather } from "./cluster.ts";
import { changeInterval, levelInterval } from "./intervals.ts";
import { mcnemarExact, wilson } from "./proportions.ts";
import { estimateSeeds } from "./seeds.ts";
import { signFlip } from "./sign_flip.ts";
import { detectableShift } from "./student.ts";

export { estimateSeeds, mcnemarExact, wilson };

export interface EstimateOptions {
  /** Every value is 0 or 1. */
  readonly binary: boolean;
  /** The cluster of each value; items are independent when all differ. */
  readonly clusters: readonly string[];
  /** Name of the random stream of a sign-flip test that is drawn; intervals draw nothing. */
  readonly seed: string | number;
  /** Confidence in (0, 1); default 0.95. */
  readonly level?: number | undefined;
  /** Patterns of a sign-flip test that is drawn; default 10,000. */
  readonly resamples?: number | undefined;
}

/**
 * The mean of a metric over items, with the interval that `deno task calibrate stats` finds to cover as often as it says:
 *
 * - binary: Wilson's; where items share clusters, with as many observations as would leave the mean as uncertain as the clusters do,
 *   and Student's quantile (E. Korn and B. Graubard, Survey Methodology 24, 1998; N. Dean and M. Pagano, J. Surv. Stat. Methodol. 3, 2015);
 * - else Student's t with the error and the degrees of freedom of the clusters (cluster.ts).
 *
 * Where every cluster of a binary metric has the same mean, nothing says how clusters differ: Wilson's interval then counts a cluster as one
 * observation.
 *
 * @param values one number an item, in the metric's unit
 * @throws {RangeError} for no items, a value that is not finite, or one other than 0 and 1 in a binary metric.
 *
 * @example
 * ```ts
 * import { estimateMean } from "./mod.ts";
 * const { value, low, high } = estimateMean([1, 1, 0, 1], { binary: true, clusters: ["a", "b", "c", "d"], seed: 0 });
 * if (!(value === 0.75 && low > 0.3 && high < 0.96)) throw new Error("unexpected interval");
 * ```
 */
export function estimateMean(values: ArrayLike<number>, options: EstimateOptions): Estimate {
  check(values, options);
  const { binary, clusters } = options;
  return levelInterval(gather(values, clusters), { binary, level: levelOf(options) });
}

/**
 * The mean of changes of a metric over items, or of a part of each change:
 *
 * - binary: the differences that Tango's score test does not reject (proportions.ts), where items share clusters with the effective number
 *   of pairs and Student's quantile, as in estimateMean();
 * - else, and for parts that are fractions, Student's t over clusters.
 *
 * Where all k clusters of a binary metric changed alike, or not at all, nothing says how clusters differ. Clusters that behave otherwise
 * are then, at the level, at most a share f = 1 - (alpha / 2)^(1 / k) of all (Clopper and Pearson's bound for none in k), and they change
 * by -1 or +1 at most: the bounds are v - f (v + 1) and v + f (1 - v). One cluster is always such a case.
 *
 * @param changes one number an item, in [-1, 1] for a binary metric
 * @throws {RangeError} for no items, or a value that is not finite or not in that range.
 */
export function estimateChange(changes: ArrayLike<number>, options: EstimateOptions): Estimate {
  return changeInterval(gatherChanges(changes, options), {
    binary: options.binary,
    level: levelOf(options),
  });
}

/**
 * The mean change of a metric from `before` to `after` on the same items, as estimateChange(), with the sign-flip test over clusters,
 * the smallest detectable difference, and McNemar's exact test where it holds: independent binary items.
 *
 * @param before one number an item
 * @param after the same items in the same order
 * @throws {RangeError} as estimateMean(), and for lists of different lengths.
 */
export function pairedDifference(
  before: ArrayLike<number>,
  after: ArrayLike<number>,
  options: EstimateOptions,
): Difference {
  check(before, options);
  check(after, options);
  const changes = Float64Array.from(after, (value, i) => value - before[i]!);
  const data = gatherChanges(changes, options);
  return differenceOf(data, options);
}

/** The difference of clustered changes, as pairedDifference() gives it. */
export function differenceOf(data: Clustered, options: Omit<EstimateOptions, "clusters">): Difference {
  const { binary, seed, resamples } = options, { rose, fell, sums, n } = data;
  const estimate = changeInterval(data, { binary, level: levelOf(options) });
  const { error, freedom } = estimate;
  const detectable = error && freedom ? { detectable: error * detectableShift(freedom) } : {};
  const test = binary && sums.length === n ? { mcnemar: mcnemarExact(rose, fell) } : {};
  return {
    ...estimate,
    rose,
    fell,
    signFlip: signFlip(sums, { seed: `${seed}/signs`, draws: resamples }),
    ...detectable,
    ...test,
  };
}

/**
 * The mean change of a metric under several seeds, as estimateSeeds(), with the smallest detectable difference. Items rose or fell on average over
 * seeds.
 *
 * @param before [seed][item], or one list for all seeds
 * @param after [seed][item], two seeds at least, the same items in the same order
 * @throws {RangeError} as estimateSeeds(), and for another number of lists.
 */
export function seedsDifference(
  before: readonly ArrayLike<number>[],
  after: readonly ArrayLike<number>[],
  { binary, clusters, level }: Pick<EstimateOptions, "binary" | "clusters" | "level">,
): Difference {
  if (before.length !== 1 && before.length !== after.length) {
    throw new RangeError(
      `Cannot compare seeds: there are ${before.length} lists before and ${after.length} after, wanted as many or one`,
    );
  }
  const changes = after.map((list, s) => {
    const base = before[s] ?? before[0]!;
    return Array.from(list, (value, i) => value - base[i]!);
  });
  const estimate = estimateSeeds(changes, {
    clusters,
    ...(binary && { bounded: "change" as const }),
    level: levelOf({ level }),
  });
  const { error, freedom } = estimate;
  const sums = clusters.map((_, i) => changes.reduce((sum, list) => sum + list[i]!, 0));
  return {
    ...estimate,
    rose: sums.filter((sum) => sum > 0).length,
    fell: sums.filter((sum) => sum < 0).length,
    ...(error && freedom ? { detectable: error * detectableShift(freedom) } : {}),
  };
}

/** Mean and range of one number a control set. @throws {RangeError} for none, or one that is not finite. */
export function spread(values: readonly number[]): Spread {
  checkFinite(values);
  const sorted = Float64Array.from(values).sort();
  const sets = values.length;
  const [min, max] = [sorted[0] as number, sorted[sets - 1] as number];
  // Rounding of the sum must not carry the mean out of the range.
  const mean = Math.min(max, Math.max(min, sorted.reduce((sum, value) => sum + value, 0) / sets));
  return { mean, min, max, sets };
}

function gatherChanges(changes: ArrayLike<number>, { binary, clusters }: EstimateOptions): Clustered {
  check(changes, { binary: false, clusters });
  const data = gather(changes, clusters);
  if (binary && !(data.min >= -1 && data.max <= 1)) {
    const odd = data.min < -1 ? data.min : data.max;
    throw new RangeError(`Cannot estimate a change of a proportion: a value is ${odd}, wanted -1 to 1`);
  }
  return data;
}

function levelOf({ level = 0.95 }: { readonly level?: number | undefined }): number {
  if (level > 0 && level < 1) return level;
  throw new RangeError(`Cannot make an interval at level ${level}: wanted a number in (0, 1)`);
}

function check(
  values: ArrayLike<number>,
  { binary, clusters }: Pick<EstimateOptions, "binary" | "clusters">,
): void {
  checkFinite(values);
  if (clusters.length !== values.length) {
    throw new RangeError(
      `Cannot estimate a mean: ${values.length} values have ${clusters.length} clusters, wanted one each`,
    );
  }
  const odd = binary ? find(values, (value) => value !== 0 && value !== 1) : undefined;
  if (odd !== undefined) {
    throw new RangeError(`Cannot estimate a proportion: a value is ${odd}, wanted 0 or 1`);
  }
}

function checkFinite(values: ArrayLike<number>): void {
  if (values.length === 0) {
    throw new RangeError("Cannot estimate a mean: there are no values, wanted at least one");
  }
  const odd = find(values, (value) => !Number.isFinite(value));
  if (odd !== undefined) {
    throw new RangeError(`Cannot estimate a mean: a value is ${odd}, wanted finite numbers`);
  }
}

function find(values: ArrayLike<number>, isOdd: (value: number) => boolean): number | undefined {
  for (let i = 0; i < values.length; i++) if (isOdd(values[i]!)) return values[i];
  return undefined;
}
