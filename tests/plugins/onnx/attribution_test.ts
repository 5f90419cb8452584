/** Direct logit attribution beside PyTorch in float64, and beside the logits themselves. */
import { assert, assertEquals } from "@std/assert";
import type { Model, Observation, Observed, Tap } from "../../../core/mod.ts";
import { needs, REAL_MODEL } from "../../support.ts";
import { assertNear, caseOf, folder, goldenOf, MODELS, requestOf, tapsEdited } from "./gradients_golden.ts";
import { open } from "./open.ts";

/** What is allowed between the sum of direct parts and the logit difference, in logits. */
const DIRECT = 1e-3;

/** Every tap that "direct" may be asked of. */
function directOf(model: Model): Observation[] {
  const taps = Array.from(
    { length: model.info.layers },
    (_, layer) => ["attn.head", "attn.out", "mlp.out"].map((site) => `layers.${layer}.${site}` as Tap),
  );
  return ["embed" as const, ...taps.flat()].map((tap) => ({ tap, quantity: "direct", pool: "last" }));
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

/** The embedding, every head and every MLP; where attention has a bias, what it writes beside its heads. */
function wholeOf(observed: readonly Observed[], sample: number, biased: boolean): number {
  const at = (tap: Tap) => sum(observed.find(({ observation }) => observation.tap === tap)!.values[sample]!);
  return sum(observed.map(({ observation: { tap } }) => {
    if (!tap.endsWith(".attn.out")) return at(tap);
    return biased ? at(tap) - at(tap.replace("attn.out", "attn.head") as Tap) : 0;
  }));
}

/** Families whose blocks write through norms, whose last norm is another, or whose logits are capped: of these the parts are compared with
 * PyTorch's, and sum to the difference less what biases and the cap's bend make. */
const ANOTHER_READOUT = ["gemma2", "gemma3", "gpt2", "olmo2"] as const;

for (const name of [...MODELS, ...ANOTHER_READOUT]) {
  for (const which of ["logitDifference", "logitDifference, edited"]) {
    const isFamily = ANOTHER_READOUT.some((family) => family === name);
    if (isFamily && which !== "logitDifference") continue;
    Deno.test(`run() attributes the logits of ${name} to heads, MLPs and the embedding as PyTorch does: ${which}`, async () => {
      const golden = goldenOf(name), place = caseOf(golden, which);
      await using model = await open(folder(name), tapsEdited(place));
      const { observed } = await model.run(place.samples, requestOf(place, directOf(model)));
      place.objectives.forEach((difference, i) => {
        for (const { observation: { tap }, values, columns } of observed) {
          const expected = golden.rows(place, i, { tap, quantity: "direct" })!;
          assertEquals(columns, expected.columns);
          assertNear(values[i]!, expected.values, { place: `${tap} of sample ${i}` });
        }
        if (name === "gemma2" || name === "gpt2") return;
        assert(Math.abs(wholeOf(observed, i, name === "biased") - difference) < DIRECT, `sample ${i}`);
      });
    });
  }
}

Deno.test({
  name: "run() splits SmolLM2's logit differences into parts that sum to them",
  ...needs("model"),
  async fn() {
    await using model = await open(REAL_MODEL);
    const texts = ["The capital of France is", "After the rain stopped, the children ran over the"];
    const samples = texts.map((text) => ({ prompt: model.tokenizer.encode(text) }));
    const objective = { kind: "logitDifference", target: [" Paris", " wet"], against: " London" } as const;
    const { observed, objective: differences } = await model.run(samples, {
      objective,
      observe: directOf(model),
    });
    for (const [i, { prompt }] of samples.entries()) {
      const logits = (await model.logits(prompt)).slice(-model.info.vocab);
      const [target, against] = [objective.target[i]!, objective.against].map((text) =>
        logits[model.tokenizer.encode(text)[0]!]!
      ) as [number, number];
      assert(Math.abs(differences[i]! - (target - against)) < DIRECT);
      const whole = wholeOf(observed, i, false);
      assert(Math.abs(whole - (target - against)) < DIRECT, `${whole} beside ${target - against}`);
    }
  },
});
