/**
 * Successive elimination: which arms are among the `top` by their mean effect over N items, decided from the n items seen so far.
 *
 * How likely arm b is stronger than arm a, from the difference d of their strengths, item by item, and what was predicted for it, p:
 *
 *   mean = mean(d) + slope (P - mean(p)),   error^2 = s^2 ((1 - n / N) / n + (P - mean(p))^2 / Sxx)
 *   P(b above a) = P(T > mean / error),   T of Student's distribution with n - 2 degrees of freedom
 *
 * with slope, residual variance s^2 and Sxx of the regression of d on p over the items seen, and P the mean of p over all items. Without
 * predictions slope is 0, s^2 the variance of d, and the degrees of freedom are n - 1. Under "magnitude", where strength is |mean|, a must
 * be above both b and -b, and their two chances are added.
 *
 * An arm of the true top stands above at least one of any `top` others, so that the chance of calling it "out" wrongly is at most the
 * largest chance among `top` rivals, best taken where these are smallest; likewise for "in" and all but `top` others. Verdicts are given in
 * the order of their chances, while the sum is within what may still be missed of the top, (1 - level) top in all, shared out over looks. So
 * `level` is the share of the top that is found, at least, in expectation. It is about means over the N items given, what a sweep without a
 * race would report; once all are seen these are known.
 *
 * Sources: elimination as E. Even-Dar, S. Mannor and Y. Mansour, JMLR 7 (2006); error of a finite population's mean and regression estimator
 * as W. Cochran, "Sampling Techniques", 3rd edition (1977), 2.6 and 7.1 to 7.5; the largest of several p-values as R. Berger, "Multiparameter
 * hypothesis testing and acceptance sampling", Technometrics 24 (1982).
 *
 * Assumption: items come in random order, and residuals are near enough to normal for Student's t over `first` items or more. A measure of
 * few values (right or wrong) breaks it; differences that are all equal decide nothing. That rivals are chosen by the same items is not
 * accounted for, nor that the largest chance is a bound: simulated where nothing separates the arms, the share found is just above `level`,
 * with skewed effects too, and well above it where there are gaps.
 */
import { studentTail } from "./stats/student.ts";

/** What makes an effect large: its size, its fall or its rise. */
export const DIRECTIONS = ["magnitude", "decrease", "increase"] as const;
export type Direction = typeof DIRECTIONS[number];
export type Verdict = "in" | "out" | "open";

/** Each look takes this many times the items of the one before. */
const GROWTH = 1.5;
/** An arm's rivals are sought among this many times `top`. */
const RIVALS = 3;

/** Numbers of items after which the race looks; the last is all of them. */
export function looksOf(first: number, total: number): number[] {
  const looks: number[] = [];
  // A look that leaves only a few items to the end is not worth its share of what may be missed.
  for (let look = first; look * Math.sqrt(GROWTH) < total; look = Math.ceil(look * GROWTH)) looks.push(look);
  return [...looks, total];
}

/** What is known of one arm. */
export interface Runner {
  /** Effects on the items seen, in the same order for all arms. */
  readonly effects: readonly number[];
  /** What was predicted for these items, and its mean over all items. */
  readonly predicted?: { readonly seen: readonly number[]; readonly mean: number };
}

export interface LookOptions {
  /** How many of these arms are still to be found. */
  readonly top: number;
  readonly by: Direction;
  /** How many of them may be missed by this look's verdicts, in expectation. */
  readonly misses: number;
  /** Items in all. */
  readonly total: number;
}

export interface Look {
  /** One an arm; none is open once all items are seen, equal means going to the arm that stands first. */
  readonly verdicts: readonly Verdict[];
  /** How many arms of the top these miss, in expectation, at most. */
  readonly misses: number;
}

