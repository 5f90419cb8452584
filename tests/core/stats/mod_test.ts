import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { drawNormal } from "../../../core/stats/calibration/draw.ts";
import { estimateChange, estimateMean, pairedDifference, spread, wilson } from "../../../core/stats/mod.ts";
import { scoreDifference } from "../../../core/stats/proportions.ts";
import { studentQuantile } from "../../../core/stats/student.ts";

const Z = 1.959963984540054;
/** Formulas of a dozen float64 operations on numbers near 1, and bounds found by halving to 1e-15. */
const TOLERANCE = 1e-12;
/** Student's quantile of 1,999 degrees of freedom is within 0.002 of the normal one, and Tango's variance within 1 % of the plain. */
const LARGE_SAMPLE_TOLERANCE = 0.02;

const apart = (n: number) => Array.from({ length: n }, (_, i) => `q${i}`);
const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b) / xs.length;
const standardError = (xs: readonly number[]) =>
  Math.sqrt(mean(xs.map((x) => (x - mean(xs)) ** 2)) / (xs.length - 1));

Deno.test("estimateMean() gives Wilson's interval when items are binary and independent", () => {
  const values = [1, 0, 1, 1, 0, 1, 1],
    { error, freedom, ...rest } = estimateMean(values, {
      binary: true,
      clusters: apart(7),
      seed: 0,
    });
  assertEquals(rest, { value: 5 / 7, ...wilson(5, 7), level: 0.95, n: 7, clusters: 7, method: "wilson" });
  assertAlmostEquals(error!, standardError(values), TOLERANCE);
  assertAlmostEquals(freedom!, 6, TOLERANCE);
});

Deno.test("estimateMean() is near the normal interval when 2,000 values are continuous or binary", () => {
  const random = createRandom("values");
  const uniform = Array.from({ length: 2000 }, () => random.uniform());
  for (const values of [uniform, uniform.map((x) => x < 0.3 ? 1 : 0)]) {
    const estimate = estimateMean(values, { binary: false, clusters: apart(2000), seed: 1 });
    const error = standardError(values);
    assertAlmostEquals(estimate.value, mean(values), TOLERANCE);
    assertAlmostEquals(estimate.low, mean(values) - Z * error, LARGE_SAMPLE_TOLERANCE * error);
    assertAlmostEquals(estimate.high, mean(values) + Z * error, LARGE_SAMPLE_TOLERANCE * error);
    assertEquals([estimate.method, estimate.n, estimate.clusters], ["t", 2000, 2000]);
  }
});

Deno.test("estimateMean() stays as it is when every item stands in the data four times", () => {
  const random = createRandom("copies");
  const values = Array.from({ length: 500 }, () => drawNormal(random));
  const clusters = apart(500).flatMap((id) => [id, id, id, id]);
  const once = estimateMean(values, { binary: false, clusters: apart(500), seed: 3 });
  const four = estimateMean(values.flatMap((x) => [x, x, x, x]), { binary: false, clusters, seed: 3 });
  assertAlmostEquals(four.low, once.low, TOLERANCE);
  assertAlmostEquals(four.high, once.high, TOLERANCE);
  assertEquals([four.method, four.clusters, four.n], ["cluster t", 500, 2000]);
  // A proportion counts for as many observations as there are clusters, but for one that the error's degrees of freedom take.
  const right = values.map((x) => x > 0.5 ? 1 : 0), share = mean(right);
  const binary = estimateMean(right.flatMap((x) => [x, x, x, x]), { binary: true, clusters, seed: 3 });
  const effective = share * (1 - share) / binary.error! ** 2;
  assertAlmostEquals(effective, 499, 1e-9);
  assertEquals(binary.method, "cluster wilson");
});

Deno.test("estimateMean() gives the same when items change places and clusters change names", () => {
  const random = createRandom("order");
  const values = Array.from({ length: 300 }, () => drawNormal(random));
  const clusters = values.map((_, i) => `c${i % 7 + i % 70}`);
  const estimate = estimateMean(values, { binary: false, seed: 4, clusters });
  const order = random.shuffle([...values.keys()]);
  const shuffled = estimateMean(order.map((i) => values[i]!), {
    binary: false,
    seed: 4,
    clusters: order.map((i) => `other ${clusters[i]!}`),
  });
  assertEquals(shuffled, estimate);
});

