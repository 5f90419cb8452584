/** Deltas on disk: full weights and embeddings as delta.safetensors, LoRA in PEFT's layout; beside them the manifest, delta.json. */
import { join } from "node:path";
import {
  canonicalJson,
  type Delta,
  type DeltaManifest,
  type ResolvedRecipe,
  sha256,
} from "../../../core/mod.ts";
import { writeTensors, writeWhole, type WrittenTensor } from "../weights/write.ts";

export interface SavedDelta {
  readonly recipe: ResolvedRecipe;
  readonly parameters: readonly WrittenTensor[];
  readonly manifest: Omit<DeltaManifest, "tensors" | "recipe"> & { readonly recipe: ResolvedRecipe };
}

/** Writes a delta into `folder`/HASH. */
export function saveDelta(folder: string, { parameters, manifest }: SavedDelta): Delta {
  Deno.mkdirSync(folder, { recursive: true });
  const draft = Deno.makeTempDirSync({ dir: folder, prefix: ".draft-" });
  const file = join(draft, "delta.safetensors");
  writeTensors(file, parameters);
  const whole = { ...manifest, tensors: sha256(Deno.readFileSync(file)) } as DeltaManifest;
  const text = canonicalJson(whole), hash = sha256(text), place = join(folder, hash);
  writeWhole(join(draft, "delta.json"), (write) => write(new TextEncoder().encode(`${text}\n`)));
  try {
    Deno.renameSync(draft, place);
  } catch (error) {
    // The same delta is there already: the same hash is the same bytes.
    Deno.removeSync(draft, { recursive: true });
    if (!(error instanceof Error) || !/not empty|exists/i.test(error.message)) throw error;
  }
  return { hash, manifest: whole, folder: place };
}
