/** Neurons that carry culture: CULNIG, arXiv 2510.08284. */
import { definePlugin } from "../../core/mod.ts";
import { culnig } from "./scorer.ts";
import { cultureBlocks } from "./tuner.ts";

export default definePlugin({
  name: "culnig",
  version: "1",
  source: "Yamamoto et al., arXiv 2510.08284",
  scorers: [culnig],
  tuners: [cultureBlocks],
  proofs: async () => {
    const [{ attribution, checks }, { claims, matrices }] = await Promise.all([
      import("./checks.ts"),
      import("./claims.ts"),
    ]);
    return { checks, attribution, matrices, claims };
  },
});
