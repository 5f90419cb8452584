/** Exact and closed-form statistics of independent items that are right or wrong. */
import { binomialProbability, normalQuantile } from "./distributions.ts";

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
): { readonly low: number; readonly high: number } {
  if (!(Number.isInteger(n) && n > 0 && Number.isInteger(successes) && successes >= 0 && successes <= n)) {
    throw new RangeError(
      `Cannot estimate a proportion of ${successes} in ${n}: wanted integers, 0 <= successes <= n, n > 0`,
    );
  }
  const z = normalQuantile((1 + level) / 2);
  const p = successes / n;
  const centre = p + z * z / (2 * n);
  const margin = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const scale = 1 + z * z / n;
  return {
    low: successes === 0 ? 0 : (centre - margin) / scale,
    high: successes === n ? 1 : (centre + margin) / scale,
  };
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
