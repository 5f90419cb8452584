import { assertEquals } from "@std/assert";
import type { Plan } from "../../core/plan.ts";
import { prettyJson } from "../../core/report/json.ts";
import type { Results } from "../../core/results.ts";
import { run } from "../../core/runner.ts";
import { estimateMean, pairedDifference } from "../../core/stats/mod.ts";
import { columnsOf } from "../../core/store/columns.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import type { RunStore } from "../../core/store/store.ts";
import { summarise } from "../../core/summary.ts";
import { UNITS } from "../fake_model.ts";
import { keys, newLog, plan } from "../fake_plan.ts";
import { testContext } from "../support.ts";

const RUN: Results["run"] = {
  startedAt: "2026-01-01T00:00:00.000Z",
  finishedAt: "2026-01-01T00:00:01.000Z",
  elapsedMs: 1,
  command: [],
  computedCells: 0,
  reusedCells: 0,
  tokens: 0,
  tokensPerSecond: 0,
  peakMemoryMb: 0,
  threads: 0,
  platform: "test",
};

async function finish(planned: Plan, store: RunStore): Promise<Results> {
  await run(planned, { store, context: testContext() });
  return summarise(planned, store, RUN);
}

Deno.test("run() opens each model once with the taps of all its edits and computes each key once", async () => {
  const log = newLog();
  // Half of the tap is treated and left out, so every control set is the other half.
  const one = { use: "mute", units: [{ tap: "layers.0.mlp.gate", units: [...Array(UNITS / 2).keys()] }] };
  const two = { use: "mute", units: [{ tap: "layers.1.mlp.gate", index: 3 }] };
  const treatments = [
    {
      name: "one",
      steps: [{ edit: one }],
      controls: [{ use: "random", match: "tap", sets: 3, exclude: true }],
    },
    { name: "two", steps: [{ edit: two }], controls: [] },
  ];
  const planned = await plan({ matrix: { treatments }, log });
  const store = createMemoryStore();
  const counts = await run(planned, { store, context: testContext() });
  assertEquals(log.opened, [{ taps: ["layers.0.mlp.gate", "layers.1.mlp.gate"] }]);
  const distinct = new Set(keys(planned)).size;
  assertEquals([planned.cells.length, distinct], [6, 4]);
  assertEquals(counts.computedCells, distinct);
  assertEquals(log.batches.length, distinct * 24 / 4);
  assertEquals(counts.tokens, distinct * 24 * 10);
  for (const { key, benchmark: { items } } of planned.cells) {
    const blind = { ...store, each: () => [] };
    assertEquals(columnsOf(key, items, blind), columnsOf(key, [...items], store), "columns are kept");
    assertEquals(columnsOf(key, items, blind).get("acc")?.length, 24);
  }
});

Deno.test("run() computes nothing again and opens no model when all is in the store", async () => {
  const store = createMemoryStore();
  const first = await finish(await plan(), store);
  const log = newLog();
  const again = await plan({ log });
  const counts = await run(again, { store, context: testContext() });
  assertEquals([counts.computedCells, counts.reusedCells, counts.tokens], [0, 6, 0]);
  assertEquals([log.opened, log.batches], [[], []]);
  assertEquals(prettyJson(summarise(again, store, RUN)), prettyJson(first));
});

Deno.test("run() goes on after an abort where it stopped, with the same results and no batch twice", async () => {
  const whole = await finish(await plan(), createMemoryStore());
  const store = createMemoryStore();
  const log = newLog();
  for (let stops = 0;; stops++) {
    const stop = new AbortController();
    const context = testContext({ signal: stop.signal });
    let batches = 0;
    const planned = await plan({ log, context });
    try {
      await run(planned, { store, context, onProgress: () => ++batches === 5 && stop.abort() });
    } catch (error) {
      assertEquals((error as Error).name, "AbortError");
      continue;
    }
    assertEquals(stops > 3, true, "it was stopped several times");
    const spelled = log.batches.map((batch) => JSON.stringify(batch));
    assertEquals(new Set(spelled).size, spelled.length);
    assertEquals(prettyJson(summarise(planned, store, RUN)), prettyJson(whole));
    break;
  }
});

