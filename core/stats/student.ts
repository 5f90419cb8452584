/** Student's t distribution, central and not, with any positive number of degrees of freedom. */
import { normalQuantile } from "./distributions.ts";
import { incompleteBeta, logBeta, normalTail } from "./special.ts";

/**
 * P(T > t), as half of an incomplete beta function: M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.1 and
 * 26.5.27; relative error below 1e-12.
 *
 * @param t at least 0
 * @param freedom degrees of freedom, above 0; they need not be whole
 * @returns in [0, 0.5].
 * @throws {RangeError} outside these ranges.
 *
 * @example
 * ```ts
 * import { studentTail } from "./student.ts";
 * // With one degree of freedom this is Cauchy's distribution: 1/2 - atan(t) / pi.
 * if (Math.abs(studentTail(1, 1) - 0.25) > 1e-14) throw new Error("unexpected tail");
 * ```
 */
export function studentTail(t: number, freedom: number): number {
  if (!(t >= 0 && freedom > 0)) {
    throw new RangeError(
      `Cannot take the tail of Student's t at ${t} with ${freedom} degrees of freedom: wanted t from 0, more than 0 degrees`,
    );
  }
  if (t === Infinity || freedom === Infinity) return t === Infinity ? 0 : normalTail(t);
  const x = 1 / (1 + t * t / freedom), rest = t * t / (freedom + t * t);
  return incompleteBeta(freedom / 2, 0.5, { x, rest }) / 2;
}

/** P(T > t) for t of either sign. */
export function studentUpper(t: number, freedom: number): number {
  return t >= 0 ? studentTail(t, freedom) : 1 - studentTail(-t, freedom);
}

/**
 * The t with P(T > t) = tail, by Newton's method: right of 0 the tail is convex, so that steps from the left never overshoot.
 *
 * @param tail in (0, 0.5]
 * @throws {RangeError} outside these ranges.
 */
export function studentQuantile(tail: number, freedom: number): number {
  if (!(tail > 0 && tail <= 0.5 && freedom > 0)) {
    throw new RangeError(
      `Cannot invert Student's t at ${tail} with ${freedom} degrees of freedom: wanted a tail in (0, 0.5], more than 0 degrees`,
    );
  }
  // The normal quantile is left of every t quantile, and so are the first terms of the expansion in 1 / freedom where it is long.
  const z = tail === 0.5 ? 0 : normalQuantile(1 - tail);
  if (freedom === Infinity) return z;
  const scale = -logBeta(freedom / 2, 0.5) - Math.log(freedom) / 2;
  let t = freedom > 3 ? z + (z ** 3 + z) / (4 * freedom) : z;
  for (let i = 0; i < 200; i++) {
    const density = Math.exp(scale - (freedom + 1) / 2 * Math.log1p(t * t / freedom));
    const step = (studentUpper(t, freedom) - tail) / density;
    t = Math.max(0, t + step);
    if (Math.abs(step) <= 1e-14 * (1 + t)) break;
  }
  return t;
}

/**
 * P(T <= t) of the noncentral t distribution: R. V. Lenth, "Algorithm AS 243", Appl. Stat. 38 (1989); absolute error below 1e-12.
 *
 * @param shift noncentrality, at most 37 in magnitude, beyond which exp(-shift^2 / 2) is 0
 */
export function noncentralBelow(t: number, freedom: number, shift: number): number {
  if (t < 0) return 1 - noncentralBelow(-t, freedom, -shift);
  const base = normalTail(shift);
  if (t === 0) return base;
  const x = t * t / (freedom + t * t), rest = 1 / (1 + t * t / freedom), b = freedom / 2;
  const half = shift * shift / 2, log = Math.log(x), logRest = Math.log(rest);
  // I_x(a + 1, b) = I_x(a, b) - x^a (1 - x)^b / (a B(a, b)): what is taken away each time, for a = 1/2, 3/2, ... and 1, 2, ...
  const fallOf = (a: number) => Math.exp(a * log + b * logRest - logBeta(a, b) - Math.log(a));
  let p = Math.exp(-half) / 2, q = shift * Math.exp(-half) / Math.sqrt(2 * Math.PI);
  let odd = incompleteBeta(0.5, b, { x, rest }), even = incompleteBeta(1, b, { x, rest });
  let oddFall = fallOf(0.5), evenFall = fallOf(1), sum = p * odd + q * even, weight = 1 - 2 * p;
  for (let j = 1; j < 10_000; j++) {
    odd -= oddFall;
    even -= evenFall;
    oddFall *= x * (j - 0.5 + b) / (j + 0.5);
    evenFall *= x * (j + b) / (j + 1);
    p *= half / j;
    q *= half / (j + 0.5);
    sum += p * odd + q * even;
    // What is left is at most the Poisson weight not yet used times the last beta.
    weight -= 2 * p;
    if (j > half && weight * Math.max(odd, even) < 1e-15) break;
    if (odd <= 0 && even <= 0) break;
  }
  return Math.min(1, Math.max(0, base + sum));
}

export interface PowerOptions {
  /** Chance of a false alarm; default 0.05. */
  readonly alpha?: number;
  /** Chance to find it; default 0.8. */
  readonly power?: number;
  /** 1 or 2; default 2. */
  readonly sides?: 1 | 2;
}

/**
 * The smallest effect, in standard errors, that a t test finds with the given power.
 *
 * @returns above 0; Infinity beyond 36, which takes two or three clusters and a level that they cannot reach.
 * @throws {RangeError} where alpha or power is not in (0, 1), or power is below alpha.
 *
 * @example
 * ```ts
 * import { detectableShift } from "./student.ts";
 * // With many degrees of freedom, 1.96 + 0.84 standard errors.
 * if (Math.abs(detectableShift(1e6) - 2.8016) > 1e-3) throw new Error("unexpected shift");
 * ```
 */
export function detectableShift(freedom: number, options: PowerOptions = {}): number {
  const { alpha = 0.05, power = 0.8, sides = 2 } = options;
  if (!(alpha > 0 && alpha < 1 && power > alpha && power < 1)) {
    throw new RangeError(
      `Cannot find a detectable effect at alpha ${alpha} and power ${power}: wanted 0 < alpha < power < 1`,
    );
  }
  const critical = studentQuantile(Math.min(0.5, alpha / sides), freedom);
  const found = (shift: number) =>
    1 - noncentralBelow(critical, freedom, shift) +
    (sides === 2 ? noncentralBelow(-critical, freedom, shift) : 0);
  let low = 0, high = 1;
  while (high <= 36 && found(high) < power) high = high < 32 ? 2 * high : high + 4;
  if (high > 36) return Infinity;
  for (let i = 0; i < 200 && high - low > 1e-13 * high; i++) {
    const middle = (low + high) / 2;
    if (found(middle) < power) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
