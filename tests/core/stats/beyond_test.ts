/** Two changes of different items against each other. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createRandom, type Random } from "../../../core/random.ts";
import { changeBeyond } from "../../../core/stats/beyond.ts";
import { pairedDifference } from "../../../core/stats/mod.ts";
import { studentTail } from "../../../core/stats/student.ts";

const names = (count: number, items = 1) =>
  Array.from({ length: count * items }, (_, i) => `q${Math.floor(i / items)}`);
const before = (count: number) => Array.from({ length: count }, () => 1);
const fallen = (count: number, fell: number) => Array.from({ length: count }, (_, i) => Number(i >= fell));
const change = (count: number, fell: number) =>
  pairedDifference(before(count), fallen(count, fell), { binary: true, clusters: names(count), seed: 0 });

Deno.test("changeBeyond() is the difference of the two, its p the tail at which its own interval ends at 0", () => {
  const a = change(80, 30), b = change(120, 20);
  const { difference, less, greater } = changeBeyond(a, b);
  assertAlmostEquals(difference.value, -30 / 80 + 20 / 120, 1e-15);
  assertEquals([difference.n, difference.clusters, difference.method], [200, 200, "mover"]);
  assertAlmostEquals(less + greater, 1, 1e-12);
  // Limits as the two intervals give them.
  const reach = (x: number, y: number) => Math.hypot(x, y);
  assertAlmostEquals(difference.low, difference.value - reach(a.value - a.low, b.high - b.value), 1e-9);
  assertAlmostEquals(difference.high, difference.value + reach(a.high - a.value, b.value - b.low), 1e-9);
  const at = changeBeyond(a, b, 1 - 2 * less).difference;
  assertAlmostEquals(at.high, 0, 1e-7);
  // The other way round it is the mirror image.
  const mirror = changeBeyond(b, a);
  assertAlmostEquals(mirror.difference.high, -difference.low, 1e-12);
  assertAlmostEquals(mirror.greater, less, 1e-12);
});

Deno.test("changeBeyond() of means over many clusters is Welch's t", () => {
  const random = createRandom("beyond"), draw = (n: number) => Array.from({ length: n }, random.uniform);
  const means = (n: number) => {
    const first = draw(n), second = draw(n);
    return pairedDifference(first, second, { binary: false, clusters: names(n), seed: 0 });
  };
  const a = means(400), b = means(300), { difference, less } = changeBeyond(a, b);
  const t = difference.value / difference.error!;
  // Limits of t with their own degrees of freedom against Welch's: less than 0.002 apart at hundreds of clusters.
  assertAlmostEquals(less, 1 - studentTail(t, difference.freedom!), 2e-3);
});

Deno.test("changeBeyond() says little where all clusters of one side stayed as they were", () => {
  const still = change(12, 0), a = change(40, 30), { difference, less } = changeBeyond(a, still);
  assertEquals(still.method, "bound");
  assert(difference.low < a.low && difference.high > a.high);
  assert(less < 0.01);
  const few = changeBeyond(change(4, 3), change(3, 0));
  assert(few.less > 0.05, `${few.less}`);
  assertEquals(changeBeyond(still, still).less, 0.5);
});

Deno.test("changeBeyond() at 95 % covers the true difference in 93 to 97 of 100, and its p is below 5 % in 3 to 7", () => {
  const random = createRandom("coverage"), runs = 600;
  let [covered, alarms] = [0, 0];
  const side = (random: Random, clusters: number, fall: number) => {
    // Clusters of three items that fall together more often than apart; the mean fall is `fall`.
    const after = names(clusters).flatMap(() => {
      const all = random.uniform() < 0.4, one = random.uniform() < fall;
      return [0, 1, 2].map(() => Number(!(all ? one : random.uniform() < fall)));
    });
    return pairedDifference(before(3 * clusters), after, {
      binary: true,
      clusters: names(clusters, 3),
      seed: 0,
      resamples: 10,
    });
  };
  for (let run = 0; run < runs; run++) {
    const { difference, less } = changeBeyond(side(random, 30, 0.3), side(random, 50, 0.3));
    if (difference.low <= 0 && difference.high >= 0) covered++;
    if (less < 0.05) alarms++;
  }
  // Three standard errors of 600 draws are 2.7 points at either level.
  assert(covered / runs > 0.923 && covered / runs < 0.977, `${covered / runs}`);
  assert(alarms / runs > 0.023 && alarms / runs < 0.077, `${alarms / runs}`);
});
