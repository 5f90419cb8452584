/** Drawn controls that end once it is decided how a treatment stands among their sets; over the fake model. */
import { assert, assertEquals } from "@std/assert";
import { drawControl } from "../../core/draw.ts";
import { Control } from "../../core/matrix_controls.ts";
import { run } from "../../core/runner.ts";
import { standingOf } from "../../core/standing.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import { createRandom } from "../../core/random.ts";
import type { Results } from "../../core/results.ts";
import { MUTED, newLog, plan } from "../fake_plan.ts";
import { testContext } from "../support.ts";

const UNUSED = { command: [] } as unknown as Results["run"];
/** Unit 1 changes few of the answers, as every other unit does. */
const treatment = (more: Record<string, unknown>) => ({
  treatments: [{
    ...MUTED,
    steps: [{ edit: { use: "mute", units: [{ tap: "layers.0.mlp.gate", index: 1 }] } }],
    controls: [{ use: "random", match: "tap", exclude: false, ...more }],
  }],
});

Deno.test("standingOf() is exact when all sets are drawn, and Besag and Clifford's where drawing ended", () => {
  const options = { sets: 4, stopAt: 2 };
  assertEquals(standingOf(0, [1, 2, 3, 4], { ...options, direction: "less" }), {
    p: 1 / 5,
    decided: true,
  });
  assertEquals(standingOf(0, [-1, 2, -3], { ...options, direction: "less" }).p, 2 / 3);
  assertEquals(standingOf(0, [-1, 2], { ...options, direction: "less" }).decided, false);
  // Both sides have to be decided.
  assertEquals(standingOf(0, [-1, -2, -3], { ...options, direction: "either" }), {
    p: 1 / 2,
    decided: false,
  });
  assertEquals(standingOf(0, [0, 0], { ...options, direction: "either" }), { p: 1, decided: true });
});

Deno.test("standingOf() says p <= x with a chance of at most x where the treatment is one more draw, ended early or not", () => {
  const random = createRandom("standing"), rounds = 20_000;
  for (const direction of ["less", "either"] as const) {
    const counts = { 0.05: 0, 0.1: 0, 0.5: 0 };
    for (let round = 0; round < rounds; round++) {
      const all = Array.from({ length: 40 }, () => random.next());
      const { p } = standingOf(all[0]!, all.slice(1), { direction, sets: 39, stopAt: 4 });
      for (const x of [0.05, 0.1, 0.5] as const) counts[x] += Number(p <= x);
    }
    for (const [x, count] of Object.entries(counts)) {
      const share = Number(x), error = Math.sqrt(share * (1 - share) / rounds);
      assert(count / rounds <= share + 3 * error, `${direction}: ${count / rounds} at ${x}`);
    }
  }
});

Deno.test("sets drawn by default leave p its meaning however many units of a tap are treated; sets without these do not", () => {
  const tap = "layers.0.mlp.gate", units = 64, rounds = 500, options = { sets: 39, stopAt: 4 };
  const alarms = (treated: number, exclude: boolean) => {
    let count = 0;
    for (let round = 0; round < rounds; round++) {
      const random = createRandom(`share/${treated}/${round}`);
      const effects = Array.from({ length: units }, () => random.uniform());
      const list = random.sample(units, treated).map((index) => ({ tap, index }) as const);
      const level = (of: readonly { readonly index: number }[]) =>
        of.reduce((sum, { index }) => sum + effects[index]!, 0);
      const levels = Array.from(
        { length: options.sets },
        (_, set) =>
          level(
            drawControl(list, { match: "tap", set, seed: round, unitsOf: () => units, pool: [], exclude }),
          ),
      );
      count += Number(standingOf(level(list), levels, { ...options, direction: "less" }).p <= 0.05);
    }
    return count / rounds;
  };
  const { exclude } = Control.parse({ use: "random", match: "tap" }) as { readonly exclude: boolean };
  const most = 0.05 + 3 * Math.sqrt(0.05 * 0.95 / rounds);
  for (const treated of [1, 8, 16, 24]) {
    const share = alarms(treated, exclude);
    assert(share <= most, `${share} of ${treated} units`);
  }
  assert(alarms(24, true) > 2 * most, "a set of the other units is no draw that the treatment could be");
});

Deno.test("run() computes no set after the decision, and the results are those sets alone", async () => {
  const log = newLog(), store = createMemoryStore();
  const planned = await plan({ log, matrix: treatment({ sets: 60, stopAt: 3 }) });
  await run(planned, { store, context: testContext() });
  const results = summarise(planned, store, UNUSED);
  const [control] = results.cells.at(-1)!.controls;
  const drawn = control!.keys.length;
  assert(drawn >= 3 && drawn < 60, `${drawn} sets`);
  // One unit is drawn more than once, so that several sets are one cell.
  const complete = new Set(planned.cells.map(({ key }) => key).filter((key) => store.isComplete(key)));
  const counted = new Set(
    results.cells.flatMap(({ key, controls }) => [key, ...controls.flatMap(({ keys }) => keys)]),
  );
  assertEquals(complete, counted);
  assertEquals(control!.metrics.acc!.value.sets, drawn);
  assertEquals(results.treatments[1]!.arms.length, 1 + drawn);
  const { p } = control!.metrics.acc!;
  assert(p !== undefined && p > 0.05);

  // All sets, and the same store: no more is computed, and those beyond the decision do not count.
  const whole = await plan({ matrix: treatment({ sets: 60, stopAt: 60 }) });
  await run(whole, { store, context: testContext() });
  assertEquals(summarise(whole, store, UNUSED).cells.at(-1)!.controls[0]!.keys.length, 60);
  assertEquals(summarise(planned, store, UNUSED), results);
  const again = newLog();
  await run(await plan({ log: again, matrix: treatment({ sets: 60, stopAt: 3 }) }), {
    store,
    context: testContext(),
  });
  assertEquals(again.batches, []);
});

Deno.test("run() goes on drawing while a hypothesis is undecided", async () => {
  const hypothesis = {
    name: "falls",
    treatment: "muted",
    control: "random",
    benchmark: "riddles",
    direction: "less",
    metric: "gold",
  };
  const counts = [];
  for (const hypotheses of [[], [hypothesis]]) {
    const store = createMemoryStore();
    const planned = await plan({ matrix: { ...treatment({ sets: 30, stopAt: 2 }), hypotheses } });
    await run(planned, { store, context: testContext() });
    const results = summarise(planned, store, UNUSED);
    counts.push(results.cells.at(-1)!.controls[0]!.keys.length);
  }
  assert(counts[1]! >= counts[0]!, counts.join());
});
