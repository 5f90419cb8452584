/** Recipes as they are read: strict, with every default written out. */
import { z } from "zod";
import { SITES, type Unit } from "../model.ts";
import { parseWith } from "../schema.ts";
import type { AdamWOptions, ScheduleOptions, TrainObjective, TrainRecipe } from "../trainer.ts";

const Count = z.int().min(1);
const Share = z.number().min(0).lt(1);
const UnitSchema = z.strictObject({
  tap: z.string().regex(
    new RegExp(`^(embed|layers\\.\\d+\\.(${SITES.map((site) => site.replace(".", "\\.")).join("|")}))$`),
    "wanted a tap",
  ),
  index: z.int().min(0),
});

export const TrainRecipeSchema = z.strictObject({
  parameters: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("lora"),
      targets: z.array(z.string().min(1)).min(1),
      rank: Count,
      alpha: z.number().positive(),
      dropout: Share.default(0),
      layers: z.array(z.int().min(0)).min(1).optional(),
    }),
    z.strictObject({ kind: z.literal("full"), blocks: z.array(z.string().min(1)).min(1) }),
    z.strictObject({
      kind: z.literal("embedding"),
      token: z.int().min(0),
      start: z.array(z.number()).min(1).optional(),
    }),
  ]),
  objective: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("crossEntropy"), over: z.enum(["completion", "all"]) }),
    z.strictObject({
      kind: z.literal("dpo"),
      beta: z.number().positive(),
      labelSmoothing: z.number().min(0).lt(0.5).default(0),
    }),
  ]),
  optimizer: z.strictObject({
    learningRate: z.number().positive(),
    betas: z.tuple([Share, Share]).default([0.9, 0.999]),
    epsilon: z.number().positive().default(1e-8),
    weightDecay: z.number().min(0).default(0),
    clip: z.number().positive().optional(),
  }),
  schedule: z.strictObject({
    kind: z.enum(["constant", "linear", "cosine", "cosineRestarts"]),
    warmup: z.int().min(0).default(0),
    cycles: Count.default(1),
  }).prefault({ kind: "constant" }),
  batch: Count.default(8),
  epochs: Count.optional(),
  steps: Count.optional(),
  frozen: z.array(UnitSchema).default([]),
  reach: z.record(z.string(), z.array(UnitSchema).min(1)).default({}),
  seed: z.union([z.int(), z.string()]),
  maxTokens: z.int().min(2).optional(),
  overlong: z.enum(["refuse", "leaveOut"]).default("refuse"),
}).refine(({ epochs, steps }) => epochs === undefined || steps === undefined, {
  error: "wanted either epochs or steps",
});

/** With every default written out. */
export interface ResolvedRecipe extends TrainRecipe {
  readonly objective: TrainObjective;
  readonly optimizer: Required<Omit<AdamWOptions, "clip">> & Pick<AdamWOptions, "clip">;
  readonly schedule: Required<ScheduleOptions>;
  readonly batch: number;
  readonly frozen: readonly Unit[];
  readonly reach: Readonly<Record<string, readonly Unit[]>>;
  readonly overlong: "refuse" | "leaveOut";
}

/** @throws {UserError} about the first thing that is not as TrainRecipe says. */
export function resolveRecipe(recipe: TrainRecipe, task: string): ResolvedRecipe {
  return parseWith(TrainRecipeSchema, recipe, task) as ResolvedRecipe;
}
