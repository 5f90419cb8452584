/** From the outcomes in the store to the results of a run: estimates, differences, parts and the spread of the controls. */
import type { Difference, Estimate } from "./estimate.ts";
import type { Outcome } from "./evaluator.ts";
import type { Columns } from "./store/columns.ts";
import { gateResults, markedOn } from "./gate.ts";
import type { Measured } from "./evidence.ts";
import { judgeHypotheses } from "./hypotheses.ts";
import { labelShares } from "./label_shares.ts";
import { type Measure, measuresOf } from "./measures.ts";
import { isOwn, isTreated } from "./arms.ts";
import type { Plan, PlannedCell } from "./plan.ts";
import { plain, type PlannedBenchmark } from "./plan_benchmarks.ts";
import {
  type CellResult,
  type ControlResult,
  LEVEL,
  type MetricResult,
  type Results,
  UNTOUCHED,
} from "./results.ts";
import { type Filled, readingIn } from "./reading.ts";
import { scaleResults } from "./scale_results.ts";
import {
  estimateChange,
  estimateMean,
  estimateSeeds,
  pairedDifference,
  seedsDifference,
  spread,
} from "./stats/mod.ts";
import type { RunStore } from "./store/store.ts";
import { type CurveInput, curveResult } from "./curve_results.ts";
import { recordOf } from "./disagreement.ts";
import { standingOf } from "./standing.ts";
import { stoppingOf, wantedCells } from "./stopping.ts";
import { armsOfModel } from "./unit_scores.ts";
import { treatmentRecords } from "./treatment_records.ts";

export const RESAMPLES = 10_000;

/** @throws when a cell of the plan is not complete in the store. */
export function summarise(plan: Plan, store: RunStore, run: Results["run"]): Results {
  const wanted = wantedCells(plan, store), gates = gateResults(plan, store);
  const cells = plan.models.flatMap((model) => {
    const arms = plan.treatments.some(({ curve }) => curve) ? armsOfModel(model, plan, store) : [];
    const unitsOf = ({ arm }: PlannedCell) => arms[model.arms.indexOf(arm)]!.units;
    return plan.benchmarks.flatMap((benchmark) => {
      // No more than these are in memory at once.
      const mine = wanted.filter((cell) => cell.model === model && cell.benchmark === benchmark)
        .map((cell) => readingIn(store, cell));
      const untouched = mine.find(({ cell }) => cell.arm.treatment === UNTOUCHED);
      return mine.filter(({ cell }) => isTreated(cell.arm))
        .map((treated) => cellResult(treated, { untouched, all: mine, plan, unitsOf }));
    });
  });
  return {
    format: "plumbline-results",
    version: 1,
    id: plan.id,
    name: plan.name,
    reportable: plan.limit === null,
    limit: plan.limit,
    tokenBudget: plan.tokenBudget,
    engine: plan.engine,
    matrix: plain(plan.matrix),
    statistics: { level: LEVEL, resamples: RESAMPLES, seed: plan.matrix.seed },
    models: plan.models.map((model) => recordOf(model, store)),
    benchmarks: plan.benchmarks.map((benchmark) => benchmark.record),
    treatments: treatmentRecords(plan, store, wanted),
    provenance: plan.provenance,
    cells,
    ...(plan.leftOut.length > 0 && { leftOut: plan.leftOut }),
    ...(gates.length > 0 && { gates }),
    ...(plan.hypotheses.hash === undefined ? {} : {
      hypotheses: {
        hash: plan.hypotheses.hash,
        judged: judgeHypotheses(plan.hypotheses, {
          models: plan.models.map((model) => ({
            label: model.record.label,
            ...(model.shut && { shut: model.shut }),
            marked: markedOn(model.record.label, gates),
            measured: measuredOn(wanted.filter((cell) => cell.model === model), plan.benchmarks, store),
          })),
          level: LEVEL,
          resamples: RESAMPLES,
          seed: plan.matrix.seed,
        }),
      },
    }),
    run,
  };
}

