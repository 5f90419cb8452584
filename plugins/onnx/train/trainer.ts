/** Trains: batches in the order of a seed, gradients, an update, checkpoints on the way. */
import {
  canonicalJson,
  type Context,
  createRandom,
  type Example,
  type Gradients,
  type Model,
  type ModelInfo,
  rateAt,
  type ResolvedRecipe,
  resolveRecipe,
  sha256,
  type TrainedTensor,
  type Trainer,
  type TrainOptions,
  type TrainProgress,
  type Unit,
  UserError,
} from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import type { SessionOptions } from "../session/session.ts";
import type { Checkpoint } from "../weights/types.ts";
import { clipTo, normOf, type Slot, update } from "./adamw.ts";
import { budgetOf } from "./budget.ts";
import { createComputer, type Masks } from "./batch.ts";
import { loadState, saveState } from "./checkpoint.ts";
import { saveDelta } from "./delta.ts";
import type { TrainedEngine } from "./feeds.ts";
import { modulesOf } from "./meant.ts";
import { type Parameter, type Plan, planParameters } from "./parameters.ts";
import { type Sample, type SampleOptions, samplesOf } from "./samples.ts";

/** The model that is trained. */
export interface TrainerHost {
  readonly info: ModelInfo;
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
  readonly engine: TrainedEngine;
  readonly session: SessionOptions;
  readonly context: Context;
  /** Scores with the model as it is, in sessions that end with the call. */
  readonly score: Model["score"];
}

