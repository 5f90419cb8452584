/**
 * From hypotheses and differences to verdicts:
 *
 * - effect: the hypothesis' p, adjusted in its family (families.ts), is at most alpha;
 * - not worse: the same of a guard, whose test is of non-inferiority: that the change is above -margin ("greater") or below margin ("less");
 * - equivalent: no effect shown, and two one-sided tests (D. Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987) show that the change lies
 *   within the margin on either side; these p-values are adjusted among those of the family;
 * - not identifiable: no headroom. The accuracy above a baseline that sees only the answers is not surely larger than the smallest detectable
 *   effect, so nothing could have shown. The hypothesis stays in its family with p = 1, which makes no other one easier;
 * - inconclusive: none of these, with the smallest effect that would have been found.
 */
import type { Difference, Estimate } from "../estimate.ts";
import { adjustFamilies, benjaminiHochberg, type Family, holm } from "./families.ts";
import { effectivePairs } from "./intervals.ts";
import { differenceScore } from "./proportions.ts";
import { normalTail } from "./special.ts";
import { detectableShift, studentUpper } from "./student.ts";

export interface Hypothesis {
  readonly name: string;
  readonly treatment: string;
  /** What the treatment is compared with: the untouched model, or a control. */
  readonly control: string;
  readonly benchmark: string;
  /** A benchmark of other items on which the metric is to change less. */
  readonly beyond?: string;
  readonly metric: string;
  /** Which way the change goes; of a guard, "greater" says that it does not fall by the margin, "less" that it does not rise by it. */
  readonly direction: "greater" | "less" | "either";
  /** In the metric's unit, above 0: changes within it do not matter. */
  readonly margin?: number;
  readonly family: Family;
  /** Whether it is a test of non-inferiority; needs a margin and a direction. */
  readonly guard?: boolean;
}

export interface Evidence {
  readonly hypothesis: Hypothesis;
  readonly difference: Difference;
  /** Of a permutation over control sets, in the hypothesis' direction; else the sign-flip test's is taken. */
  readonly p?: number;
  /** Accuracy less that of a baseline that sees only the answers. */
  readonly headroom?: Estimate;
  /** Why nothing could have shown, whatever came out. */
  readonly blind?: string;
}

export type Verdict = "effect" | "equivalent" | "not worse" | "inconclusive" | "not identifiable";

export interface Judgement {
  readonly name: string;
  readonly verdict: Verdict;
  readonly p: number;
  readonly adjusted: number;
  /** False behind a gate that stayed shut. */
  readonly tested: boolean;
  /** Of the two one-sided tests, where there is a margin. */
  readonly equivalence?: { readonly p: number; readonly adjusted: number };
  /** The smallest effect found with the power asked at the strictest level of the family; absent where no effect of any size could be shown. */
  readonly detectable?: number;
  /** Half a sentence. */
  readonly reason: string;
}

export interface JudgeOptions {
  /** Default 0.05. */
  readonly alpha?: number;
  /** Default 0.8. */
  readonly power?: number;
}

/**
 * The verdict of each hypothesis of a matrix, in the order given; all of them together, because they share their families' error.
 *
 * @throws {RangeError} for a margin that is not above 0, or a guard without margin or with direction "either".
 *
 * @example
 * ```ts
 * import { judge } from "./verdict.ts";
 * import { pairedDifference } from "./mod.ts";
 * const clusters = Array.from({ length: 12 }, (_, i) => `question ${i}`), options = { clusters, binary: true, seed: 0 };
 * const difference = pairedDifference(clusters.map(() => 1), clusters.map((_, i) => Number(i < 3)), options);
 * const [judgement] = judge([{
 *   difference,
 *   hypothesis: {
 *     name: "culture falls",
 *     treatment: "silenced",
 *     control: "untouched",
 *     benchmark: "blend",
 *     metric: "acc",
 *     direction: "less",
 *     family: "primary",
 *   },
 * }]);
 * if (judgement!.verdict !== "effect") throw new Error("nine of twelve fell, none rose");
 * ```
 */
