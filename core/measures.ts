/** The metrics of a cell, each with its observations: one an item, or one for each whole that several items make. */
import type { Metric, Outcome } from "./evaluator.ts";
import type { Columns } from "./store/columns.ts";
import type { PlannedBenchmark } from "./plan_benchmarks.ts";

/** A cell's outcomes, in the order of its items whatever the order of computing. */
export interface Reading {
  /** The metrics that all of them have. */
  readonly columns: Columns;
  /** Whole, read anew at each call: some 500 bytes an outcome, against 8 a value. */
  outcomes(): readonly Outcome[];
  /** The same in any order, and not all in memory at once. */
  each(): Iterable<Outcome>;
}

export interface Measure {
  readonly metric: Metric;
  /** Of one whole from several items. */
  readonly isJoint: boolean;
  /** The `question` cluster of each observation. */
  readonly clusters: readonly string[];
  /** One number an observation. */
  values(of: Reading): ArrayLike<number>;
}

/**
 * What is measured in a cell: the evaluator's metrics that all outcomes have, then its joint ones that all items are parts for.
 *
 * @param reading of any arm; without it all metrics that there may be
 */
export function measuresOf(
  { items, evaluator }: Pick<PlannedBenchmark, "items" | "evaluator">,
  reading?: Reading,
): Measure[] {
  const clusters = items.map((item) => item.clusters.question);
  // An evaluator may give some metrics under some params only.
  const single = evaluator.metrics
    .filter(({ name }) => reading === undefined || reading.columns.has(name))
    .map((metric): Measure => ({
      metric,
      isJoint: false,
      clusters,
      values: ({ columns }) => columns.get(metric.name) ?? new Float64Array(items.length).fill(NaN),
    }));
  const joint = (evaluator.joint ?? []).flatMap(({ partOf, value, ...metric }): Measure[] => {
    const parts = items.map(partOf);
    if (parts.includes(undefined)) return [];
    const groups = [...Map.groupBy(parts.keys(), (i) => parts[i]!.whole).values()]
      .filter((group) => group.length === parts[group[0]!]!.parts);
    if (groups.length === 0) return [];
    return [{
      metric,
      isJoint: true,
      clusters: groups.map(([first = 0]) => clusters[first]!),
      values(of) {
        const outcomes = of.outcomes();
        return groups.map((group) => value(group.map((i) => outcomes[i]!)));
      },
    }];
  });
  return [...single, ...joint];
}

/** Outcomes that are in memory anyway. */
export function readingOf(outcomes: readonly Outcome[]): Reading {
  const names = Object.keys(outcomes[0]?.values ?? {})
    .filter((name) => outcomes.every(({ values }) => values[name] !== undefined));
  return {
    columns: new Map(
      names.map((name) => [name, Float64Array.from(outcomes, ({ values }) => values[name]!)]),
    ),
    outcomes: () => outcomes,
    each: () => outcomes,
  };
}
