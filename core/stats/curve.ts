/**
 * A metric's change along a dose, such as the number of units or the strength of an edit, and the area under that curve. All points are of the
 * same items, so the area is a weighted mean of the same items' changes: each item has an area of its own (trapezoids), and the
 * interval of their mean takes all points of a cluster together, however they depend on one another.
 */
import type { Estimate } from "../estimate.ts";
import { estimateChange, type EstimateOptions } from "./mod.ts";

export interface CurvePoint {
  /** The dose. */
  readonly x: number;
  /** Change of each item, in the metric's unit. */
  readonly changes: readonly number[];
}

export interface CurveOptions extends EstimateOptions {
  /** On which the area is taken; default "linear". "log" wants doses above 0. */
  readonly scale?: "linear" | "log";
}

export interface Curve {
  /** By ascending dose, each with an interval of its own: they do not hold all at once. */
  readonly points: readonly { readonly x: number; readonly change: Estimate }[];
  /** Area over the range of doses divided by that range: the mean height, in the metric's unit. */
  readonly area: Estimate;
}

/**
 * The curve through the points and its area.
 *
 * @throws {RangeError} for fewer than two doses, doses that repeat, that are not finite or, on a log scale, not above 0; as estimateChange().
 *
 * @example
 * ```ts
 * import { estimateCurve } from "./curve.ts";
 * const clusters = ["a", "b", "c"], options = { clusters, binary: false, seed: 0 };
 * const points = [{ x: 0, changes: [0, 0, 0] }, { x: 10, changes: [2, 4, 6] }];
 * if (estimateCurve(points, options).area.value !== 2) throw new Error("the mean height of a line from 0 to 4");
 * ```
 */
export function estimateCurve(points: readonly CurvePoint[], options: CurveOptions): Curve {
  const { scale = "linear", ...rest } = options;
  const sorted = points.toSorted((a, b) => a.x - b.x), doses = sorted.map(({ x }) => x);
  const odd = doses.find((x, i) => !Number.isFinite(x) || (scale === "log" && x <= 0) || x === doses[i - 1]);
  if (odd !== undefined || doses.length < 2) {
    throw new RangeError(
      odd === undefined
        ? `Cannot draw a curve: there are ${doses.length} doses, wanted at least 2`
        : `Cannot draw a curve: a dose is ${odd}, wanted different finite numbers${
          scale === "log" ? " above 0" : ""
        }`,
    );
  }
  const weights = weightsOf(doses, scale);
  const areas = rest.clusters.map((_, item) =>
    sorted.reduce((sum, { changes }, i) => sum + weights[i]! * (changes[item] ?? NaN), 0)
  );
  const change = (each: readonly number[]) => estimateChange(each, rest);
  return {
    points: sorted.map(({ x, changes }) => ({ x, change: change(changes) })),
    // The weights sum to 1 but for rounding, which must not carry an item out of a proportion's range.
    area: change(rest.binary ? areas.map((area) => Math.max(-1, Math.min(1, area))) : areas),
  };
}

/** The area of one curve as estimateCurve() has it, without an interval. @param points by ascending x */
export function areaOf(
  points: readonly { readonly x: number; readonly y: number }[],
  scale: "linear" | "log",
): number {
  const weights = weightsOf(points.map(({ x }) => x), scale);
  return points.reduce((sum, { y }, i) => sum + weights[i]! * y, 0);
}

/** Trapezoids: what each point weighs in the mean height. */
function weightsOf(doses: readonly number[], scale: "linear" | "log"): number[] {
  const at = doses.map((x) => scale === "log" ? Math.log(x) : x), range = at.at(-1)! - at[0]!;
  return at.map((x, i) => ((at[i + 1] ?? x) - (at[i - 1] ?? x)) / 2 / range);
}
