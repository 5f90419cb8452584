/**
 * Open models on ONNX Runtime: the checkpoint becomes a graph with named taps, edits are its inputs.
 *
 * Source: Plumbline. The runtime is onnxruntime-node as it comes; weights stay in the files they lie in.
 */
import { z } from "zod";
import { definePlugin } from "../../core/mod.ts";
import { DEVICES } from "./session/door.ts";
import { PRECISIONS } from "./weights/slices.ts";

export default definePlugin({
  name: "onnx",
  version: "1",
  source: "Plumbline",
  backends: [{
    name: "onnx",
    version: "1",
    title: "Decoder checkpoints (safetensors folder, GGUF, ONNX export) on ONNX Runtime",
    params: z.strictObject({
      path: z.string().min(1),
      packed: z.boolean().optional(),
      device: z.enum(DEVICES).optional(),
      precision: z.enum(PRECISIONS).optional(),
    }),
    load: async () => (await import("./model.ts")).backend,
  }],
});
