/** Mistral 7B and those after it: Llama, whose config may have a window of attention (Jiang et al., arXiv 2310.06825, section 2). */
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";

export const mistral: Architecture = { ...llama, modelTypes: ["mistral"] };
