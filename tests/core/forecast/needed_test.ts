/** Items that hypotheses need: beside statsmodels for independent items, by simulation of the tests themselves for clusters. */
import { assert, assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { forecast, type Here, type HypothesisForecast } from "../../../core/forecast/mod.ts";
import { clustersNeeded } from "../../../core/forecast/needed.ts";
import { forecastLines } from "../../../core/forecast/print.ts";
import { createRandom } from "../../../core/random.ts";
import { run } from "../../../core/runner.ts";
import { pairedDifference } from "../../../core/stats/mod.ts";
import { itemsNeeded } from "../../../core/stats/power.ts";
import { shiftedP } from "../../../core/stats/verdict.ts";
import { createMemoryStore } from "../../../core/store/memory.ts";
import type { RunStore } from "../../../core/store/store.ts";
import { summarise } from "../../../core/summary.ts";
import { type Change, MUTED, plan } from "../../fake_plan.ts";
import { testContext, UNUSED } from "../../support.ts";
import golden from "../../goldens/power.json" with { type: "json" };

const HERE: Here = { threads: 0, platform: "linux test" };
const ACC = { name: "acc", title: "Accuracy", binary: true, higherIsBetter: true };

const claim = (change: Record<string, unknown> = {}) => ({
  name: "falls",
  treatment: "muted",
  benchmark: "riddles",
  direction: "less",
  ...change,
});

async function needed(
  hypotheses: readonly unknown[],
  { store = createMemoryStore(), matrix, ...change }: Change & { readonly store?: RunStore } = {},
): Promise<readonly HypothesisForecast[]> {
  return forecast(await plan({ ...change, matrix: { ...matrix, hypotheses } }), store, HERE).hypotheses;
}

Deno.test("clustersNeeded() equals statsmodels, at the variances of Connor and of Tango's score, and keeps to the least", () => {
  for (const { discordance, clusters, least, sides, ...design } of golden.claims) {
    const found = clustersNeeded({
      ...design,
      metric: ACC,
      spread: discordance,
      sides: sides === 1 ? 1 : 2,
      meanSize: design.clusterSize,
      by: "t",
    });
    assertEquals(found, Math.max(least, Math.ceil(clusters)), JSON.stringify({ discordance, ...design }));
  }
});

/** Share of simulated data sets in which the test that a verdict rests on gives p <= alpha. */
function powerOf(
  { d, margin, guard, alpha, size, icc, clusters }: {
    readonly d: number;
    readonly margin: number;
    readonly guard: boolean;
    readonly alpha: number;
    readonly size: number;
    readonly icc: number;
    readonly clusters: number;
  },
): number {
  const random = createRandom(`power/${d}/${margin}/${guard}`), uniform = () => random.next() / 2 ** 32;
  const mean = guard ? 0 : -margin,
    draw = () => {
      const u = uniform();
      return u < (d + mean) / 2 ? 1 : u < d ? -1 : 0;
    };
  const names = Array.from({ length: clusters * size }, (_, i) => `${Math.floor(i / size)}`);
  const runs = 400;
  let found = 0;
  for (let s = 0; s < runs; s++) {
    const shared = Array.from({ length: clusters }, draw);
    // Two items of a cluster have the same change with probability icc, else changes of their own.
    const changes = names.map((name) => uniform() < Math.sqrt(icc) ? shared[Number(name)]! : draw());
    const difference = pairedDifference(
      changes.map((change) => Number(change < 0)),
      changes.map((change) => Number(change > 0)),
      { binary: true, clusters: names, seed: s, resamples: 1000 },
    );
    const p = guard ? shiftedP(difference, -margin, "above") : difference.signFlip!.less;
    if (p <= alpha) found++;
  }
  return found / runs;
}

/** Four standard errors of 400 draws at 80 %, and on the lower side what an exact p loses by coming in steps. */
const [LOWEST, HIGHEST] = [0.68, 0.88];

Deno.test("clustersNeeded() gives the tests of verdicts about the power asked, over clusters too", () => {
  for (
    const { guard, size, icc, alpha, d, margin } of [
      { guard: false, size: 1, icc: 0, alpha: 0.05, d: 0.2, margin: 0.1 },
      { guard: true, size: 1, icc: 0, alpha: 0.05, d: 0.2, margin: 0.1 },
      { guard: false, size: 4, icc: 0.5, alpha: 0.05 / 3, d: 0.2, margin: 0.1 },
      { guard: true, size: 4, icc: 0.5, alpha: 0.05 / 3, d: 0.2, margin: 0.1 },
    ]
  ) {
    const design = {
      icc,
      clusterSize: size,
      meanSize: size,
      level: 1 - alpha,
      power: 0.8,
      sides: 1,
      by: "t",
    } as const;
    const clusters = clustersNeeded({ ...design, metric: ACC, guard, margin, spread: d });
    const power = powerOf({ guard, size, icc, alpha, d, margin, clusters });
    assert(power > LOWEST && power < HIGHEST, `${power} with ${clusters} of ${size}, guard ${guard}`);
    const half = powerOf({ guard, size, icc, alpha, d, margin, clusters: Math.ceil(clusters / 2) });
    assert(half < LOWEST, `half of them: ${half}`);
  }
});

Deno.test("forecast() says how many items a hypothesis needs at the strictest step of its family, on all models", async () => {
  const design = {
    metric: ACC,
    guard: false,
    margin: 0.1,
    spread: 0.2,
    icc: 0,
    clusterSize: 1,
    meanSize: 1,
  } as const;
  const test = { power: 0.8, sides: 1, by: "t" } as const;
  const [alone] = await needed([claim({ margin: 0.1 })]);
  assertEquals([alone!.items, alone!.clusters, alone!.alpha], [24, 24, 1 - 0.95]);
  assertEquals(alone!.needed?.clusters, clustersNeeded({ ...design, ...test, level: 0.95 }));
  assertMatch(alone!.source, /^discordance 0.20 assumed/);
  const models = [{ use: "fake" }, { use: "fake", params: { weights: "v" } }];
  const [first, other, second] = await needed([
    claim({ margin: 0.1 }),
    claim({ name: "moves", margin: 0.1, direction: "either" }),
    claim({ name: "later", margin: 0.1, family: "secondary" }),
  ], { matrix: { models } });
  assertAlmostEquals(first!.alpha, 0.05 / 4, 1e-12);
  assertAlmostEquals(second!.alpha, 0.05 / 2, 1e-12);
  assertEquals(first!.needed?.clusters, clustersNeeded({ ...design, ...test, level: 1 - 0.05 / 4 }));
  assert(other!.needed!.items > first!.needed!.items, "two sides ask more");
});

Deno.test("forecast() gives the margin that there are items for where a hypothesis has none, and asks what it gives", async () => {
  const benchmarks = [{ use: "riddles", params: { count: 400, perQuestion: 4 } }];
  const [open] = await needed([claim()], { matrix: { benchmarks } });
  assertEquals([open!.needed, open!.change?.unit], [undefined, "metric"]);
  const [closed] = await needed([claim({ margin: open!.change!.value })], { matrix: { benchmarks } });
  assertEquals(closed!.needed, { items: 400, clusters: 100 });
  assertMatch(closed!.source, /discordance 0.20 and ICC 0.50 assumed/);
});

Deno.test("forecast() takes discordance, or the spread of a metric that is not binary, from stored results", async () => {
  const store = createMemoryStore();
  const planned = await plan();
  await run(planned, { store, context: testContext() });
  const results = summarise(planned, store, UNUSED);
  store.saveRun(results);
  const { rose, fell } = results.cells[1]!.metrics[0]!.difference!, d = (rose + fell) / 24;
  const claims = [
    claim({ margin: 0.3 }),
    claim({ name: "guard", margin: 0.3, guard: true }),
    claim({ name: "gold", margin: 0.3, metric: "gold", family: "exploratory" }),
  ];
  const [acc, guard, gold] = await needed(claims, { store });
  const [untouched, treated] = planned.cells.map(({ key }) => store.outcomes(key));
  const changes = [...treated!].map(([id, { values }]) => values.gold! - untouched!.get(id)!.values.gold!);
  const mean = changes.reduce((sum, each) => sum + each, 0) / 24;
  const sd = Math.sqrt(changes.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 23);
  assertEquals(gold!.needed, {
    items: itemsNeeded({ sd, margin: 0.3, sides: 1 }).items,
    clusters: gold!.needed!.items,
  });
  assertEquals((await needed(claims))[2]!.unknown, "no spread was seen");
  const design = {
    metric: ACC,
    spread: d,
    icc: 0,
    clusterSize: 1,
    meanSize: 1,
    power: 0.8,
    sides: 1,
    by: "t",
  } as const;
  const level = 1 - 0.05 / 2;
  assertEquals(acc!.needed?.clusters, clustersNeeded({ ...design, guard: false, margin: 0.3, level }));
  assertEquals(guard!.needed?.clusters, clustersNeeded({ ...design, guard: true, margin: 0.3, level }));
  assertMatch(acc!.source, new RegExp(`measured in run ${planned.id}`));
});

Deno.test("forecast() counts control sets that are too few for any p, but not a guard's", async () => {
  const random = { control: "random", margin: 0.3 };
  const [falls, guard, either] = await needed([
    claim(random),
    claim({ ...random, name: "stays", guard: true, direction: "greater", family: "secondary" }),
    claim({ ...random, name: "moves", direction: "either", family: "exploratory" }),
  ]);
  assertEquals([falls!.sets, guard!.sets, either!.sets], [{ count: 4, needed: 19 }, undefined, {
    count: 4,
    needed: 39,
  }]);
  const enough = { ...MUTED, controls: [{ use: "random", match: "tap", sets: 19 }] };
  const [other] = await needed([claim(random)], { matrix: { treatments: [enough] } });
  assertEquals(other!.sets, { count: 19, needed: 19 });
});

Deno.test("forecast() says of what it cannot work out why", async () => {
  const few = [{ use: "riddles", params: { perQuestion: 8 } }];
  assertEquals(
    (await needed([claim()], { matrix: { benchmarks: few } }))[0]!.unknown,
    "too few clusters for any p",
  );
  assertEquals((await needed([claim({ margin: 2 })]))[0]!.unknown, "no share changes by so much");
});

Deno.test("forecastLines() has a row a hypothesis with margin, items, needed items and a verdict", async () => {
  const planned = await plan({
    matrix: {
      benchmarks: [{ use: "riddles", params: { count: 60 } }],
      hypotheses: [
        claim({ name: "falls by half", margin: 0.5 }),
        claim({ name: "falls a little", margin: 0.02, family: "secondary" }),
        claim({ name: "falls", control: "random", family: "exploratory" }),
      ],
    },
  });
  const lines = forecastLines(forecast(planned, createMemoryStore(), HERE), { colour: false, width: 99 });
  const row = (name: string) =>
    lines.find((line) => line.startsWith(`  ${name}  `))?.trim().split(/ {2,}/).slice(1);
  assertEquals(row("falls by half"), ["50 points", "60", "12", "enough"]);
  assertEquals(row("falls a little")?.slice(0, 2), ["2 points", "60"]);
  assertEquals(row("falls a little")?.at(-1), "too few items");
  assertMatch(row("falls")?.at(-1) ?? "", /^finds [\d.]+ points, too few sets$/);
  assertMatch(lines.join(" "), /among 4 control sets no p is as small as 0.05, it takes 19 sets/);
  assertEquals(lines.filter((line) => line.length > 99), []);
});
