/**
 * Scores by chance, which any other scorer should beat:
 *
 *   S[k] ~ U[0, 1), independent for every unit
 *
 * so that the top units are a uniform draw without replacement from all units of the sites.
 *
 * Source: the random baseline of CULNIG, arXiv 2510.08284, which draws from the same four sites by default. Deviation: the draw is
 * Plumbline's own; each tap has a stream of its own, so adding a site changes no other score.
 */
import { z } from "zod";
import { createRandom, defineScorer, scoresOf, SITES, tapsAt } from "../../core/mod.ts";

export const random = defineScorer({
  name: "random",
  version: "1",
  title: "Scores drawn at random, from the seed",
  source: "arXiv 2510.08284 (random baseline)",
  params: z.strictObject({
    sites: z.array(z.enum(SITES)).min(1).default(["mlp.gate", "attn.q", "attn.k", "attn.v"]),
  }),
  sets: [],
  passes: () => [],
  combine(_, { params, model, seed }) {
    return scoresOf(["all"], tapsAt(params.sites, model.info.layers), (_, tap) => {
      const stream = createRandom(`${seed}/random/${tap}`);
      return Float64Array.from({ length: model.units(tap) }, () => stream.uniform());
    });
  },
});
