/**
 * Phi-3, Phi-3.5 and Phi-4 (Abdin et al., arXiv 2404.14219, section 2): Llama whose queries, keys and values are one stored matrix, as are its
 * gates and what they are multiplied by; perhaps a window, longrope, and heads that are turned in part.
 *
 * Units are counted within their part: unit 3 of mlp.up is row `intermediate_size` + 3 of gate_up_proj.
 */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

const { attn_q: _, attn_k: __, attn_v: ___, ffn_gate: ____, ...parts } = llama.gguf!.layer;
export const phi3: Architecture = {
  ...llama,
  modelTypes: ["phi3"],
  config: {
    defaults: { rms_norm_eps: 1e-5, original_max_position_embeddings: 4096 },
    windows: { kind: "all" },
    read: ["partial_rotary_factor"],
  },
  gguf: {
    ...llama.gguf!,
    layer: { ...parts, attn_qkv: "self_attn.qkv_proj", ffn_up: "mlp.gate_up_proj" },
    interleaved: false,
    config: { windowEvery: "all" },
  },
  layout: {
    packed: {
      "self_attn.qkv_proj": ["attn.q", "attn.k", "attn.v"],
      "mlp.gate_up_proj": ["mlp.gate", "mlp.up"],
    },
  },
};
