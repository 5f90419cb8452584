import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import type { CellResult, Results } from "../../core/results.ts";
import { UserError } from "../../core/error.ts";
import { estimateText, figure, spreadText } from "../../core/report/format.ts";
import { exportRun } from "../../core/report/export.ts";
import { prettyJson } from "../../core/report/json.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { table } from "../../core/report/table.ts";
import { testOf, testsText } from "../../core/report/tests.ts";
import { createMemoryStore } from "../../core/store/memory.ts";

const ACC = { name: "acc", title: "Accuracy", binary: true, higherIsBetter: true };
const NATS = { name: "gold", title: "Log-probability", binary: false, higherIsBetter: true };

function estimate(value: number, low: number, high: number) {
  return { value, low, high, level: 0.95, n: 200, clusters: 200, method: "t" as const };
}

function cell(benchmark: string, treatment: string, controls: CellResult["controls"] = []): CellResult {
  const change = {
    ...estimate(-0.865, -0.91, -0.815),
    method: "score" as const,
    rose: 1,
    fell: 9,
  };
  const difference = treatment === "untouched" ? {} : {
    difference: { ...change, mcnemar: 0.0312 },
    parts: { validity: estimate(-0.005, -0.015, 0), ability: estimate(-0.86, -0.9, -0.81) },
  };
  return {
    model: "demo",
    benchmark,
    treatment,
    key: `${benchmark}/${treatment}`,
    n: 200,
    primary: "acc",
    metrics: [{ metric: ACC, estimate: estimate(0.985, 0.957, 0.995), ...difference }],
    controls,
  };
}

const SPREAD = { mean: 0.982, min: 0.975, max: 0.99, sets: 10 };

function results(change: Partial<Results> = {}): Results {
  const control = {
    control: "random",
    metrics: { acc: { value: SPREAD, difference: { mean: -0.003, min: -0.01, max: 0.005, sets: 10 } } },
    keys: Array.from({ length: 10 }, (_, i) => `c${i}`),
  };
  const info = {
    name: "demo",
    architecture: "llama",
    parameters: 444_192,
    layers: 4,
    contextLength: 64,
    vocab: 197,
  };
  const hash = { weights: "w1", tokenizer: "t1", chatTemplate: "", config: "c1" };
  const edits = [{ tap: "layers.1.mlp.gate" as const, units: [1, 2], op: "scale" as const, value: 0 }];
  return {
    format: "plumbline-results",
    version: 1,
    id: "demo-0a1b2c3d",
    name: "demo",
    reportable: true,
    limit: null,
    tokenBudget: 2048,
    engine: { plumbline: "0.1.0", deno: "2.9.6", runtime: "onnxruntime-node 1.30.0" },
    matrix: {},
    statistics: { level: 0.95, resamples: 10_000, seed: 0 },
    models: [{ label: "demo", use: "onnx", version: "1", params: {}, info: { ...info, hash } }],
    benchmarks: ["fables", "opposites|x"].map((label) => ({
      label,
      name: label,
      version: "1",
      title: "Fables",
      licence: "CC0-1.0",
      source: "Plumbline",
      evaluator: { name: "pick", version: "1" },
      params: {},
      files: [{ key: "items", name: "f.jsonl", sha256: "f1", expected: "f2" }],
      items: { original: 200, effective: 200 },
      itemsHash: "i1",
    })),
    treatments: [
      {
        name: "untouched",
        steps: [],
        controls: [],
        arms: [{ treatment: "untouched", arm: "treated", edits: [], units: 0 }],
      },
      {
        name: "food silenced",
        steps: [],
        controls: [],
        arms: [{ treatment: "food silenced", arm: "treated", edits, units: 2 }],
      },
    ],
    cells: ["fables", "opposites|x"].flatMap((name) => [
      cell(name, "untouched"),
      cell(name, "food silenced", [control]),
    ]),
    run: {
      startedAt: "2026-01-01T00:00:00.000Z",
      finishedAt: "2026-01-01T00:00:01.000Z",
      elapsedMs: 1,
      command: [],
      computedCells: 1,
      reusedCells: 0,
      tokens: 1,
      tokensPerSecond: 1,
      peakMemoryMb: 250,
      threads: 1,
      platform: "test",
    },
    ...change,
  };
}

const PLAIN = { colour: false, width: 100 };

