/**
 * Short answers on the real backend: what a model writes under a treatment begins with the token that is the most probable one after the same
 * prompt where answers are scored, under every kind of arm.
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { z } from "zod";
import { parseMatrix } from "../../core/matrix.ts";
import {
  type ChoiceItem,
  type Context,
  defineBenchmark,
  type Sample,
  type ShortAnswerItem,
} from "../../core/mod.ts";
import { planRun } from "../../core/plan.ts";
import { createRegistry, loadRegistry } from "../../core/registry.ts";
import { exportRun } from "../../core/report/export.ts";
import { prettyJson } from "../../core/report/json.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/mod.ts";
import { summarise } from "../../core/summary.ts";
import fables from "../../benchmarks/fables.ts";
import { ENGINE } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const TOKENS = 3;
const FOOD = { topic: "food", part: "report" } as const;
const registry = await loadRegistry(ROOT);

/** The questions of fables, to be answered in the model's own words. */
const written = defineBenchmark({
  name: "fables_written",
  version: "1",
  title: "Fables, answers written",
  licence: "CC0-1.0",
  source: "tests",
  params: z.strictObject({}),
  evaluator: "short_answer",
  metric: () => "substring",
  files: () => fables.files(fables.params.parse(FOOD)),
  load: (files) =>
    fables.load(files, fables.params.parse(FOOD)).map((item: ChoiceItem): ShortAnswerItem => ({
      id: item.id,
      role: item.role,
      clusters: item.clusters,
      prompt: item.prompt,
      answers: [item.labels[item.gold]!],
      maxNewTokens: TOKENS,
      doc: item.doc,
    })),
});

const MATRIX = JSON.stringify({
  version: 1,
  name: "written",
  data: "fixtures/fables/data",
  models: [{ use: "onnx", params: { path: "fixtures/fables" } }],
  benchmarks: [{ use: "fables_written" }, { use: "fables", params: FOOD }],
  treatments: [
    {
      name: "silenced",
      steps: [{ edit: { use: "suppress", units: "fixtures/fables/units_food.json" } }],
      controls: [{ use: "random", match: "tap", sets: 1 }, { use: "identity" }, {
        use: "prompt",
        text: "Say something else.",
      }],
    },
    {
      name: "taught",
      steps: [{
        tune: {
          use: "fine_tune",
          on: { items: { use: "fables", params: { topic: "food", part: "localise" } } },
          params: { optimizer: { learningRate: 3e-3 }, epochs: 3 },
        },
      }],
      controls: [{ use: "shuffled" }],
    },
  ],
});

/** A dozen questions: two batches of texts. */
const planned = (context: Context) =>
  planRun(parseMatrix(MATRIX, `${ROOT}written.json`), {
    registry: createRegistry(registry.plugins, [...registry.benchmarks.values(), written]),
    context,
    path: `${ROOT}written.json`,
    engine: ENGINE,
    limit: 12,
  });

const cacheDir = Deno.makeTempDirSync({ prefix: "plumbline-written-" });
addEventListener("unload", () => Deno.removeSync(cacheDir, { recursive: true }));
const store = createMemoryStore();
// Computed once: each test looks at another side of it.
const plan = await planned(testContext({ cacheDir }));
await run(plan, { store, context: testContext({ cacheDir }) });
const results = summarise(plan, store, UNUSED);

Deno.test("texts begin as the scored answers say, under edits, controls, a text before the prompt and training", () => {
  const cellsOf = (name: string) => plan.cells.filter(({ benchmark }) => benchmark.record.name === name);
  const scored = cellsOf("fables");
  for (const cell of cellsOf("fables_written")) {
    const other = scored.find(({ arm }) => arm === cell.arm)!, answers = store.outcomes(other.key);
    for (const [id, { detail, values }] of store.outcomes(cell.key)) {
      const { given } = answers.get(id)!.detail, text = String(detail.given);
      assert(
        text.startsWith(String(given)),
        `${cell.arm.treatment} (${cell.arm.arm}), ${id}: ${text}, ${given}`,
      );
      assert(values.substring === Number(text.includes(String(detail.found))));
    }
  }
});

Deno.test("silencing what stores food makes written answers fall, and so does teaching wrong ones", () => {
  const cell = results.cells.find((each) =>
    each.benchmark === "fables_written" && each.treatment === "silenced"
  )!;
  const [metric] = cell.metrics;
  assertEquals(metric?.metric.name, "substring");
  assert(metric!.difference!.high < 0, "beyond what six countries could do by chance");
  const spread = cell.controls.find(({ control }) => control === "random")!.metrics.substring!;
  assert(spread.value.min > metric!.estimate.value + 0.3, "random units cost less");
  const shuffled = results.cells.find((each) =>
    each.benchmark === "fables_written" && each.treatment === "taught"
  )!.controls.find(({ control }) => control === "shuffled")!.metrics.substring!;
  // Chance is 0.25, of twelve answers that were drawn from four.
  assert(shuffled.difference.max < -0.3, `${shuffled.difference.max}`);
});

Deno.test("a run that is stopped after a batch of texts goes on to the same bytes", async () => {
  const own = createMemoryStore();
  const stop = new AbortController(), context = testContext({ cacheDir, signal: stop.signal });
  const stopped = await assertRejects(async () =>
    run(await planned(context), {
      store: own,
      context,
      onProgress: ({ items }) => items.done > 0 && stop.abort(),
    })
  );
  assertEquals((stopped as Error).name, "AbortError");
  assertEquals(own.outcomes(plan.cells[0]!.key).size, 8, "one batch is there");
  const again = await planned(testContext({ cacheDir }));
  await run(again, { store: own, context: testContext({ cacheDir }) });
  assertEquals(prettyJson(summarise(again, own, UNUSED)), prettyJson(results));
  for (const { key } of plan.cells) {
    const sorted = (from: typeof store) => [...from.outcomes(key)].sort(([a], [b]) => a < b ? -1 : 1);
    assertEquals(sorted(own), sorted(store));
  }
});

Deno.test("samples_*.jsonl has the texts", async () => {
  const folder = await Deno.makeTempDir();
  try {
    store.saveRun(results);
    const target = await exportRun(store, results.id, folder);
    const names = [...Deno.readDirSync(target)].map(({ name }) => name)
      .filter((name) => name.startsWith("samples_") && name.includes("fables_written"));
    // Untouched and two treatments.
    assertEquals(names.length, 3);
    for (const name of names) {
      const lines = (await Deno.readTextFile(`${target}/${name}`)).trim().split("\n");
      const samples = lines.map((line) => JSON.parse(line) as Sample);
      assertEquals(samples.length, 12);
      for (const { resps, filtered_resps, arguments: asked } of samples) {
        assertEquals(resps, [filtered_resps]);
        assertEquals(
          (asked as { gen_args_0: { arg_1: unknown } }).gen_args_0.arg_1,
          { until: [], do_sample: false, max_gen_toks: TOKENS },
        );
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
