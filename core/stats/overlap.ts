/**
 * What two sets of units drawn blindly would have in common: the hypergeometric law (N. Johnson, A. Kemp and S. Kotz, "Univariate Discrete
 * Distributions", 3rd edition, 2005, chapter 6), and Jaccard's coefficient (P. Jaccard, New Phytologist 11, 1912) under it.
 */

/** A pool that both sets were drawn from, each so many times: all units, or those of one tap. */
export interface Stratum {
  /** Units there are. */
  readonly pool: number;
  /** Of these in the one set and in the other, 0 to `pool`. */
  readonly one: number;
  readonly other: number;
}

/** What chance alone gives. */
export interface OverlapChance {
  /** Mean number of shared units. */
  readonly shared: number;
  /** Mean of Jaccard's coefficient, in [0, 1]. */
  readonly jaccard: number;
  /** Chance of at least as many shared units as there are; 0 where it is below 1e-308. */
  readonly p: number;
}

/** Shared units over those of either set, in [0, 1]; 0 of two empty sets. */
export function jaccard(shared: number, one: number, other: number): number {
  return one + other === 0 ? 0 : shared / (one + other - shared);
}

/**
 * The overlap of two uniformly random sets that have in each stratum as many units as these two have. One stratum of all units is chance at its
 * plainest; a stratum a tap also knows in which taps the units of each are, which is all that many a set has in common with another.
 *
 * @param shared units that are in both sets, at least 0
 * @throws {RangeError} for no stratum, and for more units of a set than there are.
 *
 * @example
 * ```ts
 * import { overlapChance } from "./overlap.ts";
 * const { shared, p } = overlapChance(2, [{ pool: 4, one: 2, other: 2 }]);
 * if (shared !== 1 || Math.abs(p - 1 / 6) > 1e-15) throw new Error("one in six pairs is the same");
 * ```
 */
export function overlapChance(shared: number, strata: readonly Stratum[]): OverlapChance {
  if (strata.length === 0) {
    throw new RangeError("Cannot tell chance of an overlap: there is no pool, wanted one");
  }
  const law = strata.map(hypergeometric).reduce(sumOf);
  const [one, other] = [total(strata, "one"), total(strata, "other")];
  let [mean, p] = [0, 0];
  // From above, where the probabilities are smallest.
  for (let k = law.length - 1; k >= 0; k--) {
    mean += law[k]! * jaccard(k, one, other);
    if (k >= shared) p += law[k]!;
  }
  return {
    shared: strata.reduce((sum, each) => sum + each.one * each.other / (each.pool || 1), 0),
    jaccard: mean,
    p: Math.min(1, p),
  };
}

/**
 * P(X = k) for k = 0 .. min(one, other): X of `other` units drawn without replacement are among the `one`. By the ratios of neighbours, in
 * logarithms, because the ends of the range are below what a number holds, and divided by their sum.
 *
 * @throws {RangeError} for more units of a set than there are.
 */
export function hypergeometric({ pool, one, other }: Stratum): Float64Array {
  if (!(one >= 0 && other >= 0 && one <= pool && other <= pool)) {
    throw new RangeError(
      `Cannot tell chance of an overlap: sets have ${one} and ${other} units of ${pool}, wanted 0 to ${pool}`,
    );
  }
  const least = Math.max(0, one + other - pool), most = Math.min(one, other);
  const logs = new Float64Array(most + 1).fill(-Infinity);
  logs[least] = 0;
  for (let k = least; k < most; k++) {
    logs[k + 1] = logs[k]! + Math.log((one - k) * (other - k) / ((k + 1) * (pool - one - other + k + 1)));
  }
  const highest = logs.reduce((max, each) => Math.max(max, each), -Infinity);
  const sum = logs.reduce((rest, each) => rest + Math.exp(each - highest), 0);
  return logs.map((each) => Math.exp(each - highest) / sum);
}

/** The law of a sum of two independent numbers, each with its own. */
function sumOf(a: Float64Array, b: Float64Array): Float64Array {
  const law = new Float64Array(a.length + b.length - 1);
  a.forEach((p, i) => {
    if (p > 0) b.forEach((q, j) => law[i + j]! += p * q);
  });
  return law;
}

function total(strata: readonly Stratum[], set: "one" | "other"): number {
  return strata.reduce((sum, each) => sum + each[set], 0);
}
