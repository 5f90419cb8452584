/** Treatments that find their units: from scores to edits, over the fake model. */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { UserError } from "../../core/error.ts";
import { sha256 } from "../../core/hash.ts";
import type { Plan } from "../../core/plan.ts";
import { madeOfKey } from "../../core/provenance/made_of.ts";
import { prettyJson } from "../../core/report/json.ts";
import type { FoundRecord, Results } from "../../core/results.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import type { RunStore } from "../../core/store/store.ts";
import { summarise } from "../../core/summary.ts";
import { loadBeside, loadScores } from "../../core/unit_scores.ts";
import { fakeBackend, type FakeLog, fakePlugin } from "../fake_model.ts";
import { type Change, FOUND, keys, newLog, plan, SCORE } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";

const GATE = "layers.0.mlp.gate";
const scored = (change: Record<string, unknown> = {}, more: Change = {}) =>
  plan({ ...more, matrix: { treatments: [{ ...FOUND, ...change }] } });
const steps = (score: unknown, select: unknown = { top: 2 }) => [
  { score },
  { select },
  { edit: { use: "mute" } },
];
/** A step over so many riddles. */
const many = (count: number, more = {}) => ({
  ...SCORE,
  on: { items: { use: "riddles", params: { first: 32, count }, ...more } },
});

async function finish(planned: Plan, store: RunStore = createMemoryStore()): Promise<Results> {
  await run(planned, { store, context: testContext() });
  return summarise(planned, store, UNUSED);
}

function foundIn({ treatments }: Results): readonly FoundRecord[] {
  return treatments.flatMap(({ found = [] }) => found);
}

Deno.test("planRun() knows the cells of a treatment that finds its units before any model is opened", async () => {
  const log = newLog();
  const planned = await scored({}, { log });
  assertEquals(planned.cells.map(({ arm }) => `${arm.treatment}/${arm.arm}`), [
    "untouched/treated",
    "found/treated",
    ...[1, 2, 3].map((set) => `found/random ${set}`),
  ]);
  assertEquals(new Set(keys(planned)).size, 5);
  assertEquals([log.opened, log.runs], [[], []]);
});

Deno.test("planRun() gives such a cell another key when what decides its units changes, and no other", async () => {
  const [untouched, found, first] = keys(await scored());
  const others: readonly Record<string, unknown>[] = [
    { steps: steps({ ...SCORE, params: { ...SCORE.params, pool: "max" } }) },
    { steps: steps({ ...SCORE, use: "random", params: {}, on: {} }) },
    { steps: steps({ ...SCORE, on: { items: { ...SCORE.on.items, limit: 1 } } }) },
    { steps: steps({ ...SCORE, on: { items: { ...SCORE.on.items, groupBy: "question" } } }) },
    { steps: steps({ ...SCORE, on: { items: SCORE.on.items, control: SCORE.on.items } }) },
    { steps: steps(SCORE, { top: 3 }) },
    { steps: steps(SCORE, { top: 2, order: "lowest" }) },
  ];
  for (const change of others) {
    const other = keys(await scored(change));
    assertEquals(other[0], untouched);
    assertNotEquals(other[1], found, JSON.stringify(change));
    assertNotEquals(other[2], first, JSON.stringify(change));
  }
  const seeded = keys(await plan({ matrix: { seed: 1, treatments: [FOUND] } }));
  assertEquals(seeded[0], untouched);
  assertNotEquals(seeded[1], found, "a scorer may draw by the seed");
  const same: readonly Record<string, unknown>[] = [
    { name: "other" },
    { steps: steps(SCORE, { top: 2, per: "all", order: "highest" }) },
    { controls: [{ use: "random", match: "tap", sets: 1 }] },
  ];
  for (const change of same) {
    assertEquals(keys(await scored(change)).slice(0, 3), [untouched, found, first], JSON.stringify(change));
  }
  const controls = [{ use: "random", match: "uniform", sets: 3 }];
  assertNotEquals(keys(await scored({ controls }))[2], first);
});

