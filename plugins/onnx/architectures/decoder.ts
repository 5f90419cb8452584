/**
 * Draws a decoder-only transformer: ids -> embed -> layers (layer.ts, attention.ts) -> last residual. What is read of that is drawn in readout.ts and
 * observe.ts. What a family leaves out (architecture.ts) is left out.
 */
import type { Tap } from "../../../core/mod.ts";
import type { Adapter, Checkpoint } from "../weights/types.ts";
import { type Builder, createBuilder, type Value } from "../graph/graph.ts";
import { editInputs } from "../graph/edits.ts";
import { createSharing } from "../graph/sharing.ts";
import type { Architecture } from "./architecture.ts";
import { type After, drawLayer, type Flow, type Flowing } from "./layer.ts";
import { atRows, type DecoderSpec, spread } from "./rows.ts";
import { type Hyperparameters, shapeOf } from "./shape.ts";
import {
  drawBackThrough,
  drawEmbedding,
  drawNorm,
  factors,
  type Norm,
  type Reading,
  weightReader,
} from "./weights.ts";

/** A decoder drawn up to its last residual; what is read of it is drawn by others. */
export interface Drawing {
  readonly b: Builder;
  readonly shape: Hyperparameters;
  /** Every tap's value, after edits, [batch, tokens, columns]; [rows, columns] for those in `read`. */
  readonly taps: ReadonlyMap<Tap, Value>;
  /** Taps that are drawn for the rows alone that logits are read of. */
  readonly read: ReadonlySet<Tap>;
  readonly finalNorm: Norm;
  /** Norms of what blocks write, by the tap of that. */
  readonly after: ReadonlyMap<Tap, { readonly norm: Norm; readonly factor: Value }>;
  /** The output matrix, [vocab, width]. */
  readonly unembed: Value;
  /** Low-rank update of the output matrix. */
  readonly unembedUpdate?: { readonly adapter: Adapter; readonly down: Value; readonly up: Value };
  /** Directions in what attention writes, [rows, width], as directions in its heads' outputs, [rows, heads * headDim]. */
  readonly beforeAttentionOut: (at: string, layer: number, direction: Value) => Value;
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
  const shape = shapeOf(checkpoint.config, architecture);
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
  const reading: Reading = { b, architecture, shape, weight, checkpoint, spec };
  const tables = shape.rotary === 0 ? [] : shape.attentions.map(({ name }) => ({
    cos: b.input(`cos${name}`, "float32", ["angles", shape.rotary / 2]),
    sin: b.input(`sin${name}`, "float32", ["angles", shape.rotary / 2]),
  }));
  const places = b.input("positions", "int64", ["batch", "tokens"]);
  const rows = spec.trained?.embeddings
    ? ids
    : drawEmbedding({ b, weight, checkpoint, shape }, embedding(), ids);
  const [x, positions, ...masks] = spread({ b, spec }, "embed", [
    drawInput(reading, rows, places),
    places,
    ...shape.attentions.map(({ name }) =>
      b.input(`mask${name}`, "float32", ["batch?", 1, "queries", spec.rows === "cache" ? "keys" : "tokens"])
    ),
  ]) as Flowing;
  let flow: Flow = { x: tap("embed", x), positions, masks };
  const after: After = new Map();
  for (let layer = 0; layer < shape.layers; layer++) {
    flow = drawLayer({ ...reading, tap, tables, layer, after }, flow);
  }
  const head = architecture.unembed.replace(/\.weight$/, ""), adapter = checkpoint.adapters?.get(head);
  return {
    b,
    shape,
    taps,
    read,
    ids,
    last: () => atRows(b, flow.x),
    finalNorm: drawNorm(reading, architecture.finalNorm, shape.width),
    after,
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
    beforeAttentionOut: (at, layer, direction) =>
      drawBackThrough(reading, {
        at,
        x: direction,
        name: `${architecture.layer(layer)}${architecture.attentionOut}.weight`,
        shape: shape.projections["attn.out"],
      }),
  };
}

/** Embeddings as the first layer reads them: scaled, or with those of their positions. */
function drawInput({ b, architecture, shape, weight }: Reading, x: Value, positions: Value): Value {
  const { positions: learned, scaledEmbeddings } = architecture;
  // transformers rounds the root to the weights' type.
  const scaled = scaledEmbeddings
    ? b.node("Mul", "embed.scaled", [x, b.scalar(Math.fround(Math.sqrt(shape.width)))])
    : x;
  if (learned === undefined) return scaled;
  const table = weight(learned, [shape.context, shape.width]);
  return b.node("Add", "embed.placed", [scaled, b.node("Gather", "embed.positions", [table, positions])]);
}
