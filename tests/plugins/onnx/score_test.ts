import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Edit,
  type Model,
  type ScoreRequest,
  type ScoreResult,
  SITES,
  type Tap,
  UserError,
} from "../../../core/mod.ts";
import { createRandom } from "../../../core/random.ts";
import { countTokens } from "../../../plugins/onnx/score.ts";
import { FABLES, open } from "./open.ts";

/** float32 sums in another order: logits of the fables model are below 40, so a few units in the last place are 1e-5. */
const ORDER = 5e-5;
/** What the issue allows between batch sizes. */
const BATCHES = 1e-4;

function madeUp(model: Model, count: number): ScoreRequest[] {
  const random = createRandom("score");
  const ids = (length: number) => Array.from({ length }, () => 4 + random.below(model.info.vocab - 4));
  const head = ids(20);
  return Array.from({ length: count }, (_, i) => ({
    prompt: [...(i % 3 ? head : []), ...ids(1 + random.below(20))],
    continuations: Array.from({ length: 1 + random.below(4) }, () => ids(1 + random.below(5))),
  }));
}

async function scoreAll(
  model: Model,
  requests: readonly ScoreRequest[],
  options: Parameters<Model["score"]>[1] = {},
) {
  const results: ScoreResult[] = [];
  let tokens = 0;
  for await (const batch of model.score(requests, options)) {
    batch.indices.forEach((index, i) => results[index] = batch.results[i]!);
    tokens += batch.tokens;
  }
  return { results, tokens };
}

/** The slow way: each continuation on its own, from the logits at every position. */
async function scoreOne(
  model: Model,
  { prompt, continuations }: ScoreRequest,
  edits: readonly Edit[],
): Promise<ScoreResult> {
  const { vocab } = model.info;
  const logprobs: number[] = [], greedy: boolean[] = [];
  let argmax = 0, argmaxLogprob = 0;
  for (const ids of continuations) {
    const logits = await model.logits([...prompt, ...ids], { edits });
    const after = (position: number) => logprobsOf(logits.subarray(position * vocab, (position + 1) * vocab));
    const rows = ids.map((_, i) => after(prompt.length - 1 + i));
    logprobs.push(ids.reduce((sum, id, i) => sum + rows[i]![id]!, 0));
    greedy.push(ids.every((id, i) => rows[i]!.every((value) => value <= rows[i]![id]!)));
    argmaxLogprob = Math.max(...rows[0]!);
    argmax = rows[0]!.indexOf(argmaxLogprob);
  }
  return { logprobs, greedy, argmax, argmaxLogprob };
}

function logprobsOf(logits: Float32Array): number[] {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0);
  return Array.from(logits, (logit) => logit - top - Math.log(total));
}

function assertNear(actual: ScoreResult, expected: ScoreResult, tolerance: number): void {
  const pairs = [
    [actual.argmaxLogprob, expected.argmaxLogprob],
    ...actual.logprobs.map((l, i) => [l, expected.logprobs[i]!]),
  ];
  for (const [a, e] of pairs) assert(Math.abs(a! - e!) < tolerance, `log-probability ${a}, expected ${e}`);
  assertEquals(actual.logprobs.length, expected.logprobs.length);
  assertEquals([actual.argmax, actual.greedy], [expected.argmax, expected.greedy]);
}

const GATE: Tap = "layers.1.mlp.gate", QUERY: Tap = "layers.2.attn.q", HEAD: Tap = "layers.0.attn.head";

Deno.test("score() with shared prefixes, joined rows and padding equals one continuation at a time", async () => {
  await using model = await open(FABLES);
  const requests = madeUp(model, 60);
  const { results, tokens } = await scoreAll(model, requests);
  const alone = requests.reduce(
    (sum, r) => sum + r.continuations.reduce((s, c) => s + r.prompt.length + c.length - 1, 0),
    0,
  );
  assert(tokens < alone / 2, `${tokens} tokens computed where one at a time takes ${alone}`);
  for (const [i, request] of requests.entries()) {
    assertNear(results[i]!, await scoreOne(model, request, []), ORDER);
  }
});

Deno.test("score() under edits at every kind of position equals one continuation at a time", async () => {
  await using model = await open(FABLES, [GATE, QUERY, HEAD]);
  const requests = madeUp(model, 12);
  const cases: Edit[][] = [
    [{ tap: GATE, units: [0, 5, 9], op: "scale", value: 0 }],
    [{ tap: QUERY, units: [3], op: "add", value: 0.7 }, { tap: HEAD, units: [1], op: "scale", value: -1 }],
    [{ tap: HEAD, units: [0], op: "set", value: 0.25, at: [0, 3] }],
  ];
  for (const edits of cases) {
    const { results } = await scoreAll(model, requests, { edits });
    for (const [i, request] of requests.entries()) {
      assertNear(results[i]!, await scoreOne(model, request, edits), ORDER);
    }
  }
});

