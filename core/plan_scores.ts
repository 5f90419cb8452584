/** The score steps of a matrix: scorers, params and items read and checked, and what they come to on one model. */
import type { Item } from "./benchmark.ts";
import { UserError } from "./error.ts";
import type { Json } from "./evaluator.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import type { MatrixSpec, ScoreSetSpec, ScoreSpec, SelectSpec, TreatmentSpec } from "./matrix.ts";
import type { Model, Tap } from "./model.ts";
import { nearest, suggest } from "./nearest.ts";
import { outlineOf } from "./outline.ts";
import { planPasses } from "./passes.ts";
import {
  type BenchmarkOptions,
  dataFolder,
  labelWith,
  loadBenchmark,
  plain,
  type PlannedBenchmark,
  requestsOf,
} from "./plan_benchmarks.ts";
import { type MadeOf, madeOf } from "./provenance/made_of.ts";
import { lookUp } from "./registry.ts";
import { checkLeast, inSampleOrder, type Sampling } from "./sampling.ts";
import { parseWith } from "./schema.ts";
import type { ScoredItem, Scorer, ScorerInput, UnitScores } from "./scorer.ts";

/** Items that a scorer looks at. */
export interface PlannedSet extends PlannedBenchmark {
  /** Kind of the cluster by which scores are kept apart. */
  readonly groupBy: string | undefined;
  readonly madeOf: MadeOf;
}

/** A score step, the same for every model. */
export interface PlannedScore {
  readonly scorer: Scorer;
  readonly params: unknown;
  /** Items by the name of their set. */
  readonly sets: Readonly<Record<string, PlannedSet>>;
  readonly seed: number;
  /** How many of the items are looked at; undefined for all. */
  readonly sampling: Sampling | undefined;
  /** Whether the run's own limit left items out, beyond those of the step. */
  readonly shortened: boolean;
  /** What decides the scores of a given model. */
  readonly spec: Json;
}

/** A score step on one model. */
export interface ModelScore {
  readonly score: PlannedScore;
  readonly input: ScorerInput<unknown>;
  /** 0 for every unit that will be scored: what can be selected, before anything is computed. Undefined where combine() wants real sums. */
  readonly outline: UnitScores | undefined;
  /** Those that the samples' own edits name. */
  readonly taps: readonly Tap[];
  /** Upper bound of padded tokens computed at once. */
  readonly tokenBudget: number;
  /** sha256 of the canonical JSON of `spec`. */
  readonly key: string;
  readonly spec: Json;
}

/**
 * Every score of a matrix, of steps and of controls, by its own JSON, so that those that differ in what they select share one.
 *
 * @throws {UserError} for an unknown scorer or set, wrong params, a missing set, missing or broken data; naming the treatment.
 */
export function planScores(
  matrix: MatrixSpec,
  options: BenchmarkOptions,
): ReadonlyMap<string, PlannedScore> {
  const scores = new Map<string, PlannedScore>();
  for (const { name, steps, controls } of matrix.treatments) {
    const task = `read treatment ${JSON.stringify(name)}`;
    const entries = [
      ...steps.flatMap(({ score }, i) => score ? [{ score, selects: selectsAfter(steps, i), task }] : []),
      ...controls.flatMap((control) =>
        control.use === "scored"
          ? [{ score: control.score, selects: [], task: `${task}: control ${JSON.stringify(control.name)}` }]
          : []
      ),
    ];
    for (const { score, selects, task } of entries) {
      const name = scoreName(score, selects);
      if (!scores.has(name)) scores.set(name, planScore(score, matrix, { ...options, selects, task }));
    }
  }
  return scores;
}

/** What a score step is found by. Of a sample the selects decide too, for they say when it is enough; a control's choice has none. */
export function scoreName(entry: ScoreSpec, selects: readonly SelectSpec[] = []): string {
  return canonicalJson(plain(entry.sample ? { ...entry, selects } : entry));
}

/** The selects of the score at place `i` of the steps. */
export function selectsAfter(steps: TreatmentSpec["steps"], i: number): SelectSpec[] {
  const next = steps.findIndex(({ score }, j) => j > i && score !== undefined);
  return steps.slice(i + 1, next < 0 ? undefined : next).flatMap(({ select }) => select ? [select] : []);
}

export interface SetOptions extends BenchmarkOptions {
  /** For messages: what could not be done. */
  readonly task: string;
}

function planScore(
  entry: ScoreSpec,
  matrix: MatrixSpec,
  options: SetOptions & { readonly selects: readonly SelectSpec[] },
): PlannedScore {
  const scorer: Scorer = lookUp(options.registry.scorers, entry.use, "scorer");
  const params = parseWith(scorer.params, entry.params, `${options.task}: params of scorer ${entry.use}`);
  checkSets(entry, scorer, options.task);
  const sampling = entry.sample && { ...entry.sample, selects: options.selects };
  if (sampling?.stable !== undefined && !scorer.errors) {
    throw new UserError(
      `Cannot ${options.task}: ${entry.use} gives no standard errors to be "stable" by, wanted a sample without it`,
    );
  }
  const sets = Object.fromEntries(
    Object.entries(entry.on).map((
      [name, set],
    ) => [name, planSet(set, matrix, { ...options, role: "localise" })]),
  );
  const shortened = Object.values(sets).some((set) => set.shortened);
  const spec = plain({
    scorer: { name: scorer.name, version: scorer.version, params },
    seed: matrix.seed,
    sets: setsSpec(sets),
    ...(sampling && { sample: sampling }),
  });
  return { scorer, params, sets, seed: matrix.seed, sampling, shortened, spec };
}

