/** table.tex: the primary metrics as tables for a paper; they need the package booktabs and nothing else. */
import type { Results } from "../results.ts";
import { hasLeak } from "../provenance/notes.ts";
import { claimText, claimTitle, evidenceTexts, familiesText } from "./claims.ts";
import { estimateText, metricText, pText, sizeText, spreadText } from "./format.ts";
import { levelText } from "./level.ts";
import { type PrimaryRow, primaryRows, setsText } from "./primary.ts";
import { testOf, testsText } from "./tests.ts";

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

/** The whole file: one table a model, more where a page would not hold it, then the hypotheses. */
export function tableTex(results: Results): string {
  const rows = primaryRows(results);
  const tables = results.models.flatMap(({ label }) => {
    const mine = rows.filter(({ model }) => model === label);
    const blocks = [...Map.groupBy(mine, ({ benchmark }) => benchmark).values()].map(blockOf);
    const caption = captionOf(results, { model: label, rows: mine });
    return pagesOf(blocks, { caption, columns: `l${"r".repeat(COLUMNS.length - 1)}`, head: COLUMNS });
  }).concat(claimTables(results));
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

/** Lines that stay together, and how many they take on the page. */
interface Block {
  readonly lines: readonly string[];
  readonly height: number;
}

interface TableOptions {
  /** LaTeX. */
  readonly caption: string;
  /** Of the tabular. */
  readonly columns: string;
  readonly head: readonly string[];
}

/** Tables of blocks that go onto a page together; one that is longer than a page has it alone. */
function pagesOf(blocks: readonly Block[], { caption, ...table }: TableOptions): string[][] {
  const pages: { readonly lines: string[]; height: number }[] = [];
  for (const { lines, height } of blocks) {
    const last = pages.at(-1);
    if (last === undefined || last.height + 1 + height > MAX_LINES) pages.push({ lines: [...lines], height });
    else {
      last.lines.push("\\addlinespace", ...lines);
      last.height += 1 + height;
    }
  }
  return pages.map(({ lines }, i) =>
    tableLines(lines, {
      ...table,
      caption: pages.length > 1 ? `${caption} Part ${i + 1} of ${pages.length}.` : caption,
    })
  );
}

/** A benchmark's name and metric, then a line a treatment, and below each a line a control. */
function blockOf(rows: readonly PrimaryRow[]): Block {
  const [first] = rows;
  if (!first) return { lines: [], height: 0 };
  const title = `${escapeLatex(first.benchmark)} (${escapeLatex(metricText(first.metric))})`;
  const lines = [
    `\\multicolumn{${COLUMNS.length}}{l}{${title}} \\\\`,
    ...rows.flatMap((row) => {
      const { treatment, metric, estimate, difference, leak, controls } = row;
      const test = difference && testOf(difference);
      const name = `${escapeLatex(treatment)}${leak === undefined ? "" : ` (${escapeLatex(leak)})`}`;
      return [
        line([
          `\\quad ${name}`,
          escapeLatex(sizeText(estimate)),
          figures(estimateText(estimate, metric)),
          difference ? figures(estimateText(difference, metric, true)) : "",
          test ? escapeP(pText(test.p)) : "",
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
  return { lines, height: lines.length };
}

/** "p = 0.031" as "0.031", "p < 0.001" as "$<$0.001". */
function escapeP(text: string): string {
  return text.replace(/^p = /, "").replace(/^p < /, "$<$");
}

const line = (cells: readonly string[]) => `${cells.join(" & ")} \\\\`;

function tableLines(
  body: readonly string[],
  { caption, columns, head }: TableOptions,
): string[] {
  return [
    "\\begin{table}",
    "\\centering\\footnotesize\\setlength{\\tabcolsep}{3pt}",
    `\\caption{${caption}}`,
    `\\begin{tabular}{@{}${columns}@{}}`,
    "\\toprule",
    line(head),
    "\\midrule",
    ...body,
    "\\bottomrule",
    "\\end{tabular}",
    "\\end{table}",
  ];
}

/** Letters in a line of a claim's column. */
const CLAIM_WIDTH = 45;

/** A row a hypothesis and model: what is claimed, and what came out, as in report.md. */
function claimTables(results: Results): string[][] {
  const judged = results.hypotheses?.judged ?? [];
  const blocks = judged.map((each): Block => {
    const title = claimTitle(each, results), claim = claimText(each), evidence = evidenceTexts(each);
    const left = [`\\textbf{${escapeLatex(title)}}`, escapeLatex(claim)];
    const right = [`\\textbf{${escapeLatex(each.verdict)}}`, ...evidence.map(figures)];
    const height = (texts: readonly string[]) =>
      texts.reduce((sum, text) => sum + Math.ceil(text.length / CLAIM_WIDTH), 0);
    return {
      lines: [line([left, right].map((texts) => `{\\raggedright ${texts.join("\\newline ")}\\par}`))],
      height: Math.max(height([title, claim]), height([each.verdict, ...evidence])),
    };
  });
  return pagesOf(blocks, {
    caption: [
      ...stampsOf(results),
      escapeLatex(`${results.name}: hypotheses and verdicts. ${familiesText(results)}`),
    ].join(" "),
    columns: "p{0.49\\linewidth}p{0.49\\linewidth}",
    head: ["Hypothesis", "Verdict"],
  });
}

/** In bold, what a reader of the table must know first. */
function stampsOf(results: Results): string[] {
  return [
    ...(results.reportable
      ? []
      : [`Not reportable: only the first ${results.limit} items of each benchmark.`]),
    ...(hasLeak(results) ? ["Leakage allowed: some items made the units that they report on."] : []),
  ].map((stamp) => `\\textbf{${escapeLatex(stamp)}}`);
}

function captionOf(
  results: Results,
  { model, rows }: { readonly model: string; readonly rows: readonly PrimaryRow[] },
): string {
  const changes = rows.flatMap(({ difference }) => difference ?? []);
  const tests = testsText(changes.flatMap((each) => testOf(each)?.name ?? []));
  const sentence = [
    `${results.name}, model ${model}: levels with ${levelText(results)} intervals`,
    ...(changes.length > 0
      ? [
        "and paired differences from the untouched model" +
        (rows.some(({ metric }) => metric.binary) ? ", in percentage points where the metric is in %" : ""),
      ]
      : []),
    ...(rows.some(({ controls }) => controls.length > 0)
      ? ["below a treatment its controls, mean (smallest to largest) where they have several sets"]
      : []),
  ];
  const isGrouped = rows.some(({ estimate: { n, clusters } }) => clusters < n);
  const notes = [
    isGrouped ? "n: items, in brackets their independent groups where fewer" : "n: items",
    ...(tests === undefined ? [] : [`p: ${tests}`]),
  ];
  return [
    ...stampsOf(results),
    escapeLatex(`${sentence.join("; ").replace("; and", ", and")}. ${notes.join("; ")}.`),
  ].join(" ");
}
