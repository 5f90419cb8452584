/**
 * What the objective would lose, to first order, if a unit were silenced:
 *
 *   v_k(x) = pool over tokens t of a_k(t) * df(x) / da_k(t)
 *   S[g, k] = mean over items x of group g of v_k(x)  -  mean over control items x of max(v_k(x), 0)
 *
 * f(x) - f(x with a_k = 0) is about the sum of the products over t. The second mean is taken where there are control items, which hold what
 * the items have but the knowledge in question: its units are not wanted.
 *
 * Source: the Taylor criterion of Molchanov et al., arXiv 1611.06440, on neurons; the maximum over tokens, the weight f = P and
 * the control with its floor at 0 are CULNIG's, arXiv 2510.08284. Pool "sum" is the first-order estimate of an ablation; attribution
 * patching (Nanda 2023; Syed et al., arXiv 2310.10348) has a difference of activations in place of a_k, here to a corrupted run of zeros.
 * Deviations from CULNIG, whose units are also chosen by other rules: a mean over a group's own items, not over all; padding is skipped by
 * default, and weight "none".
 */
import { z } from "zod";
import {
  defineScorer,
  errorsOfMeans,
  groupIn,
  meanOf,
  type Pass,
  passObjective,
  sampleOf,
  type ScoredItem,
  scoresOf,
  SITES,
  tapsAt,
} from "../../core/mod.ts";

const params = z.strictObject({
  sites: z.array(z.enum(SITES)).min(1).default(["mlp.gate", "attn.q", "attn.k", "attn.v"]),
  /** Of the right answer: "probability" and "logprob" of its one token, its lead over the other or the others, its loss, where a unit that
   * helps scores below 0. */
  objective: z.enum(["probability", "logprob", "logitDifference", "cloze", "crossEntropy"]).default(
    "probability",
  ),
  pool: z.enum(["mean", "max", "last", "rms", "sum"]).default("max"),
  /** "zero" pads 16 items together, in their order, as CULNIG's program does. */
  padding: z.enum(["skip", "zero"]).default("skip"),
  /** "objective" multiplies each v by f. */
  weight: z.enum(["none", "objective"]).default("none"),
  /** Whether |v| takes the place of v, before the mean. */
  absolute: z.boolean().default(false),
});

export const gradientProduct = defineScorer({
  name: "gradient_product",
  version: "1",
  title: "Activation times gradient of what the model should answer",
  source: "arXiv 1611.06440, arXiv 2510.08284",
  params,
  sets: ["items"],
  optionalSets: ["control"],
  generic: (sites) => ({ sites, objective: "crossEntropy", pool: "mean", absolute: true }),
  passes({ params: { sites, objective, pool, padding, weight, absolute }, items, model }) {
    const pass = (name: string, of: readonly ScoredItem[]): Pass => ({
      name,
      samples: of.map((item) => sampleOf(item, { objective })),
      objective: passObjective(objective),
      observe: tapsAt(sites, model.info.layers).map((tap) => ({ tap, quantity: "product", pool, padding })),
      weight,
      absolute,
    });
    const { items: own = [], control } = items;
    return [pass("items", own), ...control ? [{ ...pass("control", control), floor: 0 }] : []];
  },
  combine(pooled, { params: { sites }, items, model }) {
    return scoresOf(pooled.groups("items"), tapsAt(sites, model.info.layers), (group, tap) => {
      const score = meanOf(pooled.at("items", group, tap));
      if (!items.control) return score;
      const control = meanOf(pooled.at("control", groupIn(pooled, "control", group), tap));
      return score.map((value, k) => value - control[k]!);
    });
  },
  errors(pooled, { params: { sites }, items, model }) {
    return errorsOfMeans(pooled.groups("items"), tapsAt(sites, model.info.layers), (group, tap) => [
      pooled.at("items", group, tap),
      ...items.control ? [pooled.at("control", groupIn(pooled, "control", group), tap)] : [],
    ]);
  },
});
