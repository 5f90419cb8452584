/** Qwen3: Llama with norms of each head's queries and keys in place of Qwen2's biases (Yang et al., arXiv 2505.09388, section 2). */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

export const qwen3: Architecture = {
  ...llama,
  modelTypes: ["qwen3"],
  queryNorm: "self_attn.q_norm.weight",
  keyNorm: "self_attn.k_norm.weight",
};
