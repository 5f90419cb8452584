/** Curves over doses: lines for people, curves.svg, and curves.csv with what it shows. */
import { UNTOUCHED } from "../results.ts";
import type { CellResult, CurveResult, Results } from "../results.ts";
import type { Metric } from "../evaluator.ts";
import { estimateText, figure, metricText, pText, spreadText } from "./format.ts";
import { levelText } from "./level.ts";
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
} from "./svg.ts";

/** A cell with a curve, and the metric that it is of. */
export interface CurvedCell {
  readonly cell: CellResult;
  readonly curve: CurveResult;
  readonly metric: Metric;
}

/** In the order of the results. */
export function curvedCells({ cells }: Results): CurvedCell[] {
  return cells.flatMap((cell) => {
    const metric = cell.metrics.find((each) => each.metric.name === cell.curve?.metric)?.metric;
    return cell.curve && metric && cell.treatment !== UNTOUCHED ? [{ cell, curve: cell.curve, metric }] : [];
  });
}

/** "food found over 12 to 96 units". */
export function curveTitle({ cell, curve: { over, points } }: CurvedCell): string {
  const [from, to] = [points[0]?.dose ?? 0, points.at(-1)?.dose ?? 0];
  const doses = from === to ? `${from}` : `${from} to ${to}`;
  return `${cell.treatment} over ${over === "units" ? `${doses} units` : `strengths of ${doses}`}`;
}

/** "mean change -41.2 [-55.0, -27.1]; random sets +0.3 (-2.0 to +2.1), p = 0.182". */
export function areaText({ curve: { area, sets }, metric }: CurvedCell): string {
  const own = `mean change ${estimateText(area, metric, true)}`;
  return sets ? `${own}; random sets ${spreadText(sets.area, metric, true)}, ${pText(sets.p)}` : own;
}

/** What the figures are. */
export const CURVES_NOTE =
  "mean change: area under the changes over the range of doses, divided by that range (on a linear scale from dose 0, where nothing changes); " +
  "random sets: as many units of the same taps at each dose, mean (smallest to largest), p two-sided among them";

/** "fables_food, exact_match, %, food found over 12 to 96 units". */
export function curveHeading(each: CurvedCell, { models }: Results): string {
  const { cell, metric } = each;
  const place = models.length > 1 ? `${cell.benchmark} on ${cell.model}` : cell.benchmark;
  return [place, metricText(metric), curveTitle(each)].join(", ");
}

/** A head and a row a dose. */
export function curveRows({ curve: { over, points }, metric }: CurvedCell): string[][] {
  const hasSets = points.some(({ sets }) => sets);
  return [
    [over === "units" ? "Units" : "Strength", "Change", ...hasSets ? ["Random sets"] : []],
    ...points.map(({ dose, change, sets }) => [
      String(dose),
      estimateText(change, metric, true),
      ...sets ? [spreadText(sets, metric, true)] : [],
    ]),
  ];
}

const HEIGHT = 150, TITLE = 2 * ROW;

/** A panel a curve, one below the other: changes with their intervals over the dose, before the range of the random sets. */
export function curvesSvg(results: Results): string {
  const cells = curvedCells(results), several = results.models.length > 1;
  const left = EDGE + 56, width = Math.ceil(left + 1.6 * PLOT + GAP + EDGE);
  const letters = (width - 2 * EDGE) / (LETTER * (SIZE - 1));
  const parts: string[] = [];
  let y = EDGE;
  for (const stamp of stampsOf(results)) {
    y += ROW;
    parts.push(textAt({ x: EDGE, y: y - 6, text: stamp, fill: DOT, bold: true }));
  }
  for (const each of cells) {
    const { cell, metric } = each;
    const title = `${cell.benchmark} (${metricText(metric)})${several ? `, ${cell.model}` : ""}`;
    parts.push(textAt({ x: EDGE, y: y + 14, text: title, bold: true }));
    parts.push(textAt({ x: EDGE, y: y + 30, text: curveTitle(each), fill: SOFT, size: SIZE - 1 }));
    parts.push(...panel(each, { left, top: y + TITLE, width: 1.6 * PLOT }));
    y += TITLE + HEIGHT + 52;
    for (const line of fold(areaText(each), letters)) {
      parts.push(textAt({ x: EDGE, y, text: line, fill: SOFT, size: SIZE - 1 }));
      y += SUB_ROW;
    }
    y += GAP;
  }
  const note = `Dots and lines: paired difference from the untouched model with its ${
    levelText(results)
  } interval, each on its own. Band: range of the random sets at each dose.`;
  for (const text of fold(note, letters)) {
    y += SUB_ROW;
    parts.push(textAt({ x: EDGE, y, text, fill: SOFT, size: SIZE - 1 }));
  }
  return svgDocument(parts, {
    width,
    height: Math.ceil(y + EDGE),
    title: `${results.name}: curves over doses`,
  });
}

