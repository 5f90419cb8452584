/**
 * The mean over items that stand or fall in clusters, and its standard error.
 *
 * The mean is a ratio of two sums over clusters, values and items; its variance is linearised and corrected for what the residuals of
 * few or unequal clusters fall short, as CR2 does it (R. Bell and D. McCaffrey, "Bias reduction in standard errors for linear regression with
 * multi-stage samples", Survey Methodology 28, 2002), which for a mean comes to
 *
 *     V = sum_g (S_g - n_g m)^2 / (1 - n_g / N) / N^2,     m = sum_g S_g / N
 *
 * for sums S_g and sizes n_g of clusters, N items in all. Its degrees of freedom are Bell and McCaffrey's, those of V where items are
 * independent, in closed form for a mean: N^2 / (sum n_g^2 + ((sum w_g n_g^2)^2 - sum (w_g n_g^2)^2) / N^2) with w_g = 1 / (1 - n_g / N).
 * For clusters of equal size that is the t test on cluster means, with one degree less than there are clusters. `deno task calibrate stats`
 * shows what this covers.
 */

/** Items by cluster. Clusters are sorted, so that nothing depends on the order of items or on what clusters are called. */
export interface Clustered {
  /** Items. */
  readonly n: number;
  /** Sum of values, and number of items, of each cluster. */
  readonly sums: Float64Array;
  readonly sizes: Float64Array;
  /** Of the items, where there is but one cluster; else empty. */
  readonly values: Float64Array;
  /** Smallest and largest value of an item. */
  readonly min: number;
  readonly max: number;
  /** Items above 0 and below 0. */
  readonly rose: number;
  readonly fell: number;
  /** Whether every value is -1, 0 or 1. */
  readonly whole: boolean;
}

/** A mean, its standard error, and how well that is known. */
export interface MeanError {
  readonly value: number;
  /** Not below 0; NaN for one cluster. */
  readonly error: number;
  /** Degrees of freedom, at least 1; NaN for one cluster. */
  readonly freedom: number;
}

/** @param values one finite number an item, at least one */
export function gather(values: ArrayLike<number>, clusters: readonly string[]): Clustered {
  const n = values.length, index = new Map<string, number>(), own = new Uint32Array(n);
  for (let i = 0, last = "", at = -1; i < n; i++) {
    const name = clusters[i] as string;
    // Items of a cluster mostly stand together.
    if (at < 0 || name !== last) {
      at = index.get(name) ?? index.size;
      if (at === index.size) index.set(name, at);
      last = name;
    }
    own[i] = at;
  }
  const k = index.size, starts = new Uint32Array(k + 1);
  for (const at of own) starts[at + 1]!++;
  for (let g = 0; g < k; g++) starts[g + 1]! += starts[g]!;
  const next = starts.slice(), sorted = new Float64Array(n);
  let min = Infinity, max = -Infinity, rose = 0, fell = 0, whole = true;
  for (let i = 0; i < n; i++) {
    const value = values[i] as number;
    sorted[next[own[i]!]!++] = value;
    if (value < min) min = value;
    if (value > max) max = value;
    if (value > 0) rose++;
    else if (value < 0) fell++;
    if (value !== 0 && value !== 1 && value !== -1) whole = false;
  }
  const sums = new Float64Array(k), order = new Uint32Array(k);
  for (let g = 0; g < k; g++) {
    const start = starts[g]!, end = starts[g + 1]!;
    // Summed in ascending order, so that no rounding depends on the order of items.
    if (!whole) sorted.subarray(start, end).sort();
    for (let i = start; i < end; i++) sums[g]! += sorted[i]!;
    order[g] = g;
  }
  const size = (g: number) => starts[g + 1]! - starts[g]!;
  order.sort((a, b) => sums[a]! - sums[b]! || size(a) - size(b));
  return {
    n,
    sums: Float64Array.from(order, (g) => sums[g]!),
    sizes: Float64Array.from(order, size),
    values: k === 1 ? sorted : new Float64Array(),
    min,
    max,
    rose,
    fell,
    whole,
  };
}

/** The mean over items and its standard error; see the head of this file. */
export function meanError({ n, sums, sizes }: Pick<Clustered, "n" | "sums" | "sizes">): MeanError {
  const k = sums.length;
  let total = 0;
  for (const sum of sums) total += sum;
  const value = total / n;
  let variance = 0, squares = 0, weighted = 0, fourth = 0;
  for (let g = 0; g < k; g++) {
    const size = sizes[g]!, residual = sums[g]! - size * value, weight = 1 / (1 - size / n);
    const part = weight * size * size;
    variance += residual * residual * weight;
    squares += size * size;
    weighted += part;
    fourth += part * part;
  }
  if (k < 2) return { value, error: NaN, freedom: NaN };
  return {
    value,
    error: Math.sqrt(variance) / n,
    freedom: Math.max(1, n * n / (squares + (weighted * weighted - fourth) / (n * n))),
  };
}

/** Whether all clusters have the same mean: nothing says then how clusters differ. True of one cluster. */
export function areAlike({ sums, sizes }: Pick<Clustered, "sums" | "sizes">): boolean {
  const first = sums[0]! / sizes[0]!;
  return sums.every((sum, g) => Math.abs(sum / sizes[g]! - first) < 1e-12);
}
