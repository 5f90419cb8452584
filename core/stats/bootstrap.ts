/**
 * Percentile bootstrap of a mean over items that stand or fall in clusters: B. Efron and R. Tibshirani, "An Introduction to the
 * Bootstrap" (1993), chapters 8 and 13. Clusters are drawn with replacement, as many as there are, and the statistic is the mean
 * over the items drawn: a ratio of two sums, because clusters differ in size.
 */
import { createRandom, type Random } from "../random.ts";
import { drawBinomial } from "./distributions.ts";

export interface BootstrapOptions {
  /** Name of the random stream. */
  readonly seed: string | number;
  /** Default 10,000. */
  readonly resamples?: number | undefined;
  /** Default 0.95. */
  readonly level?: number | undefined;
}

export interface Bootstrap {
  /** Mean over items. */
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly level: number;
  /** Number of clusters. */
  readonly clusters: number;
}

/** Clusters with the same sum and the same number of items. */
interface Group {
  readonly sum: number;
  readonly items: number;
  readonly size: number;
}

/**
 * The mean of `values` and its interval; neither depends on the order of the items or on what the clusters are called.
 *
 * @param values one finite number an item, at least one
 * @param clusters cluster of each item
 * @returns [low, high] of width 0 where all values are equal, and where there is but one cluster to draw.
 */
export function bootstrapMean(
  values: readonly number[],
  clusters: readonly string[],
  { seed, resamples = 10_000, level = 0.95 }: BootstrapOptions,
): Bootstrap {
  if (!(Number.isInteger(resamples) && resamples > 0 && level > 0 && level < 1)) {
    throw new RangeError(
      `Cannot take ${resamples} resamples at level ${level}: wanted at least 1, and a level in (0, 1)`,
    );
  }
  const { groups, count, value, constant } = gather(values, clusters);
  if (constant) return { value, low: value, high: value, level, clusters: count };
  const random = createRandom(seed);
  // Drawing how often each group comes up is the same distribution as drawing cluster by cluster, at a price per group.
  const draw = groups.length * 32 <= count
    ? byGroup(groups, count, random)
    : byCluster(groups, count, random);
  const means = Float64Array.from({ length: resamples }, draw).sort();
  return {
    value,
    low: percentile(means, (1 - level) / 2),
    high: percentile(means, (1 + level) / 2),
    level,
    clusters: count,
  };
}

/**
 * Percentile of sorted numbers, interpolated between the two order statistics around position q * (length - 1), counted from
 * 0 (type 7 of R. Hyndman and Y. Fan, Am. Stat. 50, 1996; numpy's default).
 *
 * @param q in [0, 1]
 */
export function percentile(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const i = Math.floor(position);
  const left = sorted[i] as number;
  const right = sorted[Math.min(i + 1, sorted.length - 1)] as number;
  return left + (right - left) * (position - i);
}

/** Sums over clusters, equal clusters together, groups sorted. */
function gather(values: readonly number[], clusters: readonly string[]) {
  // Sums are taken in ascending order of the values, so that no rounding depends on the order of the items.
  const order = Array.from(values.keys()).sort((a, b) => (values[a] as number) - (values[b] as number));
  const sums = new Map<string, { sum: number; items: number }>();
  let total = 0;
  for (const i of order) {
    const value = values[i] as number;
    const cluster = clusters[i] as string;
    const entry = sums.get(cluster);
    if (entry === undefined) sums.set(cluster, { sum: value, items: 1 });
    else {
      entry.sum += value;
      entry.items++;
    }
    total += value;
  }
  const groups: { sum: number; items: number; size: number }[] = [];
  for (const { sum, items } of [...sums.values()].sort((a, b) => a.sum - b.sum || a.items - b.items)) {
    const last = groups.at(-1);
    if (last !== undefined && last.sum === sum && last.items === items) last.size++;
    else groups.push({ sum, items, size: 1 });
  }
  const smallest = values[order[0] as number] as number;
  const constant = smallest === values[order[order.length - 1] as number];
  return { groups, count: sums.size, constant, value: constant ? smallest : total / values.length };
}

/** One resample a call, cluster by cluster. */
function byCluster(groups: readonly Group[], count: number, random: Random): () => number {
  const sums = Float64Array.from(groups.flatMap(({ sum, size }) => Array<number>(size).fill(sum)));
  const items = Float64Array.from(groups.flatMap(({ items, size }) => Array<number>(size).fill(items)));
  const drawn = new Uint32Array(count);
  return () => {
    random.fill(drawn, count);
    let sum = 0;
    let n = 0;
    for (let i = 0; i < count; i++) {
      const cluster = drawn[i] as number;
      sum += sums[cluster] as number;
      n += items[cluster] as number;
    }
    return sum / n;
  };
}

/** One resample a call: the multinomial counts of the groups, as a chain of binomials. */
function byGroup(groups: readonly Group[], count: number, random: Random): () => number {
  return () => {
    let sum = 0;
    let n = 0;
    let draws = count;
    let left = count;
    for (const group of groups) {
      const drawn = drawBinomial(draws, group.size / left, random);
      sum += drawn * group.sum;
      n += drawn * group.items;
      draws -= drawn;
      left -= group.size;
    }
    return sum / n;
  };
}
