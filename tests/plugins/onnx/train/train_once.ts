/** Trains a tiny model with checkpoints and prints each update, then the delta's hash: `train_once.ts LORA|FULL CHECKPOINTS OUT`. */
import { folder } from "../gradients_golden.ts";
import { open } from "../open.ts";
import { caseOf, trainerOf } from "./training_golden.ts";

const [kind, checkpoints, out] = Deno.args as [string, string, string];
await using model = await open(folder(kind === "dpo" ? "gqa" : "biased"));
const place = caseOf(kind === "dpo" ? "dpo" : "full"), { parameters } = place.recipe;
await using trainer = await trainerOf(model, place, {
  parameters: parameters.kind === "lora" ? { ...parameters, dropout: 0.2 } : parameters,
  batch: 3,
  steps: 60,
  checkpoint: { folder: checkpoints, every: 7 },
});
console.log(`from ${trainer.done()}`);
for await (const { step } of trainer.run()) console.log(`update ${step}`);
console.log(`delta ${(await trainer.save(out)).hash}`);
