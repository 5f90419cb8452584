/**
 * Many hypotheses, few false alarms. The primary family is tested by Holm's procedure; the secondary only if every primary hypothesis
 * was rejected, again by Holm's; exploratory hypotheses by Benjamini and Hochberg's, apart from both. This is serial gatekeeping (W. Maurer, L.
 * Hothorn and W. Lehmacher, in "Biometrie in der chemisch-pharmazeutischen Industrie" 6, 1995; P. Westfall and A. Krishen, J. Stat. Plan.
 * Inference 99, 2001): the chance of any false alarm in primary and secondary together stays at the level, however the tests depend on one another,
 * because a false alarm in the second needs all of the first to be rejected, and if one of those is true that is a false alarm itself.
 */

export type Family = "primary" | "secondary" | "exploratory";

/** Adjusted p-values: as many may be compared with the level at once. */
export interface Adjusted {
  /** In [0, 1], at least the p itself. */
  readonly adjusted: number;
  /** False for a secondary hypothesis behind a primary one that was not rejected; its `adjusted` is above the level then. */
  readonly tested: boolean;
}

/**
 * Holm's adjusted p-values, in the order given: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979).
 *
 * @throws {RangeError} for a p outside [0, 1].
 *
 * @example
 * ```ts
 * import { holm } from "./families.ts";
 * if (holm([0.01, 0.04, 0.03]).join() !== "0.03,0.06,0.06") throw new Error("unexpected p");
 * ```
 */
export function holm(ps: readonly number[]): number[] {
  const order = ranked(ps), adjusted = ps.slice();
  let floor = 0;
  order.forEach((i, rank) => {
    floor = Math.max(floor, Math.min(1, (ps.length - rank) * ps[i]!));
    adjusted[i] = floor;
  });
  return adjusted;
}

/**
 * Adjusted p-values of Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", JRSS B 57 (1995), in the order given.
 *
 * @throws {RangeError} for a p outside [0, 1].
 */
export function benjaminiHochberg(ps: readonly number[]): number[] {
  const order = ranked(ps), adjusted = ps.slice();
  let ceiling = 1;
  for (let rank = order.length; rank > 0; rank--) {
    const i = order[rank - 1]!;
    ceiling = Math.min(ceiling, ps.length / rank * ps[i]!);
    adjusted[i] = ceiling;
  }
  return adjusted;
}

/**
 * The three families together; see the head of this file.
 *
 * @param alpha level at which the gate to the secondary family opens, in (0, 1)
 * @returns in the order given.
 * @throws {RangeError} for a p outside [0, 1].
 *
 * @example
 * ```ts
 * import { adjustFamilies } from "./families.ts";
 * const [, second] = adjustFamilies([{ family: "primary", p: 0.2 }, { family: "secondary", p: 0.001 }], 0.05);
 * if (second!.tested || second!.adjusted !== 0.2) throw new Error("the gate is shut");
 * ```
 */
export function adjustFamilies(
  hypotheses: readonly { readonly family: Family; readonly p: number }[],
  alpha: number,
): Adjusted[] {
  const result: Adjusted[] = hypotheses.map(() => ({ adjusted: 1, tested: true }));
  const of = (family: Family) => [...hypotheses.keys()].filter((i) => hypotheses[i]!.family === family);
  const ps = (indices: readonly number[]) => indices.map((i) => hypotheses[i]!.p);
  const primary = of("primary"), secondary = of("secondary"), exploratory = of("exploratory");
  const first = holm(ps(primary)), gate = first.reduce((max, p) => Math.max(max, p), 0);
  primary.forEach((i, rank) => result[i] = { adjusted: first[rank]!, tested: true });
  const second = holm(ps(secondary));
  secondary.forEach((i, rank) =>
    result[i] = { adjusted: Math.max(gate, second[rank]!), tested: gate <= alpha }
  );
  const third = benjaminiHochberg(ps(exploratory));
  exploratory.forEach((i, rank) => result[i] = { adjusted: third[rank]!, tested: true });
  return result;
}

function ranked(ps: readonly number[]): number[] {
  const odd = ps.find((p) => !(p >= 0 && p <= 1));
  if (odd !== undefined) throw new RangeError(`Cannot adjust p-values: one is ${odd}, wanted 0 to 1`);
  return [...ps.keys()].sort((a, b) => ps[a]! - ps[b]! || a - b);
}
