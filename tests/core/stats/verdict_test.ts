import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { Difference, Estimate } from "../../../core/estimate.ts";
import { createRandom } from "../../../core/random.ts";
import { pairedDifference } from "../../../core/stats/mod.ts";
import { drawNormal } from "../../../core/stats/calibration/draw.ts";
import {
  equivalenceP,
  type Evidence,
  type Hypothesis,
  judge,
  shiftedP,
} from "../../../core/stats/verdict.ts";

const apart = (n: number) => Array.from({ length: n }, (_, i) => `q${i}`);

/** Changes N(mean, spread) of independent items. */
function continuous(n: number, mean: number, spread = 1): Difference {
  const random = createRandom(`changes ${n}`), noise = apart(n).map(() => drawNormal(random));
  const own = noise.reduce((a, b) => a + b) / n;
  const after = noise.map((x) => mean + spread * (x - own));
  return pairedDifference(after.map(() => 0), after, { binary: false, clusters: apart(n), seed: 0 });
}

/** So many of n clusters of two items fell. */
function fell(n: number, count: number): Difference {
  const clusters = apart(n).flatMap((id) => [id, id]), before = clusters.map(() => 1);
  return pairedDifference(before, before.map((_, i) => Number(i >= 2 * count)), {
    binary: true,
    clusters,
    seed: 0,
  });
}

function at(
  difference: Difference,
  hypothesis: Partial<Hypothesis> = {},
  rest: Partial<Evidence> = {},
): Evidence {
  return {
    difference,
    hypothesis: {
      name: "it changes",
      treatment: "silenced",
      control: "untouched",
      benchmark: "blend",
      metric: "acc",
      direction: "either",
      family: "primary",
      ...hypothesis,
    },
    ...rest,
  };
}

const verdicts = (evidence: readonly Evidence[]) => judge(evidence).map(({ verdict }) => verdict);

Deno.test("judge() says effect, equivalent or inconclusive by what the data show", () => {
  const margin = 0.5;
  assertEquals(verdicts([at(continuous(40, 1), { margin })]), ["effect"]);
  assertEquals(verdicts([at(continuous(40, 0.05), { margin })]), ["equivalent"]);
  // Without a margin, or with too few items, nothing is equivalent.
  assertEquals(verdicts([at(continuous(40, 0.05))]), ["inconclusive"]);
  assertEquals(verdicts([at(continuous(8, 0.05), { margin })]), ["inconclusive"]);
  // The wrong way is no effect.
  assertEquals(verdicts([at(fell(20, 10), { direction: "less" })]), ["effect"]);
  assertEquals(verdicts([at(fell(20, 10), { direction: "greater" })]), ["inconclusive"]);
});

Deno.test("judge() prints the smallest effect that the strictest level of the family finds", () => {
  const [alone] = judge([at(continuous(40, 0))]);
  const [first] = judge([at(continuous(40, 0)), at(continuous(40, 0)), at(continuous(40, 0))]);
  assertAlmostEquals(alone!.detectable!, continuous(40, 0).detectable!, 1e-12);
  assert(first!.detectable! > alone!.detectable!);
  assert(alone!.reason.includes(String(Number(alone!.detectable!.toPrecision(3)))));
});

Deno.test("judge() says that too few clusters changed when no p could be small enough", () => {
  const five = at(fell(5, 5), { direction: "less" });
  assertEquals(verdicts([five]), ["effect"]);
  const [first] = judge([five, five]);
  assertEquals([first!.verdict, first!.p, first!.adjusted], ["inconclusive", 1 / 32, 1 / 16]);
  assert(first!.reason.includes("0.0313, is above the 0.025"), first!.reason);
  const [four] = judge([at(fell(5, 4), { direction: "less" })]);
  assertEquals([four!.verdict, four!.detectable], ["inconclusive", undefined]);
  assert(four!.reason.includes("the smallest p there is, 0.0625, is above the 0.05"), four!.reason);
});

Deno.test("judge() tests secondary hypotheses only when the primary ones are shown", () => {
  const strong = continuous(40, 1), weak = continuous(40, 0.1);
  const behind = { family: "secondary", name: "second", margin: 5 } as const;
  assertEquals(verdicts([at(strong), at(strong, behind)]), ["effect", "effect"]);
  // Neither effect nor equivalence behind a shut gate.
  const [, shut] = judge([at(weak), at(weak, behind)]);
  assertEquals([shut!.verdict, shut!.tested, shut!.equivalence!.adjusted], ["inconclusive", false, 1]);
  assertEquals(shut!.reason, "not tested: a primary hypothesis was not shown");
  assertEquals(verdicts([at(weak), at(strong, { family: "exploratory" })]), ["inconclusive", "effect"]);
});

