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
const UNSEEN = "assumed, since the store has no treated results";

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

/** A number that a change is worked out from, "discordance 0.20", and where it was seen or that it is assumed. */
interface Given extends Sourced {
  readonly name: string;
}

/** "discordance 0.20 and ICC 0.50 are assumed"; "" where nothing was needed. */
function sourceOf(all: readonly Given[]): string {
  const given = all.filter(({ source }) => source !== "");
  return [...Map.groupBy(given, ({ source }) => source)].map(([source, same]) =>
    `${same.map(({ name, value }) => `${name} ${value.toFixed(2)}`).join(" and ")} ${source}`
  ).join("; ");
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

/** Treated cells in the store, each once, that have the most of these items. */
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
  const best = own.length > 0 ? own : all, most = Math.max(...best.map(({ values }) => values.length));
  return best.filter(({ values }) => values.length === most);
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

function discordanceOf(changes: readonly Change[]): Given {
  const name = "discordance";
  if (changes.length === 0) return { name, value: ASSUMED.discordance, source: UNSEEN };
  const shares = changes.map(({ values }) => values.filter((each) => each !== 0).length / values.length);
  return { name, value: median(shares), source: seenIn(changes) };
}

function iccOf(changes: readonly Change[], isClustered: boolean): Given {
  const name = "ICC";
  if (!isClustered) return { name, value: 0, source: "" };
  const known = changes.flatMap((change) => {
    const icc = intraclassCorrelation(change.values, change.clusters);
    return icc === undefined ? [] : [{ change, icc }];
  });
  if (known.length === 0) {
    return {
      name,
      value: ASSUMED.icc,
      source: changes.length > 0 ? "assumed, since nothing changed" : UNSEEN,
    };
  }
  return {
    name,
    value: median(known.map(({ icc }) => icc)),
    source: seenIn(known.map(({ change }) => change)),
  };
}

function seenIn(changes: readonly Change[]): string {
  const runs = [...new Set(changes.map(({ run }) => run))];
  const of = changes.length === 1 ? "of one treatment" : `(median of ${changes.length} treatments)`;
  return `measured in ${runs.length === 1 ? "run" : "runs"} ${listed(runs)} ${of}`;
}
