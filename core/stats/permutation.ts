/**
 * Permutation tests: E. Pitman, "Significance tests which may be applied to samples from any populations", Suppl. J. R. Stat. Soc. 4 (1937);
 * p-values that count the data as one of the permutations, B. Phipson and G. Smyth, Stat. Appl. Genet. Mol. Biol. 9 (2010).
 */
import { createRandom } from "../random.ts";

export interface PermutationOptions {
  /** Name of the random stream. */
  readonly seed: string | number;
  /** Number of random permutations. */
  readonly permutations: number;
}

/**
 * Calls `visit` with random orders of 0 .. n - 1, each order equally likely. The same array is handed over each time.
 *
 * @param n at least 1
 */
export function visitPermutations(
  n: number,
  visit: (order: Uint32Array) => void,
  { seed, permutations }: PermutationOptions,
): void {
  const random = createRandom(seed), order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let k = 0; k < permutations; k++) {
    for (let i = n - 1; i > 0; i--) {
      const j = random.below(i + 1), moved = order[i] as number;
      order[i] = order[j] as number;
      order[j] = moved;
    }
    visit(order);
  }
}

/** Sums of the same numbers in another order differ by rounding, and must not count as larger or smaller. */
const ROUNDING = 1e-9;

/** Share of `values`, the observed one counted among them, that are at least `observed`; in (0, 1]. */
export function upperShare(values: Float64Array, observed: number): number {
  const from = observed - ROUNDING * Math.max(1, Math.abs(observed));
  return (1 + values.reduce((count, value) => count + Number(value >= from), 0)) / (1 + values.length);
}

/**
 * Percentile of sorted numbers, interpolated between the two order statistics around position q * (length - 1), counted from
 * 0 (type 7 of R. Hyndman and Y. Fan, Am. Stat. 50, 1996; numpy's default).
 *
 * @param q in [0, 1]
 */
export function percentile(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1), i = Math.floor(position);
  const left = sorted[i] as number, right = sorted[Math.min(i + 1, sorted.length - 1)] as number;
  return left + (right - left) * (position - i);
}