Deno.test('score() applies edits at "prompt" and "generated" to prompt and continuation tokens', async () => {
  await using model = await open(FABLES, [GATE]);
  const edit = (at: Edit["at"]): Edit[] => [{ tap: GATE, units: [0, 1, 2, 3], op: "add", value: 2, at: at! }];
  const request = { prompt: [5, 6, 7], continuations: [[8, 9]] };
  // Fed tokens are 5 6 7 8: the last continuation token is only read.
  for (const [at, positions] of [["prompt", [0, 1, 2]], ["generated", [3]]] as const) {
    const { results } = await scoreAll(model, [request], { edits: edit(at) });
    assertNear(results[0]!, await scoreOne(model, request, edit(positions)), ORDER);
  }
});

Deno.test("score() gives rows of one call their own edits", async () => {
  await using model = await open(FABLES, [GATE, HEAD]);
  const own: Edit[][] = [[], [{ tap: GATE, units: [2], op: "set", value: 3 }], [{
    tap: HEAD,
    units: [0],
    op: "scale",
    value: 2,
  }]];
  const requests = madeUp(model, 12).map((request, i) => ({ ...request, edits: own[i % 3]! }));
  const { results } = await scoreAll(model, requests);
  for (const [i, request] of requests.entries()) {
    assertNear(results[i]!, await scoreOne(model, request, request.edits), ORDER);
  }
});

Deno.test("score() gives the same at batch 1 and batch 32", async () => {
  await using model = await open(FABLES);
  const requests = madeUp(model, 64);
  const one = await scoreAll(model, requests, { tokenBudget: 1 });
  const many = await scoreAll(model, requests, { tokenBudget: 2048 });
  requests.forEach((_, i) => assertNear(one.results[i]!, many.results[i]!, BATCHES));
});

Deno.test("logits() are bit-identical under a scale of 1 and without edit inputs", async () => {
  const taps = everyTap(4);
  await using plain = await open(FABLES);
  await using edited = await open(FABLES, taps);
  const ids = [4, 5, 6, 7, 8, 9, 10];
  const edits = taps.map((tap): Edit => ({ tap, units: [0, 1], op: "scale", value: 1 }));
  assertEquals(await edited.logits(ids, { edits }), await plain.logits(ids));
});

function everyTap(layers: number): Tap[] {
  return [
    "embed",
    ...Array.from({ length: layers }, (_, layer) => SITES.map((site): Tap => `layers.${layer}.${site}`))
      .flat(),
  ];
}

Deno.test("score() skips a batch that is done and makes the other batches as before", async () => {
  await using model = await open(FABLES);
  const requests = madeUp(model, 40);
  const all: (readonly number[])[] = [], rest: (readonly number[])[] = [];
  for await (const batch of model.score(requests, { tokenBudget: 256 })) all.push(batch.indices);
  const done = new Set(all[1]);
  for await (
    const batch of model.score(requests, {
      tokenBudget: 256,
      skip: (indices) => indices.every((i) => done.has(i)),
    })
  ) {
    rest.push(batch.indices);
  }
  assertEquals(rest, all.toSpliced(1, 1));
});

Deno.test("score() gives the same numbers for an edit whether the model was opened with its tap or not", async () => {
  await using without = await open(FABLES), given = await open(FABLES, [QUERY]);
  const edits = [{ tap: QUERY, units: [0, 3], op: "scale", value: 3 }] as const;
  const requests = [{ prompt: [5, 6, 7, 8], continuations: [[9], [10]] }];
  assertEquals(await scoreAll(without, requests, { edits }), await scoreAll(given, requests, { edits }));
});

Deno.test("score() refuses what the model cannot take", async () => {
  await using model = await open(FABLES, [GATE]);
  const { contextLength, vocab } = model.info;
  const long = Array.from({ length: contextLength }, () => 5);
  const ask = (prompt: number[], continuation: number[], edits: readonly Edit[] = []) => () =>
    scoreAll(model, [{ prompt, continuations: [continuation] }], { edits });
  await assertRejects(ask(long, [5, 5]), UserError, "wanted at most the context length");
  await assertRejects(ask([], [5]), UserError, "no tokens");
  await assertRejects(ask([5], []), UserError, "continuation is empty");
  await assertRejects(ask([vocab], [5]), UserError, `token id ${vocab}`);
  await assertRejects(
    ask([5], [5], [{ tap: GATE, units: [99999], op: "scale", value: 0 }]),
    UserError,
    "unit is 99999",
  );
  await assertRejects(
    ask([5], [5], [{ tap: GATE, units: [1, 1], op: "scale", value: 0 }]),
    UserError,
    "named twice",
  );
});

