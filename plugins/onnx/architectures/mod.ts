/** The model families that can be built. */
import { UserError } from "../../../core/mod.ts";
import type { Architecture } from "./architecture.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { gpt2 } from "./gpt2.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { olmo2 } from "./olmo2.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen3 } from "./qwen3.ts";

const ARCHITECTURES: readonly Architecture[] = [
  llama,
  mistral,
  qwen2,
  qwen3,
  gemma2,
  gemma3,
  gpt2,
  phi3,
  olmo2,
];

/** @throws {UserError} that lists the known ones. */
export function findArchitecture(modelType: string, path: string): Architecture {
  const found = ARCHITECTURES.find(({ modelTypes }) => modelTypes.includes(modelType));
  if (found) return found;
  const known = ARCHITECTURES.flatMap(({ modelTypes }) => modelTypes).join(", ");
  throw new UserError(`Cannot open ${path}: architecture is "${modelType}", wanted one of ${known}`);
}
