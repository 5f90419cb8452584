import { assert, assertAlmostEquals, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { forecast, type Here } from "../../../core/forecast/mod.ts";
import { forecastLines } from "../../../core/forecast/print.ts";
import type { Plan, PlannedCell } from "../../../core/plan.ts";
import type { Results } from "../../../core/results.ts";
import { run } from "../../../core/runner.ts";
import { smallestBinaryChange } from "../../../core/stats/power.ts";
import { createMemoryStore } from "../../../core/store/memory.ts";
import type { RunStore } from "../../../core/store/store.ts";
import { summarise } from "../../../core/summary.ts";
import { fakeBackend, fakePlugin } from "../../fake_model.ts";
import { type Change, FOUND, MUTED, plan } from "../../fake_plan.ts";
import { testContext } from "../../support.ts";

const HERE: Here = { threads: 0, platform: "linux test" };
/** Prompts r0 to r23, a token a character; the answers' only tokens are predicted, not run. */
const TOKENS = 10 * 2 + 14 * 3;
const EXACT = 1e-12;

const RUN: Results["run"] = {
  startedAt: "2026-01-01T00:00:00.000Z",
  finishedAt: "2026-01-01T00:01:00.000Z",
  elapsedMs: 60_000,
  command: [],
  computedCells: 1,
  reusedCells: 0,
  tokens: 6000,
  tokensPerSecond: 100,
  peakMemoryMb: 500,
  threads: 0,
  platform: "linux test",
};

/** Computes a plan and keeps it as a run. */
async function finished(
  store: RunStore,
  { run: own, ...change }: Change & { readonly run?: Partial<Results["run"]> } = {},
): Promise<Plan> {
  const planned = await plan(change);
  await run(planned, { store, context: testContext() });
  store.saveRun(summarise(planned, store, { ...RUN, ...own }));
  return planned;
}

/** The same results under another id. */
function keep(store: RunStore, planned: Plan, own: Partial<Results["run"]>, id: string): void {
  const { run: before, ...results } = store.run(planned.id)!;
  store.saveRun({ ...results, id, run: { ...before, ...own } });
}

const only = (planned: Plan, store: RunStore, here = HERE) => forecast(planned, store, here).models[0]!;

Deno.test("forecast() leaves all to compute in a fresh store, and nothing after the run", async () => {
  const store = createMemoryStore(), planned = await plan();
  const before = only(planned, store);
  assertEquals(before.benchmarks, [{
    benchmark: "riddles",
    tokensPerCell: TOKENS,
    cells: 6,
    complete: 0,
    partial: 0,
    fresh: 6,
    tokens: 6 * TOKENS,
  }]);
  assertEquals([before.forwardTokens, before.gradientTokens, before.sharing], [6 * TOKENS, 0, false]);
  assertAlmostEquals(before.seconds, 6 * TOKENS / before.rate.value, EXACT);
  await run(planned, { store, context: testContext() });
  const after = only(planned, store);
  assertEquals([after.benchmarks[0]!.complete, after.benchmarks[0]!.tokens, after.seconds], [6, 0, 0]);
});

Deno.test("forecast() counts cells with one key once, and of a cell that was broken off what is left", async () => {
  const store = createMemoryStore(), stop = new AbortController();
  const context = testContext({ signal: stop.signal });
  const planned = await plan({
    matrix: {
      treatments: [MUTED, {
        ...MUTED,
        name: "none",
        controls: [],
        steps: [{ edit: { use: "mute", units: [{ tap: "layers.0.mlp.gate", units: [9] }] } }],
      }],
    },
    context,
  });
  await assertRejects(() =>
    run(planned, { store, context, onProgress: ({ items }) => items.done === 28 && stop.abort() })
  );
  const [cells] = only(planned, store).benchmarks;
  assertEquals([cells!.cells, cells!.complete, cells!.partial, cells!.fresh], [7, 1, 1, 5]);
  // The fake computes from the last request up: the four that are done have three characters.
  assertEquals(cells!.tokens, 5 * TOKENS + TOKENS - 4 * 3);
});

Deno.test("forecast() asks the backend for its own count, and says which batches are done", async () => {
  const asked: { readonly budget: number | undefined; readonly skips: boolean }[] = [];
  const plugin = fakePlugin();
  const counting: typeof plugin = {
    ...plugin,
    backends: [{
      ...plugin.backends![0]!,
      load: () =>
        Promise.resolve({
          ...fakeBackend(),
          countTokens: (requests, { tokenBudget, skip } = {}) => {
            asked.push({ budget: tokenBudget, skips: skip?.([requests.length - 1]) ?? false });
            return 7;
          },
        }),
    }],
  };
  const store = createMemoryStore(), planned = await plan({ plugin: counting, tokenBudget: 300 });
  const last: PlannedCell = planned.cells.at(-1)!, item = last.benchmark.items.at(-1)!;
  store.openCell(last.key, last.spec, 24);
  store.commit(last.key, [{ item: item.id, values: { acc: 1 }, detail: {} }]);
  const found = only(planned, store);
  assertEquals([found.forwardTokens, found.sharing], [6 * 7, true]);
  assertEquals(asked, [{ budget: 300, skips: false }, { budget: 300, skips: true }]);
});

Deno.test("forecast() counts a scorer's passes, backward ones at their own rate, until they are stored", async () => {
  const store = createMemoryStore(), planned = await plan({ matrix: { treatments: [FOUND] } });
  const before = only(planned, store, { ...HERE, rate: 50 });
  // Riddles r37 and r38, asked for the gradient of their answer's only token.
  assertEquals(before.scoring, [{
    scorer: "gradient_product",
    stored: false,
    samples: 2,
    forwardTokens: 0,
    gradientTokens: 6,
  }]);
  assertAlmostEquals(before.seconds, 5 * TOKENS / 50 + 6 * 2.5 / 50, EXACT);
  // Half a budget of tokens.
  assertEquals(before.memoryMb, {
    value: 1000 + 1024 + 350,
    source:
      "estimated of gradients: weights 1.00 GB, activations kept for gradients 1.02 GB, the process itself 350 MB",
  });
  await run(planned, { store, context: testContext() });
  assertEquals(only(planned, store).scoring[0]!.stored, true);
  assertEquals(only(planned, store).seconds, 0);
});

Deno.test("forecast() takes the median rate of the model's own runs, those that are most alike", async () => {
  const store = createMemoryStore();
  const planned = await finished(store);
  assertEquals(only(planned, store).rate, { value: 100, source: `measured in run ${planned.id}` });
  keep(store, planned, { tokens: 18_000 }, "b");
  keep(store, planned, { tokens: 7200 }, "c");
  assertEquals(only(planned, store).rate.value, 120);
  keep(store, planned, { tokens: 60, threads: 1 }, "other threads");
  keep(store, planned, { tokens: 120, platform: "darwin test" }, "other platform");
  keep(store, planned, { tokens: 3, elapsedMs: 900 }, "short");
  keep(store, planned, { tokens: 0 }, "found all");
  const { value, source } = only(planned, store).rate;
  assertEquals(value, 120);
  assertMatch(source, /^measured in 3 runs \(median of /);
  // With nothing alike the nearest is taken, and it is said what is unlike.
  const elsewhere = only(planned, store, { threads: 4, platform: "windows test" }).rate;
  assertMatch(elsewhere.source, /on another platform, with other threads/);
});

Deno.test("forecast() counts a written token as long as several scored ones, in what was measured and in what is planned", async () => {
  const store = createMemoryStore();
  // 6,000 tokens in a minute, 1,000 of them written: as long as 5,000 + 6 x 1,000.
  await finished(store, { run: { written: 1000 } });
  const { rate } = only(await plan(), store);
  assertAlmostEquals(rate.value, 11_000 / 60, EXACT);
});

Deno.test("forecast() takes the rate of passes with gradients from runs that scored by them, and theirs without", async () => {
  const store = createMemoryStore(), scoring = { tokens: 2000, elapsedMs: 40_000, gradients: true };
  const planned = await finished(store, { run: { scoring } });
  const { rate, gradientRate, memoryMb } = only(planned, store);
  // 4,000 tokens in 20 s, and 2,000 in 40 s.
  assertEquals([rate.value, gradientRate.value], [200, 50]);
  assertEquals([rate.source, gradientRate.source], [1, 2].map(() => `measured in run ${planned.id}`));
  assertMatch(memoryMb.source, /^measured/);
  keep(store, planned, { scoring: { ...scoring, gradients: false } }, planned.id);
  const forwardOnly = only(planned, store).gradientRate;
  assertEquals(forwardOnly.value, 200 / 2.5);
  assertMatch(forwardOnly.source, /^assumed/);
  assertEquals(only(planned, store, { ...HERE, rate: 10 }).gradientRate.value, 4);
});

Deno.test("forecast() takes what a run measured when it computed, not when it found all in the store", async () => {
  const store = createMemoryStore(), planned = await finished(store);
  const { run: measured } = store.run(planned.id)!;
  keep(store, planned, { tokens: 0, elapsedMs: 5, peakMemoryMb: 90, measured }, planned.id);
  const { rate, memoryMb } = only(planned, store);
  assertEquals([rate.value, memoryMb.value], [100, 500]);
});

Deno.test("forecast() assumes a rate and estimates memory from the size of a model without runs, and says so", async () => {
  const store = createMemoryStore();
  await finished(store);
  const other = await plan({ matrix: { models: [{ use: "fake", params: { weights: "v" } }] } });
  const { rate, memoryMb } = only(other, store);
  assertEquals(rate.value, 20_000);
  assertMatch(rate.source, /^assumed/);
  assertEquals(memoryMb, { value: 1350, source: "estimated: weights 1.00 GB, the process itself 350 MB" });
  // Of 1e9 parameters: 3e11 operations a second are 150 tokens, and float32 weights are 4 GB where the backend does not say more.
  const [model] = other.models,
    { memory: _, ...silent } = model!.inspected,
    info = { ...model!.record.info, parameters: 1e9 };
  const large = { ...model!, record: { ...model!.record, info }, inspected: { ...silent, info } };
  const cells = other.cells.map((cell) => ({ ...cell, model: large }));
  const found = only({ ...other, models: [large], cells }, store);
  assertEquals(found.rate.value, 150);
  assert(found.memoryMb.value === 4350, `${found.memoryMb.value} MB`);
});

Deno.test("forecast() counts what a model holds that is opened otherwise beside its own way", async () => {
  const treatments = [{ name: "coarse", steps: [{ open: { coarse: true } }] }];
  const planned = await plan({ matrix: { treatments } });
  assertEquals(only(planned, createMemoryStore()).memoryMb, {
    value: 2055,
    source:
      "estimated: weights 1.00 GB, beside it weights 500 MB, beside it sums of slices 205 MB, the process itself 350 MB",
  });
});

Deno.test("forecast() takes the most memory of the model's runs under the same budget", async () => {
  const store = createMemoryStore();
  const planned = await finished(store);
  keep(store, planned, { peakMemoryMb: 700 }, "b");
  assertEquals(only(planned, store).memoryMb, {
    value: 700,
    source: "measured in run b, the most of 2 runs",
  });
  const smaller = await plan({ tokenBudget: 64 });
  assertMatch(only(smaller, store).memoryMb.source, /^estimated/);
});

Deno.test("forecast() says which change can be found, from the discordance of stored results or an assumed one", async () => {
  const store = createMemoryStore(), size = { items: 24, clusters: 24 };
  const planned = await plan();
  const [assumed] = forecast(planned, store, HERE).benchmarks;
  assertAlmostEquals(assumed!.change!.value, smallestBinaryChange({ ...size, discordance: 0.2 }), EXACT);
  // With 24 items 20 % is too little, whichever way they go.
  assertMatch(assumed!.change!.source, /^discordance 0.20 assumed, since .*; that is too little to be found/);
  await finished(store);
  const results = store.run(planned.id)!;
  const { rose, fell } = results.cells[1]!.metrics[0]!.difference!;
  assert(rose + fell > 0, "the treatment changes something");
  const [seen] = forecast(planned, store, HERE).benchmarks;
  const expected = smallestBinaryChange({ ...size, discordance: (rose + fell) / 24 });
  assertAlmostEquals(seen!.change!.value, expected, EXACT);
  assertMatch(seen!.change!.source, new RegExp(`measured in run ${planned.id} of one treatment`));
  assertEquals([seen!.items, seen!.clusters, seen!.metric, seen!.unit], [24, 24, "acc", "proportion"]);
});

Deno.test("forecast() counts clusters, and finds nothing with one", async () => {
  const benchmarks = [
    { use: "riddles", name: "four each", params: { perQuestion: 4 } },
    { use: "riddles", name: "one in all", params: { perQuestion: 24 } },
  ];
  const found = forecast(await plan({ matrix: { benchmarks } }), createMemoryStore(), HERE).benchmarks;
  assertEquals(found.map(({ clusters }) => clusters), [6, 1]);
  const design = { items: 24, clusters: 6, clusterSize: 4, icc: 0.5, discordance: 0.2 };
  assertAlmostEquals(found[0]!.change!.value, smallestBinaryChange(design), EXACT);
  assertEquals(found[1]!.change, undefined);
});

Deno.test("forecastLines() stays within its width, names cut, and gives every source", async () => {
  const long = `riddles ${"of a long name ".repeat(8)}`;
  const planned = await plan({
    matrix: {
      models: [{ use: "fake", name: "first" }, { use: "fake", params: { weights: "v" } }],
      benchmarks: [{ use: "riddles", name: long }, { use: "riddles", params: { first: 24 } }],
      treatments: [FOUND],
    },
    limit: 4,
  });
  const lines = forecastLines(forecast(planned, createMemoryStore(), HERE), { colour: false, width: 99 });
  assertEquals(lines.filter((line) => line.length > 99 || line !== line.trimEnd()), []);
  const text = lines.join("\n");
  for (
    const part of [
      "Model first (fake",
      "Model fake-v",
      "not reportable",
      "Scores of units by",
      "estimated of gradients:",
    ]
  ) {
    assert(text.includes(part), part);
  }
  assertMatch(text, /\n {2}all: under a second\n/);
});

Deno.test("forecastLines() names what a shut gate would stop, not what it would mark", async () => {
  const gates = [
    { benchmark: "riddles", atLeast: 0.35, treatments: ["muted"] },
    { benchmark: "riddles", atLeast: 0.9, belowGate: "mark" },
  ];
  const planned = await plan({ matrix: { treatments: [MUTED, FOUND], gates } });
  const lines = forecastLines(forecast(planned, createMemoryStore(), HERE), { colour: false, width: 200 });
  assertEquals(lines.filter((line) => line.startsWith("Run only where")), [
    `Run only where the untouched model reaches 0.35 ${
      planned.gates[0]!.metric
    } on riddles, and counted whole here: muted`,
  ]);
});
