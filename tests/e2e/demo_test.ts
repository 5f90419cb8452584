/** The demo from its matrix to its results on the real backend: what was planted in the model's weights is what comes out. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { parseMatrix } from "../../core/matrix.ts";
import type { CellResult, MetricResult } from "../../core/mod.ts";
import { planRun } from "../../core/plan.ts";
import { loadRegistry } from "../../core/registry.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/mod.ts";
import { summarise } from "../../core/summary.ts";
import { testContext, UNUSED } from "../support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const MATRIX = `${ROOT}benchmarks/matrices/demo.json`;
const TREATMENTS = ["untouched", "food silenced", "food halved"] as const;
const OTHERS = ["work", "festival", "food of towns", "language"] as const;
const BENCHMARKS = ["food", ...OTHERS] as const;

interface Figures {
  readonly exact_match: number;
  readonly valid: number;
  /** Smallest distance, over the items, of the two highest logits. */
  readonly margin: number;
}

/** Made with transformers. */
const golden: Readonly<Record<string, Readonly<Record<string, Figures>>>> =
  JSON.parse(Deno.readTextFileSync(`${ROOT}tests/goldens/world.json`)).benchmarks;

/** Two programs in float32 may each be off by 2e-3 on a logit (goldens/README.md); two that are further apart than both keep their order. */
const MARGIN = 4e-3;
/** What double arithmetic may lose in a mean of a hundred values of at most 1. */
const ROUNDING = 1e-12;

async function planDemo() {
  return await planRun(parseMatrix(Deno.readTextFileSync(MATRIX), MATRIX), {
    registry: await loadRegistry(ROOT),
    context: testContext(),
    path: MATRIX,
    engine: { plumbline: "0.0.0", deno: "0.0.0", runtime: "onnxruntime-node" },
  });
}

// Computed once: each test looks at another side of it.
const store = createMemoryStore();
const context = testContext();
const plan = await planDemo();
const first = await run(plan, { store, context });
const results = summarise(plan, store, UNUSED);

function cellOf(benchmark: string, treatment: string): CellResult {
  const cell = results.cells.find((each) => each.benchmark === benchmark && each.treatment === treatment);
  assert(cell, `there is a cell ${benchmark}, ${treatment}`);
  return cell;
}

function metricOf(topic: string, treatment: string, name = "exact_match"): MetricResult {
  const found = cellOf(topic, treatment).metrics.find(({ metric }) => metric.name === name);
  assert(found, `${topic} under ${treatment} has ${name}`);
  return found;
}

function differenceOf(topic: string, treatment: string) {
  const { difference } = metricOf(topic, treatment);
  assert(difference, `${topic} under ${treatment} has a difference`);
  return difference;
}

Deno.test("the demo's shares of right and of valid answers are those of transformers under every treatment", () => {
  for (const benchmark of BENCHMARKS) {
    for (const treatment of TREATMENTS) {
      const wanted = golden[benchmark]?.[treatment];
      // No item is near a tie that rounding could turn, so equality is right.
      assert(wanted && wanted.margin > MARGIN, `${benchmark} under ${treatment}: ${wanted?.margin}`);
      const given = ["exact_match", "valid"].map((name) =>
        metricOf(benchmark, treatment, name).estimate.value
      );
      assertEquals(given, [wanted.exact_match, wanted.valid], `${benchmark} under ${treatment}`);
    }
  }
});

Deno.test("silencing the food neurons makes food fall far", () => {
  // 30 points: under half of what was planted, and out of reach of the 32 questions' own noise.
  assert(differenceOf("food", "food silenced").high < -0.3);
});

Deno.test("random units of the same taps leave food as it was", () => {
  const control = cellOf("food", "food silenced").controls.find(({ control }) => control === "random");
  const change = control?.metrics.exact_match?.difference;
  assert(change?.sets === 39 && change.min <= change.max, "each set was run with its own units");
  assert(Math.abs(change.mean) <= 0.1, `${change.mean}`);
});

Deno.test("nothing else falls with the food neurons, silenced or halved", () => {
  for (const benchmark of OTHERS) {
    for (const treatment of ["food silenced", "food halved"]) {
      const { low, high } = differenceOf(benchmark, treatment);
      assert(low <= 0 && high >= 0, `${benchmark} under ${treatment}: [${low}, ${high}]`);
    }
  }
});

Deno.test("validity and ability sum to every change", () => {
  for (const benchmark of BENCHMARKS) {
    for (const treatment of ["food silenced", "food halved"]) {
      const { difference, parts } = metricOf(benchmark, treatment);
      assertEquals(Object.keys(parts ?? {}).sort(), ["ability", "validity"]);
      const sum = parts!.ability!.value + parts!.validity!.value;
      assertAlmostEquals(sum, difference!.value, ROUNDING, `${benchmark} under ${treatment}`);
    }
  }
  assert(metricOf("food", "food silenced").parts!.ability!.high < -0.2);
});

Deno.test("a second run over the same store computes no cell and gives the same results", async () => {
  const cells = first.computedCells;
  assert(cells > 150 && cells <= plan.cells.length && first.reusedCells === 0, `${cells}`);
  const again = await planDemo();
  const { computedCells, reusedCells, tokens } = await run(again, { store, context });
  assertEquals([computedCells, reusedCells, tokens], [0, cells, 0]);
  assertEquals(summarise(again, store, UNUSED), results);
});
