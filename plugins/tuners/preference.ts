/**
 * Direct preference optimisation: the right answer of each item is preferred to each of the others, a pair for each.
 *
 *     loss = mean over pairs of -(1 - s) log sigmoid(z) - s log sigmoid(-z),   z = beta [(lp_c - lp_r) - (lp_c' - lp_r')]
 *
 * with lp the log-probability of an answer summed over its tokens, c the right and r the other one, ' the model as it was, s the smoothing.
 *
 * Source: Rafailov et al., arXiv 2305.18290.
 */
import { z } from "zod";
import { defineTuner, UserError } from "../../core/mod.ts";
import { recipeOf, rightOf, training } from "./training.ts";

export const preference = defineTuner({
  name: "preference",
  version: "1",
  title: "Prefer the right answers to the others (DPO)",
  source: "arXiv 2305.18290",
  params: z.strictObject({
    ...training,
    beta: z.number().positive().default(0.1),
    labelSmoothing: z.number().min(0).lt(0.5).default(0),
  }),
  sets: ["items"],
  plan: ({ params, items: { items = [] } }) => ({
    recipe: {
      ...recipeOf(params),
      objective: { kind: "dpo", beta: params.beta, labelSmoothing: params.labelSmoothing },
    },
    examples: items.flatMap((item) => {
      const { id, prompt, continuations } = item, chosen = rightOf(item);
      if (continuations.length < 2) {
        throw new UserError(`Cannot train on item ${id}: it has one answer, wanted another to prefer it to`);
      }
      return continuations.filter((other) => other !== chosen).map((rejected) => ({
        prompt,
        chosen,
        rejected,
      }));
    }),
  }),
});
