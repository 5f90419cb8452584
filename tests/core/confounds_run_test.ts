/** Respondents of a known mind through the whole run: what orders and label shares say of them. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { z } from "zod";
import {
  type CellResult,
  type ChoiceItem,
  defineBenchmark,
  definePlugin,
  inOrders,
  labelPrompt,
  OrdersParam,
  totalVariation,
} from "../../core/mod.ts";
import { parseMatrix } from "../../core/matrix.ts";
import { planRun } from "../../core/plan.ts";
import { createRegistry } from "../../core/registry.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import nlu from "../../plugins/nlu/mod.ts";
import { fakePlugin } from "../fake_model.ts";
import { ENGINE, MUTED } from "../fake_plan.ts";
import { testContext } from "../support.ts";

const LABELS = ["A", "B", "C"];
/** Questions; each has "right" among its options, at A in 15, at B in 10, at C in 5. */
const QUESTIONS = 30;
const GOLD = Array.from({ length: QUESTIONS }, (_, i) => i % 6 < 3 ? 0 : i % 6 < 5 ? 1 : 2);

const letters = defineBenchmark({
  name: "letters",
  version: "1",
  title: "Letters",
  licence: "CC0-1.0",
  source: "tests",
  params: z.strictObject({ orders: OrdersParam }),
  evaluator: "multiple_choice",
  metric: () => "acc",
  files: () => [],
  load: (_, { orders }) =>
    GOLD.flatMap((place, i) => {
      const options = LABELS.map((_, k) => k === place ? "right" : `wrong${k}`);
      return inOrders({ options, gold: place }, orders, ({ options, gold }): ChoiceItem => ({
        id: `q${i}`,
        role: "report",
        clusters: { question: `q${i}` },
        ...labelPrompt(
          `Q${i}\n${options.map((text, k) => `${LABELS[k]}. ${text}`).join("\n")}`,
          LABELS,
          false,
        ),
        labels: LABELS,
        gold,
        doc: options,
      }));
    }),
});

/** The label that is answered to a prompt; `muted` under the treatment. */
type Mind = (prompt: string, muted: boolean) => string;
const alwaysA: Mind = () => "A";
const knows: Mind = (prompt) => /(\w)\. right/.exec(prompt)![1]!;
/** Knows, and says A of question 3 in one order of three. */
const slips: Mind = (prompt) => prompt.startsWith("Q3\nA. wrong2") ? "A" : knows(prompt, false);

function minded(mind: Mind) {
  const base = fakePlugin();
  const backends = base.backends!.map((entry) => ({
    ...entry,
    load: async () => {
      const backend = await entry.load();
      return {
        ...backend,
        open: async (...args: Parameters<typeof backend.open>) => {
          const model = await backend.open(...args);
          const { encode, decode } = model.tokenizer;
          return {
            ...model,
            async *score(...[requests, request]: Parameters<typeof model.score>) {
              for await (const batch of model.score(requests, request)) {
                const results = batch.indices.map((i) => {
                  const { prompt, continuations } = requests[i]!;
                  const label = mind(decode(prompt), (request?.edits ?? []).length > 0);
                  const logprobs = continuations.map((ids) => decode(ids).trim() === label ? -0.1 : -3);
                  const greedy = logprobs.map((logprob) => logprob === -0.1);
                  return { logprobs, greedy, argmax: encode(label)[0]!, argmaxLogprob: -0.1 };
                });
                yield { ...batch, results };
              }
            },
          };
        },
      };
    },
  }));
  return definePlugin({ ...base, backends });
}

async function resultsOf(
  mind: Mind,
  benchmarks: readonly unknown[],
  { treatments = [], limit }: { readonly treatments?: readonly unknown[]; readonly limit?: number } = {},
) {
  const text = JSON.stringify({
    version: 1,
    models: [{ use: "fake", params: { contextLength: 4096 } }],
    benchmarks,
    treatments,
  });
  const registry = createRegistry([minded(mind), nlu], [letters]);
  const planned = await planRun(parseMatrix(text, "/m/letters.json"), {
    registry,
    context: testContext(),
    path: "/m/letters.json",
    engine: ENGINE,
    limit,
  });
  const store = createMemoryStore();
  const { scoring: _, ...counts } = await run(planned, { store, context: testContext() });
  const none = { startedAt: "", finishedAt: "", command: [], tokensPerSecond: 0, peakMemoryMb: 0 };
  return summarise(planned, store, { ...counts, ...none, threads: 0, platform: "" });
}

const GIVEN = { use: "letters" }, CYCLIC = { use: "letters", params: { orders: "cyclic" } };
const metricOf = ({ metrics }: CellResult, name: string) =>
  metrics.find(({ metric }) => metric.name === name);

