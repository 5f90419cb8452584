/** table.tex: the primary metrics as tables for a paper; they need the package booktabs and nothing else. */
import type { Results } from "../results.ts";
import { hasLeak } from "../provenance/notes.ts";
import { estimateText, metricText, pText, sizeText, spreadText } from "./format.ts";
import { levelText } from "./level.ts";
import { type PrimaryRow, primaryRows, setsText } from "./primary.ts";

/** Lines of a table's body that fit on a page in small type. */
const MAX_LINES = 45;
const COLUMNS = ["Benchmark, treatment", "$n$", "Level", "Difference", "$p$"] as const;

const MARKS: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "{": "\\{",
  "}": "\\}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  // Straight quotes are not in LaTeX's first fonts.
  '"': "{''}",
  // A bracket or a star after the end of a row would be read as its argument.
  "[": "{[}",
  "]": "{]}",
  "*": "{*}",
  "`": "{`}",
};

/**
 * Text that LaTeX sets as it stands; line ends and other control characters become spaces. Letters beyond ASCII stay as they are.
 *
 * @example
 * ```ts
 * import { escapeLatex } from "./latex.ts";
 * if (escapeLatex("50 % of a_b") !== "50 \\% of a\\_b") throw new Error("unexpected text");
 * ```
 */
export function escapeLatex(text: string): string {
  return text
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ")
    .replaceAll(/[\\{}~^<>|"[\]*`]/g, (mark) => MARKS[mark] ?? mark)
    .replaceAll(/[$&#_%]/g, (mark) => `\\${mark}`)
    // Two hyphens would become a dash.
    .replaceAll(/-(?=-)/g, "-{}");
}

/** A figure, its minus signs as long as plus signs are wide. */
function figures(text: string): string {
  return escapeLatex(text).replaceAll(/(^|[^\w])-(?=\d)/g, "$1$$-$$").replaceAll(/\+(?=\d)/g, "$$+$$");
}

/** The whole file: one table a model, more where a page would not hold it. */
export function tableTex(results: Results): string {
  const rows = primaryRows(results);
  const tables = results.models.flatMap(({ label }) => {
    const mine = rows.filter(({ model }) => model === label);
    const blocks = [...Map.groupBy(mine, ({ benchmark }) => benchmark).values()].map(blockLines);
    const pages = paged(blocks);
    return pages.map((page, i) => tableLines(page, { results, model: label, part: [i + 1, pages.length] }));
  });
  const odd = [...new Set(tables.flat().join("").match(/[^\n -~]/gu) ?? [])].sort();
  return [
    "% Made by Plumbline. Wants \\usepackage{booktabs}.",
    ...(odd.length > 0
      ? [
        `% Has characters beyond ASCII (${
          odd.join(" ")
        }): where a font lacks one, compile with LuaLaTeX or XeLaTeX.`,
      ]
      : []),
    ...tables.flatMap((lines) => ["", ...lines]),
  ].join("\n") + "\n";
}

/** Benchmarks that go onto a page together; one that is longer than a page has it alone. */
function paged(blocks: readonly (readonly string[])[]): string[][] {
  const pages: string[][] = [];
  for (const block of blocks) {
    const last = pages.at(-1);
    if (last === undefined || last.length + 1 + block.length > MAX_LINES) pages.push([...block]);
    else last.push("\\addlinespace", ...block);
  }
  return pages;
}

/** A benchmark's name and metric, then a line a treatment, and below each a line a control. */
function blockLines(rows: readonly PrimaryRow[]): string[] {
  const [first] = rows;
  if (!first) return [];
  const title = `${escapeLatex(first.benchmark)} (${escapeLatex(metricText(first.metric))})`;
  return [
    `\\multicolumn{${COLUMNS.length}}{l}{${title}} \\\\`,
    ...rows.flatMap((row) => {
      const { treatment, metric, estimate, difference, leak, controls } = row;
      const name = `${escapeLatex(treatment)}${leak === undefined ? "" : ` (${escapeLatex(leak)})`}`;
      return [
        line([
          `\\quad ${name}`,
          escapeLatex(sizeText(estimate)),
          figures(estimateText(estimate, metric)),
          difference ? figures(estimateText(difference, metric, true)) : "",
          difference?.mcnemar === undefined ? "" : escapeP(pText(difference.mcnemar)),
        ]),
        ...controls.map((control) =>
          line([
            `\\qquad ${escapeLatex(setsText(control))}`,
            "",
            figures(spreadText(control.value, metric)),
            figures(spreadText(control.difference, metric, true)),
            "",
          ])
        ),
      ];
    }),
  ];
}

/** "p = 0.031" as "0.031", "p < 0.001" as "$<$0.001". */
function escapeP(text: string): string {
  return text.replace(/^p = /, "").replace(/^p < /, "$<$");
}

const line = (cells: readonly string[]) => `${cells.join(" & ")} \\\\`;

function tableLines(body: readonly string[], { results, model, part: [number, parts] }: {
  readonly results: Results;
  readonly model: string;
  readonly part: readonly [number, number];
}): string[] {
  return [
    "\\begin{table}",
    "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}",
    `\\caption{${captionOf(results, model)}${parts > 1 ? ` Part ${number} of ${parts}.` : ""}}`,
    `\\begin{tabular}{l${"r".repeat(COLUMNS.length - 1)}}`,
    "\\toprule",
    line(COLUMNS),
    "\\midrule",
    ...body,
    "\\bottomrule",
    "\\end{tabular}",
    "\\end{table}",
  ];
}

function captionOf(results: Results, model: string): string {
  const stamps = [
    ...(results.reportable
      ? []
      : [`Not reportable: only the first ${results.limit} items of each benchmark.`]),
    ...(hasLeak(results) ? ["Leakage allowed: some items made the units that they report on."] : []),
  ];
  return [
    ...stamps.map((stamp) => `\\textbf{${escapeLatex(stamp)}}`),
    escapeLatex(
      `${results.name}, model ${model}: levels with ${
        levelText(results)
      } intervals, and paired differences from the untouched ` +
        "model, in percentage points where the metric is in %; below a treatment its random controls, mean (smallest to largest) over " +
        "their sets. n: items, in brackets their independent groups where fewer; p: McNemar's exact test.",
    ),
  ].join(" ");
}
