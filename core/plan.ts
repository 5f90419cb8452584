/** From a matrix to its cells and their keys; everything that can be wrong is found here, before any weight is opened. */
import { basename } from "node:path";
import type { Context } from "./context.ts";
import type { Json } from "./evaluator.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import type { Located } from "./hub/locate.ts";
import { type HypothesesPlan, planHypotheses } from "./hypotheses.ts";
import { isTreated } from "./arms.ts";
import { withControls } from "./default_controls.ts";
import { planGates, type PlannedGate } from "./gate.ts";
import { type ModelGrowth, modelGrowths, planTexts } from "./growth.ts";
import type { MatrixFile, MatrixSpec } from "./matrix.ts";
import type { Inspected } from "./memory.ts";
import type { Model, ModelBackend, OpenOptions } from "./model.ts";
import {
  distinct,
  plain,
  planBenchmarks,
  type PlannedBenchmark,
  type PlannedRequest,
} from "./plan_benchmarks.ts";
import { checkRequests, lastAsked } from "./plan_requests.ts";
import { provenanceNotes } from "./provenance/notes.ts";
import { checkControls } from "./plan_controls.ts";
import { foundElsewhere, planProvenance } from "./plan_provenance.ts";
import { type ModelScore, modelScore, type PlannedScore, planScores } from "./plan_scores.ts";
import { armsPlanned, checkSelections, type PlannedArm } from "./plan_arms.ts";
import { inspectModel, modelSpec, withOpenings } from "./plan_models.ts";
import { type PlannedTreatment, planTreatments } from "./plan_treatments.ts";
import { type ModelTraining, modelTrainings, withTrainings } from "./model_trainings.ts";
import { planTunes } from "./plan_tunes.ts";
import type { Registry } from "./registry.ts";
import type { ModelRecord, ProvenanceRecord, Results } from "./results.ts";

export interface PlannedModel {
  readonly record: ModelRecord;
  readonly inspected: Inspected;
  open(options: OpenOptions): Promise<Model>;
  /** Where the backend counts them by itself; see ModelBackend. */
  readonly countTokens?: NonNullable<ModelBackend["countTokens"]>;
  /** The untouched model first, then the arms of each treatment. */
  readonly arms: readonly PlannedArm[];
  /** What its treatments select from. */
  readonly scores: readonly ModelScore[];
  /** Its controls that grow. */
  readonly growths: readonly ModelGrowth[];
  /** What its arms are trained by. */
  readonly trainings: readonly ModelTraining[];
  /** Names of treatments that a gate keeps from it; none while nothing is known. */
  readonly shut?: ReadonlySet<string>;
}

/** One model on one benchmark under one arm. */
export interface PlannedCell {
  readonly model: PlannedModel;
  readonly benchmark: PlannedBenchmark;
  readonly arm: PlannedArm;
  /** Prompts and continuations as token ids; made when called, those of the last call kept, for cells that follow one another share them. */
  requests(): readonly PlannedRequest[];
  /** sha256 of the canonical JSON of `spec`. */
  readonly key: string;
  readonly spec: Json;
}

export interface Plan {
  readonly id: string;
  readonly name: string;
  readonly matrix: MatrixSpec;
  readonly limit: number | null;
  readonly tokenBudget: number;
  readonly engine: Results["engine"];
  readonly treatments: readonly PlannedTreatment[];
  readonly models: readonly PlannedModel[];
  readonly benchmarks: readonly PlannedBenchmark[];
  readonly provenance: ProvenanceRecord;
  /** In the order in which they are computed: model by model, benchmark by benchmark, arm by arm. */
  readonly cells: readonly PlannedCell[];
  readonly hypotheses: HypothesesPlan;
  readonly gates: readonly PlannedGate[];
  /** Labels of optional benchmarks whose data is not there. */
  readonly leftOut: readonly string[];
}

export interface PlanOptions {
  readonly registry: Registry;
  readonly context: Context;
  /** Path of the matrix file; its folder is where the paths in it start. */
  readonly path: string;
  /** Folder of the data, absolute; default the matrix's own. */
  readonly data?: string | undefined;
  /** Whether the models were given on the command line, so that their paths start in the context's folder. */
  readonly ownModels?: boolean;
  /** Only the first so many items of each benchmark. */
  readonly limit?: number | undefined;
  /** Upper bound of padded tokens in a batch; default 2048. */
  readonly tokenBudget?: number | undefined;
  readonly engine: Results["engine"];
  /** Where a `hf:` name of a model lies on this machine; default no such name is known. */
  readonly locate?: (name: string) => Located;
}

