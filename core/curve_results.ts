/** A treatment's curve from its outcomes: changes at each dose, their area, and those of random sets. */
import type { Measure, Reading } from "./measures.ts";
import type { Plan, PlannedCell } from "./plan.ts";
import type { Filled } from "./reading.ts";
import type { CurveResult } from "./results.ts";
import { standingOf } from "./standing.ts";
import { areaOf, estimateCurve } from "./stats/curve.ts";
import { spread } from "./stats/mod.ts";

export interface CurveInput {
  readonly doses: readonly Filled[];
  readonly untouched: Reading;
  readonly measures: readonly Measure[];
  readonly cell: PlannedCell;
  readonly plan: Plan;
  /** Number of units that are edited. */
  readonly unitsOf: (cell: PlannedCell) => number;
  readonly level: number;
  readonly resamples: number;
}

/** Of the primary metric; undefined where the treatment has no curve or the cell no such metric. */
export function curveResult(
  { doses, untouched, measures, cell, plan, unitsOf, level, resamples }: CurveInput,
): CurveResult | undefined {
  const curve = plan.treatments.find(({ name }) => name === cell.arm.treatment)?.curve;
  const measure = measures.find(({ metric }) => metric.name === cell.benchmark.primary);
  if (!curve || !measure) return undefined;
  const { metric, clusters, values } = measure, before = Array.from(values(untouched));
  const options = {
    binary: metric.binary,
    clusters,
    level,
    resamples,
    seed: `${plan.matrix.seed}/curve/${cell.key}`,
    scale: curve.scale,
  };
  const changesOf = (of: Filled) => Array.from(values(of), (value, i) => value - before[i]!);
  const at = (set: number | undefined) =>
    doses.filter(({ cell }) => cell.arm.dose!.set === set).map((filled) => ({
      x: curve.over === "units" ? unitsOf(filled.cell) : filled.cell.arm.dose!.at,
      filled,
      changes: changesOf(filled),
    })).sort((a, b) => a.x - b.x);
  const origin = curve.scale === "log" ? [] : [{ x: 0, changes: before.map(() => 0) }];
  const own = at(undefined);
  const { area, points } = estimateCurve([...origin, ...own], options);
  const sets = Array.from({ length: curve.sets }, (_, set) => at(set));
  const areas = sets.map((points) =>
    areaOf([...origin, ...points].map(({ x, changes }) => ({ x, y: mean(changes) })), curve.scale)
  );
  const stops = { direction: "either", sets: curve.sets, stopAt: Infinity } as const;
  return {
    over: curve.over,
    scale: curve.scale,
    metric: metric.name,
    points: own.map(({ x, filled }, i) => ({
      dose: x,
      key: filled.cell.key,
      change: points[i + origin.length]!.change,
      ...(sets.length > 0 && { sets: spread(sets.map((points) => mean(points[i]!.changes))) }),
    })),
    area,
    ...(sets.length > 0 && { sets: { area: spread(areas), p: standingOf(area.value, areas, stops).p } }),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
