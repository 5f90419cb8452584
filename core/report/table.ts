/** The table that a run ends with on the terminal. */
import type { Results } from "../results.ts";
import { provenanceNotes } from "../provenance/notes.ts";
import { claimText, claimTitle, evidenceTexts, gateTexts, sealText } from "./claims.ts";
import { areaText, curvedCells, curveHeading, CURVES_NOTE, pointsText } from "./curves.ts";
import { foundIn, foundName, foundText } from "./found.ts";
import { type Grid, type GridRow, gridsOf } from "./grid.ts";
import { legendText } from "./legend.ts";
import { leftOutText } from "./limitations.ts";
import { acquiescenceText, scaledCells, SCALES_NOTE, scaleText, scaleTitle, verdictText } from "./scales.ts";

export interface TableOptions {
  /** Bold and dim text. */
  readonly colour: boolean;
  /** Characters a line may have; columns that do not fit go into a further table below. */
  readonly width: number;
}

const GAP = "  ";

/** Lines of text without a line end. */
export function table(results: Results, { colour, width }: TableOptions): string[] {
  const paint = colour ? { bold: wrap(1, 22), dim: wrap(2, 22) } : { bold: same, dim: same };
  const grids = gridsOf(results);
  const lines = grids.flatMap((grid) => [
    "",
    paint.bold(`Model ${grid.model}`),
    ...splitColumns(grid, width).flatMap((columns) => ["", ...block(grid, columns, paint)]),
  ]);
  const scales = scalesBlocks(results, { width, paint });
  const claims = claimsBlock(results, { width, paint });
  const curves = curvesBlock(results, { width, paint });
  const seal = sealText(results);
  const notes = [
    legendText(grids, { results, groups: "below in brackets" }),
    ...(seal ? [seal] : []),
    ...(curves.length > 0 ? [CURVES_NOTE] : []),
    ...(scales.length > 0 ? [SCALES_NOTE] : []),
    ...foundIn(results).map((found) => `${foundName(found, results)}: ${foundText(found)}`),
    ...gateTexts(results),
    ...leftOutText(results),
    ...provenanceNotes(results),
    ...(results.reportable
      ? []
      : [`Not reportable: only the first ${results.limit} items of each benchmark (--limit)`]),
  ];
  return [
    ...lines,
    ...claims,
    ...curves,
    ...scales,
    "",
    ...notes.flatMap((note) => fold(note, width)).map(paint.dim),
  ];
}