/** @throws {UserError} for whatever cannot be trained, before any computing. */
export async function createTrainer(host: TrainerHost, options: TrainOptions): Promise<Trainer> {
  const { info, architecture, context, engine: { shape } } = host;
  const { examples, madeOf = [], checkpoint: kept, tokenBudget = budgetOf(shape), ...given } = options;
  const task = `train ${info.name}`, recipe = resolveRecipe(given, task), { objective, optimizer } = recipe;
  const sampleOptions: SampleOptions = {
    info,
    shape,
    objective,
    maxTokens: Math.min(recipe.maxTokens ?? shape.context, shape.context),
    overlong: recipe.overlong,
    task,
  };
  const samples = samplesOf(examples, sampleOptions), leftOut = examples.length - samples.length;
  const plan = planOf(host, recipe, task);
  const frozen = masksOf(plan, recipe.frozen, task);
  const reach = new Map(
    Object.entries(recipe.reach).map(([group, units]) => [group, masksOf(plan, units, task)]),
  );
  const slots = plan.parameters.map((parameter) => slotOf(parameter, recipe, frozen.get(parameter.name)));
  const named = slots.map((slot, p) => ({ ...plan.parameters[p]!, ...slot }));
  const initial = slots.map(({ values, frozen }) => frozen && values.slice());

  const perEpoch = Math.ceil(samples.length / recipe.batch);
  const steps = recipe.steps ?? perEpoch * (recipe.epochs ?? 1), rate = rateAt(recipe.schedule, steps);
  const data = { examples: samples.length, leftOut, sha256: hashOf(examples) };
  const identity = sha256(canonicalJson({ recipe, data, base: info.hash, tokenBudget }));
  const state = kept && loadState(kept.folder, { identity, slots: named, task });
  let done = state?.done ?? 0, loss = state?.loss ?? null, written = state?.done;

  if (leftOut > 0) {
    const { maxTokens } = sampleOptions;
    context.log(`${leftOut} of ${examples.length} examples are longer than ${maxTokens} tokens: left out`);
  }
  const referencesOf = (examples: readonly Example[], samples: readonly Sample[]) =>
    objective.kind === "dpo" ? scoreReferences(host, examples, samples) : new Float32Array(0);
  const references = state?.reference ?? await referencesOf(examples, samples);
  const reads = samples.reduce((most, sample) => Math.max(most, sample.reads.length), tokenBudget);
  const computer = createComputer({
    ...host,
    plan,
    slots,
    objective,
    reach,
    budget: { tokens: tokenBudget, reads },
  });

  let order: { readonly epoch: number; readonly samples: readonly Sample[] } | undefined;
  const batchAt = (step: number): readonly Sample[] => {
    const epoch = Math.floor(step / perEpoch), at = (step % perEpoch) * recipe.batch;
    if (order?.epoch !== epoch) {
      order = { epoch, samples: createRandom(`${recipe.seed}/order/${epoch}`).shuffle(samples) };
    }
    return order.samples.slice(at, at + recipe.batch);
  };
  const share = recipe.parameters.kind === "lora" ? recipe.parameters.dropout ?? 0 : 0;
  const keep = (folder: string) => {
    if (!areFinite(slots)) return;
    saveState(folder, { identity, done, loss: loss!, slots: named, reference: references });
    written = done;
  };
  /** @throws {UserError} where numbers stop being numbers. */
  const step = async () => {
    const found = await computer.compute(batchAt(done), {
      reference: ({ index }) => references[index]!,
      ...(share > 0 ? { dropout: { share, seed: `${recipe.seed}/dropout/${done}` } } : {}),
    });
    const norm = normOf(slots), learningRate = optimizer.learningRate * rate(done);
    if (!Number.isFinite(found.loss) || !Number.isFinite(norm)) {
      const what = Number.isFinite(found.loss)
        ? `the gradient's norm is ${norm}`
        : `the loss is ${found.loss}`;
      throw new UserError(
        `Cannot go on to ${task}: ${what} at update ${
          done + 1
        } of ${steps}, wanted a finite number, with a lower learningRate than ${optimizer.learningRate}${
          written === undefined ? "" : `; ${kept?.folder} has the weights of update ${written}`
        }`,
      );
    }
    if (optimizer.clip !== undefined) clipTo(slots, norm, optimizer.clip);
    update(slots, { rate: learningRate, step: ++done, optimizer });
    loss = found.loss;
    if (kept && (done % kept.every === 0 || done === steps)) keep(kept.folder);
    return { ...found, norm, learningRate };
  };

  return {
    steps,
    leftOut,
    done: () => done,
    async *run(): AsyncGenerator<TrainProgress> {
      const start = context.now(), before = done, counted = computer.tokens();
      try {
        while (done < steps) {
          const { loss, margins, norm, learningRate } = await step();
          const seconds = (context.now() - start) / 1000, tokens = computer.tokens() - counted;
          yield {
            step: done,
            steps,
            loss,
            ...(margins.length > 0
              ? { margin: mean(margins), accuracy: mean(margins.map((margin) => margin > 0 ? 1 : 0)) }
              : {}),
            learningRate,
            gradientNorm: norm,
            tokens,
            tokensPerSecond: tokens / seconds,
            secondsLeft: seconds / (done - before) * (steps - done),
          };
        }
      } finally {
        // Whoever leaves in between, or stops with Ctrl-C, loses nothing.
        if (kept && done > (written ?? 0)) keep(kept.folder);
      }
    },
    async gradients(given: readonly Example[]): Promise<Gradients> {
      const own = samplesOf(given, { ...sampleOptions, overlong: "refuse" });
      const reference = await referencesOf(given, own);
      const found = await computer.compute(own, { reference: ({ index }) => reference[index]! });
      return {
        ...found,
        gradients: new Map(
          named.map(({ name, shape, gradient }) => [name, { shape, values: gradient.slice() }]),
        ),
      };
    },
    values: (): ReadonlyMap<string, TrainedTensor> =>
      new Map(named.map(({ name, shape, values }) => [name, { shape, values }])),
    // deno-lint-ignore require-await -- what fails is a rejection
    async save(folder) {
      if (!areFinite(slots)) {
        throw new UserError(
          `Cannot save what was trained of ${info.name}: a weight is not finite after update ${done} of ${steps}, ` +
            `wanted a lower learningRate than ${optimizer.learningRate}`,
        );
      }
      named.forEach(({ name, values, frozen }, p) => {
        const moved = frozen
          ? values.findIndex((value, i) => frozen[i] === 1 && value !== initial[p]![i])
          : -1;
        if (moved >= 0) {
          throw new Error(
            `Cannot save what was trained of ${info.name}: frozen number ${moved} of ${name} has changed`,
          );
        }
      });
      return saveDelta(folder, {
        recipe,
        parameters: plan.parameters,
        adapted: plan.adapted,
        modules: modulesOf(architecture, shape).map(({ name }) => name),
        manifest: {
          version: 1,
          base: {
            name: info.name,
            weights: info.hash.weights,
            config: info.hash.config,
            tokenizer: info.hash.tokenizer,
          },
          data,
          madeOf: [...madeOf],
          steps: done,
          finalLoss: loss,
        },
      });
    },
    [Symbol.asyncDispose]: () => computer[Symbol.asyncDispose](),
  };
}

