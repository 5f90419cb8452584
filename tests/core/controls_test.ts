/** Controls with one set: units that come first by another score, and the treated ones scaled by 1; over the fake model. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { controlLabels } from "../../core/controls.ts";
import { withControls } from "../../core/default_controls.ts";
import { createRegistry } from "../../core/registry.ts";
import scorers from "../../plugins/scorers/mod.ts";
import riddles from "../fake_benchmark.ts";
import { UserError } from "../../core/error.ts";
import { parseMatrix } from "../../core/matrix.ts";
import type { Tap, Unit } from "../../core/model.ts";
import type { Plan } from "../../core/plan.ts";
import { createRandom } from "../../core/random.ts";
import { gridsOf } from "../../core/report/grid.ts";
import type { Results } from "../../core/results.ts";
import { run } from "../../core/runner.ts";
import { rankControl } from "../../core/select.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import { loadScores } from "../../core/unit_scores.ts";
import { fakeBackend, fakePlugin } from "../fake_model.ts";
import { type Change, FOUND, MUTED, newLog, plan, SCORE } from "../fake_plan.ts";
import { testContext } from "../support.ts";

const GATE = "layers.0.mlp.gate", NEXT = "layers.1.mlp.gate";
const UNUSED = { command: [] } as unknown as Results["run"];

/** Riddles 40 and 41, whose planted units are 8 and 9; FOUND finds 5 and 6. */
const OTHER = {
  use: "scored",
  name: "otherTask",
  match: "tap",
  score: { ...SCORE, on: { items: { use: "riddles", params: { first: 40, count: 2 } } } },
};
const scored = (params: Record<string, unknown>) => ({
  ...OTHER.score,
  params: { ...SCORE.params, ...params },
});
const planned = (controls: readonly unknown[], { matrix, ...more }: Change = {}) =>
  plan({ ...more, matrix: { treatments: [{ ...FOUND, controls }], ...matrix } });

async function finish(planned: Plan, store = createMemoryStore()): Promise<Results> {
  await run(planned, { store, context: testContext() });
  return summarise(planned, store, UNUSED);
}

const unitsIn = (results: Results, arm: string) =>
  results.treatments[1]!.arms.find((each) => each.arm === arm)!.edits.flatMap(({ tap, units }) =>
    units.map((index) => `${tap} ${index}`)
  );

/** Every way to take `count` of a list. */
function subsets<T>(list: readonly T[], count: number): T[][] {
  if (count === 0) return [[]];
  return list.flatMap((first, i) => subsets(list.slice(i + 1), count - 1).map((rest) => [first, ...rest]));
}

Deno.test("rankControl() takes the units whose scores no other choice of as many free units exceeds", () => {
  const random = createRandom("controls");
  const taps: readonly Tap[] = [GATE, "layers.0.mlp.up", NEXT];
  for (let round = 0; round < 50; round++) {
    const byTap = new Map(
      taps.map((tap) => [tap, Float64Array.from({ length: 7 }, () => random.below(9) - 4)]),
    );
    const all = taps.flatMap((tap) => Array.from({ length: 7 }, (_, index): Unit => ({ tap, index })));
    const treated = random.sample(14, 3).map((i) => all[i < 7 ? i : i + 7]!); // of the two gates
    const exclude = round % 2 === 0;
    const isTreated = (unit: Unit) =>
      treated.some(({ tap, index }) => tap === unit.tap && index === unit.index);
    const free = all.filter((unit) => !exclude || !isTreated(unit));
    const sign = round % 3 === 0 ? -1 : 1;
    const sum = (units: readonly Unit[]) =>
      units.reduce((total, { tap, index }) => total + sign * byTap.get(tap)![index]!, 0);
    const best = (pool: readonly Unit[], count: number) => Math.max(...subsets(pool, count).map(sum));
    const options = {
      scores: new Map([["all", byTap]]),
      exclude,
      order: sign < 0 ? "lowest" : "highest",
      name: "c",
    } as const;

    const matched = rankControl(treated, { ...options, match: "tap" });
    for (const tap of taps) {
      const count = treated.filter((unit) => unit.tap === tap).length;
      const own = matched.filter((unit) => unit.tap === tap);
      assertEquals([own.length, sum(own)], [count, best(free.filter((unit) => unit.tap === tap), count)]);
    }
    const counted = rankControl(treated, { ...options, match: "count" });
    const used = new Set(treated.map(({ tap }) => tap.split(".").slice(2).join(".")));
    const sited = free.filter(({ tap }) => used.has(tap.split(".").slice(2).join(".")));
    assertEquals([counted.length, sum(counted)], [3, best(sited, 3)]);
    assert(!exclude || ![...matched, ...counted].some(isTreated));
  }
});

