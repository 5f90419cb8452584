/** Sizes of a decoder, read from config.json (or what a GGUF says in its place) and checked. */
import { type Site, SITES, type Tap, UserError } from "../../../core/mod.ts";
import type { ModelConfig } from "../weights/types.ts";
import type { RopeScaling } from "./rope.ts";

/** In the vocabulary of the whole project: width is the residual's, vocab the output matrix' rows. */
export interface Hyperparameters {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Width of the MLP. */
  readonly mlp: number;
  readonly vocab: number;
  readonly context: number;
  readonly epsilon: number;
  readonly ropeTheta: number;
  readonly ropeScaling: RopeScaling | undefined;
  /** How many tokens one sees, itself among them; undefined: all before it. */
  readonly window: number | undefined;
  /** [out, in] of each projection, by the site of its result. */
  readonly projections: Readonly<
    Record<
      "attn.q" | "attn.k" | "attn.v" | "attn.out" | "mlp.gate" | "mlp.up" | "mlp.out",
      readonly [number, number]
    >
  >;
}

/** @throws {UserError} when a size is missing or the sizes do not fit together. */
export function shapeOf(config: ModelConfig): Hyperparameters {
  const { hidden_size: width, num_attention_heads: heads, intermediate_size: mlp } = config;
  const kvHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? width / heads;
  if (heads % kvHeads !== 0 || headDim % 2 !== 0 || !Number.isInteger(headDim)) {
    throw new UserError(
      `Cannot build the model: ${heads} heads of ${headDim} columns with ${kvHeads} key-value heads, wanted whole groups of heads with an even number of columns`,
    );
  }
  if (config.hidden_act !== undefined && config.hidden_act !== "silu") {
    throw new UserError(`Cannot build the model: hidden_act is "${config.hidden_act}", wanted silu`);
  }
  return {
    layers: config.num_hidden_layers,
    width,
    heads,
    kvHeads,
    headDim,
    mlp,
    vocab: config.vocab_size,
    context: config.max_position_embeddings,
    epsilon: config.rms_norm_eps,
    ropeTheta: config.rope_theta ?? 10000,
    ropeScaling: config.rope_scaling ?? undefined,
    window: config.sliding_window,
    projections: {
      "attn.q": [heads * headDim, width],
      "attn.k": [kvHeads * headDim, width],
      "attn.v": [kvHeads * headDim, width],
      "attn.out": [width, heads * headDim],
      "mlp.gate": [mlp, width],
      "mlp.up": [mlp, width],
      "mlp.out": [width, mlp],
    },
  };
}

/** Columns of the tensor at a tap; at "attn.head" heads * headDim. */
export function columnsOf(shape: Hyperparameters, tap: Tap): number {
  const site = siteOf(shape, tap);
  if (site === "embed" || site === "resid_pre" || site === "resid_post") return shape.width;
  if (site === "mlp.act") return shape.mlp;
  if (site === "attn.head") return shape.heads * shape.headDim;
  return shape.projections[site][0];
}

/** Units of a tap: its columns, or query heads at "attn.head". */
export function unitsOf(shape: Hyperparameters, tap: Tap): number {
  return siteOf(shape, tap) === "attn.head" ? shape.heads : columnsOf(shape, tap);
}

function siteOf(shape: Hyperparameters, tap: Tap): Site | "embed" {
  if (tap === "embed") return tap;
  const match = /^layers\.(0|[1-9]\d*)\.(.+)$/.exec(tap);
  const site = SITES.find((name) => name === match?.[2]);
  if (!match || !site || Number(match[1]) >= shape.layers) {
    throw new UserError(
      `Cannot find tap ${tap}: wanted embed, or layers.0 to layers.${shape.layers - 1} with ${
        SITES.join(", ")
      }`,
    );
  }
  return site;
}
