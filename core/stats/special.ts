/** The special functions that tests and intervals stand on, each right to about 1e-13 relative where a test asks for it. */

/** Stirling's correction of ln Gamma(x), x >= 10: B_2k / (2k (2k - 1) x^(2k - 1)); the first term left out is below 1e-16. */
function correction(x: number): number {
  const y = 1 / (x * x);
  const series = 1 / 12 -
    y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - y * (691 / 360360 - y / 156)))));
  return series / x;
}

/**
 * ln Gamma(x) for x > 0, by Stirling's series (M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 1964, 6.1.40)
 * behind the recurrence Gamma(x + 1) = x Gamma(x).
 */
export function logGamma(x: number): number {
  let product = 1;
  for (; x < 10; x++) product *= x;
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + correction(x) - Math.log(product);
}

/** ln B(a, b); where one of them is large its own ln Gamma cancels in the formula and not in the digits. */
export function logBeta(a: number, b: number): number {
  const large = Math.max(a, b), small = Math.min(a, b);
  if (large < 10) return logGamma(a) + logGamma(b) - logGamma(a + b);
  const sum = large + small;
  const quotient = (large - 0.5) * Math.log1p(small / large) + small * Math.log(sum) - small +
    correction(sum) - correction(large);
  return logGamma(small) - quotient;
}

/**
 * The regularised incomplete beta function I_x(a, b), by the continued fraction of Abramowitz and Stegun, 26.5.8, evaluated as W. J.
 * Lentz does (Appl. Opt. 15, 1976).
 *
 * @param x in [0, 1]
 * @param rest 1 - x, given apart so that neither end loses digits
 */
export function incompleteBeta(a: number, b: number, { x, rest }: { x: number; rest: number }): number {
  if (x <= 0) return 0;
  if (rest <= 0) return 1;
  const front = Math.exp(
    a * (x < 0.5 ? Math.log(x) : Math.log1p(-rest)) + b * (rest < 0.5 ? Math.log(rest) : Math.log1p(-x)) -
      logBeta(a, b),
  );
  return x < (a + 1) / (a + b + 2) ? front * fraction(a, b, x) / a : 1 - front * fraction(b, a, rest) / b;
}

function fraction(a: number, b: number, x: number): number {
  const TINY = 1e-300, away = (value: number) => Math.abs(value) < TINY ? TINY : value;
  let c = 1, d = 1 / away(1 - (a + b) * x / (a + 1)), result = d;
  // Some sqrt(max(a, b)) steps are enough; the bound only ends a loop that a NaN entered.
  for (let m = 1; m < 1e6; m++) {
    const even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / away(1 + even * d);
    c = away(1 + even / c);
    result *= c * d;
    const odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / away(1 + odd * d);
    c = away(1 + odd / c);
    result *= c * d;
    if (!(Math.abs(c * d - 1) > 1e-16)) break;
  }
  return result;
}

/** P(Z > z) of a standard normal Z: G. Marsaglia's series in the middle (J. Stat. Software 11(4), 2004), Laplace's continued
 * fraction in the tail (Abramowitz and Stegun, 26.2.14). */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const density = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI);
  if (z < 2.5) {
    let sum = z, term = z;
    for (let k = 3; sum + term !== sum; k += 2) sum += term *= z * z / k;
    return 0.5 - density * sum;
  }
  let below = z;
  for (let k = 200; k > 0; k--) below = z + k / below;
  return density / below;
}
