/**
 * GPT-2 (Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section 2.3): learned positions, LayerNorms, biases
 * everywhere, an MLP without gates, queries, keys and values in one stored matrix, and weights stored [in, out].
 *
 * What the MLP's activation reads is called "mlp.gate", as the neurons of gated families are scored there; there is no "mlp.up". The tap "embed" is
 * the sum of a token's and its position's embedding.
 */
import type { Architecture } from "./architecture.ts";

export const gpt2: Architecture = {
  modelTypes: ["gpt2"],
  config: {
    keys: {
      hidden_size: "n_embd",
      intermediate_size: "n_inner",
      num_hidden_layers: "n_layer",
      num_attention_heads: "n_head",
      max_position_embeddings: "n_positions",
      hidden_act: "activation_function",
      rms_norm_eps: "layer_norm_epsilon",
    },
    defaults: {
      activation_function: "gelu_new",
      layer_norm_epsilon: 1e-5,
      n_positions: 1024,
      tie_word_embeddings: true,
    },
    mlpWidths: 4,
    only: {
      scale_attn_weights: [true],
      scale_attn_by_inverse_layer_idx: [null, false],
      add_cross_attention: [null, false],
    },
  },
  gguf: {
    model: {
      token_embd: "transformer.wte",
      position_embd: "transformer.wpe",
      output_norm: "transformer.ln_f",
      output: "lm_head",
    },
    layer: {
      attn_norm: "ln_1",
      attn_qkv: "attn.c_attn",
      attn_output: "attn.c_proj",
      ffn_norm: "ln_2",
      ffn_up: "mlp.c_fc",
      ffn_down: "mlp.c_proj",
    },
    layerPrefix: "transformer.h.",
    interleaved: false,
    config: { hidden_act: "gelu_new", epsilon: "attention.layer_norm_epsilon" },
  },
  layout: {
    packed: { "attn.c_attn": ["attn.q", "attn.k", "attn.v"] },
    transposed: ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"],
    // Masks that older files keep.
    aside: /\.attn\.(masked_)?bias$/,
  },
  base: "transformer.",
  embed: "transformer.wte.weight",
  positions: "transformer.wpe.weight",
  unembed: "lm_head.weight",
  layer: (index) => `transformer.h.${index}.`,
  norm: "layer",
  finalNorm: "transformer.ln_f",
  attentionNorm: "ln_1",
  mlpNorm: "ln_2",
  q: "attn.c_attn.q",
  k: "attn.c_attn.k",
  v: "attn.c_attn.v",
  attentionOut: "attn.c_proj",
  gate: "mlp.c_fc",
  down: "mlp.c_proj",
  biased: ["attn.q", "attn.k", "attn.v", "attn.out", "mlp.gate", "mlp.out"],
};