Deno.test("judge() takes a guard as a test of non-inferiority, on the side that it names", () => {
  const guard = { guard: true, margin: 0.5 };
  assertEquals(verdicts([at(continuous(40, -0.05), { ...guard, direction: "greater" })]), ["not worse"]);
  assertEquals(verdicts([at(continuous(40, -0.4), { ...guard, direction: "greater" })]), ["inconclusive"]);
  assertEquals(verdicts([at(continuous(40, -3), { ...guard, direction: "less" })]), ["not worse"]);
  // A guard that fails shuts the gate as any primary hypothesis does.
  const second = at(continuous(40, 1), { family: "secondary" });
  assertEquals(
    verdicts([at(continuous(40, -0.4), { ...guard, direction: "greater" }), second])[1],
    "inconclusive",
  );
});

Deno.test("judge() says not identifiable when a baseline that sees only the answers is as good", () => {
  const difference = continuous(40, 1), detectable = judge([at(difference)])[0]!.detectable!;
  const headroom = (low: number): Estimate => ({
    value: 0.4,
    low,
    high: 0.9,
    level: 0.95,
    n: 40,
    clusters: 40,
    method: "t",
  });
  const [none] = judge([at(difference, {}, { headroom: headroom(detectable * 0.99) })]);
  assertEquals([none!.verdict, none!.p], ["not identifiable", 1]);
  assertEquals(verdicts([at(difference, {}, { headroom: headroom(detectable * 1.01) })]), ["effect"]);
  // It makes no other hypothesis easier.
  const [, other] = judge([
    at(difference, {}, { headroom: headroom(0) }),
    at(fell(20, 5), { direction: "less" }),
  ]);
  assertAlmostEquals(other!.adjusted, 2 * other!.p, 1e-12);
});

Deno.test("judge() goes by the p of control sets where one is given", () => {
  assertEquals(verdicts([at(continuous(40, 1), {}, { p: 0.3 })]), ["inconclusive"]);
  assertEquals(verdicts([at(continuous(40, 0), {}, { p: 0.01 })]), ["effect"]);
});

Deno.test("shiftedP() is below its tail exactly where the interval leaves the point out, for every kind of interval", () => {
  const random = createRandom("inversion"), kinds = new Set<string>();
  const clustered = apart(9).flatMap((id) => [id, id, id]);
  for (let set = 0; set < 40; set++) {
    const clusters = set % 2 ? clustered : apart(27), binary = set % 4 > 1;
    const draw = () => clusters.map(() => binary ? random.below(2) : drawNormal(random));
    const [before, after] = [draw(), draw()];
    for (const [first, second] of [[before, after], [before, before]] as const) {
      for (const level of [0.8, 0.95]) {
        const difference = pairedDifference(first, second, { binary, clusters, seed: 0, level });
        kinds.add(difference.method);
        if (difference.method === "constant") continue;
        // Just inside and outside of each bound, by more than the bound's own rounding.
        const { low, high } = difference, tail = (1 - level) / 2, step = 1e-9;
        const ps = [low - step, low + step].map((x) => shiftedP(difference, x, "above"));
        const qs = [high - step, high + step].map((x) => shiftedP(difference, x, "below"));
        assert(ps[0]! < tail && ps[1]! > tail, `${difference.method} ${ps} ${tail}`);
        assert(qs[1]! < tail && qs[0]! > tail, `${difference.method} ${qs} ${tail}`);
      }
    }
  }
  assertEquals([...kinds].sort(), ["bound", "cluster score", "cluster t", "constant", "score", "t"]);
});

Deno.test("equivalenceP() is 1 where nothing varies and nothing bounds", () => {
  const still = pairedDifference([1, 2], [1, 2], { binary: false, clusters: apart(2), seed: 0 });
  assertEquals(equivalenceP(still, 0.1), 1);
  // None of 30 clusters changed: a share of 0.1 that does would have shown in all but 0.9^30 of samples.
  assertAlmostEquals(equivalenceP(fell(30, 0), 0.1), 0.9 ** 30, 1e-12);
});

Deno.test("judge() refuses margins and guards that mean nothing", () => {
  const difference = continuous(8, 0);
  assertThrows(() => judge([at(difference, { margin: 0 })]), RangeError, "its margin is 0");
  assertThrows(
    () => judge([at(difference, { guard: true, direction: "less" })]),
    RangeError,
    "without a margin",
  );
  assertThrows(() => judge([at(difference, { guard: true, margin: 1 })]), RangeError, '"either"');
  assertEquals(judge([]), []);
});
