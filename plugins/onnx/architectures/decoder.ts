/**
 * Draws a decoder-only transformer with rotary grouped-query attention and a gated MLP.
 *
 *   ids -> embed -> [ resid_pre -> norm -> q k v -> rotary -> attention -> attn.head -> out -> + -> norm -> gate up -> act -> down -> + -> resid_post ] x layers
 *
 * Attention of one layer (G = heads / kvHeads; the groups join the query rows, so that grouped queries are one batched product):
 *
 *   q [batch, kvHeads, G * tokens, headDim]   k v [batch, kvHeads, past + tokens, headDim]
 *   softmax(q k^T / sqrt(headDim) + mask) v
 *
 * What is read of the last residual is drawn in readout.ts and observe.ts.
 */
import type { Tap } from "../../../core/mod.ts";
import type { Adapter, Checkpoint } from "../weights/types.ts";
import { type Builder, createBuilder, type Dim, type Value } from "../graph/graph.ts";
import { editInputs } from "../graph/edits.ts";
import { createSharing } from "../graph/sharing.ts";
import type { Architecture } from "./architecture.ts";
import { atRows, type DecoderSpec, endsAt, type Part, spread } from "./rows.ts";
import { type Hyperparameters, shapeOf } from "./shape.ts";
import { drawEmbedding, factors, normalise, project, type Reading, weightReader } from "./weights.ts";

/** A decoder drawn up to its last residual; what is read of it is drawn by others. */
export interface Drawing {
  readonly b: Builder;
  readonly shape: Hyperparameters;
  /** Every tap's value, after edits, [batch, tokens, columns]; [rows, columns] for those in `read`. */
  readonly taps: ReadonlyMap<Tap, Value>;
  /** Taps that are drawn for the rows alone that logits are read of. */
  readonly read: ReadonlySet<Tap>;
  /** Weights that readouts need: [width], [vocab, width], and by layer [width, heads * headDim]. */
  readonly finalNorm: Value;
  readonly unembed: Value;
  /** Low-rank update of the output matrix. */
  readonly unembedUpdate?: { readonly adapter: Adapter; readonly down: Value; readonly up: Value };
  readonly attentionOut: readonly Value[];
  /** Token ids, [batch, tokens]; their embeddings, where these come in. */
  readonly ids: Value;
  /** Draws the residual after the last layer at the rows that logits are read of, [rows, width]. */
  readonly last: () => Value;
}

/** @throws {UserError} for a tensor that is missing or has the wrong shape. */
export function drawDecoder(architecture: Architecture, checkpoint: Checkpoint, spec: DecoderSpec): Drawing {
  const { b, share } = spec.rows === "shared"
    ? createSharing(createBuilder())
    : { b: createBuilder(), share: (value: Value) => value };
  const shape = shapeOf(checkpoint.config);
  const taps = new Map<Tap, Value>(), read = new Set<Tap>(), edit = editInputs(b, new Set(spec.edits));
  const tap = (place: Tap, value: Value) => {
    const isRead = value.shape[0] === "rows";
    if (isRead) read.add(place);
    const made = isRead ? value : share(edit(place, value));
    taps.set(place, made);
    return made;
  };
  const weight = weightReader(b, checkpoint, spec);
  const embedding = () => weight(architecture.embed, [shape.vocab, shape.width]);
  const ids = spec.trained?.embeddings
    ? b.input("embed", "float32", ["batch", "tokens", shape.width])
    : b.input("ids", "int64", ["batch", "tokens"]);
  const tables: Tables = {
    cos: b.input("cos", "float32", ["angles", shape.headDim / 2]),
    sin: b.input("sin", "float32", ["angles", shape.headDim / 2]),
  };
  const [x, positions, mask] = spread({ b, spec }, "embed", [
    spec.trained?.embeddings ? ids : drawEmbedding({ b, weight, checkpoint, shape }, embedding(), ids),
    b.input("positions", "int64", ["batch", "tokens"]),
    b.input("mask", "float32", ["batch?", 1, "queries", spec.rows === "cache" ? "keys" : "tokens"]),
  ]) as Triple;
  let flow: Flow = { x: tap("embed", x), positions, mask };
  const attentionOut: Value[] = [];
  for (let layer = 0; layer < shape.layers; layer++) {
    flow = drawLayer({ b, architecture, shape, tap, weight, checkpoint, tables, layer, spec }, flow);
    attentionOut.push(
      weight(
        `${architecture.layer(layer)}${architecture.attentionOut}.weight`,
        shape.projections["attn.out"],
      ),
    );
  }
  const head = architecture.unembed.replace(/\.weight$/, ""), adapter = checkpoint.adapters?.get(head);
  return {
    b,
    shape,
    taps,
    read,
    ids,
    last: () => atRows(b, flow.x),
    finalNorm: weight(architecture.finalNorm, [shape.width]),
    unembed: checkpoint.config.tie_word_embeddings
      ? embedding()
      : weight(architecture.unembed, [shape.vocab, shape.width]),
    ...(adapter
      ? {
        unembedUpdate: {
          adapter,
          ...factors(weight, { prefix: head, adapter, rows: shape.vocab, columns: shape.width }),
        },
      }
      : {}),
    attentionOut,
  };
}

/** Rotary tables, a row a position, as far as this call's positions reach. */
interface Tables {
  readonly cos: Value;
  readonly sin: Value;
}

