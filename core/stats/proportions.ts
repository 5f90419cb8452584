/** Exact and closed-form statistics of items that are right or wrong. */
import { binomialProbability, normalQuantile } from "./distributions.ts";
import { incompleteBeta } from "./special.ts";

/** Bounds of an interval. */
export interface Bounds {
  readonly low: number;
  readonly high: number;
}

/**
 * Interval of a proportion: E. B. Wilson, "Probable inference", JASA 22 (1927), without continuity correction.
 *
 * @param successes integer in [0, n]
 * @param n items, at least 1
 * @param level confidence in (0, 1)
 * @returns bounds in [0, 1]; exactly 0 at no success and 1 at n.
 * @throws {RangeError} outside these ranges.
 */
export function wilson(
  successes: number,
  n: number,
  level = 0.95,
): Bounds {
  if (!(Number.isInteger(n) && n > 0 && Number.isInteger(successes) && successes >= 0 && successes <= n)) {
    throw new RangeError(
      `Cannot estimate a proportion of ${successes} in ${n}: wanted integers, 0 <= successes <= n, n > 0`,
    );
  }
  return scoreProportion(successes / n, n, normalQuantile((1 + level) / 2));
}

/** Wilson's interval for a share p of n observations, whole numbers or not, with another quantile than the normal's. */
export function scoreProportion(p: number, n: number, quantile: number): Bounds {
  const square = quantile * quantile;
  const centre = p + square / (2 * n);
  const margin = quantile * Math.sqrt(p * (1 - p) / n + square / (4 * n * n));
  const scale = 1 + square / n;
  return { low: p === 0 ? 0 : (centre - margin) / scale, high: p === 1 ? 1 : (centre + margin) / scale };
}

/**
 * Exact interval of a proportion: C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 26 (1934).
 *
 * @param successes integer in [0, n]
 * @param n trials, at least 1
 * @returns bounds in [0, 1], right to 1e-13.
 * @throws {RangeError} outside these ranges.
 */
export function clopperPearson(successes: number, n: number, level = 0.95): Bounds {
  if (
    !(Number.isInteger(n) && n > 0 && Number.isInteger(successes) && successes >= 0 && successes <= n &&
      level > 0 && level < 1)
  ) {
    throw new RangeError(
      `Cannot bound a proportion of ${successes} in ${n} at level ${level}: wanted integers, 0 <= successes <= n, n > 0`,
    );
  }
  const tail = (1 - level) / 2;
  return {
    low: successes === 0 ? 0 : betaQuantile(tail, successes, n - successes + 1),
    high: successes === n ? 1 : 1 - betaQuantile(tail, n - successes, successes + 1),
  };
}

/** The x with I_x(a, b) = p, by halving. */
function betaQuantile(p: number, a: number, b: number): number {
  let low = 0, high = 1;
  for (let i = 0; i < 100 && high - low > 1e-15 * high; i++) {
    const x = (low + high) / 2;
    if (incompleteBeta(a, b, { x, rest: 1 - x }) < p) low = x;
    else high = x;
  }
  return (low + high) / 2;
}

/** Shares of pairs that rose and fell, and how many independent pairs they count for. */
export interface Changes {
  readonly rose: number;
  readonly fell: number;
  readonly n: number;
}

/**
 * Interval of a difference of paired proportions: T. Tango, "Equivalence test and confidence interval for the difference in proportions
 * for the paired-sample design", Stat. Med. 17 (1998): the differences that a score test does not reject.
 *
 * @param quantile of the score, 1.96 for 95 %
 * @returns bounds in [-1, 1], right to 1e-14.
 */
export function scoreDifference(changes: Changes, quantile: number): Bounds {
  const value = changes.rose - changes.fell;
  const isIn = (at: number) => Math.abs(differenceScore(changes, at)) <= quantile;
  const bound = (end: number) => {
    let inside = value, outside = end;
    for (let i = 0; i < 60 && Math.abs(outside - inside) > 1e-15; i++) {
      const middle = (inside + outside) / 2;
      if (isIn(middle)) inside = middle;
      else outside = middle;
    }
    return (inside + outside) / 2;
  };
  return { low: value <= -1 ? -1 : bound(-1), high: value >= 1 ? 1 : bound(1) };
}

/** Tango's score of the difference `at`: how far the difference lies above it, in the standard errors that it would have there. */
export function differenceScore({ rose, fell, n }: Changes, at: number): number {
  // The likeliest share of falls where rises exceed falls by `at`, the root of 2 q^2 + b q + c.
  const b = -rose - fell + (2 - (rose - fell)) * at, c = -fell * at * (1 - at);
  const q = (Math.sqrt(Math.max(0, b * b - 8 * c)) - b) / 4;
  const variance = Math.max(0, 2 * q + at * (1 - at)) / n;
  const gap = rose - fell - at;
  return gap === 0 ? 0 : gap / Math.sqrt(variance);
}

/**
 * Two-sided exact p of McNemar's test: of the pairs that changed, as many rise as fall. The smaller binomial tail doubled, at
 * most 1; 1 when nothing changed.
 *
 * @param rose pairs that went from 0 to 1
 * @param fell pairs that went from 1 to 0
 * @returns p in [0, 1]; 0 stands for less than 1e-308.
 * @throws {RangeError} unless both are integers of at least 0.
 *
 * @example
 * ```ts
 * import { mcnemarExact } from "./proportions.ts";
 * // Five items changed, all for the worse: 2 * 0.5^5.
 * if (Math.abs(mcnemarExact(0, 5) - 0.0625) > 1e-12) throw new Error("unexpected p");
 * ```
 */
export function mcnemarExact(rose: number, fell: number): number {
  const n = rose + fell;
  const k = Math.min(rose, fell);
  if (!(Number.isInteger(rose) && Number.isInteger(fell) && k >= 0)) {
    throw new RangeError(`Cannot test ${rose} rises against ${fell} falls: wanted integers of at least 0`);
  }
  // From the largest term downwards: each is a multiple of the one before, and small ones cannot be lost.
  let term = binomialProbability(k, n, 0.5);
  let tail = term;
  for (let i = k; i > 0; i--) tail += term *= i / (n - i + 1);
  return Math.min(1, 2 * tail);
}