/** @throws {UserError} for whatever in the matrix, its data or its models cannot be run. */
export async function planRun(file: MatrixFile, options: PlanOptions): Promise<Plan> {
  const task = `read matrix ${options.path}`;
  const { tokenBudget = 2048, engine } = options;
  const matrix = withControls(file, options);
  const scores = planScores(matrix, options);
  const texts = planTexts(matrix, options);
  const tunes = planTunes(matrix, options);
  const treatments = planTreatments(matrix, { ...options, scores, texts, tunes });
  const { benchmarks, leftOut } = planBenchmarks(matrix, options);
  noteOtherVersions(benchmarks, options.context);
  const met = planProvenance(treatments, benchmarks, {
    task: `run matrix ${options.path}`,
    allowLeakage: matrix.allowLeakage,
  });
  const models: PlannedModel[] = [];
  for (const entry of matrix.models) {
    const model = await inspectModel(entry, options);
    const named = armsPlanned(treatments, { model: model.inspected, seed: matrix.seed });
    const spec = modelSpec(model, engine);
    const trainings = modelTrainings(named, { model: model.inspected, spec });
    const arms = await withOpenings(withTrainings(named, trainings), { entry, treatments, options, model });
    distinct(arms.filter(isTreated), {
      task,
      kind: "treatment",
      label: (arm) => arm.treatment,
      identity: ({ done, opened = model }) => plain({ done, model: opened.record.info.hash }),
    });
    const modelScores = [...scores.values()].map((score) =>
      modelScore(score, { model: model.inspected, spec, tokenBudget })
    );
    const outlines = {
      model: model.inspected,
      outlineOf: (score: PlannedScore) => modelScores.find((each) => each.score === score)?.outline,
    };
    checkSelections(treatments, outlines);
    checkControls(treatments, outlines);
    const growths = modelGrowths(treatments, {
      model: model.inspected,
      spec,
      tokenBudget,
      seed: matrix.seed,
    });
    models.push({ ...model, arms, scores: modelScores, growths, trainings });
  }
  distinct(models, { task, kind: "model", label: labelOf, identity: (model) => model.record.info.hash });
  distinct(models, { task, kind: "model label", label: labelOf, identity: labelOf });
  const asked = lastAsked();
  checkRequests(models, benchmarks);
  const cells = models.flatMap((model) =>
    benchmarks.flatMap((benchmark) => {
      return model.arms.map((arm): PlannedCell => {
        const requests = () => asked({ model, benchmark, prompt: arm.prompt });
        const spec = specOf({ model, benchmark, arm, tokenBudget, engine });
        return { model, benchmark, arm, requests, spec, key: sha256(canonicalJson(spec)) };
      });
    })
  );
  const provenance = { ...met, ...foundElsewhere(treatments, models) };
  const hypotheses = planHypotheses(without(matrix, leftOut), { benchmarks, task });
  const gates = planGates(matrix, { benchmarks, leftOut, task });
  const name = matrix.name ?? basename(options.path).replace(/\.json$/, "");
  const shortened = [...benchmarks, ...scores.values(), ...texts.values(), ...tunes.values()]
    .some((each) => each.shortened);
  const limit = shortened ? options.limit ?? null : null;
  const digest = sha256(
    canonicalJson(identityOf({ matrix, limit, models, benchmarks, cells, provenance, hypotheses, gates })),
  );
  const id = `${safeName(name)}-${digest.slice(0, 8)}`;
  return {
    id,
    name,
    matrix,
    treatments,
    limit,
    tokenBudget,
    engine,
    models,
    benchmarks,
    provenance,
    hypotheses,
    gates,
    leftOut,
    cells,
  };
}

/** The matrix without hypotheses about benchmarks that are left out. */
function without(matrix: MatrixSpec, leftOut: readonly string[]): MatrixSpec {
  const isThere = (label: unknown) => typeof label !== "string" || !leftOut.includes(label);
  return {
    ...matrix,
    hypotheses: matrix.hypotheses.filter(({ benchmark, beyond, baseline }) =>
      [benchmark, beyond, baseline].every(isThere)
    ),
  };
}

/** What tells one run's results from another's: the cells, and all that decides what is made of them. */
function identityOf(
  { matrix, limit, models, benchmarks, cells, provenance, hypotheses, gates }: Pick<
    Plan,
    "matrix" | "limit" | "models" | "benchmarks" | "cells" | "provenance" | "hypotheses" | "gates"
  >,
): Json {
  return plain({
    seed: matrix.seed,
    limit,
    models: models.map(labelOf),
    benchmarks: benchmarks.map(({ record, primary }) => [record.label, primary]),
    cells: cells.map(({ arm, key }) => [arm.treatment, arm.arm, key]),
    stops: matrix.treatments.map(({ controls }) =>
      controls.map((control) => "stopAt" in control ? control.stopAt : null)
    ),
    curves: matrix.treatments.map(({ curve }) => curve?.scale ?? null),
    // Only where outputs say so: a run that was clean before there was provenance keeps its id.
    ...(provenanceNotes({ provenance }).length > 0 && { provenance }),
    ...(gates.length > 0 && { gates }),
    ...(hypotheses.hash !== undefined && { hypotheses: hypotheses.hash }),
  });
}

/** Text as a name of files: letters, digits, dot, dash and underscore; never hidden, never empty. */
export function safeName(text: string): string {
  return text.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[.-]+|[.-]+$/g, "").slice(0, 80) || "run";
}

/** What decides the outcomes of a cell. Neither paths nor labels nor the number of threads are in it. */
function specOf(
  { model, benchmark, arm, tokenBudget, engine }:
    & Pick<PlannedCell, "model" | "benchmark" | "arm">
    & Pick<Plan, "tokenBudget" | "engine">,
): Json {
  const { name, version, params, files, itemsHash } = benchmark.record;
  return plain({
    ...modelSpec(arm.opened ?? model, engine),
    ...arm.done,
    benchmark: { name, version, params, files: files.map((file) => file.sha256), itemsHash },
    evaluator: benchmark.record.evaluator,
    tokenBudget,
  });
}

/** Data of another version is used, but not silently. */
function noteOtherVersions(benchmarks: readonly PlannedBenchmark[], { log }: Context): void {
  for (const { record } of benchmarks) {
    for (const { name, sha256, expected } of record.files) {
      if (expected === null || expected === sha256) continue;
      log(
        `Note: ${name} is not the version that ${record.label} was written for (sha256 ${sha256}, expected ${expected})`,
      );
    }
  }
}

function labelOf(model: Pick<PlannedModel, "record">): string {
  return model.record.label;
}
