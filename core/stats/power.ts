/**
 * How many items a paired comparison needs, and what a given number of items can find.
 *
 * A mean change is tested on k clusters of m items. With an intraclass correlation icc of the changes a cluster's mean has the variance
 * sd^2 (1 + (m - 1) icc) / m; 1 + (m - 1) icc is the design effect (L. Kish, "Survey Sampling", 1965, section 5.4). The k means are then
 * independent observations of a one-sample test with the standardised effect margin / (their standard deviation):
 *
 *   power = P(T' > c) + P(T' < -c)      T' noncentral t with k - 1 degrees of freedom and noncentrality effect sqrt(k), or, by the
 *                                       normal approximation, normal with that mean; the second term for two sides only
 *
 * (J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988, sections 2.3 and 12.)
 */
import { normalTail } from "./special.ts";
import { noncentralBelow, studentQuantile } from "./student.ts";

export interface TestOptions {
  /** In [0.5, 1); a test at 1 - level. Default 0.95. */
  readonly level?: number;
  /** In (1 - level, 1); default 0.8. */
  readonly power?: number;
  /** 2 (default): a change either way; 1: one way, as for non-inferiority. */
  readonly sides?: 1 | 2;
  /** "t" (default) knows that the standard deviation is estimated; "normal" takes it as known and asks for fewer items. */
  readonly by?: "t" | "normal";
}

export interface ItemsOptions extends TestOptions {
  /** Standard deviation of an item's change, above 0; of a binary metric at most the root of the discordance. */
  readonly sd: number;
  /** The mean change to be found, above 0, in the unit of `sd`. */
  readonly margin: number;
  /** Intraclass correlation of the changes, in [0, 1]; default 0. */
  readonly icc?: number;
  /** Items a cluster, from 1; default 1. Where clusters differ in size, the sum of squared sizes over the number of items. */
  readonly clusterSize?: number;
  /** Items over clusters, where these differ in size; default `clusterSize`. */
  readonly meanSize?: number;
}

export interface ItemsNeeded {
  /** Items of whole clusters, rounded up. */
  readonly items: number;
  /** At least 2. */
  readonly clusters: number;
  /** Clusters before rounding, at least 2. */
  readonly exact: number;
  readonly designEffect: number;
}

/**
 * Items with which a change of `margin` is found with the given power.
 *
 * @throws {RangeError} outside the ranges of the options.
 *
 * @example
 * ```ts
 * import { itemsNeeded } from "./power.ts";
 * // A paired binary metric of which one answer in five changes, to be known to within five points.
 * const alone = itemsNeeded({ sd: Math.sqrt(0.2), margin: 0.05 });
 * const worded = itemsNeeded({ sd: Math.sqrt(0.2), margin: 0.05, icc: 0.5, clusterSize: 4 });
 * if (!(alone.items === 630 && worded.items === 1580)) throw new Error(`${alone.items}, ${worded.items}`);
 * ```
 */
export function itemsNeeded(
  { sd, margin, icc = 0, clusterSize = 1, meanSize = clusterSize, ...test }: ItemsOptions,
): ItemsNeeded {
  const task = "say how many items are needed";
  wanted(task, { sd, margin }, (value) => value > 0 && value < Infinity, "a number above 0");
  const designEffect = designEffectOf(task, { icc, clusterSize });
  wanted(task, { meanSize }, (value) => value >= 1 && value < Infinity, "a number from 1");
  const effect = margin / (sd * Math.sqrt(designEffect / meanSize));
  const { power, powerAt } = testOf(task, test);
  const short = (clusters: number) => powerAt(effect, clusters) - power;
  const exact = short(2) >= 0 ? 2 : rootAbove(short, 2);
  // A whole number that the root finding missed by its last digits is not rounded up.
  const clusters = Math.ceil(exact * (1 - 1e-10));
  return { items: Math.ceil(clusters * meanSize - 1e-9), clusters, exact, designEffect };
}

export interface DetectableOptions extends TestOptions {
  /** Standard deviation of an item's change, above 0; default 1, which gives the answer in standard deviations. */
  readonly sd?: number;
  readonly items: number;
  /** At least 2, at most `items`. */
  readonly clusters: number;
  readonly icc?: number;
  /** As in ItemsOptions; default items / clusters. */
  readonly clusterSize?: number;
}

/**
 * The smallest mean change that so many items and clusters find with the given power, in the unit of `sd`.
 *
 * @throws {RangeError} outside the ranges of the options.
 *
 * @example
 * ```ts
 * import { smallestDetectable } from "./power.ts";
 * const change = smallestDetectable({ sd: Math.sqrt(0.2), items: 630, clusters: 630 });
 * if (Math.abs(change - 0.05) > 1e-4) throw new Error(String(change));
 * ```
 */
export function smallestDetectable(
  { sd = 1, items, clusters, icc = 0, clusterSize = items / clusters, ...test }: DetectableOptions,
): number {
  const task = "say which change can be found";
  wanted(task, { sd }, (value) => value > 0 && value < Infinity, "a number above 0");
  wanted(task, { clusters }, (value) => value >= 2 && value <= items, `2 to ${items}, the number of items`);
  const designEffect = designEffectOf(task, { icc, clusterSize });
  const { power, powerAt } = testOf(task, test);
  const effect = rootAbove((effect) => powerAt(effect, clusters) - power, 0);
  return effect * sd * Math.sqrt(designEffect * clusters / items);
}

