/** What treatments changed on a benchmark's items in the results that the store has: how much, and how much alike within a cluster. */
import type { Metric, Outcome } from "../evaluator.ts";
import { canonicalJson } from "../hash.ts";
import { measuresOf, readingOf } from "../measures.ts";
import { plain, type PlannedBenchmark } from "../plan_benchmarks.ts";
import { type BenchmarkRecord, type Results, UNTOUCHED } from "../results.ts";
import { intraclassCorrelation } from "../stats/power.ts";
import type { RunStore } from "../store/store.ts";
import { listed, median, type Sourced } from "./rates.ts";

/** Share of items whose answer a treatment changes, and correlation of the changes within a cluster, where nothing was seen. */
const ASSUMED = { discordance: 0.2, icc: 0.5 };
const UNSEEN = "assumed, since the store has no treated results";

export interface Seen {
  readonly runs: readonly Results[];
  readonly store: RunStore;
  /** Hashes of the planned models' weights; results of theirs are taken before those of others. */
  readonly weights: readonly string[];
}

/** A number that a change is worked out from, "discordance 0.20", and where it was seen or that it is assumed. */
export interface Given extends Sourced {
  readonly name: string;
}

/** "discordance 0.20 and ICC 0.50 are assumed"; "" where nothing was needed. */
export function sourceOf(all: readonly Given[]): string {
  const given = all.filter(({ source }) => source !== "");
  return [...Map.groupBy(given, ({ source }) => source)].map(([source, same]) =>
    `${same.map(({ name, value }) => `${name} ${value.toFixed(2)}`).join(" and ")} ${source}`
  ).join("; ");
}

/** What one treatment changed on one model. */
export interface Change {
  readonly run: string;
  readonly weights: string;
  readonly values: readonly number[];
  readonly clusters: readonly string[];
}

/** Changes of a metric in the treated cells in the store, each once, that have the most of these items. */
export function changesOf(
  { record, items, evaluator }: PlannedBenchmark,
  metric: Metric["name"],
  { runs, store, weights }: Seen,
): Change[] {
  const identity = identityOf(record), found = new Map<string, Change>();
  for (const results of runs) {
    const label = results.benchmarks.find((other) => identityOf(other) === identity)?.label;
    for (const cell of results.cells) {
      if (cell.benchmark !== label || cell.treatment === UNTOUCHED || found.has(cell.key)) continue;
      // What rounding changes says nothing of what a treatment would.
      if (results.treatments.some(({ name, opened }) => name === cell.treatment && opened)) continue;
      const base = results.cells.find(({ benchmark, model, treatment }) =>
        benchmark === label && model === cell.model && treatment === UNTOUCHED
      );
      const untouched = store.outcomes(base?.key ?? ""), treated = store.outcomes(cell.key);
      const shared = items.filter(({ id }) => untouched.has(id) && treated.has(id));
      const [before, after] = [untouched, treated].map((all): Outcome[] =>
        shared.map(({ id }) => all.get(id)!)
      ) as [Outcome[], Outcome[]];
      const measure = measuresOf({ items: shared, evaluator }, readingOf([...before, ...after]))
        .find((each) => each.metric.name === metric);
      if (measure === undefined || measure.clusters.length < 2) continue;
      const old = measure.values(readingOf(before));
      found.set(cell.key, {
        run: results.id,
        weights: results.models.find((model) => model.label === cell.model)?.info.hash.weights ?? "",
        values: Array.from(measure.values(readingOf(after)), (value, i) => value - old[i]!),
        clusters: measure.clusters,
      });
    }
  }
  const all = [...found.values()], own = all.filter((change) => weights.includes(change.weights));
  const best = own.length > 0 ? own : all, most = Math.max(...best.map(({ values }) => values.length));
  return best.filter(({ values }) => values.length === most);
}

/** The same items ask the same under the same name, version, params and data. */
function identityOf({ name, version, params, files, evaluator }: BenchmarkRecord): string {
  return canonicalJson(plain({ name, version, params, files: files.map((file) => file.sha256), evaluator }));
}

/** Share of items that change. */
export function discordanceOf(changes: readonly Change[]): Given {
  const name = "discordance";
  if (changes.length === 0) return { name, value: ASSUMED.discordance, source: UNSEEN };
  const shares = changes.map(({ values }) => values.filter((each) => each !== 0).length / values.length);
  return { name, value: median(shares), source: seenIn(changes) };
}

/** Standard deviation of an item's change; undefined where none was seen, or nothing changed. */
export function spreadOf(changes: readonly Change[]): Given | undefined {
  if (changes.length === 0) return undefined;
  const value = median(changes.map(({ values }) => {
    const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
    return Math.sqrt(values.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (values.length - 1));
  }));
  return value > 0 ? { name: "standard deviation", value, source: seenIn(changes) } : undefined;
}

/** @param isClustered whether any two items share a cluster */
export function iccOf(changes: readonly Change[], isClustered: boolean): Given {
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
