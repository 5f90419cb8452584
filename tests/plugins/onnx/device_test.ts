/** Other devices than the CPU. WebGPU is tried on SwiftShader, a GPU in software that comes with Chromium. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Observation, SITES, type Tap, UserError } from "../../../core/mod.ts";
import * as ort from "onnxruntime-node";
import { architectureOf } from "../../../plugins/onnx/describe.ts";
import { drawGraph } from "../../../plugins/onnx/engine.ts";
import { encode } from "../../../plugins/onnx/graph/encode.ts";
import type { Graph } from "../../../plugins/onnx/graph/graph.ts";
import { backend } from "../../../plugins/onnx/model.ts";
import type { Device } from "../../../plugins/onnx/session/door.ts";
import { openCheckpoint } from "../../../plugins/onnx/weights/checkpoint.ts";
import { needs, testContext } from "../../support.ts";
import { assertNear, caseOf, folder, goldenOf, requestOf, tapsEdited } from "./gradients_golden.ts";

/** What the CPU's gradients may differ by from another device's, beside the largest. */
const DEVICE = 1e-3;

Deno.test("a device that the runtime does not find is refused in one line, before weights are read", async () => {
  const error = await assertRejects(
    () => backend.open({ path: folder("gqa"), device: "cuda" }, { taps: [] }, testContext()),
    UserError,
    "Cannot compute on cuda: the runtime says",
  ) as UserError;
  assertEquals(error.message.split("\n").length, 1);
  assert(error.message.endsWith("finds (README says what cuda needs), or cpu"), error.message);
});

/** Runs this file in a process of its own, whose Vulkan driver is SwiftShader. @returns what it says on both outputs. */
async function onWebGpu(...args: string[]): Promise<string> {
  const script = new URL(import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", script, ...args],
    env: { VK_ICD_FILENAMES: "/usr/lib/chromium/vk_swiftshader_icd.json" },
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await command.output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert(success, said);
  return said;
}

for (const name of ["gqa", "gemma3", "gpt2"]) {
  Deno.test({
    name: `gradients and logits of ${name} on WebGPU are PyTorch's and the CPU's`,
    ...needs("swiftshader"),
    async fn() {
      assert((await onWebGpu(name)).includes("agree"));
    },
  });
  Deno.test({
    name: `WebGPU computes every float of ${name}: only sizes and places are left to the CPU`,
    ...needs("swiftshader"),
    async fn() {
      const said = await onWebGpu("placements", name);
      const places = new Set(
        (await graphsOf(name)).flatMap(({ nodes }) => nodes.flatMap(({ outputs }) => outputs))
          .filter(({ dtype }) => dtype === "int64").map(({ name }) => name),
      );
      const placed = [...said.matchAll(/placed on \[(\w+)\]|AssignedToAnEp\] +(\w+) \((.+)\)/g)];
      let provider = "", computed = 0;
      for (const [, found, op, node] of placed) {
        if (found) provider = found;
        else if (provider === "WebGpuExecutionProvider") computed += 1;
        else {
          const isSizes = /\.lowered\.(sizes|before)$/.test(node!);
          assert(isSizes || places.has(node!), `${op} ${node} on ${provider}`);
        }
      }
      assert(computed > 500, `${computed} nodes on WebGPU`);
    },
  });
}

/** A model's graphs that score, and that compute gradients. */
async function graphsOf(name: string): Promise<Graph[]> {
  const checkpoint = await openCheckpoint(folder(name), testContext());
  const { taps } = caseOf(goldenOf(name), "logprob, edited");
  const observe = taps.map((tap: Tap) => ({ tap, quantity: "product", pool: "max", over: "all" } as const));
  const specs = [{ kind: "score", edits: taps }, {
    kind: "run",
    edits: taps,
    observe,
    objective: true,
  }] as const;
  return specs.map((spec) => drawGraph(architectureOf(checkpoint), checkpoint, spec));
}

/** Opens a model's graphs and has the runtime say where each node is computed. */
async function sayPlacements(name: string): Promise<void> {
  ort.env.logLevel = "verbose";
  for (const graph of await graphsOf(name)) {
    const session = await ort.InferenceSession.create(encode(graph, "webgpu"), {
      executionProviders: ["webgpu"],
      graphOptimizationLevel: "basic",
      logSeverityLevel: 0,
      extra: { session: { model_external_initializers_file_folder_path: "/" } },
    });
    await session.release();
  }
}

/** Also by hand, where there is a GPU: `deno run -A tests/plugins/onnx/device_test.ts gqa cuda`. */
async function compare(name: string, device: Device): Promise<void> {
  const golden = goldenOf(name), place = caseOf(golden, "logprob, edited"), path = folder(name);
  const context = testContext(), taps = tapsEdited(place);
  await using gpu = await backend.open({ path, device }, { taps }, context);
  await using cpu = await backend.open({ path }, { taps }, context);
  assert(gpu.info.hash.config !== cpu.info.hash.config, "each device's numbers have keys of their own");
  const ids = [5, 9, 7, 30, 11];
  assertNear(await gpu.logits(ids), await cpu.logits(ids), { place: "logits", tolerance: DEVICE });
  const observe = place.taps.map((tap: Tap): Observation => ({ tap, quantity: "gradient", pool: "none" }));
  assert(observe.length > SITES.length);
  const { observed } = await gpu.run(place.samples, requestOf(place, observe));
  for (const { observation: { tap }, values, columns } of observed) {
    place.samples.forEach((_, i) => {
      const expected = golden.rows(place, i, { tap, quantity: "gradient" })!;
      assertNear(values[i]!, expected.values, { place: `${tap} of sample ${i}`, tolerance: DEVICE, columns });
    });
  }
  const training = {
    parameters: { kind: "full", blocks: ["all"] },
    objective: { kind: "crossEntropy", over: "all" },
    optimizer: { learningRate: 0.01 },
    schedule: { kind: "constant" },
    batch: 2,
    steps: 1,
    seed: 1,
    examples: [{ prompt: ids, completion: [6, 8] }, { prompt: [4], completion: ids }],
  } as const;
  await using here = await gpu.trainer(training);
  await using there = await cpu.trainer(training);
  const [own, expected] = [await here.gradients(training.examples), await there.gradients(training.examples)];
  const largest = Math.max(
    ...[...expected.gradients.values()].flatMap(({ values }) => [...values].map(Math.abs)),
  );
  for (const [weight, { values }] of own.gradients) {
    const wanted = expected.gradients.get(weight)!.values;
    values.forEach((value, i) => assert(Math.abs(value - wanted[i]!) < DEVICE * largest, weight));
  }
  const out = await Deno.makeTempDir();
  await using adapted = await gpu.adapted((await there.save(out)).folder);
  assert(adapted.info.hash.weights !== gpu.info.hash.weights, "a delta of the CPU is one of the GPU");
  await Deno.remove(out, { recursive: true });
  for await (const { tokens } of gpu.generate([ids], { maxNewTokens: 6, stop: [] })) {
    for await (const other of cpu.generate([ids], { maxNewTokens: 6, stop: [] })) {
      assertEquals(tokens, other.tokens);
    }
  }
  console.log("agree");
}

if (import.meta.main) {
  const [name = "", device = "webgpu"] = Deno.args;
  await (name === "placements" ? sayPlacements(device) : compare(name, device as Device));
}
