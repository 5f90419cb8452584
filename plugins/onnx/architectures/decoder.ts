/**
 * Draws a decoder-only transformer with rotary grouped-query attention and a gated MLP.
 *
 *   ids -> embed -> [ resid_pre -> norm -> q k v -> rotary -> attention -> attn.head -> out -> + -> norm -> gate up -> act -> down -> + -> resid_post ] x layers
 *       -> rows that are read -> norm -> output matrix -> logits
 *
 * Attention of one layer (G = heads / kvHeads; the groups join the query rows, so that grouped queries are one batched product):
 *
 *   q [batch, kvHeads, G * tokens, headDim]   k v [batch, kvHeads, past + tokens, headDim]
 *   softmax(q k^T / sqrt(headDim) + mask) v
 *
 * One graph serves scoring, prefixes and generation: keys and values of earlier tokens come in as `past`, with `past` = 0 rows at first.
 */
import { type Tap, UserError } from "../../../core/mod.ts";
import type { Checkpoint, TensorRef } from "../weights/types.ts";
import { type Builder, createBuilder, type Graph, type Value } from "../graph/graph.ts";
import { editInputs } from "../graph/edits.ts";
import type { Architecture } from "./architecture.ts";
import { type Hyperparameters, shapeOf } from "./shape.ts";

/** @throws {UserError} for a tensor that is missing or has the wrong shape. */
export function drawDecoder(architecture: Architecture, checkpoint: Checkpoint, taps: readonly Tap[]): Graph {
  const b = createBuilder();
  const shape = shapeOf(checkpoint.config);
  const tap = editInputs(b, new Set(taps));
  const read = weightReader(b, checkpoint);
  const ids = b.input("ids", "int64", ["batch", "tokens"]);
  const inputs: Inputs = {
    positions: b.input("positions", "int64", ["batch", "tokens"]),
    mask: b.input("mask", "float32", ["masks", 1, "queries", "keys"]),
    cos: b.input("cos", "float32", ["angles", shape.headDim / 2]),
    sin: b.input("sin", "float32", ["angles", shape.headDim / 2]),
  };
  const embed = read(architecture.embed, [shape.vocab, shape.width]);
  let x = tap("embed", b.node("Gather", "embed", [embed, ids]));
  for (let layer = 0; layer < shape.layers; layer++) {
    x = drawLayer({ b, architecture, shape, tap, read, checkpoint, inputs, layer }, x);
  }
  const unembed = checkpoint.config.tie_word_embeddings
    ? embed
    : read(architecture.unembed, [shape.vocab, shape.width]);
  drawReadout({ b, shape, norm: read(architecture.finalNorm, [shape.width]), unembed }, x);
  return b.finish();
}

interface Inputs {
  /** Absolute position of each token, [batch, tokens]. */
  readonly positions: Value;
  /** Added to the attention scores: 0 where a token may look, a huge negative number where not,
   * [1|batch, 1, G * tokens, past + tokens]: the same rows once for each query head of a group. */
  readonly mask: Value;
  /** Rotary tables, a row a position, as far as this call's positions reach. */
  readonly cos: Value;
  readonly sin: Value;
}

interface Layer {
  readonly b: Builder;
  readonly architecture: Architecture;
  readonly shape: Hyperparameters;
  readonly tap: (tap: Tap, value: Value) => Value;
  readonly read: WeightReader;
  readonly checkpoint: Checkpoint;
  readonly inputs: Inputs;
  readonly layer: number;
}

type WeightReader = (name: string, shape: readonly number[]) => Value;