/** What decides which items a step looks at. */
export function setsSpec(sets: Readonly<Record<string, PlannedSet>>): Json {
  return plain(Object.fromEntries(
    Object.entries(sets).map(([name, { record, groupBy }]) => [name, {
      benchmark: { name: record.name, version: record.version, params: record.params },
      evaluator: record.evaluator,
      itemsHash: record.itemsHash,
      groupBy: groupBy ?? null,
    }]),
  ));
}

/** A set and the items that it is made of. @throws {UserError} as loadSet(). */
export function planSet(
  set: ScoreSetSpec,
  matrix: MatrixSpec,
  options: SetOptions & { readonly role: MadeOf["role"] },
): PlannedSet {
  const planned = loadSet(set, matrix, options);
  return {
    ...planned,
    groupBy: set.groupBy,
    madeOf: madeOf(planned.record.name, planned.items, options.role),
  };
}

/** The items of a set. @throws {UserError} for an unknown benchmark, wrong params, missing or broken data. */
export function loadSet(set: ScoreSetSpec, matrix: MatrixSpec, options: SetOptions): PlannedBenchmark {
  const { registry } = options;
  const benchmark = lookUp(registry.benchmarks, set.use, "benchmark");
  const evaluator = lookUp(registry.evaluators, benchmark.evaluator, "evaluator");
  const params: unknown = parseWith(
    benchmark.params,
    set.params,
    `${options.task}: params of benchmark ${set.use}`,
  );
  return loadBenchmark(benchmark, params, {
    label: labelWith(benchmark.name, params, [params, {}]),
    evaluator,
    folder: dataFolder(matrix, options),
    limits: { own: set.limit, run: options.limit },
  });
}

/** @throws {UserError} for a set that the scorer or tuner does not know, or one that is missing. */
export function checkSets(
  { use, on }: Pick<ScoreSpec, "use" | "on">,
  { sets, optionalSets = [] }: Pick<Scorer, "sets" | "optionalSets">,
  task: string,
): void {
  const known = [...sets, ...optionalSets];
  const wanted = known.length > 0 ? known.map((set) => JSON.stringify(set)).join(", ") : "none";
  const unknown = Object.keys(on).find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const near = nearest(unknown, known);
    throw new UserError(
      `Cannot ${task}: unknown set ${JSON.stringify(unknown)} in "on" of ${use}, ${
        near === undefined ? `wanted ${wanted}` : `did you mean ${JSON.stringify(near)}`
      }`,
    );
  }
  const missing = sets.find((name) => on[name] === undefined);
  if (missing !== undefined) {
    throw new UserError(
      `Cannot ${task}: "on" of ${use} has no set ${JSON.stringify(missing)}, wanted items for it`,
    );
  }
}

export interface ModelScoreOptions {
  readonly model: Pick<Model, "info" | "units" | "tokenizer">;
  /** What decides a model's numbers: engine, backend, hashes. */
  readonly spec: { readonly [key: string]: Json };
  /** Of the run. */
  readonly tokenBudget: number;
}

/**
 * The score step on one model: its items as token ids, and the key of its scores.
 *
 * @throws {UserError} for items that do not suit the model or the scorer.
 */
export function modelScore(score: PlannedScore, options: ModelScoreOptions): ModelScore {
  const { model } = options;
  const { scorer, params, sets, seed, sampling } = score;
  const all = Object.fromEntries(
    Object.entries(sets).map(([name, set]) => [name, scoredItems(set, model)]),
  );
  if (sampling) checkLeast(sampling, all, `sample for ${scorer.name} on ${model.info.name}`);
  const items = sampling ? inSampleOrder(all, seed) : all;
  const input: ScorerInput<unknown> = { params, items, model, seed };
  const passes = planPasses(scorer, input);
  const edits = passes.flatMap(({ samples }) => samples.flatMap(({ edits = [] }) => edits));
  // A gradient holds what the forward pass made: half the tokens take about as much memory.
  const tokenBudget = Math.ceil(options.tokenBudget / 2);
  const spec = plain({ ...options.spec, score: score.spec, tokenBudget });
  return {
    score,
    input,
    outline: outlineOf(scorer, input, passes),
    taps: [...new Set(edits.map(({ tap }) => tap))],
    tokenBudget,
    key: sha256(canonicalJson(spec)),
    spec,
  };
}

/** A set's items, tokenised. @throws {UserError} for items that do not suit the model, or have no cluster to group by. */
export function scoredItems(set: PlannedSet, model: ModelScoreOptions["model"]): ScoredItem[] {
  const { evaluator, items, record, groupBy } = set;
  const requests = requestsOf(set, model);
  return items.map((item, i): ScoredItem => ({
    id: item.id,
    group: groupBy === undefined ? "all" : clusterOf(item, groupBy, record.label),
    prompt: requests[i]?.prompt ?? [],
    continuations: requests[i]?.continuations ?? [],
    gold: evaluator.gold?.(item),
  }));
}

function clusterOf({ id, clusters }: Item, kind: string, label: string): string {
  const cluster = clusters[kind];
  if (cluster !== undefined) return cluster;
  throw new UserError(
    `Cannot score on ${label}: item ${id} has no cluster ${JSON.stringify(kind)}${
      suggest(kind, Object.keys(clusters))
    }`,
  );
}
