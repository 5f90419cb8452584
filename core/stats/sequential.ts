/**
 * The permutation p of a treatment among control sets that are drawn one after the other, and when to stop drawing.
 *
 * With all S sets drawn, e of them as extreme as the treatment, p = (1 + e) / (1 + S): exact, since under the hypothesis the treatment is one
 * more set. J. Besag and P. Clifford ("Sequential Monte Carlo p-values", Biometrika 78, 1991) stop once h sets were as extreme: after l sets
 * p = h / l. Under the hypothesis P(p <= x) is at most x for every x, stopped or not, so that Holm and the rest may go on with it, and what
 * shows no effect costs some h (1 + ln(S / h)) sets and not S. A. Gandy's procedure (JASA 104, 2009) also stops early where p is small, but gives a
 * decision at one level and not a p to adjust, needs more sets than 200 to decide that way, and adds a risk of deciding otherwise than all sets would.
 */

export interface SequentialOptions {
  /** Sets at most; default 200. */
  readonly sets?: number;
  /** Stop once as many sets were as extreme; default 10: at 200 sets, when p can no longer be below 0.05. */
  readonly stopAt?: number;
}

export interface SequentialP {
  readonly p: number;
  /** Whether no further set is wanted. Before, `p` is only where it stands. */
  readonly decided: boolean;
  /** Sets that count: those up to the decision. */
  readonly drawn: number;
  /** Of these, as extreme as the treatment. */
  readonly extreme: number;
}

/**
 * Where a treatment stands among the control sets drawn so far.
 *
 * @param isExtreme by set, in the order drawn, whether it is at least as extreme as the treatment
 * @throws {RangeError} unless sets and stopAt are whole numbers from 1.
 *
 * @example
 * ```ts
 * import { sequentialP } from "./sequential.ts";
 * const { p, decided, drawn } = sequentialP([true, false, true, false], { sets: 200, stopAt: 2 });
 * if (!(p === 2 / 3 && decided && drawn === 3)) throw new Error("two of three sets were as extreme");
 * ```
 */
export function sequentialP(isExtreme: readonly boolean[], options: SequentialOptions = {}): SequentialP {
  const { sets = 200, stopAt = 10 } = options;
  if (!(Number.isInteger(sets) && sets >= 1 && Number.isInteger(stopAt) && stopAt >= 1)) {
    throw new RangeError(
      `Cannot stop at ${stopAt} of ${sets} control sets: wanted whole numbers from 1`,
    );
  }
  let extreme = 0, drawn = 0;
  for (const is of isExtreme.slice(0, sets)) {
    drawn++;
    if (is) extreme++;
    if (extreme === stopAt) return { p: stopAt / drawn, decided: true, drawn, extreme };
  }
  return { p: (1 + extreme) / (1 + drawn), decided: drawn === sets, drawn, extreme };
}

/**
 * Whether a control set's difference from the untouched model is at least as extreme as the treatment's. Two-sided, extreme is far from 0.
 */
export function isAsExtreme(
  control: number,
  treated: number,
  direction: "greater" | "less" | "either",
): boolean {
  return direction === "greater"
    ? control >= treated
    : direction === "less"
    ? control <= treated
    : Math.abs(control) >= Math.abs(treated);
}
