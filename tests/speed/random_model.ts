/** Decoders of any size with random weights: what a shape costs does not depend on what it knows. */
import { join } from "node:path";
import { createRandom } from "../../core/random.ts";
import { writeSafetensorsHeader } from "../../plugins/onnx/weights/safetensors.ts";
import { FABLES } from "../plugins/onnx/open.ts";

export interface RandomShape {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly mlp: number;
  readonly vocab: number;
  /** Of the file; default float32. */
  readonly type?: "F32" | "BF16";
}

/** https://huggingface.co/meta-llama/Llama-3.1-8B, config.json. */
export const LLAMA_8B: RandomShape = {
  width: 4096,
  layers: 32,
  heads: 32,
  kvHeads: 8,
  mlp: 14_336,
  vocab: 128_256,
  type: "BF16",
};
/** The widths of Llama 3.2 1B (2048) and of the above, as many layers as a bench has time for. */
export const LAYERS_2048: RandomShape = {
  width: 2048,
  layers: 6,
  heads: 32,
  kvHeads: 8,
  mlp: 8192,
  vocab: 4096,
};
export const LAYERS_4096: RandomShape = { ...LLAMA_8B, layers: 2, vocab: 4096, type: "F32" };

/** By name, for benches that are told one. */
export const SHAPES: Readonly<Record<string, RandomShape>> = {
  tiny: { width: 64, layers: 2, heads: 4, kvHeads: 2, mlp: 128, vocab: 512 },
  /** https://huggingface.co/HuggingFaceTB/SmolLM2-135M, config.json. */
  "smollm2-135m": { width: 576, layers: 30, heads: 9, kvHeads: 3, mlp: 1536, vocab: 49_152 },
  /** https://huggingface.co/meta-llama/Llama-3.2-1B, config.json, with a quarter of its vocabulary. */
  "llama-1b": { ...LAYERS_2048, layers: 16, vocab: 32_064 },
  "llama-8b": LLAMA_8B,
};

/** Numbers that weights are taken from, a stretch at a time. */
const POOL = 1 << 20;

/** Writes a model's folder; of the tokenizer only the ids that it has are ever used. */
export function writeRandomModel(folder: string, shape: RandomShape): void {
  const { width, layers, heads, kvHeads, mlp, vocab, type = "F32" } = shape;
  Deno.mkdirSync(folder, { recursive: true });
  const kv = width / heads * kvHeads;
  const tensors: { name: string; shape: number[]; type: "F32" }[] = [];
  const add = (name: string, ...dims: number[]) => tensors.push({ name, shape: dims, type: "F32" });
  add("model.embed_tokens.weight", vocab, width);
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string) => `model.layers.${layer}.${name}.weight`;
    for (const [name, rows] of [["q", width], ["k", kv], ["v", kv], ["o", width]] as const) {
      add(at(`self_attn.${name}_proj`), rows, width);
    }
    for (const name of ["gate", "up"]) add(at(`mlp.${name}_proj`), mlp, width);
    add(at("mlp.down_proj"), width, mlp);
    for (const name of ["input_layernorm", "post_attention_layernorm"]) add(at(name), width);
  }
  add("model.norm.weight", width);
  add("lm_head.weight", vocab, width);
  const random = createRandom("random model");
  const floats = Float32Array.from({ length: POOL }, () => 0.02 * gaussian(random));
  const pool = type === "F32"
    ? floats
    : Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
  const bytes = new Uint8Array(pool.buffer), size = pool.BYTES_PER_ELEMENT;
  using out = Deno.openSync(join(folder, "model.safetensors"), { create: true, write: true, truncate: true });
  const write = (part: Uint8Array) => {
    for (let done = 0; done < part.length;) done += out.writeSync(part.subarray(done));
  };
  write(headerOf(tensors, type));
  for (const { shape } of tensors) {
    for (let left = shape.reduce((a, b) => a * b, 1); left > 0;) {
      const from = random.below(POOL / 2), count = Math.min(left, POOL - from);
      write(bytes.subarray(from * size, (from + count) * size));
      left -= count;
    }
  }
  const config = {
    ...JSON.parse(Deno.readTextFileSync(join(FABLES, "config.json"))) as Record<string, unknown>,
    hidden_size: width,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: width / heads,
    intermediate_size: mlp,
    vocab_size: vocab,
    max_position_embeddings: 8192,
    rope_theta: 500_000,
    torch_dtype: type === "F32" ? "float32" : "bfloat16",
  };
  Deno.writeTextFileSync(join(folder, "config.json"), JSON.stringify(config, null, 1));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    Deno.copyFileSync(join(FABLES, name), join(folder, name));
  }
}

function headerOf(tensors: readonly { name: string; shape: number[]; type: "F32" }[], type: "F32" | "BF16") {
  const header = writeSafetensorsHeader(tensors);
  if (type === "F32") return header;
  const text = new TextDecoder().decode(header.subarray(8)).replaceAll('"F32"', '"BF16"')
    .replaceAll(/"data_offsets":\[(\d+),(\d+)\]/g, (_, from, to) => `"data_offsets":[${from / 2},${to / 2}]`);
  const json = new TextEncoder().encode(text.trimEnd());
  const bytes = new Uint8Array(Math.ceil((8 + json.length) / 64) * 64).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(json, 8);
  return bytes;
}

/** Sum of twelve uniform numbers, less its mean. */
function gaussian({ uniform }: { readonly uniform: () => number }): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += uniform();
  return sum;
}
