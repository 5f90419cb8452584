import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { hypergeometric, jaccard, overlapChance } from "../../../core/stats/overlap.ts";
import golden from "../../goldens/overlap.json" with { type: "json" };

/** Relative: SciPy's probabilities come from logarithms of factorials, which at 600,000 units leave about ten digits. */
const TOLERANCE = 1e-8;
/** Of sums over a law that is counted here by hand. */
const ROUNDING = 1e-14;

Deno.test("overlapChance() has SciPy's mean, mean Jaccard and tail, of one pool and of several", () => {
  for (const { shared, strata, mean, jaccard, p } of golden.cases) {
    const found = overlapChance(shared, strata), what = JSON.stringify({ shared, strata });
    assertAlmostEquals(found.shared / mean, 1, TOLERANCE, what);
    assertAlmostEquals(found.jaccard / jaccard, 1, TOLERANCE, what);
    if (p === 0) assertEquals(found.p, 0, what);
    else assertAlmostEquals(found.p / p, 1, TOLERANCE, what);
  }
});

Deno.test("overlapChance() counts what all pairs of sets share, tap by tap", () => {
  // Two of four in the first tap, one of three in the second: all 6 x 3 sets against one fixed set of 1 and 2 units.
  const strata = [{ pool: 4, one: 1, other: 2 }, { pool: 3, one: 2, other: 1 }];
  const counts = [0, 0, 0];
  for (const first of [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]) {
    for (const second of [0, 1, 2]) counts[Number(first.includes(0)) + Number(second < 2)]!++;
  }
  const share = (k: number) => counts[k]! / 18;
  [0, 1, 2].forEach((k) => {
    const wanted = [0, 1, 2].filter((each) => each >= k).reduce((sum, each) => sum + share(each), 0);
    assertAlmostEquals(overlapChance(k, strata).p, wanted, ROUNDING);
  });
  const { shared, jaccard: mean } = overlapChance(0, strata);
  assertAlmostEquals(shared, share(1) + 2 * share(2), ROUNDING);
  assertAlmostEquals(mean, share(1) / 5 + share(2) * 2 / 4, ROUNDING);
});

Deno.test("overlapChance() has no chance where sets must meet, cannot, or are empty", () => {
  assertEquals(overlapChance(3, [{ pool: 5, one: 5, other: 3 }]), { shared: 3, jaccard: 0.6, p: 1 });
  assertEquals(overlapChance(4, [{ pool: 5, one: 5, other: 3 }]).p, 0);
  assertEquals(overlapChance(0, [{ pool: 5, one: 0, other: 3 }]), { shared: 0, jaccard: 0, p: 1 });
  assertEquals(overlapChance(0, [{ pool: 0, one: 0, other: 0 }]), { shared: 0, jaccard: 0, p: 1 });
  assertEquals(Array.from(hypergeometric({ pool: 4, one: 3, other: 3 }).slice(0, 2)), [0, 0]);
});

Deno.test("overlapChance() keeps a tail that is far below the middle's rounding", () => {
  const { p } = overlapChance(48, [{ pool: 1024, one: 48, other: 48 }]);
  // One in (1024 choose 48): 48! / (1024 * ... * 977).
  let log = 0;
  for (let i = 0; i < 48; i++) log += Math.log((i + 1) / (1024 - i));
  assertAlmostEquals(Math.log(p) / log, 1, 1e-12);
});

Deno.test("jaccard() is 1 of a set with itself and 0 of sets that share nothing", () => {
  assertEquals([jaccard(3, 3, 3), jaccard(0, 2, 5), jaccard(1, 2, 2), jaccard(0, 0, 0)], [1, 0, 1 / 3, 0]);
});

Deno.test("overlapChance() refuses no pool and sets larger than theirs", () => {
  assertThrows(() => overlapChance(0, []), RangeError, "there is no pool, wanted one");
  assertThrows(
    () => overlapChance(0, [{ pool: 2, one: 3, other: 1 }]),
    RangeError,
    "sets have 3 and 1 units of 2, wanted 0 to 2",
  );
  assertThrows(() => overlapChance(0, [{ pool: NaN, one: 0, other: 0 }]), RangeError);
});
