/**
 * Draws the attention of one layer (G = heads / kvHeads; the groups join the query rows, so that grouped queries are one batched product):
 *
 *   q [batch, kvHeads, G * tokens, headDim]   k v [batch, kvHeads, past + tokens, headDim]
 *   softmax(cap(q k^T scale) + mask) v
 */
import type { Dim, Value } from "../graph/graph.ts";
import type { Flow, Layer } from "./layer.ts";
import { drawNorm, project } from "./weights.ts";

/** Outputs of all heads side by side, [batch, tokens, heads * headDim]. */
export function drawAttention(place: Layer, { x: h, positions, masks }: Flow): Value {
  const { b, architecture, shape, tap, layer, spec } = place;
  const { heads, kvHeads, headDim, rotary } = shape, kind = shape.attentionOf[layer]!;
  const mask = masks[kind]!;
  const at = (name: string) => `layers.${layer}.${name}`;
  /** [batch, tokens, n * headDim] -> [batch, n, tokens, headDim] */
  const split = (name: string, x: Value, n: number) => {
    const apart = b.reshape(at(`${name}.apart`), x, [...x.shape.slice(0, 2), n, headDim]);
    return b.node("Transpose", at(`${name}.heads`), [apart], { perm: [0n, 2n, 1n, 3n] });
  };
  /** Queries or keys apart, normed and turned. */
  const turn = (name: "attn.q" | "attn.k", x: Value, n: number) => {
    const own = name === "attn.q" ? architecture.queryNorm : architecture.keyNorm;
    const together = architecture.queryKeyNorms === "all heads";
    const norm = (x: Value, columns: number) =>
      drawNorm(place, architecture.layer(layer) + own!, columns).apply(at(`${name}.normed`), x)[0];
    const apart = split(name, own && together ? norm(x, n * headDim) : x, n);
    const normed = own && !together ? norm(apart, headDim) : apart;
    const tables = place.tables[kind];
    if (!tables) return normed;
    return b.node(
      "RotaryEmbedding",
      at(`${name}.turned`),
      [normed, positions, tables.cos, tables.sin],
      rotary === headDim ? {} : { rotary_embedding_dim: BigInt(rotary), num_heads: BigInt(n) },
    );
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
  const keys = extend("k", turn("attn.k", k, kvHeads));
  const values = extend("v", split("attn.v", v, kvHeads));
  const turned = turn("attn.q", q, heads),
    [batch, , tokens] = turned.shape as [Dim, Dim, Dim];
  const queries = b.reshape(at("attn.q.grouped"), turned, [batch, kvHeads, "queries", headDim]);

  const { scale, scoreCap: cap } = shape;
  const product = b.node("FusedMatMul", at(cap === undefined ? "attn.score" : "attn.uncapped"), [
    queries,
    keys,
  ], {
    transB: 1n,
    alpha: scale / (cap ?? 1),
  });
  const score = cap === undefined ? product : b.node("Mul", at("attn.score"), [
    b.node("Tanh", at("attn.score.share"), [product]),
    b.scalar(cap),
  ]);
  const weights = b.node("Softmax", at("attn.weights"), [b.node("Add", at("attn.masked"), [score, mask])], {
    axis: -1n,
  });
  const mixed = b.node("FusedMatMul", at("attn.mixed"), [weights, values]);
  const apart = b.reshape(at("attn.apart"), mixed, [batch, heads, tokens, headDim]);
  const back = b.node("Transpose", at("attn.back"), [apart], { perm: [0n, 2n, 1n, 3n] });
  return b.reshape(at("attn.head"), back, [batch, tokens, heads * headDim]);
}