function panel(
  { curve: { scale, points, over }, metric }: CurvedCell,
  { left, top, width }: { readonly left: number; readonly top: number; readonly width: number },
): string[] {
  const unit = metric.binary ? 100 : 1;
  const heights = points.flatMap(({ change, sets }) => [
    change.low,
    change.high,
    ...sets ? [sets.min, sets.max] : [],
  ]).map((height) => unit * height);
  const ticks = ticksOf(Math.min(0, ...heights), Math.max(0, ...heights));
  const [from, to] = [ticks[0]!, ticks.at(-1)!];
  const place = (dose: number) => scale === "log" ? Math.log(dose) : dose;
  const first = scale === "log" ? place(points[0]!.dose) : 0, last = place(points.at(-1)!.dose);
  const x = (dose: number) => round(left + width * (place(dose) - first) / (last - first || 1));
  const y = (height: number) => round(top + HEIGHT * (to - unit * height) / (to - from));
  const origin = scale === "log" ? [] : [{ x: x(0), y: y(0) }];
  const line = [...origin, ...points.map(({ dose, change }) => ({ x: x(dose), y: y(change.value) }))];
  const path = (all: readonly { readonly x: number; readonly y: number }[]) =>
    all.map((at, i) => `${i === 0 ? "M" : "L"}${at.x} ${at.y}`).join("");
  const banded = points.flatMap(({ dose, sets }) => sets ? [{ dose, ...sets }] : []);
  const band = [
    ...origin,
    ...banded.map(({ dose, max }) => ({ x: x(dose), y: y(max) })),
    ...banded.toReversed().map(({ dose, min }) => ({ x: x(dose), y: y(min) })),
  ];
  return [
    ...ticks.flatMap((tick) => [
      `<path d="M${left} ${y(tick / unit)}H${left + width}" stroke="${tick === 0 ? INK : RULE}"${
        tick === 0 ? ' stroke-dasharray="3 3"' : ""
      }/>`,
      textAt({
        x: left - 6,
        y: y(tick / unit) + 4,
        text: tickText(tick, ticks),
        anchor: "end",
        size: SIZE - 1,
      }),
    ]),
    ...banded.length > 0 ? [`<path d="${path(band)}Z" fill="${BAND}" fill-opacity="0.7"/>`] : [],
    `<path d="${path(line)}" stroke="${DOT}" stroke-width="1.5" fill="none"/>`,
    ...points.flatMap(({ dose, change }) => [
      `<path d="M${x(dose)} ${y(change.low)}V${y(change.high)}" stroke="${DOT}" stroke-width="1.5"/>`,
      `<circle cx="${x(dose)}" cy="${y(change.value)}" r="3.5" fill="${
        change.low > 0 || change.high < 0 ? DOT : "#ffffff"
      }" stroke="${DOT}" stroke-width="1.5"/>`,
      textAt({ x: x(dose), y: top + HEIGHT + 16, text: String(dose), anchor: "middle", size: SIZE - 1 }),
    ]),
    textAt({
      x: left + width / 2,
      y: top + HEIGHT + 32,
      text: `${over === "units" ? "units edited" : "strength"}${scale === "log" ? ", log scale" : ""}`,
      anchor: "middle",
      size: SIZE - 1,
    }),
  ];
}

const HEAD = [
  "model",
  "benchmark",
  "metric",
  "treatment",
  "over",
  "dose",
  "what",
  "value",
  "low",
  "high",
  "kind",
  "sets",
];

/** What the figure shows, in the metric's own unit; `dose` is empty for areas. */
export function curvesCsv(results: Results): string {
  const lines = curvedCells(results).flatMap(({ cell, curve }) => {
    const place = [cell.model, cell.benchmark, curve.metric, cell.treatment, curve.over];
    const own = (
      { value, low, high }: CurveResult["area"],
    ) => ["treatment", value, low, high, "interval", ""];
    const random = ({ mean, min, max, sets }: NonNullable<CurveResult["points"][number]["sets"]>) => [
      "random sets",
      mean,
      min,
      max,
      "range",
      sets,
    ];
    return [
      ...curve.points.flatMap(({ dose, change, sets }) => [
        [...place, dose, ...own(change)],
        ...sets ? [[...place, dose, ...random(sets)]] : [],
      ]),
      [...place, "", ...own(curve.area)],
      ...curve.sets ? [[...place, "", ...random(curve.sets.area)]] : [],
    ];
  });
  return [HEAD, ...lines].map(csvLine).join("");
}

/** "-12.5 at 12, -41.2 at 48". */
export function pointsText({ curve: { points }, metric }: CurvedCell): string {
  return points.map(({ dose, change }) => `${figure(change.value, metric, true)} at ${dose}`).join(", ");
}
