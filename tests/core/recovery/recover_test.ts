/** The frame on the fables model, whose facts are written into named neurons: 24 countries, two neurons a country's food. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { computeScores } from "../../../core/scoring.ts";
import { loadBenchmark, requestsOf } from "../../../core/plan_benchmarks.ts";
import { recover, type Recovery, recoveryTable } from "../../../core/recovery/mod.ts";
import { scoreTarget } from "../../../core/recovery/score.ts";
import { findWorlds, unitName } from "../../../core/recovery/truth.ts";
import { loadRegistry } from "../../../core/registry.ts";
import { UserError } from "../../../core/error.ts";
import { testContext } from "../../support.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const PARAMS = { sites: ["mlp.gate"], objective: "cloze", pool: "sum" };
const registry = await loadRegistry(ROOT);

interface StoredFact {
  readonly topic: string;
  readonly subject: string;
  readonly units: readonly { readonly tap: string; readonly index: number }[];
}
const FACTS: readonly StoredFact[] =
  JSON.parse(Deno.readTextFileSync(`${ROOT}fixtures/fables/units.json`)).facts;

/** A folder of one world: the fables' model, its data and this truth. */
function worldOf(kind: string, units: Readonly<Record<string, unknown>>): string {
  const root = Deno.makeTempDirSync();
  Deno.mkdirSync(`${root}/seed-0/${kind}`, { recursive: true });
  Deno.mkdirSync(`${root}/seed-0/data`);
  Deno.copyFileSync(`${ROOT}fixtures/fables/data/fables_food.jsonl`, `${root}/seed-0/data/fables_food.jsonl`);
  const items = { use: "fables", params: { topic: "food", part: "localise" } };
  const target = { name: "food", groupBy: "subject", sets: { items }, units };
  const model = { use: "onnx", params: { path: `${ROOT}fixtures/fables` } };
  Deno.writeTextFileSync(
    `${root}/seed-0/${kind}/truth.json`,
    JSON.stringify({ kind, seed: 0, model, targets: [target] }),
  );
  return root;
}

const PLANTED = Object.fromEntries(
  FACTS.filter(({ topic }) => topic === "food").map(({ subject, units }) => [subject, units]),
);

function recovered(name: string, worlds: string, params: unknown = {}): Promise<readonly Recovery[]> {
  return recover({ name, params, registry, worlds, seed: 0, context: testContext(), print: () => {} });
}

Deno.test("recover() finds the fables' food neurons by gradient_product, and none by chance", async () => {
  const worlds = worldOf("planted", PLANTED);
  const found = await recovered("gradient_product", worlds, PARAMS);
  assertEquals(found.length, 24);
  assert(found.every(({ planted, pool }) => planted === 2 && pool === 4 * 256));
  const mean = (value: (each: Recovery) => number) =>
    found.reduce((sum, each) => sum + value(each), 0) / found.length;
  // One fact in eight is stored weakly, by less than the noise of the weights.
  assert(mean((each) => each.auroc!) > 0.95);
  assert(mean((each) => each.precisionAtPlanted!) > 0.8);
  const [chance, ...rest] = await recovered("random", worlds, { sites: ["mlp.gate"] });
  assertEquals(rest, []);
  assertEquals([chance!.group, chance!.planted, chance!.called], ["all", 48, 0]);
  // Four of Hanley and McNeil's errors at 48 of 1,024.
  assert(Math.abs(chance!.auroc! - 0.5) < 4 * 0.0425);
  const table = recoveryTable([...found, chance!]);
  assertEquals(table.length, 2);
  assert(table.every((line) => line.length <= 120));
});

Deno.test("recover() says of a world without planted units how many are called", async () => {
  const found = await recovered("gradient_product", worldOf("empty", {}), PARAMS);
  assert(
    found.every(({ planted, auroc, precision, recall }) =>
      planted === 0 && [auroc, precision, recall].every((each) => each === undefined)
    ),
  );
  assert(recoveryTable(found).at(-1)!.startsWith("Where nothing is planted: "));
});

Deno.test("scoreTarget() gives the scores that the scorer gives for the groups, from questions taken one by one", async () => {
  const [world] = findWorlds(worldOf("planted", PLANTED)), target = world!.targets[0]!;
  const context = testContext(), scorer = registry.scorers.get("gradient_product")!;
  await using model = await (await registry.backends.get("onnx")!.load())
    .open({ path: `${ROOT}fixtures/fables` }, { taps: [] }, context);
  const data = `${world!.folder}/../data`, params = scorer.params.parse(PARAMS);
  const { groups, units, observed, shuffled } = await scoreTarget(target, {
    scorer,
    params,
    registry,
    model,
    data,
    shuffles: 3,
    seed: 0,
    signal: context.signal,
  });
  const benchmark = registry.benchmarks.get("fables")!,
    evaluator = registry.evaluators.get("multiple_choice")!;
  const planned = loadBenchmark(benchmark, benchmark.params.parse(target.sets.items!.params), {
    label: "fables",
    evaluator,
    folder: data,
    limit: undefined,
  });
  const requests = requestsOf(planned, model);
  const items = planned.items.map((item, i) => ({
    id: item.id,
    group: item.clusters.subject!,
    prompt: requests[i]!.prompt,
    continuations: requests[i]!.continuations,
    gold: evaluator.gold?.(item),
  }));
  const input = { params, model, seed: 0, items: { items } };
  const { scores } = await computeScores(scorer, input, { model, signal: context.signal });
  assertEquals(groups, [...scores.keys()].sort());
  groups.forEach((group, g) =>
    units.forEach(({ tap, index }, k) => {
      const direct = scores.get(group)!.get(tap)![index]!;
      // Sums of the same float64 values in another order.
      assertAlmostEquals(observed[g]![k]!, direct, 1e-12 + 1e-12 * Math.abs(direct));
    })
  );
  // A country has one question about food, so dealing countries anew deals whole lists.
  for (const lists of shuffled) {
    assertEquals(lists.map((list) => list[0]!).sort(), observed.map((list) => list[0]!).sort());
    assert(lists.some((list, g) => list[0] !== observed[g]![0]));
  }
});

Deno.test("recover() refuses what it cannot do before any computing", async () => {
  const refusal = async (name: string, worlds: string) =>
    (await assertRejects(() => recovered(name, worlds), UserError) as UserError).message;
  const empty = Deno.makeTempDirSync(), planted = worldOf("planted", PLANTED);
  assertEquals(
    await refusal("random", empty),
    `Cannot calibrate on ${empty}: no truth.json is below it, wanted a folder of worlds`,
  );
  assertEquals(
    await refusal("activation_contrast", planted),
    'Cannot calibrate activation_contrast: it needs a set "positive", wanted one of items as the target food has them',
  );
  assert((await refusal("gradient_prodct", planted)).includes('did you mean "gradient_product"'));
});

Deno.test("unitName() is the same for gate, up and act of a neuron", () => {
  const names = (["layers.1.mlp.gate", "layers.1.mlp.up", "layers.1.mlp.act"] as const)
    .map((tap) => unitName({ tap, index: 3 }));
  assertEquals(new Set(names).size, 1);
  assert(unitName({ tap: "layers.1.mlp.out", index: 3 }) !== names[0]);
  assert(unitName({ tap: "layers.11.mlp.gate", index: 3 }) !== names[0]);
});
