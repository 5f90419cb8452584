/**
 * Gemma 2 (Gemma Team, arXiv 2408.00118, section 2): norms before and after each block, each by one more than its weight; every other layer
 * sees through a window; attention scores and logits are capped, cap tanh(x / cap); embeddings times the root of the width.
 */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

export const gemma2: Architecture = {
  ...llama,
  modelTypes: ["gemma2"],
  config: {
    keys: { hidden_act: "hidden_activation" },
    defaults: {
      hidden_activation: "gelu_pytorch_tanh",
      head_dim: 256,
      tie_word_embeddings: true,
      query_pre_attn_scalar: 256,
      attn_logit_softcapping: 50,
      final_logit_softcapping: 30,
    },
    windows: { kind: "pattern", size: 4096, every: 2 },
    read: ["query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping"],
    only: { use_bidirectional_attention: [null, false] },
  },
  gguf: {
    ...llama.gguf!,
    layer: {
      ...llama.gguf!.layer,
      post_attention_norm: "post_attention_layernorm",
      ffn_norm: "pre_feedforward_layernorm",
      post_ffw_norm: "post_feedforward_layernorm",
    },
    interleaved: false,
    normsAreStoredWithOne: true,
    config: {
      hidden_act: "gelu_pytorch_tanh",
      keys: {
        attn_logit_softcapping: "attn_logit_softcapping",
        final_logit_softcapping: "final_logit_softcapping",
      },
      windowEvery: 2,
      // llama.cpp tells the one size that divides otherwise, 27B, by its layers.
      widthPerHeadScales: [46],
    },
  },
  norm: "rms, 1 + weight",
  attentionAfter: "post_attention_layernorm",
  mlpNorm: "pre_feedforward_layernorm",
  mlpAfter: "post_feedforward_layernorm",
  scaledEmbeddings: true,
};
