/** The frame on the fables model, whose facts are written into named neurons: 24 countries, two neurons a country's food. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { claim } from "../../../core/recovery/claims.ts";
import { recover, type Recovery } from "../../../core/recovery/mod.ts";
import { claimLines, recoveryTable, wantedLines } from "../../../core/recovery/table.ts";
import { findWorlds, unitName } from "../../../core/recovery/truth.ts";
import { loadRegistry, type Registry } from "../../../core/registry.ts";
import { UserError } from "../../../core/error.ts";
import type { Scorer } from "../../../core/mod.ts";
import { ENGINE } from "../../fake_plan.ts";
import { testContext } from "../../support.ts";

const ROOT = new URL("../../../", import.meta.url).pathname;
const PARAMS = { sites: ["mlp.gate"], objective: "cloze", pool: "sum" };
const all = await loadRegistry(ROOT);
const gradientProduct = all.scorers.get("gradient_product")!;
/** The same scorer with a rule of its own: two a group, 48 in all. */
const ruled: Scorer = {
  ...gradientProduct,
  name: "ruled",
  selection: (_, group) => [group === undefined ? { top: 48 } : { top: 2, group }],
};
const registry: Registry = { ...all, scorers: new Map([...all.scorers, [ruled.name, ruled]]) };

interface StoredFact {
  readonly topic: string;
  readonly subject: string;
  readonly units: readonly { readonly tap: string; readonly index: number }[];
}
const FACTS: readonly StoredFact[] =
  JSON.parse(Deno.readTextFileSync(`${ROOT}fixtures/fables/units.json`)).facts;

interface More {
  readonly decoys?: Readonly<Record<string, unknown>>;
  readonly control?: boolean;
}

/** A folder of one world: the fables' model, its data and this truth. */
function worldOf(kind: string, units: Readonly<Record<string, unknown>>, more: More = {}): string {
  const { decoys = {}, control = false } = more, root = Deno.makeTempDirSync();
  Deno.mkdirSync(`${root}/seed-0/${kind}`, { recursive: true });
  Deno.mkdirSync(`${root}/seed-0/data`);
  for (const topic of ["food", "work"]) {
    const file = `data/fables_${topic}.jsonl`;
    Deno.copyFileSync(`${ROOT}fixtures/fables/${file}`, `${root}/seed-0/${file}`);
  }
  const of = (topic: string) => ({ use: "fables", params: { topic, part: "localise" } });
  const sets = { items: of("food"), ...control && { control: of("work") } };
  const target = { name: "food", groupBy: "subject", sets, units, decoys };
  const model = { use: "onnx", params: { path: `${ROOT}fixtures/fables` } };
  Deno.writeTextFileSync(
    `${root}/seed-0/${kind}/truth.json`,
    JSON.stringify({ kind, seed: 0, model, targets: [target] }),
  );
  return root;
}

const unitsOf = (topic: string) =>
  Object.fromEntries(
    FACTS.filter((fact) => fact.topic === topic).map(({ subject, units }) => [subject, units]),
  );
const PLANTED = unitsOf("food");

function recovered(name: string, worlds: string, params: unknown = {}): Promise<readonly Recovery[]> {
  return recover({ name, params, registry, worlds, seed: 0, context: testContext(), print: () => {} });
}

const mean = (found: readonly Recovery[], value: (each: Recovery) => number | undefined) =>
  found.reduce((sum, each) => sum + value(each)!, 0) / found.length;

