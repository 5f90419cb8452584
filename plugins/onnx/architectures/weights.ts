/** Parts of a decoder that read weights: embeddings, projections with their low-rank updates, norms. */
import { UserError } from "../../../core/mod.ts";
import type { Builder, Value } from "../graph/graph.ts";
import type { Adapter, Checkpoint, Sliced, TensorRef } from "../weights/types.ts";
import type { Architecture } from "./architecture.ts";
import type { DecoderSpec } from "./rows.ts";
import type { Hyperparameters, ProjectionSite } from "./shape.ts";

/** What a part is drawn with. */
export interface Reading {
  readonly b: Builder;
  readonly architecture: Architecture;
  readonly shape: Hyperparameters;
  readonly weight: WeightReader;
  readonly checkpoint: Checkpoint;
  readonly spec: DecoderSpec;
}

/** The weight of that name; an input, where it is trained. @throws {UserError} where the checkpoint has none of this shape. */
export type WeightReader = (name: string, shape: readonly number[]) => Value;

export function weightReader(b: Builder, checkpoint: Checkpoint, { trained }: DecoderSpec): WeightReader {
  return (name, shape) => {
    const ref = tensor(checkpoint, name, shape);
    return trained?.tensors.has(name) ? b.sharedInput(name, "float32", shape) : b.weight(ref);
  };
}

function tensor(checkpoint: Checkpoint, name: string, shape: readonly number[]): TensorRef {
  const ref = checkpoint.tensors.get(name);
  const wanted = `wanted [${shape.join(", ")}]`;
  if (!ref) throw new UserError(`Cannot open ${checkpoint.path}: tensor ${name} is missing, ${wanted}`);
  if (ref.shape.join() !== shape.join()) {
    throw new UserError(
      `Cannot open ${checkpoint.path}: tensor ${name} is [${ref.shape.join(", ")}], ${wanted}`,
    );
  }
  return ref;
}

/** The rows of the tokens, [batch, tokens, width]; a token with an embedding of its own has that. */
export function drawEmbedding(
  { b, weight, checkpoint: { embedding }, shape: { vocab, width } }: Pick<
    Reading,
    "b" | "weight" | "checkpoint" | "shape"
  >,
  table: Value,
  ids: Value,
): Value {
  if (!embedding) return b.node("Gather", "embed", [table, ids]);
  const rows = b.node("Gather", "embed.table", [table, ids]);
  const is = (at: string, of: (id: number) => number) =>
    b.node("Gather", at, [
      b.table(`${at}.by.id`, [vocab, 1], Float32Array.from({ length: vocab }, (_, id) => of(id))),
      ids,
    ]);
  const others = b.node("Mul", "embed.others", [
    rows,
    is("embed.other", (id) => id === embedding.token ? 0 : 1),
  ]);
  const own = b.node("Mul", "embed.owns", [
    is("embed.own", (id) => id === embedding.token ? 1 : 0),
    weight(embedding.name, [width]),
  ]);
  return b.node("Add", "embed", [others, own]);
}

/** The projection `name` of h, with its bias where family or config say so and its low-rank update where there is one, [batch, tokens, out]. */
export function project(
  { b, architecture, shape, weight, layer, checkpoint, spec }: Reading & { readonly layer: number },
  { site, name, x }: Projection,
): Value {
  const [rows, columns] = shape.projections[site];
  const prefix = architecture.layer(layer) + name;
  const at = `layers.${layer}.${site}`;
  const { attention_bias, mlp_bias } = checkpoint.config;
  const biased = architecture.biased?.includes(site) ??
    (site.startsWith("attn.") ? attention_bias : mlp_bias);
  const adapter = checkpoint.adapters?.get(prefix);
  const product = drawProduct({ b, weight, checkpoint }, {
    at: biased || adapter ? `${at}.product` : at,
    x,
    name: `${prefix}.weight`,
    shape: [rows, columns],
  });
  const whole = biased
    ? b.node("Add", adapter ? `${at}.biased` : at, [product, weight(`${prefix}.bias`, [rows])])
    : product;
  if (!adapter) return whole;
  const seen = spec.trained?.dropout
    ? b.node("Mul", `${at}.kept`, [x, b.input(`dropout.${prefix}`, "float32", x.shape)])
    : x;
  const update = lowRank(b, at, { x: seen, adapter, ...factors(weight, { prefix, adapter, rows, columns }) });
  return b.node("Add", at, [whole, update.product]);
}

/** Rows that are multiplied by a weight of the checkpoint, [out, in], in whatever form it is there. */
interface Product {
  readonly at: string;
  readonly x: Value;
  readonly name: string;
  readonly shape: readonly [number, number];
}

