/** From a matrix to its cells and their keys; everything that can be wrong is found here, before any weight is opened. */
import { basename, dirname, resolve } from "node:path";
import { type Arm, armsOf, type Step } from "./arms.ts";
import type { Context } from "./context.ts";
import { faultText, UserError } from "./error.ts";
import type { Json } from "./evaluator.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import { type MatrixSpec, type TreatmentSpec } from "./matrix.ts";
import type { Model, ModelBackend, OpenOptions, ScoreRequest } from "./model.ts";
import { distinct, plain, planBenchmarks, type PlannedBenchmark } from "./plan_benchmarks.ts";
import { lookUp, type Registry } from "./registry.ts";
import { type ModelRecord, type Results, UNTOUCHED } from "./results.ts";
import { parseWith } from "./schema.ts";
import { parseUnitsFile, unitsOf } from "./units.ts";

export interface PlannedModel {
  readonly record: ModelRecord;

  readonly inspected: Pick<Model, "info" | "units" | "tokenizer">;
  open(options: OpenOptions): Promise<Model>;
  /** The untouched model first, then the arms of each treatment. */
  readonly arms: readonly Arm[];
}

/** One model on one benchmark under one arm. */
export interface PlannedCell {
  readonly model: PlannedModel;
  readonly benchmark: PlannedBenchmark;
  readonly arm: Arm;
  readonly requests: readonly ScoreRequest[];
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
  /** Of each treatment of the matrix, units and params read. */
  readonly steps: readonly (readonly Step[])[];
  readonly models: readonly PlannedModel[];
  readonly benchmarks: readonly PlannedBenchmark[];
  /** In the order in which they are computed: model by model, benchmark by benchmark, arm by arm. */
  readonly cells: readonly PlannedCell[];
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
}

/** @throws {UserError} for whatever in the matrix, its data or its models cannot be run. */
export async function planRun(matrix: MatrixSpec, options: PlanOptions): Promise<Plan> {
  const task = `read matrix ${options.path}`;
  const { tokenBudget = 2048, engine } = options;
  const steps = matrix.treatments.map((treatment) => readSteps(treatment, options));
  const benchmarks = planBenchmarks(matrix, options);
  noteOtherVersions(benchmarks, options.context);
  const models: PlannedModel[] = [];
  for (const entry of matrix.models) {
    const model = await inspectModel(entry, options);
    const arms: Arm[] = [{ treatment: UNTOUCHED, arm: "treated", control: undefined, edits: [], units: 0 }];
    for (const [i, { name, controls }] of matrix.treatments.entries()) {
      const { info, units } = model.inspected;
      arms.push(
        ...armsOf(steps[i] ?? [], { treatment: name, controls, seed: matrix.seed, model: { info, units } }),
      );
    }
    const treated = arms.filter((arm) => arm.control === undefined);
    distinct(treated, {
      task,
      kind: "treatment",
      label: (arm) => arm.treatment,
      identity: (arm) => arm.edits,
    });
    models.push({ ...model, arms });
  }
  distinct(models, { task, kind: "model", label: labelOf, identity: (model) => model.record.info.hash });
  distinct(models, { task, kind: "model label", label: labelOf, identity: labelOf });
  const cells = models.flatMap((model) =>
    benchmarks.flatMap((benchmark) => {
      const requests = planRequests(model, benchmark);
      return model.arms.map((arm): PlannedCell => {
        const spec = specOf({ model, benchmark, arm, tokenBudget, engine });
        return { model, benchmark, arm, requests, spec, key: sha256(canonicalJson(spec)) };
      });
    })
  );
  const name = matrix.name ?? basename(options.path).replace(/\.json$/, "");
  const shortened = benchmarks.some(({ record }) => record.items.effective < record.items.original);
  const limit = shortened ? options.limit ?? null : null;
  const digest = sha256(canonicalJson(identityOf({ matrix, limit, models, benchmarks, cells })));
  const id = `${safeName(name)}-${digest.slice(0, 8)}`;
  return { id, name, matrix, steps, limit, tokenBudget, engine, models, benchmarks, cells };
}

