/** differences.svg and differences.csv: the change of every primary metric with its interval, over the range of its controls. */
import type { Results } from "../results.ts";
import { estimateText, metricText, spreadText } from "./format.ts";
import { levelText } from "./level.ts";
import { type PrimaryRow, primaryRows, setsText } from "./primary.ts";

/** Colours of the pages, as on paper. */
const INK = "#1c1e22", SOFT = "#595e66", RULE = "#dcd8ce", BAND = "#c9cbce", DOT = "#c4641b";
const FONT = "Inter, Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif";
const SIZE = 12, ROW = 20, SUB_ROW = 16, GAP = 10, PLOT = 300, EDGE = 14;
/** Width of a letter over its height: somewhat more than in the fonts above, since which of them is there is not known. */
const LETTER = 0.56;

interface Line {
  readonly kind: "benchmark" | "treatment" | "control";
  readonly label: string;
  readonly text: string;
  /** In shown units: percentage points where the metric is in %. */
  readonly value?: number;
  readonly low?: number;
  readonly high?: number;
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

/** One axis a unit: all proportions share theirs, any other metric has its own. */
function panelsOf(results: Results): Panel[] {
  const rows = primaryRows(results).filter(({ difference }) => difference);
  const byUnit = Map.groupBy(rows, ({ metric }) => metric.binary ? "percentage points" : metric.name);
  return [...byUnit].map(([unit, all]) => {
    const groups = Map.groupBy(all, ({ model, benchmark }) => JSON.stringify([model, benchmark]));
    return {
      title: `Difference from the untouched model, ${unit}`,
      lines: [...groups.values()].flatMap((group) => groupLines(group, results.models.length > 1)),
    };
  });
}

function groupLines(group: readonly PrimaryRow[], severalModels: boolean): Line[] {
  const [first] = group;
  if (!first) return [];
  const label = `${first.benchmark} (${metricText(first.metric)})${severalModels ? `, ${first.model}` : ""}`;
  const lines = group.flatMap(({ treatment, metric, difference, leak, controls }): Line[] => {
    if (!difference) return [];
    const scale = metric.binary ? 100 : 1;
    return [
      {
        kind: "treatment",
        label: leak === undefined ? treatment : `${treatment} (${leak})`,
        text: estimateText(difference, metric, true),
        value: scale * difference.value,
        low: scale * difference.low,
        high: scale * difference.high,
      },
      ...controls.map((control): Line => ({
        kind: "control",
        label: setsText(control),
        text: spreadText(control.difference, metric, true),
        value: scale * control.difference.mean,
        low: scale * control.difference.min,
        high: scale * control.difference.max,
      })),
    ];
  });
  return [{ kind: "benchmark", label, text: "" }, ...lines];
}

/**
 * The figure, as wide as its labels need; nothing in it depends on fonts, clock or chance.
 *
 * @returns an SVG document; without a difference to show it says so.
 */
export function differencesSvg(results: Results): string {
  const panels = panelsOf(results);
  const lines = panels.flatMap((panel) => panel.lines);
  const left = EDGE + Math.max(160, ...lines.map(({ label, kind }) => indentOf(kind) + widthOf(label)));
  const right = Math.max(120, ...lines.map(({ text }) => widthOf(text)));
  const width = Math.ceil(left + GAP + PLOT + GAP + right + EDGE);
  const parts: string[] = [];
  let y = EDGE;
  for (const stamp of stampsOf(results)) {
    y += ROW;
    parts.push(textAt({ x: EDGE, y: y - 6, text: stamp, fill: DOT, bold: true }));
  }
  for (const panel of panels) {
    const drawn = panelParts(panel, { left: left + GAP, top: y, width });
    parts.push(...drawn.parts);
    y = drawn.bottom + 2 * GAP;
  }
  if (panels.length === 0) {
    parts.push(textAt({ x: EDGE, y: y + ROW, text: "No treatment: no difference to show" }));
  }
  const note = `Dot and line: paired difference with its ${
    levelText(results)
  } interval, filled where that leaves out 0. Band and tick: range and mean of a control's sets.`;
  const notes = fold(note, (width - 2 * EDGE) / (LETTER * (SIZE - 1)));
  y += panels.length === 0 ? 2 * ROW : 0;
  for (const text of notes) {
    y += SUB_ROW;
    parts.push(textAt({ x: EDGE, y, text, fill: SOFT, size: SIZE - 1 }));
  }
  const height = Math.ceil(y + EDGE);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" ` +
    `font-family="${FONT}" font-size="${SIZE}">`,
    `<title>${escapeXml(`${results.name}: differences from the untouched model`)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...parts,
    "</svg>",
  ].join("\n") + "\n";
}

function stampsOf({ reportable, limit }: Results): string[] {
  return reportable ? [] : [`Not reportable: only the first ${limit} items of each benchmark`];
}

function panelParts(
  { title, lines }: Panel,
  { left, top, width }: { readonly left: number; readonly top: number; readonly width: number },
): { readonly parts: string[]; readonly bottom: number } {
  const numbers = lines.flatMap(({ value, low, high }) => [value, low, high]).filter((each) =>
    each !== undefined
  );
  const ticks = ticksOf(Math.min(0, ...numbers), Math.max(0, ...numbers));
  const [from, to] = [ticks[0] ?? 0, ticks.at(-1) ?? 1];
  const x = (value: number) => round(left + PLOT * (value - from) / (to - from));
  const start = top + ROW;
  const parts: string[] = [];
  let y = start;
  for (const [i, line] of lines.entries()) {
    if (line.kind === "benchmark" && i > 0) y += GAP;
    const height = line.kind === "control" ? SUB_ROW : ROW;
    parts.push(...lineParts(line, { y: y + height / 2, x, width }));
    y += height;
  }
  const grid = ticks.map((tick) =>
    `<path d="M${x(tick)} ${start}V${y + 4}" stroke="${tick === 0 ? INK : RULE}"${
      tick === 0 ? ' stroke-dasharray="3 3"' : ""
    }/>`
  );
  const axis = [
    `<path d="M${left} ${y + 4}H${left + PLOT}" stroke="${INK}"/>`,
    ...ticks.flatMap((tick) => [
      `<path d="M${x(tick)} ${y + 4}v4" stroke="${INK}"/>`,
      textAt({ x: x(tick), y: y + 20, text: tickText(tick, ticks), anchor: "middle", size: SIZE - 1 }),
    ]),
    textAt({ x: left + PLOT / 2, y: y + 38, text: title, anchor: "middle" }),
  ];
  return { parts: [...grid, ...parts, ...axis], bottom: y + 44 };
}

function lineParts({ kind, label, text, value, low, high }: Line, { y, x, width }: {
  readonly y: number;
  readonly x: (value: number) => number;
  readonly width: number;
}): string[] {
  const small = kind === "control";
  const style = { y: y + 4, ...(small && { fill: SOFT, size: SIZE - 1 }) };
  const name = textAt({ ...style, x: EDGE + indentOf(kind), text: label, bold: kind === "benchmark" });
  if (value === undefined || low === undefined || high === undefined) return [name];
  const said = textAt({ ...style, x: width - EDGE, text, anchor: "end" });
  const [a, b, at] = [x(low), x(high), x(value)];
  if (small) {
    const span = Math.max(2, b - a);
    return [
      name,
      `<rect x="${round((a + b - span) / 2)}" y="${y - 5}" width="${
        round(span)
      }" height="10" fill="${BAND}"/>`,
      `<path d="M${at} ${y - 5}v10" stroke="${SOFT}" stroke-width="1.5"/>`,
      said,
    ];
  }
  const clear = low > 0 || high < 0;
  return [
    name,
    `<path d="M${a} ${y}H${b}M${a} ${y - 4}v8M${b} ${
      y - 4
    }v8" stroke="${DOT}" stroke-width="1.5" fill="none"/>`,
    `<circle cx="${at}" cy="${y}" r="4" fill="${
      clear ? DOT : "#ffffff"
    }" stroke="${DOT}" stroke-width="1.5"/>`,
    said,
  ];
}

