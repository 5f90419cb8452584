/** cells.parquet and items.parquet: every estimate and every outcome of a run, control sets among them. README.md says the columns. */
import { clustersOf } from "../clusters.ts";
import type { Outcome } from "../evaluator.ts";
import { type CellResult, isSeeded, type MetricResult, type Results, UNTOUCHED } from "../results.ts";
import type { RunStore } from "../store/store.ts";
import { type Column, createParquet, type Row } from "./parquet.ts";

/** Raised when a column goes, or comes to mean another thing. */
export const TABLES_VERSION = "1";

const text = (name: string): Column => ({ name, type: "text" });
const maybe = (name: string, type: Column["type"] = "number"): Column => ({ name, type, nullable: true });

/** Where a row belongs, in both files. */
const PLACE: readonly Column[] = ["model", "benchmark", "treatment", "arm"].map(text).concat(
  maybe("control", "text"),
  text("cell"),
);

export const CELL_COLUMNS: readonly Column[] = [
  ...PLACE,
  text("metric"),
  { name: "primary", type: "flag" },
  { name: "binary", type: "flag" },
  { name: "higher_is_better", type: "flag" },
  { name: "n", type: "count" },
  maybe("clusters", "count"),
  ...["value", "low", "high", "level"].map((name) => maybe(name)),
  maybe("method", "text"),
  ...["difference", "difference_low", "difference_high"].map((name) => maybe(name)),
  maybe("difference_method", "text"),
  maybe("rose", "count"),
  maybe("fell", "count"),
  maybe("mcnemar_p"),
];

/** A column a metric stands to the right of these, `value_` before its name. */
export const ITEM_COLUMNS: readonly Column[] = [...PLACE, text("item"), maybe("cluster", "text")];

/** One arm of a cell: the treated one, or a set of a control. */
interface ArmPlace {
  readonly arm: string;
  readonly control: string | null;
  readonly key: string;
}

function armsOf({ key, controls, seeds = [] }: CellResult): ArmPlace[] {
  return [
    { arm: "treated", control: null, key },
    ...seeds.slice(1).map((each) => ({ arm: `seed ${each.seed}`, control: null, key: each.key })),
    ...controls.flatMap(({ control, keys }) =>
      keys.map((key, i) => ({
        arm: isSeeded(keys, seeds) ? `${control}, seed ${seeds[i]!.seed}` : `${control} ${i + 1}`,
        control,
        key,
      }))
    ),
  ];
}

/**
 * Writes both files in one walk over the store; no more than the outcomes of one cell and a row group are held at a time.
 *
 * @param paths where the files shall be; neither may be there yet.
 */
export async function writeTables(
  results: Results,
  store: RunStore,
  paths: { readonly cells: string; readonly items: string },
): Promise<void> {
  const metrics = [...new Set(results.cells.flatMap((cell) => cell.metrics.map((each) => each.metric.name)))];
  const about = { "plumbline.run": results.id, "plumbline.tables": TABLES_VERSION };
  await using cells = await createParquet(paths.cells, { columns: CELL_COLUMNS, about });
  await using items = await createParquet(paths.items, {
    columns: [...ITEM_COLUMNS, ...metrics.map((name) => maybe(`value_${name}`))],
    about,
  });
  for (const cell of results.cells) {
    const hash = results.benchmarks.find(({ label }) => label === cell.benchmark)?.itemsHash ?? "";
    const cluster = clustersOf(hash, store);
    for (const arm of armsOf(cell)) {
      const outcomes = sorted(store.outcomes(arm.key));
      await cells.add(cell.metrics.map((each) => cellRow(each, { cell, arm, outcomes, results })));
      await items.add(itemRows(outcomes, { place: placeOf(cell, arm), cluster, metrics }));
    }
  }
  await cells.finish();
  await items.finish();
}

/** In the order of the items' ids, whatever order a store keeps. */
function sorted(outcomes: ReadonlyMap<string, Outcome>): Outcome[] {
  return [...outcomes.values()].sort((a, b) => a.item < b.item ? -1 : a.item > b.item ? 1 : 0);
}

function placeOf({ model, benchmark, treatment }: CellResult, { arm, control, key }: ArmPlace): Row {
  return { model, benchmark, treatment, arm, control, cell: key };
}

function* itemRows(outcomes: readonly Outcome[], { place, cluster, metrics }: {
  readonly place: Row;
  readonly cluster: ((item: string) => string) | undefined;
  readonly metrics: readonly string[];
}): Iterable<Row> {
  for (const { item, values } of outcomes) {
    const given = metrics.map((name) => [`value_${name}`, values[name]]);
    yield { ...place, item, cluster: cluster?.(item), ...Object.fromEntries(given) };
  }
}

function cellRow({ metric, estimate, difference }: MetricResult, { cell, arm, outcomes, results }: {
  readonly cell: CellResult;
  readonly arm: ArmPlace;
  readonly outcomes: readonly Outcome[];
  readonly results: Results;
}): Row {
  const { name, binary, higherIsBetter } = metric;
  const head = {
    ...placeOf(cell, arm),
    metric: name,
    primary: name === cell.primary,
    binary,
    higher_is_better: higherIsBetter,
  };
  if (arm.arm !== "treated") {
    // A seed counts among the others in the treated row. A set has no interval: the sets are the spread.
    const value = mean(outcomes.map(({ values }) => values[name]));
    const base = untouchedValue(results, cell, name);
    const change = value === undefined || base === undefined ? undefined : value - base;
    return { ...head, n: outcomes.length, value, difference: change };
  }
  return {
    ...head,
    ...pick(estimate),
    n: estimate.n,
    clusters: estimate.clusters,
    level: estimate.level,
    ...(difference && {
      difference: difference.value,
      difference_low: difference.low,
      difference_high: difference.high,
      difference_method: difference.method,
      rose: difference.rose,
      fell: difference.fell,
      mcnemar_p: difference.mcnemar,
    }),
  };
}

const pick = ({ value, low, high, method }: MetricResult["estimate"]) => ({ value, low, high, method });

function untouchedValue({ cells }: Results, { model, benchmark }: CellResult, name: string) {
  const cell = cells.find((each) =>
    each.model === model && each.benchmark === benchmark && each.treatment === UNTOUCHED
  );
  return cell?.metrics.find(({ metric }) => metric.name === name)?.estimate.value;
}

function mean(values: readonly (number | undefined)[]): number | undefined {
  const sum = values.reduce<number>((total, value) => total + (value ?? NaN), 0);
  return values.length > 0 && Number.isFinite(sum) ? sum / values.length : undefined;
}