/** What hypotheses are judged by. */
function measuredOn(
  cells: readonly PlannedCell[],
  benchmarks: readonly PlannedBenchmark[],
  store: RunStore,
): Measured {
  const benchmarkOf = (label: string) => benchmarks.find(({ record }) => record.label === label)!;
  const find = (benchmark: string, isMeant: (arm: PlannedCell["arm"]) => boolean) =>
    cells.filter((cell) => cell.benchmark.record.label === benchmark && isMeant(cell.arm))
      .map((cell) => readingIn(store, cell));
  const own = (benchmark: string, treatment: string) =>
    find(benchmark, (arm) => arm.treatment === treatment && isTreated(arm))[0];
  const measure = (benchmark: string, name: string, reading?: Filled) =>
    measuresOf(benchmarkOf(benchmark), reading).find(({ metric }) => metric.name === name);
  return {
    values({ benchmark, treatment }, name) {
      const reading = own(benchmark, treatment), found = reading && measure(benchmark, name, reading);
      return found && Array.from(found.values(reading));
    },
    seeds: ({ benchmark, treatment }, name) =>
      find(benchmark, (arm) => arm.treatment === treatment && isOwn(arm))
        .map((reading) => Array.from(measure(benchmark, name, reading)?.values(reading) ?? [])),
    sets: ({ benchmark, treatment, control }, name) =>
      find(benchmark, (arm) => arm.treatment === treatment && arm.control === control)
        .map((reading) => Array.from(measure(benchmark, name, reading)?.values(reading) ?? [])),
    metricName: (benchmark, name) => measure(benchmark, name) ? name : benchmarkOf(benchmark).primary,
    metric: (benchmark, name) => measure(benchmark, name)!.metric,
    clusters: (benchmark, name) => measure(benchmark, name)!.clusters,
  };
}

function cellResult(
  reading: Filled,
  { untouched, all, plan, unitsOf }: {
    readonly untouched: Filled | undefined;
    readonly all: readonly Filled[];
    readonly plan: Plan;
    readonly unitsOf: CurveInput["unitsOf"];
  },
): CellResult {
  const { seed } = plan.matrix;
  const { cell } = reading, { model, benchmark, arm, key } = cell;
  const before = arm.treatment === UNTOUCHED ? undefined : untouched;
  const measures = measuresOf(benchmark, reading);
  // The treatment under each of its seeds.
  const seeds = all.filter((other) => other.cell.arm.treatment === arm.treatment && isOwn(other.cell.arm));
  const metrics = measures.map((measure): MetricResult => {
    const { metric, clusters } = measure;
    const options = {
      binary: metric.binary,
      clusters,
      level: LEVEL,
      resamples: RESAMPLES,
      seed: `${seed}/bootstrap/${metric.name}/${key}`,
    };
    const each = seeds.map((seed) => measure.values(seed)), isSeeded = seeds.length > 1;
    const estimate: Estimate = isSeeded
      ? estimateSeeds(each.map((list) => Array.from(list)), {
        clusters,
        ...(metric.binary && { bounded: "level" as const }),
        level: LEVEL,
      })
      : estimateMean(each[0]!, options);
    if (before === undefined) return { metric, estimate };
    const difference: Difference = isSeeded
      ? seedsDifference([measure.values(before)], each, options)
      : pairedDifference(measure.values(before), each[0]!, options);
    const parts = measure.isJoint ? undefined : partsOf(metric.name, {
      before: before.columns,
      after: seeds.map(({ columns }) => columns),
      cell,
      options,
    });
    return parts ? { metric, estimate, difference, parts } : { metric, estimate, difference };
  });
  const sets = all.filter((other) =>
    other.cell.arm.treatment === arm.treatment && other.cell.arm.control !== undefined
  );
  const scales = benchmark.scales.length === 0 ? undefined : scaleResults(reading.outcomes(), {
    benchmark,
    before: before?.outcomes(),
    controls: new Map(
      [...Map.groupBy(sets, ({ cell }) => cell.arm.control ?? "")].map(([control, drawn]) => [
        control,
        drawn.map((each) => ({ outcomes: each.outcomes() })),
      ]),
    ),
    level: LEVEL,
    resamples: RESAMPLES,
    seed: `${seed}/scales/${key}`,
  });
  const doses = all.filter((other) =>
    other.cell.arm.treatment === arm.treatment && other.cell.arm.dose !== undefined
  );
  const curve = before &&
    curveResult({
      doses,
      untouched: before,
      measures,
      cell,
      plan,
      unitsOf,
      level: LEVEL,
      resamples: RESAMPLES,
    });
  const { items, evaluator } = benchmark;
  const labels = evaluator.choice && labelShares(items, reading.each(), evaluator);
  return {
    model: model.record.label,
    benchmark: benchmark.record.label,
    treatment: arm.treatment,
    key,
    n: items.length,
    primary: benchmark.primary,
    metrics,
    controls: controlResults(sets, { untouched, treated: reading, measures, cell, plan }),
    ...(seeds.length > 1 && {
      seeds: seeds.map(({ cell, ...each }) => ({
        seed: cell.arm.training!.seed,
        key: cell.key,
        values: Object.fromEntries(
          measures.map(({ metric, values }) => [metric.name, mean(values({ ...each }))]),
        ),
      })),
    }),
    ...(curve && { curve }),
    ...(labels && { labels }),
    ...(scales && { scales }),
  };
}

