/**
 * Where a treatment stands among sets of units that were drawn one after the other: a permutation p (stats/sequential.ts), and whether a further
 * set could still change it. A two-sided p is twice the smaller of the two one-sided ones.
 */
import { sequentialP } from "./stats/sequential.ts";

export interface Standing {
  /** In (0, 1]. */
  readonly p: number;
  readonly decided: boolean;
}

export interface StandingOptions {
  readonly direction: "less" | "greater" | "either";
  /** Sets at most. */
  readonly sets: number;
  /** Drawing ends once so many were as extreme as the treatment. */
  readonly stopAt: number;
}

/** Means of the same numbers in another order differ by rounding. */
const ROUNDING = 1e-12;

/** @param levels of the sets so far, in the order in which they were drawn */
export function standingOf(treated: number, levels: readonly number[], options: StandingOptions): Standing {
  const { direction, sets } = options, stopAt = Math.min(options.stopAt, sets + 1);
  const less = sequentialP(levels.map((level) => level <= treated + ROUNDING), { sets, stopAt });
  const greater = sequentialP(levels.map((level) => level >= treated - ROUNDING), { sets, stopAt });
  const { p, decided } = direction === "less" ? less : greater;
  if (direction !== "either") return { p, decided };
  return { p: Math.min(1, 2 * Math.min(less.p, greater.p)), decided: less.decided && greater.decided };
}
