/**
 * Controls that match a treatment's damage: a set of random units grows until it costs as much as the treatment. Generic damage alone may
 * make any score fall; what a treatment does beyond sets of the same cost is its own.
 *
 *   cost(edits) = the mean of a metric over plain texts under the edits, less that of the untouched model, signed so that more is worse
 *
 * A set is the first k units of one random order. k begins at the treatment's own number, doubles until the cost reaches the treatment's, and
 * is then looked for between the last two by halving their ratio; where the first k costs more already, below it. Cost need not rise with
 * every unit, so of all k that were tried the one whose cost is nearest counts. Where the treatment costs nothing k stays as it is.
 */
import { editsBy, treatedOf } from "./arms.ts";
import { controlSets, drawGrowth, grown } from "./controls.ts";
import { UserError } from "./error.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import type { Evaluator, Json, Metric } from "./evaluator.ts";
import type { ControlSpec, MatchedDamageSpec, MatrixSpec } from "./matrix.ts";
import type { Edit, Model, ScoreRequest, ScoreResult } from "./model.ts";
import { suggest } from "./nearest.ts";
import { type BenchmarkOptions, plain, type PlannedBenchmark, requestsOf } from "./plan_benchmarks.ts";
import { loadSet } from "./plan_scores.ts";
import { methodSteps, stepsFound } from "./plan_arms.ts";
import type { PlannedTreatment } from "./plan_treatments.ts";
import type { PlannedScore } from "./plan_scores.ts";
import type { RunStore } from "./store/store.ts";
import type { UnitScores } from "./scorer.ts";

/** What a cost is measured on. */
export interface PlannedTexts {
  readonly benchmark: PlannedBenchmark;
  /** The benchmark's. */
  readonly evaluator: Evaluator;
  readonly metric: Metric;
  /** Whether the run's own limit left texts out. */
  readonly shortened: boolean;
  /** What decides the cost of given edits to a given model. */
  readonly spec: Json;
}

/** A control's growth on one model. */
export interface ModelGrowth {
  readonly treatment: PlannedTreatment;
  readonly label: string;
  readonly control: MatchedDamageSpec;
  readonly texts: PlannedTexts;
  readonly requests: readonly ScoreRequest[];
  readonly tokenBudget: number;
  /** sha256 of what decides the sets' sizes, whatever their number. */
  readonly key: string;
}

/** What came of it. */
export interface Growth {
  /** Of the treatment. */
  readonly wanted: number;
  /** Of each set: its number of units, and what these cost. */
  readonly sizes: readonly number[];
  readonly costs: readonly number[];
}

/** The most k that are tried between two whose costs lie on either side of the treatment's. */
const HALVINGS = 8;

/** Texts of every control that grows. @throws {UserError} for an unknown benchmark or metric, wrong params, missing data. */
export function planTexts(
  matrix: MatrixSpec,
  options: BenchmarkOptions,
): ReadonlyMap<ControlSpec, PlannedTexts> {
  return new Map(
    matrix.treatments.flatMap(({ name, controls }) =>
      controls.flatMap((control): [ControlSpec, PlannedTexts][] => {
        if (control.use !== "matchedDamage") return [];
        const task = `read treatment ${JSON.stringify(name)}: control ${JSON.stringify(control.use)}`;
        const benchmark = loadSet(control.on, matrix, { ...options, task });
        const { evaluator } = benchmark;
        if ("generate" in evaluator) {
          throw new UserError(
            `Cannot ${task}: answers of ${control.on.use} are written by the model, wanted texts or answers that are scored`,
          );
        }
        const { metrics } = evaluator, wanted = control.metric ?? benchmark.primary;
        const metric = metrics.find((each) => each.name === wanted);
        if (!metric) {
          const known = metrics.map((each) => each.name);
          throw new UserError(
            `Cannot ${task}: ${control.on.use} has no metric ${JSON.stringify(wanted)}${
              suggest(wanted, known)
            }`,
          );
        }
        const { record, shortened } = benchmark;
        const spec = plain({
          benchmark: { name: record.name, version: record.version, params: record.params },
          evaluator: record.evaluator,
          itemsHash: record.itemsHash,
          metric: metric.name,
        });
        return [[control, { benchmark, evaluator, metric, shortened, spec }]];
      })
    ),
  );
}

export interface ModelGrowthOptions {
  readonly model: Pick<Model, "info" | "units" | "tokenizer">;
  /** What decides a model's numbers: engine, backend, hashes. */
  readonly spec: { readonly [key: string]: Json };
  readonly tokenBudget: number;
  readonly seed: number;
}

/** Every control that grows, on one model. @throws {UserError} for texts that do not suit the model. */
export function modelGrowths(
  treatments: readonly PlannedTreatment[],
  { model, spec, tokenBudget, seed }: ModelGrowthOptions,
): ModelGrowth[] {
  return treatments.flatMap((treatment) =>
    controlSets(treatment.controls).flatMap(({ control, label, set }): ModelGrowth[] => {
      if (control.use !== "matchedDamage" || set > 0) return [];
      const texts = treatment.controlTexts.get(label)!;
      const { sets: _, on: __, metric: ___, ...draw } = control;
      const what = {
        ...spec,
        steps: methodSteps(treatment),
        growth: { ...draw, texts: texts.spec, seed },
        tokenBudget,
      };
      const requests = requestsOf(texts.benchmark, model);
      return [{
        treatment,
        label,
        control,
        texts,
        requests,
        tokenBudget,
        key: sha256(canonicalJson(plain(what))),
      }];
    })
  );
}