function partsOf(metric: string, { before, after, cell, options }: {
  readonly before: Columns;
  /** Under each seed. */
  readonly after: readonly Columns[];
  readonly cell: PlannedCell;
  readonly options: Parameters<typeof estimateMean>[1];
}): Record<string, Estimate> | undefined {
  const { evaluator, items } = cell.benchmark, parts = new Map<string, Float64Array[]>();
  for (const [s, columns] of after.entries()) {
    for (let i = 0; i < items.length; i++) {
      const split = evaluator.parts?.(metric, valuesAt(before, i), valuesAt(columns, i));
      if (split === undefined) return undefined;
      for (const part of Object.keys(split)) {
        const lists = parts.get(part) ?? after.map(() => new Float64Array(items.length));
        lists[s]![i] = split[part]!;
        parts.set(part, lists);
      }
    }
  }
  const { clusters, level = LEVEL, seed } = options;
  return Object.fromEntries(
    [...parts].map(([part, lists]) => [
      part,
      lists.length > 1
        ? estimateSeeds(lists.map((list) => Array.from(list)), {
          clusters,
          ...(options.binary && { bounded: "change" as const }),
          level,
        })
        : estimateChange(lists[0]!, { ...options, seed: `${seed}/${part}` }),
    ]),
  );
}

function valuesAt(columns: Columns, i: number): Outcome["values"] {
  const values: Record<string, number> = {};
  for (const [name, list] of columns) values[name] = list[i]!;
  return values;
}

interface ControlsOptions {
  readonly untouched: Filled | undefined;
  readonly treated: Filled;
  readonly measures: readonly Measure[];
  readonly cell: PlannedCell;
  readonly plan: Plan;
}

function controlResults(
  sets: readonly Filled[],
  { untouched, treated, measures, cell, plan }: ControlsOptions,
): ControlResult[] {
  return [...Map.groupBy(sets, ({ cell }) => cell.arm.control ?? "")].map(([control, drawn]) => ({
    control,
    metrics: Object.fromEntries(measures.map(({ metric, values }) => {
      const levels = drawn.map((each) => mean(values(each)));
      const base = untouched ? mean(values(untouched)) : NaN;
      const stopping = metric.name === cell.benchmark.primary && stoppingOf(plan, drawn[0]!.cell);
      return [metric.name, {
        value: spread(levels),
        difference: spread(levels.map((level) => level - base)),
        ...(stopping &&
          { p: standingOf(mean(values(treated)), levels, { direction: "either", ...stopping }).p }),
      }];
    })),
    keys: drawn.map(({ cell }) => cell.key),
  }));
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((total, value) => total + value, 0) / values.length;
}
