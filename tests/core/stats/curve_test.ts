import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { drawNormal } from "../../../core/stats/calibration/draw.ts";
import { estimateCurve } from "../../../core/stats/curve.ts";
import { estimateChange } from "../../../core/stats/mod.ts";

/** Sums of a few products near 1. */
const TOLERANCE = 1e-12;
const apart = (n: number) => Array.from({ length: n }, (_, i) => `q${i}`);

Deno.test("estimateCurve() has the trapezoids' area under the means, on either scale and in any order of doses", () => {
  const random = createRandom("curve"), clusters = apart(9), options = { clusters, binary: false, seed: 0 };
  const points = [10, 1, 100, 40].map((x) => ({ x, changes: clusters.map(() => drawNormal(random)) }));
  const heights = new Map(points.map(({ x, changes }) => [x, changes.reduce((a, b) => a + b) / 9]));
  const doses = [1, 10, 40, 100];
  for (const [scale, of] of [["linear", (x: number) => x], ["log", Math.log]] as const) {
    const curve = estimateCurve(points, { ...options, scale });
    const sum = doses.slice(1).reduce(
      (sum, x, i) => sum + (of(x) - of(doses[i]!)) * (heights.get(x)! + heights.get(doses[i]!)!) / 2,
      0,
    );
    assertAlmostEquals(curve.area.value, sum / (of(100) - of(1)), TOLERANCE);
    assertEquals(curve.points.map(({ x }) => x), doses);
    assertEquals(curve.points[1]!.change, estimateChange(points[0]!.changes, options));
  }
});

Deno.test("estimateCurve() takes all points of a cluster together", () => {
  // The same changes at every dose: the area is as uncertain as one point; changes that cancel: hardly uncertain at all.
  const random = createRandom("together"),
    clusters = apart(40),
    options = { clusters, binary: false, seed: 0 };
  const changes = clusters.map(() => drawNormal(random));
  const [same, cancelled] = [1, -1].map((sign) =>
    estimateCurve([{ x: 0, changes }, {
      x: 1,
      changes: changes.map((each) => sign * each + (sign < 0 ? 1 : 0)),
    }], options)
  );
  const one = estimateChange(changes, options);
  assertAlmostEquals(same!.area.low, one.low, TOLERANCE);
  assertAlmostEquals(same!.area.high, one.high, TOLERANCE);
  assertAlmostEquals(cancelled!.area.high - cancelled!.area.low, 0, TOLERANCE);
  assertAlmostEquals(cancelled!.area.value, 0.5, TOLERANCE);
});

Deno.test("estimateCurve() covers the true area about as often as it says when doses and items depend on one another", () => {
  // 10 clusters of 3; the height is x plus a cluster's slope and items' noise that lasts over doses: the area's mean is 1.
  const clusters = apart(10).flatMap((id) => [id, id, id]), sets = 1000;
  let covered = 0;
  for (let set = 0; set < sets; set++) {
    const random = createRandom(`area ${set}`), slopes = apart(10).map(() => drawNormal(random));
    const lasting = clusters.map(() => drawNormal(random));
    const points = [0, 0.5, 2].map((x) => ({
      x,
      changes: clusters.map((_, i) =>
        x * (1 + slopes[Math.floor(i / 3)]!) + lasting[i]! + drawNormal(random)
      ),
    }));
    const { low, high } = estimateCurve(points, { clusters, binary: false, seed: 0 }).area;
    if (low <= 1 && 1 <= high) covered++;
  }
  /** Four standard errors of a share of 0.95 in 1,000: t over equal clusters of normal values is exact. */
  assertAlmostEquals(covered / sets, 0.95, 4 * Math.sqrt(0.95 * 0.05 / sets));
});

Deno.test("estimateCurve() keeps the areas of a proportion in its range", () => {
  const points = [0, 1, 3].map((x) => ({ x, changes: [-1, -1, -1] }));
  const { area } = estimateCurve(points, { clusters: apart(3), binary: true, seed: 0 });
  assertAlmostEquals(area.value, -1, TOLERANCE);
  assert(area.low >= -1 - TOLERANCE && area.method === "bound");
});

Deno.test("estimateCurve() refuses doses that make no curve", () => {
  const options = { clusters: ["a", "b"], binary: false, seed: 0 },
    point = (x: number) => ({ x, changes: [1, 2] });
  assertThrows(() => estimateCurve([point(1)], options), RangeError, "1 doses");
  assertThrows(() => estimateCurve([point(1), point(1)], options), RangeError, "a dose is 1");
  assertThrows(
    () => estimateCurve([point(0), point(1)], { ...options, scale: "log" }),
    RangeError,
    "above 0",
  );
  assertThrows(() => estimateCurve([point(0), { x: 1, changes: [1] }], options), RangeError);
});