export function judge(evidence: readonly Evidence[], options: JudgeOptions = {}): Judgement[] {
  const { alpha = 0.05, power = 0.8 } = options;
  for (const { hypothesis } of evidence) check(hypothesis);
  const found = evidence.map((each) => {
    const size = evidence.filter(({ hypothesis }) => hypothesis.family === each.hypothesis.family).length;
    const detectable = detectableOf(each, { alpha: alpha / size, power });
    const { headroom, blind } = each;
    const isBlind = blind !== undefined ||
      headroom !== undefined && detectable !== undefined && !(headroom.low > detectable);
    return { ...each, detectable, isBlind, strictest: alpha / size, tested: isBlind ? 1 : pOf(each) };
  });
  const main = adjustFamilies(
    found.map(({ hypothesis, tested }) => ({ family: hypothesis.family, p: tested })),
    alpha,
  );
  const within = equivalences(found);
  return found.map((each, i): Judgement => {
    const { hypothesis: { name }, detectable, tested: p } = each, { adjusted, tested } = main[i]!;
    const both = within[i] && { p: within[i]!.p, adjusted: tested ? within[i]!.adjusted : 1 };
    const verdict = verdictOf(each, { alpha, passed: tested && adjusted <= alpha, within: both?.adjusted });
    return {
      name,
      verdict,
      p,
      adjusted,
      tested,
      ...(both ? { equivalence: both } : {}),
      ...(detectable === undefined ? {} : { detectable }),
      reason: reasonOf(verdict, each, { adjusted, gate: tested, within: both?.adjusted }),
    };
  });
}

/**
 * Chance of a difference as far above (or below) `at` if the true one were `at`, one-sided, by inverting the interval: below tail exactly where
 * the interval at level 1 - 2 tail leaves `at` out. 1 where nothing can be said.
 *
 * @param claim that the true difference is "above" or "below" `at`
 */
export function shiftedP(difference: Difference, at: number, claim: "above" | "below"): number {
  const { value, n, clusters, error, freedom, method } = difference, sign = claim === "above" ? 1 : -1;
  if (method === "bound") {
    const reach = claim === "above" ? value + 1 : 1 - value, share = sign * (value - at) / reach;
    return share > 0 ? Math.max(0, 1 - share) ** clusters : 1;
  }
  if (error === undefined || freedom === undefined) return 1;
  const rose = difference.rose / n, fell = difference.fell / n;
  if (method === "score") return normalTail(sign * differenceScore({ rose, fell, n }, at));
  if (method === "cluster score") {
    const effective = effectivePairs({ ...difference, error });
    const score = differenceScore({ rose, fell, n: effective }, at), square = score * score;
    // The other way round than scoreQuantile().
    const student = square < effective
      ? score * Math.sqrt(effective / (effective - square))
      : score * Infinity;
    return studentUpper(sign * student, freedom);
  }
  return studentUpper(sign * (value - at) / error, freedom);
}

/** Chance of a difference as far from 0 on either side if the true one were 0, by the difference's interval. */
export function twoSidedP(difference: Difference): number {
  return Math.min(1, 2 * Math.min(shiftedP(difference, 0, "above"), shiftedP(difference, 0, "below")));
}

/** p of two one-sided tests that the difference lies within the margin on either side: the larger of the two. */
export function equivalenceP(difference: Difference, margin: number): number {
  return Math.max(shiftedP(difference, -margin, "above"), shiftedP(difference, margin, "below"));
}

interface Found extends Evidence {
  readonly detectable: number | undefined;
  readonly isBlind: boolean;
  /** Level of the smallest p of the family. */
  readonly strictest: number;
}

function pOf({ hypothesis: { direction, guard, margin }, difference, p }: Evidence): number {
  if (guard) {
    return direction === "greater"
      ? shiftedP(difference, -margin!, "above")
      : shiftedP(difference, margin!, "below");
  }
  if (p !== undefined) return p;
  const { signFlip } = difference;
  if (!signFlip) return 1;
  return direction === "either" ? signFlip.p : signFlip[direction];
}

