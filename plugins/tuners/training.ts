/** What the tuners here have in common: which numbers are trained and how, and an item's right answer. */
import { z } from "zod";
import { type ScoredItem, type TrainRecipe, TrainRecipeSchema, UserError } from "../../core/mod.ts";

const { parameters, optimizer, schedule, batch, epochs, maxTokens, overlong } = TrainRecipeSchema.shape;

/** As TrainRecipe has them; LoRA of rank 16 on queries, values and the MLP unless said. */
export const training = {
  parameters: parameters.default({
    kind: "lora",
    targets: ["attn.q", "attn.v", "mlp"],
    rank: 16,
    alpha: 32,
    dropout: 0,
  }),
  optimizer: optimizer.prefault({ learningRate: 2e-4 }),
  schedule: schedule.unwrap().prefault({ kind: "cosine" }),
  batch,
  epochs: epochs.default(1),
  maxTokens,
  overlong,
};

/** The recipe in params. */
export function recipeOf(
  { parameters, optimizer, schedule, batch, epochs, maxTokens, overlong }: z.output<
    z.ZodObject<typeof training>
  >,
): Omit<TrainRecipe, "seed" | "objective"> {
  const own = { parameters, optimizer, schedule, batch, epochs, overlong };
  // Optional members may be there and undefined, which is the same to whoever reads the recipe.
  return (maxTokens === undefined ? own : { ...own, maxTokens }) as Omit<TrainRecipe, "seed" | "objective">;
}

/** @throws {UserError} naming an item that has none. */
export function rightOf({ id, continuations, gold }: ScoredItem): readonly number[] {
  const right = continuations[gold ?? (continuations.length === 1 ? 0 : -1)];
  if (right) return right;
  throw new UserError(`Cannot train on item ${id}: it has no right answer, wanted one`);
}
