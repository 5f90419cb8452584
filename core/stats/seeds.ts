/**
 * The mean of outcomes that come with several seeds (of training, or of sampling), the same items under each: seeds and clusters of items are both
 * samples, and they cross. Resampling seeds, and clusters anew within each, would divide what clusters vary by the number of seeds, though
 * all seeds answer the same questions; so seeds and clusters are taken out together, as the variance of a two-way layout without
 * replication is (S. Searle, G. Casella and C. McCulloch, "Variance Components", 1992, section 4.3; A. Owen, "The pigeonhole bootstrap", Ann.
 * Appl. Stat. 1, 2007, resamples the same layout):
 *
 *     V = V_clusters + V_seeds
 *
 * V_clusters is the clusters' variance of the values averaged over seeds (cluster.ts), which holds what items within them vary; V_seeds that
 * of the seeds' means. What seeds and clusters vary only together is in both, which errs on the wide side as the pigeonhole bootstrap
 * does, by little unless all else is small. Degrees of freedom are F. E. Satterthwaite's (Biometrics Bulletin 2, 1946). With fewer than five
 * seeds these are too uncertain: what both count is taken off V_seeds, and the quantile is W. Cochran and G. Cox's, that of either part
 * weighted by its variance ("Experimental Designs", 1950). With two seeds nothing is taken off: one degree of freedom does not tell how much
 * there is, and intervals would cover 92 %; so they cover 94 to 99 %, too much where clusters are few. Two seeds are not supported well.
 */
import type { Estimate } from "../estimate.ts";
import { areAlike, gather, type MeanError, meanError } from "./cluster.ts";
import { boundOfAlike } from "./intervals.ts";
import { wilson } from "./proportions.ts";
import { studentQuantile } from "./student.ts";

/** From this many seeds on Satterthwaite's degrees of freedom hold. */
const ENOUGH_SEEDS = 5;

export interface SeedsOptions {
  /** The cluster of each item. */
  readonly clusters: readonly string[];
  /** "level": each value is in [0, 1]; "change": in [-1, 1]; absent: a metric without limits. */
  readonly bounded?: "level" | "change";
  /** Confidence in (0, 1); default 0.95. */
  readonly level?: number;
}

/** Sums by seed and cluster of one layout. */
export interface SeedTable {
  /** Items. */
  readonly n: number;
  /** Items of each cluster. */
  readonly sizes: Float64Array;
  /** [seed][cluster], sums over the cluster's items. */
  readonly sums: readonly Float64Array[];
}

/**
 * The mean over items and seeds, with an interval for other seeds and other clusters of items.
 *
 * @param values [seed][item], at least two seeds, the same items in the same order
 * @throws {RangeError} for fewer than two seeds, no items, lists of different lengths, or a value that is not finite or out of bounds.
 *
 * @example
 * ```ts
 * import { estimateSeeds } from "./seeds.ts";
 * const clusters = ["a", "a", "b", "b", "c", "c"];
 * const { value, low, high } = estimateSeeds([[1, 0, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]], { clusters, bounded: "level" });
 * if (!(value === 0.5 && low < 0.2 && high > 0.8)) throw new Error("unexpected interval");
 * ```
 */
export function estimateSeeds(values: readonly (readonly number[])[], options: SeedsOptions): Estimate {
  const { clusters, bounded, level = 0.95 } = options, n = clusters.length;
  check(values, options);
  if (bounded === undefined && n > 1 && new Set(clusters).size === 1) {
    // As elsewhere: one cluster says nothing of how clusters differ, and items are taken as independent, which is too narrow.
    return { ...estimateSeeds(values, { clusters: clusters.map((_, i) => String(i)), level }), clusters: 1 };
  }
  const index = new Map<string, number>();
  const own = clusters.map((name) => {
    const at = index.get(name) ?? index.size;
    index.set(name, at);
    return at;
  });
  const sizes = new Float64Array(index.size);
  for (const at of own) sizes[at]!++;
  const sums = values.map((row) => {
    const each = new Float64Array(index.size);
    row.forEach((value, i) => each[own[i]!]! += value);
    return each;
  });
  const averaged = gather(
    own.map((_, i) => values.reduce((sum, row) => sum + row[i]!, 0) / values.length),
    clusters,
  );
  const shape = { level, n, clusters: index.size };
  const flat = n === 1 || values.every((row) => row.every((value) => value === values[0]![0]));
  if (flat || (bounded !== undefined && areAlike(averaged))) {
    const { value } = meanError(averaged), k = index.size;
    if (bounded === undefined) return { value, low: value, high: value, ...shape, method: "constant" };
    const bounds = bounded === "change" ? boundOfAlike(value, k, (1 - level) / 2) : {
      low: wilson(Math.floor(value * k + 1e-9), k, level).low,
      high: wilson(Math.ceil(value * k - 1e-9), k, level).high,
    };
    return { value, ...bounds, ...shape, method: "bound" };
  }
  const { value, error, freedom, margin } = seedsError({ n, sizes, sums }, level);
  const [min, max] = bounded === undefined ? [-Infinity, Infinity] : [bounded === "level" ? 0 : -1, 1];
  return {
    value,
    low: Math.max(min, value - margin),
    high: Math.min(max, value + margin),
    ...shape,
    method: "seeds t",
    error,
    // What tests take it by has to agree with the interval, whose quantile is between two with few seeds.
    freedom: values.length >= ENOUGH_SEEDS || error === 0
      ? freedom
      : freedomOf(margin / error, (1 - level) / 2),
  };
}

