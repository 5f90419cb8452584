/** From items to a training: a tuner says what is trained, how, and on which examples; the core owns the training, its checkpoints and its controls. */
import type { Model, Unit } from "./model.ts";
import type { OverItems, ScoredItem } from "./scorer.ts";
import type { Example, TrainRecipe } from "./trainer.ts";

export interface TunerInput<Params> {
  readonly params: Params;
  /** Items by the name of their set, as the tuner's `sets` names them. Under the control `shuffled` their `gold` is drawn at random. */
  readonly items: Readonly<Record<string, readonly ScoredItem[]>>;
  readonly model: Pick<Model, "info" | "units" | "tokenizer">;
  /** Those that the tune step names, where the tuner wants any. */
  readonly units?: readonly Unit[];
  /** Of the training; decides every draw of plan(). */
  readonly seed: number;
}

/** A training without its seed, which is the treatment's. */
export interface Tuning {
  readonly recipe: Omit<TrainRecipe, "seed">;
  readonly examples: readonly Example[];
}

export interface Tuner<Params = unknown> extends OverItems<Params> {
  /** Whether a tune step has to name units, as a list or as a units file. */
  readonly wantsUnits?: boolean;
  /** Pure: the same input gives the same training. @throws {UserError} for items that it cannot make examples of. */
  plan(input: TunerInput<Params>): Tuning;
}

/**
 * Gives a tuner its type from its params; unknown params are errors when `params` is a `z.strictObject`.
 *
 * @example
 * ```ts
 * import { z } from "zod";
 * import { defineTuner } from "./mod.ts";
 * const tuner = defineTuner({
 *   name: "last_layer",
 *   version: "1",
 *   title: "Train the last MLP",
 *   source: "an example",
 *   params: z.strictObject({ learningRate: z.number().positive().default(1e-4) }),
 *   sets: ["items"],
 *   plan: ({ params: { learningRate }, items, model }) => ({
 *     recipe: {
 *       parameters: { kind: "full", blocks: [`layers.${model.info.layers - 1}.mlp`] },
 *       objective: { kind: "crossEntropy", over: "completion" },
 *       optimizer: { learningRate },
 *     },
 *     examples: items.items!.map(({ prompt, continuations, gold }) => ({ prompt, completion: continuations[gold!]! })),
 *   }),
 * });
 * if (tuner.params.parse({}).learningRate !== 1e-4) throw new Error("unexpected params");
 * ```
 */
export function defineTuner<Params>(tuner: Tuner<Params>): Tuner<Params> {
  return tuner;
}
