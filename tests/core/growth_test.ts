/** Sets that grow until they cost as much as the treatment. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { drawSequence } from "../../core/draw.ts";
import { sizeFor } from "../../core/growth.ts";
import { UserError } from "../../core/error.ts";
import type { Tap, Unit } from "../../core/model.ts";

const search = async (wanted: number, cost: (size: number) => number, last = 1000, first = 10) => {
  const tried: number[] = [];
  const found = await sizeFor(wanted, {
    first,
    last,
    within: 0.05,
    costOf(size) {
      tried.push(size);
      return Promise.resolve(cost(size));
    },
  });
  return { ...found, tried };
};

Deno.test("sizeFor() finds the number of units that costs as much, in few tries", async () => {
  for (const slope of [0.001, 0.0021, 0.01]) {
    const { size, cost, tried } = await search(1, (k) => slope * k, 2000);
    assertAlmostEquals(cost, 1, 0.05);
    assertAlmostEquals(size, 1 / slope, 0.05 / slope);
    assert(tried.length <= 8 + Math.ceil(Math.log2(200)), `${tried.length} tries`);
  }
});

Deno.test("sizeFor() goes below the treatment's number where that costs more", async () => {
  assertEquals((await search(0.05, (k) => 0.01 * k)).size, 5);
  assertEquals((await search(0.003, (k) => 0.01 * k)).size, 1);
  assertEquals((await search(1, () => 3, 1, 1)).tried, [1]);
});

Deno.test("sizeFor() stays at the treatment's number where that costs as much, and where nothing is to be matched", async () => {
  assertEquals((await search(0.1, (k) => 0.01 * k)).tried, [10]);
  assertEquals((await search(0, (k) => -0.01 * k)).tried, [10]);
  assertEquals((await search(-1, (k) => 0.01 * k)).tried, [10]);
});

Deno.test("sizeFor() takes the nearest of those that it tried where cost jumps, and all units where they do not suffice", async () => {
  // Of equal ones the first, which has the fewest units.
  const { size, cost } = await search(1, (k) => k < 37 ? 0.2 : 3);
  assertEquals([size, cost], [10, 0.2]);
  assertEquals((await search(1, (k) => 0.0001 * k, 500)).size, 500);
});

const tapA: Tap = "layers.0.mlp.gate", tapB: Tap = "layers.1.mlp.gate";
const units = (tap: Tap, ...indices: number[]) => indices.map((index): Unit => ({ tap, index }));
const options = { set: 0, seed: 0, unitsOf: () => 40, pool: [tapA, tapB], exclude: true } as const;

Deno.test("drawSequence() grows in each tap at the treatment's pace, without the treated", () => {
  const treated = [...units(tapA, 1, 2, 3, 4), ...units(tapB, 7, 8)];
  const sequence = drawSequence(treated, { ...options, match: "tap" });
  assertEquals(sequence.length, 36 + 38);
  assertEquals(new Set(sequence.map(({ tap, index }) => `${tap} ${index}`)).size, 74);
  assert(
    !sequence.some((unit) => treated.some(({ tap, index }) => unit.tap === tap && unit.index === index)),
  );
  for (const times of [1, 2, 5]) {
    const here = sequence.slice(0, 6 * times).filter(({ tap }) => tap === tapA).length;
    assertEquals(here, 4 * times, `${times} times`);
  }
  assertEquals(drawSequence(treated.toReversed(), { ...options, match: "tap" }), sequence);
  assert(
    JSON.stringify(drawSequence(treated, { ...options, match: "tap", set: 1 })) !== JSON.stringify(sequence),
  );
});

Deno.test("drawSequence() takes units of the whole pool alike under uniform, and refuses a pool that is too small", async () => {
  const treated = units(tapA, ...Array(30).keys());
  const sequence = drawSequence(treated, { ...options, match: "uniform" });
  assertEquals(sequence.length, 50);
  await assertRejects(
    () => Promise.resolve().then(() => drawSequence(treated, { ...options, match: "tap" })),
    UserError,
    "10 are free, wanted at least 30",
  );
});
