/**
 * How much more active a unit is on some items than on others:
 *
 *   S[g, k] = mean over positive x of group g of a_k(x)  -  mean over negative x of a_k(x)
 *   standardised:  S / s_k,   s_k^2 = (SS_positive + SS_negative) / (n_positive + n_negative - 2)
 *
 * a_k(x) is pooled over the tokens of x; SS are squared distances to each set's own mean.
 *
 * Source: the difference of means, as a direction in Marks and Tegmark, The Geometry of Truth, arXiv 2310.06824 (mass-mean probe), and Arditi
 * et al., Refusal in Language Models Is Mediated by a Single Direction, arXiv 2406.11717; standardised, Cohen's d (Statistical Power
 * Analysis for the Behavioral Sciences, 1988). Deviation: those take the vector whole; reading its coordinates as scores of units,
 * and dividing each by its own deviation, is Plumbline's. A unit that never varies scores 0 when standardised.
 */
import { z } from "zod";
import {
  defineScorer,
  deviationOf,
  errorsOfMeans,
  groupIn,
  meanOf,
  type Pass,
  ratio,
  sampleOf,
  type ScoredItem,
  scoresOf,
  SITES,
  tapsAt,
} from "../../core/mod.ts";

const params = z.strictObject({
  /** "attn.head" is left out: a head's activation is a vector. */
  sites: z.array(z.enum(SITES).exclude(["attn.head"])).min(1).default(["mlp.act"]),
  pool: z.enum(["mean", "max", "last", "rms", "sum"]).default("mean"),
  /** "completion" and "all" run each item's right, or only, answer but for its last token. */
  over: z.enum(["all", "prompt", "completion"]).default("prompt"),
  standardise: z.boolean().default(true),
});

export const activationContrast = defineScorer({
  name: "activation_contrast",
  version: "1",
  title: "Mean activation on positive items less that on negative ones",
  source: "arXiv 2310.06824, arXiv 2406.11717; standardised: Cohen 1988",
  params,
  sets: ["positive", "negative"],
  passes({ params: { sites, pool, over }, items, model }) {
    const pass = (name: string, of: readonly ScoredItem[] = []): Pass => ({
      name,
      samples: of.map((item) => sampleOf(item, { over })),
      observe: tapsAt(sites, model.info.layers).map((tap) => ({ tap, quantity: "activation", pool, over })),
    });
    return [pass("positive", items.positive), pass("negative", items.negative)];
  },
  combine(pooled, { params: { sites, standardise }, model }) {
    return scoresOf(pooled.groups("positive"), tapsAt(sites, model.info.layers), (group, tap) => {
      const positive = pooled.at("positive", group, tap);
      const negative = pooled.at("negative", groupIn(pooled, "negative", group), tap);
      const above = meanOf(positive), below = meanOf(negative);
      const difference = above.map((mean, k) => mean - below[k]!);
      if (!standardise) return difference;
      const deviation = deviationOf([positive, negative]);
      return difference.map((value, k) => ratio(value, deviation[k]!));
    });
  },
  errors(pooled, { params: { sites, standardise }, model }) {
    if (standardise) return undefined;
    return errorsOfMeans(pooled.groups("positive"), tapsAt(sites, model.info.layers), (group, tap) => [
      pooled.at("positive", group, tap),
      pooled.at("negative", groupIn(pooled, "negative", group), tap),
    ]);
  },
});