/** Sizes and costs as far as they are in the store. */
export function loadGrowth(store: RunStore, key: string): Growth | undefined {
  const found = store.numbers(key);
  if (found === undefined) return undefined;
  const { wanted } = found.about as { readonly wanted: number };
  const [sizes = [], costs = []] = found.arrays.map((array) => [...array]);
  return { wanted, sizes, costs };
}

/** Whether every set has its size. */
export function isGrown({ control, key }: ModelGrowth, store: RunStore): boolean {
  return (loadGrowth(store, key)?.sizes.length ?? 0) >= control.sets;
}

export interface GrowOptions {
  readonly model: Model;
  readonly store: RunStore;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly scoresOf: (score: PlannedScore) => UnitScores;
  readonly onProgress: (
    progress: { readonly done: number; readonly total: number; readonly tokens: number },
  ) => void;
}

/** Grows the sets that the store has not, and saves each when it is found. @throws the signal's reason. */
export async function grow(growth: ModelGrowth, options: GrowOptions): Promise<void> {
  const { treatment, control, key } = growth, { store, seed, model } = options;
  const steps = stepsFound(treatment, options), treated = treatedOf(steps);
  const report = (done: number, tokens: number) => options.onProgress({ done, total: control.sets, tokens });
  const known = loadGrowth(store, key);
  const sizes = [...known?.sizes ?? []], costs = [...known?.costs ?? []];
  const levelOf = (edits: readonly Edit[]) =>
    level(edits, growth, { ...options, onTokens: (n) => report(sizes.length, n) });
  const sign = growth.texts.metric.higherIsBetter ? -1 : 1;
  const untouched = await levelOf([]);
  const costOf = async (edits: readonly Edit[]) => sign * (await levelOf(edits) - untouched);
  const wanted = known?.wanted ?? await costOf(editsBy(steps));
  while (sizes.length < control.sets) {
    const sequence = drawGrowth(treated, { control, set: sizes.length, seed, model });
    const { size, cost } = await sizeFor(wanted, {
      first: treated.length,
      last: sequence.length,
      within: control.within,
      costOf: (size) => costOf(editsBy(steps, grown(treated, sequence.slice(0, size), control.match))),
    });
    sizes.push(size);
    costs.push(cost);
    store.saveNumbers(key, {
      about: { wanted },
      arrays: [Float64Array.from(sizes), Float64Array.from(costs)],
    });
    report(sizes.length, 0);
  }
}

export interface SizeOptions {
  /** The number that is tried first, and the most units. */
  readonly first: number;
  readonly last: number;
  /** How near the cost has to come, as a share of what is wanted. */
  readonly within: number;
  readonly costOf: (size: number) => Promise<number>;
}

/** The number of units whose cost is nearest to the one wanted, of those that the search tries. */
export async function sizeFor(
  wanted: number,
  { first, last, within, costOf }: SizeOptions,
): Promise<{ readonly size: number; readonly cost: number }> {
  const tried: { readonly size: number; readonly cost: number }[] = [];
  const at = async (size: number) => {
    const cost = await costOf(size);
    tried.push({ size, cost });
    return cost;
  };
  const isNear = (cost: number) => Math.abs(cost - wanted) <= within * Math.abs(wanted);
  // No unit costs nothing.
  let low = 0, high = first, cost = await at(first);
  while (wanted > 0 && cost < wanted && !isNear(cost) && high < last) {
    low = high;
    high = Math.min(last, 2 * high);
    cost = await at(high);
  }
  if (wanted > 0 && cost > wanted) {
    for (let i = 0; i < HALVINGS && high - low > 1 && !isNear(cost); i++) {
      const middle = Math.min(high - 1, Math.max(low + 1, Math.round(Math.sqrt(Math.max(low, 1) * high))));
      cost = await at(middle);
      if (cost < wanted) low = middle;
      else high = middle;
    }
  }
  return tried.reduce((best, each) =>
    Math.abs(each.cost - wanted) < Math.abs(best.cost - wanted) ? each : best
  );
}

interface LevelOptions extends Pick<GrowOptions, "model" | "signal"> {
  readonly onTokens: (tokens: number) => void;
}

/** Mean of the metric over the texts under some edits. */
async function level(
  edits: readonly Edit[],
  { treatment, label, texts: { benchmark, evaluator, metric }, requests, tokenBudget }: ModelGrowth,
  { model, signal, onTokens }: LevelOptions,
): Promise<number> {
  const { items } = benchmark;
  const values = new Float64Array(items.length).fill(NaN);
  const refuse = (state: string, cause?: unknown): never => {
    throw new UserError(
      `Cannot grow control ${JSON.stringify(label)} of ${
        JSON.stringify(treatment.name)
      } on ${benchmark.record.label}: ${state}`,
      { cause },
    );
  };
  try {
    for await (const { indices, results, tokens } of model.score(requests, { edits, tokenBudget })) {
      for (const [i, index] of indices.entries()) {
        const outcome = evaluator.outcome(items[index]!, results[i] as ScoreResult, model.tokenizer);
        values[index] = outcome.values[metric.name] ?? NaN;
      }
      onTokens(tokens);
      signal.throwIfAborted();
    }
  } catch (cause) {
    if (cause instanceof UserError) refuse(cause.message.replace(/^Cannot /, "cannot "), cause);
    throw cause;
  }
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Number.isFinite(mean) ? mean : refuse(`its mean ${metric.name} is ${mean}, wanted a finite number`);
}
