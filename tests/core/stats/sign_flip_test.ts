import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { drawNormal } from "../../../core/stats/calibration/draw.ts";
import { mcnemarExact } from "../../../core/stats/proportions.ts";
import { signFlip } from "../../../core/stats/sign_flip.ts";

/** Shares of up to 2^13 patterns, each a float64 power of two. */
const TOLERANCE = 1e-12;

/** Every pattern, one by one. */
function bruteForce(changes: readonly number[]) {
  const total = changes.reduce((sum, each) => sum + each, 0), all = 2 ** changes.length;
  let up = 0, down = 0, far = 0;
  for (let pattern = 0; pattern < all; pattern++) {
    const sum = changes.reduce((sum, each, i) => sum + (pattern >> i & 1 ? each : -each), 0);
    if (sum >= total - 1e-9) up++;
    if (sum <= total + 1e-9) down++;
    if (Math.abs(sum) >= Math.abs(total) - 1e-9) far++;
  }
  return { p: far / all, greater: up / all, less: down / all };
}

Deno.test("signFlip() counts as one by one when changes are broken numbers, whole ones, ties or zeros", () => {
  for (let set = 0; set < 60; set++) {
    const random = createRandom(`patterns ${set}`), length = 1 + random.below(12);
    const changes = Array.from({ length }, () =>
      [
        drawNormal(random),
        random.below(7) - 3,
        (random.below(5) - 2) / 10,
        random.below(2) * 2 - 1,
      ][set % 4]!);
    const { p, greater, less, exact, least } = signFlip(changes, { seed: 0 }), expected = bruteForce(changes);
    assertAlmostEquals(p, expected.p, TOLERANCE, `${changes}`);
    assertAlmostEquals(greater, expected.greater, TOLERANCE, `${changes}`);
    assertAlmostEquals(less, expected.less, TOLERANCE, `${changes}`);
    assertEquals([exact, least], [true, 2 ** -changes.filter((each) => each !== 0).length]);
  }
});

Deno.test("signFlip() is McNemar's test when every cluster is one item", () => {
  for (const [rose, fell] of [[5, 0], [3, 9], [120, 160], [0, 0], [2000, 1800]] as const) {
    const changes = [...Array<number>(rose).fill(1), ...Array<number>(fell).fill(-1), 0, 0];
    assertAlmostEquals(signFlip(changes, { seed: 0 }).p / mcnemarExact(rose, fell), 1, 1e-9);
  }
});

Deno.test("signFlip() draws near what it would count, from a seed, when clusters are many", () => {
  const random = createRandom("many"), whole = Array.from({ length: 200 }, () => random.below(9) - 3.8);
  const counted = signFlip(whole.map((each) => Math.round(5 * each)), { seed: 0 });
  const drawn = signFlip(whole, { seed: 0, draws: 20_000 });
  assertEquals([counted.exact, drawn.exact, drawn.least], [true, false, 1 / 20_001]);
  /** Five standard errors of the share drawn. */
  assertAlmostEquals(drawn.p, counted.p, 5 * Math.sqrt(counted.p / 20_000));
  assertEquals(signFlip(whole, { seed: 0, draws: 20_000 }), drawn);
  assertEquals(signFlip(random.shuffle(whole), { seed: 0, draws: 20_000 }), drawn);
  assert(signFlip(whole, { seed: 1, draws: 20_000 }).greater !== drawn.greater);
});

Deno.test("signFlip() keeps its level when clusters are flipped in groups", () => {
  // 1,500 changes make 1,000 groups; uniform p-values have a share x below x.
  const sets = 400,
    ps = Array.from({ length: sets }, (_, set) => {
      const random = createRandom(`level ${set}`);
      return signFlip(Array.from({ length: 1500 }, () => drawNormal(random)), { seed: set, draws: 200 })
        .greater;
    });
  for (const x of [0.05, 0.2, 0.5]) {
    const share = ps.filter((p) => p <= x).length / sets;
    /** Five standard errors of a share of 400, and a step of 1 in 201. */
    assertAlmostEquals(share, x, 5 * Math.sqrt(x * (1 - x) / sets) + 1 / 201);
  }
});

Deno.test("signFlip() says 1 when nothing changed and refuses to draw nothing", () => {
  assertEquals(signFlip([0, 0], { seed: 0 }), { p: 1, greater: 1, less: 1, least: 1, exact: true });
  assertThrows(() => signFlip([1], { seed: 0, draws: 0.5 }), RangeError, "wanted at least 1");
});

/** The chance of each sum of rises, cluster by cluster; the sum of signed changes is twice that of the rises less the range. */
function tableTail(sums: readonly number[]): number {
  const sizes = sums.map(Math.abs),
    range = sizes.reduce((a, b) => a + b),
    total = sums.reduce((a, b) => a + b);
  let chance = [1];
  for (const size of sizes) {
    const next = new Array<number>(chance.length + size).fill(0);
    chance.forEach((each, sum) => {
      next[sum]! += each / 2;
      next[sum + size]! += each / 2;
    });
    chance = next;
  }
  return chance.slice((total + range) / 2).reverse().reduce((a, b) => a + b, 0);
}

/** Sums of a thousand logarithms and angles, each right to 1e-16, in the exponent. */
const TILTED = 1e-11;

Deno.test("signFlip() has the tails of a table of all sums when whole changes are many, however small they are", () => {
  const random = createRandom("whole");
  for (
    const [clusters, largest, rising] of [[60, 7, 0.5], [300, 4, 0.6], [800, 3, 0.9], [400, 1, 0.7], [
      40,
      5,
      1,
    ]]
  ) {
    const sums = Array.from(
      { length: clusters! },
      () => (1 + random.below(largest!)) * (random.uniform() < rising! ? 1 : -1),
    );
    const wanted = tableTail(sums), { greater, less, exact } = signFlip(sums, { seed: 0 });
    assertEquals(exact, true);
    assertAlmostEquals(greater / wanted, 1, TILTED, `${clusters}: ${wanted}`);
    // The other side is what is left, with the observed sum on both.
    const other = tableTail(sums.map((sum) => -sum));
    assertAlmostEquals(less / other, 1, TILTED, `${clusters}: ${other}`);
  }
});
