/** From values of items to estimates: the one place where intervals and p-values are made. */
import type { Difference, Estimate, Spread } from "../estimate.ts";
import { bootstrapMean, type BootstrapOptions } from "./bootstrap.ts";
import { mcnemarExact, wilson } from "./proportions.ts";

export { mcnemarExact, wilson };

export interface EstimateOptions extends BootstrapOptions {
  /** Every value is 0 or 1. */
  readonly binary: boolean;
  /** The cluster of each value; items are independent when all differ. */
  readonly clusters: readonly string[];
}

/**
 * The mean of a metric over items: with Wilson's interval for independent binary items, else with a percentile bootstrap over
 * clusters (10,000 resamples; percentiles interpolated linearly between order statistics). Where every cluster of a binary metric
 * has the same mean, a bootstrap has nothing to draw from: Wilson's interval then counts a cluster as one observation.
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
export function estimateMean(values: readonly number[], options: EstimateOptions): Estimate {
  check(values, options);
  const n = values.length, clusters = new Set(options.clusters).size, { level = 0.95 } = options;
  const successes = values.reduce((sum, value) => sum + value, 0), value = successes / n;
  if (options.binary && (clusters === n || areAlike(values, options.clusters))) {
    // Whole successes on either side of the share of clusters; the same number where items are independent.
    const exact = clusters === n ? successes : value * clusters, whole = Math.round(exact);
    const share = Math.abs(exact - whole) < 1e-9 ? whole : exact;
    const { low } = wilson(Math.floor(share), clusters, level),
      { high } = wilson(Math.ceil(share), clusters, level);
    return { value, low, high, level, n, clusters, method: "wilson" };
  }
  return { ...bootstrapMean(values, resampled(options.clusters), options), clusters, n, method: "bootstrap" };
}

/**
 * The mean of changes of a metric over items, or of a part of each change, with a percentile bootstrap over clusters.
 *
 * Where a binary metric changed and all k clusters changed alike, a bootstrap has nothing to draw from. Clusters that behave otherwise
 * are then, at the level, at most a share f = 1 - (alpha / 2)^(1 / k) of all (Clopper and Pearson's bound for none in k), and they change
 * by -1 or +1 at most: the bounds are v - f (v + 1) and v + f (1 - v). One cluster is such a case whether it changed or not.
 *
 * @param changes one number an item, in [-1, 1] for a binary metric
 */
export function estimateChange(changes: readonly number[], options: EstimateOptions): Estimate {
  const n = changes.length, clusters = new Set(options.clusters).size, { level = 0.95 } = options;
  const estimate = { ...bootstrapMean(changes, resampled(options.clusters), options), n, clusters };
  const changed = clusters === 1 || changes.some((change) => change !== 0);
  if (!(options.binary && changed && areAlike(changes, options.clusters))) {
    return { ...estimate, method: "paired bootstrap" };
  }
  const { value } = estimate, others = 1 - ((1 - level) / 2) ** (1 / clusters);
  return {
    ...estimate,
    low: value - others * (value + 1),
    high: value + others * (1 - value),
    method: "bound",
  };
}

/**
 * The mean change of a metric from `before` to `after` on the same items, as estimateChange(), and McNemar's exact test where it holds:
 * independent binary items.
 *
 * @param before one number an item
 * @param after the same items in the same order
 * @throws {RangeError} as estimateMean(), and for lists of different lengths.
 */
export function pairedDifference(
  before: readonly number[],
  after: readonly number[],
  options: EstimateOptions,
): Difference {
  check(before, options);
  check(after, options);
  const changes = after.map((value, i) => value - (before[i] as number));
  const rose = changes.filter((change) => change > 0).length;
  const fell = changes.filter((change) => change < 0).length;
  const test = options.binary && independent(options.clusters) ? { mcnemar: mcnemarExact(rose, fell) } : {};
  return { ...estimateChange(changes, options), rose, fell, ...test };
}

/** Whether all clusters have the same mean. */
function areAlike(values: readonly number[], clusters: readonly string[]): boolean {
  const sums = new Map<string, { sum: number; count: number }>();
  values.forEach((value, i) => {
    const own = sums.get(clusters[i] as string) ?? { sum: 0, count: 0 };
    sums.set(clusters[i] as string, { sum: own.sum + value, count: own.count + 1 });
  });
  const means = [...sums.values()].map(({ sum, count }) => sum / count);
  return means.every((mean) => Math.abs(mean - (means[0] as number)) < 1e-12);
}

/** One cluster says nothing of how clusters differ: a metric that is not binary is then resampled by item, which is too narrow;
 * `clusters` of the estimate is 1 and says so. */
function resampled(clusters: readonly string[]): readonly string[] {
  return new Set(clusters).size > 1 ? clusters : clusters.map((_, i) => String(i));
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

function check(values: readonly number[], { binary, clusters }: EstimateOptions): void {
  checkFinite(values);
  if (clusters.length !== values.length) {
    throw new RangeError(
      `Cannot estimate a mean: ${values.length} values have ${clusters.length} clusters, wanted one each`,
    );
  }
  const odd = binary ? values.find((value) => value !== 0 && value !== 1) : undefined;
  if (odd !== undefined) {
    throw new RangeError(`Cannot estimate a proportion: a value is ${odd}, wanted 0 or 1`);
  }
}

function checkFinite(values: readonly number[]): void {
  if (values.length === 0) {
    throw new RangeError("Cannot estimate a mean: there are no values, wanted at least one");
  }
  const odd = values.find((value) => !Number.isFinite(value));
  if (odd !== undefined) {
    throw new RangeError(`Cannot estimate a mean: a value is ${odd}, wanted finite numbers`);
  }
}

function independent(clusters: readonly string[]): boolean {
  return new Set(clusters).size === clusters.length;
}
