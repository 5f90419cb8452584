import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { drawNormal } from "../../../core/stats/calibration/draw.ts";
import { estimateMean, seedsDifference } from "../../../core/stats/mod.ts";
import { estimateSeeds, seedsError } from "../../../core/stats/seeds.ts";
import { wilson } from "../../../core/stats/proportions.ts";
import { studentQuantile } from "../../../core/stats/student.ts";

/** Sums of some dozens of products near 1. */
const TOLERANCE = 1e-12;
const apart = (n: number) => Array.from({ length: n }, (_, i) => `q${i}`);

Deno.test("estimateSeeds() is the clusters' t interval when all seeds gave the same", () => {
  const random = createRandom("same"), clusters = apart(8).flatMap((id) => [id, id, id]);
  const values = clusters.map(() => drawNormal(random));
  const { low, high, n, method } = estimateSeeds([values, values, values, values, values], { clusters });
  const once = estimateMean(values, { binary: false, clusters, seed: 0 });
  assertAlmostEquals(low, once.low, TOLERANCE);
  assertAlmostEquals(high, once.high, TOLERANCE);
  assertEquals([n, method], [24, "seeds t"]);
});

Deno.test("seedsError() has the mean squares of the two-way layout when clusters are of one item", () => {
  for (const seeds of [6, 3]) {
    const random = createRandom(`anova ${seeds}`), k = 9;
    const table = Array.from(
      { length: seeds },
      (_, s) => Float64Array.from({ length: k }, () => s + drawNormal(random)),
    );
    const { value, error } = seedsError({ n: k, sizes: new Float64Array(k).fill(1), sums: table }, 0.95);
    const all = table.flatMap((row) => [...row]), mean = all.reduce((a, b) => a + b) / all.length;
    const rows = table.map((row) => row.reduce((a, b) => a + b) / k);
    const columns = Array.from({ length: k }, (_, c) => table.reduce((sum, row) => sum + row[c]!, 0) / seeds);
    const ofSeeds = rows.reduce((sum, row) => sum + k * (row - mean) ** 2, 0) / (seeds - 1);
    const ofClusters = columns.reduce((sum, column) => sum + seeds * (column - mean) ** 2, 0) / (k - 1);
    const both = table.reduce(
      (sum, row, s) => sum + row.reduce((rest, x, c) => rest + (x - rows[s]! - columns[c]! + mean) ** 2, 0),
      0,
    ) / ((seeds - 1) * (k - 1));
    // Only few seeds have what both count taken off.
    const variance = (ofSeeds + ofClusters - (seeds < 5 ? both : 0)) / (seeds * k);
    assertAlmostEquals(value, mean, TOLERANCE);
    assertAlmostEquals(error ** 2, variance, TOLERANCE);
  }
});

Deno.test("estimateSeeds() is wider than resampling clusters anew in each seed would make it", () => {
  // Clusters differ, seeds do not: five seeds of the same questions say little more than one.
  const random = createRandom("crossed"), clusters = apart(10).flatMap((id) => [id, id]);
  const effects = apart(10).map(() => drawNormal(random));
  const values = [0, 1, 2, 3, 4].map(() =>
    clusters.map((_, i) => effects[Math.floor(i / 2)]! + 0.1 * drawNormal(random))
  );
  const crossed = estimateSeeds(values, { clusters });
  const once = estimateMean(values[0]!, { binary: false, clusters, seed: 0 });
  assertAlmostEquals((crossed.high - crossed.low) / (once.high - once.low), 1, 0.1);
});

Deno.test("estimateSeeds() keeps a proportion in its range, and honest where all clusters are alike", () => {
  const clusters = apart(6), ones = clusters.map(() => 1);
  const all = estimateSeeds([ones, ones], { clusters, bounded: "level" });
  assertEquals([all.value, all.low, all.high, all.method], [1, wilson(6, 6).low, 1, "bound"]);
  const still = estimateSeeds([clusters.map(() => 0), clusters.map(() => 0)], {
    clusters,
    bounded: "change",
  });
  assertAlmostEquals(still.high, 1 - 0.025 ** (1 / 6), TOLERANCE);
  const near = estimateSeeds([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]], { clusters, bounded: "level" });
  assert(near.high === 1 && near.low < near.value);
  const flat = estimateSeeds([[2, 2], [2, 2]], { clusters: ["a", "b"] });
  assertEquals([flat.low, flat.high, flat.method], [2, 2, "constant"]);
});

