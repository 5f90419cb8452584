/**
 * Supervised fine-tuning: the right answer of each item after its prompt.
 *
 *     loss = mean over all answer tokens of a batch of -log P(token | prompt and answer before it)
 *
 * Source: Plumbline; LoRA is Hu et al.'s, arXiv 2106.09685.
 */
import { z } from "zod";
import { defineTuner } from "../../core/mod.ts";
import { recipeOf, rightOf, training } from "./training.ts";

export const fineTune = defineTuner({
  name: "fine_tune",
  version: "1",
  title: "Train the right answers",
  source: "Plumbline; arXiv 2106.09685",
  params: z.strictObject(training),
  sets: ["items"],
  plan: ({ params, items: { items = [] } }) => ({
    recipe: { ...recipeOf(params), objective: { kind: "crossEntropy", over: "completion" } },
    examples: items.map((item) => ({ prompt: item.prompt, completion: rightOf(item) })),
  }),
});
