/** The cells of a results table as lines of text: benchmarks down, treatments and their controls across. */
import {
  type CellResult,
  type ControlResult,
  isSeeded,
  type MetricResult,
  type Results,
} from "../results.ts";
import { leakOf } from "../provenance/notes.ts";
import { estimateText, metricText, pText, sizeText, spreadText } from "./format.ts";
import { type TestName, testOf } from "./tests.ts";

export interface GridCell {
  /** Level first; below it the difference from the untouched model and its parts. */
  readonly lines: readonly string[];
  readonly hasDifference: boolean;
  /** The test whose p is shown. */
  readonly test?: TestName;
  /** Names of the parts that are shown. */
  readonly parts: readonly string[];
  /** Of a control; 0 for a treatment. */
  readonly sets: number;
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
      columns: columns.map(({ treatment, control }) => {
        const seeds = cells.find((cell) => cell.treatment === treatment)?.seeds?.length ?? 1;
        return control === undefined && seeds > 1
          ? `${treatment}, ${seeds} seeds`
          : columnTitle(treatment, control);
      }),
      rows: results.benchmarks.flatMap((benchmark) => {
        const mine = cells.filter((cell) => cell.benchmark === benchmark.label);
        const row = columns.map(({ treatment, control }): GridCell => {
          const cell = mine.find((each) => each.treatment === treatment);
          const metric = cell && primaryOf(cell);
          if (!cell || !metric) return plainCell(["-"]);
          if (control === undefined) return treatedCell(metric, leakOf(results, cell));
          const set = cell.controls.find((each) => each.control === control.control);
          return controlCell(set, metric, {
            leak: leakOf(results, { ...cell, control: control.control }),
            some: control.some,
          });
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

/** A column of a control, and whether its number of sets differs from benchmark to benchmark. */
interface ControlColumn {
  readonly control: string;
  readonly sets: number;
  readonly some: boolean;
  /** Whether its sets are a training's seeds. */
  readonly seeded: boolean;
}

function controlsOf(cells: readonly CellResult[], treatment: string): readonly ControlColumn[] {
  const own = cells.filter((cell) => cell.treatment === treatment);
  return (own[0]?.controls ?? []).map(({ control }) => {
    const sets = own.map((cell) => cell.controls.find((each) => each.control === control)?.keys.length ?? 0);
    const seeded = own.some((cell) =>
      isSeeded(cell.controls.find((each) => each.control === control)?.keys ?? [], cell.seeds)
    );
    return { control, sets: Math.max(...sets), some: new Set(sets).size > 1, seeded };
  });
}

function columnTitle(treatment: string, control: ControlColumn | undefined): string {
  if (control === undefined) return treatment;
  const { sets, some, seeded } = control;
  return `${treatment}: ${control.control}${
    sets === 1 ? "" : seeded ? `, ${sets} seeds` : some ? `, up to ${sets} sets` : `, ${sets} sets`
  }`;
}

/** A cell of lines alone. */
function plainCell(lines: readonly string[]): GridCell {
  return { lines, hasDifference: false, parts: [], sets: 0, clear: false };
}

function treatedCell(
  { metric, estimate, difference, parts }: MetricResult,
  leak: string | undefined,
): GridCell {
  const level = estimateText(estimate, metric);
  if (difference === undefined) return plainCell([level]);
  const test = testOf(difference), split = Object.entries(parts ?? {});
  // Where nothing moved at all the parts say nothing.
  const still = split.every(([, { value, error }]) => value === 0 && error === undefined);
  const shown = still ? [] : split;
  return {
    lines: [
      level,
      `diff ${estimateText(difference, metric, true)}`,
      ...(test ? [`  ${pText(test.p)}, ${test.name}`] : []),
      ...shown.map(([part, each]) => `  ${part} ${estimateText(each, metric, true)}`),
      ...(leak === undefined ? [] : [leak]),
    ],
    hasDifference: true,
    ...(test && { test: test.name }),
    parts: shown.map(([part]) => part),
    sets: 0,
    clear: difference.low > 0 || difference.high < 0,
  };
}

function controlCell(
  control: ControlResult | undefined,
  { metric }: MetricResult,
  { leak, some }: { readonly leak: string | undefined; readonly some: boolean },
): GridCell {
  const spreads = control?.metrics[metric.name];
  if (!spreads) return plainCell(["-"]);
  return {
    lines: [
      spreadText(spreads.value, metric),
      `diff ${spreadText(spreads.difference, metric, true)}`,
      ...(spreads.p === undefined
        ? []
        : [`  ${pText(spreads.p)}${some ? `, ${spreads.value.sets} sets` : ""}`]),
      ...(leak === undefined ? [] : [leak]),
    ],
    hasDifference: true,
    ...(spreads.p !== undefined && { test: "random sets" as const }),
    parts: [],
    sets: spreads.value.sets,
    clear: false,
  };
}
