import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../../../core/mod.ts";
import { openFile } from "../../../../plugins/onnx/weights/file.ts";
import { type Gguf, readGguf } from "../../../../plugins/onnx/weights/gguf.ts";
import { findArchitecture } from "../../../../plugins/onnx/architectures/mod.ts";
import { architectureOf, configOf, nameTensors } from "../../../../plugins/onnx/weights/gguf_names.ts";
import { float32s, gguf, type GgufSpec } from "./make.ts";

const F32 = 0, Q4_1 = 3;
const a = { name: "a", shape: [2, 3], bytes: float32s([1, 2, 3, 4, 5, 6]), type: F32 };

Deno.test("readGguf() reads metadata of every kind and tensors of versions 2 and 3", () => {
  for (const version of [2, 3]) {
    const { metadata, tensors } = read({
      version,
      metadata: {
        text: ["string", "naïve"],
        count: ["uint32", 7],
        small: ["float32", 1e-5],
        yes: ["bool", true],
        words: ["strings", ["a", ""]],
        types: ["int32s", [1, -3]],
      },
      tensors: [a, { ...a, name: "b", shape: [6] }],
    });
    assertEquals(Object.fromEntries(metadata), {
      text: "naïve",
      count: 7,
      small: 1e-5, // the shortest decimal of the float32, not 0.000009999999747378752
      yes: true,
      words: ["a", ""],
      types: [1, -3],
    });
    assertEquals(tensors.map(({ name, type, shape, length }) => ({ name, type, shape, length })), [
      { name: "a", type: "F32", shape: [2, 3], length: 24 },
      { name: "b", type: "F32", shape: [6], length: 24 },
    ]);
    assertEquals(tensors[1]!.offset - tensors[0]!.offset, 32);
  }
});

const broken: readonly [string, Partial<GgufSpec>, string][] = [
  ["an unknown version", { version: 1 }, "its GGUF version is 1, wanted 2 or 3"],
  ["an unknown tensor type", { tensors: [{ ...a, type: 10 }] }, "Cannot read tensor a of"],
  [
    "an unknown tensor type by name",
    { tensors: [{ ...a, type: 10 }] },
    "its type is Q2_K, wanted one of F32, F16, BF16, Q8_0",
  ],
  ["a type that has no name", { tensors: [{ ...a, type: 99 }] }, "its type is number 99, wanted one of"],
  ["a name twice", { tensors: [a, a] }, "it is there twice"],
  [
    "rows that are not whole blocks",
    { tensors: [{ ...a, type: Q4_1 }] },
    "its rows have 3 numbers, wanted a multiple of 32",
  ],
  ["an offset off the alignment", { tensors: [{ ...a, offset: 4 }] }, "it begins at byte 4 of the data"],
  ["tensors that overlap", { tensors: [a, { ...a, name: "b", offset: 0 }] }, "Cannot read tensor b of"],
  ["a tensor past the end", { tensors: [{ ...a, offset: 64 }] }, "wanted a whole file"],
  ["five dimensions", { tensors: [{ ...a, shape: [1, 1, 1, 2, 3] }] }, "its header is cut off or broken"],
];

for (const [what, spec, message] of broken) {
  Deno.test(`readGguf() refuses ${what} in one line that names the file`, () => {
    checkMessage(() => read({ metadata: {}, tensors: [a], ...spec }), message);
  });
}

Deno.test("readGguf() refuses a file cut anywhere", () => {
  const bytes = gguf({ metadata: { words: ["strings", ["a", "b"]] }, tensors: [a] });
  const dataEnd = bytes.length - 8; // the last tensor has 24 bytes of 32
  for (let length = 8; length < dataEnd; length++) {
    checkMessage(() => readBytes(bytes.slice(0, length)), "wanted a whole");
  }
});

Deno.test("readGguf() refuses a file that is not GGUF", () => {
  checkMessage(
    () => readBytes(new TextEncoder().encode("<html>not a model</html>")),
    "it is not a GGUF file",
  );
});

const llama = {
  "general.architecture": ["string", "llama"],
  "llama.block_count": ["uint32", 1],
  "llama.context_length": ["uint32", 16],
  "llama.embedding_length": ["uint32", 8],
  "llama.feed_forward_length": ["uint32", 12],
  "llama.attention.head_count": ["uint32", 2],
  "llama.attention.layer_norm_rms_epsilon": ["float32", 1e-5],
  "tokenizer.ggml.tokens": ["strings", ["a", "b", "c"]],
  "tokenizer.ggml.eos_token_id": ["uint32", 2],
} as const;

