import type { ConfigRules } from "../weights/config.ts";
import type { GgufRules } from "../weights/gguf_names.ts";
import type { Layout } from "../weights/layout.ts";
import type { ProjectionSite } from "./shape.ts";

/** A model family is data: how its config and its weights read, and where it departs from Llama. The decoder turns it into a graph. */
export interface Architecture {
  /** `model_type` of config.json, or `general.architecture` of a GGUF. */
  readonly modelTypes: readonly string[];
  /** How its config.json departs from Llama's. */
  readonly config: ConfigRules;
  /** What its tensors are called in a GGUF, and what was done to them there; absent: none are read. */
  readonly gguf?: GgufRules;
  /** Where stored tensors are not those that are named here. */
  readonly layout?: Layout;
  /** Begins the names of all modules but the output matrix; left out in files that hold the model without its output matrix. */
  readonly base: string;
  readonly embed: string;
  /** Learned embeddings of positions, [context, width], in place of rotary ones. */
  readonly positions?: string;
  /** Absent in a checkpoint whose embedding is its output matrix. */
  readonly unembed: string;
  /** Prefix of a layer's tensors. */
  layer(index: number): string;
  /** What its norms are: RMSNorm, RMSNorm whose weight is stored less one, LayerNorm. */
  readonly norm: "rms" | "rms, 1 + weight" | "layer";
  readonly finalNorm: string;
  /** Norms of what a block reads; absent: it reads the residual as it is. */
  readonly attentionNorm?: string;
  readonly mlpNorm?: string;
  /** Norms of what a block writes. */
  readonly attentionAfter?: string;
  readonly mlpAfter?: string;
  /** Projections: ".weight" is [out, in]; ".bias" [out]. */
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly attentionOut: string;
  /** What the MLP's activation reads. */
  readonly gate: string;
  /** What its result is multiplied by; absent: nothing. */
  readonly up?: string;
  readonly down: string;
  /** Sites whose projections have a bias whatever config.json says; absent: those of attention by its `attention_bias`, of the MLP by its
   * `mlp_bias`. */
  readonly biased?: readonly ProjectionSite[];
  /** RMSNorms of queries and keys before they are turned: of each head, [headDim], or of all together, [heads * headDim]. */
  readonly queryNorm?: string;
  readonly keyNorm?: string;
  readonly queryKeyNorms?: "each head" | "all heads";
  /** Embeddings are multiplied by the root of the width. */
  readonly scaledEmbeddings?: boolean;
}
