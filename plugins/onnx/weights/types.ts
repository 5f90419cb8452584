/** A checkpoint as named, lazy tensors in Hugging Face's names, whatever its format on disk. */
import type { GgufMetadata } from "./gguf.ts";

/** Where a tensor lies: little-endian, row-major, ready to be ONNX external data. */
export interface TensorRef {
  readonly name: string;
  /** Default "float32". */
  readonly dtype?: "int8";
  readonly shape: readonly number[];
  /** Absolute path, links resolved. */
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes: 4 a number, of int8 one. */
  readonly length: number;
}

/** Hyperparameters in config.json's names; the defaults are those of transformers' LlamaConfig. */
export interface ModelConfig {
  /** `model_type`, or `general.architecture` of a GGUF. */
  readonly model_type: string;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  /** Columns of one head. */
  readonly head_dim: number;
  readonly hidden_act: string;
  /** Epsilon of norms, LayerNorms too. */
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  /** The scaling rule, with `rope_type`; null when frequencies are left as they are. */
  readonly rope_scaling: Readonly<Record<string, unknown>> | null;
  /** How many tokens one sees, itself among them; absent: all before it. */
  readonly sliding_window?: number;
  /** Which layers have the window, where some have and others not. */
  readonly layer_types?: readonly ("full_attention" | "sliding_attention")[];
  /** The rotary base of layers with the window, unscaled, where it is one of its own. */
  readonly rope_local_base_freq?: number;
  /** Share of a head's columns that are turned, where not all are. */
  readonly partial_rotary_factor?: number;
  /** Attention scores are divided by its root; absent: by that of head_dim. */
  readonly query_pre_attn_scalar?: number;
  /** Caps c of c tanh(x / c) of attention scores and of logits. */
  readonly attn_logit_softcapping?: number;
  readonly final_logit_softcapping?: number;
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly tie_word_embeddings: boolean;
  readonly attention_bias: boolean;
  readonly mlp_bias: boolean;
  readonly bos_token_id: number | null;
  /** Ids that end a text, config.json's first, then generation_config.json's. */
  readonly eos_token_id: readonly number[];
}

/** What a tokenizer is made of. */
export type TokenizerSource =
  | {
    readonly kind: "files";
    /** Content of tokenizer.json. */
    readonly tokenizer: string;
    /** Content of tokenizer_config.json, "{}" when there is none. */
    readonly config: string;
    /** Content of chat_template.jinja, which goes before a template in `config`. */
    readonly chatTemplate?: string;
  }
  | { readonly kind: "gguf"; readonly metadata: GgufMetadata };

/** What can be said of a checkpoint without touching its weights, but for their hash. */
export interface CheckpointInfo {
  /** As the user gave it, for messages. */
  readonly path: string;
  readonly config: ModelConfig;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Numbers in all tensors; a shared matrix is counted once. */
  readonly parameters: number;
  /** sha256 of the weight file's bytes; of the shards' hashes in name order, when there are several. */
  readonly weightsHash: string;
  readonly tokenizer: TokenizerSource;
}

/** A low-rank update W + scale * B A of a projection. */
export interface Adapter {
  readonly rank: number;
  readonly scale: number;
}

/** A matrix of a projection as int8 slices (slices.ts). */
export interface Sliced {
  /** [out], float32: of the high slice. */
  readonly scales: TensorRef;
  /** [in, out]. */
  readonly high: TensorRef;
  /** [in, out], of two slices. */
  readonly residue?: TensorRef;
}

/** A checkpoint whose tensors can be mapped. */
export interface Checkpoint extends CheckpointInfo {
  readonly tensors: ReadonlyMap<string, TensorRef>;
  /** By its name, what is there as slices in place of a tensor. */
  readonly sliced?: ReadonlyMap<string, Sliced>;
  /** By the module's name, "model.layers.0.self_attn.q_proj"; its factors are the tensors MODULE.lora_A.weight, [rank, in], and
   * MODULE.lora_B.weight, [out, rank]. */
  readonly adapters?: ReadonlyMap<string, Adapter>;
  /** A token whose input embedding is the tensor of this name, [width], in place of its row. */
  readonly embedding?: { readonly token: number; readonly name: string };
  /** Divisors of the rotary frequencies, [headDim / 2], where a GGUF stores them ("rope_freqs"). */
  readonly ropeFactors?: Float32Array;
}
