/** Student's t distribution with a whole number of degrees of freedom. */

/**
 * The t with P(T > t) = p.
 *
 * Bisection on the finite trigonometric series of M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 and
 * 26.7.4; relative error below 1e-4 from p = 1e-11 on, and below 1e-9 from p = 1e-6 on.
 *
 * @param p in (0, 0.5]
 * @param df degrees of freedom, an integer of at least 1
 * @throws {RangeError} outside these ranges.
 *
 * @example
 * ```ts
 * import { studentQuantile } from "./student.ts";
 * // Of one degree of freedom, Cauchy's distribution: tan(pi (0.5 - p)).
 * if (Math.abs(studentQuantile(0.25, 1) - 1) > 1e-12) throw new Error("unexpected quantile");
 * ```
 */
export function studentQuantile(p: number, df: number): number {
  if (!(p > 0 && p <= 0.5 && Number.isInteger(df) && df >= 1)) {
    throw new RangeError(
      `Cannot invert Student's t at ${p} with ${df} degrees of freedom: wanted 0 < p <= 0.5, an integer from 1`,
    );
  }
  let low = 0, high = Math.PI / 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (tail(middle, df) > p) low = middle;
    else high = middle;
  }
  return Math.sqrt(df) * Math.tan(low);
}

/** P(T > sqrt(df) tan(theta)). */
function tail(theta: number, df: number): number {
  const odd = df % 2, cos = Math.cos(theta);
  let sum = 0, term = odd ? cos : 1;
  for (let k = odd; k < df - 1; k += 2) {
    sum += term;
    term *= cos * cos * (k + 1) / (k + 2);
  }
  const centre = odd ? 2 / Math.PI * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
  return (1 - centre) / 2;
}
