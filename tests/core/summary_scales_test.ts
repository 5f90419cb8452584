/** A questionnaire from the matrix to results.json, on the fake model. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { defineBenchmark, surveyItems, SurveyParams, UserError } from "../../core/mod.ts";
import { parseMatrix } from "../../core/matrix.ts";
import { planRun } from "../../core/plan.ts";
import { createRegistry } from "../../core/registry.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import stance from "../../plugins/stance/mod.ts";
import riddles from "../fake_benchmark.ts";
import { fakePlugin } from "../fake_model.ts";
import { ENGINE, MUTED } from "../fake_plan.ts";
import { testContext } from "../support.ts";

const ids = Array.from({ length: 12 }, (_, i) => `s${i}`);
const quiz = defineBenchmark({
  name: "quiz",
  version: "1",
  title: "Quiz",
  licence: "CC0-1.0",
  source: "tests",
  params: SurveyParams,
  evaluator: "survey",
  metric: () => "agreement",
  files: () => [],
  load: (_, params) => surveyItems(ids.map((id) => ({ id, text: `${id}.` })), ["No", "Yes"], params),
  scales: () => [{
    name: "axis",
    title: "Axis",
    ends: ["low", "high"],
    range: [-6, 6],
    digits: 1,
    offset: 0,
    weights: Object.fromEntries(ids.map((id, i) => [id, i % 2 === 0 ? [-0.5, 0.5] : [0.5, -0.5]])),
  }],
});

function planQuiz(benchmark: typeof quiz) {
  const text = JSON.stringify({
    version: 1,
    models: [{ use: "fake", params: { contextLength: 4096 } }],
    benchmarks: [{ use: "quiz", params: { form: "text", wordings: [0] } }, { use: "riddles" }],
    treatments: [{ ...MUTED, controls: [{ use: "random", match: "tap", sets: 3 }] }],
  });
  const registry = createRegistry([fakePlugin(), stance], [benchmark, riddles]);
  const options = { registry, context: testContext(), path: "/m/quiz.json", engine: ENGINE };
  return planRun(parseMatrix(text, options.path), options);
}

async function results() {
  const planned = await planQuiz(quiz), store = createMemoryStore();
  const { scoring: _, ...counts } = await run(planned, { store, context: testContext() });
  const what = {
    startedAt: "",
    finishedAt: "",
    command: [],
    tokensPerSecond: 0,
    peakMemoryMb: 0,
    threads: 0,
    platform: "",
  };
  return { planned, store, results: summarise(planned, store, { ...counts, ...what }) };
}

Deno.test("summarise() gives scales to the cells of benchmarks that have them, and to no others", async () => {
  const { results: { cells } } = await results();
  assertEquals(cells.map(({ benchmark, scales }) => [benchmark, scales !== undefined]), [
    ["quiz", true],
    ["quiz", true],
    ["riddles", false],
    ["riddles", false],
  ]);
  const [untouched, treated] = cells.map(({ scales }) => scales?.scales[0]);
  assertEquals([untouched!.difference, untouched!.controls], [undefined, {}]);
  assertEquals(treated!.controls.random!.value.sets, 3);
  const change = treated!.estimate.value - untouched!.estimate.value;
  assert(Math.abs(treated!.difference!.value - change) < 1e-9);
});

Deno.test("the value of a scale is what its weights make of the stored choices", async () => {
  const { planned, store, results: { cells } } = await results();
  const outcomes = store.outcomes(cells[0]!.key);
  const items = surveyItems(
    ids.map((id) => ({ id, text: `${id}.` })),
    ["No", "Yes"],
    SurveyParams.parse({ wordings: [0] }),
  );
  const sum = items.filter(({ negated }) => !negated).reduce((total, { id, clusters }) => {
    const yes = Number(outcomes.get(id)!.detail.choice === "Yes");
    const side = Number(clusters.question.slice(1)) % 2 === 0 ? 1 : -1;
    return total + side * (yes - 0.5) / 2; // two orders
  }, 0);
  const { estimate, null: shuffled } = cells[0]!.scales!.scales[0]!;
  assert(Math.abs(estimate.value - sum) < 1e-9, `${estimate.value} ${sum}`);
  assertEquals([estimate.n, estimate.clusters], [24, 12]);
  // As many statements on either side: shuffled answers lie about the middle, whatever the model likes to say.
  assert(Math.abs(shuffled.mean) < 1e-9);
  assertEquals(cells[0]!.n, 48);
  assertEquals(planned.benchmarks[0]!.scales.length, 1);
});

Deno.test("a benchmark with scales needs an evaluator that gives answers, before anything is computed", async () => {
  await assertRejects(
    () => planQuiz({ ...quiz, evaluator: "pick" } as typeof quiz),
    UserError,
    "Cannot run benchmark quiz: its evaluator pick has no answer(), wanted one for its scales",
  );
});
