/** scored.json from its matrix to its results on the real backend: a scorer finds what was planted in the model's weights. */
import { assert, assertEquals } from "@std/assert";
import { parseMatrix } from "../../core/matrix.ts";
import type { MetricResult, Results, Unit } from "../../core/mod.ts";
import { planRun } from "../../core/plan.ts";
import { loadRegistry } from "../../core/registry.ts";
import { exportRun } from "../../core/report/export.ts";
import { gridsOf } from "../../core/report/grid.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/mod.ts";
import { summarise } from "../../core/summary.ts";
import { parseUnitsFile } from "../../core/units.ts";
import { testContext, UNUSED } from "../support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const MATRIX = `${ROOT}benchmarks/matrices/scored.json`;
const lines: string[] = [];
const context = testContext({ log: (line) => lines.push(line) });
const store = createMemoryStore();

async function planScored(change: Record<string, unknown> = {}) {
  const matrix = { ...JSON.parse(Deno.readTextFileSync(MATRIX)), ...change };
  return await planRun(parseMatrix(JSON.stringify(matrix), MATRIX), {
    registry: await loadRegistry(ROOT),
    context,
    path: MATRIX,
    engine: { plumbline: "0.0.0", deno: "0.0.0", runtime: "onnxruntime-node" },
  });
}

// Computed once: each test looks at another side of it.
const plan = await planScored();
await run(plan, { store, context });
const results = summarise(plan, store, UNUSED);

function cellOf(benchmark: string, treatment = "food found", { cells }: Results = results) {
  const cell = cells.find((each) => each.benchmark === benchmark && each.treatment === treatment);
  assert(cell, `there is a cell ${benchmark}, ${treatment}`);
  return cell;
}

function exactMatch({ metrics }: { readonly metrics: readonly MetricResult[] }): MetricResult {
  const found = metrics.find(({ metric }) => metric.name === "exact_match");
  assert(found);
  return found;
}

function planted(topic: string): Set<string> {
  const path = `${ROOT}fixtures/fables/units_${topic}.json`;
  return new Set(parseUnitsFile(Deno.readTextFileSync(path), path).map(nameOf));
}

const nameOf = ({ tap, index }: Unit) => `${tap} ${index}`;
const [found] = results.treatments.flatMap((treatment) => treatment.found ?? []);
const names = found?.units.flatMap(({ tap, units }) => units.map((index) => nameOf({ tap, index }))) ?? [];

Deno.test("the scorer finds most of the units that were planted for food, and none of another topic's", () => {
  assertEquals([found?.selected, found?.pool, names.length], [48, 1024, 48]);
  const food = planted("food");
  const hits = names.filter((name) => food.has(name)).length;
  // By chance it would be 48 * 48 / 1024, about 2; three quarters are beyond doubt, and about one fact in eight is stored weakly.
  assert(hits >= 36, `${hits} of 48`);
  for (const topic of ["work", "sport", "festival", "opposites"]) {
    const others = planted(topic);
    assertEquals(names.filter((name) => others.has(name)), [], topic);
  }
});

Deno.test("silencing what was found makes food fall as the planted units do, and nothing else", () => {
  const change = exactMatch(cellOf("fables_food")).difference;
  const whole = exactMatch(cellOf("fables_food", "food planted")).difference;
  assert(change && whole);
  assert(change.high < -0.3, "as for the planted units in the demo");
  assert(whole.low <= change.value && change.value <= whole.high);
  for (const other of ["fables_work", "opposites"]) {
    const { low, high } = exactMatch(cellOf(other)).difference!;
    assert(low <= 0 && high >= 0, `${other}: [${low}, ${high}]`);
  }
});

Deno.test("as many random units, of the same taps or of any, leave food as it was", () => {
  const { controls } = cellOf("fables_food");
  assertEquals(controls.map(({ control, keys }) => [control, keys.length]), [
    ["random (tap)", 39],
    ["random (uniform)", 10],
    ["important", 1],
    ["otherTask", 1],
    ["matchedDamage", 5],
    ["identity", 1],
  ]);
  for (const { metrics } of controls.slice(0, 2)) {
    const { mean, min, max } = metrics.exact_match!.difference;
    assert(Math.abs(mean) <= 0.05 && min < max, `${mean}, ${min} to ${max}`);
  }
});

/** Change of exact match under a control with one set. */
function changeUnder(control: string, benchmark: string): number {
  const { controls } = cellOf(benchmark);
  return controls.find((each) => each.control === control)!.metrics.exact_match!.difference.mean;
}

function unitsOf(arm: string): string[] {
  const { edits } = results.treatments.find(({ name }) => name === "food found")!.arms
    .find((each) => each.arm === arm)!;
  return edits.flatMap(({ tap, units }) => units.map((index) => nameOf({ tap, index })));
}

Deno.test("the control by another task silences that task as the treatment does food, and leaves food as it was", () => {
  const work = planted("work"), units = unitsOf("otherTask");
  const hits = units.filter((name) => work.has(name)).length;
  // As for food; the counts of each layer are the treatment's, which may be some short of what was planted there.
  assert(units.length === 48 && hits >= 36, `${hits} of ${units.length}`);
  assert(changeUnder("otherTask", "fables_work") < -0.3);
  assert(Math.abs(changeUnder("otherTask", "fables_food")) <= 0.05);
});