Deno.test("generate() gives what repeated argmax over logits() gives, at any batch size and under edits", async () => {
  await using model = await open(FABLES, [GATE]);
  const random = createRandom("generate");
  const prompts = Array.from(
    { length: 7 },
    () => Array.from({ length: 1 + random.below(12) }, () => 4 + random.below(100)),
  );
  const at = ["all", "prompt", "generated", [2, 14]] as const;
  for (
    const edits of [
      [],
      ...at.map((at): Edit[] => [{ tap: GATE, units: [0, 3, 4], op: "add", value: 1.5, at }]),
    ]
  ) {
    const expected = await Promise.all(prompts.map((prompt) => slowGreedy(model, prompt, edits)));
    for (const batch of [1, 3]) {
      const made: (readonly number[])[] = [];
      for await (const text of model.generate(prompts, { maxNewTokens: 6, edits, batch, stop: [] })) {
        made[text.index] = text.tokens;
      }
      assertEquals(made, expected);
    }
  }
});

async function slowGreedy(
  model: Model,
  prompt: readonly number[],
  edits: readonly Edit[],
): Promise<number[]> {
  const { vocab } = model.info, made: number[] = [];
  const here = edits.map((edit): Edit =>
    edit.at === "prompt" ? { ...edit, at: prompt.map((_, i) => i) } : edit
  ).map((edit): Edit =>
    edit.at === "generated" ? { ...edit, at: Array.from({ length: 6 }, (_, i) => prompt.length + i) } : edit
  );
  while (made.length < 6) {
    const logits = await model.logits([...prompt, ...made], { edits: here });
    const last = logits.subarray(logits.length - vocab);
    made.push(last.indexOf(last.reduce((a, b) => Math.max(a, b))));
  }
  return made;
}

Deno.test("generate() gives prompts of one batch their own edits beside those of the call", async () => {
  await using model = await open(FABLES, [GATE, HEAD]);
  const prompts = [[4, 5, 6], [7, 8], [9, 10, 11, 12]];
  const shared: Edit[] = [{ tap: HEAD, units: [0], op: "scale", value: 0.5 }];
  const own: Edit[][] = [[], [{ tap: GATE, units: [0, 3, 4], op: "add", value: 1.5 }], [{
    tap: GATE,
    units: [9],
    op: "set",
    value: 3,
  }]];
  const expected = await Promise.all(
    prompts.map((prompt, i) => slowGreedy(model, prompt, [...shared, ...own[i]!])),
  );
  const made: (readonly number[])[] = [];
  for await (
    const text of model.generate(prompts, {
      maxNewTokens: 6,
      edits: shared,
      promptEdits: own,
      batch: 3,
      stop: [],
    })
  ) {
    made[text.index] = text.tokens;
  }
  assertEquals(made, expected);
  assertThrows(
    () => model.generate(prompts, { maxNewTokens: 1, promptEdits: [[]] }),
    UserError,
    "1 lists of edits for 3 prompts",
  );
});

Deno.test("generate() ends a text at its stop token and drops it from the batch", async () => {
  await using model = await open(FABLES);
  const prompts = [[4, 5], [6, 7, 8], [9]];
  const free = await Promise.all(prompts.map((prompt) => slowGreedy(model, prompt, [])));
  const stop = free[0]![2]!;
  for await (const { index, tokens, finish } of model.generate(prompts, { maxNewTokens: 6, stop: [stop] })) {
    const end = free[index]!.indexOf(stop);
    assertEquals(tokens, end < 0 ? free[index] : free[index]!.slice(0, end));
    assertEquals(finish, end < 0 ? "length" : "stop");
  }
});

Deno.test("score() refuses positions that are none, and generate() counts that are none", async () => {
  await using model = await open(FABLES, [GATE]);
  const edits: Edit[] = [{ tap: GATE, units: [0], op: "scale", value: 0, at: [-1] }];
  const request = { prompt: [5], continuations: [[6]] };
  await assertRejects(() => scoreAll(model, [request], { edits }), UserError, "position is -1");
  for (const options of [{ maxNewTokens: 0 }, { maxNewTokens: 2, batch: 0 }, { maxNewTokens: 1.5 }]) {
    assertThrows(() => model.generate([[5]], options), UserError, "whole number from 1");
  }
});

Deno.test("countTokens() is what score() computes, with shared prefixes and with batches skipped", async () => {
  await using model = await open(FABLES);
  const head = Array.from({ length: 24 }, (_, i) => 4 + i);
  const requests = madeUp(model, 40).map((request) => ({ ...request, prompt: [...head, ...request.prompt] }));
  const whole = requests.reduce(
    (sum, { prompt, continuations }) =>
      continuations.reduce((all, ids) => all + ids.length - 1, sum + prompt.length),
    0,
  );
  const even = (indices: readonly number[]) => indices.some((index) => index % 5 === 0);
  for (const options of [{}, { tokenBudget: 100 }, { tokenBudget: 100, skip: even }]) {
    const { tokens } = await scoreAll(model, requests, options);
    assertEquals(countTokens(requests, options), tokens);
    assert(tokens > 0 && tokens < whole, "something is shared");
  }
});