/** Round numbers that hold both ends, 0 among them: steps of 1, 2 or 5 times a power of ten, about six of them. */
function ticksOf(low: number, high: number): number[] {
  const span = high - low > 0 ? high - low : 1;
  const rough = span / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
  const first = Math.floor(low / step + 1e-9), last = Math.max(first + 1, Math.ceil(high / step - 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

function tickText(tick: number, ticks: readonly number[]): string {
  const step = (ticks[1] ?? 1) - (ticks[0] ?? 0);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return (tick === 0 ? "0" : `${tick > 0 ? "+" : ""}${tick.toFixed(digits)}`).replace("-", "\u2212");
}

interface Text {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly fill?: string;
  readonly size?: number;
  readonly bold?: boolean;
  readonly anchor?: "middle" | "end";
}

function textAt({ x, y, text, fill = INK, size, bold, anchor }: Text): string {
  const more = [
    ...(size === undefined ? [] : [` font-size="${size}"`]),
    ...(bold ? [' font-weight="bold"'] : []),
    ...(anchor === undefined ? [] : [` text-anchor="${anchor}"`]),
  ].join("");
  return `<text x="${round(x)}" y="${round(y)}" fill="${fill}"${more}>${escapeXml(text)}</text>`;
}

/** Control characters may not stand in XML at all. */
function escapeXml(text: string): string {
  return text
    // deno-lint-ignore no-control-regex
    .replaceAll(/[\u0000-\u001f\u007f\ufffe\uffff]|\p{Surrogate}/gu, " ")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

const indentOf = (kind: Line["kind"]) => ({ benchmark: 0, treatment: 12, control: 24 })[kind];
const widthOf = (text: string) => LETTER * SIZE * [...text].length;
const round = (value: number) => Number(value.toFixed(2));

function fold(text: string, letters: number): string[] {
  return text.split(" ").reduce<string[]>((lines, word) => {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > letters) return [...lines, word];
    return [...lines.slice(0, -1), `${last} ${word}`];
  }, []);
}

const HEAD = [
  "model",
  "benchmark",
  "metric",
  "treatment",
  "control",
  "difference",
  "low",
  "high",
  "kind",
  "level",
  "n",
  "clusters",
  "sets",
] as const;

/**
 * What the figure shows, a line a mark, in the metric's own unit (a proportion is 0 to 1). `kind` says what low and high are: "interval"
 * at `level`, or the "range" of a control's sets around their mean. RFC 4180, lines ending in LF.
 */
export function differencesCsv(results: Results): string {
  const lines = primaryRows(results).flatMap(
    ({ model, benchmark, treatment, metric, difference, controls }) => {
      if (!difference) return [];
      const { value, low, high, level, n, clusters } = difference;
      const place = [model, benchmark, metric.name, treatment];
      return [
        [...place, "", value, low, high, "interval", level, n, clusters, ""],
        ...controls.map(({ control, difference: { mean, min, max, sets } }) => [
          ...place,
          control,
          mean,
          min,
          max,
          "range",
          "",
          n,
          clusters,
          sets,
        ]),
      ];
    },
  );
  return [HEAD, ...lines].map((cells) => cells.map((cell) => csvCell(String(cell))).join(",") + "\n").join(
    "",
  );
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
