/**
 * Successive elimination: which arms are among the `top` by their mean effect over all items, decided from the items seen so far.
 *
 *   d = strength of arm a - strength of arm b, item by item;   p = what was predicted for d, known for all N items
 *   mean = mean(d) + slope (P - mean(p)),   error^2 = s^2 ((1 - n / N) / n + (P - mean(p))^2 / Sxx)
 *   a beats b  when  mean - t error > 0
 *
 * over the n items seen, with slope, residual variance s^2 and Sxx of the regression of d on p, P the mean of p over all items, and t the
 * quantile of Student's distribution with n - 2 degrees of freedom at risk = (1 - level) / (comparisons that could go wrong x looks).
 * Without predictions slope is 0, s^2 the variance of d, and the degrees of freedom are n - 1. Under "magnitude", where strength is |mean|,
 * a must beat both b and -b, each side up to its sign. An arm is in when all but top - 1 others are beaten by it, and out when `top` others
 * beat it. The answer is about the mean over the N items given, what a sweep without a race would report; once all are seen it is exact.
 *
 * Sources: elimination as E. Even-Dar, S. Mannor and Y. Mansour, JMLR 7 (2006), and V. Heidrich-Meisner and C. Igel, "Hoeffding and
 * Bernstein races", ICML 2009; finite population correction and regression estimator as W. Cochran, "Sampling Techniques", 3rd edition
 * (1977), 2.6 and 7.1 to 7.5; Bonferroni's inequality over comparisons and looks.
 *
 * Assumption: items come in random order, and residuals of paired differences are near enough to normal for Student's t over `first` items
 * or more. A measure of a few values only (right or wrong) breaks it; differences that are all equal decide nothing.
 */
import { studentQuantile } from "./stats/student.ts";

/** What makes an effect large: its size, its fall or its rise. */
export type Direction = "magnitude" | "decrease" | "increase";
export type Verdict = "in" | "out" | "open";

/** Each look takes this many times the items of the one before: few looks, so that each may decide more. */
const GROWTH = 1.5;

/** Numbers of items after which the race looks; the last is all of them. */
export function looksOf(first: number, total: number): number[] {
  const looks: number[] = [];
  // A look that leaves only a few items to the end is not worth its share of the risk.
  for (let look = first; look * Math.sqrt(GROWTH) < total; look = Math.ceil(look * GROWTH)) looks.push(look);
  return [...looks, total];
}

export interface RiskOptions {
  readonly arms: number;
  readonly top: number;
  readonly by: Direction;
  /** Chance that no comparison goes wrong. */
  readonly level: number;
  readonly looks: number;
}

/** Chance of error allowed to a single comparison. Only an arm of the true top and one outside can be called wrongly. */
export function riskOf({ arms, top, by, level, looks }: RiskOptions): number {
  const pairs = Math.max(1, top * (arms - top)), signs = by === "magnitude" ? 2 : 1;
  // The last look sees every item and leaves nothing to chance.
  return (1 - level) / (pairs * signs * Math.max(1, looks - 1));
}

/** What is known of one arm. */
export interface Runner {
  /** Effects on the items seen, in the same order for all arms. */
  readonly effects: readonly number[];
  /** What was predicted for these items. */
  readonly predicted?: readonly number[];
  /** Mean of what was predicted for all items. */
  readonly expected?: number;
}

export interface LookOptions {
  /** How many of these arms are still to be found. */
  readonly top: number;
  readonly by: Direction;
  readonly risk: number;
  /** Items in all. */
  readonly total: number;
}

/** A verdict an arm; none is open once all items are seen, equal means going to the arm that stands first.
 *
 * @param runners arms that are still open, each on the same items, three or more. */
