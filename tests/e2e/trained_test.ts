/** trained.json from its matrix to its results on the real backend: a treatment that trains, under several seeds, beside trainings of other things. */
import { assert, assertAlmostEquals, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { parseMatrix } from "../../core/matrix.ts";
import type { CellResult, Context } from "../../core/mod.ts";
import { planRun } from "../../core/plan.ts";
import { loadRegistry } from "../../core/registry.ts";
import { limitations } from "../../core/report/limitations.ts";
import { methodsText } from "../../core/report/methods.ts";
import { run } from "../../core/runner.ts";
import { seedsDifference } from "../../core/stats/mod.ts";
import { createMemoryStore } from "../../core/store/mod.ts";
import { summarise } from "../../core/summary.ts";
import { ENGINE } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const MATRIX = `${ROOT}benchmarks/matrices/trained.json`;
const SEEDS = [0, 1, 2, 3, 4];

async function planned(
  context: Context,
  // deno-lint-ignore no-explicit-any -- a matrix as JSON, changed at will
  change: (matrix: any) => void = () => {},
) {
  const matrix = JSON.parse(Deno.readTextFileSync(MATRIX));
  change(matrix);
  return await planRun(parseMatrix(JSON.stringify(matrix), MATRIX), {
    registry: await loadRegistry(ROOT),
    context,
    path: MATRIX,
    engine: ENGINE,
  });
}

const cacheDir = Deno.makeTempDirSync({ prefix: "plumbline-trained-" });
const context = testContext({ cacheDir });
// Computed once: each test looks at another side of it.
const store = createMemoryStore();
const plan = await planned(context);
const first = await run(plan, { store, context });
const results = summarise(plan, store, UNUSED);
addEventListener("unload", () => Deno.removeSync(cacheDir, { recursive: true }));

function cellOf(benchmark: string, treatment = "food taught"): CellResult {
  const found = results.cells.find((each) => each.benchmark === benchmark && each.treatment === treatment);
  assert(found);
  return found;
}

const exact = ({ metrics }: CellResult) => metrics.find(({ metric }) => metric.name === "exact_match")!;

Deno.test("a training has a cell for each seed, and so has each control that trains", () => {
  // Untouched, and a treatment with two controls under five seeds.
  assertEquals(plan.cells.length, 2 * (1 + 3 * 5));
  assertEquals(first.computedCells, plan.cells.length);
  const { seeds, key, controls } = cellOf("food");
  assertEquals(seeds?.map(({ seed }) => seed), SEEDS);
  assertEquals(seeds?.[0]?.key, key);
  assertEquals(new Set(seeds?.map((each) => each.key)).size, SEEDS.length);
  assertEquals(controls.map(({ control, keys }) => [control, keys.length]), [["shuffled", 5], [
    "otherTask",
    5,
  ]]);
});

Deno.test("what is taught is known in other words, what is shuffled is not, and work stays", () => {
  assert(exact(cellOf("food")).estimate.value > 0.95);
  const shuffled = cellOf("food").controls[0]!.metrics.exact_match!.value;
  // Chance is 0.25; a training on 48 answers drawn from four cannot leave 0.6.
  assert(shuffled.max < 0.6, `${shuffled.max}`);
  assert(exact(cellOf("work")).difference!.low > -0.15);
  const [taught, stays] = results.hypotheses!.judged;
  assertEquals([taught?.verdict, stays?.verdict], ["effect", "not worse"]);
  assertEquals([taught?.difference.method, stays?.difference.method], ["seeds t", "seeds t"]);
});

Deno.test("estimates are over seeds and questions both, and are what the stored outcomes give", () => {
  const { seeds } = cellOf("food"), untouched = cellOf("food", "untouched").key;
  const benchmark = plan.benchmarks[0]!;
  const values = (key: string) =>
    benchmark.items.map(({ id }) => store.outcomes(key).get(id)!.values.exact_match!);
  const clusters = benchmark.items.map((item) => item.clusters.question);
  const wanted = seedsDifference([values(untouched)], seeds!.map(({ key }) => values(key)), {
    binary: true,
    clusters,
  });
  assertEquals(exact(cellOf("food")).difference, wanted);
  const level = seeds!.reduce((sum, each) => sum + each.values.exact_match!, 0) / SEEDS.length;
  assertAlmostEquals(exact(cellOf("food")).estimate.value, level, 1e-12);
  // The hypothesis is about the control of the same seed.
  const shuffled = cellOf("food").controls[0]!.keys;
  assertEquals(
    results.hypotheses!.judged[0]!.difference,
    seedsDifference(shuffled.map(values), seeds!.map(({ key }) => values(key)), { binary: true, clusters }),
  );
});

Deno.test("the record says what was trained on what, and methods and limitations say it in words", () => {
  const { trained = [] } = results.treatments.find(({ name }) => name === "food taught")!;
  assertEquals(trained.length, 15);
  assertEquals(new Set(trained.map(({ delta }) => delta)).size, 15);
  for (const { arm, answers, seed, examples, steps, leftOut, finalLoss } of trained) {
    assertEquals(answers, arm.startsWith("shuffled") ? "shuffled" : "right");
    assert(SEEDS.includes(seed) && finalLoss !== null);
    // 48 examples three times in batches of 8
    assertEquals([examples, steps, leftOut], [48, 18, 0]);
  }
  const methods = methodsText(results).join(" ");
  assertMatch(
    methods,
    /Treatment food taught trains fables by fine_tune 1 .* on 48 examples of fables \(topic=food, part=localise\): 18 updates, seed 0 \(/,
  );
  assertMatch(
    methods,
    /shuffled, the same training with any of its answers as an item's right one, 5 seeds; and otherTask, a training by fine_tune on fables \(topic=opposites, part=localise\), 5 seeds/,
  );
  assert(
    limitations(results).some((each) =>
      each.includes('ask in other words what "food taught" was trained on')
    ),
  );
});

Deno.test("a second run trains and computes nothing, and one without its cache trains the same again", async () => {
  const again = await run(await planned(context), { store, context });
  assertEquals([again.computedCells, again.tokens], [0, 0]);
  // One cell more to compute, and no delta to be found.
  const other = testContext({ cacheDir: Deno.makeTempDirSync({ prefix: "plumbline-trained-" }) });
  try {
    const more = await planned(other, (matrix) => {
      matrix.benchmarks.push({ use: "fables", name: "sport", params: { topic: "sport" } });
      matrix.treatments[0].controls = [];
      matrix.hypotheses = [];
    });
    const counts = await run(more, { store, context: other });
    assertEquals([counts.computedCells, counts.reusedCells], [1 + 5, 2 * (1 + 5)]);
    assert(counts.scoring.tokens > 0, "it was trained again, and gave the deltas that the store knows");
  } finally {
    Deno.removeSync(other.cacheDir, { recursive: true });
  }
});

Deno.test("whatever decides a training is in its cells' keys", async () => {
  // deno-lint-ignore no-explicit-any -- as in planned()
  const keysOf = async (change: (treatment: any) => void) => {
    const other = await planned(context, (matrix) => change(matrix.treatments[0]));
    return [plan, other].map(({ cells }) =>
      cells.find(({ arm }) => arm.treatment !== "untouched" && arm.arm === "treated")!.key
    );
  };
  // deno-lint-ignore no-explicit-any -- as in planned()
  const changes: Readonly<Record<string, (treatment: any) => void>> = {
    seed: (treatment) => treatment.seeds[0] = 7,
    params: ({ steps }) => steps[0].tune.params.epochs = 4,
    tuner: ({ steps }) => steps[0].tune.use = "preference",
    items: ({ steps }) => steps[0].tune.on.items.params.topic = "sport",
    "fewer items": ({ steps }) => steps[0].tune.on.items.limit = 40,
  };
  for (const [name, change] of Object.entries(changes)) {
    const [before, after] = await keysOf(change);
    assert(before !== after, name);
  }
  const shuffled = plan.cells.filter(({ arm }) => arm.control === "shuffled").map(({ key }) => key);
  const own = plan.cells.filter(({ arm }) => arm.control === undefined).map(({ key }) => key);
  assertEquals(new Set([...shuffled, ...own]).size, shuffled.length + own.length);
});

Deno.test("two treatments that want one training train it once", async () => {
  const counted = createMemoryStore(), other = testContext({ cacheDir: Deno.makeTempDirSync() });
  try {
    const crossed = await planned(other, (matrix) => {
      const [food] = matrix.treatments, on = food.controls[1].on;
      food.seeds = [0];
      food.controls = [food.controls[1]];
      const opposites = structuredClone(food);
      opposites.name = "opposites taught";
      opposites.controls[0].on = food.steps[0].tune.on;
      opposites.steps[0].tune.on = on;
      matrix.treatments.push(opposites);
      matrix.benchmarks = [matrix.benchmarks[1]];
      matrix.hypotheses = [];
    });
    const steps: number[] = [];
    await run(crossed, {
      store: counted,
      context: other,
      onProgress: ({ scoring }) => scoring?.isTraining && steps.push(scoring.done),
    });
    // 18 updates of food and 18 of opposites, and not twice each.
    assertEquals(steps.length, 36);
  } finally {
    Deno.removeSync(other.cacheDir, { recursive: true });
  }
});

Deno.test("one question under two seeds still makes results", async () => {
  const counted = createMemoryStore();
  const small = await planned(context, (matrix) => {
    matrix.benchmarks[0].params.part = "report";
    matrix.treatments[0].controls = [];
    matrix.hypotheses = [];
  });
  const one = { ...small.benchmarks[0]!, items: small.benchmarks[0]!.items.slice(0, 2) };
  const limited = {
    ...small,
    benchmarks: [one],
    cells: small.cells.filter(({ benchmark }) => benchmark === small.benchmarks[0]).map((cell) => ({
      ...cell,
      benchmark: one,
      requests: () => cell.requests().slice(0, 2),
    })),
  };
  await run(limited, { store: counted, context });
  const cell = summarise(limited, counted, UNUSED).cells.find(({ seeds }) => seeds)!;
  assert(cell.metrics.every(({ estimate }) => estimate.clusters === 1 && estimate.low <= estimate.value));
});

Deno.test("what is trained on is not reported on", async () => {
  const leak = planned(context, (matrix) => matrix.benchmarks[0].params.part = "all");
  await assertRejects(() => leak, Error, '48 of 96 items of food are among those that trained "food taught"');
});

Deno.test("what the model refuses of a training is said before any, and which one it was", async () => {
  const other = testContext({ cacheDir: Deno.makeTempDirSync() });
  try {
    const bad = await planned(other, (matrix) => {
      const second = structuredClone(matrix.treatments[0]);
      second.name = "nowhere";
      second.steps[0].tune.params.parameters = { kind: "lora", targets: ["attn.qq"], rank: 2, alpha: 2 };
      matrix.treatments.push(second);
    });
    let updates = 0;
    await assertRejects(
      () =>
        run(bad, {
          store: createMemoryStore(),
          context: other,
          onProgress: ({ scoring }) => scoring?.isTraining && updates++,
        }),
      Error,
      'Cannot run training "nowhere, seed 0": cannot train fables: LoRA target "attn.qq" matches no projection',
    );
    assertEquals(updates, 0);
  } finally {
    Deno.removeSync(other.cacheDir, { recursive: true });
  }
});

Deno.test("a run that is stopped in the middle of a training goes on from there, and comes to the same delta", async () => {
  const stop = new AbortController(), cache = Deno.makeTempDirSync();
  const stopped = testContext({ cacheDir: cache, signal: stop.signal }), other = createMemoryStore();
  const small = (context: Context) =>
    planned(context, (matrix) => {
      matrix.treatments[0].seeds = [0];
      matrix.treatments[0].controls = [];
      matrix.hypotheses = [];
    });
  try {
    await assertRejects(async () =>
      run(await small(stopped), {
        store: other,
        context: stopped,
        onProgress: ({ scoring }) => scoring?.isTraining && scoring.done === 7 && stop.abort(),
      })
    );
    const steps: number[] = [], again = testContext({ cacheDir: cache }), plan = await small(again);
    await run(plan, {
      store: other,
      context: again,
      onProgress: ({ scoring }) => scoring?.isTraining && steps.push(scoring.done),
    });
    assertEquals([steps[0], steps.at(-1)], [8, 18]);
    const { trained = [] } = summarise(plan, other, UNUSED).treatments.at(-1)!;
    const whole = results.treatments.at(-1)!.trained!.find(({ arm }) => arm === "treated")!;
    assertEquals(trained.map(({ delta }) => delta), [whole.delta]);
  } finally {
    Deno.removeSync(cache, { recursive: true });
  }
});

Deno.test("planRun() refuses a control that is the treatment itself", async () => {
  const same = planned(context, (matrix) => {
    const [treatment] = matrix.treatments;
    treatment.controls = [{ use: "tuned", name: "again", tune: treatment.steps[0].tune }];
  });
  await assertRejects(() => same, Error, "its control again is the same training, recipe and examples");
});

Deno.test("planRun() refuses a training that cannot be, before any work", async () => {
  // deno-lint-ignore no-explicit-any -- as in planned()
  const cases: [(tune: any, treatment: any) => void, string][] = [
    [(tune) => tune.params.maxTokens = 5, "48 of 48 examples are longer than 5 tokens, up to "],
    [(tune) => tune.use = "fine_tun", 'there is none of that name, did you mean "fine_tune"'],
    [
      (tune) => tune.params.epoch = 3,
      'params of tuner fine_tune: unknown key "epoch" at top level, did you mean "epochs"',
    ],
    [(tune) => tune.on = {}, '"on" of fine_tune has no set "items"'],
    [
      (tune) => tune.on = { item: tune.on.items },
      'unknown set "item" in "on" of fine_tune, did you mean "items"',
    ],
    [
      (tune) => tune.on.items = { use: "plain_texts" },
      'Cannot train fables under "food taught": cannot shuffle answers: item plain/1 of plain_texts has no right one',
    ],
  ];
  for (const [change, state] of cases) {
    await assertRejects(
      () =>
        planned(context, (matrix) => {
          matrix.treatments[0].controls = [{ use: "shuffled" }];
          change(matrix.treatments[0].steps[0].tune, matrix.treatments[0]);
        }),
      Error,
      state,
    );
  }
});
