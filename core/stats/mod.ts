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
 * The mean of a metric over items: with Wilson's interval for independent binary items (and, with a cluster as one observation,
 * for clustered ones that are all alike), else with a percentile bootstrap over
 * clusters (10,000 resamples; percentiles interpolated linearly between order statistics).
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
  const n = values.length, clusters = new Set(options.clusters).size;
  const successes = values.reduce((sum, value) => sum + value, 0);
  // Where every value is the same a bootstrap has nothing to draw from; a cluster then counts as one observation.
  const constant = successes === 0 || successes === n, { level = 0.95 } = options, value = successes / n;
  if (options.binary && clusters === 1 && n > 1) {
    return { value, low: 0, high: 1, level, n, clusters, method: "range" };
  }
  if (!options.binary || (clusters < n && !constant)) {
    return {
      ...bootstrapMean(values, resampled(options.clusters), options),
      clusters,
      n,
      method: "bootstrap",
    };
  }
  return {
    value,
    ...wilson(clusters === n ? successes : value * clusters, clusters, level),
    level,
    n,
    clusters,
    method: "wilson",
  };
}

/**
 * The mean change of a metric from `before` to `after` on the same items, with a percentile bootstrap of the changes over
 * clusters, and McNemar's exact test where it holds: independent binary items.
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
  const clusters = new Set(options.clusters).size,
    lone = options.binary && clusters === 1 && changes.length > 1;
  return {
    ...bootstrapMean(changes, resampled(options.clusters), options),
    ...(lone ? { low: -1, high: 1 } : {}),
    n: changes.length,
    clusters,
    method: lone ? "range" : "paired bootstrap",
    rose,
    fell,
    ...(options.binary && independent(options.clusters) ? { mcnemar: mcnemarExact(rose, fell) } : {}),
  };
}

/** One cluster says nothing of how clusters differ: a binary metric then gets its whole range, and another one is resampled by item,
 * which is too narrow; `clusters` of the estimate is 1 and says so. */
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
