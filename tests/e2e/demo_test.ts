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
const TREATMENTS = ["untouched", "food silenced", "food doubled"] as const;
const OTHERS = ["work", "sport", "festival", "opposites"] as const;
const TOPICS = ["food", ...OTHERS] as const;

interface Figures {
  readonly exact_match: number;
  readonly valid: number;
  /** Smallest distance, over the items, of the two highest logits. */
  readonly margin: number;
}

/** Made with transformers. */
const golden: Readonly<Record<string, Readonly<Record<string, Figures>>>> =
  JSON.parse(Deno.readTextFileSync(`${ROOT}tests/goldens/demo.json`)).topics;

/** Two programs in float32 may each be off by 2e-3 on a logit (goldens/README.md); two that are further apart than both keep their order. */
const MARGIN = 4e-3;
/** What double arithmetic may lose in a mean of 96 values of at most 1. */
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

function cellOf(topic: string, treatment: string): CellResult {
  const benchmark = topic === "opposites" ? topic : `fables_${topic}`;
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
  for (const topic of TOPICS) {
    for (const treatment of TREATMENTS) {
      const wanted = golden[topic]?.[treatment];
      // No item is near a tie that rounding could turn, so equality is right; the smallest gap is 9.3e-3.
      assert(wanted && wanted.margin > MARGIN, `${topic} under ${treatment}`);
      const given = ["exact_match", "valid"].map((name) => metricOf(topic, treatment, name).estimate.value);
      assertEquals(given, [wanted.exact_match, wanted.valid], `${topic} under ${treatment}`);
    }
  }
});

Deno.test("silencing the food neurons makes food fall far, and doubling them makes answers rise and none fall", () => {
  // 30 points: under half of what was planted, and out of reach of the 24 questions' own noise.
  assert(differenceOf("food", "food silenced").high < -0.3);
  // Only a few questions were wrong before, so the interval over questions leaves open whether others would rise.
  const { rose, fell, low } = differenceOf("food", "food doubled");
  assert(rose >= 5 && fell === 0 && low > -0.02, `${rose} rose, ${fell} fell, ${low}`);
});

Deno.test("random units of the same taps leave food as it was", () => {
  const control = cellOf("food", "food silenced").controls.find(({ control }) => control === "random");
  const change = control?.metrics.exact_match?.difference;
  assert(change?.sets === 39 && change.min < change.max, "each set was run with its own units");
  assert(Math.abs(change.mean) <= 0.05, `${change.mean}`);
});

Deno.test("no other topic falls with the food neurons, silenced or doubled", () => {
  for (const topic of OTHERS) {
    for (const treatment of ["food silenced", "food doubled"]) {
      const { low, high } = differenceOf(topic, treatment);
      assert(low <= 0 && high >= 0, `${topic} under ${treatment}: [${low}, ${high}]`);
    }
  }
});

Deno.test("food's fall is one of ability, and validity and ability sum to it", () => {
  for (const topic of TOPICS) {
    for (const treatment of ["food silenced", "food doubled"]) {
      const { difference, parts } = metricOf(topic, treatment);
      assertEquals(Object.keys(parts ?? {}).sort(), ["ability", "validity"]);
      const sum = parts!.ability!.value + parts!.validity!.value;
      assertAlmostEquals(sum, difference!.value, ROUNDING, `${topic} under ${treatment}`);
    }
  }
  const { ability, validity } = metricOf("food", "food silenced").parts!;
  assert(ability!.high < -0.3 && validity!.low > -0.1);
});

Deno.test("a second run over the same store computes no cell and gives the same results", async () => {
  const cells = first.computedCells;
  assert(cells > 150 && cells <= plan.cells.length && first.reusedCells === 0, `${cells}`);
  const again = await planDemo();
  const { computedCells, reusedCells, tokens } = await run(again, { store, context });
  assertEquals([computedCells, reusedCells, tokens], [0, cells, 0]);
  assertEquals(summarise(again, store, UNUSED), results);
});