Deno.test("run() reports progress that ends at the whole", async () => {
  const seen: string[] = [];
  await run(await plan(), {
    store: createMemoryStore(),
    context: testContext(),
    onProgress: ({ cells, items }) => seen.push(`${cells.done}/${cells.total} ${items.done}/${items.total}`),
  });
  assertEquals(seen[0], "0/6 4/144");
  assertEquals(seen.at(-1), "6/6 144/144");
});

Deno.test("summarise() estimates from outcomes in the order of the items, whatever the order of computing", async () => {
  const store = createMemoryStore();
  const benchmarks = [{ use: "riddles", params: { perQuestion: 2 } }];
  const planned = await plan({ matrix: { benchmarks, seed: 7 } });
  const results = await finish(planned, store);
  const [untouched, muted] = planned.cells;
  const values = (key: string, metric: string) =>
    planned.benchmarks[0]?.items.map((item) => store.outcomes(key).get(item.id)?.values[metric] ?? NaN) ?? [];
  const clusters = planned.benchmarks[0]?.items.map((item) => item.clusters.question) ?? [];
  const cell = results.cells[1];
  for (const binary of [true, false]) {
    const name = binary ? "acc" : "gold";
    const found = cell?.metrics.find(({ metric }) => metric.name === name);
    const options = { binary, clusters, seed: `7/bootstrap/${name}/${muted?.key}` };
    const [before, after] = [values(untouched?.key ?? "", name), values(muted?.key ?? "", name)];
    assertEquals(found?.estimate, estimateMean(after, options));
    assertEquals(found?.difference, pairedDifference(before, after, options));
  }
  assertEquals(
    cell?.metrics.map(({ metric }) => metric.name),
    ["acc", "gold"],
    "a metric without values is left out",
  );
});

Deno.test("summarise() gives parts that sum to the difference and controls their spread over sets", async () => {
  const store = createMemoryStore();
  const planned = await plan();
  const results = await finish(planned, store);
  const [untouched, muted] = results.cells;
  const acc = muted?.metrics[0];
  const parts = Object.values(acc?.parts ?? {});
  assertEquals(Object.keys(acc?.parts ?? {}), ["gained", "lost"]);
  // Sums of 24 terms in another order.
  const ROUNDING = 1e-12;
  const gap = parts.reduce((sum, part) => sum + part.value, 0) - (acc?.difference?.value ?? NaN);
  assertEquals(Math.abs(gap) < ROUNDING, true);
  const control = muted?.controls[0];
  assertEquals([control?.control, control?.keys], ["random", keys(planned).slice(2)]);
  const levels = keys(planned).slice(2).map((key) => {
    const all = [...store.outcomes(key).values()].map((outcome) => outcome.values.acc ?? NaN);
    return all.reduce((sum, value) => sum + value, 0) / all.length;
  });
  const spread = control?.metrics.acc;
  assertEquals([spread?.value.min, spread?.value.max, spread?.value.sets], [
    Math.min(...levels),
    Math.max(...levels),
    4,
  ]);
  const base = untouched?.metrics[0]?.estimate.value ?? NaN;
  assertEquals(spread?.difference.min, Math.min(...levels.map((level) => level - base)));
  assertEquals([untouched?.treatment, untouched?.controls, untouched?.metrics[0]?.difference], [
    "untouched",
    [],
    undefined,
  ]);
});

Deno.test("summarise() marks a limited run as not reportable and says how many items there were", async () => {
  const results = await finish(await plan({ limit: 5 }), createMemoryStore());
  assertEquals([results.reportable, results.limit], [false, 5]);
  assertEquals(results.benchmarks[0]?.items, { original: 24, effective: 5 });
  assertEquals(results.cells[0]?.n, 5);
});

Deno.test("summarise() lists arms by model only where models differ", async () => {
  const models = [{ use: "fake" }, { use: "fake", params: { weights: "v" } }];
  const results = await finish(await plan({ matrix: { models } }), createMemoryStore());
  assertEquals(results.cells.map((cell) => `${cell.model}/${cell.treatment}`), [
    "fake-w/untouched",
    "fake-w/muted",
    "fake-v/untouched",
    "fake-v/muted",
  ]);
  assertEquals(results.treatments.map(({ arms }) => arms.length), [1, 5]);
  assertEquals(results.treatments[1]?.arms.some((arm) => "model" in arm), false);
});
