/**
 * From GGUF's names and layouts to Hugging Face's, as data.
 *
 * GGUF stores the query and key rows of Llama with the two numbers that are turned together side by side; Hugging Face
 * checkpoints have them half a head apart. The unit indices of papers are Hugging Face's, so rows are put back. Source of names
 * and layout: gguf-py's tensor_mapping.py and convert_hf_to_gguf.py in ggml-org/llama.cpp.
 */
import { UserError } from "../../../core/mod.ts";
import type { Gguf, GgufMetadata } from "./gguf.ts";
import type { StoredTensor } from "./safetensors.ts";
import type { ModelConfig } from "./types.ts";

/** How one architecture's tensors are called, and what was done to them. */
interface Naming {
  readonly model: Readonly<Record<string, string>>;
  readonly layer: Readonly<Record<string, string>>;
  /** Query and key rows are interleaved. */
  readonly permuted: boolean;
}

const LLAMA: Naming = {
  model: {
    token_embd: "model.embed_tokens",
    output_norm: "model.norm",
    output: "lm_head",
  },
  layer: {
    attn_norm: "input_layernorm",
    attn_q: "self_attn.q_proj",
    attn_k: "self_attn.k_proj",
    attn_v: "self_attn.v_proj",
    attn_output: "self_attn.o_proj",
    ffn_norm: "post_attention_layernorm",
    ffn_gate: "mlp.gate_proj",
    ffn_up: "mlp.up_proj",
    ffn_down: "mlp.down_proj",
  },
  permuted: true,
};
const QWEN2: Naming = { ...LLAMA, permuted: false };

/** By `general.architecture`; a Mistral is a "llama" there. */
const NAMINGS: Readonly<Record<string, Naming>> = {
  llama: LLAMA,
  qwen2: QWEN2,
  qwen3: {
    ...QWEN2,
    layer: { ...QWEN2.layer, attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" },
  },
};

/** The tensor of divisors of rotary frequencies; not a weight. */
export const ROPE_FACTORS = "rope_freqs";

/** A stored tensor and what is to be done to it on the way to float32. */
export interface SourceTensor extends StoredTensor {
  /** Rows come interleaved in this many heads. */
  readonly interleavedHeads?: number;
}

/** Tensors under their Hugging Face names. @throws {UserError} for a tensor that the architecture does not have. */
export function nameTensors(gguf: Gguf, config: ModelConfig, path: string): SourceTensor[] {
  const naming = NAMINGS[config.model_type];
  if (!naming) {
    const known = Object.keys(NAMINGS).join(", ");
    throw new UserError(
      `Cannot open ${path}: its GGUF architecture is ${config.model_type}, wanted one of ${known}`,
    );
  }
  return gguf.tensors.map((tensor) => {
    if (tensor.name === `${ROPE_FACTORS}.weight`) return { ...tensor, name: ROPE_FACTORS };
    const [, layer, part = "", kind = ""] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(tensor.name) ?? [];
    const name = layer === undefined ? naming.model[part] : naming.layer[part];
    if (name === undefined) {
      throw new UserError(
        `Cannot open ${path}: tensor ${tensor.name} is unknown, wanted those of a ${config.model_type} model`,
      );
    }
    const heads = part === "attn_q"
      ? config.num_attention_heads
      : part === "attn_k"
      ? config.num_key_value_heads
      : undefined;
    return {
      ...tensor,
      name: `${layer === undefined ? "" : `model.layers.${layer}.`}${name}.${kind}`,
      ...(naming.permuted && heads !== undefined ? { interleavedHeads: heads } : {}),
    };
  });
}

/** `general.architecture`. @throws {UserError} when there is none, or the file is one part of several. */
export function architectureOf(metadata: GgufMetadata, path: string): string {
  const parts = metadata.get("split.count");
  if (typeof parts === "number" && parts > 1) {
    throw new UserError(
      `Cannot open ${path}: it is one of ${parts} parts of a GGUF, wanted the parts merged to one file`,
    );
  }
  const architecture = metadata.get("general.architecture");
  if (typeof architecture === "string") return architecture;
  throw new UserError(`Cannot open ${path}: its metadata has no general.architecture, wanted a model`);
}

/** Hyperparameters under config.json's names. @throws {UserError} naming the key that is missing. */
export function configOf({ metadata, tensors }: Gguf, path: string): ModelConfig {
  const architecture = architectureOf(metadata, path);
  const read = (name: string, otherwise?: number): number => {
    const key = `${architecture}.${name}`;
    const value = metadata.get(key) ?? otherwise;
    if (typeof value === "number") return value;
    throw new UserError(`Cannot open ${path}: metadata ${key} is ${describe(value)}, wanted a number`);
  };
  const width = read("embedding_length"), heads = read("attention.head_count");
  const has = (part: string) => tensors.some(({ name }) => name.endsWith(part));
  const id = (name: string) => metadata.get(`tokenizer.ggml.${name}_token_id`);
  const bos = id("bos");
  const tokens = metadata.get("tokenizer.ggml.tokens");
  return {
    model_type: architecture,
    hidden_size: width,
    intermediate_size: read("feed_forward_length"),
    num_hidden_layers: read("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: read("attention.head_count_kv", heads),
    head_dim: read("attention.key_length", width / heads),
    hidden_act: "silu",
    rms_norm_eps: read("attention.layer_norm_rms_epsilon"),
    rope_theta: read("rope.freq_base", 10_000),
    rope_scaling: ropeScaling(metadata, architecture),
    vocab_size: read("vocab_size", Array.isArray(tokens) ? tokens.length : undefined),
    max_position_embeddings: read("context_length"),
    tie_word_embeddings: !tensors.some(({ name }) => name === "output.weight"),
    attention_bias: has("attn_q.bias"),
    mlp_bias: has("ffn_up.bias"),
    bos_token_id: typeof bos === "number" ? bos : null,
    eos_token_id: [...new Set([id("eos"), id("eot")])].filter((value) => typeof value === "number"),
  };
}

function ropeScaling(metadata: GgufMetadata, architecture: string): ModelConfig["rope_scaling"] {
  const type = metadata.get(`${architecture}.rope.scaling.type`) ?? "none";
  if (type === "none") return null;
  const factor = metadata.get(`${architecture}.rope.scaling.factor`) ?? 1;
  const original = metadata.get(`${architecture}.rope.scaling.original_context_length`);
  return {
    rope_type: type,
    factor,
    ...(typeof original === "number" && { original_max_position_embeddings: original }),
  };
}

function describe(value: unknown): string {
  return value === undefined ? "missing" : Array.isArray(value) ? "a list" : JSON.stringify(value);
}
