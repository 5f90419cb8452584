/** Cells whose answers the model writes by itself. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { z } from "zod";
import { forecast } from "../../core/forecast/mod.ts";
import { forecastLines } from "../../core/forecast/print.ts";
import { parseMatrix } from "../../core/matrix.ts";
import {
  type Context,
  defineBenchmark,
  type Edit,
  type ModelBackend,
  type Plugin,
  type ShortAnswerItem,
  UserError,
} from "../../core/mod.ts";
import { type Plan, planRun } from "../../core/plan.ts";
import { createRegistry } from "../../core/registry.ts";
import { prettyJson } from "../../core/report/json.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import nlu from "../../plugins/nlu/mod.ts";
import riddles from "../fake_benchmark.ts";
import { fakeBackend, type FakeLog, type FakeParams, fakePlugin, UNITS } from "../fake_model.ts";
import { ENGINE, newLog } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";

/** Which number it is, in prompts of 1 to 12 more characters than the number's own. */
const sayings = defineBenchmark({
  name: "sayings",
  version: "1",
  title: "Sayings",
  licence: "CC0-1.0",
  source: "tests",
  params: z.strictObject({ count: z.int().default(20), maxNewTokens: z.int().default(20) }),
  evaluator: "short_answer",
  metric: () => "substring",
  files: () => [],
  load: (_, { count, maxNewTokens }) =>
    Array.from({ length: count }, (_, i): ShortAnswerItem => ({
      id: `s${i}`,
      role: "report",
      clusters: { question: `s${i}` },
      prompt: { kind: "text", text: `${".".repeat((7 * i) % 12)}${i}?` },
      answers: [`IT IS ${i}.`],
      maxNewTokens,
      doc: { i },
    })),
});

/** Sayings whose number is one of these fall. */
const MUTED = [1, 2, 3];
const TREATMENT = {
  name: "muted",
  steps: [{ edit: { use: "mute", units: [{ tap: "layers.0.mlp.gate", units: MUTED }] } }],
  controls: [{ use: "random", match: "tap", sets: 2, exclude: true }, { use: "identity" }],
};

interface Change {
  readonly benchmarks?: readonly unknown[];
  readonly treatments?: readonly unknown[];
  readonly context?: Context;
  readonly log?: FakeLog;
  readonly plugin?: Plugin;
}

function plan({ log, plugin = fakePlugin(log), context = testContext(), ...matrix }: Change = {}) {
  const text = JSON.stringify({
    version: 1,
    models: [{ use: "fake" }],
    benchmarks: [{ use: "sayings" }],
    treatments: [TREATMENT],
    ...matrix,
  });
  return planRun(parseMatrix(text, "/m/sayings.json"), {
    registry: createRegistry([plugin, nlu], [riddles, sayings]),
    context,
    path: "/m/sayings.json",
    engine: ENGINE,
  });
}

async function finish(planned: Plan, store = createMemoryStore()) {
  const counts = await run(planned, { store, context: testContext() });
  return { store, counts, results: summarise(planned, store, UNUSED) };
}

Deno.test("run() has answers written eight at a time after prompts of like length, under the edits of each arm", async () => {
  const log = newLog(), planned = await plan({ log });
  const { results, counts } = await finish(planned);
  assertEquals(log.batches, [], "nothing is scored");
  const distinct = new Set(planned.cells.map(({ key }) => key)).size;
  assertEquals(log.texts.length, 3 * distinct);
  const ownEdit: Edit[] = [{ tap: "layers.0.mlp.gate", op: "scale", value: 0, units: MUTED }];
  const [untouched, muted] = [log.texts.slice(0, 3), log.texts.slice(3, 6)];
  assertEquals(
    untouched.map(({ prompts, options }) => [prompts.length, options]),
    [8, 8, 4].map((batch) => [
      batch,
      { maxNewTokens: 20, edits: [], batch },
    ]),
  );
  assertEquals(muted.map(({ options }) => options.edits), [ownEdit, ownEdit, ownEdit]);
  const lengths = untouched.flatMap(({ prompts }) => prompts.map((prompt) => prompt.length));
  assertEquals(lengths, lengths.toSorted((a, b) => a - b));
  // Units 1 to 3 are those of the numbers 1, 2, 3, 17, 18 and 19.
  const fallen = Array.from({ length: 20 }, (_, i) => i).filter((i) => MUTED.includes(i % UNITS)).length;
  const levels = results.cells.map(({ metrics: [metric] }) => metric?.estimate.value);
  assertEquals([levels, fallen], [[1, 1 - 6 / 20], 6]);
  // All of a text is run but, where it is cut off, its last token.
  const tokens = lengths.reduce((sum, length) => sum + length, 0) + 10 * "It is 0.".length +
    10 * "It is 10.".length;
  assertEquals(counts.tokens > tokens * distinct, true, "muted ones say more");
  const alone = await finish(await plan({ treatments: [] }));
  assertEquals(alone.counts.tokens, tokens);
  const cut = await finish(
    await plan({ treatments: [], benchmarks: [{ use: "sayings", params: { maxNewTokens: 3 } }] }),
  );
  assertEquals(cut.counts.tokens, lengths.reduce((sum, length) => sum + length + 2, 0));
});

