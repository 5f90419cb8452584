/** Scorings that see a sample of the items: alone, and as a step of a matrix. */
import { assert, assertAlmostEquals, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { type ScoredItem, type Scorer, type UnitScores, UserError } from "../../core/mod.ts";
import { parseMatrix, type SelectSpec } from "../../core/matrix.ts";
import { foundIn, foundText, unitsFile } from "../../core/report/found.ts";
import { prettyJson } from "../../core/report/json.ts";
import { run } from "../../core/runner.ts";
import { inSampleOrder, type Sampling } from "../../core/sampling.ts";
import { computeScores, type PassSums, type ScoringOptions } from "../../core/scoring.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import { culnig } from "../../plugins/culnig/scorer.ts";
import { fakeItems, inputOf, openFake } from "../fake_items.ts";
import type { FakeLog } from "../fake_model.ts";
import { FOUND, keys, newLog, plan, SCORE } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";

const signal = new AbortController().signal;
/** Some hundred numbers near 1, added in another order. */
const ORDER = 1e-12;
const GENERAL: SelectSpec = { top: 4, per: "all", order: "highest", group: "general" };
const CHINA: SelectSpec = { top: 4, per: "all", order: "highest", group: "country/a" };

/** Questions of three countries, as many with the control; of 400 items in a set. */
function sets(count = 400) {
  const own = fakeItems(count, { groups: ["a", "b", "c"] });
  const control = fakeItems(count, { from: 1000, groups: ["a", "b", "c"] })
    .map((item, i) => ({ ...item, id: `${i}/answers_only` }));
  return { items: own, control };
}

interface Options extends Partial<ScoringOptions> {
  readonly log?: FakeLog;
  readonly items?: Readonly<Record<string, readonly ScoredItem[]>>;
}

async function score({ items = sets(), log, ...options }: Options) {
  const model = await openFake(log);
  const input = inputOf(
    model,
    culnig.params.parse({ sites: ["mlp.gate"] }),
    options.sampling ? inSampleOrder(items, 7) : items,
  );
  return computeScores(culnig as Scorer<typeof input.params>, input, { model, signal, ...options });
}

const sampled = (sampling: Partial<Sampling>): Sampling => ({
  least: 40,
  most: 300,
  selects: [GENERAL],
  ...sampling,
});
/** By group and tap, in whatever order. */
function assertNear(actual: UnitScores, wanted: UnitScores) {
  assertEquals([...actual.keys()].toSorted(), [...wanted.keys()].toSorted());
  for (const [group, byTap] of wanted) {
    for (const [tap, list] of byTap) {
      list.forEach((value, k) => assertAlmostEquals(actual.get(group)!.get(tap)![k]!, value, ORDER));
    }
  }
}

Deno.test("computeScores() stops as soon as the selection is stable, and says what it saw", async () => {
  const log = newLog();
  const { sampling, passes } = await score({ log, sampling: sampled({ stable: 0.6 }) });
  const [items, control] = sampling!.passes;
  assertEquals(sampling!.stopped, "stable");
  assert(sampling!.overlap! >= 0.6 && items!.samples < 300, JSON.stringify(sampling));
  assertEquals([items!.of, control!.of, control!.samples], [400, 400, items!.samples]);
  assertEquals(passes.map(({ samples }) => samples), [items!.samples, items!.samples]);
  assertEquals(log.runs.flat().length, 2 * items!.samples, "nothing more was computed");
  // Sums are over what was seen alone.
  const first = inSampleOrder(sets(), 7);
  const part = Object.fromEntries(
    Object.entries(first).map(([name, list]) => [name, list.slice(0, items!.samples)]),
  );
  const { scores } = await score({ items: part });
  const mine = (await score({ sampling: sampled({ stable: 0.6 }) })).scores;
  assertNear(mine, scores);
  // A stricter wish takes more, two selects as much as the less stable of them.
  const seen = async (more: Partial<Sampling>) =>
    (await score({ sampling: sampled(more) })).sampling!.passes[0]!.samples;
  assert(await seen({ stable: 0.95 }) > items!.samples);
  const each = [await seen({ stable: 0.6, selects: [CHINA] }), items!.samples];
  assertEquals(await seen({ stable: 0.6, selects: [GENERAL, CHINA] }), Math.max(...each));
});

Deno.test("computeScores() asks the same of items and control, by the seed", async () => {
  const log = newLog(), sampling = sampled({ most: 50 });
  await score({ log, sampling });
  const ids = log.runs.flat().map(({ id }) => id!);
  assertEquals(ids.slice(50).toSorted(), ids.slice(0, 50).map((id) => `${id}/answers_only`).toSorted());
  assertNotEquals(ids.slice(0, 50).toSorted(), sets().items.slice(0, 50).map(({ id }) => id).toSorted());
  const again = newLog();
  await score({ log: again, sampling });
  assertEquals(again.runs, log.runs);
});

Deno.test("computeScores() ends by the number of samples, and comes to the whole where that covers it", async () => {
  const most = await score({ sampling: sampled({ most: 60 }) });
  assertEquals(most.sampling!.stopped, "most");
  assertEquals(most.sampling!.passes[0], { name: "items", samples: 60, of: 400 });
  assert(most.sampling!.overlap! < 1);
  const none = await score({ sampling: sampled({ most: 60, stable: 0.1, selects: [] }) });
  assertEquals(none.sampling, { passes: most.sampling!.passes, overlap: null, stopped: "most" });
  const whole = await score({}), covered = await score({ sampling: sampled({ most: 400 }) });
  assertEquals(covered.sampling!.stopped, "all");
  assertEquals(covered.sampling!.overlap, 1);
  assertEquals(whole.sampling, undefined);
  assertNear(covered.scores, whole.scores);
  assertNear(covered.errors!, whole.errors!);
});

Deno.test("computeScores() of a sample goes on where it broke off, to the same bits and the same stop", async () => {
  const sampling = sampled({ least: 20, stable: 0.85 }), log = newLog(), items = sets(120);
  const whole = await score({ items, sampling, log });
  const chunks = log.runs.length, looks = new Set(log.runs.map(({ length }) => length));
  assert(chunks >= 6 && looks.size > 1, "several looks");
  for (let stop = 1; stop < chunks; stop++) {
    // What is saved may lag behind, and of one pass more than of the other.
    for (const every of [1, 3]) {
      const saved = new Map<string, PassSums>(), log = newLog(), controller = new AbortController();
      let commits = 0;
      const hooks = {
        items,
        log,
        sampling,
        found: (key: string) => saved.get(key) && structuredClone(saved.get(key)),
        commit(key: string, sums: PassSums) {
          if (commits++ % every === 0) saved.set(key, structuredClone(sums));
          if (log.runs.length === stop) controller.abort(new Error("stopped"));
        },
      };
      await assertRejects(() => score({ ...hooks, signal: controller.signal }), Error, "stopped");
      const again = await score(hooks);
      assertEquals(again, whole);
      if (every === 1) assertEquals(log.runs.length, chunks, "no chunk is computed twice");
    }
  }
});

const on = { items: { use: "riddles", params: { first: 32, count: 200 } } };
const steps = (
  score: unknown,
  select: unknown = { top: 2 },
) => [{ score }, { select }, { edit: { use: "mute" } }];
const SAMPLE = { least: 20, most: 150, stable: 0.5 };
const treated = (score: unknown, select?: unknown) =>
  plan({ matrix: { treatments: [{ ...FOUND, steps: steps(score, select) }] } });

Deno.test("planRun() keeps the keys of what is not sampled, and gives a sample one by its selects too", async () => {
  const [untouched, whole] = keys(await treated({ ...SCORE, on }));
  const key = async (sample: unknown, select?: unknown) => {
    const planned = await treated({ ...SCORE, on, sample }, select);
    assertEquals(keys(planned)[0], untouched);
    return planned.models[0]!.scores[0]!.key;
  };
  const unsampled = (select?: unknown) =>
    treated({ ...SCORE, on }, select).then(({ models }) => models[0]!.scores[0]!.key);
  assertEquals(await unsampled(), await unsampled({ top: 3 }));
  const found = [
    await unsampled(),
    await key(SAMPLE),
    await key({ ...SAMPLE, most: 140 }),
    await key({ ...SAMPLE, stable: 0.6 }),
    await key({ most: 150 }),
    await key(SAMPLE, { top: 3 }),
  ];
  assertEquals(new Set(found).size, found.length);
  const [, sampled] = keys(await treated({ ...SCORE, on, sample: SAMPLE }));
  assertNotEquals(sampled, whole);
});

Deno.test("planRun() refuses a sample that cannot be taken", async () => {
  const grouped = { ...SCORE, on: { items: { ...on.items, groupBy: "question" } } };
  const cases: [unknown, string][] = [
    [{ ...SCORE, on, sample: { least: 20, most: 10, stable: 0.5 } }, 'wanted "least" to be at most "most"'],
    [{ ...SCORE, on, sample: { most: 10, stabel: 0.5 } }, 'did you mean "stable"'],
    [{ ...grouped, sample: SAMPLE }, 'least is 20, wanted at least 200, the groups of the set "items"'],
    [{ use: "random", sample: SAMPLE }, 'random gives no standard errors to be "stable" by'],
  ];
  for (const [score, message] of cases) {
    await assertRejects(async () => void await treated(score), UserError, message);
  }
  const text = JSON.stringify({
    version: 1,
    models: [{ use: "fake" }],
    benchmarks: [{ use: "riddles" }],
    treatments: [{ ...FOUND, steps: steps({ ...SCORE, sample: { most: 10 } }) }],
  });
  assertEquals(parseMatrix(text, "m.json").treatments[0]!.steps[0]!.score!.sample, { least: 200, most: 10 });
});

Deno.test("run() samples for a step, and record, units file and words say how many and why no more", async () => {
  const store = createMemoryStore(), planned = await treated({ ...SCORE, on, sample: SAMPLE });
  await run(planned, { store, context: testContext() });
  const results = summarise(planned, store, UNUSED), [found] = foundIn(results);
  const { sampling, errors, scores } = found!.record;
  const [items] = sampling!.passes;
  assert(
    sampling!.stopped === "stable" && items!.samples < 150 && items!.of === 200,
    JSON.stringify(sampling),
  );
  assertEquals(Object.keys(errors!), Object.keys(scores));
  for (const [tap, list] of Object.entries(errors!)) {
    assertEquals(list.length, scores[tap]!.length);
    assert(list.every((error) => error > 0));
  }
  const words = `scored by a sample: items ${items!.samples} of 200, ended because ${
    (100 * sampling!.overlap!).toFixed(1)
  } % of the units are expected of all samples too`;
  assert(foundText(found!).includes(words), foundText(found!));
  const file = unitsFile(found!, results, { madeOf: () => undefined, scores: () => undefined }) as Record<
    string,
    unknown
  >;
  assertEquals([file.errors, file.sampling], [errors, sampling]);
  const again = newLog();
  const same = await plan({
    matrix: { treatments: [{ ...FOUND, steps: steps({ ...SCORE, on, sample: SAMPLE }) }] },
    log: again,
  });
  await run(same, { store, context: testContext() });
  assertEquals(again.runs, []);
  assertEquals(prettyJson(summarise(same, store, UNUSED)), prettyJson(results));
});
