/** Which samples are visited, and when they are enough. */
import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { createRandom, type Tap, type UnitScores, UserError } from "../../core/mod.ts";
import type { SelectSpec } from "../../core/matrix.ts";
import { checkLeast, expectedOverlap, inSampleOrder, looksOf } from "../../core/sampling.ts";
import { selectUnits } from "../../core/select.ts";

const GATE: Tap = "layers.0.mlp.gate";
const TOP: SelectSpec = { top: 20, per: "all", order: "highest", group: "all" };

/** Items "a/0", "b/0" ... of groups of different sizes, in the order of their groups; the control's ids have an arm behind. */
function itemsOf(sizes: Readonly<Record<string, number>>, arm = "") {
  return Object.entries(sizes).flatMap(([group, size]) =>
    Array.from({ length: size }, (_, i) => ({ id: `${group}/${i}${arm}`, group }))
  );
}

const SIZES = { a: 500, b: 250, c: 40, d: 3 };
const ids = (items: readonly { readonly id: string }[]) => items.map(({ id }) => id);

Deno.test("inSampleOrder() has each group in its share of every beginning, and one item of it at least", () => {
  const items = itemsOf(SIZES), { items: order } = inSampleOrder({ items }, 0);
  assertEquals(ids(order!).toSorted(), ids(items).toSorted());
  for (const length of [4, 10, 100, 333, 793]) {
    const first = order!.slice(0, length);
    for (const [group, size] of Object.entries(SIZES)) {
      const seen = first.filter((item) => item.group === group).length;
      const share = length * size / items.length;
      assert(
        seen >= 1 && Math.abs(seen - share) < 2,
        `${seen} of ${group} in ${length}, wanted about ${share}`,
      );
    }
  }
  assertNotEquals(ids(order!).slice(0, 4).toSorted(), ["a/0", "b/0", "c/0", "d/0"], "drawn within a group");
});

Deno.test("inSampleOrder() follows from the seed and the ids, and asks of every set the same questions", () => {
  const items = itemsOf(SIZES), control = itemsOf(SIZES, "/answers_only"), names = itemsOf({ a: 7, e: 9 });
  const first = inSampleOrder({ items, control, names }, 0);
  assertEquals(ids(first.control!), ids(first.items!).map((id) => `${id}/answers_only`));
  assertEquals(ids(first.names!).toSorted(), ids(names).toSorted());
  const again = inSampleOrder({ items: items.toReversed(), control: control.toReversed(), names }, 0);
  assertEquals(again, first);
  assertNotEquals(ids(inSampleOrder({ items }, 1).items!), ids(first.items!));
});

Deno.test("looksOf() looks at a quarter more each time, and once where nothing ends it before", () => {
  assertEquals(looksOf({ least: 200, most: 400, stable: 0.9 }), [200, 250, 313, 392, 400]);
  assertEquals(looksOf({ least: 200, most: 200, stable: 0.9 }), [200]);
  assertEquals(looksOf({ least: 200, most: 1500 }), [1500]);
});

Deno.test("checkLeast() wants an item of every group before the first look", () => {
  const sets = { items: itemsOf(SIZES) };
  checkLeast({ least: 4, most: 9, stable: 0.9 }, sets, "sample");
  checkLeast({ least: 200, most: 4 }, sets, "sample");
  assertThrows(
    () => checkLeast({ least: 3, most: 9, stable: 0.9 }, sets, "sample for x on y"),
    UserError,
    'Cannot sample for x on y: least is 3, wanted at least 4, the groups of the set "items"',
  );
  assertThrows(() => checkLeast({ least: 2, most: 3 }, sets, "sample"), UserError, "most is 3");
});

/** Standard normal, of a stream. */
function normal(random: ReturnType<typeof createRandom>): number {
  return Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
}

const table = (values: Float64Array): UnitScores => new Map([["all", new Map([[GATE, values]])]]);