function weightReader(b: Builder, checkpoint: Checkpoint): WeightReader {
  return (name, shape) => b.weight(tensor(checkpoint, name, shape));
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

/** Residual in, residual out, [batch, tokens, width]. */
function drawLayer(place: Layer, input: Value): Value {
  const { b, architecture, shape, tap, read, layer } = place;
  const at = (name: string) => `layers.${layer}.${name}`;
  const norm = (name: string, weight: string, x: Value) =>
    normalise(b, at(name), {
      x,
      weight: read(architecture.layer(layer) + weight, [shape.width]),
      epsilon: shape.epsilon,
    });
  const residual = tap(`layers.${layer}.resid_pre`, input);

  const attended = drawAttention(place, norm("attn.norm", architecture.attentionNorm, residual));
  const middle = b.node("Add", at("resid_mid"), [residual, attended]);

  const h = norm("mlp.norm", architecture.mlpNorm, middle);
  const gate = tap(
    `layers.${layer}.mlp.gate`,
    project(place, { site: "mlp.gate", name: architecture.gate, x: h }),
  );
  const up = tap(`layers.${layer}.mlp.up`, project(place, { site: "mlp.up", name: architecture.up, x: h }));
  const active = b.node("QuickGelu", at("mlp.silu"), [gate], { alpha: 1 }); // x * sigmoid(1 * x) is SiLU
  const act = tap(`layers.${layer}.mlp.act`, b.node("Mul", at("mlp.act"), [active, up]));
  const down = tap(
    `layers.${layer}.mlp.out`,
    project(place, { site: "mlp.out", name: architecture.down, x: act }),
  );
  return tap(`layers.${layer}.resid_post`, b.node("Add", at("resid_post"), [middle, down]));
}

function drawAttention(place: Layer, h: Value): Value {
  const { b, architecture, shape, tap, layer, inputs } = place;
  const { heads, kvHeads, headDim } = shape;
  const at = (name: string) => `layers.${layer}.${name}`;
  /** [batch, tokens, n * headDim] -> [batch, n, tokens, headDim] */
  const split = (name: string, x: Value, n: number) => {
    const apart = b.node("Reshape", at(`${name}.apart`), [x, b.ints([0, 0, n, headDim])]);
    return b.node("Transpose", at(`${name}.heads`), [apart], { perm: [0n, 2n, 1n, 3n] });
  };
  const turn = (name: string, x: Value) =>
    b.node("RotaryEmbedding", at(`${name}.turned`), [x, inputs.positions, inputs.cos, inputs.sin]);
  /** Keys or values so far: those that came in, then those of this call. */
  const extend = (name: "k" | "v", x: Value) => {
    const past = b.input(`past.${layer}.${name}`, "float32", ["batch", kvHeads, "past", headDim]);
    const all = b.node("Concat", `present.${layer}.${name}`, [past, x], { axis: 2n });
    b.output(all, ["batch", kvHeads, "keys", headDim]);
    return all;
  };

  const q = tap(`layers.${layer}.attn.q`, project(place, { site: "attn.q", name: architecture.q, x: h }));
  const k = tap(`layers.${layer}.attn.k`, project(place, { site: "attn.k", name: architecture.k, x: h }));
  const v = tap(`layers.${layer}.attn.v`, project(place, { site: "attn.v", name: architecture.v, x: h }));
  const keys = extend("k", turn("attn.k", split("attn.k", k, kvHeads)));
  const values = extend("v", split("attn.v", v, kvHeads));
  const queries = b.node("Reshape", at("attn.q.grouped"), [
    turn("attn.q", split("attn.q", q, heads)),
    b.ints([0, kvHeads, -1, headDim]),
  ]);

  const score = b.node("FusedMatMul", at("attn.score"), [queries, keys], {
    transB: 1n,
    alpha: headDim ** -0.5,
  });
  const masked = b.node("Add", at("attn.masked"), [score, inputs.mask]);
  const weights = b.node("Softmax", at("attn.weights"), [masked], { axis: -1n });
  const mixed = b.node("MatMul", at("attn.mixed"), [weights, values]);
  const apart = b.node("Reshape", at("attn.apart"), [mixed, b.ints([0, heads, -1, headDim])]);
  const back = b.node("Transpose", at("attn.back"), [apart], { perm: [0n, 2n, 1n, 3n] });
  const head = tap(
    `layers.${layer}.attn.head`,
    b.node("Reshape", at("attn.head"), [back, b.ints([0, 0, heads * headDim])]),
  );
  return tap(
    `layers.${layer}.attn.out`,
    project(place, { site: "attn.out", name: architecture.attentionOut, x: head }),
  );
}

/** The projection `name` of h, with its bias where the config says so, [batch, tokens, out]. */
function project(
  { b, architecture, shape, read, layer, checkpoint }: Layer,
  { site, name, x }: Projection,
): Value {
  const [rows, columns] = shape.projections[site];
  const prefix = architecture.layer(layer) + name;
  const at = `layers.${layer}.${site}`;
  // FusedMatMul reads [out, in] as stored; a MatMul behind a Transpose would keep a second copy of the weight.
  const product = (place: string) =>
    b.node("FusedMatMul", place, [x, read(`${prefix}.weight`, [rows, columns])], { transB: 1n });
  const biased = site.startsWith("attn.") ? checkpoint.config.attention_bias : checkpoint.config.mlp_bias;
  if (!biased) return product(at);
  return b.node("Add", at, [product(`${at}.product`), read(`${prefix}.bias`, [rows])]);
}

interface Projection {
  readonly site: keyof Hyperparameters["projections"];
  readonly name: string;
  readonly x: Value;
}

interface Norm {
  readonly x: Value;
  readonly weight: Value;
  readonly epsilon: number;
}

/** x / sqrt(mean(x^2) + epsilon) * weight over the last axis (Zhang and Sennrich, RMSNorm, arXiv 1910.07467). */
function normalise(b: Builder, at: string, { x, weight, epsilon }: Norm): Value {
  return b.node("SimplifiedLayerNormalization", at, [x, weight], { axis: -1n, epsilon });
}

interface Readout {
  readonly b: Builder;
  readonly shape: Hyperparameters;
  readonly norm: Value;
  readonly unembed: Value;
}

/** Only rows that are read go through the output matrix, and only what was asked of their logits leaves. */
function drawReadout({ b, shape, norm, unembed }: Readout, x: Value): void {
  const rows = b.input("rows", "int64", ["rows"]); // indices into batch * tokens
  const picks = b.input("picks", "int64", ["picks"]); // indices into rows * vocab
  const flat = b.node("Reshape", "final.flat", [x, b.ints([-1, shape.width])]);
  const chosen = b.node("Gather", "final.rows", [flat, rows]);
  const normed = normalise(b, "final.norm", { x: chosen, weight: norm, epsilon: shape.epsilon });
  const logits = b.node("FusedMatMul", "logits", [normed, unembed], { transB: 1n });
  b.output(logits, ["rows", shape.vocab]);
  const axis = { keepdims: 0n };
  b.output(b.node("ReduceLogSumExp", "logsumexp", [logits, b.ints([-1])], axis), ["rows"]);
  b.output(b.node("ReduceMax", "topLogit", [logits, b.ints([-1])], axis), ["rows"]);
  b.output(b.node("ArgMax", "top", [logits], { axis: -1n, keepdims: 0n }), ["rows"]);
  b.output(b.node("Gather", "picked", [b.node("Reshape", "logits.flat", [logits, b.ints([-1])]), picks]), [
    "picks",
  ]);
}
