/** What goes into a paper: methods, limitations, LaTeX, the figure and its data. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { parse } from "csv-parse/sync";
import type { BenchmarkRecord, Results } from "../../core/results.ts";
import { differencesCsv, differencesSvg } from "../../core/report/forest.ts";
import { escapeLatex, tableTex } from "../../core/report/latex.ts";
import { limitations } from "../../core/report/limitations.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { methodsText } from "../../core/report/methods.ts";
import { primaryRows } from "../../core/report/primary.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { fill, type MadeUpOptions } from "../server/made_up.ts";

/** Every mark that LaTeX, XML or CSV would take for its own. */
const HOSTILE = `\\a_b%&#{}~^$[*<|>"--,\n`;
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

const made = (options: Partial<MadeUpOptions> = {}): Results =>
  fill(createMemoryStore(), { items: 20, ...options });
const withBenchmarks = (results: Results, change: Partial<BenchmarkRecord>): Results => ({
  ...results,
  benchmarks: results.benchmarks.map((each) => ({ ...each, ...change })),
});

Deno.test("methodsText() says model, revision, data, controls and the methods that the intervals name", () => {
  const results = made();
  const text = methodsText(results).join("\n");
  const { hash } = results.models[0]!.info;
  for (
    const part of [
      `weights sha256 ${hash.weights.slice(0, 12)}, tokenizer ${
        hash.tokenizer.slice(0, 12)
      }, without a chat template`,
      "read from a folder without a revision",
      "Plumbline 0.1.0 on Deno 2.9.6 and onnxruntime-node 1.30.0",
      "version 1, licence CC0-1.0, source https://example.org/qnli",
      "not the version expected",
      "gave 20 of its 20 items, with protocol lm-eval",
      "edits 3 units: scale 0 at layers.2.mlp.act",
      "random, 3 sets of as many units drawn at random, as many in each tap as are treated",
      "Intervals are at 95 %; a sign-flip test whose patterns are too many to count draws 10,000 of them, seed 0",
      "Wilson's score interval",
      "McNemar's exact test",
    ]
  ) assertStringIncludes(text, part);
  const [model] = results.models;
  const pinned = { ...results, models: [{ ...model!, params: { path: `hf:org/name@${COMMIT}` } }] };
  assertStringIncludes(methodsText(pinned).join(), `revision ${COMMIT}`);
});

Deno.test("methodsText() counts every interval once", () => {
  const results = made({ models: ["a", "b"] });
  const metrics = results.cells.flatMap((cell) => cell.metrics);
  const said = [...methodsText(results).join().matchAll(/\(([\d,]+)\)[;.]/g)].map(([, n]) => Number(n));
  const total = metrics.length + metrics.filter(({ difference }) => difference).length;
  assertEquals(said.reduce((sum, n) => sum + n, 0), total);
});

Deno.test("limitations() gives the number of each, and none that the results do not show", () => {
  const results = made();
  const has = (some: Results, text: string) => limitations(some).some((each) => each.includes(text));
  for (
    const part of [
      "1 model was run",
      "from before provenance was recorded",
      "1 data file of qnli is of another version",
      "fables (20), commonsense_qa (20), qnli (20)",
      "random of silenced (3)",
      "among 3 sets a rank's p is 0.250 at least",
      "9 primary differences are shown",
    ]
  ) assert(has(results, part), `${part}: ${limitations(results).join("\n")}`);
  for (const part of ["Not reportable", "guessing", "No controls", "Provenance unknown"]) {
    assertEquals(has(results, part), false, part);
  }
  assert(has(made({ reportable: false }), "only the first 20 items"));
  const provenance = { allowLeakage: false, meetings: [], unknown: ["silenced"], reserved: [] };
  assert(has({ ...results, provenance }, "Provenance unknown"));
  const level = (value: number) => ({
    ...results,
    cells: results.cells.map((cell) => ({
      ...cell,
      metrics: cell.metrics.map((each) => ({ ...each, estimate: { ...each.estimate, value } })),
    })),
  });
  assertEquals([0.06, 0.97].map((value) => has(level(value), "Near 0 or 100 %")), [false, true]);
  const many = made({ items: 60 });
  assertEquals(has(many, "independent groups"), false);
});

Deno.test("limitations() names benchmarks at chance, and differences that are exactly 0", () => {
  const results = made({ items: 60 });
  const guessed = withBenchmarks(results, { chance: 0.5 });
  const chance = limitations(guessed).filter((each) => each.includes("guessing"));
  // 38 % in 60 items, whose interval holds 50 %; the other benchmarks lie above it.
  assertEquals(chance.map((each) => each.split(":")[0]), ["commonsense_qa"]);
  assertMatch(chance.join(), /not clearly above the 50\.0 % of guessing/);
  const sure = limitations(withBenchmarks(results, { chance: 1 })).filter((each) => each.includes(", below"));
  assert(sure.length >= 2);
  const cells = results.cells.map((cell) => ({
    ...cell,
    metrics: cell.metrics.map((each) =>
      each.difference && cell.treatment === "halved"
        ? { ...each, difference: { ...each.difference, value: 0, low: 0, high: 0, rose: 0, fell: 0 } }
        : each
    ),
  }));
  assertStringIncludes(limitations({ ...results, cells }).join(), "of 9 primary differences are exactly 0");
});

