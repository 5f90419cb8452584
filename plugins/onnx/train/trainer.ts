/** Trains: batches in the order of a seed, micro-batches under a budget, gradients summed up, an update, checkpoints on the way. */
import {
  canonicalJson,
  type Context,
  createRandom,
  type Example,
  type Gradients,
  type Model,
  type ModelInfo,
  rateAt,
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
import type { Hyperparameters } from "../architectures/shape.ts";
import type { Engine } from "../engine.ts";
import { encode } from "../graph/encode.ts";
import { openSession, type SessionOptions } from "../session/session.ts";
import type { Checkpoint } from "../weights/types.ts";
import { clipTo, normOf, type Slot, update } from "./adamw.ts";
import { loadState, saveState } from "./checkpoint.ts";
import { saveDelta } from "./delta.ts";
import { type Batch, idsOf, trainingFeeds } from "./feeds.ts";
import { drawTraining, gradientOf } from "./graph.ts";
import { modulesOf, type Parameter, planParameters, readRows } from "./parameters.ts";
import { microBatches, type Sample, type SampleOptions, samplesOf } from "./samples.ts";

/** Numbers of a chunk's logits: 32 MB of float32. */
const CHUNK_LOGITS = 2 ** 23;
/** Bytes of values that wait for the way back in a micro-batch, and its most tokens. */
const VALUES = 1e9, MOST_TOKENS = 4096;

/** The model that is trained. */
export interface TrainerHost {
  readonly info: ModelInfo;
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
  readonly engine: Pick<Engine, "shape" | "rotary">;
  readonly session: SessionOptions;
  readonly context: Context;
  /** Scores with the model as it is, in a session that ends with the call. */
  readonly score: Model["score"];
}

/** @throws {UserError} for whatever cannot be trained, before any computing. */
export async function createTrainer(host: TrainerHost, options: TrainOptions): Promise<Trainer> {
  const { info, architecture, context } = host, { shape } = host.engine;
  const { examples, madeOf = [], checkpoint: kept, tokenBudget = budgetOf(shape), ...given } = options;
  const task = `train ${info.name}`, recipe = resolveRecipe(given, task);
  const sampleOptions: SampleOptions = {
    info,
    shape,
    objective: recipe.objective,
    maxTokens: Math.min(recipe.maxTokens ?? shape.context, shape.context),
    overlong: recipe.overlong,
    task,
  };
  const samples = samplesOf(examples, sampleOptions), leftOut = examples.length - samples.length;
  if (leftOut > 0) {
    context.log(
      `${leftOut} of ${examples.length} examples are longer than ${sampleOptions.maxTokens} tokens: left out`,
    );
  }
  if (host.checkpoint.embedding && recipe.parameters.kind !== "lora") {
    throw new UserError(`Cannot ${task}: it has an embedding from a delta, wanted that merged first`);
  }
  const plan = planParameters(host.checkpoint, {
    architecture,
    shape,
    trained: recipe.parameters,
    seed: recipe.seed,
    task,
  });
  const frozen = plan.belonging(recipe.frozen);
  const reach = new Map(Object.entries(recipe.reach).map(([group, units]) => [group, plan.belonging(units)]));
  refuseIdle(recipe.frozen, frozen, task);
  for (const [group, masks] of reach) refuseIdle(recipe.reach[group]!, masks, task);
  // B starts at zero, so that its frozen rows stay there; A's frozen columns have to be put there.
  if (recipe.parameters.kind === "lora") {
    for (const { name, values } of plan.parameters) {
      frozen.get(name)?.forEach((isFrozen, i) => isFrozen === 1 && (values[i] = 0));
    }
  }
  const slots = plan.parameters.map((parameter) => slotOf(parameter, frozen.get(parameter.name)));
  const initial = plan.parameters.map(({ name, values }) => frozen.has(name) ? values.slice() : undefined);

  const perEpoch = Math.ceil(samples.length / recipe.batch);
  const steps = recipe.steps ?? perEpoch * (recipe.epochs ?? 1), rate = rateAt(recipe.schedule, steps);
  const data = { examples: samples.length, leftOut, sha256: sha256(canonicalJson(examples)) };
  const identity = sha256(canonicalJson({ recipe, data, base: info.hash, tokenBudget, engine: 1 }));
  const state = kept
    ? loadState(kept.folder, { identity, slots: named(plan.parameters, slots), task })
    : undefined;
  let done = state?.done ?? 0, loss = state?.loss ?? null;

  const mostReads = Math.max(tokenBudget, ...samples.map(({ reads }) => reads.length));
  const chunks = Math.ceil(mostReads / Math.max(1, Math.floor(CHUNK_LOGITS / shape.vocab)));
  const graph = drawTraining(architecture, { plan, objective: recipe.objective, chunks });
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const outputs = graph.outputs.map(({ name }) => name);
  const references = recipe.objective.kind === "dpo"
    ? state?.reference ?? await referencesOf(host, examples, samples)
    : new Float32Array(0);
  let opened: ReturnType<typeof openSession> | undefined;
  const session = () => opened ??= openSession(encode(graph), host.session);
  const embedRef = host.checkpoint.tensors.get(architecture.embed)!;

  const embeddings = plan.embed && ((ids: readonly number[]) => {
    const { name, token } = plan.embed!,
      { values } = slots[plan.parameters.findIndex((p) => p.name === name)]!;
    const { width } = shape;
    if (token !== undefined) {
      const distinct = [...new Set(ids)], places = new Map(distinct.map((id, i) => [id, i * width]));
      const rows = readRows(embedRef, distinct, width), own = places.get(token);
      if (own !== undefined) rows.set(values, own);
      return gather(rows, ids.map((id) => places.get(id)!), width);
    }
    return gather(values, ids.map((id) => id * width), width);
  });

  let tokens = 0;
  /** Adds the gradient of a micro-batch to `into`, an array a parameter. @returns log-probabilities of its reads. */
  const compute = async (micro: readonly Sample[], batch: Batch, into: readonly Float32Array[]) => {
    context.signal.throwIfAborted();
    const feeds = trainingFeeds(micro, batch, {
      engine: host.engine,
      graph,
      objective: recipe.objective,
      chunks,
    });
    const padded = feeds["positions"]!.dims[1]!;
    plan.parameters.forEach(({ name, shape: dims }, p) => {
      if (inputs.has(name)) feeds[name] = { data: slots[p]!.values.slice(), dims };
    });
    const { outputs: found } = await (await session()).run({ feeds, fetch: outputs });
    const floats = (name: string) => found[name]?.data as Float32Array | undefined;
    const targets = micro.flatMap(({ reads }) => reads.map(({ target }) => target));
    const rowWeights = floats("row.weights");
    plan.parameters.forEach(({ name, shape: dims }, p) => {
      const gradient = into[p]!, columns = dims.at(-1)!;
      const drawn = floats(gradientOf(name));
      if (drawn) { for (let i = 0; i < gradient.length; i++) gradient[i]! += drawn[i]!; }
      if (name === plan.embed?.name) {
        const back = floats(gradientOf("embed"))!, { token } = plan.embed;
        idsOf(micro, padded).forEach((id, place) => {
          if (token !== undefined && id !== token) return;
          const row = token === undefined ? id * columns : 0;
          for (let j = 0; j < columns; j++) gradient[row + j]! += back[place * columns + j]!;
        });
      }
      const head = name === plan.unembed ? floats("normed") : isHeadFactor(name) ? floats("low") : undefined;
      if (!head) return;
      const scale = name === plan.unembed ? 1 : plan.checkpoint.adapters!.get(headModule)!.scale;
      targets.forEach((target, row) => {
        const weight = scale * rowWeights![row]!;
        for (let j = 0; j < columns; j++) {
          gradient[target * columns + j]! -= weight * head[row * columns + j]!;
        }
      });
    });
    tokens += micro.reduce((sum, sample) => sum + sample.tokens.length, 0);
    return floats("logprobs")!;
  };
  const headModule = architecture.unembed.replace(/\.weight$/, "");
  const isHeadFactor = (name: string) => name === `${headModule}.lora_B.weight`;

  /** Sums the gradient of a batch up in the slots, zero where it may not reach. @returns loss and margins. */
  const computeBatch = async (chosen: readonly Sample[], more: Pick<Batch, "reference" | "dropout">) => {
    for (const { gradient } of slots) gradient.fill(0);
    const isPairs = recipe.objective.kind === "dpo";
    const terms = isPairs ? chosen.length : chosen.reduce((sum, { reads }) => sum + reads.length, 0);
    const micros = microBatches(chosen, { tokens: tokenBudget, reads: mostReads });
    const margins: number[] = [];
    let sum = 0;
    for (const [m, micro] of micros.entries()) {
      const masks = reach.get(micro[0]!.group ?? "");
      const into = masks
        ? slots.map(({ gradient }) => new Float32Array(gradient.length))
        : slots.map((s) => s.gradient);
      const logprobs = await compute(micro, {
        terms,
        reference: more.reference,
        ...(more.dropout ? { dropout: { ...more.dropout, seed: `${more.dropout.seed}/${m}` } } : {}),
        ...(embeddings ? { embeddings } : {}),
      }, into);
      if (masks) {
        slots.forEach(({ gradient }, p) =>
          addReached(gradient, into[p]!, masks.get(plan.parameters[p]!.name))
        );
      }
      let row = 0;
      for (const sample of micro) {
        const total = sample.reads.reduce((all, { sign }) => all + sign * logprobs[row++]!, 0);
        if (recipe.objective.kind === "dpo") {
          const margin = total - more.reference(sample), { beta, labelSmoothing: s = 0 } = recipe.objective;
          margins.push(margin);
          sum += (1 - s) * softplus(-beta * margin) + s * softplus(beta * margin);
        } else sum -= total;
      }
    }
    for (const { gradient, frozen } of slots) {
      if (frozen) { for (let i = 0; i < gradient.length; i++) if (frozen[i] === 1) gradient[i] = 0; }
    }
    return { loss: sum / terms, margins };
  };

  const orders = new Map<number, readonly Sample[]>();
  const batchAt = (step: number): readonly Sample[] => {
    const epoch = Math.floor(step / perEpoch), at = (step % perEpoch) * recipe.batch;
    if (!orders.has(epoch)) {
      orders.clear();
      orders.set(epoch, createRandom(`${recipe.seed}/order/${epoch}`).shuffle(samples));
    }
    return orders.get(epoch)!.slice(at, at + recipe.batch);
  };
  const write = () => {
    if (!kept) return;
    saveState(kept.folder, {
      identity,
      done,
      loss: loss ?? 0,
      slots: named(plan.parameters, slots),
      reference: references,
    });
  };
  const share = recipe.parameters.kind === "lora" ? recipe.parameters.dropout ?? 0 : 0;

  return {
    steps,
    leftOut,
    done: () => done,
    async *run(): AsyncGenerator<TrainProgress> {
      const start = context.now(), before = done, counted = tokens;
      while (done < steps) {
        const found = await computeBatch(batchAt(done), {
          reference: (sample) => references[sample.index]!,
          ...(share > 0 ? { dropout: { share, seed: `${recipe.seed}/dropout/${done}` } } : {}),
        });
        const norm = normOf(slots);
        if (!Number.isFinite(found.loss) || !Number.isFinite(norm)) throw diverged(found.loss, norm);
        if (recipe.optimizer.clip !== undefined) clipTo(slots, norm, recipe.optimizer.clip);
        const learningRate = recipe.optimizer.learningRate * rate(done);
        update(slots, { rate: learningRate, step: done + 1, optimizer: recipe.optimizer });
        done++;
        loss = found.loss;
        if (kept && (done % kept.every === 0 || done === steps)) write();
        const seconds = (context.now() - start) / 1000, margins = found.margins;
        yield {
          step: done,
          steps,
          loss,
          ...(margins.length > 0
            ? { margin: mean(margins), accuracy: mean(margins.map((margin) => margin > 0 ? 1 : 0)) }
            : {}),
          learningRate,
          gradientNorm: norm,
          tokens: tokens - counted,
          tokensPerSecond: (tokens - counted) / seconds,
          secondsLeft: seconds / (done - before) * (steps - done),
        };
      }
    },
    async gradients(given: readonly Example[]): Promise<Gradients> {
      const own = samplesOf(given, { ...sampleOptions, overlong: "refuse" });
      const reference = recipe.objective.kind === "dpo" ? await referencesOf(host, given, own) : references;
      const found = await computeBatch(own, { reference: (sample) => reference[sample.index]! });
      return {
        loss: found.loss,
        margins: inOrder(found.margins, own, { tokens: tokenBudget, reads: mostReads }),
        gradients: new Map(plan.parameters.map(({ name, shape }, p) => [
          name,
          { shape, values: slots[p]!.gradient.slice() },
        ])),
      };
    },
    values: (): ReadonlyMap<string, TrainedTensor> =>
      new Map(plan.parameters.map(({ name, shape, values }) => [name, { shape, values }])),
    // deno-lint-ignore require-await -- what fails is a rejection
    async save(folder) {
      plan.parameters.forEach(({ name, values }, p) => {
        const mask = frozen.get(name), first = initial[p];
        const moved = first && mask &&
          values.findIndex((value, i) => mask[i] === 1 && !Object.is(value, first[i]));
        if (moved !== undefined && moved >= 0) {
          throw new Error(
            `Cannot save what was trained of ${info.name}: number ${moved} of ${name} is frozen and has changed`,
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
          base: { name: info.name, ...baseHash(info) },
          data,
          madeOf: [...madeOf],
          steps: done,
          finalLoss: loss,
        },
      });
    },
    async [Symbol.asyncDispose]() {
      const last = await opened?.catch(() => undefined);
      await last?.[Symbol.asyncDispose]();
    },
  };

  function diverged(loss: number, norm: number): UserError {
    const what = Number.isFinite(loss) ? `gradient's norm is ${norm}` : `loss is ${loss}`;
    const last = kept && state === undefined && done < kept.every
      ? ""
      : kept
      ? `; ${kept.folder} has the weights of update ${done - done % kept.every}`
      : "";
    return new UserError(
      `Cannot go on to ${task}: the ${what} at update ${
        done + 1
      } of ${steps}, wanted a finite number (a lower learningRate than ${recipe.optimizer.learningRate})${last}`,
    );
  }
}

export function baseHash({ hash }: ModelInfo) {
  return { weights: hash.weights, config: hash.config, tokenizer: hash.tokenizer };
}

const named = (parameters: readonly Parameter[], slots: readonly Slot[]) =>
  parameters.map(({ name, shape }, p) => ({ name, shape, ...slots[p]! }));

function slotOf({ values, decays }: Parameter, frozen: Uint8Array | undefined): Slot {
  const zeros = () => new Float32Array(values.length);
  return { values, gradient: zeros(), mean: zeros(), square: zeros(), decays, frozen };
}

/** Units that nothing which is trained belongs to would be frozen in name alone. */
function refuseIdle(units: readonly Unit[], masks: ReadonlyMap<string, Uint8Array>, task: string): void {
  if (units.length === 0 || masks.size > 0) return;
  throw new UserError(
    `Cannot ${task}: nothing that is trained belongs to unit ${units[0]!.index} of ${
      units[0]!.tap
    } or the others, wanted units of what is trained`,
  );
}

function addReached(to: Float32Array, from: Float32Array, mask: Uint8Array | undefined): void {
  if (mask) { for (let i = 0; i < to.length; i++) if (mask[i] === 1) to[i]! += from[i]!; }
}

function gather(table: Float32Array, starts: readonly number[], width: number): Float32Array {
  const found = new Float32Array(starts.length * width);
  starts.forEach((start, i) => found.set(table.subarray(start, start + width), i * width));
  return found;
}

/** log(1 + e^x) */
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Margins as micro-batches gave them, in the order of the samples. */
function inOrder(
  margins: readonly number[],
  samples: readonly Sample[],
  budget: Parameters<typeof microBatches>[1],
): number[] {
  const order = microBatches(samples, budget).flat();
  return samples.map((sample) => margins[order.indexOf(sample)]!).filter((margin) => margin !== undefined);
}

/** Tokens of a micro-batch by the values that a layer keeps of each for the way back; attention's are counted for texts of 256 tokens. */
export function budgetOf({ layers, width, heads, kvHeads, headDim, mlp }: Hyperparameters): number {
  const kept = 6 * width + 3 * (heads + 2 * kvHeads) * headDim + 4 * mlp + heads * 256;
  return Math.max(64, Math.min(MOST_TOKENS, Math.floor(VALUES / (4 * layers * kept))));
}

/** Log-probability of the chosen response minus that of the rejected one, by example, of the model as it is. */
async function referencesOf(
  { score }: TrainerHost,
  examples: readonly Example[],
  samples: readonly Sample[],
): Promise<Float32Array> {
  const found = new Float32Array(examples.length);
  const requests = samples.map(({ index }) => {
    const example = examples[index]!;
    return "chosen" in example
      ? { prompt: example.prompt, continuations: [example.chosen, example.rejected] }
      : { prompt: example.prompt, continuations: [] };
  });
  for await (const { indices, results } of score(requests)) {
    indices.forEach((request, i) => {
      const [chosen, rejected] = results[i]!.logprobs;
      found[samples[request]!.index] = chosen! - rejected!;
    });
  }
  return found;
}
