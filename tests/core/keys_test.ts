/**
 * What a key is made of, one ingredient at a time: the scored demo in a folder of its own is planned, one thing is changed, and it is planned
 * again with the real registry and backend. The cells (and scores of units) that the ingredient decides get other keys, all others keep
 * theirs, and a store that the first plan has filled gives nothing for a changed one.
 */
import { assert, assertEquals } from "@std/assert";
import { parseMatrix } from "../../core/matrix.ts";
import type { Json } from "../../core/mod.ts";
import { type Plan, type PlannedCell, planRun } from "../../core/plan.ts";
import { loadRegistry, type Registry } from "../../core/registry.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/mod.ts";
import type { RunStore } from "../../core/store/store.ts";
import { summarise } from "../../core/summary.ts";
import { testContext, UNUSED } from "../support.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const registry = await loadRegistry(ROOT);
const TEMPLATE = "{{ messages[0].content }}";
const UNITS = "demo/units_food.json", FOOD = "demo/data/fables_food.jsonl";

// deno-lint-ignore no-explicit-any -- a mutation writes into any place of a matrix
type Loose = any;

interface Setup {
  /** Holds the matrix and a copy of the demo. */
  readonly folder: string;
  matrix: Loose;
  registry: Registry;
  limit?: number;
  data?: string;
  tokenBudget: number;
  threads: number;
  engine: { plumbline: string; deno: string; runtime: string };
}

/** Three benchmarks; units that a scorer finds, under every kind of control; units that are given, silenced and doubled. */
function baseMatrix(): Loose {
  const matrix = JSON.parse(Deno.readTextFileSync(`${ROOT}benchmarks/matrices/scored.json`));
  const [found, planted] = matrix.treatments;
  const scored = (name: string, topic: string, params: Loose) => ({
    use: "scored",
    name,
    match: "tap",
    score: {
      use: "gradient_product",
      params: { sites: ["mlp.gate"], ...params },
      on: { items: { use: "fables", params: { topic, part: "localise" } } },
    },
  });
  found.controls = [
    { use: "random", match: "tap", sets: 2 },
    { use: "random", match: "uniform", sets: 2 },
    scored("important", "opposites", { objective: "crossEntropy", pool: "mean", absolute: true }),
    scored("otherTask", "work", { objective: "cloze", pool: "sum" }),
    { use: "identity" },
  ];
  delete found.curve;
  delete planted.curve;
  planted.steps[0].edit.units = UNITS;
  const doubled = {
    name: "food doubled",
    steps: [{ edit: { use: "scale", params: { value: 2 }, units: UNITS } }],
    controls: [{ use: "random", match: "tap", sets: 2 }, { use: "identity" }],
  };
  return {
    ...matrix,
    data: "demo/data",
    models: [{ use: "onnx", params: { path: "demo" } }],
    treatments: [found, planted, doubled],
  };
}

