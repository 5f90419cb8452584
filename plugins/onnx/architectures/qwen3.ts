/** Qwen3: Llama with norms of each head's queries and keys in place of Qwen2's biases (Yang et al., arXiv 2505.09388, section 2). */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";
import { qwen2 } from "./qwen2.ts";

export const qwen3: Architecture = {
  ...llama,
  modelTypes: ["qwen3"],
  config: qwen2.config,
  gguf: {
    ...qwen2.gguf!,
    layer: { ...qwen2.gguf!.layer, attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" },
  },
  queryNorm: "self_attn.q_norm",
  keyNorm: "self_attn.k_norm",
  queryKeyNorms: "each head",
};
