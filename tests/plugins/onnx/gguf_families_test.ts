/** GGUF files of families beside Llama: the tiny models of goldens/gradients in the layout that llama.cpp's converter gives them. Names are those of
 * gguf-py's tensor map. */
import { assertEquals } from "@std/assert";
import { openFile } from "../../../plugins/onnx/weights/file.ts";
import { readSafetensors } from "../../../plugins/onnx/weights/safetensors.ts";
import { folder } from "./gradients_golden.ts";
import { open } from "./open.ts";
import { gguf, type GgufEntry } from "./weights/make.ts";

type Metadata = Readonly<Record<string, GgufEntry>>;
interface Made {
  readonly architecture: string;
  /** GGUF's names of modules, by Hugging Face's. */
  readonly names: Readonly<Record<string, string>>;
  /** Without the architecture before them. */
  readonly metadata: Metadata;
  readonly more?: readonly { readonly name: string; readonly values: readonly number[] }[];
}

const common = (config: Record<string, number>, keys: Readonly<Record<string, string>>): Metadata =>
  Object.fromEntries(
    Object.entries(keys).map(([key, field]) => [
      key,
      [/eps|base/.test(key) ? "float32" : "uint32", config[field]!] as GgufEntry,
    ]),
  );
const LLAMA = {
  block_count: "num_hidden_layers",
  context_length: "max_position_embeddings",
  embedding_length: "hidden_size",
  feed_forward_length: "intermediate_size",
  "attention.head_count": "num_attention_heads",
  "attention.head_count_kv": "num_key_value_heads",
  "attention.layer_norm_rms_epsilon": "rms_norm_eps",
  "rope.freq_base": "rope_theta",
};
const PARTS = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};
const AFTER = {
  post_attention_layernorm: "post_attention_norm",
  post_feedforward_layernorm: "post_ffw_norm",
};

const FAMILIES: Readonly<Record<string, (config: Record<string, number>) => Made>> = {
  gemma2: (config) => ({
    architecture: "gemma2",
    names: { ...PARTS, ...AFTER, pre_feedforward_layernorm: "ffn_norm" },
    metadata: {
      ...common(config, {
        ...LLAMA,
        "attention.key_length": "head_dim",
        "attention.sliding_window": "sliding_window",
      }),
      attn_logit_softcapping: ["float32", config.attn_logit_softcapping!],
      final_logit_softcapping: ["float32", config.final_logit_softcapping!],
    },
  }),
  olmo2: (config) => ({
    architecture: "olmo2",
    names: { ...PARTS, ...AFTER, "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm" },
    metadata: common(config, LLAMA),
  }),
  phi3: (config) => {
    const { short_factor, long_factor } = config.rope_scaling as unknown as Record<string, number[]>;
    return {
      architecture: "phi3",
      names: { ...PARTS, "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up" },
      metadata: {
        ...common(config, { ...LLAMA, "attention.sliding_window": "sliding_window" }),
        "rope.dimension_count": ["uint32", 6],
        "rope.scaling.original_context_length": ["uint32", config.original_max_position_embeddings!],
      },
      more: [
        { name: "rope_factors_short.weight", values: short_factor! },
        { name: "rope_factors_long.weight", values: long_factor! },
      ],
    };
  },
  gpt2: (config) => ({
    architecture: "gpt2",
    names: {
      wte: "token_embd",
      wpe: "position_embd",
      ln_f: "output_norm",
      ln_1: "attn_norm",
      "attn.c_attn": "attn_qkv",
      "attn.c_proj": "attn_output",
      ln_2: "ffn_norm",
      "mlp.c_fc": "ffn_up",
      "mlp.c_proj": "ffn_down",
    },
    metadata: common(config, {
      block_count: "n_layer",
      context_length: "n_positions",
      embedding_length: "n_embd",
      feed_forward_length: "n_inner",
      "attention.head_count": "n_head",
      "attention.layer_norm_epsilon": "layer_norm_epsilon",
    }),
  }),
};

for (const [name, describe] of Object.entries(FAMILIES)) {
  Deno.test(`a GGUF of ${name} gives the logits of the folder that it was made of`, async () => {
    const config = JSON.parse(await Deno.readTextFile(`${folder(name)}/config.json`));
    const { architecture, names, metadata, more = [] } = describe({ max_position_embeddings: 64, ...config });
    using file = openFile(`${folder(name)}/model.safetensors`);
    const tensors = readSafetensors(file).map(({ name: own, shape, offset, length }) => {
      const bytes = new Uint8Array(length);
      file.read(offset, bytes);
      let values = new Float32Array(bytes.buffer), dims = shape;
      const [, layer, module, kind] = /^(?:(?:model\.layers|h)\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(own)!;
      // The converter adds one to Gemma's norms, and turns GPT-2's weights.
      if (name === "gemma2" && shape.length === 1) values = values.map((value) => value + 1);
      if (name === "gpt2" && module!.includes(".c_") && kind === "weight") {
        const [rows, columns] = shape as [number, number];
        dims = [columns, rows];
        values = Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
      }
      const part = names[module!]!;
      return {
        name: `${layer === undefined ? "" : `blk.${layer}.`}${part}.${kind}`,
        shape: dims,
        type: 0,
        bytes: new Uint8Array(values.buffer),
      };
    });
    const vocab = config.vocab_size as number;
    const path = await Deno.makeTempFile({ suffix: ".gguf" });
    await Deno.writeFile(
      path,
      gguf({
        metadata: {
          "general.architecture": ["string", architecture],
          ...Object.fromEntries(
            Object.entries(metadata).map(([key, entry]) => [`${architecture}.${key}`, entry]),
          ),
          "tokenizer.ggml.model": ["string", "llama"],
          "tokenizer.ggml.tokens": ["strings", Array.from({ length: vocab }, (_, i) => `w${i}`)],
          "tokenizer.ggml.token_type": ["int32s", Array.from({ length: vocab }, () => 1)],
          "tokenizer.ggml.scores": ["float32s", Array.from({ length: vocab }, () => 0)],
        },
        tensors: [
          ...tensors,
          ...more.map(({ name, values }) => ({
            name,
            shape: [values.length],
            type: 0,
            bytes: new Uint8Array(Float32Array.from(values).buffer),
          })),
        ],
      }),
    );
    const folderHere = await Deno.makeTempDir();
    for (const { name: each } of Deno.readDirSync(folder(name))) {
      if (!each.startsWith("gradients")) {
        await Deno.copyFile(`${folder(name)}/${each}`, `${folderHere}/${each}`);
      }
    }
    // A GGUF has no field for what Gemma divides scores by: it is the root of a head's columns.
    const same = name === "gemma2" ? { ...config, query_pre_attn_scalar: config.head_dim } : config;
    await Deno.writeTextFile(`${folderHere}/config.json`, JSON.stringify(same));
    try {
      await using own = await open(folderHere);
      await using made = await open(path);
      for (const length of [7, 20]) {
        const ids = Array.from({ length }, (_, i) => 3 + (i * 17) % (vocab - 3));
        const [expected, found] = [await own.logits(ids), await made.logits(ids)];
        const gap = expected.reduce((worst, value, i) => Math.max(worst, Math.abs(value - found[i]!)), 0);
        // One was added to Gemma's norms in float32 and taken away again.
        assertEquals(gap < (name === "gemma2" ? 1e-5 : 1e-6), true, `${length} tokens: ${gap}`);
      }
      assertEquals(made.info.parameters, own.info.parameters);
    } finally {
      await Deno.remove(path);
      await Deno.remove(folderHere, { recursive: true });
    }
  });
}