Deno.test("planRun() refuses a score step that cannot be run before a model is opened", async () => {
  const on = SCORE.on.items;
  const cases: [unknown, string][] = [
    [{ ...SCORE, use: "gradient_produkt" }, 'did you mean "gradient_product"'],
    [{ ...SCORE, params: { site: ["mlp.gate"] } }, 'did you mean "sites"'],
    [
      { ...SCORE, on: { itms: on } },
      'Cannot read treatment "found": unknown set "itms" in "on" of gradient_product, did you mean "items"',
    ],
    [
      { ...SCORE, on: {} },
      'Cannot read treatment "found": "on" of gradient_product has no set "items", wanted items for it',
    ],
    [{ use: "random", on: { items: on } }, 'unknown set "items" in "on" of random, wanted none'],
    [{ ...SCORE, on: { items: { ...on, use: "riddle" } } }, 'did you mean "riddles"'],
    [{ ...SCORE, on: { items: { ...on, params: { cuont: 1 } } } }, 'did you mean "count"'],
    [
      { ...SCORE, on: { items: { ...on, groupBy: "questions" } } },
      'item r37 has no cluster "questions", did you mean "question"',
    ],
    [{ ...SCORE, params: { objective: "logitDifference" } }, "it has 3 answers, wanted two"],
  ];
  for (const [score, message] of cases) {
    const log = newLog();
    await assertRejects(() => scored({ steps: steps(score) }, { log }), UserError, message);
    assertEquals(log.opened, []);
  }
  const treatments = [FOUND, { ...FOUND, name: "again" }];
  await assertRejects(
    () => plan({ matrix: { treatments } }),
    UserError,
    'treatments "found" and "again" are the same',
  );
});

Deno.test("planRun() applies the run's limit to scored items too, which makes it not reportable", async () => {
  const benchmarks = [{ use: "riddles", params: { count: 3 } }];
  const shortened = await plan({ matrix: { benchmarks, treatments: [FOUND] }, limit: 1 });
  assertEquals(shortened.treatments[0]?.selections[0]?.score.sets.items?.items.length, 1);
  // Three items of the benchmark and two of the set: a limit of three leaves nothing out.
  const whole = await plan({ matrix: { benchmarks, treatments: [FOUND] }, limit: 3 });
  assertEquals([shortened.limit, whole.limit], [1, null]);
  const own = { ...FOUND, steps: steps(many(24, { limit: 2 })) };
  assertEquals((await plan({ matrix: { benchmarks, treatments: [own] }, limit: 3 })).limit, null);
  const cut = { ...FOUND, steps: steps(many(24)) };
  assertEquals((await plan({ matrix: { benchmarks, treatments: [cut] }, limit: 3 })).limit, 3);
});

Deno.test("run() edits the units that the scorer finds, in the treated cell and not in its controls", async () => {
  const log = newLog();
  const controls = [{ use: "random", match: "tap", sets: 3, exclude: true }];
  const planned = await scored({ controls }, { log });
  const results = await finish(planned);
  const [treated, ...sets] = results.treatments[1]?.arms ?? [];
  assertEquals(treated?.edits, [{ tap: GATE, units: [5, 6], op: "scale", value: 0 }]);
  assertEquals(sets.length, 3);
  for (const { edits } of sets) {
    assertEquals([edits[0]?.tap, edits[0]?.units.length], [GATE, 2]);
    assert(!edits[0]?.units.some((unit) => unit === 5 || unit === 6));
  }
  // What was asked of the model is what the record says: 24 items in batches of 4.
  const edits = [[], ...results.treatments[1]?.arms.map((arm) => arm.edits) ?? []];
  assertEquals(log.batches.map((batch) => batch.edits), edits.flatMap((each) => Array(6).fill(each)));
  assertEquals(log.opened, [{ taps: [] }, { taps: [GATE] }]);
});

Deno.test("run() comes to the cells that the found units give when they are written into the matrix", async () => {
  const store = createMemoryStore();
  const found = await finish(await scored(), store);
  const edit = { use: "mute", units: [{ tap: GATE, units: [5, 6] }] };
  const given = await finish(await scored({ steps: [{ edit }] }), store);
  const figures = ({ cells }: Results) =>
    cells.map((cell) => [
      cell.metrics.map(({ estimate, difference }) => [estimate.value, difference?.value]),
      cell.controls.map(({ metrics }) => metrics),
    ]);
  assertEquals(figures(found), figures(given));
});

