/** Models whose products by weights are made of int8 slices, beside the same in float32. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Observation, SITES, type Tap, UserError } from "../../../core/mod.ts";
import { backend } from "../../../plugins/onnx/model.ts";
import { testContext } from "../../support.ts";
import { FABLES } from "./open.ts";
import { assertNear, caseOf, FAMILIES, folder, goldenOf, requestOf, tapsEdited } from "./gradients_golden.ts";

/** Beside the largest number. A product in two slices is 1e-4 to 2e-3 off, as one number of a row outweighs the others, and three layers with norms
 * add up: 1.5e-3 to 2.8e-3 on these models. One slice is 100 times as coarse. */
const SPLIT = 3e-3, INT8 = 0.35;
/** More in two families: 3.4e-3 and 6.1e-3 at worst, where a fourth product, that of both residues, gives 1.5e-3 and 1.2e-3. */
const COARSER: Readonly<Record<string, number>> = { qwen3: 5e-3, gemma3: 8e-3 };
const IDS = [5, 9, 7, 30, 11, 2, 40, 8];

for (const name of ["gqa", ...FAMILIES]) {
  Deno.test(`activations and gradients of ${name} in split are PyTorch's in float64, more coarsely`, async () => {
    const golden = goldenOf(name), place = caseOf(golden, "logprob, edited");
    const params = { path: folder(name), precision: "split" } as const;
    await using model = await backend.open(params, { taps: tapsEdited(place) }, testContext());
    const observe = place.taps.flatMap((tap: Tap) =>
      (["activation", "gradient"] as const).map((quantity): Observation => ({ tap, quantity, pool: "none" }))
    );
    assert(observe.length > SITES.length);
    const { observed } = await model.run(place.samples, requestOf(place, observe));
    for (const { observation: { tap, quantity }, values, columns } of observed) {
      place.samples.forEach((_, i) => {
        const expected = golden.rows(place, i, { tap, quantity: quantity as "gradient" });
        if (!expected) return;
        assertNear(values[i]!, expected.values, {
          place: `${quantity} at ${tap} of sample ${i}`,
          tolerance: COARSER[name] ?? SPLIT,
          columns,
        });
      });
    }
  });
}

Deno.test("each precision has keys, a name and logits of its own, and the same tokenizer and weights", async () => {
  const path = folder("gqa"), context = testContext();
  await using reference = await backend.open({ path }, { taps: [] }, context);
  const expected = await reference.logits(IDS);
  const seen = new Set([reference.info.hash.config]);
  let before = 0;
  for (const [precision, tolerance] of [["split", SPLIT], ["int8", INT8]] as const) {
    await using model = await backend.open({ path, precision }, { taps: [] }, context);
    const inspected = await backend.inspect({ path, precision }, context);
    assertEquals([model.info, model.info.variant], [inspected.info, precision]);
    assertEquals(model.info.name, `gqa (${precision})`);
    assertEquals(model.info.hash.weights, reference.info.hash.weights);
    assertEquals(model.info.parameters, reference.info.parameters);
    seen.add(model.info.hash.config);
    const error = assertNear(await model.logits(IDS), expected, { place: precision, tolerance });
    assert(error > before, `${precision} is as near as ${error}`);
    before = 10 * error;
    const training = {
      parameters: { kind: "full", blocks: ["all"] },
      objective: { kind: "crossEntropy", over: "all" },
      optimizer: { learningRate: 0.01 },
      seed: 1,
      examples: [{ prompt: IDS, completion: [6] }],
    } as const;
    const refusal = `Cannot train gqa (${precision}): its weights are slices, wanted precision float32`;
    await assertRejects(async () => await model.trainer(training), UserError, refusal);
    assert(!model.can.has("train") && inspected.can?.has("train") === false);
  }
  assertEquals(seen.size, 3);
});

Deno.test("how far slices are from float32 is measured once, and said at every opening", async () => {
  const cacheDir = await Deno.makeTempDir();
  const opened = async () => {
    const lines: string[] = [], context = testContext({ cacheDir, log: (line) => lines.push(line) });
    await using _ = await backend.open({ path: FABLES, precision: "int8" }, { taps: [] }, context);
    return lines.filter((line) => line.startsWith("fables (int8) beside float32"));
  };
  const known = async () =>
    (await backend.inspect({ path: FABLES, precision: "int8" }, testContext({ cacheDir }))).disagreement?.();
  assertEquals(await known(), undefined);
  const [first] = await opened();
  const [, places, same, of, mean, most] =
    /on a text of (\d+) tokens: .* the same at (\d+) of (\d+) places, .* are (\S+) nats .* (\S+) at most$/
      .exec(first!)!.map(Number);
  assertEquals([places, of], [96, 96]);
  const found = (await known())!;
  assertEquals([found.places, found.same, found.reference], [places!, same!, "float32"]);
  assertEquals(found.most.toPrecision(2), Number(most).toPrecision(2));
  assert(same! > 70 && same! < 96 && mean! > 0.001 && most! > mean!, first);
  assertEquals(await opened(), [first!]);
  const [{ name: file } = { name: "" }] = Deno.readDirSync(`${cacheDir}/precision`);
  await Deno.writeTextFile(`${cacheDir}/precision/${file}`, '{"pla');
  assertEquals(await opened(), [first!]);
  await Deno.remove(cacheDir, { recursive: true });
});

