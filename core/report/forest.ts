/** differences.svg and differences.csv: the change of every primary metric with its interval, over the range of its controls. */
import type { Results } from "../results.ts";
import { estimateText, metricText, spreadText } from "./format.ts";
import { levelText } from "./level.ts";
import { type PrimaryRow, primaryRows, setsText } from "./primary.ts";
import {
  BAND,
  csvLine,
  DOT,
  EDGE,
  fold,
  GAP,
  INK,
  LETTER,
  PLOT,
  round,
  ROW,
  RULE,
  SIZE,
  SOFT,
  stampsOf,
  SUB_ROW,
  svgDocument,
  textAt,
  ticksOf,
  tickText,
  widthOf,
} from "./svg.ts";

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
  return svgDocument(parts, {
    width,
    height,
    title: `${results.name}: differences from the untouched model`,
  });
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

const indentOf = (kind: Line["kind"]) => ({ benchmark: 0, treatment: 12, control: 24 })[kind];
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
  return [HEAD, ...lines].map(csvLine).join("");
}
