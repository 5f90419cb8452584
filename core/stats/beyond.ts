/**
 * How much more one metric changes than another, on other items: the difference of two independent differences.
 *
 *   D = a - b
 *   low  = D - sqrt((a - low_a)^2 + (high_b - b)^2)
 *   high = D + sqrt((high_a - a)^2 + (b - low_b)^2)
 *
 * (the method of variance estimates recovery: G. Zou and A. Donner, Stat. Med. 27, 2008; R. Newcombe, Stat. Med. 17, 1998), so that each side
 * keeps the interval that suits it, proportions near 0 or 1 too. p is the tail at which the limit comes to 0.
 */
import type { Difference } from "../estimate.ts";
import { detectableShift } from "./student.ts";
import { shiftedP } from "./verdict.ts";

export interface Beyond {
  readonly difference: Difference;
  /** One-sided: against D >= 0, and against D <= 0. */
  readonly less: number;
  readonly greater: number;
}

/**
 * The change `a` beyond the change `b`. Items of the two must be different ones, for the errors are taken as independent.
 *
 * @param level of the interval, in (0, 1)
 * @returns a difference of method "mover" whose n and clusters are those of both; of its items those "rose" that push it up.
 *
 * @example
 * ```ts
 * import { changeBeyond } from "./beyond.ts";
 * import { pairedDifference } from "./mod.ts";
 * const clusters = Array.from({ length: 40 }, (_, i) => `question ${i}`), all = clusters.map(() => 1);
 * const change = (kept: number) => pairedDifference(all, all.map((_, i) => Number(i < kept)), { clusters, binary: true, seed: 0 });
 * const { difference, less } = changeBeyond(change(10), change(38));
 * if (!(Math.abs(difference.value + 0.7) < 1e-12 && less < 0.001)) throw new Error("30 of 40 fell beside 2 of 40");
 * ```
 */
export function changeBeyond(a: Difference, b: Difference, level = 0.95): Beyond {
  const value = a.value - b.value, tail = (1 - level) / 2;
  const low = value - reach(a, b, tail), high = value + reach(b, a, tail);
  // A side that did not change at all has no error to add.
  const error = Math.hypot(a.error ?? 0, b.error ?? 0);
  const freedom = error ? welch(a, b, error) : undefined;
  const p = oneSided(a, b);
  return {
    difference: {
      value,
      low,
      high,
      level,
      n: a.n + b.n,
      clusters: a.clusters + b.clusters,
      method: "mover",
      ...(error && freedom ? { error, freedom, detectable: error * detectableShift(freedom) } : {}),
      rose: a.rose + b.fell,
      fell: a.fell + b.rose,
    },
    less: p.less,
    greater: p.greater,
  };
}

/** How far D may be below what was found: a's lower limit and b's upper one, at `tail` each. */
function reach(a: Difference, b: Difference, tail: number): number {
  return Math.hypot(a.value - limitOf(a, tail, "low"), limitOf(b, tail, "high") - b.value);
}

/** The value on that side at which the difference itself has a chance of `tail`. */
function limitOf(difference: Difference, tail: number, side: "low" | "high"): number {
  const { value, method } = difference, sign = side === "low" ? -1 : 1;
  if (method === "constant") return value;
  const isShare = method.endsWith("score") || method === "bound";
  const most = isShare ? 1 - sign * value : Infinity;
  const p = (distance: number) =>
    shiftedP(difference, value + sign * distance, side === "low" ? "above" : "below");
  let [near, far] = [0, Math.min(most, difference.error || 1)];
  while (far < most && p(far) > tail) {
    if (far > 1e12) return sign * Infinity;
    [near, far] = [far, Math.min(most, 2 * far)];
  }
  for (let step = 0; step < 80 && far - near > 1e-12 * far; step++) {
    const middle = (near + far) / 2;
    if (p(middle) > tail) near = middle;
    else far = middle;
  }
  return value + sign * far;
}

/** The tail at which D's limit on the far side of 0 comes to 0; above one half where D lies on the other side. */
function oneSided(a: Difference, b: Difference): { readonly less: number; readonly greater: number } {
  const value = a.value - b.value;
  if (value === 0) return { less: 0.5, greater: 0.5 };
  const far = (tail: number) => value < 0 ? reach(b, a, tail) : reach(a, b, tail);
  let [small, large] = [1e-15, 0.5];
  if (far(small) <= Math.abs(value)) large = small;
  for (let step = 0; step < 60 && large / small > 1 + 1e-9; step++) {
    const middle = Math.sqrt(small * large);
    if (far(middle) > Math.abs(value)) small = middle;
    else large = middle;
  }
  return value < 0 ? { less: large, greater: 1 - large } : { less: 1 - large, greater: large };
}

/** Welch and Satterthwaite's degrees of freedom. */
function welch(a: Difference, b: Difference, error: number): number | undefined {
  const part = ({ error: own = 0, freedom = 0 }: Difference) => own === 0 ? 0 : own ** 4 / freedom;
  const parts = part(a) + part(b);
  return parts > 0 && parts < Infinity ? error ** 4 / parts : undefined;
}