Deno.test("estimateSeeds() refuses what has no two seeds, no items, or gaps", () => {
  const clusters = ["a", "b"];
  assertThrows(() => estimateSeeds([[1, 2]], { clusters }), RangeError, "there are 1 seeds");
  assertThrows(() => estimateSeeds([[1, 2], [1]], { clusters }), RangeError, "1 values, wanted 2");
  assertThrows(() => estimateSeeds([[], []], { clusters: [] }), RangeError, "there are no items");
  assertThrows(() => estimateSeeds([[1, 2], [1, NaN]], { clusters }), RangeError, "NaN");
  assertThrows(() => estimateSeeds([[1, 2], [1, 0]], { clusters, bounded: "level" }), RangeError, "0 to 1");
  assertThrows(() => estimateSeeds([[1, 2], [1, 0]], { clusters, level: 0 }), RangeError, "level is 0");
});

Deno.test("estimateSeeds() gives degrees of freedom by which a t test agrees with its interval", () => {
  const clusters = apart(7).flatMap((id) => [id, id, id]);
  for (const seeds of [2, 3, 4, 5, 8]) {
    const values = Array.from({ length: seeds }, (_, s) => clusters.map((_, i) => (i * 7 + s * 5) % 11 + s));
    const { value, high, error, freedom } = estimateSeeds(values, { clusters });
    // The quantile is found to 1e-12 or better by halving.
    assertAlmostEquals(studentQuantile(0.025, freedom!) * error!, high - value, 1e-9 * (high - value));
  }
});

Deno.test("estimateSeeds() of one cluster takes items as independent, or bounds it, as estimates of one seed do", () => {
  const values = [[1, 4, 2, 2], [2, 4, 1, 3], [0, 5, 2, 2]], clusters = ["a", "a", "a", "a"];
  const one = estimateSeeds(values, { clusters }), each = estimateSeeds(values, { clusters: apart(4) });
  assertEquals(one, { ...each, clusters: 1 });
  const bounded = estimateSeeds([[1, 0], [1, 1]], { clusters: ["a", "a"], bounded: "level" });
  assertEquals([bounded.method, bounded.clusters, bounded.low >= 0, bounded.high <= 1], [
    "bound",
    1,
    true,
    true,
  ]);
  const single = estimateSeeds([[3], [4]], { clusters: ["a"] });
  assertEquals([single.low, single.high, single.method], [3.5, 3.5, "constant"]);
});

Deno.test("seedsDifference() is over the changes of each seed, from one list or from its own", () => {
  const clusters = apart(7).flatMap((id) => [id, id, id]);
  const before = [clusters.map((_, i) => i % 2), clusters.map((_, i) => Number(i % 3 === 0))];
  const after = [clusters.map(() => 1), clusters.map((_, i) => Number(i % 5 > 0))];
  const changes = after.map((list, s) => list.map((value, i) => value - before[s]![i]!));
  const own = seedsDifference(before, after, { binary: true, clusters });
  const wanted = estimateSeeds(changes, { clusters, bounded: "change" });
  assertEquals([own.value, own.low, own.high, own.method], [
    wanted.value,
    wanted.low,
    wanted.high,
    "seeds t",
  ]);
  const sums = clusters.map((_, i) => changes[0]![i]! + changes[1]![i]!);
  assertEquals([own.rose, own.fell], [sums.filter((x) => x > 0).length, sums.filter((x) => x < 0).length]);
  assertEquals(
    seedsDifference([before[0]!], after, { binary: true, clusters }),
    seedsDifference([before[0]!, before[0]!], after, { binary: true, clusters }),
  );
  assertThrows(
    () => seedsDifference([...before, before[0]!], after, { binary: true, clusters }),
    RangeError,
    "there are 3 lists before and 2 after, wanted as many or one",
  );
});