Deno.test("rankControl() counts a unit named twice once, sums groups or takes one, and breaks ties by place", () => {
  const one = new Map([[GATE, Float64Array.of(0, 1, 1, 1)]] as const);
  const two = new Map([[GATE, Float64Array.of(9, 0, 0, 0)]] as const);
  const scores = new Map([["one", one], ["two", two]]), twice = { tap: GATE, index: 1 } as const;
  const options = { scores, match: "tap", exclude: true, order: "highest", name: "c" } as const;
  assertEquals(rankControl([twice, twice], options), [{ tap: GATE, index: 0 }]);
  assertEquals(rankControl([twice], { ...options, group: "one" }), [{ tap: GATE, index: 2 }]);
  assertThrows(() => rankControl([twice], { ...options, group: "on" }), UserError, 'did you mean "one"');
  const three = [0, 1, 2].map((index) => ({ tap: GATE, index } as const));
  assertThrows(
    () => rankControl(three, options),
    UserError,
    'Cannot choose 3 units of layers.0.mlp.gate for control "c": 1 of those scored are free, wanted at least 3 or other "controls" of the treatment',
  );
});

Deno.test("run() edits a scored control's units as the treatment's, and leaves the treated ones out on request", async () => {
  const same = { ...OTHER, name: "same", score: SCORE, exclude: false };
  const left = { ...OTHER, name: "left", score: SCORE };
  const anywhere = { ...OTHER, name: "anywhere", match: "count", select: { order: "lowest" } };
  const store = createMemoryStore();
  const whole = await planned([OTHER, same, left, anywhere, { use: "identity" }]);
  const results = await finish(whole, store);
  assertEquals(whole.cells.map(({ arm }) => arm.arm), [
    "treated",
    "treated",
    "otherTask",
    "same",
    "left",
    "anywhere",
    "identity",
  ]);
  assertEquals(unitsIn(results, "otherTask"), [`${GATE} 8`, `${GATE} 9`]);
  assertEquals(unitsIn(results, "same"), [`${GATE} 5`, `${GATE} 6`]);
  // The same two by hand: all scores in a row, sorted.
  const scoresOf = (first: number) => {
    const step = whole.models[0]!.scores.find(({ score }) => score.sets.items!.items[0]!.id === `r${first}`)!;
    return [...loadScores(store, step.key)!.get("all")!].flatMap(([tap, list]) =>
      [...list].map((score, index) => ({ tap, index, score }))
    );
  };
  const own = scoresOf(37).filter(({ tap, index }) => tap === GATE && index !== 5 && index !== 6)
    .sort((a, b) => b.score - a.score).slice(0, 2).map(({ index }) => index).sort((a, b) => a - b);
  assertEquals(unitsIn(results, "left"), own.map((index) => `${GATE} ${index}`));
  const low = scoresOf(40).filter(({ tap, index }) => tap !== GATE || (index !== 5 && index !== 6))
    .sort((a, b) => a.score - b.score).slice(0, 2).map(({ tap, index }) => `${tap} ${index}`).sort();
  assertEquals(unitsIn(results, "anywhere").toSorted(), low);
  const arm = results.treatments[1]!.arms.find((each) => each.arm === "otherTask")!;
  assertEquals(arm.edits, [{ tap: GATE, units: [8, 9], op: "scale", value: 0 }]);
  const [, cell] = results.cells;
  assertEquals(cell!.controls.map(({ control, keys }) => [control, keys.length]), [
    ["otherTask", 1],
    ["same", 1],
    ["left", 1],
    ["anywhere", 1],
    ["identity", 1],
  ]);
  const [{ estimate }] = cell!.metrics as [Results["cells"][number]["metrics"][number]];
  assertEquals(cell!.controls[1]!.metrics.acc!.value.mean, estimate.value, "the treatment itself");
  assertEquals(gridsOf(results)[0]!.columns.slice(2), [
    "found: otherTask",
    "found: same",
    "found: left",
    "found: anywhere",
    "found: identity",
  ]);
});

