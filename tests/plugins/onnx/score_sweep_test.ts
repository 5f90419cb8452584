/** Rows that differ by their edits, scored together: the same numbers as each alone, in batches that depend on the requests. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Edit, Model, ScoreRequest, ScoreResult, Tap } from "../../../core/mod.ts";
import { planSweep } from "../../../plugins/onnx/sweep.ts";
import { FABLES, open } from "./open.ts";

const CONTINUATIONS = [[5, 6, 7], [8, 9], [5, 3]];
const prompt = (item: number) =>
  Array.from({ length: 9 + 3 * item }, (_, i) => 20 + (i * 7 + 13 * item) % 150);
const at = (layer: number, site: string): Tap => `layers.${layer}.${site}` as Tap;

/** One arm for every part of a layer that rows may part at, and arms of several edits. */
const ARMS: readonly (readonly Edit[])[] = [
  [],
  [{ tap: "embed", units: [1, 2], op: "add", value: 0.5 }],
  [{ tap: at(0, "resid_pre"), units: [4], op: "scale", value: 3 }],
  [{ tap: at(1, "attn.q"), units: [0, 5], op: "scale", value: 0 }],
  [{ tap: at(1, "attn.head"), units: [2], op: "scale", value: 0 }],
  [{ tap: at(1, "attn.out"), units: [7], op: "set", value: 1 }],
  [{ tap: at(2, "mlp.gate"), units: [3, 9], op: "scale", value: 2, at: "prompt" }],
  [{ tap: at(2, "mlp.act"), units: [3], op: "add", value: 1, at: [2, 3] }],
  [{ tap: at(3, "resid_post"), units: [0], op: "scale", value: -1 }],
  [{ tap: at(3, "mlp.out"), units: [0], op: "add", value: 1 }, {
    tap: at(1, "attn.v"),
    units: [1],
    op: "scale",
    value: 0,
  }],
];

async function scoreAll(model: Model, requests: readonly ScoreRequest[], edits: readonly Edit[] = []) {
  const results: ScoreResult[] = [], batches: number[] = [];
  for await (const batch of model.score(requests, { edits })) {
    batch.indices.forEach((index, i) => results[index] = batch.results[i]!);
    batches.push(batch.indices.length);
  }
  return { results, batches };
}

const requestsOf = (items: readonly number[]): ScoreRequest[] =>
  items.flatMap((item) =>
    ARMS.map((edits) => ({ prompt: prompt(item), continuations: CONTINUATIONS, edits }))
  );

Deno.test("score() gives rows that share tokens and differ by edits what each has alone", async () => {
  await using model = await open(FABLES);
  const items = [0, 1, 2], together = await scoreAll(model, requestsOf(items));
  assertEquals(together.batches, [items.length * ARMS.length]);
  for (const [arm, edits] of ARMS.entries()) {
    const alone = await scoreAll(
      model,
      items.map((item) => ({ prompt: prompt(item), continuations: CONTINUATIONS })),
      edits,
    );
    items.forEach((_, i) => assertClose(together.results[i * ARMS.length + arm]!, alone.results[i]!));
  }
  const untouched = together.results[0]!.logprobs;
  for (let arm = 1; arm < ARMS.length; arm++) {
    assert(
      together.results[arm]!.logprobs.some((value, i) => value !== untouched[i]),
      `arm ${arm} does something`,
    );
  }
});

Deno.test("score() of a sweep answers every request, those with equal tokens too", async () => {
  await using model = await open(FABLES);
  const [, , , first, second] = ARMS, ids = [5, 9, 12, 7];
  const asked: [number, readonly Edit[]][] = [[3, []], [4, []], [3, first!], [4, first!], [3, second!], [
    3,
    [],
  ]];
  const requests = asked.map(([answer, edits]) => ({ prompt: ids, continuations: [[answer]], edits }));
  const { results } = await scoreAll(model, requests);
  for (const [i, { edits, ...request }] of requests.entries()) {
    assertClose(results[i]!, (await scoreAll(model, [request], edits)).results[0]!);
  }
});

Deno.test("score() puts a call's edits before those of each row, in a sweep too", async () => {
  await using model = await open(FABLES);
  const common: Edit[] = [{ tap: at(2, "attn.head"), units: [1], op: "scale", value: 0.5 }];
  const together = await scoreAll(model, requestsOf([0, 1]), common);
  for (const [arm, edits] of ARMS.entries()) {
    const alone = await scoreAll(model, [{ prompt: prompt(1), continuations: CONTINUATIONS }], [
      ...common,
      ...edits,
    ]);
    assertClose(together.results[ARMS.length + arm]!, alone.results[0]!);
  }
});

Deno.test("score() of a sweep skips batches that are done and leaves the others as they were", async () => {
  await using model = await open(FABLES);
  const requests = requestsOf([0, 1, 2, 3]), options = { tokenBudget: 64 };
  const all = await Array.fromAsync(model.score(requests, options));
  assert(all.length > 2, "several batches");
  const skipped = all[1]!.indices;
  const rest = await Array.fromAsync(
    model.score(requests, {
      ...options,
      skip: (indices) => indices.every((index) => skipped.includes(index)),
    }),
  );
  assertEquals(rest, all.toSpliced(1, 1));
});

Deno.test("score() of a sweep names the row and the layer that is not finite", async () => {
  await using model = await open(FABLES);
  const huge: Edit[] = [{ tap: at(2, "resid_post"), units: [0], op: "set", value: 3e38 }, {
    tap: at(2, "resid_post"),
    units: [0],
    op: "scale",
    value: 3e38,
  }];
  const requests = [[], ARMS[3]!, huge].map((edits) => ({
    prompt: prompt(0),
    continuations: CONTINUATIONS,
    edits,
  }));
  await assertRejects(
    () => scoreAll(model, requests),
    Error,
    "Cannot score prompt 3 on fables: its logits are not finite",
  );
  await assertRejects(() => scoreAll(model, requests), Error, "layer 2");
  const named = requests.map((request, i) => ({ ...request, id: `food_${i}` }));
  await assertRejects(() => scoreAll(model, named), Error, "Cannot score item food_2 on fables: ");
});

Deno.test("planSweep() plans nothing where rows have no tokens in common or no edits of their own", () => {
  const of = (item: number, edits: readonly Edit[]) => ({
    prompt: prompt(item),
    continuations: CONTINUATIONS,
    edits,
  });
  assertEquals(planSweep([of(0, []), of(1, [])], 2048), undefined);
  assertEquals(planSweep([of(0, ARMS[1]!), of(1, ARMS[2]!)], 2048), undefined);
  assertEquals(planSweep([of(0, ARMS[1]!), of(0, ARMS[2]!)], 2048)?.length, 1);
});

/** Batches of other sizes may round otherwise: float32 sums of a small model. */
const TOLERANCE = 1e-5;

function assertClose(actual: ScoreResult, expected: ScoreResult): void {
  assertEquals(actual.argmax, expected.argmax);
  actual.logprobs.forEach((value, i) => assert(Math.abs(value - expected.logprobs[i]!) < TOLERANCE));
}
