/**
 * Gemma 3, text alone (Gemma Team, arXiv 2503.19786, section 2): Gemma 2 with norms of each head's queries and keys in place of the caps, five
 * layers with a window to one without, and another rotary base for those with one.
 */
import type { Architecture } from "./architecture.ts";
import { gemma2 } from "./gemma2.ts";

export const gemma3: Architecture = {
  ...gemma2,
  modelTypes: ["gemma3_text", "gemma3"],
  config: {
    ...gemma2.config,
    defaults: {
      hidden_activation: "gelu_pytorch_tanh",
      head_dim: 256,
      tie_word_embeddings: true,
      query_pre_attn_scalar: 256,
      rope_theta: 1_000_000,
      rope_local_base_freq: 10_000,
    },
    windows: { kind: "pattern", size: 4096, every: 6 },
    // transformers has a field for a cap of scores and leaves it aside.
    read: ["query_pre_attn_scalar", "final_logit_softcapping"],
    only: {
      ...gemma2.config.only,
      attn_logit_softcapping: [null],
      // Of those that also see images, whose text model is a part of theirs.
      text_config: [],
    },
  },
  gguf: {
    ...gemma2.gguf!,
    layer: { ...gemma2.gguf!.layer, attn_q_norm: "self_attn.q_norm", attn_k_norm: "self_attn.k_norm" },
    config: {
      hidden_act: "gelu_pytorch_tanh",
      windowEvery: 6,
      localTheta: 10_000,
      widthPerHeadScales: [62],
    },
  },
  queryNorm: "self_attn.q_norm",
  keyNorm: "self_attn.k_norm",
  queryKeyNorms: "each head",
};