Deno.test("keys and values in split give what the whole text gives, and a batch what its texts give", async () => {
  const params = { path: folder("gqa"), precision: "split" } as const;
  await using model = await backend.open(params, { taps: [] }, testContext());
  const prompts = [[5, 9, 7], [30, 11, 2, 40, 8], [6]];
  const written = await Array.fromAsync(model.generate(prompts, { maxNewTokens: 6, stop: [] }));
  for (const { index, tokens } of written) {
    const ids = [...prompts[index]!];
    for (const token of tokens) {
      const logits = await model.logits(ids), { vocab } = model.info;
      const last = logits.subarray((ids.length - 1) * vocab);
      assertEquals(token, last.indexOf(Math.max(...last)), `text ${index} after ${ids.length}`);
      ids.push(token);
    }
  }
});

Deno.test("direct attribution of heads in split is what it is in float32", async () => {
  const path = folder("gqa"), context = testContext();
  await using split = await backend.open({ path, precision: "split" }, { taps: [] }, context);
  await using reference = await backend.open({ path }, { taps: [] }, context);
  const request = {
    objective: { kind: "logitDifference", target: 3, against: 4 },
    observe: [{ tap: "layers.1.attn.head", quantity: "direct", pool: "last" }],
  } as const;
  const [own, expected] = [
    await split.run([{ prompt: IDS }], request),
    await reference.run([{ prompt: IDS }], request),
  ].map(({ observed }) => observed[0]!.values[0]!);
  assertNear(own!, expected!, { place: "heads", tolerance: SPLIT });
});

Deno.test("a delta of the float32 model is one of its slices too", async () => {
  const path = folder("gqa"), context = testContext(), out = await Deno.makeTempDir();
  await using reference = await backend.open({ path }, { taps: [] }, context);
  await using split = await backend.open({ path, precision: "split" }, { taps: [] }, context);
  for (
    const parameters of [
      { kind: "full", blocks: ["layers.1.mlp"] },
      { kind: "lora", targets: ["attn.q", "mlp.up"], rank: 2, alpha: 4 },
    ] as const
  ) {
    await using trainer = await reference.trainer({
      parameters,
      objective: { kind: "crossEntropy", over: "all" },
      optimizer: { learningRate: 0.05 },
      schedule: { kind: "constant" },
      batch: 2,
      steps: 4,
      seed: 1,
      examples: [{ prompt: IDS, completion: [6, 8] }, { prompt: [4], completion: IDS }],
    });
    await Array.fromAsync(trainer.run());
    const { folder: delta } = await trainer.save(out);
    await using trained = await reference.adapted(delta);
    await using sliced = await split.adapted(delta);
    const [before, after] = [await reference.logits(IDS), await trained.logits(IDS)];
    assert(after.some((value, i) => Math.abs(value - before[i]!) > 0.1), "the training moves logits");
    assertNear(await sliced.logits(IDS), after, { place: parameters.kind, tolerance: SPLIT });
    assert(sliced.info.name.startsWith("gqa (split)+"), sliced.info.name);
    assertEquals(sliced.info.parameters, trained.info.parameters);
  }
  await Deno.remove(out, { recursive: true });
});

Deno.test("slices are refused where there are none, in one line, before weights are read", async () => {
  const refused = (params: Parameters<typeof backend.open>[0], state: string) =>
    Promise.all([
      assertRejects(() => backend.open(params, { taps: [] }, testContext()), UserError, state),
      assertRejects(() => backend.inspect(params, testContext()), UserError, state),
    ]);
  await refused(
    { path: folder("gqa"), precision: "split", device: "webgpu" },
    `Cannot open ${folder("gqa")} in split: its device is webgpu, wanted cpu`,
  );
  const exported = new URL("../../goldens/exports/biased/model.onnx", import.meta.url).pathname;
  await refused(
    { path: exported, precision: "int8" },
    `Cannot open ${exported} in int8: it is an ONNX export, wanted a model folder or a .gguf file`,
  );
});
