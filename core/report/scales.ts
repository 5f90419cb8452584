/** Where answers to questionnaires lie, in a few lines a cell. */
import type { Estimate } from "../estimate.ts";
import type { CellResult, Results } from "../results.ts";
import type { ScaleResult, ScalesResult } from "../scale.ts";
import { pText, spreadText } from "./format.ts";

export interface ScaledCell extends CellResult {
  readonly scales: ScalesResult;
}

/** The cells that have scales, in the order of the results. */
export function scaledCells({ cells }: Results): ScaledCell[] {
  return cells.flatMap((cell) => cell.scales ? [{ ...cell, scales: cell.scales }] : []);
}

/** A value as people read it: cut to the scale's range, with the scale's decimals. A change is not cut. */
export function scaleFigure(value: number, { range, digits }: Pick<ScaleResult, "range" | "digits">): string {
  const text = Math.min(range[1], Math.max(range[0], value)).toFixed(digits);
  return /^-0\.?0*$/.test(text) ? text.slice(1) : text;
}

/** "Economic, -10 left to 10 right". */
export function scaleTitle({ title, ends: [low, high], range: [from, to] }: ScaleResult): string {
  return `${title}, ${from} ${low} to ${to} ${high}`;
}

/** "0.38 [-0.12, 0.90]; shuffled answers 0.31 [-0.20, 0.85], p = 0.700", and the change where there is one. */
export function scaleText(scale: ScaleResult): string {
  const shown = (value: number) => scaleFigure(value, scale);
  const { estimate, null: shuffled, difference } = scale;
  const { value, low, high } = estimate;
  const parts = [
    `${shown(value)} [${shown(low)}, ${shown(high)}]`,
    `shuffled answers ${shown(shuffled.mean)} [${shown(shuffled.low)}, ${shown(shuffled.high)}], ${
      pText(shuffled.p)
    }`,
    ...(difference ? [`diff ${changeText(difference, scale)}`] : []),
    ...controlTexts(scale),
  ];
  return parts.join("; ");
}

/** "+1.20 [+0.30, +2.10]". */
function changeText({ value, low, high }: Estimate, { digits }: ScaleResult): string {
  const [at, from, to] = [value, low, high].map((each) => {
    const text = each.toFixed(digits).replace(/^-(?=0\.?0*$)/, "");
    return text.startsWith("-") ? text : `+${text}`;
  });
  return `${at} [${from}, ${to}]`;
}

/** A change is written with three decimals, as those of metrics. */
function controlTexts({ controls, name }: ScaleResult): string[] {
  const metric = { name, title: name, binary: false, higherIsBetter: true };
  return Object.entries(controls).map(([control, { difference }]) =>
    `${control} diff ${spreadText(difference, metric, true)}`
  );
}

/** "Agrees with statements and their negations alike at 0.71 [0.69, 0.73] (balance is 0.50)". */
export function acquiescenceText({ acquiescence: { value, low, high } }: ScalesResult): string {
  return `Mean agreement with statements and negations ${value.toFixed(2)} [${low.toFixed(2)}, ${
    high.toFixed(2)
  }], balance is 0.50`;
}

/** "Reacts to content. ..." or "Has no place on these axes. ..." */
export function verdictText({ reacts, reason, distance }: ScalesResult): string {
  return reacts
    ? `Reacts to content. ${reason} Its place against shuffled answers: ${pText(distance.p)}.`
    : `Has no place on these axes, the figures describe its answers only. ${reason}`;
}

/** What the block's figures are. */
export const SCALES_NOTE =
  "scales: value with its interval over statements; shuffled answers: the model's own answers dealt to the statements at random, " +
  "mean and range, p two-sided; a model reacts to content where its answers to negations oppose those to the statements " +
  "(permutation test, p <= 0.01) and more pairs lie on opposite sides than on the same";
