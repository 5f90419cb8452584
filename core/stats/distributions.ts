/** The two distributions that the intervals and tests stand on. */
import type { Random } from "../random.ts";

/**
 * The x with P(Z < x) = p for a standard normal Z.
 *
 * Newton's method on the series of G. Marsaglia, "Evaluating the normal distribution", J. Stat. Software 11(4), 2004; right
 * to 1e-12 for p in [0.0001, 0.9999], less so where 1 - p loses digits.
 *
 * @throws {RangeError} unless 0 < p < 1.
 */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) {
    throw new RangeError(`Cannot invert the normal distribution at ${p}: wanted 0 < p < 1`);
  }
  if (p < 0.5) return -normalQuantile(1 - p);
  // Right of 0 the distribution function is concave, so every step from 0 falls short of the root and none overshoots.
  let x = 0;
  for (let i = 0; i < 100; i++) {
    const density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    let sum = x;
    let term = x;
    for (let k = 3; sum + term !== sum; k += 2) sum += term *= x * x / k;
    const step = (p - 0.5 - density * sum) / density;
    x += step;
    if (Math.abs(step) < 1e-14 * (1 + x)) break;
  }
  return x;
}

/** P(X = k) for X ~ Binomial(n, p), 0 < p < 1, relative error below 1e-10 up to n = 10^4; computed from logarithms, so that no n
 * overflows. */
export function binomialProbability(k: number, n: number, p: number): number {
  const ways = logFactorial(n) - logFactorial(k) - logFactorial(n - k);
  return Math.exp(ways + k * Math.log(p) + (n - k) * Math.log1p(-p));
}

/** One draw of Binomial(n, p) by inversion, the probabilities taken from the mode outwards: about sqrt(n p (1 - p)) steps. */
export function drawBinomial(n: number, p: number, random: Random): number {
  if (n === 0 || p <= 0) return 0;
  if (p >= 1) return n;
  const mode = Math.min(n, Math.floor((n + 1) * p));
  const odds = p / (1 - p);
  let down = mode;
  let up = mode;
  let below = binomialProbability(mode, n, p);
  let above = below;
  let rest = random.uniform() - below;
  while (rest >= 0 && (down > 0 || up < n)) {
    if (up < n) {
      above *= (n - up++) * odds / up;
      rest -= above;
      if (rest < 0) return up;
    }
    if (down > 0) {
      below *= down / ((n - --down) * odds);
      rest -= below;
      if (rest < 0) return down;
    }
  }
  // Reached only when the probabilities sum to less than 1 by rounding, and the draw falls into what is missing.
  return mode;
}

/** ln n! for an integer n >= 0, by Stirling's series where its next term is below 1e-13, else by multiplication. */
function logFactorial(n: number): number {
  if (n < 32) {
    let product = 1;
    for (let i = 2; i <= n; i++) product *= i;
    return Math.log(product);
  }
  const inverse = 1 / (n * n);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / n;
  return n * Math.log(n) - n + Math.log(2 * Math.PI * n) / 2 + series;
}
