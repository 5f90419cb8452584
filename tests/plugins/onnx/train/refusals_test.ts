/** Whatever cannot be trained is one line, before any work. */
import { assert, assertEquals } from "@std/assert";
import type { Example, Model, TrainOptions } from "../../../../core/mod.ts";
import { folder } from "../gradients_golden.ts";
import { open } from "../open.ts";
import { testContext } from "../../../support.ts";
import { refusal } from "./training_golden.ts";

const OPTIONS: TrainOptions = {
  parameters: { kind: "lora", targets: ["q_proj"], rank: 2, alpha: 4 },
  objective: { kind: "crossEntropy", over: "completion" },
  optimizer: { learningRate: 0.01 },
  seed: 1,
  examples: [{ prompt: [3, 4], completion: [5] }],
};
const PAIR = { prompt: [3], chosen: [4], rejected: [5] };
const DPO = { kind: "dpo", beta: 0.1 } as const;
/** What stands in the JSON of a preference file is not typed. */
const untyped = (example: unknown) => example as Example;

const REFUSALS: Readonly<Record<string, readonly [Partial<TrainOptions>, string]>> = {
  "a pair without its rejected side": [
    { objective: DPO, examples: [PAIR, untyped({ prompt: [3], chosen: [4] })] },
    "Cannot train gqa: example 2 has no rejected, wanted prompt, chosen, rejected",
  ],
  "a pair whose chosen side is empty": [
    { objective: DPO, examples: [{ ...PAIR, chosen: [] }] },
    "Cannot train gqa: example 1 has an empty chosen, wanted prompt, chosen, rejected",
  ],
  "a pair of the same side twice": [
    { objective: DPO, examples: [{ ...PAIR, chosen: [5] }] },
    "Cannot train gqa: example 1 has twice the same response, wanted two that differ",
  ],
  "a completion where pairs are wanted": [
    { objective: DPO },
    "Cannot train gqa: example 1 has no chosen, wanted prompt, chosen, rejected",
  ],
  "a pair where completions are wanted": [
    { examples: [PAIR] },
    "Cannot train gqa: example 1 has no completion, wanted prompt, completion",
  ],
  "a token that the model lacks": [
    { examples: [{ prompt: [3], completion: [96] }] },
    "Cannot train gqa: example 1 has token id 96, wanted ids in [0, 96)",
  ],
  "examples that are too long, counted": [
    {
      maxTokens: 4,
      examples: [...OPTIONS.examples, { prompt: [3, 4, 5], completion: [6, 7] }, {
        prompt: [3, 4, 5, 6, 7],
        completion: [6],
      }],
    },
    'Cannot train gqa: 2 of 3 examples are too long (example 2 has 5 tokens), wanted at most 4 or overlong "leaveOut"',
  ],
  "no example": [
    { examples: [] },
    "Cannot train gqa: no example is left, wanted one or more of at most 64 tokens",
  ],
  "a LoRA target that matches nothing": [
    { parameters: { kind: "lora", targets: ["q_projj"], rank: 2, alpha: 4 } },
    'Cannot train gqa: LoRA target "q_projj" matches no projection, did you mean "q_proj"',
  ],
  "a LoRA target of a layer that is not there": [
    { parameters: { kind: "lora", targets: ["q_proj"], rank: 2, alpha: 4, layers: [3] } },
    'Cannot train gqa: LoRA target "q_proj" matches no projection of layers 3',
  ],
  "a block that matches nothing": [
    { parameters: { kind: "full", blocks: ["layers.7.mlp"] } },
    'Cannot train gqa: block "layers.7.mlp" matches no weight',
  ],
  "the output matrix of a model that has none": [
    { parameters: { kind: "full", blocks: ["unembed"] } },
    'Cannot train gqa: block "unembed" matches no weight; its output matrix is its embedding',
  ],
  "a token whose embedding is not there": [
    { parameters: { kind: "embedding", token: 96 } },
    "Cannot train gqa: token is 96, wanted a token id in [0, 96)",
  ],
  "an embedding of another width": [
    { parameters: { kind: "embedding", token: 5, start: [1, 2] } },
    "Cannot train gqa: the embedding starts with 2 numbers, wanted 48 finite ones",
  ],
  "a rate of zero": [
    { optimizer: { learningRate: 0 } },
    "Cannot train gqa: ",
  ],
  "epochs and steps": [
    { epochs: 1, steps: 2 },
    "Cannot train gqa: wanted either epochs or steps",
  ],
  "an unknown key": [
    { learningRate: 1 } as Partial<TrainOptions>,
    'Cannot train gqa: unknown key "learningRate"',
  ],
};

for (const [what, [options, message]] of Object.entries(REFUSALS)) {
  Deno.test(`trainer() refuses ${what}`, async () => {
    await using model = await open(folder("gqa"));
    const found = await refusal(() => model.trainer({ ...OPTIONS, ...options }));
    assert(found.startsWith(message), `${found}, wanted ${message}`);
    assert(!found.includes("\n") && !found.endsWith("."), found);
  });
}

Deno.test("trainer() leaves out what is too long where it is told to, and says how much", async () => {
  const lines: string[] = [];
  await using model: Model = await open(folder("gqa"), [], testContext({ log: (line) => lines.push(line) }));
  await using trainer = await model.trainer({
    ...OPTIONS,
    maxTokens: 4,
    overlong: "leaveOut",
    examples: [...OPTIONS.examples, { prompt: [3, 4, 5], completion: [6, 7] }],
  });
  assertEquals(trainer.leftOut, 1);
  assertEquals(lines, ["1 of 2 examples are longer than 4 tokens: left out"]);
});