Deno.test("a model that always says A is right as often as A is, in every order in no question", async () => {
  const { cells: [given, cyclic] } = await resultsOf(alwaysA, [GIVEN, CYCLIC]);
  assertEquals(metricOf(given!, "acc")!.estimate.value, 0.5);
  assertEquals(metricOf(given!, "consistent_acc"), undefined);
  assertEquals([given!.n, cyclic!.n], [QUESTIONS, 3 * QUESTIONS]);
  // A third of all rotations has the right option at A, whatever the data.
  assertAlmostEquals(metricOf(cyclic!, "acc")!.estimate.value, 1 / 3, 1e-12);
  for (const name of ["consistent_acc", "consistent_exact_match"]) {
    const { estimate } = metricOf(cyclic!, name)!;
    assertEquals([estimate.value, estimate.low, estimate.n, estimate.clusters], [0, 0, QUESTIONS, QUESTIONS]);
    // Wilson's upper bound of none in 30, by hand: z z / (n + z z) with z = 1.959964.
    assertAlmostEquals(estimate.high, 3.841459 / 33.841459, 1e-6);
  }
});

Deno.test("the shares of labels of a model that always says A are 1 for A, beside those of the right answers", async () => {
  const results = await resultsOf(alwaysA, [GIVEN, CYCLIC]);
  const [given, cyclic] = results.cells.map(({ labels }) => labels!);
  assertEquals([given!.labels, given!.n, given!.chosen, given!.given], [LABELS, QUESTIONS, [1, 0, 0], [
    1,
    0,
    0,
  ]]);
  assertEquals(given!.gold, [15, 10, 5].map((count) => count / QUESTIONS));
  assertAlmostEquals(given!.distance, 0.5, 1e-12);
  assertEquals(cyclic!.gold, [1 / 3, 1 / 3, 1 / 3]);
  assertAlmostEquals(cyclic!.distance, 2 / 3, 1e-12);
  const report = reportMarkdown(results);
  assert(
    report.includes(
      "| 30 | A 50.0, B 33.3, C 16.7 | A 100.0, B 0.0, C 0.0 | A 100.0, B 0.0, C 0.0, none 0.0 | 50.0 |",
    ),
    report,
  );
});

Deno.test("a model that knows the text is right in every order, and its labels are the right ones", async () => {
  const { cells: [cyclic] } = await resultsOf(knows, [CYCLIC]);
  assertEquals(metricOf(cyclic!, "consistent_acc")!.estimate.value, 1);
  assertEquals(cyclic!.labels!.distance, 0);
});

Deno.test("one wrong order of three costs the whole question", async () => {
  const { cells: [cyclic] } = await resultsOf(slips, [CYCLIC]);
  assertAlmostEquals(metricOf(cyclic!, "acc")!.estimate.value, 89 / 90, 1e-12);
  assertAlmostEquals(metricOf(cyclic!, "consistent_acc")!.estimate.value, 29 / 30, 1e-12);
});

Deno.test("a question of which a limit cuts orders off does not count, and none gives no metric", async () => {
  const { cells: [cut] } = await resultsOf(knows, [CYCLIC], { limit: 8 });
  assertEquals([cut!.n, metricOf(cut!, "consistent_acc")!.estimate.n], [8, 2]);
  const { cells: [none] } = await resultsOf(knows, [CYCLIC], { limit: 2 });
  assertEquals(metricOf(none!, "consistent_acc"), undefined);
});

Deno.test("a treatment that leaves a preference of letters changes consistent_acc on every question, controls stand beside it", async () => {
  const mind: Mind = (prompt, muted) => muted ? "A" : knows(prompt, false);
  const { cells: [untouched, treated] } = await resultsOf(mind, [CYCLIC], { treatments: [MUTED] });
  assertEquals(untouched!.labels!.distance, 0);
  assertAlmostEquals(treated!.labels!.distance, 2 / 3, 1e-12);
  const { difference, parts } = metricOf(treated!, "consistent_acc")!;
  assertEquals([difference!.value, difference!.n, difference!.fell, difference!.rose], [-1, 30, 30, 0]);
  // McNemar's exact p of 30 to 0: twice 2^-30.
  assertAlmostEquals(difference!.mcnemar!, 2 ** -29, 1e-15);
  assertEquals(parts, undefined);
  assertEquals(treated!.controls[0]!.metrics.consistent_acc!.difference, {
    mean: -1,
    min: -1,
    max: -1,
    sets: 4,
  });
});

Deno.test("totalVariation() is 0 for the same shares, 1 for shares apart, and symmetric", () => {
  assertEquals(totalVariation([0.2, 0.8], [0.2, 0.8]), 0);
  assertEquals(totalVariation([1, 0], [0, 1]), 1);
  assertAlmostEquals(totalVariation([0.5, 0.5, 0], [0.25, 0.25, 0.5]), 0.5, 1e-12);
  assertEquals(totalVariation([0.7, 0.3], [0.4, 0.6]), totalVariation([0.4, 0.6], [0.7, 0.3]));
});