Deno.test("summarise() records how units were found", async () => {
  const planned = await scored({ steps: steps(SCORE, { top: 0.1 }) });
  const store = createMemoryStore();
  const [found] = foundIn(await finish(planned, store));
  const scores = loadScores(store, found?.key ?? "")?.get("all");
  const errors = loadBeside(store, found?.key ?? "").errors?.get("all");
  assertEquals(found, {
    model: "fake-w",
    scorer: {
      name: "gradient_product",
      version: "1",
      title: "Activation times gradient of what the model should answer",
      source: "arXiv 1611.06440, arXiv 2510.08284",
      params: {
        sites: ["mlp.gate"],
        objective: "probability",
        pool: "last",
        padding: "skip",
        weight: "none",
        absolute: false,
      },
    },
    seed: 0,
    sets: {
      items: {
        ...planned.benchmarks[0]!.record,
        label: "riddles (count=2, first=37, perQuestion=1)",
        params: { count: 2, first: 37, perQuestion: 1 },
        items: { original: 2, effective: 2 },
        itemsHash: planned.treatments[0]!.selections[0]!.score.sets.items!.record.itemsHash,
        groupBy: null,
        madeOf: madeOfKey(planned.treatments[0]!.selections[0]!.score.sets.items!.madeOf),
      },
    },
    select: { top: 0.1, per: "all", order: "highest" },
    // Two layers of 16 gates; a tenth of them, rounded down.
    pool: 32,
    taps: { "layers.0.mlp.gate": 16, "layers.1.mlp.gate": 16 },
    selected: 3,
    units: found?.units ?? [],
    scores: Object.fromEntries(
      found?.units.map(({ tap, units }) => [tap, units.map((unit) => scores?.get(tap)?.[unit] ?? NaN)]) ?? [],
    ),
    errors: Object.fromEntries(
      found?.units.map(({ tap, units }) => [tap, units.map((unit) => errors?.get(tap)?.[unit] ?? NaN)]) ?? [],
    ),
    key: found?.key ?? "",
  });
  assertEquals(found?.units.flatMap(({ units }) => units).length, 3);
});

Deno.test("run() scores once for all treatments that select from the same scores, and again for none", async () => {
  const log = newLog();
  const treatments = [
    FOUND,
    { ...FOUND, name: "one", steps: steps(SCORE, { top: 1 }) },
    {
      name: "both ways",
      steps: [...steps(SCORE, { top: 1, order: "lowest" }), { select: { top: 2 } }, {
        edit: { use: "mute" },
      }],
      controls: [],
    },
    {
      name: "grouped",
      controls: [],
      steps: steps(many(4, { groupBy: "question" }), { top: 1, group: "q34" }),
    },
  ];
  const store = createMemoryStore();
  const first = await finish(await plan({ matrix: { treatments }, log }), store);
  assertEquals(log.runs.map((samples) => samples.length), [2, 4]);
  assertEquals(foundIn(first).map(({ selected }) => selected), [2, 1, 1, 2, 1]);
  // Riddle 34 is its own question, and 34 % 16 its unit.
  assertEquals(foundIn(first).at(-1)?.units, [{ tap: GATE, units: [2] }]);
  const again = newLog();
  const planned = await plan({ matrix: { treatments }, log: again });
  const counts = await run(planned, { store, context: testContext() });
  assertEquals([counts.computedCells, counts.tokens, again.opened], [0, 0, []]);
  assertEquals(prettyJson(summarise(planned, store, UNUSED)), prettyJson(first));
});

Deno.test("run() finds units on each model apart", async () => {
  const models = [{ use: "fake" }, { use: "fake", params: { weights: "v" } }];
  const log = newLog();
  const treatments = [FOUND, { name: "chance", steps: steps({ use: "random" }, { top: 3 }) }];
  const results = await finish(await plan({ matrix: { models, treatments }, log }));
  assertEquals(log.runs.length, 2);
  assertEquals(foundIn(results).map(({ model }) => model), ["fake-w", "fake-v", "fake-w", "fake-v"]);
  const [one, other, ...chance] = foundIn(results);
  assertNotEquals(one?.key, other?.key);
  assertEquals(one?.units, other?.units, "the fake's values do not follow from its weights");
  // Two layers of 16 gates, 16 queries, 8 keys and 8 values.
  assertEquals(chance.map(({ sets, pool }) => [sets, pool]), Array(2).fill([{}, 96]));
});

/** Calls of run() until each of so many stops, and the results of the whole. */
async function broken(count: number, stops: number, store = createMemoryStore()) {
  const log = newLog();
  const now = () => 0; // saving takes no time, so every chunk is saved
  const change = { steps: steps(many(count)) };
  for (let i = 0; i < stops; i++) {
    const stop = new AbortController();
    const context = testContext({ signal: stop.signal, now });
    const planned = await scored(change, { log, context });
    const onProgress = ({ scoring }: { readonly scoring?: unknown }) => scoring && stop.abort();
    await assertRejects(() => run(planned, { store, context, onProgress }), DOMException);
  }
  const context = testContext({ now });
  const planned = await scored(change, { log, context });
  await run(planned, { store, context });
  return { log, store, results: summarise(planned, store, UNUSED) };
}

Deno.test("run() goes on with scoring where it was stopped, computes no sample twice and comes to the same bits", async () => {
  // Chunks of 64 samples: four of them.
  const whole = await broken(200, 0);
  const stopped = await broken(200, 3);
  const sizes = ({ runs }: Required<FakeLog>) => runs.map((samples) => samples.length);
  assertEquals(sizes(whole.log), [64, 64, 64, 8]);
  assertEquals(sizes(stopped.log), sizes(whole.log));
  assertEquals(prettyJson(stopped.results), prettyJson(whole.results));
  const [found] = foundIn(whole.results);
  const scores = (store: RunStore) => [...loadScores(store, found?.key ?? "")?.get("all")?.values() ?? []];
  assertEquals(scores(stopped.store), scores(whole.store));
});