export function decide(runners: readonly Runner[], options: LookOptions): Verdict[] {
  const { top, by, risk, total } = options, n = runners[0]?.effects.length ?? 0;
  if (top <= 0 || top >= runners.length) return runners.map(() => top <= 0 ? "out" : "in");
  const lines = runners.map((runner) => turned(lineOf(runner), by, total));
  const ranked = [...lines.keys()].toSorted((a, b) => lines[b]!.mean - lines[a]!.mean || a - b);
  const verdicts = runners.map((): Verdict => "open");
  if (n >= total) {
    ranked.forEach((arm, rank) => verdicts[arm] = rank < top ? "in" : "out");
    return verdicts;
  }
  const quantile = [1, 2].map((lost) => studentQuantile(Math.min(0.5, risk), n - lost));
  const isPositive = (line: Line) => {
    const { mean, error, lost, isConstant } = fit(line, total);
    return !isConstant && mean > quantile[lost - 1]! * error;
  };
  const beats = (a: number, b: number) =>
    isPositive(combine(lines[a]!, lines[b]!, -1)) &&
    (by !== "magnitude" || isPositive(combine(lines[a]!, lines[b]!, 1)));
  ranked.forEach((arm, rank) => {
    const above = ranked.slice(0, rank), below = ranked.slice(rank + 1);
    if (rank >= top && reaches(top, above, (other) => beats(other, arm))) verdicts[arm] = "out";
    if (rank < top && reaches(runners.length - top, below, (other) => beats(arm, other))) {
      verdicts[arm] = "in";
    }
  });
  return verdicts;
}

/** Mean effect over all `total` items, from those seen. */
export function estimate(runner: Runner, total: number): number {
  return fit(lineOf(runner), total).mean;
}

/** Items as points: what was predicted, what came. */
interface Line {
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Mean of x over all items. */
  readonly expected: number;
}

function lineOf({ effects, predicted, expected = 0 }: Runner): Line {
  return { x: predicted ?? effects.map(() => 0), y: effects, expected };
}

/** Turned so that more is stronger; by magnitude, so that the mean is not negative. */
function turned(line: Line, by: Direction, total: number): Line & { readonly mean: number } {
  const { mean } = fit(line, total);
  const sign = by === "increase" || (by === "magnitude" && mean >= 0) ? 1 : -1;
  return {
    ...combine({ x: line.x.map(() => 0), y: line.y.map(() => 0), expected: 0 }, line, sign),
    mean: sign * mean,
  };
}

/** a + sign * b, item by item. */
function combine(a: Line, b: Line, sign: 1 | -1): Line {
  return {
    x: a.x.map((value, i) => value + sign * b.x[i]!),
    y: a.y.map((value, i) => value + sign * b.y[i]!),
    expected: a.expected + sign * b.expected,
  };
}

/** Mean of y over all items, its standard error, and the degrees of freedom that it took. */
function fit({ x, y, expected }: Line, total: number) {
  const n = y.length, meanX = average(x), meanY = average(y);
  let xx = 0, xy = 0, yy = 0;
  for (let i = 0; i < n; i++) {
    const dx = x[i]! - meanX, dy = y[i]! - meanY;
    xx += dx * dx;
    xy += dx * dy;
    yy += dy * dy;
  }
  const left = (1 - n / total) / n;
  if (xx === 0) {
    return { mean: meanY, error: Math.sqrt(yy / (n - 1) * left), lost: 1, isConstant: yy === 0 };
  }
  const slope = xy / xx, gap = expected - meanX, residual = Math.max(0, yy - slope * xy);
  const error = Math.sqrt(residual / (n - 2) * (left + gap * gap / xx));
  return { mean: meanY + slope * gap, error, lost: 2, isConstant: yy === 0 };
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Whether `count` of the others pass; stops as soon as that is clear. */
function reaches(count: number, others: readonly number[], test: (other: number) => boolean): boolean {
  let passed = 0;
  for (const [i, other] of others.entries()) {
    if (passed >= count || passed + others.length - i < count) break;
    if (test(other)) passed++;
  }
  return passed >= count;
}