Deno.test("run() goes on after an abort at the batch where it stopped, to the same results", async () => {
  const whole = await finish(await plan());
  const store = createMemoryStore(), log = newLog();
  for (let stops = 0;; stops++) {
    const stop = new AbortController();
    const context = testContext({ signal: stop.signal });
    const planned = await plan({ log, context });
    let batches = 0;
    try {
      await run(planned, { store, context, onProgress: () => ++batches === 2 && stop.abort() });
    } catch (error) {
      assertEquals((error as Error).name, "AbortError");
      continue;
    }
    assert(stops > 3, "it was stopped several times");
    const spelled = log.texts.map((call) => JSON.stringify(call));
    assertEquals(new Set(spelled).size, spelled.length, "no batch is computed twice");
    assertEquals(prettyJson(summarise(planned, store, UNUSED)), prettyJson(whole.results));
    for (const { key } of planned.cells) assertEquals(store.outcomes(key), whole.store.outcomes(key));
    break;
  }
});

Deno.test("samples have the prompt, the right answers and the text as it was written", async () => {
  const planned = await plan(), { store } = await finish(planned);
  const [untouched, muted] = planned.cells.map(({ key }) => store.samples(key).get("s17")!);
  assertEquals([untouched?.resps, muted?.resps], [[["It is 17."]], [["Nobody knows."]]]);
  assertEquals([untouched?.target, untouched?.doc, untouched?.substring], [["IT IS 17."], { i: 17 }, 1]);
  assertEquals(muted?.arguments, {
    gen_args_0: { arg_0: "...........17?", arg_1: { until: [], do_sample: false, max_gen_toks: 20 } },
  });
});

Deno.test("a text before every prompt reaches what is written after it", async () => {
  const log = newLog();
  const control = { use: "prompt", text: "Think." };
  const planned = await plan({ log, treatments: [{ ...TREATMENT, controls: [control] }] });
  await finish(planned);
  const calls = log.texts.slice(6);
  assertEquals(calls.length, 3);
  assert(calls.every(({ prompts }) => prompts.every((prompt) => prompt.startsWith("Think.\n\n"))));
  assertEquals(calls[0]!.options.edits, []);
});

Deno.test("a model that is opened otherwise may have a prompt as its control, which is run on the model's own way", async () => {
  const coarse = { name: "coarse", steps: [{ open: { coarse: true } }] };
  const planned = await plan({
    treatments: [{ ...coarse, controls: [{ use: "prompt", text: "Think." }] }],
  });
  assertEquals(
    planned.cells.map(({ arm }) => [arm.treatment, arm.arm, arm.opened !== undefined, arm.prompt]),
    [
      ["untouched", "treated", false, undefined],
      ["coarse", "treated", true, undefined],
      ["coarse", "prompt only", false, "Think."],
    ],
  );
  const { store } = await finish(planned);
  assertEquals(planned.cells.map(({ key }) => store.isComplete(key)), [true, true, true]);
});

Deno.test("how much may be written is part of a cell's key, and has to fit the model with the prompt", async () => {
  const keysFor = async (maxNewTokens: number) =>
    (await plan({ benchmarks: [{ use: "sayings", params: { maxNewTokens } }] })).cells.map(({ key }) => key);
  const [short, long] = [await keysFor(20), await keysFor(21)];
  assertEquals(short.filter((key) => long.includes(key)), []);
  assertEquals(await keysFor(20), short);
  // A context of 64 tokens; "0?" fits, ".......1?" does not.
  await assertRejects(() => keysFor(60), UserError, "item s1 is 69 tokens, wanted at most 64");
});

Deno.test("run() refuses to have answers written by a model that cannot, naming the cell", async () => {
  const [entry] = fakePlugin().backends!, own = fakeBackend();
  const mute: ModelBackend<FakeParams> = {
    ...own,
    open: async (...args) => ({ ...await own.open(...args), can: new Set(["logprobs", "edit"] as const) }),
  };
  const plugin = { ...fakePlugin(), backends: [{ ...entry!, load: () => Promise.resolve(mute) }] };
  await assertRejects(
    async () => finish(await plan({ plugin })),
    UserError,
    'Cannot run sayings under "untouched" (treated): it needs generate, wanted a model that can',
  );
});

Deno.test("damage is not measured by answers that the model writes", async () => {
  const control = { use: "matchedDamage", match: "tap", sets: 2, on: { use: "sayings" } };
  await assertRejects(
    () => plan({ benchmarks: [{ use: "riddles" }], treatments: [{ ...TREATMENT, controls: [control] }] }),
    UserError,
    "answers of sayings are written by the model",
  );
});

Deno.test("forecast() counts texts as long as they may become, and says how many tokens are written", async () => {
  const here = { threads: 0, platform: "test" };
  const planned = await plan({ treatments: [] }), store = createMemoryStore();
  const prompts = planned.cells[0]!.requests().reduce((sum, { prompt }) => sum + prompt.length, 0);
  const before = forecast(planned, store, here);
  const [cells] = before.models[0]!.benchmarks;
  assertEquals([cells?.tokens, cells?.written], [prompts + 20 * 19, 20 * 19]);
  assert(
    forecastLines(before, { colour: false, width: 200 }).join("\n").includes(
      "At most 380 of them are written",
    ),
  );
  await run(planned, { store, context: testContext() });
  const after = forecast(planned, store, here).models[0]!.benchmarks[0];
  assertEquals([after?.tokens, after?.written], [0, undefined]);
  // What is scored is as it was.
  const scored = forecast(await plan({ benchmarks: [{ use: "riddles" }], treatments: [] }), store, here);
  assert(!("written" in scored.models[0]!.benchmarks[0]!));
});
