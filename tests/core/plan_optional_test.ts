/** Benchmarks that are left out where their data is not there, and those that are cut short. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { Benchmark } from "../../core/benchmark.ts";
import { UserError } from "../../core/error.ts";
import { limitations } from "../../core/report/limitations.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { UNRECORDED } from "../../core/results.ts";
import { summarise } from "../../core/summary.ts";
import riddles from "../fake_benchmark.ts";
import { MUTED, plan } from "../fake_plan.ts";
import { testContext } from "../support.ts";

const DATA = new URL("./", import.meta.url).pathname;
/** Riddles that are said to lie in a file that nobody has. */
const lost = {
  ...riddles,
  name: "lost",
  files: () => [{ key: "rows", names: ["nobody_has_it.jsonl"] }],
} as Benchmark;
const CLAIM = { name: "falls", treatment: "muted", benchmark: "riddles", direction: "less" };
const options = { benchmarks: [lost], data: DATA };

Deno.test("an optional benchmark without data is left out with what is claimed of it, and outputs say so", async () => {
  const matrix = {
    benchmarks: [{ use: "riddles" }, { use: "lost", optional: true }],
    hypotheses: [
      CLAIM,
      { ...CLAIM, name: "lost falls", benchmark: "lost" },
      { ...CLAIM, name: "falls further than lost", beyond: "lost" },
    ],
  };
  const planned = await plan({ matrix, ...options }), store = createMemoryStore();
  assertEquals(planned.benchmarks.map(({ record }) => record.label), ["riddles"]);
  assertEquals(planned.hypotheses.list.map(({ name }) => name), ["falls"]);
  await run(planned, { store, context: testContext() });
  const results = summarise(planned, store, UNRECORDED);
  assertEquals(results.leftOut, ["lost"]);
  assertStringIncludes(
    limitations(results).join("\n"),
    "lost was left out, with every hypothesis about it: the data was not there",
  );
  // The same cells as without it.
  const without = await plan({ matrix: { hypotheses: [CLAIM] } });
  assertEquals(planned.cells.map(({ key }) => key), without.cells.map(({ key }) => key));
});

Deno.test("a benchmark that is not optional, and the last that there is, have to have their data", async () => {
  for (const optional of [false, true]) {
    const benchmarks = [{ use: "lost", optional }, ...(optional ? [] : [{ use: "riddles" }])];
    await assertRejects(
      () => plan({ matrix: { benchmarks }, ...options }),
      UserError,
      optional
        ? "Cannot read matrix /m/demo.json: the data of every benchmark is missing"
        : "Cannot read the data of lost: no file below",
    );
  }
});

Deno.test("a benchmark's own limit cuts it alone, and outputs say so", async () => {
  const matrix = {
    benchmarks: [{ use: "riddles", name: "few", limit: 5 }, {
      use: "riddles",
      name: "all",
      params: { first: 30 },
    }],
    treatments: [{ ...MUTED, controls: [] }],
  };
  const planned = await plan({ matrix }), store = createMemoryStore();
  assertEquals(planned.benchmarks.map(({ items }) => items.length), [5, 24]);
  assertEquals(planned.limit, null);
  await run(planned, { store, context: testContext() });
  const results = summarise(planned, store, UNRECORDED);
  assertEquals(results.reportable, true);
  assertStringIncludes(limitations(results).join("\n"), "Of few only the first 5 of 24 items were asked");
  const cut = await plan({ matrix, limit: 3 });
  assertEquals([cut.benchmarks.map(({ items }) => items.length), cut.limit], [[3, 3], 3]);
  // A run's limit that cuts nothing beyond it leaves the run reportable.
  const wide = await plan({ matrix, limit: 24 });
  assertEquals([wide.benchmarks.map(({ items }) => items.length), wide.limit], [[5, 24], null]);
});
