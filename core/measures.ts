/** The metrics of a cell, each with its observations: one an item, or one for each whole that several items make. */
import type { Metric, Outcome } from "./evaluator.ts";
import type { PlannedBenchmark } from "./plan_benchmarks.ts";

export interface Measure {
  readonly metric: Metric;
  /** Of one whole from several items. */
  readonly isJoint: boolean;
  /** The `question` cluster of each observation. */
  readonly clusters: readonly string[];
  /** One number an observation, of outcomes in the order of the items; none of no outcomes. */
  values(outcomes: readonly Outcome[]): number[];
}

/**
 * What is measured in a cell: the evaluator's metrics that all outcomes have, then its joint ones that all items are parts for.
 *
 * @param outcomes of any arm, in the order of the items
 */
export function measuresOf(
  { items, evaluator }: Pick<PlannedBenchmark, "items" | "evaluator">,
  outcomes: readonly Outcome[],
): Measure[] {
  const clusters = items.map((item) => item.clusters.question);
  // An evaluator may give some metrics under some params only.
  const single = evaluator.metrics
    .filter(({ name }) => outcomes.every(({ values }) => values[name] !== undefined))
    .map((metric): Measure => ({
      metric,
      isJoint: false,
      clusters,
      values: (given) => given.map(({ values }) => values[metric.name] ?? NaN),
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
      values: (given) => given.length === 0 ? [] : groups.map((group) => value(group.map((i) => given[i]!))),
    }];
  });
  return [...single, ...joint];
}