function planOf(
  { checkpoint, architecture, engine: { shape } }: TrainerHost,
  recipe: ResolvedRecipe,
  task: string,
): Plan {
  if (checkpoint.embedding && recipe.parameters.kind !== "lora") {
    throw new UserError(`Cannot ${task}: it has an embedding from a delta, wanted that merged first`);
  }
  const [group] = Object.keys(recipe.reach);
  if (group !== undefined && recipe.parameters.kind !== "full") {
    // A unit's columns in A change nothing while B's rows, which belong to other units, may not move.
    throw new UserError(
      `Cannot ${task}: examples of group ${JSON.stringify(group)} reach units alone and parameters are ${
        JSON.stringify(recipe.parameters.kind)
      }, wanted "full" or frozen units`,
    );
  }
  return planParameters(checkpoint, {
    architecture,
    shape,
    trained: recipe.parameters,
    seed: recipe.seed,
    task,
  });
}

/** @throws {UserError} for units that nothing which is trained belongs to: they would be frozen in name alone. */
function masksOf(plan: Plan, units: readonly Unit[], task: string): Masks {
  const masks = plan.belonging(units);
  if (units.length === 0 || masks.size > 0) return masks;
  const { tap, index } = units[0]!;
  throw new UserError(
    `Cannot ${task}: nothing that is trained belongs to unit ${index} of ${tap}${
      units.length > 1 ? " or the others" : ""
    }, wanted units of what is trained`,
  );
}

function slotOf(
  { values, decays }: Parameter,
  { parameters }: ResolvedRecipe,
  frozen: Uint8Array | undefined,
): Slot {
  // B starts at zero, so that its frozen rows stay there; A's frozen columns have to be put there.
  if (parameters.kind === "lora") frozen?.forEach((isFrozen, i) => isFrozen === 1 && (values[i] = 0));
  const zeros = () => new Float32Array(values.length);
  return { values, gradient: zeros(), mean: zeros(), square: zeros(), decays, frozen };
}

/** Of what the examples say, however their members are ordered. */
const hashOf = (examples: readonly Example[]) => sha256(canonicalJson(JSON.parse(JSON.stringify(examples))));
const areFinite = (slots: readonly Slot[]) => slots.every(({ values }) => values.every(Number.isFinite));
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Log-probability of the chosen response minus that of the rejected one, by example, of the model as it is. */
async function scoreReferences(
  { score }: TrainerHost,
  examples: readonly Example[],
  samples: readonly Sample[],
): Promise<Float32Array> {
  const found = new Float32Array(examples.length);
  const requests = samples.map(({ index }) => {
    const example = examples[index]!;
    return {
      prompt: example.prompt,
      continuations: "chosen" in example ? [example.chosen, example.rejected] : [],
    };
  });
  for await (const { indices, results } of score(requests)) {
    indices.forEach((request, i) => {
      const [chosen, rejected] = results[i]!.logprobs;
      found[samples[request]!.index] = chosen! - rejected!;
    });
  }
  return found;
}