Deno.test("reportMarkdown() has methods and limitations after the tables, and the record behind them", () => {
  const text = reportMarkdown(made());
  const places = ["## Every metric", "## Methods", "## Limitations", "## Record"].map((head) =>
    text.indexOf(head)
  );
  assertEquals(places, [...places].sort((a, b) => a - b));
  assert(places.every((place) => place > 0));
});

Deno.test("escapeLatex() leaves no mark that LaTeX would take for its own", () => {
  assertEquals(
    escapeLatex("a_b 5% & #1 {x} ~^ \\end $"),
    "a\\_b 5\\% \\& \\#1 \\{x\\} \\textasciitilde{}\\textasciicircum{} \\textbackslash{}end \\$",
  );
  assertEquals(escapeLatex("--limit\n[*]"), "-{}-limit {[}{*}{]}");
  assertEquals(escapeLatex("Gruß 日本"), "Gruß 日本");
});

/** What stands between unescaped marks, and whether braces are balanced. */
function checkTex(text: string): void {
  const lines = text.split("\n").filter((line) => !line.startsWith("%"));
  const open: string[] = [];
  for (const [, kind, name = ""] of lines.join("\n").matchAll(/\\(begin|end)\{(\w+)\}/g)) {
    if (kind === "begin") open.push(name);
    else assertEquals(open.pop(), name);
  }
  assertEquals(open, []);
  let columns = 0;
  for (const line of lines) {
    // Letters, or paragraphs of a width; no gap at the ends.
    const spec = /\\begin\{tabular\}\{(.*)\}$/.exec(line)?.[1];
    if (spec !== undefined) columns = spec.replaceAll("@{}", "").replaceAll(/p\{[^}]*\}/g, "p").length;
    const bare = line.replaceAll(/\\[\\{}$&#_%]/g, (mark) => mark === "\\\\" ? mark : "");
    let depth = 0;
    for (const mark of bare) {
      depth += mark === "{" ? 1 : mark === "}" ? -1 : 0;
      assert(depth >= 0, line);
    }
    assertEquals(depth, 0, line);
    assertEquals(/[#_%~^]/.test(bare), false, line);
    assertEquals((bare.match(/\$/g) ?? []).length % 2, 0, line);
    if (!line.endsWith(" \\\\")) assertEquals(bare.includes("&"), false, line);
    else if (!line.startsWith("\\multicolumn")) assertEquals(bare.split("&").length, columns, line);
    assertEquals(/\\\\ *[[*]/.test(line), false, line);
  }
}

Deno.test("tableTex() is well formed whatever names are, with a line a treatment and control", () => {
  const results = made({ hostile: HOSTILE, models: ["a_1", "b"] });
  const text = tableTex(results);
  checkTex(text);
  assertEquals(text.match(/\\begin\{tabular\}/g)?.length, 2);
  const controls = results.cells.reduce((sum, cell) => sum + cell.controls.length, 0);
  assertEquals(text.match(/^\\quad /gm)?.length, results.cells.length);
  assertEquals(text.match(/^\\qquad /gm)?.length, controls);
  const row = primaryRows(made()).find(({ treatment }) => treatment === "silenced")!;
  const shown = `$-$${(-100 * row.difference!.value).toFixed(1)} {[}$-$`;
  assertStringIncludes(tableTex(made()), shown);
  assertStringIncludes(tableTex(made({ reportable: false })), "\\textbf{Not reportable");
});

/** Hypotheses of the made-up run, with names that LaTeX would take for its own. */
function withHypotheses(results: Results, count: number, mark = ""): Results {
  const [row] = primaryRows(results).filter(({ difference }) => difference);
  const judged = Array.from({ length: count }, (_, i) => ({
    model: results.models[0]!.label,
    hypothesis: {
      name: `${mark}claim ${i}`,
      treatment: row!.treatment,
      control: "random",
      benchmark: row!.benchmark,
      metric: row!.metric.name,
      direction: "less" as const,
      family: i % 2 === 0 ? "primary" as const : "exploratory" as const,
    },
    metric: row!.metric,
    difference: row!.difference!,
    sets: { count: 3, p: 0.25 },
    verdict: "inconclusive" as const,
    p: 0.25,
    adjusted: 0.5,
    tested: true,
    detectable: 0.123,
    reason: "the smallest effect that would be found is 0.123",
  }));
  return { ...results, hypotheses: { hash: "0123456789abcdef", judged } };
}

Deno.test("tableTex() has the hypotheses of report.md below its tables, with their evidence and verdicts", () => {
  for (const mark of ["", HOSTILE]) {
    const results = withHypotheses(made(), 3, mark),
      text = tableTex(results),
      report = reportMarkdown(results);
    checkTex(text);
    assertEquals(text.match(/\\begin\{tabular\}/g)?.length, 2);
    assertEquals(text.match(/claim \d \((primary|exploratory)\)/g)?.length, 3);
    assertEquals(text.match(/\\textbf\{inconclusive\}/g)?.length, 3);
    for (
      const part of [
        "is lower than under random (3 sets)",
        "adjusted 0.500",
        "12.3 points",
        "over sets p = 0.250",
      ]
    ) {
      assertStringIncludes(text, part);
      assertStringIncludes(report, part);
    }
    assertStringIncludes(text, "by Holm's procedure.");
    assertEquals(text.includes("Secondary"), false);
  }
  const many = tableTex(withHypotheses(made(), 30));
  checkTex(many);
  assertStringIncludes(many, "Part 2 of ");
  assertEquals(tableTex(made()).includes("Verdict"), false);
  const short = withHypotheses(made({ reportable: false }), 1);
  assertEquals(tableTex(short).match(/\\textbf\{Not reportable/g)?.length, 2);
});

Deno.test("tableTex() goes on in a further table where a page is full", () => {
  const results = made();
  const benchmarks = Array.from({ length: 12 }, (_, i) => `b${i}`);
  const cells = benchmarks.flatMap((benchmark) =>
    results.cells.slice(0, 4).map((cell) => ({ ...cell, benchmark }))
  );
  const text = tableTex({ ...results, cells });
  checkTex(text);
  assertStringIncludes(text, "Part 1 of 3.");
  for (const name of benchmarks) assertStringIncludes(text, `{l}{${name} (`);
});

const hasLatex = (() => {
  try {
    return new Deno.Command("kpsewhich", { args: ["booktabs.sty"], stderr: "null" }).outputSync().success &&
      new Deno.Command("pdflatex", { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
})();

Deno.test("pdflatex sets table.tex with booktabs alone", { ignore: !hasLatex }, async () => {
  const cwd = await Deno.makeTempDir();
  try {
    Deno.writeTextFileSync(
      `${cwd}/table.tex`,
      tableTex(withHypotheses(made({ hostile: HOSTILE }), 30, HOSTILE)),
    );
    Deno.writeTextFileSync(
      `${cwd}/main.tex`,
      "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\\input{table}\\end{document}",
    );
    const args = ["-interaction=nonstopmode", "-halt-on-error", "main.tex"];
    const { success, stdout } = await new Deno.Command("pdflatex", { cwd, args }).output();
    assert(success, new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
});

Deno.test("differencesSvg() puts a mark at each difference and a band over each control, to scale", () => {
  const results = made();
  const svg = differencesSvg(results);
  const circles = [...svg.matchAll(/<circle cx="([\d.]+)"/g)].map(([, cx]) => Number(cx));
  const rows = primaryRows(results).filter(({ difference }) => difference);
  assertEquals(circles.length, rows.length);
  assertEquals(svg.match(/<rect x=/g)?.length, rows.reduce((sum, { controls }) => sum + controls.length, 0));
  // One axis: places are a straight line of the values.
  const values = rows.map(({ difference }) => difference!.value);
  const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => values.indexOf(value));
  const slope = (circles[high!]! - circles[low!]!) / (values[high!]! - values[low!]!);
  for (const [i, value] of values.entries()) {
    // Places are rounded to 0.01.
    assert(Math.abs(circles[i]! - circles[low!]! - slope * (value - values[low!]!)) < 0.03);
  }
  const clear = rows.filter(({ difference: d }) => d!.low > 0 || d!.high < 0).length;
  assertEquals(svg.match(/<circle [^>]*fill="#c4641b"/g)?.length ?? 0, clear);
});

Deno.test("differencesSvg() is XML whatever names are, the same each time, and says when there is nothing", () => {
  const results = made({ hostile: `${HOSTILE}\u0000`, reportable: false });
  const svg = differencesSvg(results);
  const bare = svg.replaceAll(/<[a-z/][^<>]*>/g, "");
  assertEquals(/[<>]|&(?!(amp|lt|gt|quot);)/.test(bare), false);
  // deno-lint-ignore no-control-regex
  assertEquals(/[\u0000-\u0008]|NaN|undefined/.test(svg), false);
  assertStringIncludes(svg, "Not reportable");
  assertEquals(differencesSvg({ ...results, run: { ...results.run, threads: 9 } }), svg);
  const untouched = results.cells.filter(({ treatment }) => treatment === "untouched");
  assertStringIncludes(differencesSvg({ ...results, cells: untouched }), "no difference to show");
});

Deno.test("differencesCsv() reads back as the differences and control ranges, to the bit", () => {
  const results = made({ hostile: HOSTILE });
  const rows = parse<Record<string, string>>(differencesCsv(results), { columns: true });
  const wanted = primaryRows(results).flatMap(({ treatment, difference, controls }) =>
    difference
      ? [
        [treatment, "", difference.value, difference.low, difference.high],
        ...controls.map((
          { control, difference: { mean, min, max } },
        ) => [treatment, control, mean, min, max]),
      ]
      : []
  );
  assertEquals(
    rows.map((
      row,
    ) => [row.treatment, row.control, Number(row.difference), Number(row.low), Number(row.high)]),
    wanted,
  );
});
