/** Qwen2 and Qwen2.5: Llama with biases of queries, keys and values (Yang et al., arXiv 2407.10671, section 2.2.1). */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

export const qwen2: Architecture = {
  ...llama,
  modelTypes: ["qwen2"],
  config: { windows: { kind: "where asked", size: 4096, first: 28 } },
  gguf: { ...llama.gguf!, interleaved: false },
  biased: ["attn.q", "attn.k", "attn.v"],
};