Deno.test("recover() finds the fables' food neurons by gradient_product, and no more than chance by random", async () => {
  const worlds = worldOf("planted", PLANTED);
  const found = await recovered("gradient_product", worlds, PARAMS);
  assertEquals(found.length, 24);
  assert(found.every(({ planted, pool, own }) => planted === 2 && pool === 4 * 256 && own === undefined));
  // One fact in eight is stored weakly, by less than the noise of the weights.
  assert(mean(found, (each) => each.auroc) > 0.95);
  assert(mean(found, (each) => each.atPlanted!.precision) > 0.8);
  assert(found.every(({ atPlanted }) => atPlanted!.precision === atPlanted!.recall));
  const [chance, ...rest] = await recovered("random", worlds, { sites: ["mlp.gate"] });
  assertEquals(rest, []);
  assertEquals([chance!.group, chance!.planted], ["all", 48]);
  // Four of Hanley and McNeil's errors at 48 of 1,024.
  assert(Math.abs(chance!.auroc! - 0.5) < 4 * 0.0425);
  const table = recoveryTable([...found, chance!]);
  assertEquals(table.length, 3);
  assert(table.every((line) => line.length <= 120));
});

Deno.test("recover() takes a scorer's own rule for each group and for all, and leaves optional sets out beside decoys", async () => {
  const found = await recovered(
    "ruled",
    worldOf("decoy", PLANTED, { decoys: unitsOf("work"), control: true }),
    PARAMS,
  );
  assertEquals(found.length, 2 * 25);
  const by = (leftOut: string, isAll: boolean) =>
    found.filter((each) => each.leftOut.join() === leftOut && (each.group === undefined) === isAll);
  for (const leftOut of ["", "control"]) {
    const groups = by(leftOut, false), [together] = by(leftOut, true);
    assertEquals(groups.length, 24);
    // The rule takes as many as are planted, so that both ways of selecting are one.
    for (const { own, atPlanted } of [...groups, together!]) assertEquals(own, atPlanted);
    assertEquals([together!.planted, together!.own!.selected], [48, 48]);
    assert(together!.own!.precision! > 0.8);
  }
  assert(by("", true)[0]!.auroc !== by("control", true)[0]!.auroc);
  assertEquals(recoveryTable(found).map((line) => line.slice(0, 48).trim().split(/\s+/)).slice(2), [
    ["decoy", "food", "each", "24"],
    ["decoy", "food", "all", "1"],
    ["decoy", "food", "each", "control", "24"],
    ["decoy", "food", "all", "control", "1"],
  ]);
});

Deno.test("recover() says of a world without planted units that all is false that a rule selects", async () => {
  const found = await recovered("ruled", worldOf("empty", {}), PARAMS);
  assert(
    found.every(({ planted, auroc, atPlanted, own }) =>
      planted === 0 && auroc === undefined && atPlanted === undefined && own!.precision === 0 &&
      own!.recall === undefined
    ),
  );
  assertEquals(
    recoveryTable(found).at(-2),
    "Where nothing is planted: 48 units selected for 24 groups, all of them false. A share is always",
  );
});

const MATRIX = {
  version: 1,
  models: [{ use: "onnx", params: { path: "." } }],
  benchmarks: [
    { use: "fables", name: "food", params: { topic: "food", part: "report" } },
    { use: "fables", name: "work", params: { topic: "work", part: "report" } },
  ],
  treatments: [{
    name: "silenced",
    steps: [{ edit: { use: "suppress", units: [{ tap: "layers.1.mlp.gate", units: [0] }] } }],
    controls: [{ use: "random", match: "tap", sets: 39, stopAt: 2 }],
  }],
  hypotheses: [
    {
      name: "food falls further than work",
      treatment: "silenced",
      benchmark: "food",
      beyond: "work",
      direction: "less",
    },
    {
      name: "food falls further than under random units",
      treatment: "silenced",
      control: "random",
      benchmark: "food",
      direction: "less",
    },
  ],
};

function claimed(name: string, worlds: string, matrix: unknown = MATRIX) {
  return claim({
    name,
    params: PARAMS,
    registry,
    worlds,
    context: testContext(),
    print: () => {},
    path: `${ROOT}claim.json`,
    text: JSON.stringify(matrix),
    engine: ENGINE,
  });
}

