import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  deviationOf,
  groupIn,
  meanOf,
  type Pooled,
  type PooledValues,
  sampleOf,
  type ScoredItem,
  tapsAt,
  UserError,
} from "../../core/mod.ts";

const ITEM: ScoredItem = { id: "7", group: "g", prompt: [1, 2], continuations: [[3], [4]], gold: 1 };
const SAMPLE = { id: "7", group: "g", prompt: [1, 2] };
const LONG = { ...ITEM, continuations: [[3, 5], [4]], gold: 0 };

Deno.test("sampleOf() gives what each objective reads of an item", () => {
  assertEquals(sampleOf(ITEM, { objective: "probability" }), { ...SAMPLE, target: 4 });
  assertEquals(sampleOf(ITEM, { objective: "logprob", over: "all" }), { ...SAMPLE, target: 4 });
  assertEquals(sampleOf(ITEM, { objective: "logitDifference" }), { ...SAMPLE, target: 4, against: 3 });
  assertEquals(sampleOf(ITEM, { objective: "cloze" }), { ...SAMPLE, continuations: [[3], [4]], answer: 1 });
  assertEquals(sampleOf(LONG, { objective: "crossEntropy" }), { ...SAMPLE, continuations: [[3, 5]] });
});

Deno.test("sampleOf() without an objective adds the answer only where its tokens are pooled", () => {
  assertEquals(sampleOf(ITEM), SAMPLE);
  assertEquals(sampleOf(ITEM, { over: "all" }), { ...SAMPLE, continuations: [[4]] });
  const only = { ...ITEM, continuations: [[9, 8]], gold: undefined };
  assertEquals(sampleOf(only, { over: "completion" }), { ...SAMPLE, continuations: [[9, 8]] });
  assertEquals(sampleOf({ ...ITEM, continuations: [], gold: undefined }, { over: "all" }), SAMPLE);
});

Deno.test("sampleOf() names the item whose answers do not suit", () => {
  const three = { ...ITEM, continuations: [[3], [4], [5]] }, none = { ...ITEM, gold: undefined };
  for (
    const [item, use, wanted] of [
      [
        LONG,
        { objective: "probability" },
        "Cannot use item 7 for probability: an answer is 2 tokens, wanted one",
      ],
      [three, { objective: "logitDifference" }, "it has 3 answers, wanted two"],
      [none, { objective: "logprob" }, "it has no right answer"],
      [none, { objective: "cloze" }, "it has no right answer"],
      [
        none,
        { over: "completion" },
        "Cannot use item 7 for values over the completion: it has no right answer",
      ],
    ] as const
  ) {
    assertThrows(() => sampleOf(item, use), UserError, wanted);
  }
});

Deno.test("tapsAt() goes layer by layer", () => {
  assertEquals(tapsAt(["attn.q", "mlp.act"], 2), [
    "layers.0.attn.q",
    "layers.0.mlp.act",
    "layers.1.attn.q",
    "layers.1.mlp.act",
  ]);
});

/** One column a list. */
function valuesOf(...columns: readonly (readonly number[])[]): PooledValues {
  const of = (f: (x: number) => number) =>
    Float64Array.from(columns, (column) => column.reduce((sum, x) => sum + f(x), 0));
  return {
    n: columns[0]!.length,
    sum: of((x) => x),
    sumOfSquares: of((x) => x * x),
    positive: of((x) => Number(x > 0)),
  };
}

Deno.test("deviationOf() pools squared distances within sets", () => {
  const a = valuesOf([2, 4, 4, 4, 5, 5, 7, 9], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]);
  const b = valuesOf([1, 3, 5], [0.2, 0.2, 0.2]);
  assertEquals([...meanOf(a)][0], 5);
  // By hand: 32 about 5 and 8 about 3, of 8 and 3 values; a constant column is exactly 0, whatever its roundings.
  assertAlmostEquals(deviationOf([a])[0]!, Math.sqrt(32 / 7), 1e-15);
  assertAlmostEquals(deviationOf([a, b])[0]!, Math.sqrt((32 + 8) / 9), 1e-15);
  assertEquals(deviationOf([a, b])[1], 0);
  assertThrows(() => deviationOf([valuesOf([1]), valuesOf([2])]), UserError, "one sample a set");
});

Deno.test("groupIn() takes the same group, or the only one", () => {
  const of = (...groups: string[]) => ({ groups: () => groups }) as unknown as Pooled;
  assertEquals(groupIn(of("a", "b"), "p", "b"), "b");
  assertEquals(groupIn(of("all"), "p", "b"), "all");
  assertThrows(() => groupIn(of("a", "c"), "p", "b"), UserError, 'Cannot compare group "b": p has 2 groups');
});
