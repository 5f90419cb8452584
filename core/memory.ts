/** What a backend says of a model before it is opened, with how much memory its work will hold. */
import type { Disagreement } from "./disagreement.ts";
import type { Capability, Model } from "./model.ts";
import type { Trained } from "./trainer.ts";

/** What a model is asked for, as far as it decides how much memory it holds. */
export type MemoryWork =
  /** Padded tokens at once, and positions among them that logits are read of. */
  | { readonly kind: "score"; readonly tokens: number; readonly rows: number }
  | { readonly kind: "gradients"; readonly tokens: number }
  /** Prompts that are written after at once, and tokens of the longest with what is written. */
  | { readonly kind: "write"; readonly batch: number; readonly tokens: number }
  | { readonly kind: "train"; readonly parameters: Trained };

/** A part of what is held at once. */
export interface MemoryPart {
  readonly what: string;
  readonly bytes: number;
}

/** What can be said of a model before it is opened. */
export interface Inspected extends Pick<Model, "info" | "units" | "tokenizer"> {
  /** What it will be able to do; absent: whatever is asked. */
  readonly can?: ReadonlySet<Capability>;
  /** An estimate of the most that it will hold; pure. */
  memory?(work: MemoryWork): readonly MemoryPart[];
  /** Asked before a run computes anything. @throws {UserError} for what this machine lacks to open it. */
  ready?(): Promise<void>;
  /** How far it is from itself in its reference way, as an opening has found it; undefined where none has, or where this is that way. */
  disagreement?(): Disagreement | undefined;
}
