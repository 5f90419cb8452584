/**
 * Draws one layer: attention and the MLP, each with the norms that the family has around it.
 *
 *   resid_pre -> norm -> attention.ts -> attn.head -> out -> norm -> + -> norm -> gate up -> act -> down -> norm -> + -> resid_post
 */
import type { Tap } from "../../../core/mod.ts";
import type { Value } from "../graph/graph.ts";
import { drawAttention } from "./attention.ts";
import { atRows, endsAt, type Part, spread } from "./rows.ts";
import { drawNorm, type Norm, project, type Reading } from "./weights.ts";

/** Rotary tables, a row a position, as far as this call's positions reach. */
export interface Tables {
  readonly cos: Value;
  readonly sin: Value;
}

export type After = Map<Tap, { readonly norm: Norm; readonly factor: Value }>;

/** What belongs to the rows of the batch as they are at one place. */
export interface Flow {
  /** Residual, [batch, tokens, width]. */
  readonly x: Value;
  /** Absolute position of each token, [batch, tokens]. */
  readonly positions: Value;
  /** By kind of attention. Added to the scores: 0 where a token may look, a huge negative number where not,
   * [1|batch, 1, G * tokens, past + tokens]: the same rows once for each query head of a group. */
  readonly masks: readonly Value[];
}
export type Flowing = readonly [x: Value, positions: Value, ...masks: Value[]];

export interface Layer extends Reading {
  readonly tap: (tap: Tap, value: Value) => Value;
  /** By kind of attention; none where positions are learned. */
  readonly tables: readonly Tables[];
  readonly layer: number;
  readonly after: After;
}

export function drawLayer(place: Layer, flow: Flow): Flow {
  const { b, architecture, shape, tap, layer } = place;
  const at = (name: string) => `layers.${layer}.${name}`;
  /** The norm of that name, if the family has one. */
  const norm = (where: string, name: string | undefined, x: Value) =>
    name === undefined
      ? x
      : drawNorm(place, architecture.layer(layer) + name, shape.width).apply(at(where), x)[0];
  /** What a block adds to the residual, from what it gives at its tap. */
  const written = (site: "attn.out" | "mlp.out", name: string | undefined, x: Value) => {
    if (name === undefined) return x;
    const norm = drawNorm(place, architecture.layer(layer) + name, shape.width);
    const [normed, factor] = norm.apply(at(`${site}.normed`), x);
    place.after.set(`layers.${layer}.${site}`, { norm, factor });
    return normed;
  };
  const [x, positions, ...masks] = spread(place, `${layer}.attention`, [
    flow.x,
    flow.positions,
    ...flow.masks,
  ]) as Flowing;
  const before = tap(`layers.${layer}.resid_pre`, x);
  const mixed = drawAttention(place, {
    x: norm("attn.norm", architecture.attentionNorm, before),
    positions,
    masks,
  });

  const ending = (part: Part, x: Value) => endsAt(part, place) ? atRows(b, x) : x;

  const [every, stream, positions2, ...masks2] = spread(place, `${layer}.head`, [
    mixed,
    before,
    positions,
    ...masks,
  ]) as readonly [Value, ...Flowing];
  const [heads, residual] = [ending("head", every), ending("head", stream)];
  const head = tap(`layers.${layer}.attn.head`, heads);
  const attended = tap(
    `layers.${layer}.attn.out`,
    project(place, { site: "attn.out", name: architecture.attentionOut, x: head }),
  );
  const sum = b.node("Add", at("resid_mid"), [
    residual,
    written("attn.out", architecture.attentionAfter, attended),
  ]);

  const [through, positions3, ...masks3] = spread(place, `${layer}.mlp`, [
    sum,
    positions2,
    ...masks2,
  ]) as Flowing;
  const middle = ending("mlp", through);
  const act = drawMlp(place, norm("mlp.norm", architecture.mlpNorm, middle));
  const down = tap(
    `layers.${layer}.mlp.out`,
    project(place, { site: "mlp.out", name: architecture.down, x: act }),
  );
  const after = tap(
    `layers.${layer}.resid_post`,
    b.node("Add", at("resid_post"), [middle, written("mlp.out", architecture.mlpAfter, down)]),
  );
  return { x: after, positions: positions3, masks: masks3 };
}

/** What the MLP's last projection reads. */
function drawMlp(place: Layer, h: Value): Value {
  const { b, architecture, shape, tap, layer } = place;
  const at = (name: string) => `layers.${layer}.${name}`;
  const gate = tap(
    `layers.${layer}.mlp.gate`,
    project(place, { site: "mlp.gate", name: architecture.gate, x: h }),
  );
  const activate = (name: string) =>
    shape.activation === "silu"
      ? b.node("QuickGelu", name, [gate], { alpha: 1 }) // x * sigmoid(1 * x) is SiLU
      : b.node("FastGelu", name, [gate]);
  if (architecture.up === undefined) return tap(`layers.${layer}.mlp.act`, activate(at("mlp.act")));
  const up = tap(`layers.${layer}.mlp.up`, project(place, { site: "mlp.up", name: architecture.up, x: h }));
  const active = activate(at(`mlp.${shape.activation === "silu" ? "silu" : "gelu"}`));
  return tap(`layers.${layer}.mlp.act`, b.node("Mul", at("mlp.act"), [active, up]));
}
