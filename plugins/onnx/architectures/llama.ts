/** Llama 2 and 3, SmolLM, TinyLlama, Falcon 3, and whatever else calls itself LlamaForCausalLM (Touvron et al., arXiv 2302.13971, section 2.2). */
import type { Architecture } from "./architecture.ts";

export const llama: Architecture = {
  modelTypes: ["llama"],
  config: {},
  gguf: {
    model: { token_embd: "model.embed_tokens", output_norm: "model.norm", output: "lm_head" },
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
    interleaved: true,
  },
  base: "model.",
  embed: "model.embed_tokens.weight",
  unembed: "lm_head.weight",
  layer: (index) => `model.layers.${index}.`,
  norm: "rms",
  finalNorm: "model.norm",
  attentionNorm: "input_layernorm",
  mlpNorm: "post_attention_layernorm",
  q: "self_attn.q_proj",
  k: "self_attn.k_proj",
  v: "self_attn.v_proj",
  attentionOut: "self_attn.o_proj",
  gate: "mlp.gate_proj",
  up: "mlp.up_proj",
  down: "mlp.down_proj",
};
