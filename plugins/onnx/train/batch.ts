/** One batch: micro-batches through the runtime, gradients summed up in float32 in a fixed order, loss and margins in float64. */
import type { Context, ResolvedRecipe } from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { positionsOf } from "../feeds.ts";
import { encode } from "../graph/encode.ts";
import { openSession, type Session, type SessionOptions } from "../session/session.ts";
import type { Reply } from "../session/door.ts";
import type { Checkpoint } from "../weights/types.ts";
import type { Slot } from "./adamw.ts";
import { type Batch, idsOf, type TrainedEngine, trainingFeeds } from "./feeds.ts";
import { drawTraining, gradientOf } from "./graph.ts";
import { type Plan, readRows } from "./parameters.ts";
import { microBatches, type Sample } from "./samples.ts";

/** Numbers of a chunk's logits: 32 MB of float32. */
const CHUNK_LOGITS = 2 ** 23;

/** Numbers of a parameter, by its name: 1 where a gradient may reach. */
export type Masks = ReadonlyMap<string, Uint8Array>;

export interface ComputerOptions {
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
  readonly engine: TrainedEngine;
  readonly session: SessionOptions;
  readonly context: Context;
  readonly plan: Plan;
  /** In the order of the plan's parameters. */
  readonly slots: readonly Slot[];
  readonly objective: ResolvedRecipe["objective"];
  readonly reach: ReadonlyMap<string, Masks>;
  /** Most padded tokens of a micro-batch, and most reads. */
  readonly budget: { readonly tokens: number; readonly reads: number };
}

export interface Computed {
  readonly loss: number;
  /** z / beta, by sample in the order given; empty for cross-entropy. */
  readonly margins: readonly number[];
}

/** Computes gradients into the slots. */
export interface Computer extends AsyncDisposable {
  compute(samples: readonly Sample[], more: Pick<Batch, "reference" | "dropout">): Promise<Computed>;
  /** Computed so far, padding not counted. */
  tokens(): number;
}