Deno.test("run() keeps no sums once the scores are saved, and saves sums seldom where saving is slow", async () => {
  let clock = 0;
  const inner = createMemoryStore();
  const saved: string[] = [];
  const left = new Set<string>();
  const store: RunStore = {
    ...inner,
    saveNumbers(key, numbers) {
      // The questions of the items reported on are of another kind and saved once, at the end.
      if (key.startsWith("clusters/")) return inner.saveNumbers(key, numbers);
      clock += 100; // ten times what a chunk takes
      saved.push(key);
      left.add(key);
      inner.saveNumbers(key, numbers);
    },
    dropNumbers(key) {
      left.delete(key);
      inner.dropNumbers(key);
    },
  };
  const context = testContext({ now: () => clock });
  const planned = await scored({ steps: steps(many(64 * 30)) }, { context });
  const onProgress = ({ scoring }: { readonly scoring?: unknown }) => void (clock += scoring ? 100 : 0);
  // Of sums and scores, not of cells.
  const ofUnits = (keys: Iterable<string>) => [...keys].filter((key) => !key.startsWith("columns of "));
  await run(planned, { store, context, onProgress });
  const [key] = planned.models[0]?.scores.map((each) => each.key) ?? [];
  const { madeOf } = planned.treatments[0]!.selections[0]!.score.sets.items!;
  assertEquals(ofUnits(left), [sha256(`${key}/beside`), key, madeOfKey(madeOf)]);
  // Sums after chunks 1, 11 and 21, each when saving is a tenth of the time since; the scores with their errors, and what they were made of.
  assertEquals(ofUnits(saved).length, 6);
});

Deno.test("run() reports scoring as a step of its own", async () => {
  const seen: string[] = [];
  await run(await scored({ steps: steps(many(100)) }), {
    store: createMemoryStore(),
    context: testContext(),
    onProgress: ({ scoring, cells, current, tokens }) =>
      seen.push(`${scoring?.done}/${scoring?.total} ${cells.done}/${cells.total} ${current} ${tokens > 0}`),
  });
  assertEquals(seen.slice(0, 3), [
    "64/100 0/5 gradient_product true",
    "100/100 0/5 gradient_product true",
    "undefined/undefined 0/5 riddles / untouched true",
  ]);
});

Deno.test("run() refuses before computing when the model gives no gradients", async () => {
  const log = newLog();
  const plugin = fakePlugin(log);
  const load = () => {
    const backend = fakeBackend(log);
    const can = new Set(["logprobs", "edit", "observe"] as const);
    return Promise.resolve({
      ...backend,
      open: async (...args: Parameters<typeof backend.open>) => ({ ...await backend.open(...args), can }),
    });
  };
  const planned = await scored({}, {
    plugin: { ...plugin, backends: plugin.backends!.map((entry) => ({ ...entry, load })) },
  });
  await assertRejects(
    () => finish(planned),
    UserError,
    "Cannot score by gradient_product on fake-w: it needs gradient, wanted a model that can",
  );
  assertEquals([log.runs, log.batches], [[], []]);
});

Deno.test("planRun() refuses a selection that the scores cannot give, before a model is opened", async () => {
  const start = 'Cannot run treatment "found" on fake-w: ';
  const cases: [Record<string, unknown>, string][] = [
    [{ top: 33 }, "top is 33, wanted at most 32, the scored units"],
    [{ top: 0.001 }, "top 0.001 of 32 units is less than one unit"],
    [{ top: 1, group: "some" }, 'no scores of group "some", known are "all"'],
  ];
  for (const [select, message] of cases) {
    const log = newLog();
    await assertRejects(() => scored({ steps: steps(SCORE, select) }, { log }), UserError, start + message);
    assertEquals(log.opened, []);
  }
  assertEquals((await scored({ steps: steps(SCORE, { top: 32 }) })).models.length, 1);
});

Deno.test("run() names the treatment whose control finds too few units, and keeps the scores", async () => {
  const store = createMemoryStore();
  const controls = [{ use: "random", match: "tap", sets: 1, exclude: true }];
  const planned = await scored({ steps: steps(SCORE, { top: 32 }), controls });
  await assertRejects(
    () => finish(planned, store),
    UserError,
    'Cannot run treatment "found" on fake-w: cannot draw a control of 16 units from layers.0.mlp.gate: 0 are free',
  );
  const log = newLog();
  await finish(await scored({}, { log }), store);
  assertEquals(log.runs, []);
});