/** x W^T of x [..., in]. */
function drawProduct(
  { b, weight, checkpoint: { sliced } }: Pick<Reading, "b" | "weight" | "checkpoint">,
  { at, x, name, shape }: Product,
): Value {
  const found = sliced?.get(name);
  // FusedMatMul reads [out, in] as stored; a MatMul behind a Transpose would keep a second copy of the weight.
  if (!found) return b.node("FusedMatMul", at, [x, weight(name, shape)], { transB: 1n });
  return b.node("SlicedMatMul", at, [x, b.weight(found.scales), ...slicesIn(b, found)]);
}

const slicesIn = (b: Builder, { high, residue }: Sliced) =>
  [high, ...residue ? [residue] : []].map((slice) => b.weight(slice));

/** x W of x [rows, out]. */
export function drawBackThrough(
  { b, weight, checkpoint: { sliced } }: Pick<Reading, "b" | "weight" | "checkpoint">,
  { at, x, name, shape }: Product,
): Value {
  const found = sliced?.get(name);
  if (!found) return b.node("FusedMatMul", at, [x, weight(name, shape)]);
  const scaled = b.node("Mul", `${at}.scaled`, [x, b.weight(found.scales)]);
  const steps = b.node("SlicedSteps", `${at}.steps`, [scaled, ...slicesIn(b, found)]);
  return b.node("FusedMatMul", at, [scaled, steps], { transB: 1n });
}

/** The factors of a low-rank update, in PEFT's names. */
export function factors(weight: WeightReader, { prefix, adapter: { rank }, rows, columns }: {
  readonly prefix: string;
  readonly adapter: Adapter;
  readonly rows: number;
  readonly columns: number;
}): { readonly down: Value; readonly up: Value } {
  return {
    down: weight(`${prefix}.lora_A.weight`, [rank, columns]),
    up: weight(`${prefix}.lora_B.weight`, [rows, rank]),
  };
}

/** scale * (x A^T) B^T, and x A^T (Hu et al., LoRA, arXiv 2106.09685). */
export function lowRank(b: Builder, at: string, { x, adapter: { scale }, down, up }: {
  readonly x: Value;
  readonly adapter: Adapter;
  readonly down: Value;
  readonly up: Value;
}): { readonly product: Value; readonly low: Value } {
  const low = b.node("FusedMatMul", `${at}.low`, [x, down], { transB: 1n });
  const product = b.node("FusedMatMul", `${at}.update`, [low, up], {
    transB: 1n,
    ...(scale === 1 ? {} : { alpha: scale }),
  });
  return { product, low };
}

interface Projection {
  readonly site: ProjectionSite;
  readonly name: string;
  readonly x: Value;
}

/** A norm with its weights. */
export interface Norm {
  /** x normed over its last axis, and the factor that its rows were multiplied by, [..., 1]. */
  apply(at: string, x: Value): readonly [normed: Value, factor: Value];
  /** What a direction after the norm is before it, the factor held fixed. */
  before(at: string, direction: Value, factor: Value): Value;
}

/**
 * RMSNorm, x / sqrt(mean(x^2) + epsilon) * weight (Zhang and Sennrich, arXiv 1910.07467), or LayerNorm, that of x - mean(x), plus a bias (Ba et
 * al., arXiv 1607.06450).
 *
 * @param name of the module
 */
export function drawNorm(
  { b, architecture: { norm }, shape: { epsilon }, weight }: Pick<
    Reading,
    "b" | "architecture" | "shape" | "weight"
  >,
  name: string,
  columns: number,
): Norm {
  const stored = weight(`${name}.weight`, [columns]);
  const gain = () =>
    norm === "rms, 1 + weight" ? b.node("Add", `${name}.gain`, [stored, b.scalar(1)]) : stored;
  const isLayer = norm === "layer";
  const centred = (at: string, x: Value) => {
    const even = b.table(`mean.${columns}`, [columns, 1], new Float32Array(columns).fill(1 / columns));
    return b.node("Sub", `${at}.centred`, [x, b.node("FusedMatMul", `${at}.mean`, [x, even])]);
  };
  const scaled = (at: string, x: Value) =>
    b.nodes("SimplifiedLayerNormalization", at, [x, gain()], { axis: -1n, epsilon }) as [Value, Value];
  return {
    apply(at, x) {
      const [normed, factor] = scaled(isLayer ? `${at}.scaled` : at, isLayer ? centred(at, x) : x);
      return [isLayer ? b.node("Add", at, [normed, weight(`${name}.bias`, [columns])]) : normed, factor];
    },
    before(at, direction, factor) {
      const scaled = b.node("Mul", at, [b.node("Mul", `${at}.gained`, [direction, gain()]), factor]);
      return isLayer ? centred(at, scaled) : scaled;
    },
  };
}
