import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createRandom, type Random } from "../../../core/random.ts";
import { percentile } from "../../../core/stats/bootstrap.ts";
import { estimateMean, pairedDifference, spread, wilson } from "../../../core/stats/mod.ts";

const Z = 1.959963984540054;
/**
 * A percentile of 10,000 resamples has a standard error of sqrt(0.025 * 0.975 / 10^4) / density(1.96), which is 0.027 standard errors of
 * the mean; four of them, and as much again for the skewness that the normal approximation leaves out.
 */
const BOOTSTRAP_TOLERANCE = 0.2;

const apart = (n: number) => Array.from({ length: n }, (_, i) => `q${i}`);
const normal = (random: Random) =>
  Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b) / xs.length;
const standardError = (xs: readonly number[]) =>
  Math.sqrt(mean(xs.map((x) => (x - mean(xs)) ** 2)) / xs.length);

Deno.test("estimateMean() gives Wilson's interval when items are binary and independent", () => {
  const values = [1, 0, 1, 1, 0, 1, 1];
  assertEquals(estimateMean(values, { binary: true, clusters: apart(7), seed: 0 }), {
    value: 5 / 7,
    ...wilson(5, 7),
    level: 0.95,
    n: 7,
    clusters: 7,
    method: "wilson",
  });
});

Deno.test("estimateMean() is near the normal interval when 2,000 values are continuous or binary", () => {
  const random = createRandom("values");
  const uniform = Array.from({ length: 2000 }, () => random.uniform());
  const binary = uniform.map((x) => x < 0.3 ? 1 : 0);
  // Both ways of drawing: cluster by cluster for 2,000 different values, by counts for two.
  for (const values of [uniform, binary]) {
    const estimate = estimateMean(values, { binary: false, clusters: apart(2000), seed: 1 });
    const error = standardError(values);
    assertAlmostEquals(estimate.value, mean(values), 1e-12);
    assertAlmostEquals(estimate.low, mean(values) - Z * error, BOOTSTRAP_TOLERANCE * error);
    assertAlmostEquals(estimate.high, mean(values) + Z * error, BOOTSTRAP_TOLERANCE * error);
    assertEquals([estimate.method, estimate.n, estimate.clusters], ["bootstrap", 2000, 2000]);
  }
});

Deno.test("estimateMean() draws the same distribution by counts as cluster by cluster", () => {
  // A nudge of 1e-9 makes every cluster's sum its own and so turns drawing by counts off.
  const random = createRandom("two ways");
  const values = Array.from({ length: 400 }, () => random.below(3));
  const nudged = values.map((x, i) => x + i * 1e-9);
  const options = { binary: false, clusters: apart(400), seed: 2 };
  const [counted, drawn] = [estimateMean(values, options), estimateMean(nudged, options)];
  const error = standardError(values);
  assertAlmostEquals(counted.low, drawn.low, BOOTSTRAP_TOLERANCE * error);
  assertAlmostEquals(counted.high, drawn.high, BOOTSTRAP_TOLERANCE * error);
});

Deno.test("estimateMean() widens as copies do when every item stands in the data four times", () => {
  const random = createRandom("copies");
  const values = Array.from({ length: 500 }, () => random.below(2));
  const copies = values.flatMap((x) => [x, x, x, x]);
  const clusters = apart(500).flatMap((id) => [id, id, id, id]);
  const once = estimateMean(values, { binary: false, clusters: apart(500), seed: 3 });
  const four = estimateMean(copies, { binary: true, clusters, seed: 3 });
  // The same clusters up to a factor in both sums: the very same draws and quotients.
  assertEquals([four.low, four.high, four.clusters, four.n], [once.low, once.high, 500, 2000]);
  assertEquals(four.method, "bootstrap");
});

Deno.test("estimateMean() covers the truth about as often as it says when items are clustered", () => {
  // 200 data sets of 40 clusters with 1 to 5 items, values N(cluster, 1), cluster N(0, 1): the mean over items is 0.
  let covered = 0;
  for (let set = 0; set < 200; set++) {
    const random = createRandom(`coverage ${set}`);
    const items = apart(40).flatMap((cluster) => {
      const centre = normal(random);
      return Array.from({ length: 1 + random.below(5) }, () => ({ cluster, value: centre + normal(random) }));
    });
    const { low, high } = estimateMean(items.map(({ value }) => value), {
      binary: false,
      clusters: items.map(({ cluster }) => cluster),
      seed: set,
      resamples: 1000,
    });
    if (low <= 0 && 0 <= high) covered++;
  }
  // 0.95 in the long run and a little less with 40 clusters; 200 sets add a standard deviation of 0.015.
  assert(covered >= 0.88 * 200 && covered <= 0.99 * 200, `${covered} of 200`);
});

Deno.test("estimateMean() gives the same when items change places with their clusters", () => {
  const random = createRandom("order");
  const values = Array.from({ length: 300 }, () => normal(random));
  const clusters = values.map((_, i) => `c${i % 70}`);
  const options = { binary: false, seed: 4 };
  const estimate = estimateMean(values, { ...options, clusters });
  const order = random.shuffle([...values.keys()]);
  const shuffled = estimateMean(order.map((i) => values[i]!), {
    ...options,
    clusters: order.map((i) => clusters[i]!),
  });
  assertEquals(shuffled, estimate);
  assertEquals(estimateMean(values, { ...options, clusters }), estimate);
  assertNotEquals(estimateMean(values, { ...options, clusters, seed: 5 }).low, estimate.low);
});

