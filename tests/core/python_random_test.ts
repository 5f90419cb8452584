/** Goldens by CPython 3.11's random module; the first ones stand in a published program's description too. */
import { assertEquals, assertThrows } from "@std/assert";
import { pythonRandom } from "../../core/python_random.ts";

const range = (n: number) => [...Array(n).keys()];

/** By seed, one after the other: numbers of each kind and a choice, the beginning of a shuffle, three samples, a bit. */
const DRAWS = [
  [0, [3626764237, 3, 776, 0.890243920837131, "a"], [7, 20, 22, 23, 10], [[11, 13, 10, 6, 17, 15], [
    56,
    66,
    33,
    7,
    70,
    1,
    11,
  ], [3, 0, 2, 1, 4]], 0],
  [1, [577090037, 4, 867, 0.8022650611681835, "a"], [2, 10, 29, 17, 16], [[13, 0, 16, 7, 14, 15], [
    70,
    29,
    44,
    86,
    28,
    97,
    58,
  ], [2, 0, 1, 3, 4]], 1],
  [2416005272, [4027122069, 0, 480, 0.2974737523797355, "e"], [12, 23, 14, 13, 11], [[5, 18, 14, 6, 9, 3], [
    13,
    46,
    60,
    73,
    55,
    72,
    71,
  ], [3, 4, 2, 0, 1]], 1],
  [4294967295, [2728839433, 4, 208, 0.21534345751528883, "e"], [23, 1, 3, 29, 14], [[6, 2, 7, 12, 15, 13], [
    21,
    36,
    64,
    61,
    83,
    5,
    50,
  ], [2, 0, 3, 1, 4]], 1],
  [4294967296, [485306839, 2, 427, 0.9347212762883035, "a"], [3, 6, 22, 5, 18], [[12, 1, 11, 0, 8, 7], [
    21,
    9,
    45,
    58,
    53,
    56,
    20,
  ], [1, 0, 3, 4, 2]], 0],
  [9007199254740991, [404802386, 4, 228, 0.7525835200499853, "b"], [26, 7, 18, 17, 9], [
    [17, 3, 20, 10, 2, 14],
    [33, 40, 15, 23, 21, 37, 20],
    [2, 0, 4, 3, 1],
  ], 0],
] as const;

Deno.test("pythonRandom() draws what CPython draws", () => {
  assertEquals(pythonRandom(42).sample(range(15), 3), [10, 1, 0]);
  assertEquals(pythonRandom(42).shuffle([1, 2, 3]), [2, 1, 3]);
  assertEquals(pythonRandom(7).shuffle([..."ABCD"]), ["D", "B", "A", "C"]);
  assertEquals(pythonRandom(0).sample(range(700_000), 8000).slice(0, 5), [
    403958,
    441001,
    42450,
    271493,
    536110,
  ]);
  for (const [seed, numbers, shuffled, samples, bit] of DRAWS) {
    const r = pythonRandom(seed);
    assertEquals([r.bits(32), r.below(7), r.below(1000), r.uniform(), r.choice([..."abcdefg"])], [
      ...numbers,
    ]);
    assertEquals(r.shuffle(range(30)).slice(0, 5), [...shuffled]);
    assertEquals(
      [r.sample(range(22), 6), r.sample(range(100), 7), r.sample(range(5), 5)],
      samples.map((each) => [...each]),
    );
    assertEquals(r.bits(1), bit);
  }
  assertEquals(
    Array.from(
      { length: 2000 },
      (() => {
        const r = pythonRandom(5);
        return () => r.bits(32);
      })(),
    ).at(-1),
    2894893787,
  );
});

Deno.test("pythonRandom() refuses what CPython refuses, in one line", () => {
  const { below, sample } = pythonRandom(0);
  assertThrows(() => pythonRandom(-1), RangeError, "the seed is -1, wanted a whole number from 0");
  assertThrows(() => pythonRandom(0.5), RangeError, "the seed is 0.5");
  assertThrows(() => below(0), RangeError, "Cannot draw below 0");
  assertThrows(() => sample([1, 2], 3), RangeError, "Cannot sample 3 of 2");
});
