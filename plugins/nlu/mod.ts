/** Evaluators of language understanding. */
import { definePlugin } from "../../core/mod.ts";
import { multipleChoice } from "./multiple_choice.ts";
import { shortAnswer } from "./short_answer.ts";

export default definePlugin({
  name: "nlu",
  version: "1",
  source: "Plumbline, after lm-evaluation-harness 0.4.13 and CULNIG (arXiv 2510.08284)",
  evaluators: [multipleChoice, shortAnswer],
});