/** Undefined where the values do not vary, or where too few clusters changed for any p to be small enough. */
function detectableOf(
  evidence: Evidence,
  { alpha, power }: { readonly alpha: number; readonly power: number },
): number | undefined {
  const { hypothesis: { direction }, difference: { error, freedom } } = evidence;
  if (!error || !freedom || isOutOfReach(evidence, alpha)) return undefined;
  const shift = detectableShift(freedom, { alpha, power, sides: direction === "either" ? 2 : 1 });
  return shift < Infinity ? error * shift : undefined;
}

/** Whether the smallest p that the sign-flip test could give is above alpha. */
function isOutOfReach({ hypothesis: { direction, guard }, difference, p }: Evidence, alpha: number): boolean {
  const least = (difference.signFlip?.least ?? 1) * (direction === "either" ? 2 : 1);
  return !guard && p === undefined && least > alpha;
}

/** Two one-sided tests of each hypothesis that has a margin, adjusted among those of its family. */
function equivalences(
  found: readonly Found[],
): ({ readonly p: number; readonly adjusted: number } | undefined)[] {
  const result: ({ p: number; adjusted: number } | undefined)[] = found.map(() => undefined);
  for (const family of ["primary", "secondary", "exploratory"] as const) {
    const own = [...found.keys()].filter((i) => {
      const { hypothesis } = found[i]!;
      return hypothesis.family === family && hypothesis.margin !== undefined && !hypothesis.guard;
    });
    const ps = own.map((i) =>
      found[i]!.isBlind ? 1 : equivalenceP(found[i]!.difference, found[i]!.hypothesis.margin!)
    );
    const adjusted = family === "exploratory" ? benjaminiHochberg(ps) : holm(ps);
    own.forEach((i, rank) => result[i] = { p: ps[rank]!, adjusted: adjusted[rank]! });
  }
  return result;
}

function verdictOf(
  { hypothesis, isBlind }: Found,
  { alpha, passed, within }: {
    readonly alpha: number;
    readonly passed: boolean;
    readonly within: number | undefined;
  },
): Verdict {
  if (isBlind) return "not identifiable";
  if (passed) return hypothesis.guard ? "not worse" : "effect";
  return within !== undefined && within <= alpha ? "equivalent" : "inconclusive";
}

function reasonOf(verdict: Verdict, found: Found, { adjusted, gate, within }: Standing): string {
  const { hypothesis: { margin, direction }, difference: { signFlip }, headroom, detectable, strictest } =
    found;
  const figure = (value: number | undefined) => String(Number(value?.toPrecision(3)));
  switch (verdict) {
    case "effect":
      return `adjusted p ${figure(adjusted)}`;
    case "not worse":
      return `within ${figure(margin)} on the side that matters, adjusted p ${figure(adjusted)}`;
    case "equivalent":
      return `within ${figure(margin)} on either side, adjusted p ${figure(within)}`;
    case "not identifiable":
      if (found.blind !== undefined) return found.blind;
      return `no headroom: the accuracy above the answers alone is ${figure(headroom?.low)} at least, and ` +
        `${figure(detectable)} is the smallest effect that would be found`;
    case "inconclusive":
      if (!gate) return "not tested: a primary hypothesis was not shown";
      if (isOutOfReach(found, strictest)) {
        const least = Math.min(1, (signFlip?.least ?? 1) * (direction === "either" ? 2 : 1));
        return `too few clusters changed: the smallest p there is, ${figure(least)}, is above the ` +
          `${figure(strictest)} that its family asks`;
      }
      return detectable === undefined
        ? "the values do not vary enough to tell"
        : `the smallest effect that would be found is ${figure(detectable)}`;
  }
}

/** Where a hypothesis stands in its family. */
interface Standing {
  readonly adjusted: number;
  readonly gate: boolean;
  /** Adjusted p of equivalence. */
  readonly within: number | undefined;
}

function check({ name, margin, guard, direction }: Hypothesis): void {
  const state = margin !== undefined && !(margin > 0 && margin < Infinity)
    ? `its margin is ${margin}, wanted a number above 0`
    : guard && margin === undefined
    ? "it is a guard without a margin, wanted one above 0"
    : guard && direction === "either"
    ? 'it is a guard in direction "either", wanted "greater" or "less"'
    : undefined;
  if (state) throw new RangeError(`Cannot judge ${JSON.stringify(name)}: ${state}`);
}
