/** What a plan will take: cells and tokens that the store has not, time, memory, and what its items can find. Computes nothing. */
import type { PlannedGate } from "../gate.ts";
import { loadGrowth, type ModelGrowth } from "../growth.ts";
import { isGradient, planPasses } from "../passes.ts";
import { capped } from "../sampling.ts";
import type { Plan, PlannedCell, PlannedModel } from "../plan.ts";
import type { PlannedRequest } from "../plan_benchmarks.ts";
import type { ModelScore } from "../plan_scores.ts";
import type { ModelTraining } from "../model_trainings.ts";
import type { Results } from "../results.ts";
import { loadTrained } from "../run_trainings.ts";
import { createStopping } from "../stopping.ts";
import type { RunStore } from "../store/store.ts";
import { type Detectable, detectableOf } from "./detectable.ts";
import { memoryOf } from "./memory.ts";
import { type HypothesisForecast, neededOf } from "./needed.ts";
import { gradientRateOf, type Here, rateOf, runsIn, type Sourced, WRITING } from "./rates.ts";

export type { Detectable } from "./detectable.ts";
export type { HypothesisForecast } from "./needed.ts";
export type { Here, Sourced } from "./rates.ts";

/** The cells of one model on one benchmark, each key counted once. */
export interface CellsForecast {
  readonly benchmark: string;
  /** Tokens of one cell; what prompts share is counted once where the backend counts by itself. */
  readonly tokensPerCell: number;
  readonly cells: number;
  readonly complete: number;
  /** With some outcomes in the store. */
  readonly partial: number;
  /** Neither complete nor begun. */
  readonly fresh: number;
  /** Of the partial and the fresh. */
  readonly tokens: number;
  /** Of these, those that the model writes one after another, at most; absent where it writes none. */
  readonly written?: number;
}

/** A scorer's passes on one model. */
export interface ScoringForecast {
  /** Name of the scorer; of a control that grows, treatment and label; of a training, treatment and arm. */
  readonly scorer: string;
  /** Whether it is a training. */
  readonly trains?: boolean;
  /** Whether it is such a control, whose tokens are estimated. */
  readonly grows?: boolean;
  readonly stored: boolean;
  readonly samples: number;
  /** To compute, 0 where stored; a scoring that was broken off counts whole. */
  readonly forwardTokens: number;
  /** Of passes that go backward too. */
  readonly gradientTokens: number;
}

export interface ModelForecast {
  readonly label: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly benchmarks: readonly CellsForecast[];
  readonly scoring: readonly ScoringForecast[];
  /** To compute, without a backward pass and with one. */
  readonly forwardTokens: number;
  readonly gradientTokens: number;
  /** Tokens a second. */
  readonly rate: Sourced;
  readonly gradientRate: Sourced;
  /** By these rates, a token that is written for WRITING others. */
  readonly seconds: number;
  /** Peak of the process, 1e6 bytes. */
  readonly memoryMb: Sourced;
  /** Whether the backend itself counted tokens, with what prompts share counted once. */
  readonly sharing: boolean;
  /** Whether sets are drawn that may come to be wanted no more. */
  readonly draws: boolean;
}

export interface Forecast {
  readonly id: string;
  readonly name: string;
  readonly limit: number | null;
  /** Labels of benchmarks whose data is not there. */
  readonly leftOut: readonly string[];
  /** What stops treatments below it; they are counted whole. */
  readonly gates: readonly PlannedGate[];
  readonly models: readonly ModelForecast[];
  readonly benchmarks: readonly Detectable[];
  readonly hypotheses: readonly HypothesisForecast[];
  /** Whether treatments train, so that their changes vary by seed too, which is not counted. */
  readonly trains: boolean;
}

/** @param store where results would go; only read. */
export function forecast(plan: Plan, store: RunStore, here: Here): Forecast {
  const runs = runsIn(store);
  const seen = { runs, store, weights: plan.models.map(({ record }) => record.info.hash.weights) };
  return {
    id: plan.id,
    name: plan.name,
    limit: plan.limit,
    leftOut: plan.leftOut,
    gates: plan.gates.filter(({ belowGate }) => belowGate === "stop"),
    models: plan.models.map((model) => modelForecast(model, { plan, store, runs, here })),
    benchmarks: plan.benchmarks.map((benchmark) => detectableOf(benchmark, seen)),
    hypotheses: neededOf(plan, seen),
    trains: plan.treatments.some(({ tune }) => tune),
  };
}

interface ModelOptions {
  readonly plan: Plan;
  readonly store: RunStore;
  readonly runs: readonly Results[];
  readonly here: Here;
}