Deno.test("estimateMean() has an interval of no width when all values of a metric without limits are equal", () => {
  const options = { binary: false, clusters: apart(7), seed: 0 };
  const { value, low, high, method } = estimateMean(Array<number>(7).fill(0.1), options);
  assertEquals([value, low, high, method], [0.1, 0.1, 0.1, "constant"]);
  const one = estimateMean([0.1], { ...options, clusters: ["q"] });
  assertEquals([one.low, one.high, one.method], [0.1, 0.1, "constant"]);
});

Deno.test("estimateMean() takes items as independent when a metric without limits has but one cluster", () => {
  const values = [1, 2, 4], one = { binary: false, clusters: ["q", "q", "q"], seed: 0 };
  const { low, high } = estimateMean(values, { ...one, clusters: apart(3) });
  const found = estimateMean(values, one);
  assertEquals([found.low, found.high, found.clusters, found.method], [low, high, 1, "cluster t"]);
});

Deno.test("estimateMean() narrows when the level falls", () => {
  const values = Array.from({ length: 100 }, (_, i) => i * i);
  const at = (level: number) => estimateMean(values, { binary: false, clusters: apart(100), seed: 0, level });
  assert(at(0.5).low > at(0.95).low && at(0.5).high < at(0.95).high);
  assertEquals(at(0.5).level, 0.5);
});

Deno.test("estimateMean() throws when values are missing, not numbers or not binary", () => {
  const options = { binary: true, clusters: ["a", "b"], seed: 0 };
  assertThrows(() => estimateMean([], { ...options, clusters: [] }), RangeError, "no values");
  assertThrows(() => estimateMean([1, NaN], options), RangeError, "NaN");
  assertThrows(() => estimateMean([1, 0.5], options), RangeError, "wanted 0 or 1");
  assertThrows(() => estimateMean([1], options), RangeError, "2 clusters");
  assertThrows(() => estimateMean([1, 0], { ...options, level: 1 }), RangeError, "level 1");
  assertThrows(() => estimateChange([1, 2], options), RangeError, "a value is 2");
  assertThrows(() => pairedDifference([1, 0], [1], options), RangeError);
  assertThrows(
    () => pairedDifference([1, 0], [0, 0], { ...options, resamples: 0 }),
    RangeError,
    "at least 1",
  );
});

Deno.test("estimateMean() and pairedDifference() take 500,000 outcomes over 300 clusters in under 3 s", () => {
  const clusters = Array.from({ length: 500_000 }, (_, i) => `question ${i % 300}`);
  const random = createRandom("speed"), values = clusters.map(() => random.uniform());
  const before = values.map((x) => Number(x < 0.5)), after = values.map((x) => Number(x < 0.6));
  const start = performance.now();
  estimateMean(after, { binary: true, clusters, seed: 0 });
  const { signFlip } = pairedDifference(before, after, { binary: true, clusters, seed: 0 });
  pairedDifference(values, values.map((x, i) => x + (i % 5 - 2) * x), { binary: false, clusters, seed: 0 });
  const elapsedMs = performance.now() - start;
  assert(elapsedMs < 3000, `${elapsedMs} ms`);
  assertEquals(signFlip!.p, signFlip!.greater * 2);
});

Deno.test("pairedDifference() bounds the clusters that could have changed when none did", () => {
  const values = Array.from({ length: 50 }, (_, i) => i % 2), clusters = apart(25).flatMap((id) => [id, id]);
  const still = pairedDifference(values, values, { binary: true, clusters, seed: 0 });
  // None of k clusters is otherwise: their share is below 1 - 0.025^(1/k).
  const bound = 1 - 0.025 ** (1 / 25);
  assertAlmostEquals(still.high, bound, TOLERANCE);
  assertAlmostEquals(still.low, -bound, TOLERANCE);
  assertEquals([still.value, still.method, still.signFlip!.p, still.rose, still.fell], [0, "bound", 1, 0, 0]);
  assertEquals(still.detectable, undefined);
  // Without limits on a change nothing bounds it.
  const nats = pairedDifference(values, values, { binary: false, clusters, seed: 0 });
  assertEquals([nats.low, nats.high, nats.method], [0, 0, "constant"]);
});

