/** Student's t distribution with a whole number of degrees of freedom. */

/**
 * P(T > t), by the finite trigonometric series of M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 and
 * 26.7.4; absolute error below 1e-14.
 *
 * @param t at least 0
 * @param freedom degrees of freedom, an integer of at least 1
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
  if (!(t >= 0 && Number.isInteger(freedom) && freedom >= 1)) {
    throw new RangeError(
      `Cannot take the tail of Student's t at ${t} with ${freedom} degrees of freedom: wanted t from 0, an integer from 1`,
    );
  }
  const theta = Math.atan(t / Math.sqrt(freedom)), cos = Math.cos(theta), odd = freedom % 2;
  let sum = 0, term = odd ? cos : 1;
  for (let k = odd; k < freedom - 1; k += 2) {
    sum += term;
    term *= cos * cos * (k + 1) / (k + 2);
  }
  const centre = odd ? 2 / Math.PI * (theta + Math.sin(theta) * sum) : Math.sin(theta) * sum;
  return Math.max(0, (1 - centre) / 2);
}
