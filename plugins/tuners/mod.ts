/** Ways of training that belong to no one paper. */
import { definePlugin } from "../../core/mod.ts";
import { fineTune } from "./fine_tune.ts";
import { preference } from "./preference.ts";

export default definePlugin({
  name: "tuners",
  version: "1",
  source: "Plumbline",
  tuners: [fineTune, preference],
});
