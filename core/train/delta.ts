/** What training gives: a safetensors file and a manifest that says what it is, filed under the manifest's hash. */
import { z } from "zod";
import { MadeOfSchema } from "../provenance/made_of.ts";
import { TrainRecipeSchema } from "./recipe.ts";

const Sha = z.string().regex(/^[0-9a-f]{64}$/, "wanted a sha256 in hex");

/** The content of delta.json. */
export const DeltaManifestSchema = z.strictObject({
  version: z.literal(1),
  /** What was trained, with defaults written out; absent for an adapter that came from elsewhere. */
  recipe: TrainRecipeSchema.optional(),
  /** ModelInfo.hash of the model that was trained: weights and config; absent where that is not known. */
  base: z.strictObject({ name: z.string(), weights: Sha, config: Sha, tokenizer: Sha }).optional(),
  /** Of the examples: how many, how many were too long and left out, and the sha256 of their canonical JSON. */
  data: z.strictObject({ examples: z.int(), leftOut: z.int(), sha256: Sha }).optional(),
  madeOf: z.array(MadeOfSchema),
  /** Updates done. */
  steps: z.int(),
  /** Of the last batch, in nats; null without an update. */
  finalLoss: z.number().nullable(),
  /** sha256 of the tensors' file. */
  tensors: Sha,
});
export type DeltaManifest = z.output<typeof DeltaManifestSchema>;

/** A trained delta: tensors' new values, or LoRA's factors. */
export interface Delta {
  /** sha256 of the manifest's canonical JSON. */
  readonly hash: string;
  readonly manifest: DeltaManifest;
  /** Where it lies: delta.json and its tensors; in PEFT's layout for LoRA. */
  readonly folder: string;
}
