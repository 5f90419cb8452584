import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createRandom, step } from "../../core/random.ts";

/** Chi-square of uniform counts lies below this with probability 0.9999 at 9 degrees of freedom; the seed is fixed. */
const CHI_SQUARE_9 = 33.72;

function chiSquare(counts: readonly number[]): number {
  const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
}

Deno.test("step() equals xoshiro128**'s published vector when started from 1, 2, 3, 4", () => {
  // Made with the authors' C program (v1.1); the test `reference` of the Rust crate rand_xoshiro has the same ten.
  const state = Int32Array.of(1, 2, 3, 4);
  const expected = [
    11520,
    0,
    5927040,
    70819200,
    2031721883,
    1637235492,
    1287239034,
    3734860849,
    3729100597,
    4258142804,
  ];
  assertEquals(expected.map(() => step(state)), expected);
});

Deno.test("createRandom() starts from the seed's sha256 when seeded", () => {
  // Python: sha256(b"0/bootstrap/acc"), first 16 bytes as four big-endian words, then the generator on unbounded integers.
  const random = createRandom("0/bootstrap/acc");
  assertEquals([1, 2, 3, 4].map(() => random.next()), [634481538, 961800118, 577028320, 2786053148]);
  assertEquals(createRandom(7).next(), createRandom("7").next());
  assertNotEquals(createRandom("0/a").next(), createRandom("0/b").next());
});

Deno.test("below() is uniform when n divides no power of two, small and large", () => {
  for (const n of [10, 10 * 2 ** 18, 10 * 300_000_007]) {
    const random = createRandom(`below ${n}`);
    const counts = Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const x = random.below(n);
      assert(Number.isInteger(x) && x >= 0 && x < n);
      counts[Math.floor(x / (n / 10))]! += 1;
    }
    assert(chiSquare(counts) < CHI_SQUARE_9, `${n}: ${counts}`);
  }
});

Deno.test("below() has no bias when a remainder of 2^32 would favour the lower half", () => {
  // n is 3 * 2^30: with x % n half of all draws would be below 2^30, which is a third of the range.
  const random = createRandom("bias");
  let low = 0;
  for (let i = 0; i < 30_000; i++) if (random.below(3 * 2 ** 30) < 2 ** 30) low++;
  /** Five standard deviations of a binomial count of 30,000 at 1/3. */
  const tolerance = 5 * Math.sqrt(30_000 * 2 / 9);
  assert(Math.abs(low - 10_000) < tolerance, `${low}`);
});

Deno.test("below() draws the only number when n is 1, and every number when n is 2^32", () => {
  const random = createRandom(0);
  assertEquals(random.below(1), 0);
  assertEquals(createRandom(3).below(2 ** 32), createRandom(3).next());
  for (const n of [0, -1, 1.5, NaN, 2 ** 32 + 1]) assertThrows(() => random.below(n), RangeError);
});

Deno.test("fill() gives what below() gives when called as often", () => {
  const out = new Uint32Array(1000);
  createRandom("fill").fill(out, 5463);
  const random = createRandom("fill");
  assertEquals([...out], Array.from(out, () => random.below(5463)));
});

Deno.test("uniform() stays in [0, 1) with mean one half when drawn often", () => {
  const random = createRandom("uniform");
  const draws = Array.from({ length: 100_000 }, () => random.uniform());
  assert(draws.every((x) => x >= 0 && x < 1));
  /** Five standard deviations of the mean of 100,000 uniforms. */
  const tolerance = 5 / Math.sqrt(12 * 100_000);
  assert(Math.abs(draws.reduce((a, b) => a + b) / draws.length - 0.5) < tolerance);
});

Deno.test("sample() draws distinct numbers, each equally often, when repeated", () => {
  const random = createRandom("sample");
  const [first, ever] = [Array<number>(10).fill(0), Array<number>(10).fill(0)];
  for (let i = 0; i < 20_000; i++) {
    const drawn = random.sample(10, 3);
    assertEquals(new Set(drawn).size, 3);
    first[drawn[0]!]! += 1;
    for (const x of drawn) ever[x]! += 1;
  }
  assert(chiSquare(first) < CHI_SQUARE_9, `${first}`);
  assert(chiSquare(ever) < CHI_SQUARE_9, `${ever}`);
});

Deno.test("sample() and shuffle() keep every element when all are taken", () => {
  const random = createRandom("all");
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  const sorted = (xs: readonly number[]) => [...xs].sort((a, b) => a - b);
  assertEquals(sorted(random.sample(100, 100)), numbers);
  const shuffled = random.shuffle(numbers);
  assertNotEquals(shuffled, numbers);
  assertEquals(sorted(shuffled), numbers);
  assertEquals(random.sample(5, 0), []);
  for (const [n, k] of [[3, 4], [3, -1], [2.5, 1]] as const) {
    assertThrows(() => random.sample(n, k), RangeError);
  }
});