/** @param runners arms that are still open, each on the same items, three or more. */
export function decide(runners: readonly Runner[], { top, by, misses, total }: LookOptions): Look {
  if (top <= 0 || top >= runners.length) {
    return { verdicts: runners.map(() => top <= 0 ? "out" : "in"), misses: 0 };
  }
  const lines = runners.map((runner) => turned(runner, by, total));
  const ranked = [...lines.keys()].toSorted((a, b) => lines[b]!.mean - lines[a]!.mean || a - b);
  const side = (rank: number): Verdict => rank < top ? "in" : "out";
  const verdicts = runners.map((): Verdict => "open");
  if (runners[0]!.effects.length >= total) {
    ranked.forEach((arm, rank) => verdicts[arm] = side(rank));
    return { verdicts, misses: 0 };
  }
  const signs = by === "magnitude" ? [1, -1] as const : [1] as const;
  const overturned = (strong: number, weak: number) => {
    const [a, b] = [lines[ranked[strong]!]!, lines[ranked[weak]!]!];
    return signs.reduce((sum, sign) => sum + chanceBelow(a, b, { sign, total }), 0);
  };
  const chances = ranked.map((_, rank) => {
    const others = rank < top
      ? range(rank + 1, ranked.length).map((weak) => overturned(rank, weak))
      : range(0, Math.min(rank, RIVALS * top)).map((strong) => overturned(strong, rank));
    return others.sort((a, b) => a - b)[(rank < top ? ranked.length - top : top) - 1]!;
  });
  let spent = 0;
  for (const rank of [...chances.keys()].toSorted((a, b) => chances[a]! - chances[b]!)) {
    if (spent + chances[rank]! > misses) break;
    spent += chances[rank]!;
    verdicts[ranked[rank]!] = side(rank);
  }
  // Once either side is full, the other follows.
  const count = (wanted: Verdict) => verdicts.filter((verdict) => verdict === wanted).length;
  const rest = count("in") === top ? "out" : count("out") === runners.length - top ? "in" : "open";
  return { verdicts: verdicts.map((verdict) => verdict === "open" ? rest : verdict), misses: spent };
}

/** An arm turned so that more is stronger. */
interface Line {
  readonly effects: readonly number[];
  readonly predicted: readonly number[];
  /** Mean of what is predicted over all items. */
  readonly expected: number;
  /** Estimated mean effect over all items; not negative under "magnitude". */
  readonly mean: number;
}

function turned({ effects, predicted }: Runner, by: Direction, total: number): Line {
  const { seen, mean: expected } = predicted ?? { seen: effects.map(() => 0), mean: 0 };
  const { mean } = fit(effects, seen, { expected, total });
  const sign = by === "increase" || (by === "magnitude" && mean >= 0) ? 1 : -1;
  const turn = (values: readonly number[]) => values.map((value) => sign * value);
  return { effects: turn(effects), predicted: turn(seen), expected: sign * expected, mean: sign * mean };
}

/** Chance that the mean of a - sign * b over all items is below 0; 1 where that cannot be told. */
function chanceBelow(
  a: Line,
  b: Line,
  { sign, total }: { readonly sign: 1 | -1; readonly total: number },
): number {
  const minus = (x: readonly number[], y: readonly number[]) => x.map((value, i) => value - sign * y[i]!);
  const { mean, error, freedom, isConstant } = fit(
    minus(a.effects, b.effects),
    minus(a.predicted, b.predicted),
    { expected: a.expected - sign * b.expected, total },
  );
  return isConstant || mean <= 0 ? 1 : error === 0 ? 0 : studentTail(mean / error, freedom);
}

/** Mean of y over all items by its regression on x, with standard error and degrees of freedom. */
function fit(
  y: readonly number[],
  x: readonly number[],
  { expected, total }: { readonly expected: number; readonly total: number },
) {
  const n = y.length, meanX = average(x), meanY = average(y), unseen = (1 - n / total) / n;
  let xx = 0, xy = 0, yy = 0;
  for (let i = 0; i < n; i++) {
    const dx = x[i]! - meanX, dy = y[i]! - meanY;
    xx += dx * dx;
    xy += dx * dy;
    yy += dy * dy;
  }
  const isConstant = yy === 0;
  if (xx === 0) return { mean: meanY, error: Math.sqrt(yy / (n - 1) * unseen), freedom: n - 1, isConstant };
  const slope = xy / xx, gap = n < total ? expected - meanX : 0;
  const error = Math.sqrt(Math.max(0, yy - slope * xy) / (n - 2) * (unseen + gap * gap / xx));
  return { mean: meanY + slope * gap, error, freedom: n - 2, isConstant };
}

function average(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