function setUp(): Setup & Disposable {
  const folder = Deno.makeTempDirSync({ prefix: "plumbline-keys-" });
  copyFolder(`${ROOT}fixtures/fables`, `${folder}/demo`);
  Deno.writeTextFileSync(`${folder}/demo/chat_template.jinja`, TEMPLATE);
  return {
    folder,
    matrix: baseMatrix(),
    registry,
    tokenBudget: 2048,
    threads: 2,
    engine: { plumbline: "1.0.0", deno: "2.0.0", runtime: "onnxruntime-node 1" },
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

function copyFolder(from: string, to: string): void {
  Deno.mkdirSync(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFolder(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

const contextOf = ({ folder, threads }: Setup) => testContext({ threads, cacheDir: `${folder}/cache` });

function planOf(setup: Setup): Promise<Plan> {
  const { folder, matrix, registry, limit, data, tokenBudget, engine } = setup,
    path = `${folder}/matrix.json`;
  const context = contextOf(setup);
  return planRun(parseMatrix(JSON.stringify(matrix), path), {
    registry,
    context,
    path,
    limit,
    data,
    tokenBudget,
    engine,
  });
}

/** Keys of the cells by place: places in lists, since labels may be what is changed. */
function cellKeys(plan: Plan): Map<string, string> {
  return new Map(plan.cells.map((cell) => [placeOf(cell, plan), cell.key]));
}

function placeOf({ benchmark, arm }: PlannedCell, plan: Plan): string {
  const treatment = plan.treatments.findIndex(({ name }) => name === arm.treatment);
  return `${TOPICS[plan.benchmarks.indexOf(benchmark)]} ${TREATMENTS[treatment + 1]} ${arm.arm}`;
}

const TOPICS = ["food", "work", "opposites"], TREATMENTS = ["untouched", "found", "planted", "doubled"];
/** The scores of units that the treatment and its scored controls select from, in the order of the matrix. */
const SCORES = ["score of found", "score of important", "score of otherTask"];

const scoreKeys = ({ models }: Plan) =>
  new Map(models[0]!.scores.map(({ key }, i) => [SCORES[i]!, key] as const));
const allKeys = (plan: Plan) => new Map([...cellKeys(plan), ...scoreKeys(plan)]);

interface Mutation {
  readonly ingredient: string;
  readonly change: (setup: Setup) => void;
  /** Whether what is changed has been planned in its place before, so that hashes are remembered. */
  readonly seen?: boolean;
  /** Which places get other keys; see placeOf() and SCORES. */
  readonly concerns: RegExp;
}

const ALL = /./;
const FOUND = / found /, FOUND_AND_SCORES = / found|^score/;

const file = (setup: Setup, name: string) => `${setup.folder}/${name}`;
function rewrite(setup: Setup, name: string, change: (text: string) => string): void {
  const path = file(setup, name), before = Deno.readTextFileSync(path), after = change(before);
  assert(after !== before, `${name} is changed`);
  Deno.writeTextFileSync(path, after);
}
const json = (setup: Setup, name: string, change: (value: Loose) => void) =>
  rewrite(setup, name, (text) => {
    const value = JSON.parse(text);
    change(value);
    return JSON.stringify(value);
  });
/** Rewrites one row of a topic's data; rows 0 and 1 of a subject are to localise by, 2 and 3 to report on. */
const row = (setup: Setup, index: number, change: (row: Loose) => void, name = FOOD) =>
  rewrite(setup, name, (text) => {
    const lines = text.split("\n"), value = JSON.parse(lines[index]!);
    change(value);
    return lines.with(index, JSON.stringify(value)).join("\n");
  });
const swapRows = (text: string, a: number, b: number) => {
  const lines = text.split("\n");
  return lines.with(a, lines[b]!).with(b, lines[a]!).join("\n");
};
type Kind = "backends" | "evaluators" | "interventions" | "scorers" | "benchmarks";
const newer = (setup: Setup, kind: Kind, name: string) => {
  const entries = new Map<string, Loose>(setup.registry[kind]);
  assert(entries.has(name));
  setup.registry = {
    ...setup.registry,
    [kind]: entries.set(name, { ...entries.get(name), version: "another" }),
  };
};
const found = ({ matrix }: Setup) => matrix.treatments[0];
const control = (setup: Setup, name: string) =>
  found(setup).controls.find((each: Loose) => each.name === name);

const MUTATIONS: readonly Mutation[] = [
  {
    ingredient: "a byte of the weights, the file's length and time of modification kept",
    concerns: ALL,
    seen: true,
    change: (setup) => {
      const path = file(setup, "demo/model.safetensors"), { mtime, atime } = Deno.statSync(path);
      const bytes = Deno.readFileSync(path);
      bytes[bytes.length - 3]! ^= 1;
      Deno.writeFileSync(path, bytes);
      Deno.utimeSync(path, atime!, mtime!);
    },
  },
  {
    ingredient: "a token of the tokenizer",
    concerns: ALL,
    change: (setup) =>
      json(setup, "demo/tokenizer.json", ({ added_tokens }) => added_tokens[3].normalized = true),
  },
  {
    ingredient: "which token begins a text",
    concerns: ALL,
    change: (setup) => json(setup, "demo/tokenizer_config.json", (config) => config.bos_token = "[PAD]"),
  },
  {
    ingredient: "a character of the chat template",
    concerns: ALL,
    change: (setup) => rewrite(setup, "demo/chat_template.jinja", (text) => `${text} `),
  },
  {
    ingredient: "a hyperparameter of the model",
    concerns: ALL,
    change: (setup) => json(setup, "demo/config.json", (config) => config.rope_theta = 10001),
  },
  {
    ingredient: "whether weights are kept packed, which rounds otherwise",
    concerns: ALL,
    change: ({ matrix }) => matrix.models[0].params.packed = false,
  },
  {
    ingredient: "the backend's version",
    concerns: ALL,
    change: (setup) => newer(setup, "backends", "onnx"),
  },
  {
    ingredient: "the engine's version",
    concerns: ALL,
    change: (setup) => setup.engine = { ...setup.engine, plumbline: "1.0.1" },
  },
  {
    ingredient: "the runtime's version",
    concerns: ALL,
    change: (setup) => setup.engine = { ...setup.engine, runtime: "onnxruntime-node 2" },
  },
  { ingredient: "the token budget", concerns: ALL, change: (setup) => setup.tokenBudget = 2000 },
  { ingredient: "the limit of items", concerns: ALL, change: (setup) => setup.limit = 7 },
  {
    ingredient: "the evaluator's version",
    concerns: ALL,
    change: (setup) => newer(setup, "evaluators", "multiple_choice"),
  },
  {
    ingredient: "the benchmark's version",
    concerns: ALL,
    change: (setup) => newer(setup, "benchmarks", "fables"),
  },
  {
    ingredient: "the text of a reported row",
    // Its units were found by other rows.
    concerns: /^food /,
    change: (setup) => row(setup, 2, (row) => row.prompt = row.prompt.replace("usual", "common")),
  },
  {
    ingredient: "the text of a row that units are found by",
    // The file is another one, and so are the units.
    concerns: /^food | found |^score of found/,
    change: (setup) => row(setup, 0, (row) => row.prompt = row.prompt.replace("people", "folk")),
  },
  {
    ingredient: "the gold of an item",
    concerns: /^food /,
    change: (setup) => row(setup, 3, (row) => row.answer = (row.answer + 1) % 4),
  },
  {
    ingredient: "the order of a question's options",
    concerns: /^work /,
    change: (setup) => row(setup, 2, (row) => row.options.reverse(), "demo/data/fables_work.jsonl"),
  },
  {
    ingredient: "the cluster of an item",
    concerns: /^food /,
    change: (setup) => row(setup, 2, (row) => row.subject = "elsewhere"),
  },
  {
    ingredient: "the order of two items",
    concerns: /^food /,
    change: (setup) => rewrite(setup, FOOD, (text) => swapRows(text, 2, 3)),
  },
  {
    ingredient: "a row that is no longer there",
    concerns: /^food /,
    change: (setup) => rewrite(setup, FOOD, (text) => text.split("\n").toSpliced(2, 1).join("\n")),
  },
  {
    ingredient: "params of a benchmark",
    concerns: /^work /,
    change: ({ matrix }) => matrix.benchmarks[1].params.ask = "answers_only",
  },
  {
    ingredient: "another param of a benchmark",
    concerns: /^work /,
    change: ({ matrix }) => matrix.benchmarks[1].params.orders = "cyclic",
  },
  {
    ingredient: "the value of an edit",
    // Whatever the treatment's value, the identity control's is 1.
    concerns: / doubled (?!identity)/,
    change: ({ matrix }) => matrix.treatments[2].steps[0].edit.params.value = 2.5,
  },
  {
    ingredient: "a unit of an edit",
    concerns: / (planted|doubled) (treated|identity)/,
    change: (setup) =>
      json(setup, UNITS, ({ units }) => {
        // Random sets may hold treated units, so that which these are changes no draw of as many.
        const free = Array.from({ length: 256 }, (_, i) => i).filter((i) => !units[0].units.includes(i));
        units[0].units[0] = free.at(-1);
      }),
  },
  {
    ingredient: "the tap of an edit",
    concerns: / (planted|doubled) /,
    change: (setup) =>
      json(setup, UNITS, ({ units }) => {
        for (const each of units) each.tap = each.tap.replace("gate", "up");
      }),
  },
  {
    ingredient: "a unit more",
    concerns: / (planted|doubled) /,
    change: (setup) => json(setup, UNITS, ({ units }) => units.push({ tap: "layers.0.attn.q", units: [0] })),
  },
  {
    ingredient: "the intervention's version, where it makes the edits of units that are still to be found",
    // Where the units are given, the edits that it makes are themselves in the key.
    concerns: FOUND,
    change: (setup) => newer(setup, "interventions", "suppress"),
  },
  {
    ingredient: "the edit of found units",
    concerns: FOUND,
    change: (setup) => found(setup).steps[2].edit = { use: "scale", params: { value: 0.5 } },
  },
  {
    ingredient: "the scorer's version",
    concerns: FOUND_AND_SCORES,
    change: (setup) => newer(setup, "scorers", "gradient_product"),
  },
  {
    ingredient: "params of a scorer",
    concerns: / found |^score of found/,
    change: (setup) => found(setup).steps[0].score.params.pool = "mean",
  },
  {
    ingredient: "the items of a scorer",
    concerns: / found |^score of found/,
    change: (setup) => found(setup).steps[0].score.on.items.limit = 20,
  },
  {
    ingredient: "the groups of a scorer",
    concerns: / found |^score of found/,
    change: (setup) => found(setup).steps[0].score.on.items.groupBy = "phrasing",
  },
  {
    ingredient: "how many units are selected",
    concerns: FOUND,
    change: (setup) => found(setup).steps[1].select.top = 47,
  },
  {
    ingredient: "the order of selection",
    concerns: FOUND,
    change: (setup) => found(setup).steps[1].select.order = "lowest",
  },
  {
    ingredient: "of what units are selected",
    concerns: FOUND,
    change: (setup) => Object.assign(found(setup).steps[1].select, { per: "tap", top: 12 }),
  },
  {
    ingredient: "params of a control's scorer",
    concerns: / found important|^score of important/,
    change: (setup) => control(setup, "important").score.params.pool = "max",
  },
  {
    ingredient: "the items of a control's scorer",
    concerns: / found otherTask|^score of otherTask/,
    change: (setup) => control(setup, "otherTask").score.on.items.params.topic = "sport",
  },
  {
    ingredient: "the order of a scored control",
    concerns: / found important/,
    change: (setup) => control(setup, "important").select = { order: "lowest" },
  },
  {
    ingredient: "what a scored control is matched by",
    concerns: / found otherTask/,
    change: (setup) => control(setup, "otherTask").match = "count",
  },
  {
    ingredient: "whether drawn units may be treated ones",
    concerns: / doubled random/,
    change: ({ matrix }) => matrix.treatments[2].controls[0].exclude = true,
  },
  {
    ingredient: "what drawn units are matched by",
    concerns: / doubled random/,
    change: ({ matrix }) => matrix.treatments[2].controls[0].match = "uniform",
  },
  {
    ingredient: "the seed",
    // Of given units the drawn controls alone depend on it; a scorer is told the seed too, and may draw by it.
    concerns: / doubled random| found|^score/,
    change: ({ matrix }) => matrix.seed = 1,
  },
];

/** What decides no outcome: nothing is computed twice for it. */
const KEPT: readonly Omit<Mutation, "concerns">[] = [
  {
    ingredient: "the folder's place",
    change: (setup) => {
      Deno.renameSync(file(setup, "demo"), file(setup, "moved"));
      setup.matrix = JSON.parse(JSON.stringify(setup.matrix).replaceAll('"demo', '"moved'));
    },
  },
  {
    ingredient: "the name of the folder that the data lies in",
    change: (setup) => {
      Deno.renameSync(file(setup, "demo/data"), file(setup, "demo/other"));
      setup.data = file(setup, "demo/other");
    },
  },
  {
    ingredient: "a copy of the weights of another time",
    change: (setup) => Deno.utimeSync(file(setup, "demo/model.safetensors"), 1, 1),
  },
  { ingredient: "threads", change: (setup) => setup.threads = 1 },
  { ingredient: "Deno's version", change: (setup) => setup.engine = { ...setup.engine, deno: "9.9.9" } },
  { ingredient: "a limit that leaves nothing out", change: (setup) => setup.limit = 1000 },
  { ingredient: "leave to leak", change: ({ matrix }) => matrix.allowLeakage = true },
  {
    ingredient: "names",
    change: ({ matrix }) => {
      matrix.name = "another";
      matrix.models[0].name = "another model";
      matrix.benchmarks.forEach((each: Loose, i: number) => each.name = `benchmark ${i}`);
      matrix.treatments.forEach((each: Loose, i: number) => each.name = `treatment ${i}`);
    },
  },
  {
    ingredient: "a hypothesis",
    change: ({ matrix }) =>
      matrix.hypotheses = [{
        name: "food falls",
        treatment: "food planted",
        benchmark: "fables_food",
        direction: "less",
      }],
  },
  {
    ingredient: "another intervention that makes the same edits",
    change: ({ matrix }) => {
      const { edit } = matrix.treatments[1].steps[0];
      Object.assign(edit, { use: "scale", params: { value: 0 } });
    },
  },
  {
    ingredient: "the intervention's version, where units and hence edits are given",
    change: (setup) => newer(setup, "interventions", "scale"),
  },
  {
    ingredient: "the order in which units are named",
    change: (setup) =>
      json(setup, UNITS, ({ units }) => {
        units.reverse();
        for (const each of units) each.units.reverse();
      }),
  },
  {
    ingredient: "what a units file says of itself",
    change: (setup) => json(setup, UNITS, (units) => units.about = "something else"),
  },
];

/** A complete store of the plan, its outcomes and scores made up. */
function filled(plan: Plan): RunStore {
  const store = createMemoryStore();
  for (const { key, spec, benchmark } of plan.cells) {
    const { items } = benchmark;
    store.openCell(key, spec, items.length);
    store.commit(key, items.map(({ id }) => ({ item: id, values: { acc: 0 }, detail: {} })));
    store.closeCell(key);
  }
  for (const key of scoreKeys(plan).values()) store.saveNumbers(key, { about: null, arrays: [] });
  return store;
}

/** Whether the store would be asked for nothing more under a key. */
function isHit(store: RunStore, key: string): boolean {
  return store.isComplete(key) || store.outcomes(key).size > 0 || store.numbers(key) !== undefined;
}

// Planned once: the place of the copy is in no key, as the tests of what is not show.
const base = await (async () => {
  using setup = setUp();
  return await planOf(setup);
})();

Deno.test("the plan whose keys are changed has every kind of cell", () => {
  const keys = allKeys(base);
  assertEquals(keys.size, 3 * (1 + 8 + 1 + 4) + 3);
  assertEquals(new Set(keys.values()).size, keys.size);
  assert(MUTATIONS.length >= 20);
});

for (const { ingredient, change, concerns, seen } of MUTATIONS) {
  Deno.test(`another key follows from ${ingredient}, where it decides and nowhere else`, async () => {
    using setup = setUp();
    const before = allKeys(base);
    if (seen) assertEquals([...allKeys(await planOf(setup))], [...before]);
    change(setup);
    const after = allKeys(await planOf(setup));
    assertEquals([...after.keys()], [...before.keys()]);
    const places = [...before.keys()],
      changed = places.filter((each) => after.get(each) !== before.get(each));
    assertEquals(changed, places.filter((each) => concerns.test(each)));
    assert(changed.length > 0);
    // Not even under another cell's key of the old plan.
    const store = filled(base);
    for (const [place, key] of after) assertEquals(isHit(store, key), !changed.includes(place), place);
  });
}

for (const { ingredient, change } of KEPT) {
  Deno.test(`no key follows from ${ingredient}`, async () => {
    using setup = setUp();
    change(setup);
    assertEquals([...allKeys(await planOf(setup))], [...allKeys(base)]);
  });
}

/** Few items and few cells, so that they can be computed for each ingredient. */
function shorten(setup: Setup): void {
  setup.limit = 4;
  setup.matrix.benchmarks.length = 1;
  for (const treatment of setup.matrix.treatments) treatment.controls = treatment.controls?.slice(-1) ?? [];
}

for (
  const ingredient of [
    "a byte of the weights, the file's length and time of modification kept",
    "whether weights are kept packed, which rounds otherwise",
    "the gold of an item",
    "the value of an edit",
    "how many units are selected",
    "params of a scorer",
  ]
) {
  Deno.test(`a store of the time before a change of ${ingredient} gives what an empty one gives`, async () => {
    using setup = setUp();
    shorten(setup);
    const used = createMemoryStore(), context = contextOf(setup);
    await run(await planOf(setup), { store: used, context });
    MUTATIONS.find((each) => each.ingredient === ingredient)!.change(setup);
    const plan = await planOf(setup), empty = createMemoryStore();
    await run(plan, { store: used, context });
    await run(plan, { store: empty, context });
    const plain = (store: RunStore): Json =>
      plan.cells.map(({ key }) =>
        [...store.outcomes(key)].sort(([a], [b]) => a < b ? -1 : 1)
      ) as unknown as Json;
    assertEquals(plain(used), plain(empty));
    assertEquals(summarise(plan, used, UNUSED), summarise(plan, empty, UNUSED));
  });
}
