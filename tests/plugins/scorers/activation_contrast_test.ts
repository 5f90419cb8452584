import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { ScoredItem, Tap } from "../../../core/mod.ts";
import { UserError } from "../../../core/mod.ts";
import { computeScores } from "../../../core/scoring.ts";
import { activationContrast as scorer } from "../../../plugins/scorers/activation_contrast.ts";
import { fakeItems, inputOf, openFake } from "../../fake_items.ts";
import { fakeRun } from "../../fake_run.ts";

const ACT: Tap = "layers.1.mlp.act";
/** Float64 sums in another order, over a deviation near 0.1. */
const TOLERANCE = 1e-11;
const positive = fakeItems(40, { groups: ["a", "b", "b"] }), negative = fakeItems(25, { from: 50 });

async function scoresOf(params: object, items: Record<string, readonly ScoredItem[]>) {
  const model = await openFake();
  const input = inputOf(model, scorer.params.parse(params), items);
  return (await computeScores(scorer, input, { model, signal: new AbortController().signal })).scores;
}

/** Means over the prompt of column k, an item each, computed alone. */
function columnOf(items: readonly ScoredItem[], k: number): number[] {
  return items.map(({ prompt }) =>
    fakeRun([{ prompt }], { observe: [{ tap: ACT, quantity: "activation", pool: "mean" }] }).observed[0]!
      .values[0]![k]!
  );
}

const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
const squares = (xs: readonly number[]) => xs.reduce((sum, x) => sum + (x - mean(xs)) ** 2, 0);

Deno.test("activation_contrast is the difference of means, and Cohen's d when standardised", async () => {
  const plain = await scoresOf({ standardise: false }, { positive, negative });
  const standardised = await scoresOf({}, { positive, negative });
  assertEquals([...plain.keys()], ["a", "b"]);
  for (const group of ["a", "b"]) {
    for (let k = 0; k < 16; k++) {
      const a = columnOf(positive.filter((item) => item.group === group), k), b = columnOf(negative, k);
      const difference = mean(a) - mean(b);
      const deviation = Math.sqrt((squares(a) + squares(b)) / (a.length + b.length - 2));
      assertAlmostEquals(plain.get(group)!.get(ACT)![k]!, difference, TOLERANCE);
      assertAlmostEquals(standardised.get(group)!.get(ACT)![k]!, difference / deviation, TOLERANCE);
    }
  }
});

Deno.test("activation_contrast sets a group against its own negatives where they are in groups", async () => {
  const grouped = fakeItems(30, { from: 50, groups: ["a", "b"] });
  const own = await scoresOf({}, { positive, negative: grouped });
  const alone = await scoresOf({}, { positive, negative: grouped.filter(({ group }) => group === "a") });
  assertEquals(own.get("a"), alone.get("a"));
  assert(own.get("b")!.get(ACT)!.some((value, k) => value !== alone.get("b")!.get(ACT)![k]));
  const other = fakeItems(30, { groups: ["a", "c"] });
  await assertRejects(
    () => scoresOf({}, { positive, negative: other }),
    UserError,
    'Cannot score by activation_contrast: cannot compare group "b"',
  );
});

Deno.test("activation_contrast finds the unit that stands out on the positive items", async () => {
  // Items 5, 21, 37, ... all plant unit 5 of layer 0's gate.
  const planted = [5, 21, 37, 53, 69].flatMap((from) => fakeItems(1, { from }));
  const scores = await scoresOf({ sites: ["mlp.gate"], pool: "last" }, {
    positive: planted,
    negative: fakeItems(5),
  });
  const gate = scores.get("all")!.get("layers.0.mlp.gate")!;
  assertEquals(gate.indexOf(Math.max(...gate)), 5);
});

Deno.test("activation_contrast refuses heads, whose activations are vectors", () => {
  assert(!scorer.params.safeParse({ sites: ["attn.head"] }).success);
});