Deno.test("scored controls have as many units of each tap as the treatment, and none of its own", () => {
  const perTap = (units: readonly string[]) =>
    [...Map.groupBy(units, (name) => name.split(" ")[0])].map(([tap, { length }]) => `${tap}: ${length}`);
  for (const control of ["important", "otherTask"]) {
    const units = unitsOf(control);
    assertEquals(perTap(units), perTap(unitsOf("treated")));
    assertEquals(units.filter((name) => names.includes(name)), []);
  }
});

Deno.test("the identity control edits the treated units and leaves every outcome as it was, to the bit", () => {
  assertEquals(unitsOf("identity"), unitsOf("treated"));
  for (const benchmark of ["fables_food", "fables_work", "opposites"]) {
    const [key] = cellOf(benchmark).controls.find(({ control }) => control === "identity")!.keys;
    const outcomes = store.outcomes(key!);
    assertEquals(outcomes.size, 48);
    assertEquals(outcomes, store.outcomes(cellOf(benchmark, "untouched").key));
  }
});

Deno.test("sets of matched damage have units of their own, none of the treatment's, and cost about as much", () => {
  const [grown] = results.treatments.find(({ name }) => name === "food found")!.grown!;
  assertEquals([grown!.control, grown!.metric, grown!.sets.length], ["matchedDamage", "gold_logprob", 5]);
  for (const [i, { units, cost }] of grown!.sets.entries()) {
    const drawn = unitsOf(`matchedDamage ${i + 1}`);
    assertEquals([drawn.length, new Set(drawn).size], [units, units]);
    assert(units >= 1 && !drawn.some((name) => names.includes(name)));
    // The treatment costs 0.005 nats here, and single units of this small model more than that.
    assert(Math.abs(cost - grown!.wanted) <= 0.05, `${cost} for ${grown!.wanted}`);
  }
});

Deno.test("curves begin at no change, meet the treatment at its own dose, and have the area of their points", () => {
  const { curve, key } = cellOf("fables_food");
  assertEquals(curve!.points.map(({ dose }) => dose), [12, 24, 48, 96]);
  assertEquals(curve!.points[2]!.key, key);
  assertEquals(curve!.points[2]!.change.value, exactMatch(cellOf("fables_food")).difference!.value);
  const heights = [0, ...curve!.points.map(({ change }) => change.value)], doses = [0, 12, 24, 48, 96];
  const area =
    heights.slice(1).reduce((sum, y, i) => sum + (y + heights[i]!) / 2 * (doses[i + 1]! - doses[i]!), 0) / 96;
  assert(Math.abs(curve!.area.value - area) < 1e-12, `${curve!.area.value}, ${area}`);
  assert(curve!.area.high < 0 && curve!.sets!.p <= 2 / 11, "food falls more than under any random set");

  const strength = cellOf("fables_food", "food planted").curve!;
  assertEquals(strength.points.map(({ dose }) => dose), [0.25, 0.5, 1]);
  assertEquals(strength.points[2]!.key, cellOf("fables_food", "food planted").key);
  const arms = results.treatments.find(({ name }) => name === "food planted")!.arms;
  const half = arms.find(({ arm }) => arm === "strength 0.5")!;
  assertEquals([...new Set(half.edits.map(({ op, value }) => `${op} ${value}`))], ["scale 0.5"]);
});

Deno.test("the table has a column for each control by its name", () => {
  const [grid] = gridsOf(results);
  assertEquals(grid!.columns.filter((column) => column.startsWith("food found: ")), [
    "food found: random (tap), up to 39 sets",
    "food found: random (uniform), 10 sets",
    "food found: important",
    "food found: otherTask",
    "food found: matchedDamage, 5 sets",
    "food found: identity",
  ]);
  const shown = grid!.rows[0]!.cells[grid!.columns.indexOf("food found: identity")]!;
  assertEquals(shown.lines, ["89.6", "diff +0.0"], "one set has no range");
});

Deno.test("what is reported on is no item that units were found by, but asks the same in other words", () => {
  assertEquals(lines, []);
  const { meetings, unknown } = results.provenance!;
  const met = { treatment: "food found", items: 48, exact: 0, near: 0, question: 48, examples: [] };
  assertEquals(meetings, [
    { ...met, benchmark: "fables_food" },
    { ...met, control: "otherTask", benchmark: "fables_work" },
    { ...met, control: "important", benchmark: "opposites" },
  ]);
  assertEquals(unknown, []);
});

Deno.test("the units file gives the same outcomes when another matrix takes it", async () => {
  const folder = await Deno.makeTempDir();
  try {
    store.saveRun(results);
    const target = await exportRun(store, results.id, folder);
    const units = `${target}/units_food-found.json`;
    const treatments = [
      { name: "food given", steps: [{ edit: { use: "suppress", units } }], controls: [] },
    ];
    const given = await planScored({ treatments });
    await run(given, { store, context });
    for (const benchmark of ["fables_food", "fables_work", "opposites"]) {
      const one = store.outcomes(cellOf(benchmark).key);
      const other = store.outcomes(cellOf(benchmark, "food given", summarise(given, store, UNUSED)).key);
      assertEquals(other, one);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a second run over the same store scores nothing, computes no cell and gives the same results", async () => {
  const again = await planScored();
  const { computedCells, tokens } = await run(again, { store, context });
  assertEquals([computedCells, tokens], [0, 0]);
  assertEquals(summarise(again, store, UNUSED), results);
});
