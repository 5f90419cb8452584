/** The training graph itself: chunks, micro-batches, dropout. */
import { assert, assertEquals } from "@std/assert";
import type { TrainedTensor } from "../../../../core/mod.ts";
import { findArchitecture } from "../../../../plugins/onnx/architectures/mod.ts";
import { createRotary } from "../../../../plugins/onnx/architectures/rope.ts";
import { shapeOf } from "../../../../plugins/onnx/architectures/shape.ts";
import { encode } from "../../../../plugins/onnx/graph/encode.ts";
import { interpret } from "../../../../plugins/onnx/graph/interpret.ts";
import { openSession } from "../../../../plugins/onnx/session/session.ts";
import { trainingFeeds } from "../../../../plugins/onnx/train/feeds.ts";
import { drawTraining } from "../../../../plugins/onnx/train/graph.ts";
import { planParameters, readTensor } from "../../../../plugins/onnx/train/parameters.ts";
import { samplesOf } from "../../../../plugins/onnx/train/samples.ts";
import { openCheckpoint } from "../../../../plugins/onnx/weights/checkpoint.ts";
import { testContext } from "../../../support.ts";
import { assertNear, folder } from "../gradients_golden.ts";
import { open } from "../open.ts";
import { caseOf, trainerOf } from "./training_golden.ts";

/** float32 beside float64. */
const FLOAT32 = 2e-5;

/** Everything that leaves the graph of the case "dpo" drawn with so many chunks, in ONNX Runtime and in the interpreter. */
async function outputsOf(chunks: number) {
  const { recipe: { parameters, objective }, examples } = caseOf("dpo");
  const checkpoint = await openCheckpoint(folder("gqa"), testContext()),
    shape = shapeOf(checkpoint.config, findArchitecture("llama", ""));
  const architecture = findArchitecture("llama", ""), task = "train gqa";
  const plan = planParameters(checkpoint, { architecture, shape, trained: parameters, seed: 1, task });
  // B is zero at first, which would hide what it multiplies.
  for (const { name, values } of plan.parameters) {
    if (name.includes("lora_B")) values.forEach((_, i) => values[i] = 0.1 * Math.sin(i));
  }
  const graph = drawTraining(architecture, { plan, objective, chunks });
  await using model = await open(folder("gqa"));
  const samples = samplesOf(examples.slice(0, 2), {
    info: model.info,
    shape,
    objective,
    maxTokens: 64,
    overlong: "refuse",
    task,
  });
  const rotary = shape.attentions.map(({ theta }) => createRotary({ theta, headDim: shape.headDim }));
  const feeds = {
    ...trainingFeeds(samples, { terms: 2, reference: ({ index }) => index - 0.5 }, {
      engine: { shape, rotary },
      graph,
      objective,
      chunks,
    }),
    ...Object.fromEntries(
      plan.parameters.map(({ name, shape, values }) => [name, { dims: shape, data: values }]),
    ),
  };
  const given = Object.fromEntries([
    ...Object.entries(feeds).map(([name, { data, dims }]) =>
      [name, { dims, data: Float64Array.from(data as Iterable<number | bigint>, Number) }] as const
    ),
    ...graph.weights.map(({ name, ref }) =>
      [name, { dims: ref.shape, data: Float64Array.from(readTensor(ref)) }] as const
    ),
  ]);
  const exact = interpret(graph, given), fetch = graph.outputs.map(({ name }) => name);
  await using session = await openSession(encode(graph), { threads: 2, packed: true });
  const { outputs } = await session.run({ feeds, fetch });
  return new Map(fetch.map((name) => [name, {
    exact: exact.get(name)!.data,
    found: outputs[name]!.data as Float32Array,
    reads: samples.reduce((sum, { reads }) => sum + reads.length, 0),
  }]));
}

Deno.test("drawTraining() gives the interpreter's numbers, with fewer and more chunks than tokens that are read", async () => {
  const one = await outputsOf(1);
  for (const chunks of [1, 3, 40]) {
    const outputs = chunks === 1 ? one : await outputsOf(chunks);
    assertEquals([...outputs.keys()].sort(), [...one.keys()].sort());
    for (const [name, { exact: all, found: every, reads }] of outputs) {
      assert(reads < 40);
      // What is read for the sake of a chunk that would be empty stands last.
      const length = one.get(name)!.exact.length,
        exact = all.slice(0, length),
        found = every.slice(0, length);
      assertNear(exact, one.get(name)!.exact, { place: `${name} of ${chunks} chunks`, tolerance: 1e-12 });
      assertNear(found, one.get(name)!.exact, {
        place: `${name} of ${chunks} chunks, runtime`,
        tolerance: FLOAT32,
      });
    }
  }
});

const gap = (a: ReadonlyMap<string, TrainedTensor>, b: ReadonlyMap<string, TrainedTensor>) =>
  [...a].forEach(([name, { values }]) =>
    assertNear(values, b.get(name)!.values, { place: name, tolerance: FLOAT32 })
  );

Deno.test("micro-batches change rounding alone", async () => {
  await using model = await open(folder("gqa"));
  for (const name of ["lora", "dpo", "tied"]) {
    const place = caseOf(name);
    await using whole = await trainerOf(model, place, { tokenBudget: 4096 });
    await using single = await trainerOf(model, place, { tokenBudget: 1 });
    const [a, b] = [await whole.gradients(place.examples), await single.gradients(place.examples)];
    assert(Math.abs(a.loss - b.loss) < FLOAT32);
    assertEquals(a.margins.length, b.margins.length);
    a.margins.forEach((margin, i) => assert(Math.abs(margin - b.margins[i]!) < FLOAT32 * 10));
    if (name === "lora") gap(a.gradients, b.gradients);
  }
});

Deno.test("two trainings of one seed have the same bits, of two seeds not; dropout trains too", async () => {
  await using model = await open(folder("gqa"));
  const place = caseOf("lora");
  const train = async (seed: number, dropout: number) => {
    const { parameters } = place.recipe;
    if (parameters.kind !== "lora") throw new Error("wanted LoRA");
    await using trainer = await trainerOf(model, place, {
      seed,
      parameters: { ...parameters, dropout },
      batch: 4,
      steps: 8,
    });
    const losses: number[] = [];
    for await (const { loss } of trainer.run()) losses.push(loss);
    return { losses, values: [...trainer.values().values()].flatMap(({ values }) => [...values]) };
  };
  const [first, again, other, dropped, dropped2] = [
    await train(1, 0),
    await train(1, 0),
    await train(2, 0),
    await train(1, 0.3),
    await train(1, 0.3),
  ];
  assertEquals(first, again);
  assertEquals(dropped, dropped2);
  assert(first.losses.join() !== other.losses.join() && first.losses.join() !== dropped.losses.join());
});
