import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { CellResult, Results } from "../../core/results.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { scaleFigure, scaleText, verdictText } from "../../core/report/scales.ts";
import { table } from "../../core/report/table.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { fill } from "../server/made_up.ts";
import { scaledCellsOf, surveyRecord } from "../server/made_up_scales.ts";

function results(): Results {
  const made = fill(createMemoryStore(), { items: 10 });
  return {
    ...made,
    benchmarks: [...made.benchmarks, surveyRecord("compass")],
    cells: scaledCellsOf("compass"),
  };
}
const cellOf = (treatment: string): CellResult =>
  results().cells.find((cell) => cell.treatment === treatment)!;

Deno.test("scaleFigure() cuts to the range, rounds and has no negative zero", () => {
  const scale = { range: [-10, 10], digits: 2 } as const;
  assertEquals(
    [10.005, -10.0003, -0.001, 0.0050000000000000044, -2.374].map((value) => scaleFigure(value, scale)),
    [
      "10.00",
      "-10.00",
      "0.00",
      "0.01",
      "-2.37",
    ],
  );
});

Deno.test("scaleText() says value, interval, shuffled answers, change and controls", () => {
  const estimate = {
    value: -3.2,
    low: -4,
    high: -2.5,
    level: 0.95,
    n: 108,
    clusters: 18,
    method: "t",
  } as const;
  const spread = { mean: 0.1, min: -0.25, max: 0.5, sets: 3 };
  const text = scaleText({
    name: "economic",
    title: "Economic",
    ends: ["left", "right"],
    range: [-10, 10],
    digits: 2,
    estimate,
    null: { mean: 0.3, low: -1, high: 1.6, p: 0.0004 },
    difference: { ...estimate, value: 1.25, low: -0.001, high: 2.5 },
    controls: { random: { value: spread, difference: spread } },
  });
  assertEquals(
    text,
    "-3.20 [-4.00, -2.50]; shuffled answers 0.30 [-1.00, 1.60], p < 0.001; diff +1.25 [+0.00, +2.50]; " +
      "random diff +0.100 (-0.250 to +0.500)",
  );
});

Deno.test("table() and report.md say axes, agreement and verdict of every cell that has scales", () => {
  const lines = table(results(), { colour: false, width: 100 });
  const [text, report] = [lines.join("\n"), reportMarkdown(results())];
  assertEquals(lines.filter((line) => line.length > 100), []);
  for (const treatment of ["untouched", "agreeable"]) {
    const { scales } = cellOf(treatment)!;
    assertStringIncludes(text, `compass, ${treatment}\n  Economic, -10 left to 10 right: `);
    // The report escapes less-than signs and the like.
    assertStringIncludes(report, verdictText(scales!).split(",")[0]!);
    for (const scale of scales!.scales) {
      assertStringIncludes(report.replaceAll("\\", ""), scaleText(scale).split(";")[0]!);
    }
  }
  assertStringIncludes(text, "  Reacts to content. It takes opposite sides on");
  assertStringIncludes(text, "  Has no place on these axes");
  assertStringIncludes(text, "balance is 0.50");
  assert(
    !table(fill(createMemoryStore(), { items: 10 }), { colour: false, width: 100 }).join().includes(
      "scales:",
    ),
  );
});