Deno.test("figure() shows proportions in percent and signs differences, never a negative zero", () => {
  assertEquals([figure(0.61, ACC), figure(1, ACC)], ["61.0", "100.0"]);
  assertEquals([figure(0.03, ACC, true), figure(-0.03, ACC, true), figure(-0.0001, ACC, true)], [
    "+3.0",
    "-3.0",
    "+0.0",
  ]);
  assertEquals([figure(-1.23456, NATS), figure(-0.0001, NATS, true)], ["-1.235", "+0.000"]);
  assertEquals(estimateText(estimate(0.61, 0.571, 0.652), ACC), "61.0 [57.1, 65.2]");
  assertEquals(spreadText(SPREAD, ACC), "98.2 (97.5 to 99.0)");
});

Deno.test("table() puts benchmarks down and treatments and controls across, in 100 columns", () => {
  const lines = table(results(), PLAIN);
  assertEquals(lines.every((line) => line.length <= 100), true);
  const text = lines.join("\n");
  for (
    const part of [
      "fables",
      "opposites|x",
      "98.5 [95.7, 99.5]",
      "diff -86.5 [-91.0, -81.5]",
      "  p = 0.031, McNemar",
      "  validity -0.5 [-1.5, +0.0]",
      "  ability -86.0 [-90.0, -81.0]",
      "food silenced: random,",
      "10 sets",
      "98.2 (97.5 to 99.0)",
      "diff -0.3 (-1.0 to +0.5)",
    ]
  ) assertStringIncludes(text, part);
  assertEquals(text.includes("\x1b"), false);
  const row = lines.findIndex((line) => line.startsWith("fables"));
  assertMatch(
    lines[row] ?? "",
    /^fables +200 +98\.5 \[95\.7, 99\.5\] +98\.5 \[95\.7, 99\.5\] +98\.2 \(97\.5 to 99\.0\)$/,
  );
});

/** Items that share questions, with sign flips in place of McNemar's test. */
function clustered(): Results {
  const { cells, ...rest } = results();
  const signFlip = { p: 0.007, greater: 1, less: 0.0035, least: 2 ** -20, exact: true };
  return {
    ...rest,
    cells: cells.map((cell) => ({
      ...cell,
      metrics: cell.metrics.map(({ metric, estimate, difference }) => {
        if (!difference) return { metric, estimate: { ...estimate, clusters: 50 } };
        const { mcnemar: _, ...change } = difference;
        return { metric, estimate: { ...estimate, clusters: 50 }, difference: { ...change, signFlip } };
      }),
    })),
  };
}

Deno.test("table() and reportMarkdown() say which test a p is of, and their legends name what is shown and nothing else", () => {
  const legendOf = (some: Results) => {
    const text = table(some, { ...PLAIN, width: 2000 }).find((line) => line.startsWith("n: items"));
    const note = reportMarkdown(some).split("\n\n").find((part) => part.startsWith("In each cell"));
    // The same words but for where the groups stand.
    assertStringIncludes(note ?? "", (text ?? "none").replace("below in brackets", "in brackets"));
    return text ?? "";
  };
  const independent = legendOf(results());
  for (const part of ["McNemar's exact test", "validity:", "ability:", "controls:", "percentage points"]) {
    assertStringIncludes(independent, part);
  }
  for (const part of ["sign-flip", "groups"]) assertEquals(independent.includes(part), false, part);

  const grouped = clustered(), lines = table(grouped, PLAIN).join("\n");
  assertStringIncludes(lines, "  p = 0.007, sign flip");
  assertStringIncludes(reportMarkdown(grouped), "<br>p = 0.007, sign flip");
  const legend = legendOf(grouped);
  for (const part of ["the sign-flip test", "below in brackets their independent groups"]) {
    assertStringIncludes(legend, part);
  }
  for (const part of ["McNemar", "validity", "ability"]) assertEquals(legend.includes(part), false, part);
  assertEquals(/McNemar/.test(reportMarkdown(grouped)), false);

  const [first] = results().treatments,
    alone = results().cells.filter((cell) => cell.treatment === "untouched");
  const plain = results({ treatments: [first!], cells: alone });
  assertEquals(legendOf(plain), "n: items; levels with 95 % intervals");
});

Deno.test("testOf() takes McNemar's test where there is one, and testsText() says what each of two is for", () => {
  const signFlip = { p: 0.5, greater: 0.25, less: 1, least: 0.01, exact: true };
  const change = { ...estimate(0.1, -0.1, 0.3), rose: 3, fell: 1, signFlip };
  assertEquals(testOf({ ...change, mcnemar: 0.6 }), { name: "McNemar", p: 0.6 });
  assertEquals(testOf(change), { name: "sign flip", p: 0.5 });
  assertEquals(testsText([]), undefined);
  assertEquals(testsText(["McNemar", "McNemar"]), "two-sided, by McNemar's exact test");
  assertEquals(
    testsText(["sign flip", "McNemar"]),
    "two-sided, by McNemar's exact test for proportions of independent items, else by the sign-flip test over groups of items",
  );
});