Deno.test("planRun() gives a scored control's cell another key when what chooses its units changes, and no other", async () => {
  const random = { use: "random", match: "tap", sets: 1 };
  const keysOf = async (control: unknown, change: Change = {}) =>
    (await planned([random, control], change)).cells.map(({ key }) => key);
  const [untouched, treated, drawn, own] = await keysOf(OTHER);
  const alone = (await planned([random])).cells.map(({ key }) => key);
  assertEquals(alone, [untouched, treated, drawn], "cells of before stay the same");
  const others: readonly Record<string, unknown>[] = [
    { score: scored({ pool: "max" }) },
    { score: { ...OTHER.score, on: { items: { ...OTHER.score.on.items, limit: 1 } } } },
    { select: { order: "lowest" } },
    { match: "count" },
    { exclude: false },
  ];
  for (const change of others) {
    const keys = await keysOf({ ...OTHER, ...change });
    assertEquals(keys.slice(0, 3), [untouched, treated, drawn], JSON.stringify(change));
    assertNotEquals(keys[3], own, JSON.stringify(change));
  }
  assertEquals((await keysOf({ ...OTHER, name: "another" }))[3], own, "a name decides nothing");
  const seeded = await keysOf(OTHER, { matrix: { seed: 1 } });
  assertNotEquals(seeded[3], own, "a scorer may draw by the seed");
});

Deno.test("planRun() keeps the keys of a treatment whose units are given, and scores for its control alone", async () => {
  const log = newLog();
  const controls = [OTHER, ...MUTED.controls, { use: "identity" }];
  const given = await plan({ log, matrix: { treatments: [{ ...MUTED, controls }] } });
  const before = (await plan()).cells.map(({ key }) => key);
  assertEquals(given.cells.map(({ key }) => key).filter((key) => before.includes(key)), before);
  assertEquals(given.cells.map(({ arm }) => arm.arm), [
    "treated",
    "treated",
    "otherTask",
    ...[1, 2, 3, 4].map((set) => `random ${set}`),
    "identity",
  ]);
  const results = await finish(given);
  assertEquals(log.runs.length, 1);
  const chosen = unitsIn(results, "otherTask");
  assertEquals([chosen.length, chosen.includes(`${GATE} 8`), chosen.includes(`${GATE} 9`)], [3, true, true]);
  assertEquals(unitsIn(results, "identity"), [1, 2, 3].map((index) => `${GATE} ${index}`));
});

Deno.test("planRun() refuses a scored control that cannot have enough units, before a model is opened", async () => {
  const top = (select: Record<string, unknown>) => ({
    steps: [{ score: SCORE }, { select }, { edit: { use: "mute" } }],
  });
  const given = (count: number) => ({
    steps: [{
      edit: { use: "mute", units: [{ tap: GATE, units: Array.from({ length: count }, (_, i) => i) }] },
    }],
  });
  const few = "of layers.0.mlp.gate for control";
  // Two gates of 16: half of each can be matched by the other half.
  const cases: [Record<string, unknown>, Record<string, unknown>, string][] = [
    [
      given(9),
      {},
      `cannot choose 9 units ${few} "otherTask": 7 of those scored are free, wanted at least 9 or other "controls" of the treatment`,
    ],
    [top({ top: 17 }), {}, few],
    [top({ top: 9, per: "tap" }), {}, few],
    [top({ top: 17 }), { match: "count" }, "cannot choose 17 units of mlp.gate"],
    [top({ top: 2 }), { score: scored({ sites: ["mlp.up"] }) }, "0 of those scored are free"],
    [top({ top: 2 }), { select: { group: "al" } }, 'no scores of group "al", did you mean "all"'],
  ];
  const planOf = (treatment: Record<string, unknown>, change: Record<string, unknown>, log = newLog()) =>
    plan({ log, matrix: { treatments: [{ name: "t", ...treatment, controls: [{ ...OTHER, ...change }] }] } });
  for (const [treatment, change, message] of cases) {
    const log = newLog();
    const { message: said } = await assertRejects(
      () => planOf(treatment, change, log),
      UserError,
    ) as UserError;
    assert(said.startsWith('Cannot run treatment "t" on fake-w: ') && !said.includes("\n"), said);
    assert(said.includes(message), said);
    assertEquals([log.opened, log.runs], [[], []]);
  }
  const enough: [Record<string, unknown>, Record<string, unknown>][] = [
    [given(8), {}],
    [top({ top: 16 }), {}],
    [top({ top: 8, per: "tap" }), {}],
    [top({ top: 16 }), { match: "count" }],
    [top({ top: 32 }), { match: "count", exclude: false }],
  ];
  for (const [treatment, change] of enough) {
    assertEquals((await planOf(treatment, change)).cells.length, 3);
  }
});

