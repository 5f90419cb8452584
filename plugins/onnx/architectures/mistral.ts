/** Mistral 7B and those after it: Llama, whose config may have a window of attention (Jiang et al., arXiv 2310.06825, section 2). A GGUF calls
 * itself llama and keeps no window. */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

const { gguf: _, ...named } = llama;
export const mistral: Architecture = {
  ...named,
  modelTypes: ["mistral"],
  config: { windows: { kind: "all", size: 4096 } },
};
