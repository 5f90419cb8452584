/** Hyperparameters of a Hugging Face folder. */
import { UserError } from "../../../core/mod.ts";
import type { ModelConfig } from "./types.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Reads `model_type` alone, so that an unknown family is told before its hyperparameters are looked for. */
export function modelTypeOf(fields: Fields, path: string): string {
  if (typeof fields.model_type === "string") return fields.model_type;
  throw new UserError(
    `Cannot read ${path}: model_type is ${JSON.stringify(fields.model_type)}, wanted a name`,
  );
}

/** The content of config.json, with generation_config.json's end of sequence, checked and with defaults written out.
 * @throws {UserError} naming the field that is missing or of the wrong type. */
export function parseConfig(fields: Fields, generation: Fields, path: string): ModelConfig {
  const read = reader(fields, path);
  const width = read.count("hidden_size"), heads = read.count("num_attention_heads");
  // transformers 5 writes what was rope_theta and rope_scaling as one field.
  const rope = read.object("rope_parameters") ?? read.object("rope_scaling");
  const { rope_theta: nested, ...rule } = rope ?? {};
  return {
    model_type: modelTypeOf(fields, path),
    hidden_size: width,
    intermediate_size: read.count("intermediate_size"),
    num_hidden_layers: read.count("num_hidden_layers"),
    num_attention_heads: heads,
    num_key_value_heads: read.count("num_key_value_heads", heads),
    head_dim: read.count("head_dim", width / heads),
    hidden_act: read.string("hidden_act", "silu"),
    rms_norm_eps: read.number("rms_norm_eps", 1e-6),
    rope_theta: typeof nested === "number" ? nested : read.number("rope_theta", 10_000),
    rope_scaling: (rule.rope_type ?? rule.type ?? "default") === "default" ? null : rule,
    ...windowOf(fields, path),
    vocab_size: read.count("vocab_size"),
    max_position_embeddings: read.count("max_position_embeddings", 2048),
    tie_word_embeddings: read.flag("tie_word_embeddings"),
    attention_bias: read.flag("attention_bias"),
    mlp_bias: read.flag("mlp_bias"),
    bos_token_id: ids(fields.bos_token_id)[0] ?? null,
    eos_token_id: [...new Set([...ids(fields.eos_token_id), ...ids(generation.eos_token_id)])],
  };
}

/** Families that know a window of attention: by its size alone, or only where they say so as well. Others pass over the size. */
const WINDOWED: Readonly<Record<string, "always" | "where asked">> = {
  mistral: "always",
  qwen2: "where asked",
  qwen3: "where asked",
};

/** The window that all layers have; with transformers' defaults. @throws {UserError} where some have it and others not. */
function windowOf(fields: Fields, path: string): Pick<ModelConfig, "sliding_window"> {
  const read = reader(fields, path), kind = WINDOWED[modelTypeOf(fields, path)];
  if (kind === undefined || fields.sliding_window === null) return {};
  if (kind === "where asked" && !read.flag("use_sliding_window")) return {};
  const size = { sliding_window: read.count("sliding_window", 4096) };
  if (kind === "always") return size;
  const layers = read.count("num_hidden_layers"), first = read.number("max_window_layers", 28);
  const types = Array.isArray(fields.layer_types)
    ? fields.layer_types
    : Array.from({ length: layers }, (_, i) => i < first ? "full_attention" : "sliding_attention");
  const windowed = types.filter((type) => type === "sliding_attention").length;
  if (windowed === 0) return {};
  if (windowed === types.length) return size;
  throw new UserError(
    `Cannot read ${path}: ${windowed} of its ${types.length} layers have a window of attention, wanted all or none`,
  );
}

/** One id, several or none, as a list. */
function ids(value: unknown): number[] {
  return [value].flat().filter((id): id is number => Number.isSafeInteger(id));
}

function reader(fields: Fields, path: string) {
  const fail = (name: string, wanted: string) =>
    new UserError(`Cannot read ${path}: ${name} is ${JSON.stringify(fields[name])}, wanted ${wanted}`);
  const number = (name: string, otherwise?: number): number => {
    const value = fields[name] ?? otherwise;
    if (typeof value !== "number") throw fail(name, "a number");
    return value;
  };
  return {
    number,
    count(name: string, otherwise?: number): number {
      const value = number(name, otherwise);
      if (!Number.isSafeInteger(value) || value < 1) throw fail(name, "a whole number from 1");
      return value;
    },
    string(name: string, otherwise: string): string {
      const value = fields[name] ?? otherwise;
      if (typeof value !== "string") throw fail(name, "a name");
      return value;
    },
    flag(name: string): boolean {
      const value = fields[name] ?? false;
      if (typeof value !== "boolean") throw fail(name, "true or false");
      return value;
    },
    object(name: string): Fields | undefined {
      const value = fields[name] ?? undefined;
      if (value !== undefined && (typeof value !== "object" || Array.isArray(value))) {
        throw fail(name, "an object");
      }
      return value as Fields | undefined;
    },
  };
}
