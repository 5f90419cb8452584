/** OLMo 2 (OLMo Team, arXiv 2501.00656, section 2): Llama whose norms are of what blocks write, with norms of all queries and of all keys. */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

const { attentionNorm: _, mlpNorm: __, ...named } = llama;
const { attn_norm: ___, ffn_norm: ____, ...parts } = llama.gguf!.layer;
export const olmo2: Architecture = {
  ...named,
  modelTypes: ["olmo2"],
  config: { defaults: { rms_norm_eps: 1e-5 } },
  gguf: {
    ...llama.gguf!,
    layer: {
      ...parts,
      attn_q_norm: "self_attn.q_norm",
      attn_k_norm: "self_attn.k_norm",
      post_attention_norm: "post_attention_layernorm",
      post_ffw_norm: "post_feedforward_layernorm",
    },
    interleaved: false,
  },
  attentionAfter: "post_attention_layernorm",
  mlpAfter: "post_feedforward_layernorm",
  queryNorm: "self_attn.q_norm",
  keyNorm: "self_attn.k_norm",
  queryKeyNorms: "all heads",
};
