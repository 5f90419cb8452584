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

/** How a family's tensors are called in a GGUF, and what was done to them. */
export interface GgufRules {
  /** Modules of the model and of a layer, in Hugging Face's names. */
  readonly model: Readonly<Record<string, string>>;
  readonly layer: Readonly<Record<string, string>>;
  /** Begins the names of layers; default "model.layers.". */
  readonly layerPrefix?: string;
  /** Whether query and key rows are interleaved. */
  readonly interleaved: boolean;
  /** Whether weights of norms have had one added. */
  readonly normsAreStoredWithOne?: boolean;
  readonly config?: {
    /** The MLP's activation, which the metadata does not name; default "silu". */
    readonly hidden_act?: string;
    /** Key of the norms' epsilon; default that of RMSNorms. */
    readonly epsilon?: string;
    /** Further fields of config.json, by the keys that hold them. */
    readonly keys?: Readonly<Partial<Record<"attn_logit_softcapping" | "final_logit_softcapping", string>>>;
    /** Every n-th layer has no window, the others do; "all" have one where its size is given. */
    readonly windowEvery?: number | "all";
    /** Rotary base of layers with a window. */
    readonly localTheta?: number;
    /** Models of so many layers divide attention scores by the root of the width of the residual over the heads, others by that of a head's. */
    readonly widthPerHeadScales?: readonly number[];
  };
}

/** The tensor of divisors of rotary frequencies; not a weight. */
export const ROPE_FACTORS = "rope_freqs";
/** Those of longrope, for texts up to its original context and for longer ones. */
export const LONGROPE_FACTORS = {
  short_factor: "rope_factors_short",
  long_factor: "rope_factors_long",
} as const;
const NO_WEIGHTS: readonly string[] = [ROPE_FACTORS, ...Object.values(LONGROPE_FACTORS)];
/** Whether a tensor's numbers belong to the config. */
export const isNoWeight = (name: string): boolean => NO_WEIGHTS.includes(name);

/** A stored tensor and what is to be done to it on the way to float32. */
export interface SourceTensor extends StoredTensor {
  /** Rows come interleaved in this many heads. */
  readonly interleavedHeads?: number;
  /** It is stored [in, `of`]; these are its columns `from` on, as rows. */
  readonly turned?: { readonly from: number; readonly of: number };
  /** Added to each number. */
  readonly add?: number;
}

/** Tensors under their Hugging Face names. @throws {UserError} for a tensor that the architecture does not have. */
export function nameTensors(
  gguf: Gguf,
  config: ModelConfig,
  { path, rules }: { readonly path: string; readonly rules: GgufRules },
): SourceTensor[] {
  return gguf.tensors.map((tensor) => {
    const plain = tensor.name.replace(/\.weight$/, "");
    if (isNoWeight(plain)) return { ...tensor, name: plain };
    const [, layer, part = "", kind = ""] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(tensor.name) ?? [];
    const name = layer === undefined ? rules.model[part] : rules.layer[part];
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
      name: `${layer === undefined ? "" : `${rules.layerPrefix ?? "model.layers."}${layer}.`}${name}.${kind}`,
      ...(rules.interleaved && heads !== undefined ? { interleavedHeads: heads } : {}),
      ...(rules.normsAreStoredWithOne && /(^|_)norm$/.test(part) ? { add: -1 } : {}),
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
export function configOf(
  { metadata, tensors }: Gguf,
  { path, rules: { config: rules = {} } }: { readonly path: string; readonly rules: GgufRules },
): ModelConfig {
  const architecture = architectureOf(metadata, path);
  const read = (name: string, otherwise?: number): number => {
    const key = `${architecture}.${name}`;
    const value = metadata.get(key) ?? otherwise;
    if (typeof value === "number") return value;
    throw new UserError(`Cannot open ${path}: metadata ${key} is ${describe(value)}, wanted a number`);
  };
  const width = read("embedding_length"), heads = read("attention.head_count"), layers = read("block_count");
  const headDim = read("attention.key_length", width / heads);
  const has = (part: string) => tensors.some(({ name }) => name.endsWith(part));
  const id = (name: string) => metadata.get(`tokenizer.ggml.${name}_token_id`);
  const bos = id("bos");
  const tokens = metadata.get("tokenizer.ggml.tokens");
  return {
    model_type: architecture,
    hidden_size: width,
    intermediate_size: read("feed_forward_length"),
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: read("attention.head_count_kv", heads),
    head_dim: headDim,
    hidden_act: rules.hidden_act ?? "silu",
    rms_norm_eps: read(rules.epsilon ?? "attention.layer_norm_rms_epsilon"),
    rope_theta: read("rope.freq_base", 10_000),
    rope_scaling: ropeScaling(metadata, architecture),
    ...(metadata.get(`${architecture}.rope.dimension_count`) === undefined
      ? {}
      : shareTurned(read("rope.dimension_count"), headDim)),
    ...(rules.windowEvery === undefined
      ? {}
      : rules.windowEvery === "all"
      ? read("attention.sliding_window", 0) > 0 ? { sliding_window: read("attention.sliding_window") } : {}
      : windowed({
        size: read("attention.sliding_window"),
        every: read("attention.sliding_window_pattern", rules.windowEvery),
        layers,
      })),
    ...(rules.localTheta === undefined
      ? {}
      : { rope_local_base_freq: read("rope.freq_base_swa", rules.localTheta) }),
    ...(rules.widthPerHeadScales?.includes(layers) ? { query_pre_attn_scalar: width / heads } : {}),
    ...Object.fromEntries(
      Object.entries(rules.keys ?? {}).flatMap(([name, key]) =>
        metadata.has(`${architecture}.${key}`) ? [[name, read(key)]] : []
      ),
    ),
    vocab_size: read("vocab_size", Array.isArray(tokens) ? tokens.length : undefined),
    max_position_embeddings: read("context_length"),
    tie_word_embeddings: !tensors.some(({ name }) => name === "output.weight"),
    attention_bias: has("attn_q.bias"),
    mlp_bias: has("ffn_up.bias"),
    bos_token_id: typeof bos === "number" ? bos : null,
    eos_token_id: [...new Set([id("eos"), id("eot")])].filter((value) => typeof value === "number"),
  };
}

/** The share of a head's columns that are turned, where not all are. */
function shareTurned(turned: number, headDim: number): Pick<ModelConfig, "partial_rotary_factor"> {
  return turned === headDim ? {} : { partial_rotary_factor: turned / headDim };
}

function windowed(
  { size, every, layers }: { readonly size: number; readonly every: number; readonly layers: number },
): Pick<ModelConfig, "sliding_window" | "layer_types"> {
  return {
    sliding_window: size,
    layer_types: Array.from(
      { length: layers },
      (_, layer) => (layer + 1) % every === 0 ? "full_attention" : "sliding_attention",
    ),
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
