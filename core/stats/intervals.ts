/** From clustered values to an interval: which formula holds for which data, and nothing else. */
import type { Estimate } from "../estimate.ts";
import { areAlike, type Clustered, meanError } from "./cluster.ts";
import { normalQuantile } from "./distributions.ts";
import { type Bounds, scoreDifference, scoreProportion, wilson } from "./proportions.ts";
import { studentQuantile } from "./student.ts";

export interface IntervalOptions {
  /** Of a level, whether values are 0 or 1; of a change, whether they lie in [-1, 1]. */
  readonly binary: boolean;
  /** Confidence in (0, 1). */
  readonly level: number;
}

/** Mean of values of items, and its interval; estimateMean() says which. */
export function levelInterval(data: Clustered, { binary, level }: IntervalOptions): Estimate {
  const { n, min, max } = data, clusters = data.sums.length, shape = { level, n, clusters };
  if (!binary) return plainInterval(data, level);
  const { value, error, freedom } = meanError(data);
  if (clusters === n || areAlike(data)) {
    // Whole successes on either side of the share of clusters; the same number where items are independent.
    const exact = clusters === n ? data.sums.reduce((sum, each) => sum + each, 0) : value * clusters;
    const share = Math.abs(exact - Math.round(exact)) < 1e-9 ? Math.round(exact) : exact;
    const { low } = wilson(Math.floor(share), clusters, level),
      { high } = wilson(Math.ceil(share), clusters, level);
    const spread = clusters === n && min !== max ? { error, freedom } : {};
    return { value, low, high, ...shape, method: "wilson", ...spread };
  }
  const effective = value * (1 - value) / (error * error);
  const bounds = scoreProportion(value, effective, studentQuantile((1 - level) / 2, freedom));
  return { value, ...bounds, ...shape, method: "cluster wilson", error, freedom };
}

/** Mean of changes of items, and its interval; estimateChange() says which. */
export function changeInterval(data: Clustered, { binary, level }: IntervalOptions): Estimate {
  const { n, rose, fell, whole } = data, clusters = data.sums.length, shape = { level, n, clusters };
  if (!binary) return plainInterval(data, level);
  const { value, error, freedom } = meanError(data);
  if (areAlike(data)) {
    const bounds = boundOfAlike(value, clusters, (1 - level) / 2);
    return { value, ...bounds, ...shape, method: "bound" };
  }
  if (!whole) {
    const { low, high, ...rest } = plainInterval(data, level);
    return { ...rest, low: Math.max(-1, low), high: Math.min(1, high) };
  }
  if (clusters === n) {
    const bounds = scoreDifference({ rose: rose / n, fell: fell / n, n }, normalQuantile((1 + level) / 2));
    return { value, ...bounds, ...shape, method: "score", error, freedom };
  }
  const changes = { rose: rose / n, fell: fell / n, n: effectivePairs({ value, error, n, rose, fell }) };
  const bounds = scoreDifference(
    changes,
    scoreQuantile(studentQuantile((1 - level) / 2, freedom), changes.n),
  );
  return { value, ...bounds, ...shape, method: "cluster score", error, freedom };
}

/** How many independent pairs would leave the difference as uncertain as the clusters do. */
export function effectivePairs(
  { value, error, n, rose, fell }: Pick<Estimate, "value" | "n"> & {
    readonly error: number;
    readonly rose: number;
    readonly fell: number;
  },
): number {
  return ((rose + fell) / n - value * value) / (error * error);
}

/**
 * Student's quantile as one of a score: the score takes its standard error where the difference is 0, not where it was found. With this
 * quantile, q sqrt(n / (n + q^2)), the interval leaves out 0 exactly where the t test of the same error does.
 */
export function scoreQuantile(student: number, effective: number): number {
  return student * Math.sqrt(effective / (effective + student * student));
}

/** Clusters that behave otherwise than k that are alike are at most a share f = 1 - tail^(1 / k) of all: C. J. Clopper and E. S. Pearson's
 * bound (Biometrika 26, 1934) for none in k. They change by -1 or +1 at most. */
export function boundOfAlike(value: number, clusters: number, tail: number): Bounds {
  const others = 1 - tail ** (1 / clusters);
  return { low: value - others * (value + 1), high: value + others * (1 - value) };
}

/** Student's t with the clusters' error. One cluster says nothing of how clusters differ: items are then taken as independent, which is
 * too narrow; `clusters` is 1 and says so. */
function plainInterval(data: Clustered, level: number): Estimate {
  const { n, min, max, values } = data, clusters = data.sums.length, shape = { level, n, clusters };
  const { value, error, freedom } = meanError(
    clusters === 1 && n > 1 ? { n, sums: values, sizes: new Float64Array(n).fill(1) } : data,
  );
  if (min === max) return { value: min, low: min, high: max, ...shape, method: "constant" };
  const margin = studentQuantile((1 - level) / 2, freedom) * error;
  const method = clusters === n ? "t" : "cluster t";
  return { value, low: value - margin, high: value + margin, ...shape, method, error, freedom };
}