Deno.test("planRun() names the control whose score cannot be run", async () => {
  const log = newLog();
  await assertRejects(
    () => planned([{ ...OTHER, score: { ...OTHER.score, on: {} } }], { log }),
    UserError,
    'Cannot read treatment "found": control "otherTask": "on" of gradient_product has no set "items"',
  );
  assertEquals(log.opened, []);
});

Deno.test("identity is each edited unit scaled by 1, and comes to the untouched outcomes", async () => {
  const store = createMemoryStore(), whole = await planned([{ use: "identity" }]);
  const results = await finish(whole, store);
  const arm = results.treatments[1]!.arms.find((each) => each.arm === "identity")!;
  assertEquals(arm.edits, [{ tap: GATE, units: [5, 6], op: "scale", value: 1 }]);
  const [untouched, treated, identity] = whole.cells.map(({ key }) => store.outcomes(key));
  assertEquals(identity, untouched);
  assertNotEquals(treated, untouched);
});

/** The fake, with a scale that is off by one part in 10^15 where an edit is asked for. */
function faulty() {
  const plugin = fakePlugin();
  const load = () => {
    const backend = fakeBackend();
    return Promise.resolve({
      ...backend,
      open: async (...args: Parameters<typeof backend.open>) => {
        const model = await backend.open(...args);
        return {
          ...model,
          async *score(...[requests, options]: Parameters<typeof model.score>) {
            const isEdited = (options?.edits?.length ?? 0) > 0;
            for await (const batch of model.score(requests, options)) {
              const results = batch.results.map((result) => ({
                ...result,
                logprobs: result.logprobs.map((value) => isEdited ? value * (1 + 1e-15) : value),
              }));
              yield { ...batch, results };
            }
          },
        };
      },
    });
  };
  return { ...plugin, backends: plugin.backends!.map((entry) => ({ ...entry, load })) };
}

Deno.test("run() stops where the identity control changes anything in the last bit, now and when it is run again", async () => {
  const store = createMemoryStore();
  const whole = await planned([{ use: "identity" }], { plugin: faulty() });
  const message =
    'Cannot run riddles under "found" (identity) on fake-w: 24 of 24 items differ from untouched, such as r0, ' +
    "wanted the same to the bit";
  await assertRejects(() => finish(whole, store), UserError, message);
  const log = newLog();
  await assertRejects(
    async () => finish(await planned([{ use: "identity" }], { log }), store),
    UserError,
    message,
  );
  assertEquals(log.opened, []);
});

Deno.test("controlLabels() are names, and what tells draws apart", () => {
  const labels = (...controls: readonly unknown[]) => {
    const treatment = {
      name: "t",
      steps: [{ edit: { use: "mute", units: [`mlp.gate_proj_0_1`] } }],
      controls,
    };
    const text = JSON.stringify({
      version: 1,
      models: [{ use: "m" }],
      benchmarks: [{ use: "b" }],
      treatments: [treatment],
    });
    const matrix = parseMatrix(text, "m.json"), registry = createRegistry([scorers], [riddles]);
    return controlLabels(withControls(matrix, { registry, path: "/m.json" }).treatments[0]!.controls);
  };
  const tap = { use: "random", match: "tap" }, uniform = { use: "random", match: "uniform" };
  assertEquals(labels(tap, OTHER, { use: "identity" }), ["random", "otherTask", "identity"]);
  assertEquals(labels(OTHER, tap, uniform), ["otherTask", "random (tap)", "random (uniform)"]);
  assertEquals(labels(uniform, { ...uniform, sets: 3 }), [
    "random (uniform, 200 sets, with treated)",
    "random (uniform, 3 sets, with treated)",
  ]);
});