const rules = findArchitecture("llama", "").gguf!;
const namesOf = (file: Gguf) => {
  const path = "model.gguf", { gguf } = findArchitecture(architectureOf(file.metadata, path), path);
  return nameTensors(file, configOf(file, { path, rules: gguf! }), { path, rules: gguf! });
};

Deno.test("configOf() gives config.json's names, with what follows from the tensors", () => {
  const config = configOf(read({ metadata: llama, tensors: [a] }), { path: "m.gguf", rules });
  assertEquals(config, {
    model_type: "llama",
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    head_dim: 4,
    hidden_act: "silu",
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    rope_scaling: null,
    vocab_size: 3,
    max_position_embeddings: 16,
    tie_word_embeddings: true,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: null,
    eos_token_id: [2],
  });
  const untied = read({
    metadata: llama,
    tensors: [{ ...a, name: "output.weight" }, { ...a, name: "blk.0.attn_q.bias" }],
  });
  assertEquals(configOf(untied, { path: "m.gguf", rules }).tie_word_embeddings, false);
  assertEquals(configOf(untied, { path: "m.gguf", rules }).attention_bias, true);
});

Deno.test("configOf() names the key that is missing and refuses one part of several", () => {
  const { "llama.block_count": _, ...without } = llama;
  checkMessage(
    () => configOf(read({ metadata: without, tensors: [] }), { path: "model.gguf", rules }),
    "llama.block_count is missing",
  );
  const part = { ...llama, "split.count": ["uint32", 3] } as const;
  checkMessage(
    () => configOf(read({ metadata: part, tensors: [] }), { path: "model.gguf", rules }),
    "one of 3 parts of a GGUF",
  );
  checkMessage(
    () => configOf(read({ metadata: {}, tensors: [] }), { path: "model.gguf", rules }),
    "no general.architecture",
  );
});

Deno.test("nameTensors() gives Hugging Face's names, marks interleaved rows and refuses what a Llama does not have", () => {
  const name = (...names: string[]) => {
    const file = read({ metadata: llama, tensors: names.map((name) => ({ ...a, name })) });
    return namesOf(file);
  };
  const named = name(
    "token_embd.weight",
    "output.weight",
    "rope_freqs.weight",
    "blk.0.attn_q.weight",
    "blk.0.ffn_up.weight",
  );
  assertEquals(named.map(({ name, interleavedHeads }) => [name, interleavedHeads]), [
    ["model.embed_tokens.weight", undefined],
    ["lm_head.weight", undefined],
    ["rope_freqs", undefined],
    ["model.layers.0.self_attn.q_proj.weight", 2],
    ["model.layers.0.mlp.up_proj.weight", undefined],
  ]);
  checkMessage(
    () => name("blk.0.ffn_gate_exps.weight"),
    "tensor blk.0.ffn_gate_exps.weight is unknown, wanted those of a llama model",
  );
});

Deno.test("nameTensors() leaves the rows of Qwen's queries as they are, and knows Qwen3's norms of heads alone", () => {
  const name = (family: string, ...names: string[]) => {
    const metadata = Object.fromEntries(
      Object.entries(llama).map(([key, entry]) => [key.replace(/^llama\./, `${family}.`), entry]),
    );
    const file = read({
      metadata: { ...metadata, "general.architecture": ["string", family] },
      tensors: names.map((name) => ({ ...a, name })),
    });
    return namesOf(file)
      .map(({ name, interleavedHeads }) => [name, interleavedHeads]);
  };
  assertEquals(name("qwen2", "blk.0.attn_q.weight", "blk.0.attn_k.bias"), [
    ["model.layers.0.self_attn.q_proj.weight", undefined],
    ["model.layers.0.self_attn.k_proj.bias", undefined],
  ]);
  assertEquals(name("qwen3", "blk.0.attn_k_norm.weight"), [[
    "model.layers.0.self_attn.k_norm.weight",
    undefined,
  ]]);
  checkMessage(() => name("qwen2", "blk.0.attn_k_norm.weight"), "wanted those of a qwen2 model");
});

function checkMessage(run: () => unknown, message: string): void {
  const error = assertThrows(run, UserError, message) as UserError;
  assertStringIncludes(error.message, "model.gguf");
  assertEquals(error.message.split("\n").length, 1);
}

function read(spec: GgufSpec): Gguf {
  return readBytes(gguf(spec));
}

function readBytes(bytes: Uint8Array): Gguf {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeFileSync(`${folder}/model.gguf`, bytes);
    using file = openFile(`${folder}/model.gguf`);
    return readGguf(file);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
