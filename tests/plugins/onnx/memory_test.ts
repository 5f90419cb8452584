/** What the backend expects a model to hold, beside what is known of it: its numbers, and those that a trainer trains. */
import { assert, assertEquals } from "@std/assert";
import type { MemoryWork, Trained } from "../../../core/mod.ts";
import { backend } from "../../../plugins/onnx/model.ts";
import type { OnnxParams } from "../../../plugins/onnx/describe.ts";
import { testContext } from "../../support.ts";
import { folder } from "./gradients_golden.ts";
import { FABLES, open } from "./open.ts";

async function weights(params: Omit<OnnxParams, "path">, work: MemoryWork["kind"], path = FABLES) {
  const { memory, info } = await backend.inspect({ path, ...params }, testContext());

  const asked = {
    score: { rows: 1 },
    gradients: {},
    write: { batch: 1 },
    train: { parameters: TRAINED[0]! },
  };
  const parts = memory!({ kind: work, tokens: 100, ...asked[work] } as MemoryWork);
  return { info, parts, weights: parts.find(({ what }) => /^(float32 )?weights/.test(what))?.bytes };
}

const TRAINED: readonly Trained[] = [
  { kind: "lora", targets: ["attn.q", "mlp.out"], rank: 3, alpha: 6, layers: [1] },
  { kind: "lora", targets: ["all-linear", "unembed"], rank: 2, alpha: 4 },
  { kind: "full", blocks: ["layers.*.mlp", "norm"] },
  { kind: "full", blocks: ["all"] },
  { kind: "embedding", token: 3 },
];

Deno.test("memory() counts weights once, and twice where packed ones go back too; slices by their bytes", async () => {
  const { info, weights: packed } = await weights({}, "score");
  assertEquals(packed, 4 * info.parameters);
  assertEquals((await weights({}, "gradients")).weights, 8 * info.parameters);
  assertEquals((await weights({ packed: false }, "gradients")).weights, 4 * info.parameters);
  // fables: 4 layers of q and out [96, 96], k and v [48, 96], gate and up [256, 96], down [96, 256].
  const sliced = 4 * (2 * 96 * 96 + 2 * 48 * 96 + 3 * 256 * 96), rest = info.parameters - sliced;
  const split = { precision: "split" } as const, int8 = { precision: "int8" } as const;
  assertEquals((await weights(split, "score")).weights, 2 * sliced + 4 * rest);
  assertEquals((await weights(split, "gradients")).weights, 4 * sliced + 8 * rest);
  assertEquals((await weights({ ...split, packed: false }, "gradients")).weights, 2 * sliced + 4 * rest);
  assertEquals((await weights(int8, "write")).weights, sliced + 4 * rest);
});

Deno.test("memory() of slices counts float32's weights in their place until an opening has compared them", async () => {
  const cacheDir = await Deno.makeTempDir(), context = testContext({ cacheDir });
  const whats = async (tokens: number, precision: "split" | "float32" = "split") => {
    const { memory } = await backend.inspect({ path: FABLES, precision }, context);
    return memory!({ kind: "score", tokens, rows: 1 }).map(({ what }) => what);
  };
  const own = ["weights in split", "activations", "logits at most"];
  assertEquals(await whats(1), ["float32 weights to compare with, once"]);
  // What scores more than those weights holds more itself.
  assertEquals(await whats(1000), own);
  assertEquals(await whats(1, "float32"), ["float32 weights", ...own.slice(1)]);
  await using _ = await backend.open({ path: FABLES, precision: "split" }, { taps: [] }, context);
  assertEquals(await whats(1), own);
  await Deno.remove(cacheDir, { recursive: true });
});

for (const name of ["gqa", "gpt2", "gemma3"]) {
  Deno.test(`memory() counts what a trainer trains: ${name}`, async () => {
    await using model = await open(folder(name));
    const { memory } = await backend.inspect({ path: folder(name) }, testContext());
    const recipes = name === "gpt2" ? TRAINED.slice(2) : TRAINED;
    for (const parameters of recipes) {
      await using trainer = await model.trainer({
        parameters,
        objective: { kind: "crossEntropy", over: "all" },
        optimizer: { learningRate: 0.01 },
        seed: 1,
        examples: [{ prompt: [4, 5], completion: [6] }],
      });
      const { gradients } = await trainer.gradients([{ prompt: [4, 5], completion: [6] }]);
      const numbers = [...gradients.values()].reduce((sum, { values }) => sum + values.length, 0);
      const part = memory!({ kind: "train", parameters }).find(({ what }) => /trained/.test(what))!;
      assert(numbers > 0);
      assertEquals(part.bytes, 8 * 4 * numbers, JSON.stringify(parameters));
    }
  });
}
