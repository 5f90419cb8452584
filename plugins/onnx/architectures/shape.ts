/** Sizes of a decoder, read from config.json (or what a GGUF says in its place) and checked. */
import { type Site, SITES, type Tap, UserError } from "../../../core/mod.ts";
import type { ModelConfig } from "../weights/types.ts";
import type { Architecture } from "./architecture.ts";
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
  /** Non-linearity of the MLP. */
  readonly activation: Activation;
  /** Whether what the activation gives is multiplied by another projection, "mlp.up". */
  readonly gated: boolean;
  /** Columns of a head that are turned by their token's position; 0 where positions are learned. */
  readonly rotary: number;
  /** What attention scores are multiplied by, and the cap c of c tanh(score / c). */
  readonly scale: number;
  readonly scoreCap: number | undefined;
  /** The cap of logits. */
  readonly logitCap: number | undefined;
  /** Kinds of attention, and which of them each layer has. */
  readonly attentions: readonly Attention[];
  readonly attentionOf: readonly number[];
  /** [out, in] of each projection, by the site of its result; "mlp.up" is there though the MLP has no gates. */
  readonly projections: Readonly<Record<ProjectionSite, readonly [number, number]>>;
}

/** The sites of results of projections. */
export type ProjectionSite = "attn.q" | "attn.k" | "attn.v" | "attn.out" | "mlp.gate" | "mlp.up" | "mlp.out";

/** What attention sees and by which angles it turns. */
export interface Attention {
  /** Ends the names of its inputs: mask, cos and sin. */
  readonly name: "" | ".window";
  /** How many tokens one sees, itself among them; undefined: all before it. */
  readonly window: number | undefined;
  readonly theta: number;
  readonly scaling: RopeScaling | undefined;
}

/** By their names in configs: x sigmoid(x); x Phi(x) by its approximation with tanh (Hendrycks and Gimpel, arXiv 1606.08415, section 2). */
const ACTIVATIONS = {
  silu: "silu",
  gelu_new: "gelu tanh",
  gelu_pytorch_tanh: "gelu tanh",
} as const satisfies Readonly<Record<string, string>>;
export type Activation = typeof ACTIVATIONS[keyof typeof ACTIVATIONS];

/** @throws {UserError} when a size is missing or the sizes do not fit together. */
export function shapeOf(
  config: ModelConfig,
  { positions, up }: Pick<Architecture, "positions" | "up">,
): Hyperparameters {
  const { hidden_size: width, num_attention_heads: heads, intermediate_size: mlp } = config;
  const kvHeads = config.num_key_value_heads ?? heads;
  const headDim = config.head_dim ?? width / heads;
  if (heads % kvHeads !== 0 || headDim % 2 !== 0 || !Number.isInteger(headDim)) {
    throw new UserError(
      `Cannot build the model: ${heads} heads of ${headDim} columns with ${kvHeads} key-value heads, wanted whole groups of heads with an even number of columns`,
    );
  }
  const activation = ACTIVATIONS[config.hidden_act as keyof typeof ACTIVATIONS];
  if (activation === undefined) {
    throw new UserError(
      `Cannot build the model: its activation is "${config.hidden_act}", wanted one of ${
        Object.keys(ACTIVATIONS).join(", ")
      }`,
    );
  }
  const rotary = positions === undefined ? Math.floor(headDim * (config.partial_rotary_factor ?? 1)) : 0;
  if (rotary % 2 !== 0 || rotary < 0 || rotary > headDim) {
    throw new UserError(
      `Cannot build the model: ${rotary} of the ${headDim} columns of a head are turned, wanted an even number of them`,
    );
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
    activation,
    gated: up !== undefined,
    rotary,
    scale: (config.query_pre_attn_scalar ?? headDim) ** -0.5,
    scoreCap: config.attn_logit_softcapping,
    logitCap: config.final_logit_softcapping,
    ...attentionsOf(config),
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

/** Layers with a window and layers without are of two kinds, where there are both; those with it may turn by another base. */
function attentionsOf(config: ModelConfig): Pick<Hyperparameters, "attentions" | "attentionOf"> {
  const { sliding_window: window, layer_types: types, rope_local_base_freq: local } = config;
  const whole = {
    name: "",
    window: undefined,
    theta: config.rope_theta,
    scaling: config.rope_scaling ?? undefined,
  } as const;
  const windowed = { ...whole, window, ...(local === undefined ? {} : { theta: local, scaling: undefined }) };
  const layers = Array.from({ length: config.num_hidden_layers });
  if (types === undefined) {
    return { attentions: [window === undefined ? whole : windowed], attentionOf: layers.map(() => 0) };
  }
  return {
    attentions: [whole, { ...windowed, name: ".window" }],
    attentionOf: types.map((type) => type === "sliding_attention" ? 1 : 0),
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
  if (site === "mlp.up" && !shape.gated) {
    throw new UserError(
      `Cannot find tap ${tap}: the MLP has no gates, wanted layers.${
        match[1]
      }.mlp.gate for what its activation reads`,
    );
  }
  return site;
}
