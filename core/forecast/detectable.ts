/** The smallest change that a benchmark's items can find, at the discordance of the results that the store has. */
import type { Metric, Outcome } from "../evaluator.ts";
import { canonicalJson } from "../hash.ts";
import { plain, type PlannedBenchmark } from "../plan_benchmarks.ts";
import { type BenchmarkRecord, type Results, UNTOUCHED } from "../results.ts";
import {
  effectiveClusterSize,
  intraclassCorrelation,
  smallestBinaryChange,
  smallestDetectable,
} from "../stats/power.ts";
import type { RunStore } from "../store/store.ts";
import { listed, median, type Sourced } from "./rates.ts";

export const TEST = { level: 0.95, power: 0.8, sides: 2, by: "t" } as const;
/** Share of items whose answer a treatment changes, and correlation of the changes within a cluster, where nothing was seen. */
const ASSUMED = { discordance: 0.2, icc: 0.5 };

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

export interface Seen {
  readonly runs: readonly Results[];
  readonly store: RunStore;
  /** Hashes of the planned models' weights; results of theirs are taken before those of others. */
  readonly weights: readonly string[];
}

/** Paired and two-sided, by the t test over clusters. */
export function detectableOf(
  { record, items, evaluator, primary }: PlannedBenchmark,
  seen: Seen,
): Detectable {
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
  const changes = changesOf(record, {
    ...seen,
    primary,
    clusterOf: new Map(items.map((item, i) => [item.id, clusters[i]!])),
  });
  const icc = iccOf(changes, size.clusters < size.items);
  const discordance = discordanceOf(binary ? changes : []);
  const value = binary
    ? smallestBinaryChange({ ...size, icc: icc.value, discordance: discordance.value })
    : smallestDetectable({ ...size, icc: icc.value });
  const sources = binary ? [discordance.source, icc.source] : [icc.source];
  return { ...head, change: { value, source: sources.filter((part) => part !== "").join("; ") } };
}

/** What one treatment changed on one model. */
interface Change {
  readonly run: string;
  readonly weights: string;
  readonly values: readonly number[];
  readonly clusters: readonly string[];
}

interface ChangesOptions extends Seen {
  readonly primary: Metric["name"];
  /** Clusters of the planned items, by item. */
  readonly clusterOf: ReadonlyMap<string, string>;
}

/** Every treated cell in the store on these items, each once; a run with fewer of them gives those. */
function changesOf(
  record: BenchmarkRecord,
  { runs, store, weights, primary, clusterOf }: ChangesOptions,
): Change[] {
  const identity = identityOf(record), found = new Map<string, Change>();
  for (const results of runs) {
    const label = results.benchmarks.find((other) => identityOf(other) === identity)?.label;
    for (const cell of results.cells) {
      if (cell.benchmark !== label || cell.treatment === UNTOUCHED || found.has(cell.key)) continue;
      const base = results.cells.find(({ benchmark, model, treatment }) =>
        benchmark === label && model === cell.model && treatment === UNTOUCHED
      );
      const before = store.outcomes(base?.key ?? ""), after = store.outcomes(cell.key);
      const shared = [...clusterOf].flatMap(([item, cluster]) => {
        const change = changeOf(before.get(item), after.get(item), primary);
        return change === undefined ? [] : [{ change, cluster }];
      });
      if (shared.length < 2) continue;
      found.set(cell.key, {
        run: results.id,
        weights: results.models.find((model) => model.label === cell.model)?.info.hash.weights ?? "",
        values: shared.map(({ change }) => change),
        clusters: shared.map(({ cluster }) => cluster),
      });
    }
  }
  const all = [...found.values()], own = all.filter((change) => weights.includes(change.weights));
  return own.length > 0 ? own : all;
}

function changeOf(
  before: Outcome | undefined,
  after: Outcome | undefined,
  metric: string,
): number | undefined {
  const [from, to] = [before?.values[metric], after?.values[metric]];
  return from === undefined || to === undefined ? undefined : to - from;
}

/** The same items ask the same under the same name, version, params and data. */
function identityOf({ name, version, params, files, evaluator }: BenchmarkRecord): string {
  return canonicalJson(plain({ name, version, params, files: files.map((file) => file.sha256), evaluator }));
}

function discordanceOf(changes: readonly Change[]): Sourced {
  if (changes.length === 0) {
    const value = ASSUMED.discordance;
    return {
      value,
      source: `discordance ${value.toFixed(2)} is assumed, the store has no treated results of it`,
    };
  }
  const value = median(
    changes.map(({ values }) => values.filter((each) => each !== 0).length / values.length),
  );
  return { value, source: `discordance ${value.toFixed(2)} ${seenIn(changes)}` };
}

function iccOf(changes: readonly Change[], isClustered: boolean): Sourced {
  if (!isClustered) return { value: 0, source: "" };
  const known = changes.flatMap((change) => {
    const icc = intraclassCorrelation(change.values, change.clusters);
    return icc === undefined ? [] : [{ change, icc }];
  });
  if (known.length === 0) return { value: ASSUMED.icc, source: `ICC ${ASSUMED.icc.toFixed(2)} is assumed` };
  const value = median(known.map(({ icc }) => icc));
  return { value, source: `ICC ${value.toFixed(2)} ${seenIn(known.map(({ change }) => change))}` };
}

function seenIn(changes: readonly Change[]): string {
  const runs = [...new Set(changes.map(({ run }) => run))];
  const of = changes.length === 1 ? "of one treatment" : `(median of ${changes.length} treatments)`;
  return `measured in ${runs.length === 1 ? "run" : "runs"} ${listed(runs)} ${of}`;
}