Deno.test("claim() silences what the scorer's rule selects and makes the claim where every primary hypothesis holds", async () => {
  const worlds = worldOf("planted", PLANTED), [made, ...rest] = await claimed("ruled", worlds);
  assertEquals(rest, []);
  assertEquals([made!.kind, made!.isPlanted, made!.units, made!.isMade], ["planted", true, 48, true]);
  const [food, work] = made!.changes;
  // The fables lose 50 points and more of food without its units (fixtures/README.md), work next to none.
  assert(food!.difference.value < -0.5 && work!.difference.value > -0.1);
  assert(food!.controls[0]!.change.mean > -0.1);
  const [loud] = await claimed("ruled", worlds, {
    ...MATRIX,
    // Work stays, so that it does not fall further than food: one of three does not hold.
    hypotheses: [...MATRIX.hypotheses, {
      name: "work falls further than food",
      treatment: "silenced",
      benchmark: "work",
      beyond: "food",
      direction: "less",
    }],
  });
  assertEquals(loud!.isMade, false);
  assertEquals(await claimed("gradient_product", worlds), []);
  const lines = claimLines([made!, { ...loud!, seed: 1 }]);
  assertEquals(lines.at(-1), "planted: the claim is made in 1 of 2 seeds");
  assertEquals(lines.filter((line) => line.endsWith(": 48 units silenced")).length, 2);
});

Deno.test("wantedLines() asks for precision and recall where units are planted, and for no claim where none are", async () => {
  const worlds = worldOf("planted", PLANTED);
  const found = await recovered("ruled", worlds, PARAMS), [made] = await claimed("ruled", worlds);
  const reached = wantedLines(found, [made!]);
  assertEquals([reached.lines.length, reached.isReached], [2, true]);
  const empty = Array.from(
    { length: 40 },
    (_, seed) => ({ ...made!, kind: "empty", seed, isPlanted: false }),
  );
  const few = empty.map((each, i) => ({ ...each, isMade: i < 2 }));
  assertEquals(
    wantedLines(found, few).lines.at(-1)!.slice(0, 46),
    "reached  empty: the claim is made in 2 of 40 s",
  );
  const many = wantedLines(found, empty.map((each, i) => ({ ...each, isMade: i < 3 })));
  assertEquals(many.isReached, false);
  assert(many.lines.at(-1)!.startsWith("MISSED   empty: the claim is made in 3 of 40 seeds"));
  const poor = found.map((each) => ({ ...each, atPlanted: { ...each.atPlanted!, recall: 0.79 } }));
  assert(wantedLines(poor, []).lines.every((line) => line.startsWith("MISSED")));
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

Deno.test("claim() refuses a file whose first hypothesis is about no target, and one without a treatment that edits", async () => {
  const worlds = worldOf("planted", PLANTED), [world] = findWorlds(worlds);
  const refusal = async (matrix: unknown) =>
    (await assertRejects(() => claimed("ruled", worlds, matrix), UserError) as UserError).message;
  const about = MATRIX.hypotheses.map((each) => ({ ...each, benchmark: "work", beyond: undefined }));
  assertEquals(
    await refusal({ ...MATRIX, hypotheses: about }),
    `Cannot make the claim of ${ROOT}claim.json on ${
      world!.folder
    }: its first hypothesis is about work, wanted one of food`,
  );
  assertEquals(
    await refusal({ ...MATRIX, treatments: [] }),
    `Cannot make the claim of ${ROOT}claim.json: it has 0 treatments, wanted one with an edit`,
  );
});

Deno.test("unitName() is the same for gate, up and act of a neuron", () => {
  const names = (["layers.1.mlp.gate", "layers.1.mlp.up", "layers.1.mlp.act"] as const)
    .map((tap) => unitName({ tap, index: 3 }));
  assertEquals(new Set(names).size, 1);
  assert(unitName({ tap: "layers.1.mlp.out", index: 3 }) !== names[0]);
  assert(unitName({ tap: "layers.11.mlp.gate", index: 3 }) !== names[0]);
});
