/** The cells of a results table as lines of text: benchmarks down, treatments and their controls across. */
import type { CellResult, ControlResult, MetricResult, Results } from "../results.ts";
import { leakOf } from "../provenance/notes.ts";
import { estimateText, metricText, pText, sizeText, spreadText } from "./format.ts";

export interface GridCell {
  /** Level first; below it the difference from the untouched model and its parts. */
  readonly lines: readonly string[];
  /** Whether the difference's interval leaves out 0. */
  readonly clear: boolean;
}

export interface GridRow {
  readonly benchmark: string;
  readonly metric: string;
  /** "96", or "96 (24)" where items stand in fewer independent groups. */
  readonly n: string;
  readonly cells: readonly GridCell[];
}

export interface Grid {
  readonly model: string;
  readonly columns: readonly string[];
  readonly rows: readonly GridRow[];
}

/** One grid a model, each with the primary metric of every benchmark. */
export function gridsOf(results: Results): Grid[] {
  return results.models.map(({ label }) => {
    const cells = results.cells.filter((cell) => cell.model === label);
    const columns = results.treatments.flatMap(({ name }) => [
      { treatment: name, control: undefined },
      ...controlsOf(cells, name).map((control) => ({ treatment: name, control })),
    ]);
    return {
      model: label,
      columns: columns.map(({ treatment, control }) => columnTitle(treatment, control)),
      rows: results.benchmarks.flatMap((benchmark) => {
        const mine = cells.filter((cell) => cell.benchmark === benchmark.label);
        const row = columns.map(({ treatment, control }): GridCell => {
          const cell = mine.find((each) => each.treatment === treatment);
          const metric = cell && primaryOf(cell);
          if (!cell || !metric) return { lines: ["-"], clear: false };
          if (control === undefined) return treatedCell(metric, leakOf(results, cell));
          const set = cell.controls.find((each) => each.control === control.control);
          return controlCell(set, metric, leakOf(results, { ...cell, control: control.control }));
        });
        const first = mine[0];
        const metric = first && primaryOf(first);
        return metric
          ? [{
            benchmark: benchmark.label,
            metric: metricText(metric.metric),
            n: sizeText(metric.estimate),
            cells: row,
          }]
          : [];
      }),
    };
  });
}

/** The metric that a table shows. */
export function primaryOf(cell: CellResult): MetricResult | undefined {
  return cell.metrics.find(({ metric }) => metric.name === cell.primary);
}

function controlsOf(cells: readonly CellResult[], treatment: string): readonly ControlResult[] {
  return cells.find((cell) => cell.treatment === treatment)?.controls ?? [];
}

function columnTitle(treatment: string, control: ControlResult | undefined): string {
  if (control === undefined) return treatment;
  const sets = control.keys.length;
  return `${treatment}: ${control.control}${sets === 1 ? "" : `, ${sets} sets`}`;
}

function treatedCell(
  { metric, estimate, difference, parts }: MetricResult,
  leak: string | undefined,
): GridCell {
  const lines = [estimateText(estimate, metric)];
  if (difference === undefined) return { lines, clear: false };
  const p = difference.mcnemar === undefined ? "" : ` ${pText(difference.mcnemar)}`;
  lines.push(`diff ${estimateText(difference, metric, true)}${p}`);
  const split = Object.entries(parts ?? {});
  // Where nothing moved at all the parts say nothing.
  const still = split.every(([, { value, error }]) => value === 0 && error === undefined);
  for (const [part, estimate] of still ? [] : split) {
    lines.push(`  ${part} ${estimateText(estimate, metric, true)}`);
  }
  if (leak !== undefined) lines.push(leak);
  return { lines, clear: difference.low > 0 || difference.high < 0 };
}

function controlCell(
  control: ControlResult | undefined,
  { metric }: MetricResult,
  leak: string | undefined,
): GridCell {
  const spreads = control?.metrics[metric.name];
  if (!spreads) return { lines: ["-"], clear: false };
  return {
    lines: [
      spreadText(spreads.value, metric),
      `diff ${spreadText(spreads.difference, metric, true)}`,
      ...(leak === undefined ? [] : [leak]),
    ],
    clear: false,
  };
}
