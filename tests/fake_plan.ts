/** Plans over the fake model and its riddles. */
import type { Benchmark } from "../core/benchmark.ts";
import type { Context } from "../core/context.ts";
import { parseMatrix } from "../core/matrix.ts";
import { type Plan, planRun } from "../core/plan.ts";
import type { Plugin } from "../core/plugin.ts";
import scorers from "../plugins/scorers/mod.ts";
import { createRegistry } from "../core/registry.ts";
import type { Results } from "../core/results.ts";
import riddles from "./fake_benchmark.ts";
import { type FakeLog, fakePlugin } from "./fake_model.ts";
import { testContext } from "./support.ts";

export const ENGINE = { plumbline: "0.0.0", deno: "0.0.0", runtime: "fake 1" };
export const MUTED = {
  name: "muted",
  steps: [{ edit: { use: "mute", units: [{ tap: "layers.0.mlp.gate", units: [1, 2, 3] }] } }],
  controls: [{ use: "random", match: "tap", sets: 4 }],
};

/** Riddles 37 and 38, whose planted units are 5 and 6 of layer 0's gate; the benchmark reports 0 to 23. */
export const SCORE = {
  use: "gradient_product",
  params: { sites: ["mlp.gate"], pool: "last" },
  on: { items: { use: "riddles", params: { first: 37, count: 2 } } },
};
export const FOUND = {
  name: "found",
  steps: [{ score: SCORE }, { select: { top: 2 } }, { edit: { use: "mute" } }],
  controls: [{ use: "random", match: "tap", sets: 3 }],
};

export interface Change {
  readonly matrix?: Record<string, unknown>;
  readonly limit?: number;
  readonly tokenBudget?: number;
  readonly engine?: Results["engine"];
  readonly context?: Context;
  readonly log?: FakeLog;
  /** Beside the riddles. */
  readonly benchmarks?: readonly Benchmark[];
  readonly data?: string;
  /** In place of the fake model's. */
  readonly plugin?: Plugin;
}

export function plan(
  {
    matrix,
    log,
    plugin = fakePlugin(log),
    benchmarks = [],
    context = testContext(),
    engine = ENGINE,
    ...options
  }: Change = {},
): Promise<Plan> {
  const text = JSON.stringify({
    version: 1,
    models: [{ use: "fake" }],
    benchmarks: [{ use: "riddles" }],
    treatments: [MUTED],
    ...matrix,
  });
  const registry = createRegistry([plugin, scorers], [riddles, ...benchmarks]);
  return planRun(parseMatrix(text, "/m/demo.json"), {
    registry,
    context,
    path: "/m/demo.json",
    engine,
    ...options,
  });
}

export const newLog = () =>
  ({ opened: [], batches: [], runs: [], texts: [], lacking: false }) satisfies FakeLog as Required<FakeLog>;
export const keys = (planned: Plan) => planned.cells.map((cell) => cell.key);