Deno.test("pairedDifference() has Tango's interval and McNemar's p when items are binary and independent", () => {
  const random = createRandom("pairs");
  const before = Array.from({ length: 2000 }, () => random.below(2));
  const after = before.map((x) => random.below(10) === 0 ? 0 : x);
  const changes = after.map((x, i) => x - before[i]!);
  const difference = pairedDifference(before, after, { binary: true, clusters: apart(2000), seed: 6 });
  const error = standardError(changes), fell = changes.filter((d) => d < 0).length;
  assertEquals(difference.value, mean(changes));
  const { low, high } = scoreDifference({ rose: 0, fell: fell / 2000, n: 2000 }, Z);
  assertAlmostEquals(difference.low, low, TOLERANCE);
  assertAlmostEquals(difference.high, high, TOLERANCE);
  // Skewness of rare changes moves both bounds outwards by about z^2 / 2n.
  assertAlmostEquals(difference.low, mean(changes) - Z * error, 0.2 * error);
  assertEquals([difference.rose, difference.fell, difference.method], [0, fell, "score"]);
  // All went one way: twice one outcome of as many fair coins; flipping signs is the same test.
  assertAlmostEquals(difference.mcnemar! / 2 ** (1 - fell), 1, 1e-10);
  assertAlmostEquals(difference.signFlip!.p / difference.mcnemar!, 1, 1e-10);
});

Deno.test("pairedDifference() leaves out 0 exactly where the clusters' t test does when items are binary", () => {
  let excluded = 0;
  for (let set = 0; set < 200; set++) {
    const random = createRandom(`agree ${set}`), clusters = apart(6).flatMap((id) => [id, id, id, id]);
    const before = clusters.map(() => random.below(2)),
      after = clusters.map(() => Number(random.below(4) > 0));
    const { value, error, freedom, low, high } = pairedDifference(before, after, {
      binary: true,
      clusters,
      seed: 0,
    });
    if (error === undefined) continue;
    const isFar = Math.abs(value) > studentQuantile(0.025, freedom!) * error;
    assertEquals(low > 0 || high < 0, isFar, `set ${set}`);
    if (isFar) excluded++;
  }
  assert(excluded > 20 && excluded < 180, `${excluded} of 200 leave out 0`);
});

Deno.test("pairedDifference() has no McNemar p when items share clusters or are not binary", () => {
  const [before, after] = [[0, 1, 0, 1], [1, 1, 1, 0]];
  const shared = pairedDifference(before, after, { binary: true, clusters: ["a", "a", "b", "c"], seed: 0 });
  const plain = pairedDifference(before, after, { binary: false, clusters: apart(4), seed: 0 });
  assert(!("mcnemar" in shared) && !("mcnemar" in plain));
  assertEquals([shared.rose, shared.fell, shared.clusters, shared.method], [2, 1, 3, "cluster score"]);
});

Deno.test("pairedDifference() changes sign when before and after change places", () => {
  const random = createRandom("sign"), clusters = apart(100).flatMap((id) => [id, id, id]);
  for (const binary of [false, true]) {
    const [before, after] = [0.4, 0.6].map((share) =>
      clusters.map(() => binary ? Number(random.uniform() < share) : drawNormal(random) + share)
    );
    const options = { binary, clusters, seed: 7 };
    const there = pairedDifference(before!, after!, options),
      back = pairedDifference(after!, before!, options);
    assertAlmostEquals(back.value, -there.value, TOLERANCE);
    assertAlmostEquals(back.low, -there.high, TOLERANCE);
    assertAlmostEquals(back.high, -there.low, TOLERANCE);
    assertEquals([back.rose, back.fell], [there.fell, there.rose]);
  }
});