/** Degrees of freedom of the t whose quantile is this one; by halving, for the quantile falls as they grow. */
function freedomOf(quantile: number, tail: number): number {
  let [few, many] = [0.5, 1e6];
  for (let i = 0; i < 60; i++) {
    const middle = Math.sqrt(few * many);
    if (studentQuantile(tail, middle) > quantile) few = middle;
    else many = middle;
  }
  return Math.sqrt(few * many);
}

/** The mean of a table of seeds and clusters, its standard error, and half of its interval's width. */
export function seedsError(
  { n, sizes, sums }: SeedTable,
  level: number,
): MeanError & { readonly margin: number } {
  const seeds = sums.length, tail = (1 - level) / 2;
  const mean = Float64Array.from(sizes, (_, c) => sums.reduce((sum, row) => sum + row[c]!, 0) / seeds);
  const byCluster = meanError({ n, sums: mean, sizes }), { value } = byCluster;
  const levels = sums.map((row) => row.reduce((sum, each) => sum + each, 0) / n);
  const between = levels.reduce((sum, each) => sum + (each - value) ** 2, 0);
  const ofClusters = byCluster.error ** 2, ofSeeds = between / (seeds - 1) / seeds, others = seeds - 1;
  const isMany = seeds >= ENOUGH_SEEDS;
  const extra = isMany || seeds === 2
    ? ofSeeds
    : Math.max(0, ofSeeds - bothVariance({ n, sizes, sums }, { mean, levels, value }));
  const variance = ofClusters + extra, error = Math.sqrt(variance), free = byCluster.freedom;
  if (variance === 0) return { value, error, freedom: free, margin: 0 };
  const freedom = Math.max(1, variance ** 2 / (ofClusters ** 2 / free + extra ** 2 / others));
  const quantile = isMany
    ? studentQuantile(tail, freedom)
    : (ofClusters * studentQuantile(tail, free) + extra * studentQuantile(tail, others)) / variance;
  return { value, error, freedom, margin: quantile * error };
}

/** The variance of the mean from what seeds and clusters vary only together. */
function bothVariance(
  { n, sizes, sums }: SeedTable,
  { mean, levels, value }: {
    readonly mean: Float64Array;
    readonly levels: readonly number[];
    readonly value: number;
  },
): number {
  let squares = 0;
  sums.forEach((row, s) => {
    for (let c = 0; c < sizes.length; c++) {
      const residual = row[c]! - mean[c]! - sizes[c]! * (levels[s]! - value);
      squares += residual * residual / (1 - sizes[c]! / n);
    }
  });
  return squares / (n * n) / (sums.length * (sums.length - 1));
}

function check(
  values: readonly (readonly number[])[],
  { clusters, bounded, level = 0.95 }: SeedsOptions,
): void {
  const wrong = values.find((row) => row.length !== clusters.length);
  const state = values.length < 2
    ? `there are ${values.length} seeds, wanted at least 2`
    : wrong
    ? `a seed has ${wrong.length} values, wanted ${clusters.length}, one an item`
    : clusters.length === 0
    ? "there are no items, wanted some"
    : !(level > 0 && level < 1)
    ? `the level is ${level}, wanted a number in (0, 1)`
    : undefined;
  if (state) throw new RangeError(`Cannot estimate over seeds: ${state}`);
  const min = bounded === "level" ? 0 : bounded === "change" ? -1 : -Number.MAX_VALUE;
  const max = bounded === undefined ? Number.MAX_VALUE : 1;
  for (const row of values) {
    const odd = row.find((value) => !(value >= min && value <= max));
    if (odd === undefined) continue;
    throw new RangeError(
      `Cannot estimate over seeds: a value is ${odd}, wanted ${
        bounded ? `${min} to ${max}` : "finite numbers"
      }`,
    );
  }
}
