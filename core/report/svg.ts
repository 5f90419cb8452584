/** What the figures are drawn with, and how their data is written. */
import type { Results } from "../results.ts";

/** Colours of the pages, as on paper. */
export const INK = "#1c1e22", SOFT = "#595e66", RULE = "#dcd8ce", BAND = "#c9cbce", DOT = "#c4641b";
const FONT = "Inter, Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif";
export const SIZE = 12, ROW = 20, SUB_ROW = 16, GAP = 10, PLOT = 300, EDGE = 14;
/** Width of a letter over its height: somewhat more than in the fonts above, since which of them is there is not known. */
export const LETTER = 0.56;

/** What stands over a figure. */
export function stampsOf({ reportable, limit }: Results): string[] {
  return reportable ? [] : [`Not reportable: only the first ${limit} items of each benchmark`];
}

/** Round numbers that hold both ends, 0 among them: steps of 1, 2 or 5 times a power of ten, about six of them. */
export function ticksOf(low: number, high: number): number[] {
  const span = high - low > 0 ? high - low : 1;
  const rough = span / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.floor(low / step + 1e-9), last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

export function tickText(tick: number, ticks: readonly number[]): string {
  const step = (ticks[1] ?? 1) - (ticks[0] ?? 0);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return (tick === 0 ? "0" : `${tick > 0 ? "+" : ""}${tick.toFixed(digits)}`).replace("-", "\u2212");
}

export interface Text {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly fill?: string;
  readonly size?: number;
  readonly bold?: boolean;
  readonly anchor?: "middle" | "end";
}

export function textAt({ x, y, text, fill = INK, size, bold, anchor }: Text): string {
  const more = [
    ...(size === undefined ? [] : [` font-size="${size}"`]),
    ...(bold ? [' font-weight="bold"'] : []),
    ...(anchor === undefined ? [] : [` text-anchor="${anchor}"`]),
  ].join("");
  return `<text x="${round(x)}" y="${round(y)}" fill="${fill}"${more}>${escapeXml(text)}</text>`;
}

/** Control characters may not stand in XML at all. */
export function escapeXml(text: string): string {
  return text
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\u0000-\u001f\u007f\ufffe\uffff]|\p{Surrogate}/gu, " ")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

export const widthOf = (text: string) => LETTER * SIZE * [...text].length;
export const round = (value: number) => Number(value.toFixed(2));

export function fold(text: string, letters: number): string[] {
  return text.split(" ").reduce<string[]>((lines, word) => {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > letters) return [...lines, word];
    return [...lines.slice(0, -1), `${last} ${word}`];
  }, []);
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A whole document on white. @param parts elements, in their order */
export function svgDocument(
  parts: readonly string[],
  { width, height, title }: { readonly width: number; readonly height: number; readonly title: string },
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" ` +
    `font-family="${FONT}" font-size="${SIZE}">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    "</svg>",
  ].join("\n") + "\n";
}

/** Cells as a line of CSV: RFC 4180, ending in LF. */
export function csvLine(cells: readonly (string | number)[]): string {
  return cells.map((cell) => csvCell(String(cell))).join(",") + "\n";
}
