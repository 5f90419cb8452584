/** From a micro-batch to the inputs of the training graph. */
import { createRandom, type Random, type TrainObjective } from "../../../core/mod.ts";
import { run } from "../batching.ts";
import type { Engine } from "../engine.ts";
import { feedsOf } from "../feeds.ts";
import type { Graph, Value } from "../graph/graph.ts";
import { ints } from "../score.ts";
import type { TensorData } from "../session/door.ts";
import type { Sample } from "./samples.ts";

/** How many tokens or pairs a batch has, which its loss is the mean over. */
export interface Batch {
  readonly terms: number;
  /** Reference log-probability of the chosen response minus that of the rejected one, by a sample's index; "dpo" alone. */
  readonly reference: (sample: Sample) => number;
  /** Numbers of dropout; absent: nothing is left out. */
  readonly dropout?: { readonly share: number; readonly seed: string };
  /** Token embeddings, [tokens, width], where they come in. */
  readonly embeddings?: (ids: readonly number[]) => Float32Array;
}

/** What training reads of an engine. */
export type TrainedEngine = Pick<Engine, "shape" | "rotary" | "long">;

export interface FeedOptions {
  readonly engine: TrainedEngine;
  readonly graph: Graph;
  readonly objective: TrainObjective;
  readonly chunks: number;
}

/** Token ids of rows padded to `tokens`, row after row; padding has id 0. */
export function idsOf(samples: readonly Sample[], tokens: number): number[] {
  return samples.flatMap((sample) => Array.from({ length: tokens }, (_, t) => sample.tokens[t]?.id ?? 0));
}

const longest = (samples: readonly Sample[]) => Math.max(...samples.map(({ tokens }) => tokens.length));

/** A row of padding whose tokens are read with a weight of zero: the runtime computes no part that is empty. Nothing where there are as many
 * reads as chunks. */
function fillUp(samples: readonly Sample[], chunks: number): Sample[] {
  const missing = chunks - samples.reduce((sum, { reads }) => sum + reads.length, 0);
  if (missing <= 0) return [];
  const ids = new Array<number>(missing).fill(0);
  const reads = ids.map((target, token) => ({ token, target, sign: 1 } as const));
  return [{ index: -1, tokens: run(ids, false), reads, group: undefined }];
}

/** All inputs but the parameters. What is read stands in the order of the samples; padding comes after. */
export function trainingFeeds(
  samples: readonly Sample[],
  batch: Batch,
  { engine, graph, objective, chunks }: FeedOptions,
): Record<string, TensorData> {
  const all = [...samples, ...fillUp(samples, chunks)];
  const tokens = longest(all), { width } = engine.shape;
  const rows = all.map(({ tokens }) => ({ tokens, start: 0, edits: [] }));
  const feeds = feedsOf(rows, { ...engine, taps: [], past: 0 });
  if (batch.embeddings) {
    delete feeds["ids"];
    feeds["embed"] = { data: batch.embeddings(idsOf(all, tokens)), dims: [all.length, tokens, width] };
  }
  const reads = all.flatMap((sample, row) =>
    sample.reads.map((read) => ({ ...read, row, place: row * tokens + read.token }))
  );
  const count = reads.length;
  feeds["rows"] = ints(reads.map(({ place }) => place));
  feeds["targets"] = ints(reads.map(({ target }) => target));
  if (chunks > 1) {
    for (let k = 0; k < chunks; k++) {
      const from = Math.floor(count * k / chunks), to = Math.floor(count * (k + 1) / chunks);
      feeds[`chunk.${k}`] = ints(Array.from({ length: to - from }, (_, i) => from + i));
    }
  }
  if (objective.kind === "crossEntropy") {
    const own = samples.reduce((sum, { reads }) => sum + reads.length, 0);
    feeds["weights"] = { data: new Float32Array(count).fill(1 / batch.terms, 0, own), dims: [count, 1] };
  } else {
    const pairs = samples.length, signs = new Float32Array(pairs * count);
    reads.forEach(({ row, sign }, i) => row < pairs && (signs[row * count + i] = sign));
    feeds["signs"] = { data: signs, dims: [pairs, count] };
    const { beta } = objective;
    feeds["reference"] = {
      data: Float32Array.from(samples, (sample) => beta * batch.reference(sample)),
      dims: [pairs, 1],
    };
    feeds["share"] = { data: new Float32Array(pairs).fill(beta / batch.terms), dims: [pairs, 1] };
  }
  const sizes: Readonly<Record<string, number>> = { batch: all.length, tokens, rows: count };
  for (const { name, shape } of graph.inputs) {
    if (name.startsWith("dropout.")) feeds[name] = dropout({ name, shape }, sizes, batch.dropout);
  }
  return feeds;
}

/** 0 with probability `share`, else 1 / (1 - share). */
function dropout(
  { name, shape }: Pick<Value, "name" | "shape">,
  sizes: Readonly<Record<string, number>>,
  drawn: Batch["dropout"],
): TensorData {
  const dims = shape.map((size) => typeof size === "number" ? size : sizes[size]!);
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(1);
  if (drawn) {
    const random: Random = createRandom(`${drawn.seed}/${name}`);
    const bound = drawn.share * 2 ** 32, kept = 1 / (1 - drawn.share);
    for (let i = 0; i < data.length; i++) data[i] = random.next() < bound ? 0 : kept;
  }
  return { data, dims };
}