/** What belongs to the rows of the batch as they are at one place. */
interface Flow {
  /** Residual, [batch, tokens, width]. */
  readonly x: Value;
  /** Absolute position of each token, [batch, tokens]. */
  readonly positions: Value;
  /** Added to the attention scores: 0 where a token may look, a huge negative number where not,
   * [1|batch, 1, G * tokens, past + tokens]: the same rows once for each query head of a group. */
  readonly mask: Value;
}

interface Layer extends Reading {
  readonly tap: (tap: Tap, value: Value) => Value;
  readonly tables: Tables;
  readonly layer: number;
}

function drawLayer(place: Layer, flow: Flow): Flow {
  const { b, architecture, shape, tap, weight, layer } = place;
  const at = (name: string) => `layers.${layer}.${name}`;
  const norm = (name: string, factors: string, x: Value) =>
    normalise(b, at(name), {
      x,
      weight: weight(architecture.layer(layer) + factors, [shape.width]),
      epsilon: shape.epsilon,
    })[0];
  const [x, positions, mask] = spread(place, `${layer}.attention`, [
    flow.x,
    flow.positions,
    flow.mask,
  ]) as Triple;
  const before = tap(`layers.${layer}.resid_pre`, x);
  const mixed = drawAttention(place, {
    x: norm("attn.norm", architecture.attentionNorm, before),
    positions,
    mask,
  });

  const ending = (part: Part, x: Value) => endsAt(part, place) ? atRows(b, x) : x;

  const [every, stream, positions2, mask2] = spread(place, `${layer}.head`, [
    mixed,
    before,
    positions,
    mask,
  ]) as Quadruple;
  const [heads, residual] = [ending("head", every), ending("head", stream)];
  const head = tap(`layers.${layer}.attn.head`, heads);
  const attended = tap(
    `layers.${layer}.attn.out`,
    project(place, { site: "attn.out", name: architecture.attentionOut, x: head }),
  );
  const sum = b.node("Add", at("resid_mid"), [residual, attended]);

  const [through, positions3, mask3] = spread(place, `${layer}.mlp`, [sum, positions2, mask2]) as Triple;
  const middle = ending("mlp", through);
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
  const after = tap(`layers.${layer}.resid_post`, b.node("Add", at("resid_post"), [middle, down]));
  return { x: after, positions: positions3, mask: mask3 };
}

type Triple = readonly [Value, Value, Value];
type Quadruple = readonly [Value, Value, Value, Value];

/** Outputs of all heads side by side, [batch, tokens, heads * headDim]. */
function drawAttention(place: Layer, { x: h, positions, mask }: Flow): Value {
  const { b, architecture, shape, tap, weight, layer, tables, spec } = place;
  const { heads, kvHeads, headDim } = shape;
  const at = (name: string) => `layers.${layer}.${name}`;
  /** [batch, tokens, n * headDim] -> [batch, n, tokens, headDim] */
  const split = (name: string, x: Value, n: number) => {
    const apart = b.reshape(at(`${name}.apart`), x, [...x.shape.slice(0, 2), n, headDim]);
    return b.node("Transpose", at(`${name}.heads`), [apart], { perm: [0n, 2n, 1n, 3n] });
  };
  const turn = (name: string, x: Value, norm: string | undefined) => {
    const normed = norm === undefined ? x : normalise(b, at(`${name}.normed`), {
      x,
      weight: weight(architecture.layer(layer) + norm, [headDim]),
      epsilon: shape.epsilon,
    })[0];
    return b.node("RotaryEmbedding", at(`${name}.turned`), [normed, positions, tables.cos, tables.sin]);
  };
  /** Keys or values so far: those that came in, then those of this call. */
  const extend = (name: "k" | "v", x: Value) => {
    if (spec.rows !== "cache") return x;
    const past = b.input(`past.${layer}.${name}`, "float32", ["batch", kvHeads, "past", headDim]);
    const all = b.concat(`present.${layer}.${name}`, [past, x], { axis: 2, size: "keys" });
    b.output(all);
    return all;
  };

  const q = tap(`layers.${layer}.attn.q`, project(place, { site: "attn.q", name: architecture.q, x: h }));
  const k = tap(`layers.${layer}.attn.k`, project(place, { site: "attn.k", name: architecture.k, x: h }));
  const v = tap(`layers.${layer}.attn.v`, project(place, { site: "attn.v", name: architecture.v, x: h }));
  const keys = extend("k", turn("attn.k", split("attn.k", k, kvHeads), architecture.keyNorm));
  const values = extend("v", split("attn.v", v, kvHeads));
  const turned = turn("attn.q", split("attn.q", q, heads), architecture.queryNorm),
    [batch, , tokens] = turned.shape as [Dim, Dim, Dim];
  const queries = b.reshape(at("attn.q.grouped"), turned, [batch, kvHeads, "queries", headDim]);

  const score = b.node("FusedMatMul", at("attn.score"), [queries, keys], {
    transB: 1n,
    alpha: headDim ** -0.5,
  });
  const weights = b.node("Softmax", at("attn.weights"), [b.node("Add", at("attn.masked"), [score, mask])], {
    axis: -1n,
  });
  const mixed = b.node("FusedMatMul", at("attn.mixed"), [weights, values]);
  const apart = b.reshape(at("attn.apart"), mixed, [batch, heads, tokens, headDim]);
  const back = b.node("Transpose", at("attn.back"), [apart], { perm: [0n, 2n, 1n, 3n] });
  return b.reshape(at("attn.head"), back, [batch, tokens, heads * headDim]);
}