export function createComputer(options: ComputerOptions): Computer {
  const { architecture, engine, plan, slots, objective, budget, context, reach } = options;
  const chunks = Math.ceil(budget.reads / Math.max(1, Math.floor(CHUNK_LOGITS / engine.shape.vocab)));
  const graph = drawTraining(architecture, { plan, objective, chunks });
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const fetch = graph.outputs.map(({ name }) => name);
  const embeddings = embeddingsOf(options);
  let opened: Promise<Session> | undefined, tokens = 0;

  // Texts that turn by other angles, because of their length, have micro-batches of their own.
  const isLong = ({ tokens }: Sample) =>
    engine.long !== undefined && 1 + Math.max(...positionsOf({ tokens, start: 0 })) > engine.long.beyond;
  const run = async (micro: readonly Sample[], batch: Batch, into: readonly Float32Array[]) => {
    context.signal.throwIfAborted();
    const turned = isLong(micro[0]!) ? engine.long!.engine : engine;
    const feeds = trainingFeeds(micro, batch, { engine: turned, graph, objective, chunks });
    const padded = feeds["positions"]!.dims[1]!;
    plan.parameters.forEach(({ name, shape: dims }, p) => {
      if (inputs.has(name)) feeds[name] = { data: slots[p]!.values.slice(), dims };
    });
    opened ??= openSession(encode(graph, options.session.device), options.session);
    const { outputs } = await (await opened).run({ feeds, fetch });
    addGradients(outputs, { micro, padded, plan, architecture, into });
    tokens += micro.reduce((sum, sample) => sum + sample.tokens.length, 0);
    return outputs["logprobs"]!.data as Float32Array;
  };

  return {
    tokens: () => tokens,
    async compute(samples, { reference, dropout }) {
      for (const { gradient } of slots) gradient.fill(0);
      const isPairs = objective.kind === "dpo";
      const terms = isPairs ? samples.length : samples.reduce((sum, { reads }) => sum + reads.length, 0);
      const margins = new Map<Sample, number>();
      let sum = 0;
      const batches = [...Map.groupBy(samples, isLong).values()].flatMap((alike) =>
        microBatches(alike, budget)
      );
      for (const [m, micro] of batches.entries()) {
        const masks = reach.get(micro[0]!.group ?? "");
        const into = slots.map(({ gradient }) => masks ? new Float32Array(gradient.length) : gradient);
        const logprobs = await run(micro, {
          terms,
          reference,
          ...(dropout ? { dropout: { ...dropout, seed: `${dropout.seed}/${m}` } } : {}),
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
          if (isPairs) margins.set(sample, total - reference(sample));
          sum += isPairs ? pairLoss(total - reference(sample), objective) : -total;
        }
      }
      for (const { gradient, frozen } of slots) {
        if (frozen) { for (let i = 0; i < gradient.length; i++) if (frozen[i] === 1) gradient[i] = 0; }
      }
      return { loss: sum / terms, margins: isPairs ? samples.map((sample) => margins.get(sample)!) : [] };
    },
    async [Symbol.asyncDispose]() {
      const last = await opened?.catch(() => undefined);
      await last?.[Symbol.asyncDispose]();
    },
  };
}

/** -(1 - s) log sigmoid(z) - s log sigmoid(-z) */
function pairLoss(
  margin: number,
  { beta, labelSmoothing: s = 0 }: Extract<ResolvedRecipe["objective"], { kind: "dpo" }>,
): number {
  return (1 - s) * softplus(-beta * margin) + s * softplus(beta * margin);
}

/** log(1 + e^x) */
const softplus = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Adds what a micro-batch gave, an array a parameter: as it was drawn, embeddings by their tokens, and of an output matrix the rows of the
 * tokens that were read (see graph.ts). */
function addGradients(outputs: Reply["outputs"], { micro, padded, plan, architecture, into }: {
  readonly micro: readonly Sample[];
  readonly padded: number;
  readonly plan: Plan;
  readonly architecture: Architecture;
  readonly into: readonly Float32Array[];
}): void {
  const floats = (name: string) => outputs[name]?.data as Float32Array | undefined;
  const head = architecture.unembed.replace(/\.weight$/, "");
  const targets = micro.flatMap(({ reads }) => reads.map(({ target }) => target));
  plan.parameters.forEach(({ name, shape }, p) => {
    const gradient = into[p]!, columns = shape.at(-1)!, drawn = floats(gradientOf(name));
    if (drawn) { for (let i = 0; i < gradient.length; i++) gradient[i]! += drawn[i]!; }
    if (name === plan.embed?.name) {
      const back = floats(gradientOf("embed"))!, { token } = plan.embed;
      idsOf(micro, padded).forEach((id, place) => {
        if (token !== undefined && id !== token) return;
        const row = token === undefined ? id * columns : 0;
        for (let j = 0; j < columns; j++) gradient[row + j]! += back[place * columns + j]!;
      });
    }
    const isWhole = name === plan.unembed, isFactor = name === `${head}.lora_B.weight`;
    if (!isWhole && !isFactor) return;
    const rows = floats(isWhole ? "normed" : "low")!, weights = floats("row.weights")!;
    const scale = isWhole ? 1 : plan.checkpoint.adapters!.get(head)!.scale;
    targets.forEach((target, row) => {
      const weight = scale * weights[row]!;
      for (let j = 0; j < columns; j++) gradient[target * columns + j]! -= weight * rows[row * columns + j]!;
    });
  });
}

function addReached(to: Float32Array, from: Float32Array, mask: Uint8Array | undefined): void {
  if (mask) { for (let i = 0; i < to.length; i++) if (mask[i] === 1) to[i]! += from[i]!; }
}

/** Gives the embeddings of tokens where they are trained, from what is trained and, for one token alone, from the checkpoint. */
function embeddingsOf(
  { checkpoint, architecture, plan, slots, engine: { shape: { width } } }: ComputerOptions,
) {
  const { embed } = plan;
  if (!embed) return undefined;
  const { values } = slots[plan.parameters.findIndex(({ name }) => name === embed.name)]!;
  return (ids: readonly number[]): Float32Array => {
    if (embed.token === undefined) return gather(values, ids.map((id) => id * width), width);
    const distinct = [...new Set(ids)], places = new Map(distinct.map((id, i) => [id, i * width]));
    const rows = readRows(checkpoint.tensors.get(architecture.embed)!, distinct, width);
    const own = places.get(embed.token);
    if (own !== undefined) rows.set(values, own);
    return gather(rows, ids.map((id) => places.get(id)!), width);
  };
}

function gather(table: Float32Array, starts: readonly number[], width: number): Float32Array {
  const found = new Float32Array(starts.length * width);
  starts.forEach((start, i) => found.set(table.subarray(start, start + width), i * width));
  return found;
}
