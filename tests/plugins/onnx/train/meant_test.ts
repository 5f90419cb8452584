import { assertEquals } from "@std/assert";
import { findArchitecture } from "../../../../plugins/onnx/architectures/mod.ts";
import { shapeOf } from "../../../../plugins/onnx/architectures/shape.ts";
import { modulesMeant } from "../../../../plugins/onnx/train/meant.ts";
import { inspectCheckpoint } from "../../../../plugins/onnx/weights/checkpoint.ts";
import { testContext } from "../../../support.ts";
import { folder } from "../gradients_golden.ts";

async function meant(family: string, targets: readonly string[], layers?: readonly number[]) {
  const { config } = await inspectCheckpoint(folder(family), testContext());
  const architecture = findArchitecture(config.model_type, family), shape = shapeOf(config, architecture);
  const chosen = modulesMeant({ targets, ...layers && { layers } }, {
    architecture,
    shape,
    task: "train",
  });
  return chosen.map(({ layer, site }) => `${layer} ${site}`);
}

Deno.test("a LoRA target that is a block means all projections that the family has there", async () => {
  assertEquals(await meant("gqa", ["mlp"], [1]), ["1 mlp.gate", "1 mlp.up", "1 mlp.out"]);
  assertEquals(await meant("gpt2", ["mlp"], [1]), ["1 mlp.gate", "1 mlp.out"]);
  assertEquals(await meant("gqa", ["layers.0.attn"]), ["0 attn.q", "0 attn.k", "0 attn.v", "0 attn.out"]);
  assertEquals(await meant("gqa", ["attn.q", "q_proj", "layers.1.mlp.up"], [1]), ["1 attn.q", "1 mlp.up"]);
});