/** What tells one run's results from another's: the cells, and all that decides what is made of them. */
function identityOf(
  { matrix, limit, models, benchmarks, cells }: Pick<
    Plan,
    "matrix" | "limit" | "models" | "benchmarks" | "cells"
  >,
): Json {
  return plain({
    seed: matrix.seed,
    limit,
    models: models.map(labelOf),
    benchmarks: benchmarks.map(({ record, primary }) => [record.label, primary]),
    cells: cells.map(({ arm, key }) => [arm.treatment, arm.arm, key]),
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
    engine: { plumbline: engine.plumbline, runtime: engine.runtime },
    backend: { name: model.record.use, version: model.record.version },
    model: model.record.info.hash,
    edits: arm.edits,
    benchmark: { name, version, params, files: files.map((file) => file.sha256), itemsHash },
    evaluator: benchmark.record.evaluator,
    tokenBudget,
  });
}

function readSteps(treatment: TreatmentSpec, { registry, path }: PlanOptions): Step[] {
  return treatment.steps.map(({ edit }) => {
    const task = `read treatment ${JSON.stringify(treatment.name)}`;
    const intervention = lookUp(registry.interventions, edit.use, "intervention");
    const params = parseWith(intervention.params, edit.params, `${task}: params of ${edit.use}`);
    const units = typeof edit.units === "string"
      ? readUnits(resolve(dirname(path), edit.units))
      : unitsOf(edit.units, task);
    return { intervention, params, units };
  });
}

function readUnits(path: string) {
  try {
    return parseUnitsFile(Deno.readTextFileSync(path), path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot read units ${path}: ${(error as Error).message}`, { cause: error });
  }
}

async function inspectModel(
  entry: MatrixSpec["models"][number],
  { registry, context, path, ownModels }: PlanOptions,
): Promise<Omit<PlannedModel, "arms">> {
  const backendEntry = lookUp(registry.backends, entry.use, "backend");
  const params: unknown = parseWith(backendEntry.params, entry.params, `read params of model ${entry.use}`);
  const own: Context = ownModels ? context : { ...context, baseDir: dirname(path) };
  const backend: ModelBackend<unknown> = await backendEntry.load();
  const inspected = await backend.inspect(params, own);
  const { info } = inspected;
  return {
    record: {
      label: entry.name ?? info.name,
      use: entry.use,
      version: backendEntry.version,
      params: plain(params),
      info,
    },
    inspected,
    open: (options) => backend.open(params, options, own),
  };
}

/** @throws {UserError} for a prompt or label that does not suit the model. */
function planRequests({ inspected }: PlannedModel, { evaluator, items, record }: PlannedBenchmark) {
  const { tokenizer, info } = inspected;
  const requests = withPlace(`${record.label} on ${info.name}`, () => evaluator.plan(items, tokenizer));
  for (const [i, { prompt, continuations }] of requests.entries()) {
    const tokens = prompt.length + Math.max(...continuations.map((ids) => ids.length));
    if (tokens > info.contextLength) {
      throw new UserError(
        `Cannot run ${record.label} on ${info.name}: item ${
          items[i]?.id
        } is ${tokens} tokens, wanted at most ${info.contextLength}`,
      );
    }
  }
  return requests;
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

/** Adds the benchmark and the model to what an evaluator says of an item. */
function withPlace<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = cause instanceof UserError
      ? cause.message.replace(/^Cannot /, "cannot ")
      : `the evaluator threw ${faultText(cause)}, wanted items that it can score`;
    throw new UserError(`Cannot run ${place}: ${reason}`, { cause });
  }
}

function labelOf(model: Pick<PlannedModel, "record">): string {
  return model.record.label;
}