Deno.test("pairedDifference() names as detectable what a t test finds four times out of five", () => {
  // 12 clusters of 3, changes N(shift, 1) with a cluster effect: shifted by the true detectable difference, 80 % of tests at 5 % find it.
  const clusters = apart(12).flatMap((id) => [id, id, id]), sets = 2000;
  const draw = (seed: string, shift: number) => {
    const random = createRandom(seed), effects = apart(12).map(() => drawNormal(random) / 2);
    const changes = clusters.map((_, i) => shift + effects[Math.floor(i / 3)]! + drawNormal(random));
    return pairedDifference(changes.map(() => 0), changes, {
      binary: false,
      clusters,
      seed: 0,
      resamples: 1,
    });
  };
  // The error is known without noise: sqrt((1/4 + 1/3) / 12).
  const { detectable, error } = draw("one", 0), true_ = detectable! / error! * Math.sqrt(7 / 12 / 12);
  let found = 0;
  for (let set = 0; set < sets; set++) if (draw(`set ${set}`, true_).low > 0) found++;
  /** Five standard errors of a share of 0.8 in 2,000. */
  assertAlmostEquals(found / sets, 0.8, 5 * Math.sqrt(0.16 / sets));
});

Deno.test("spread() gives mean and range when sets are given, and throws when none are", () => {
  assertEquals(spread([0.25, -1, 0.75]), { mean: 0, min: -1, max: 0.75, sets: 3 });
  assertEquals(spread([0.1, 0.1, 0.1]), { mean: 0.1, min: 0.1, max: 0.1, sets: 3 });
  assertThrows(() => spread([]), RangeError);
  assertThrows(() => spread([1, NaN]), RangeError);
});

Deno.test("estimateMean() counts a cluster as one observation where clustered answers are all alike", () => {
  const clusters = ["a", "a", "b", "b", "c", "c"];
  const three = wilson(0, 3);
  const none = estimateMean([0, 0, 0, 0, 0, 0], { binary: true, clusters, seed: 0 });
  assertEquals([none.low, none.high, none.method], [three.low, three.high, "wilson"]);
  // Half of each cluster: between one and two whole clusters of three.
  const half = estimateMean([0, 1, 0, 1, 0, 1], { binary: true, clusters, seed: 0 });
  assertEquals([half.low, half.high], [wilson(1, 3).low, wilson(2, 3).high]);
  const one = estimateMean([1, 0, 0], { binary: true, clusters: ["q", "q", "q"], seed: 0 });
  assertEquals([one.low, one.high, one.clusters], [wilson(0, 1).low, wilson(1, 1).high, 1]);
});

Deno.test("estimateMean() takes independent items whose share is no short binary fraction", () => {
  const values = Array.from({ length: 120 }, (_, i) => Number(i < 31)), clusters = apart(120);
  const { low, high } = estimateMean(values, { binary: true, clusters, seed: 0 });
  assertEquals({ low, high }, wilson(31, 120));
});

Deno.test("pairedDifference() bounds what clusters that all changed alike, or a single one, cannot tell", () => {
  const binary = true, seed = 0;
  const two = pairedDifference([1, 1, 1, 1], [0, 0, 0, 0], { binary, seed, clusters: ["a", "a", "b", "b"] });
  assertEquals([two.value, two.low, two.method], [-1, -1, "bound"]);
  assertAlmostEquals(two.high, -1 + 2 * (1 - 0.025 ** (1 / 2)), TOLERANCE);
  const single = pairedDifference([1], [0], { binary, seed, clusters: ["a"] });
  assertAlmostEquals(single.high, -1 + 2 * 0.975, TOLERANCE);
  const still = pairedDifference([1, 0], [1, 0], { binary, seed, clusters: ["a", "a"] });
  assertAlmostEquals(still.high, 0.975, TOLERANCE);
});

Deno.test("estimateChange() stays in its range when a part of a binary change is a fraction", () => {
  const parts = estimateChange([0.5, -1, -1, -1], { binary: true, clusters: apart(4), seed: 0 });
  assertEquals([parts.low, parts.method], [-1, "t"]);
  assert(parts.high > parts.value && parts.high <= 1);
});
