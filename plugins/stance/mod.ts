/** Evaluators of stance: what a model says it agrees with. */
import { definePlugin } from "../../core/mod.ts";
import { survey } from "./survey.ts";

export default definePlugin({
  name: "stance",
  version: "1",
  source: "Plumbline, after Roettger et al., ACL 2024",
  evaluators: [survey],
});
