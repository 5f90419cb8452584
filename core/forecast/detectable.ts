/** The smallest change that a benchmark's items can find, at the discordance of the results that the store has. */
import type { PlannedBenchmark } from "../plan_benchmarks.ts";
import { effectiveClusterSize, smallestBinaryChange, smallestDetectable } from "../stats/power.ts";
import { changesOf, discordanceOf, iccOf, type Seen, sourceOf } from "./changes.ts";
import type { Sourced } from "./rates.ts";

export const TEST = { level: 0.95, power: 0.8, sides: 2, by: "t" } as const;

export interface Detectable {
  readonly benchmark: string;
  readonly items: number;
  readonly clusters: number;
  readonly metric: string;
  /** "proportion": a share in (0, 1); "sd": in standard deviations of an item's change. */
  readonly unit: "proportion" | "sd";
  /** Undefined where there are fewer than two clusters. */
  readonly change: Sourced | undefined;
}

/** Paired and two-sided, by the t test over clusters. */
export function detectableOf(planned: PlannedBenchmark, seen: Seen): Detectable {
  const { record, items, evaluator, primary } = planned;
  const metric = evaluator.metrics.find(({ name }) => name === primary);
  const clusters = items.map((item) => item.clusters.question);
  const size = {
    ...TEST,
    items: items.length,
    clusters: new Set(clusters).size,
    clusterSize: effectiveClusterSize(clusters),
  };
  const binary = metric?.binary ?? false;
  const head = {
    benchmark: record.label,
    items: size.items,
    clusters: size.clusters,
    metric: primary,
    unit: binary ? "proportion" as const : "sd" as const,
  };
  if (size.clusters < 2) return { ...head, change: undefined };
  const changes = changesOf(planned, primary, seen);
  const icc = iccOf(changes, size.clusters < size.items);
  if (!binary) {
    return {
      ...head,
      change: { value: smallestDetectable({ ...size, icc: icc.value }), source: sourceOf([icc]) },
    };
  }
  const discordance = discordanceOf(changes);
  const value = smallestBinaryChange({ ...size, icc: icc.value, discordance: discordance.value });
  const note = value > discordance.value
    ? "; that is too little to be found, so all that change are taken to go one way"
    : "";
  return { ...head, change: { value, source: sourceOf([discordance, icc]) + note } };
}