Deno.test("table() moves columns that do not fit into a further block and drops none", () => {
  const lines = table(results(), { colour: false, width: 60 });
  assertEquals(lines.every((line) => line.length <= 60), true, lines.find((line) => line.length > 60));
  assertEquals(lines.filter((line) => line.startsWith("Benchmark")).length, 3);
  assertStringIncludes(lines.join("\n"), "98.2 (97.5 to 99.0)");
});

Deno.test("table() says when a run is not reportable, and colours on request only", () => {
  assertStringIncludes(
    table(results({ reportable: false, limit: 20 }), PLAIN).join(" "),
    "Not reportable: only the first 20 items",
  );
  assertStringIncludes(table(results(), { ...PLAIN, colour: true }).join("\n"), "\x1b[1m");
});

Deno.test("reportMarkdown() holds the table, each metric and what made them, and nothing of `run`", () => {
  const text = reportMarkdown(results());
  for (
    const part of [
      "# demo\n",
      "| Benchmark | n | untouched | food silenced | food silenced: random, 10 sets |",
      "98.5 [95.7, 99.5]<br>diff -86.5 [-91.0, -81.5]<br>p = 0.031, McNemar<br>validity -0.5",
      "opposites\\|x",
      "1 / 9",
      "onnxruntime-node 1.30.0",
      "CC0-1.0",
      "`w1`",
      "f.jsonl sha256 `f1` (the benchmark was written for `f2`)",
      "10,000 draws",
    ]
  ) assertStringIncludes(text, part);
  const later = results();
  assertEquals(reportMarkdown({ ...later, run: { ...later.run, startedAt: "2027", threads: 9 } }), text);
  assertStringIncludes(reportMarkdown(results({ reportable: false, limit: 20 })), "Not reportable");
});

Deno.test("prettyJson() reads back as the same value, with sorted keys and long number lists filled", () => {
  const value = {
    b: [1, 2],
    a: { d: null, c: "x".repeat(200) },
    n: Array.from({ length: 100 }, (_, i) => i * 1000),
  };
  const text = prettyJson(value);
  assertEquals(JSON.parse(text), value);
  assertEquals(text.split("\n").filter((line) => line.length > 120).length, 1);
  assertEquals(prettyJson({ n: value.n, a: value.a, b: value.b }), text);
  assertEquals(text.split("\n").length < 20, true);
});

Deno.test("exportRun() writes whole files under clean names, samples in the order of the items", async () => {
  using store = createMemoryStore();
  const run = results({ id: "../demo-0a1b2c3d" });
  for (const { key } of run.cells) {
    store.openCell(key, {}, 2);
    const sample = {
      doc: {},
      target: "A",
      arguments: [],
      resps: [],
      filtered_resps: [],
      filter: "none",
      metrics: ["acc"],
    };
    store.saveSamples(key, new Map([["b", { ...sample, doc_id: 1 }], ["a", { ...sample, doc_id: 0 }]]));
  }
  store.saveRun(run);
  const folder = await Deno.makeTempDir();
  try {
    const target = await exportRun(store, run.id, folder);
    assertEquals(target, `${folder}/demo-0a1b2c3d`);
    assertEquals([...Deno.readDirSync(target)].map((entry) => entry.name).sort(), [
      "cells.parquet",
      "differences.csv",
      "differences.svg",
      "items.parquet",
      "report.md",
      "results.json",
      "samples_fables_food-silenced.jsonl",
      "samples_fables_untouched.jsonl",
      "samples_opposites-x_food-silenced.jsonl",
      "samples_opposites-x_untouched.jsonl",
      "table.tex",
    ]);
    assertEquals(JSON.parse(Deno.readTextFileSync(`${target}/results.json`)), run);
    const lines = Deno.readTextFileSync(`${target}/samples_fables_untouched.jsonl`).trimEnd().split("\n");
    assertEquals(lines.map((line) => JSON.parse(line).doc_id), [0, 1]);
    await assertRejects(
      () => exportRun(store, "none", folder),
      UserError,
      "it is not in the store, wanted one of",
    );
    Deno.writeTextFileSync(`${folder}/file`, "");
    await assertRejects(() => exportRun(store, run.id, `${folder}/file`), UserError, "Cannot write");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