Deno.test("estimateMean() has an interval of no width when all values are equal", () => {
  const { value, low, high } = estimateMean(Array<number>(7).fill(0.1), {
    binary: false,
    clusters: apart(7),
    seed: 0,
  });
  assertEquals([value, low, high], [0.1, 0.1, 0.1]);
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
  assertThrows(
    () => estimateMean([1, 2], { ...options, binary: false, resamples: 0 }),
    RangeError,
    "resamples",
  );
  assertThrows(() => pairedDifference([1, 0], [1], options), RangeError);
});

Deno.test("pairedDifference() is 0 with an interval of [0, 0] when nothing changed", () => {
  const values = Array.from({ length: 50 }, (_, i) => i % 3 / 7);
  assertEquals(pairedDifference(values, values, { binary: false, clusters: apart(50), seed: 0 }), {
    value: 0,
    low: 0,
    high: 0,
    level: 0.95,
    n: 50,
    clusters: 50,
    method: "paired bootstrap",
    rose: 0,
    fell: 0,
  });
});

Deno.test("pairedDifference() is near the normal interval with McNemar's p when items are binary and independent", () => {
  const random = createRandom("pairs");
  const before = Array.from({ length: 2000 }, () => random.below(2));
  const after = before.map((x) => random.below(10) === 0 ? 0 : x);
  const changes = after.map((x, i) => x - before[i]!);
  const difference = pairedDifference(before, after, { binary: true, clusters: apart(2000), seed: 6 });
  const error = standardError(changes);
  assertEquals(difference.value, mean(changes));
  assertAlmostEquals(difference.low, mean(changes) - Z * error, BOOTSTRAP_TOLERANCE * error);
  assertAlmostEquals(difference.high, mean(changes) + Z * error, BOOTSTRAP_TOLERANCE * error);
  assertEquals([difference.rose, difference.fell], [0, changes.filter((d) => d < 0).length]);
  // All went one way: twice one outcome of as many fair coins.
  assertAlmostEquals(difference.mcnemar! / 2 ** (1 - difference.fell), 1, 1e-10);
});

Deno.test("pairedDifference() has no McNemar p when items share clusters or are not binary", () => {
  const [before, after] = [[0, 1, 0, 1], [1, 1, 1, 0]];
  const shared = pairedDifference(before, after, { binary: true, clusters: ["a", "a", "b", "c"], seed: 0 });
  const plain = pairedDifference(before, after, { binary: false, clusters: apart(4), seed: 0 });
  assert(!("mcnemar" in shared) && !("mcnemar" in plain));
  assertEquals([shared.rose, shared.fell, shared.clusters], [2, 1, 3]);
});

Deno.test("pairedDifference() changes sign when before and after change places", () => {
  const random = createRandom("sign");
  const [before, after] = [0, 1].map((shift) =>
    Array.from({ length: 500 }, () => normal(random) + shift / 5)
  );
  const options = { binary: false, clusters: apart(500), seed: 7 };
  const [there, back] = [
    pairedDifference(before!, after!, options),
    pairedDifference(after!, before!, options),
  ];
  const error = standardError(after!.map((x, i) => x - before![i]!));
  assertAlmostEquals(back.value, -there.value, 1e-12);
  assertAlmostEquals(back.low, -there.high, BOOTSTRAP_TOLERANCE * error);
  assertEquals([back.rose, back.fell], [there.fell, there.rose]);
});

Deno.test("percentile() interpolates as numpy does when q falls between two numbers", () => {
  // numpy.percentile([1, 2, 4, 8, 16], [0, 2.5, 50, 60, 97.5, 100])
  const sorted = Float64Array.of(1, 2, 4, 8, 16);
  const expected = [1, 1.1, 4, 5.6, 15.2, 16];
  [0, 0.025, 0.5, 0.6, 0.975, 1].forEach((q, i) =>
    assertAlmostEquals(percentile(sorted, q), expected[i]!, 1e-12)
  );
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
  const values = Array.from({ length: 120 }, (_, i) => Number(i < 31)),
    clusters = values.map((_, i) => String(i));
  const { low, high } = estimateMean(values, { binary: true, clusters, seed: 0 });
  assertEquals({ low, high }, wilson(31, 120));
});

Deno.test("pairedDifference() bounds what a bootstrap cannot tell: one cluster, or clusters that all changed alike", () => {
  const binary = true, seed = 0;
  // None of k clusters is otherwise: their share is below 1 - 0.025^(1/k).
  const two = pairedDifference([1, 1, 1, 1], [0, 0, 0, 0], { binary, seed, clusters: ["a", "a", "b", "b"] });
  assertEquals([two.value, two.low, two.method], [-1, -1, "bound"]);
  assertAlmostEquals(two.high, -1 + 2 * (1 - 0.025 ** (1 / 2)), 1e-12);
  const single = pairedDifference([1], [0], { binary, seed, clusters: ["a"] });
  assertAlmostEquals(single.high, -1 + 2 * 0.975, 1e-12);
  const still = pairedDifference([1, 0], [1, 0], { binary, seed, clusters: ["a", "a"] });
  assertAlmostEquals(still.high, 0.975, 1e-12);
  // Nothing changed in many clusters, and some changed: the bootstrap.
  const clusters = ["a", "b", "c"];
  assertEquals(pairedDifference([1, 0, 1], [1, 0, 1], { binary, seed, clusters }).method, "paired bootstrap");
  assertEquals(pairedDifference([1, 0, 1], [0, 0, 1], { binary, seed, clusters }).method, "paired bootstrap");
});