function modelForecast(model: PlannedModel, { plan, store, runs, here }: ModelOptions): ModelForecast {
  const { label, info } = model.record;
  const stopping = createStopping(plan, store);
  const wanted = plan.cells.filter((cell) => stopping.isWanted(cell));
  const distinct = [...new Map(wanted.map((cell) => [cell.key, cell])).values()];
  const benchmarks = plan.benchmarks.map((benchmark) =>
    cellsForecast(
      distinct.filter((cell) => cell.model === model && cell.benchmark === benchmark),
      { label: benchmark.record.label, tokenBudget: plan.tokenBudget, store },
    )
  );
  const scoring = [
    ...[...new Map(model.scores.map((each) => [each.key, each])).values()]
      .map((each) => scoringForecast(each, store)),
    ...model.growths.map((each) => growthForecast(each, store)),
    ...[...new Map(model.trainings.map((each) => [each.key, each])).values()]
      .map((each) => trainingForecast(each, store)),
  ];
  const forwardTokens = sum([
    ...benchmarks.map(({ tokens }) => tokens),
    ...scoring.map((s) => s.forwardTokens),
  ]);
  const gradientTokens = sum(scoring.map((each) => each.gradientTokens));
  const written = sum(benchmarks.map(({ written = 0 }) => written));
  const rate = rateOf(model.record, runs, here);
  const backward = gradientRateOf(model.record, runs, { ...here, forward: rate });
  return {
    label,
    architecture: info.architecture,
    parameters: info.parameters,
    benchmarks,
    scoring,
    forwardTokens,
    gradientTokens,
    rate,
    gradientRate: backward,
    seconds: (forwardTokens + (WRITING - 1) * written) / rate.value + gradientTokens / backward.value,
    memoryMb: memoryOf(model, {
      plan,
      runs,
      gradients: gradientTokens > 0,
      trained: model.trainings.filter(({ key }) => !loadTrained(store, key)).map((each) =>
        each.options().parameters
      ),
    }),
    sharing: model.countTokens !== undefined,
    draws: plan.treatments.some(({ controls }) => controls.some(({ use }) => use === "random")),
  };
}

interface CellsOptions {
  readonly label: string;
  readonly tokenBudget: number;
  readonly store: RunStore;
}

function cellsForecast(
  cells: readonly PlannedCell[],
  { label, tokenBudget, store }: CellsOptions,
): CellsForecast {
  const open = cells.filter((cell) => !store.isComplete(cell.key))
    .map((cell) => ({ cell, done: new Set(store.outcomes(cell.key).keys()) }));
  const partial = open.filter(({ done }) => done.size > 0);
  // Arms differ in edits alone, so that one count stands for all.
  const tokensPerCell = cells[0] ? tokensOf(cells[0], tokenBudget) : 0;
  const left = partial.map(({ cell, done }) => tokensOf(cell, tokenBudget, done));
  const fresh = open.length - partial.length;
  const written = sum(open.map(({ cell, done }) => writtenOf(cell, done)));
  return {
    benchmark: label,
    tokensPerCell,
    cells: cells.length,
    complete: cells.length - open.length,
    partial: partial.length,
    fresh,
    tokens: fresh * tokensPerCell + sum(left),
    ...(written > 0 && { written }),
  };
}

/** Tokens of a cell without those batches, or items, that are done whole. */
function tokensOf(
  { benchmark, model, ...cell }: PlannedCell,
  tokenBudget: number,
  done: ReadonlySet<string> = new Set(),
): number {
  const isDone = (index: number) => done.has(benchmark.items[index]?.id ?? "");
  const requests = cell.requests();
  // What answers share is the backend's to say of those alone that are scored.
  if (model.countTokens && !("generate" in benchmark.evaluator)) {
    return model.countTokens(requests, { tokenBudget, skip: (indices) => indices.every(isDone) });
  }
  return sum(requests.map((request, index) => isDone(index) ? 0 : lengthOf(request)));
}

/** Tokens that are written in a cell at most, without items that are done; of each text all but the last are run. */
function writtenOf(
  { benchmark: { evaluator, items }, ...cell }: PlannedCell,
  done: ReadonlySet<string>,
): number {
  if (!("generate" in evaluator)) return 0;
  return sum(
    cell.requests().map(({ maxNewTokens = 1 }, index) =>
      done.has(items[index]?.id ?? "") ? 0 : maxNewTokens - 1
    ),
  );
}

function scoringForecast({ score, input, key }: ModelScore, store: RunStore): ScoringForecast {
  const passes = capped(planPasses(score.scorer, input), score.sampling),
    stored = store.numbers(key) !== undefined;
  const tokens = (backward: boolean) =>
    stored ? 0 : sum(
      passes.filter(({ observe }) => observe.some(isGradient) === backward)
        .flatMap(({ samples }) => samples.map(lengthOf)),
    );
  return {
    scorer: score.scorer.name,
    stored,
    samples: sum(passes.map(({ samples }) => samples.length)),
    forwardTokens: tokens(false),
    gradientTokens: tokens(true),
  };
}

/** Numbers of units that are tried for one set of a control that grows; between 1 and 16. */
const TRIES = 5;

function growthForecast(growth: ModelGrowth, store: RunStore): ScoringForecast {
  const { treatment, label, control, requests } = growth;
  const left = control.sets - (loadGrowth(store, growth.key)?.sizes.length ?? 0);
  // The untouched and the treated model once, then the tries.
  const rounds = left > 0 ? 2 + TRIES * left : 0;
  return {
    scorer: `${treatment.name}: ${label}`,
    grows: true,
    stored: left <= 0,
    samples: rounds * requests.length,
    forwardTokens: rounds * sum(requests.map(lengthOf)),
    gradientTokens: 0,
  };
}

/** One that was broken off counts whole. */
function trainingForecast(
  { name, key, examples, tokens, forwardTokens }: ModelTraining,
  store: RunStore,
): ScoringForecast {
  const stored = loadTrained(store, key) !== undefined;
  return {
    scorer: name,
    trains: true,
    stored,
    samples: examples,
    forwardTokens: stored ? 0 : forwardTokens,
    gradientTokens: stored ? 0 : tokens,
  };
}

/** Tokens that are run, of a text that is written at most: the last of a continuation or text is only predicted. */
function lengthOf(
  { prompt, continuations = [], maxNewTokens = 1 }:
    & Pick<PlannedRequest, "prompt" | "maxNewTokens">
    & Partial<Pick<PlannedRequest, "continuations">>,
): number {
  return continuations.reduce((all, ids) => all + ids.length - 1, prompt.length + maxNewTokens - 1);
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
