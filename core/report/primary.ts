/** The primary metric of every cell, and of its controls, for tables and figures that have a row a treatment. */
import type { Estimate, Spread } from "../estimate.ts";
import type { Metric } from "../evaluator.ts";
import { leakOf } from "../provenance/notes.ts";
import { isSeeded, type MetricResult, type Results } from "../results.ts";
import { primaryOf } from "./grid.ts";

export interface PrimaryControl {
  readonly control: string;
  /** Whether its sets are a training's seeds. */
  readonly seeded: boolean;
  readonly value: Spread;
  readonly difference: Spread;
}

export interface PrimaryRow {
  readonly model: string;
  readonly benchmark: string;
  readonly treatment: string;
  readonly metric: Metric;
  readonly estimate: Estimate;
  /** Absent for the untouched model. */
  readonly difference?: NonNullable<MetricResult["difference"]>;
  readonly leak?: string;
  readonly controls: readonly PrimaryControl[];
}

/** In the order of the results: model by model, benchmark by benchmark, the untouched model first. */
export function primaryRows(results: Results): PrimaryRow[] {
  return results.cells.flatMap((cell) => {
    const found = primaryOf(cell);
    if (!found) return [];
    const { metric, estimate, difference } = found;
    const leak = leakOf(results, cell);
    const controls = cell.controls.flatMap(({ control, metrics, keys }) => {
      const spreads = metrics[metric.name];
      return spreads ? [{ control, seeded: isSeeded(keys, cell.seeds), ...spreads }] : [];
    });
    const { model, benchmark, treatment } = cell;
    return [{
      model,
      benchmark,
      treatment,
      metric,
      estimate,
      ...(difference && { difference }),
      ...(leak !== undefined && { leak }),
      controls,
    }];
  });
}

/** "random (tap), 20 sets"; "random, 1 set"; "shuffled, 5 seeds". */
export function setsText({ control, seeded, difference: { sets } }: PrimaryControl): string {
  const one = seeded ? "seed" : "set";
  return `${control}, ${sets} ${sets === 1 ? one : `${one}s`}`;
}