/** Each hypothesis: what it says, and what came out. */
function claimsBlock(
  results: Results,
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string[] {
  const judged = results.hypotheses?.judged ?? [];
  if (judged.length === 0) return [];
  const indented = (text: string) => fold(text, width - 4).map((line) => `    ${line}`);
  return [
    "",
    paint.bold("Hypotheses"),
    ...judged.flatMap((each) => [
      "",
      ...fold(claimTitle(each, results), width - 2).map((line) => `  ${paint.bold(line)}`),
      ...indented(claimText(each)),
      ...indented(`${each.verdict}: ${evidenceTexts(each).join("; ")}`),
    ]),
  ];
}

/** Each curve: its doses, and its area. */
function curvesBlock(
  results: Results,
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string[] {
  const curves = curvedCells(results);
  if (curves.length === 0) return [];
  const indented = (text: string) => fold(text, width - 4).map((line) => `    ${line}`);
  return [
    "",
    paint.bold("Curves"),
    ...curves.flatMap((each) => [
      "",
      ...fold(curveHeading(each, results), width - 2).map((line) => `  ${paint.bold(line)}`),
      ...indented(pointsText(each)),
      ...indented(areaText(each)),
    ]),
  ];
}

/** A short block a cell whose benchmark has scales. */
function scalesBlocks(
  results: Results,
  { width, paint }: { readonly width: number; readonly paint: Paint },
): string[] {
  const indented = (text: string) =>
    fold(text, width - 4).map((line, i) => `${i === 0 ? "  " : "    "}${line}`);
  return scaledCells(results).flatMap(({ model, benchmark, treatment, scales }) => [
    "",
    paint.bold([benchmark, ...(results.models.length > 1 ? [model] : []), treatment].join(", ")),
    ...scales.scales.flatMap((scale) => indented(`${scaleTitle(scale)}: ${scaleText(scale)}`)),
    ...indented(acquiescenceText(scales)),
    ...indented(verdictText(scales)),
  ]);
}

interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
}

/** Columns of a grid, by index, as many a block as fit beside the names of the rows; untouched leads each block. */
function splitColumns(grid: Grid, width: number): number[][] {
  const head = rowHead(grid).width;
  const blocks: number[][] = [];
  let used = Infinity;
  for (const i of grid.columns.keys()) {
    const own = GAP.length + columnWidth(grid, i);
    if (used + own > width || blocks.length === 0) {
      blocks.push([]);
      used = head;
    }
    blocks.at(-1)?.push(i);
    used += own;
  }
  return blocks;
}

function block(grid: Grid, columns: readonly number[], paint: Paint): string[] {
  const head = rowHead(grid);
  const widths = columns.map((i) => columnWidth(grid, i));
  const titles = columns.map((i, k) => fold(grid.columns[i] ?? "", widths[k] ?? 0));
  const height = Math.max(...titles.map((lines) => lines.length));
  const total = head.width + widths.reduce((all, width) => all + width + GAP.length, 0);
  const header = Array.from({ length: height }, (_, line) =>
    [
      (line === height - 1 ? "Benchmark" : "").padEnd(head.name) + GAP +
      (line === height - 1 ? "n" : "").padStart(head.n),
      ...titles.map((lines, k) => (lines[line - height + lines.length] ?? "").padEnd(widths[k] ?? 0)),
    ].join(GAP).trimEnd());
  return [
    ...header.map(paint.bold),
    paint.dim("-".repeat(total)),
    ...grid.rows.flatMap((row, r) => [
      ...(r > 0 && columns.some((i) => (row.cells[i]?.lines.length ?? 0) > 1) ? [""] : []),
      ...rowLines(row, { columns, widths, head, paint }),
    ]),
  ];
}

function rowLines(row: GridRow, { columns, widths, head, paint }: {
  readonly columns: readonly number[];
  readonly widths: readonly number[];
  readonly head: Head;
  readonly paint: Paint;
}): string[] {
  const cells = columns.map((i) => row.cells[i] ?? { lines: [] as readonly string[], clear: false });
  const height = Math.max(2, ...cells.map((cell) => cell.lines.length));
  return Array.from({ length: height }, (_, line) => {
    const name = [row.benchmark, `  ${row.metric}`][line] ?? "";
    // Groups stand below the items: beside them they would cost a column its place.
    const n = row.n.split(" ")[line] ?? "";
    const texts = cells.map((cell, k) => {
      const text = (cell.lines[line] ?? "").padEnd(widths[k] ?? 0);
      return line === 1 && cell.clear ? paint.bold(text) : line > 1 ? paint.dim(text) : text;
    });
    return [name.padEnd(head.name) + GAP + n.padStart(head.n), ...texts].join(GAP).trimEnd();
  });
}

interface Head {
  readonly name: number;
  readonly n: number;
  readonly width: number;
}

function rowHead(grid: Grid): Head {
  const name = longest(["Benchmark", ...grid.rows.flatMap((row) => [row.benchmark, `  ${row.metric}`])]);
  const n = longest(grid.rows.flatMap((row) => row.n.split(" ")));
  return { name, n, width: name + GAP.length + n };
}

/** As wide as its widest line; a longer title is folded. */
function columnWidth(grid: Grid, i: number): number {
  return Math.max(
    longest(grid.rows.flatMap((row) => row.cells[i]?.lines ?? [])),
    longest(grid.columns[i]?.split(" ") ?? []),
  );
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}

/** Breaks a text at spaces. */
/** Text in lines of at most `width` characters, cut at spaces; a longer word has a line of its own. */
export function fold(text: string, width: number): string[] {
  return text.split(" ").reduce<string[]>((lines, word) => {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) return [...lines, word];
    return [...lines.slice(0, -1), `${last} ${word}`];
  }, []);
}

function wrap(on: number, off: number): (text: string) => string {
  return (text) => `\x1b[${on}m${text}\x1b[${off}m`;
}

function same(text: string): string {
  return text;
}
