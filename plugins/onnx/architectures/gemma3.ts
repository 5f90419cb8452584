/**
 * Gemma 3, text alone, also of the models that see images (Gemma Team, arXiv 2503.19786, section 2): Gemma 2 with norms of each head's queries and keys in place of the caps, five
 * layers with a window to one without, and another rotary base for those with one.
 */
import type { Architecture } from "./architecture.ts";
import { gemma2 } from "./gemma2.ts";

export const gemma3: Architecture = {
  ...gemma2,
  modelTypes: ["gemma3_text", "gemma3"],
  config: {
    ...gemma2.config,
    within: "text_config",
    defaults: {
      // Those of 4B, whose file leaves them out.
      num_attention_heads: 8,
      num_key_value_heads: 4,
      vocab_size: 262_208,
      max_position_embeddings: 131_072,
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
  // Of the models that also see images, the text model alone.
  layout: {
    renamed: {
      "language_model.model.": "model.",
      "model.language_model.": "model.",
      "language_model.lm_head.": "lm_head.",
    },
    aside: /^(model\.)?(vision_tower|multi_modal_projector)\./,
  },
  queryNorm: "self_attn.q_norm",
  keyNorm: "self_attn.k_norm",
  queryKeyNorms: "each head",
};