/**
 * The smallest mean change of a paired binary metric. With a share `discordance` of items that change at all the variance of a change
 * is discordance - change^2; a change is at most the discordance, and where that is too small to be found, what is found is a change in
 * which all discordant items go one way.
 *
 * @param options.discordance in [0, 1]
 * @returns in (0, 1).
 * @throws {RangeError} as smallestDetectable().
 */
export function smallestBinaryChange(
  { discordance, ...options }: Omit<DetectableOptions, "sd"> & { readonly discordance: number },
): number {
  wanted("say which change can be found", { discordance }, (x) => x >= 0 && x <= 1, "a number in [0, 1]");
  // change = e sqrt(discordance - change^2), solved for the change; with discordance = change for the other.
  const e2 = smallestDetectable(options) ** 2;
  return Math.max(Math.sqrt(e2 * discordance / (1 + e2)), e2 / (1 + e2));
}

/**
 * Intraclass correlation by analysis of variance, one way, clusters of unequal size (A. Donner, "A Review of Inference Procedures for the
 * Intraclass Correlation Coefficient", Int. Stat. Review 54, 1986, equation 2.1), cut to [0, 1].
 *
 * @param clusters the cluster of each value
 * @returns undefined where it is not defined: one cluster, no cluster of two, or values that are all the same.
 */
export function intraclassCorrelation(
  values: readonly number[],
  clusters: readonly string[],
): number | undefined {
  const groups = [
    ...Map.groupBy(values.map((value, i) => ({ value, cluster: clusters[i] })), (v) => v.cluster),
  ]
    .map(([, members]) => members.map(({ value }) => value));
  const n = values.length, k = groups.length, mean = average(values);
  if (k < 2 || n === k) return undefined;
  const between = total(groups.map((group) => group.length * (average(group) - mean) ** 2)) / (k - 1);
  const within = total(groups.flatMap((group) => group.map((x) => (x - average(group)) ** 2))) / (n - k);
  const size = (n - total(groups.map((group) => group.length ** 2)) / n) / (k - 1);
  const all = between + (size - 1) * within;
  return all > 0 ? Math.min(1, Math.max(0, (between - within) / all)) : undefined;
}

/** Sum of squared sizes over the number of items: what design effects take as the size where clusters differ. */
export function effectiveClusterSize(clusters: readonly string[]): number {
  return total([...Map.groupBy(clusters, (name) => name).values()].map(({ length }) => length ** 2)) /
    clusters.length;
}

function designEffectOf(
  task: string,
  { icc, clusterSize }: Required<Pick<ItemsOptions, "icc" | "clusterSize">>,
) {
  wanted(task, { icc }, (value) => value >= 0 && value <= 1, "a number in [0, 1]");
  wanted(task, { clusterSize }, (value) => value >= 1 && value < Infinity, "a number from 1");
  return 1 + (clusterSize - 1) * icc;
}

interface Test {
  readonly power: number;
  /** The power at a standardised effect and a number of independent observations. */
  powerAt(effect: number, n: number): number;
}

function testOf(task: string, { level = 0.95, power = 0.8, sides = 2, by = "t" }: TestOptions): Test {
  wanted(task, { level }, (value) => value >= 0.5 && value < 1, "a number in [0.5, 1)");
  wanted(task, { power }, (value) => value > 1 - level && value < 1, `a number in (${1 - level}, 1)`);
  const tail = (1 - level) / sides;
  return {
    power,
    powerAt(effect, n) {
      const shift = effect * Math.sqrt(n), freedom = by === "t" ? n - 1 : Infinity;
      const critical = studentQuantile(tail, freedom);
      if (by === "normal") {
        return normalTail(critical - shift) + (sides === 2 ? normalTail(critical + shift) : 0);
      }
      return 1 - noncentralBelow(critical, freedom, shift) +
        (sides === 2 ? noncentralBelow(-critical, freedom, shift) : 0);
    },
  };
}

/** Where a continuous, rising function that is negative at `low` is 0: bracketed by doubling, then regula falsi with the end that stays
 * halved (the Illinois rule). */
function rootAbove(f: (x: number) => number, low: number): number {
  let [a, fa, width] = [low, f(low), Math.max(1, low)];
  let b = low + width, fb = f(b);
  while (fb < 0) [a, fa, width, b, fb] = [b, fb, 2 * width, b + 2 * width, f(b + 2 * width)];
  for (let i = 0, kept = 0; i < 200 && b - a > 1e-13 * b; i++) {
    const slope = (a * fb - b * fa) / (fb - fa), x = slope > a && slope < b ? slope : (a + b) / 2;
    const fx = f(x);
    if (fx === 0) return x;
    if (fx < 0) {
      [a, fa] = [x, fx];
      if (kept === 1) fb /= 2;
      kept = 1;
    } else {
      [b, fb] = [x, fx];
      if (kept === -1) fa /= 2;
      kept = -1;
    }
    if (Math.abs(fx) < 1e-15) return x;
  }
  return b;
}

function wanted(
  task: string,
  values: Readonly<Record<string, number>>,
  holds: (value: number) => boolean,
  range: string,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (!holds(value)) throw new RangeError(`Cannot ${task}: ${name} is ${value}, wanted ${range}`);
  }
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function average(values: readonly number[]): number {
  return total(values) / values.length;
}
