/** The demo from its matrix to its results on the real backend: what was planted in the model's weights is what comes out. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { parseMatrix } from "../../core/matrix.ts";
import { type CellResult, type MetricResult, sha256 } from "../../core/mod.ts";
import { planRun } from "../../core/plan.ts";
import { loadRegistry } from "../../core/registry.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/mod.ts";
import { summarise } from "../../core/summary.ts";
import { testContext, UNUSED } from "../support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const MATRIX = `${ROOT}benchmarks/matrices/demo.json`;
const TREATMENTS = ["untouched", "food silenced", "food halved"] as const;
const OTHERS = ["work", "festival", "towns_food", "language"] as const;
const BENCHMARKS = ["food", ...OTHERS] as const;

interface Figures {
  readonly exact_match: number;
  readonly valid: number;
  /** Smallest distance, over the items, of the two highest logits. */
  readonly margin: number;
  /** Items where that distance is below 4e-3: two programs in float32 may each be off by 2e-3 on a logit (goldens/README.md). */
  readonly near: number;
}

/** Made with transformers. */
const golden: {
  readonly model_sha256: string;
  readonly benchmarks: Readonly<Record<string, Readonly<Record<string, Figures>>>>;
} = JSON.parse(Deno.readTextFileSync(`${ROOT}tests/goldens/demo.json`));

/** What double arithmetic may lose in a mean of some hundred values of at most 1. */
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

function metricOf(benchmark: string, treatment: string, name = "exact_match"): MetricResult {
  const found = cellOf(benchmark, treatment).metrics.find(({ metric }) => metric.name === name);
  assert(found, `${benchmark} under ${treatment} has ${name}`);
  return found;
}

function differenceOf(benchmark: string, treatment: string) {
  const { difference } = metricOf(benchmark, treatment);
  assert(difference, `${benchmark} under ${treatment} has a difference`);
  return difference;
}

Deno.test("the demo's shares of right and of valid answers are those of transformers under every treatment", () => {
  for (const benchmark of BENCHMARKS) {
    for (const treatment of TREATMENTS) {
      const wanted = golden.benchmarks[benchmark]?.[treatment];
      // An item near a tie may turn by rounding; all others are the same.
      assert(wanted && wanted.near <= 1, `${benchmark} under ${treatment}`);
      for (const name of ["exact_match", "valid"] as const) {
        const { value, n } = metricOf(benchmark, treatment, name).estimate;
        assertAlmostEquals(
          value,
          wanted[name],
          wanted.near / n + ROUNDING,
          `${benchmark} under ${treatment}`,
        );
      }
    }
  }
});

Deno.test("silencing the food neurons makes food fall far, and farther than halving them", () => {
  // 30 points: under half of what the world's truth.json says, and out of reach of the 32 questions' own noise.
  const silenced = differenceOf("food", "food silenced"), halved = differenceOf("food", "food halved");
  assert(silenced.high < -0.3);
  // What was wrong before may come right by chance: two items.
  assert(silenced.rose <= 2 && silenced.fell > 10 * silenced.rose, `${silenced.rose} rose`);
  assert(silenced.value < halved.value && halved.value <= 0);
});

Deno.test("the demo's model is the world that the goldens were made with", () => {
  const bytes = Deno.readFileSync(`${ROOT}fixtures/worlds/seed-0/planted/model.safetensors`);
  assertEquals(golden.model_sha256, sha256(bytes));
});

Deno.test("random units of the same taps, a tenth of them food's own, take little of it", () => {
  const control = cellOf("food", "food silenced").controls.find(({ control }) => control === "random");
  const change = control?.metrics.exact_match?.difference;
  assert(change?.sets === 39 && change.min < change.max, "each set was run with its own units");
  // 54 of the 512 neurons of the layer are food's, so that a draw silences a tenth of them on average.
  assert(change.mean > -0.15 && change.min > -0.3, `${change.mean}, ${change.min}`);
});

Deno.test("no other benchmark falls with the food neurons, silenced or halved", () => {
  for (const benchmark of OTHERS) {
    for (const treatment of ["food silenced", "food halved"]) {
      const { low, high } = differenceOf(benchmark, treatment);
      assert(low <= 0 && high >= 0, `${benchmark} under ${treatment}: [${low}, ${high}]`);
    }
  }
});

Deno.test("food's fall is one of ability, and validity and ability sum to it", () => {
  for (const benchmark of BENCHMARKS) {
    for (const treatment of ["food silenced", "food halved"]) {
      const { difference, parts } = metricOf(benchmark, treatment);
      assertEquals(Object.keys(parts ?? {}).sort(), ["ability", "validity"]);
      const sum = parts!.ability!.value + parts!.validity!.value;
      assertAlmostEquals(sum, difference!.value, ROUNDING, `${benchmark} under ${treatment}`);
    }
  }
  const { ability, validity } = metricOf("food", "food silenced").parts!;
  assert(ability!.high < -0.3 && Math.abs(validity!.value) < 0.05);
});

Deno.test("a second run over the same store computes no cell and gives the same results", async () => {
  const cells = first.computedCells;
  assert(cells > 150 && cells <= plan.cells.length && first.reusedCells === 0, `${cells}`);
  const again = await planDemo();
  const { computedCells, reusedCells, tokens } = await run(again, { store, context });
  assertEquals([computedCells, reusedCells, tokens], [0, cells, 0]);
  assertEquals(summarise(again, store, UNUSED), results);
});