/**
 * A population of `of` samples of 400 units, whose means have long tails as scores of units have, and the first `n` of it: what is expected
 * of the overlap between the units selected by both, and what it is.
 */
function trial(
  seed: number,
  { n, of, noise }: { readonly n: number; readonly of: number; readonly noise: number },
) {
  const random = createRandom(`sampling/${seed}`), units = 400;
  const sums = {
    part: new Float64Array(units),
    squares: new Float64Array(units),
    all: new Float64Array(units),
  };
  const centre = Float64Array.from({ length: units }, () => normal(random) ** 3);
  for (let i = 0; i < of; i++) {
    for (let k = 0; k < units; k++) {
      const value = centre[k]! + noise * normal(random);
      sums.all[k]! += value;
      if (i >= n) continue;
      sums.part[k]! += value;
      sums.squares[k]! += value ** 2;
    }
  }
  const scores = table(sums.part.map((sum) => sum / n));
  const errors = table(
    sums.part.map((sum, k) => Math.sqrt((sums.squares[k]! - sum ** 2 / n) / (n - 1) / n)),
  );
  const names = (by: UnitScores) => new Set(selectUnits(by, TOP).units.map(({ index }) => index));
  const actual = names(scores).intersection(names(table(sums.all.map((sum) => sum / of)))).size / 20;
  return { expected: expectedOverlap(scores, errors, { select: TOP, left: 1 - n / of, seed }), actual };
}

for (
  const [name, options] of Object.entries({
    "few of many samples": { n: 50, of: 500, noise: 8 },
    "half of the samples": { n: 100, of: 200, noise: 8 },
    "nearly all samples": { n: 180, of: 200, noise: 8 },
    "little noise": { n: 50, of: 500, noise: 1 },
  })
) {
  Deno.test(`expectedOverlap() is on average what the overlap with all samples comes to, for ${name}`, () => {
    const trials = Array.from({ length: 60 }, (_, seed) => trial(seed, options));
    const mean = (of: "expected" | "actual") => trials.reduce((sum, each) => sum + each[of], 0) / 60;
    // The mean of 60 overlaps of 20 units, each within some 0.07: a hundredth of standard error; and a bias of as much.
    const gap = mean("expected") - mean("actual");
    assert(Math.abs(gap) < 0.04, `expected ${mean("expected")}, actual ${mean("actual")}`);
  });
}

Deno.test("expectedOverlap() is 1 where all was seen, and 0 where nothing is selected", () => {
  const scores = table(Float64Array.of(3, 2, 1)), errors = table(Float64Array.of(9, 9, 9));
  const select: SelectSpec = { top: 1, per: "all", order: "highest" };
  assertEquals(expectedOverlap(scores, errors, { select, left: 0, seed: 0 }), 1);
  assert(expectedOverlap(scores, errors, { select, left: 1, seed: 0 }) < 1);
  const dropped: SelectSpec = { ...select, without: { group: "all", top: 1 } };
  assertEquals(expectedOverlap(scores, errors, { select: dropped, left: 0, seed: 0 }), 0);
});

Deno.test("expectedOverlap() counts what a noisy group makes `without` drop", () => {
  const values = Float64Array.from({ length: 100 }, (_, k) => k), none = new Float64Array(100);
  const scores: UnitScores = new Map([["own", new Map([[GATE, values]])], [
    "names",
    new Map([[GATE, values]]),
  ]]);
  const own: SelectSpec = { top: 20, per: "all", order: "highest", group: "own" };
  const at = (error: Float64Array, select: SelectSpec) => {
    const errors: UnitScores = new Map([["own", new Map([[GATE, none]])], [
      "names",
      new Map([[GATE, error]]),
    ]]);
    return expectedOverlap(scores, errors, { select, left: 1, seed: 0 });
  };
  const without: SelectSpec = { ...own, without: { group: "names", top: 10 } };
  assertEquals(at(values.map(() => 50), own), 1, "the other group is not read");
  assertEquals(at(none, without), 1);
  assert(at(values.map(() => 50), without) < 0.8);
});
