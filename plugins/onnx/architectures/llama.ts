/** Llama 2 and 3, SmolLM, TinyLlama, and whatever else calls itself LlamaForCausalLM. */
import type { Architecture } from "./architecture.ts";

export const llama: Architecture = {
  modelTypes: ["llama"],
  activation: "silu",
  embed: "model.embed_tokens.weight",
  finalNorm: "model.norm.weight",
  unembed: "lm_head.weight",
  layer: (index) => `model.layers.${index}.`,
  attentionNorm: "input_layernorm.weight",
  q: "self_attn.q_proj",
  k: "self_attn.k_proj",
  v: "self_attn.v_proj",
  attentionOut: "self_attn.o_proj",
  mlpNorm: "post_attention_layernorm.weight",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
};
