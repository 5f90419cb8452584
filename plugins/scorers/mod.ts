/** Scorers of units: a baseline by chance, a contrast of activations, and a first-order estimate of each unit's effect. */
import { definePlugin } from "../../core/mod.ts";
import { activationContrast } from "./activation_contrast.ts";
import { gradientProduct } from "./gradient_product.ts";
import { random } from "./random.ts";

export default definePlugin({
  name: "scorers",
  version: "1",
  source: "Plumbline",
  scorers: [activationContrast, gradientProduct, random],
});
