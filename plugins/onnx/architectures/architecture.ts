import type { Hyperparameters } from "./shape.ts";

/** A model family is data: what its weights are called, and where it departs from Llama. The decoder turns it into a graph. */
export interface Architecture {
  /** `model_type` of config.json, or `general.architecture` of a GGUF. */
  readonly modelTypes: readonly string[];
  /** Non-linearity of the gated MLP, as `hidden_act` names it. */
  readonly activation: "silu";
  readonly embed: string;
  readonly finalNorm: string;
  /** Absent in a checkpoint whose embedding is its output matrix. */
  readonly unembed: string;
  /** Prefix of a layer's tensors. */
  layer(index: number): string;
  readonly attentionNorm: string;
  readonly mlpNorm: string;
  /** Projections: ".weight" is [out, in]; ".bias" [out]. */
  readonly q: string;
  readonly k: string;
  readonly v: string;
  readonly attentionOut: string;
  readonly gate: string;
  readonly up: string;
  readonly down: string;
  /** Sites whose projections have a bias whatever config.json says; absent: those of attention by its `attention_bias`, of the MLP by its
   * `mlp_bias`. */
  readonly biased?: readonly (keyof Hyperparameters["projections"])[];
  /** RMSNorms of each head's queries and of its keys before they are turned, [headDim]. */
  readonly queryNorm?: string;
  readonly keyNorm?: string;
}
