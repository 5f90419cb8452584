/** Random numbers of the distributions that simulated data are made of. */
import type { Random } from "../../random.ts";

/** Standard normal: G. Box and M. Muller, Ann. Math. Stat. 29 (1958). */
export function drawNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
}

/** Gamma with the given shape and scale 1: G. Marsaglia and W. Tsang, ACM TOMS 26 (2000). */
export function drawGamma(shape: number, random: Random): number {
  if (shape < 1) return drawGamma(shape + 1, random) * (1 - random.uniform()) ** (1 / shape);
  const d = shape - 1 / 3, c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = drawNormal(random), v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < x * x / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}

/**
 * Shares of a cluster whose members are alike by `icc`: Dirichlet with the given means, whose intra-cluster correlation is 1 / (1 + sum of its
 * parameters); the means themselves at 0, one share of 1 at 1.
 *
 * @param means at least 0, sum 1
 */
export function drawShares(means: readonly number[], icc: number, random: Random): number[] {
  if (icc === 0) return [...means];
  if (icc < 1) {
    const shape = (1 - icc) / icc;
    const parts = means.map((mean) => mean > 0 ? drawGamma(mean * shape, random) : 0);
    const sum = parts.reduce((total, part) => total + part, 0);
    // All may underflow where the shapes are tiny; then one share is everything.
    if (sum > 0) return parts.map((part) => part / sum);
  }
  let rest = random.uniform();
  const chosen = means.findIndex((mean) => (rest -= mean) < 0);
  return means.map((_, i) => Number(i === (chosen < 0 ? means.length - 1 : chosen)));
}
