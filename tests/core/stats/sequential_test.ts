import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { isAsExtreme, sequentialP } from "../../../core/stats/sequential.ts";

const all = (extreme: number, plain: number) => [
  ...Array<boolean>(plain).fill(false),
  ...Array<boolean>(extreme).fill(true),
];

Deno.test("sequentialP() is (1 + extreme) / (1 + sets) when all sets were drawn", () => {
  assertEquals(sequentialP(all(0, 200)), { p: 1 / 201, decided: true, drawn: 200, extreme: 0 });
  assertEquals(sequentialP(all(9, 191)).p, 10 / 201);
  // Sets beyond those wanted do not count.
  assertEquals(sequentialP([...all(0, 200), true, true]).p, 1 / 201);
});

Deno.test("sequentialP() stops at the tenth set that is as extreme, and not before", () => {
  assertEquals(sequentialP(all(10, 30)), { p: 10 / 40, decided: true, drawn: 40, extreme: 10 });
  assertEquals(sequentialP([...all(10, 30), ...all(0, 100)]).drawn, 40);
  assertEquals(sequentialP(all(9, 30)), { p: 10 / 40, decided: false, drawn: 39, extreme: 9 });
  assertEquals(sequentialP([]), { p: 1, decided: false, drawn: 0, extreme: 0 });
});

Deno.test("sequentialP() has P(p <= x) of at most x for every x when the treatment is one more set", () => {
  // Given its rank u among sets, each set is as extreme with chance u. P(p <= x) by the recursion over sets, u integrated by the midpoint rule.
  const sets = 60, stopAt = 5, steps = 4000, chances = new Map<number, number>();
  for (let step = 0; step < steps; step++) {
    const u = (step + 0.5) / steps;
    let counts = [1, ...Array<number>(stopAt - 1).fill(0)];
    for (let drawn = 1; drawn <= sets; drawn++) {
      const p = stopAt / drawn;
      chances.set(p, (chances.get(p) ?? 0) + counts[stopAt - 1]! * u / steps);
      counts = counts.map((chance, extreme) => chance * (1 - u) + (counts[extreme - 1] ?? 0) * u);
    }
    counts.forEach((chance, extreme) => {
      const { p } = sequentialP(all(extreme, sets - extreme), { sets, stopAt });
      chances.set(p, (chances.get(p) ?? 0) + chance / steps);
    });
  }
  let below = 0;
  for (const p of [...chances.keys()].sort((a, b) => a - b)) {
    below += chances.get(p)!;
    // Where a stop is possible the test is exact; 1e-6 is the midpoint rule's.
    assert(below <= p + 1e-6, `P(p <= ${p}) is ${below}`);
  }
  assertAlmostEquals(below, 1, 1e-9);
});

Deno.test("sequentialP() decides as all 200 sets would at 0.05 whatever the order", () => {
  let differ = 0;
  for (let set = 0; set < 500; set++) {
    const random = createRandom(`order ${set}`), chance = random.uniform() * 0.12;
    const drawn = Array.from({ length: 200 }, () => random.uniform() < chance);
    const full = (1 + drawn.filter(Boolean).length) / 201;
    if ((sequentialP(drawn).p <= 0.05) !== (full <= 0.05)) {
      // Only where the tenth is the very last set: 10 / 200 and 11 / 201.
      assert(drawn[199] && full === 11 / 201);
      differ++;
    }
  }
  assert(differ < 15);
});

Deno.test("sequentialP() refuses numbers of sets that are none", () => {
  assertThrows(() => sequentialP([], { sets: 0 }), RangeError);
  assertThrows(() => sequentialP([], { stopAt: 1.5 }), RangeError);
});

Deno.test("isAsExtreme() looks the way the hypothesis does, and counts ties", () => {
  assertEquals(["greater", "less", "either"].map((way) => isAsExtreme(-3, -2, way as "less")), [
    false,
    true,
    true,
  ]);
  assertEquals(["greater", "less", "either"].map((way) => isAsExtreme(2, -2, way as "less")), [
    true,
    false,
    true,
  ]);
  assertEquals(["greater", "less", "either"].map((way) => isAsExtreme(1, 1, way as "less")), [
    true,
    true,
    true,
  ]);
});
