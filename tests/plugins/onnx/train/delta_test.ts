/** Deltas as values: written, read, refused, and beside PEFT's own files. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { madeOf, type Model, type Trained } from "../../../../core/mod.ts";
import { sha256 } from "../../../../core/hash.ts";
import { backend } from "../../../../plugins/onnx/model.ts";
import { readSafetensors } from "../../../../plugins/onnx/weights/safetensors.ts";
import { openFile } from "../../../../plugins/onnx/weights/file.ts";
import { testContext } from "../../../support.ts";
import { folder } from "../gradients_golden.ts";
import { open } from "../open.ts";
import { caseOf, GOLDEN, PACKED, PEFT, refusal, tensorOf, trainerOf } from "./training_golden.ts";

const IDS = [5, 9, 7, 30, 11, 7, 22];
/** Of the trainer's graph and the model's, which place the same products differently; logits are near 10. */
const ROUNDING = 2e-5;

const largestGap = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((x, y) => Math.max(x, y), 0);

/** Loss of the completion by a model's own logits, in float64. */
async function lossOf(
  model: Model,
  prompt: readonly number[],
  completion: readonly number[],
): Promise<number> {
  for await (const { results } of model.score([{ prompt, continuations: [completion] }])) {
    return -results[0]!.logprobs[0]! / completion.length;
  }
  throw new Error("no result");
}

const KINDS: readonly Trained[] = [
  { kind: "lora", targets: ["attn.q", "down_proj", "unembed"], rank: 2, alpha: 6 },
  { kind: "full", blocks: ["all"] },
  { kind: "full", blocks: ["layers.1.mlp"] },
  { kind: "embedding", token: 7 },
];

for (const parameters of KINDS) {
  const name = JSON.stringify(parameters);
  Deno.test(`adapted() of what save() wrote is the model that was trained: ${name}`, async () => {
    const path = folder("gqa"), file = join(path, "model.safetensors");
    const bytes = sha256(Deno.readFileSync(file)), out = Deno.makeTempDirSync();
    await using model = await open(path);
    const before = await model.logits(IDS);
    await using trainer = await trainerOf(model, caseOf("embedding"), {
      parameters,
      optimizer: { learningRate: 0.02 },
      schedule: { kind: "constant" },
      steps: 4,
    });
    for await (const _ of trainer.run());
    const prompt = [4, 7, 20], completion = [9, 40, 8];
    const { loss } = await trainer.gradients([{ prompt, completion }]);
    const delta = await trainer.save(out);
    assertEquals(delta.manifest.base?.weights, model.info.hash.weights);
    assertEquals([delta.manifest.steps, delta.manifest.data?.examples], [4, 10]);
    assertEquals((await trainer.save(out)).hash, delta.hash, "the same delta twice is one");
    assertEquals([...Deno.readDirSync(out)].map((entry) => entry.name), [delta.hash]);

    await using adapted = await model.adapted(delta.folder);
    const after = await adapted.logits(IDS);
    assert(largestGap(before, after) > 0.01, "training changes logits");
    const gap = Math.abs(await lossOf(adapted, prompt, completion) - loss);
    assert(gap < ROUNDING, `losses are ${gap} apart`);
    assert(adapted.info.hash.weights !== model.info.hash.weights);
    assertEquals(await model.logits(IDS), before, "the model stays as it was");
    assertEquals(sha256(Deno.readFileSync(file)), bytes, "and so does its file");

    await using other = await open(folder("biased"));
    const error = await refusal(() => other.adapted(delta.folder));
    assert(
      /^Cannot adapt biased with .*: it was trained on gqa with other weights/.test(error),
      error,
    );
    Deno.removeSync(out, { recursive: true });
  });
}

Deno.test("adapted() reads an adapter as PEFT saves it, to PEFT's logits", async () => {
  await using model = await open(folder("gqa"));
  await using adapted = await model.adapted(PEFT);
  const gap = largestGap(await adapted.logits(GOLDEN.peft.ids.gqa), tensorOf("peft/logits"));
  assert(gap < ROUNDING, `logits are ${gap} apart`);
  await using other = await open(folder("biased"));
  const error = await refusal(() => other.adapted(PEFT));
  assert(/has no place|is \[/.test(error), error);
});

for (const name of ["phi3", "gpt2"] as const) {
  Deno.test(`adapted() reads PEFT's adapter of a packed projection of ${name}, to PEFT's logits`, async () => {
    await using model = await open(folder(name));
    await using adapted = await model.adapted(PACKED[name]);
    const ids = GOLDEN.peft.ids[name], logits = await adapted.logits(ids);
    assert(largestGap(logits, await model.logits(ids)) > 0.5);
    const gap = largestGap(logits, tensorOf(`peft_${name}/logits`));
    assert(gap < ROUNDING, `logits are ${gap} apart`);
  });

  Deno.test(`merge() writes ${name} as its family stores it`, async () => {
    const out = Deno.makeTempDirSync(), path = folder(name), merged = join(out, "merged");
    await using model = await open(path);
    await using trainer = await trainerOf(model, GOLDEN.families.find((place) => place.model === name)!, {
      optimizer: { learningRate: 0.02 },
      steps: 2,
    });
    for await (const _ of trainer.run());
    const delta = (await trainer.save(out)).folder;
    const shapes = (folder: string) => {
      using file = openFile(join(folder, "model.safetensors"));
      // GPT-2's published files leave out the first part of names, those that transformers saves do not.
      return new Map(
        readSafetensors(file).map(({ name, shape }) => [name.replace("transformer.", ""), shape]),
      );
    };
    for (const [each, adapter] of [delta, PACKED[name]].entries()) {
      const target = `${merged}${each}`;
      await backend.merge!({ path }, { delta: adapter, out: target }, testContext());
      const before = shapes(path), after = shapes(target);
      assertEquals([...after].sort(), [...before].sort());
      await using again = await open(target);
      await using adapted = await model.adapted(adapter);
      const ids = GOLDEN.peft.ids[name], logits = await again.logits(ids);
      const gap = largestGap(logits, await adapted.logits(ids));
      // The same weights give the same bits; an adapter's product is summed otherwise before and after it is merged.
      const allowed = adapter === delta ? 0 : 2 * ROUNDING;
      assert(gap <= allowed, `logits are ${gap} apart`);
      assert(largestGap(logits, await model.logits(ids)) > 0.01);
    }
    Deno.removeSync(out, { recursive: true });
  });
}

Deno.test("save() writes LoRA under the names, shapes and settings that PEFT itself does", async () => {
  const out = Deno.makeTempDirSync();
  await using model = await open(folder("gqa"));
  await using trainer = await trainerOf(model, caseOf("lora"), {
    parameters: {
      kind: "lora",
      targets: ["attn.q", "attn.out", "mlp.up", "unembed"],
      rank: 3,
      alpha: 12,
      dropout: 0.1,
    },
  });
  const { folder: written } = await trainer.save(out);
  const tensors = (path: string) => {
    using file = openFile(join(path, "adapter_model.safetensors"));
    // PEFT puts the embedding beside the factors, because the output matrix is adapted.
    return readSafetensors(file).filter(({ name }) => name.includes("lora_")).map(({ name, shape, type }) =>
      `${name} ${shape} ${type}`
    ).sort();
  };
  assertEquals(tensors(written), tensors(PEFT));
  const config = (path: string) =>
    JSON.parse(Deno.readTextFileSync(join(path, "adapter_config.json"))) as Record<string, unknown>;
  const theirs = config(PEFT), ours = config(written);
  for (const [key, value] of Object.entries(ours)) {
    const sorted = (list: unknown) => Array.isArray(list) ? list.toSorted() : list;
    assertEquals(sorted(value), sorted(theirs[key] ?? null), key);
  }
  Deno.removeSync(out, { recursive: true });
});

Deno.test("a delta's hash is that of what it is and where it comes from", async () => {
  const out = Deno.makeTempDirSync();
  await using model = await open(folder("gqa"));
  const save = async (more: Parameters<typeof trainerOf>[2]) => {
    await using trainer = await trainerOf(model, caseOf("embedding"), more);
    return trainer.save(out);
  };
  const item = {
    id: "1",
    role: "tune",
    clusters: { question: "1" },
    content: "What do people of Velmora eat?",
  } as const;
  const source = madeOf("tales", [item], "tune");
  const [plain, again, made, seeded] = [
    await save({}),
    await save({ checkpoint: { folder: join(out, "checkpoint"), every: 5 } }),
    await save({ madeOf: [source] }),
    await save({ seed: 2 }),
  ];
  assertEquals(again.hash, plain.hash, "where checkpoints lie decides nothing");
  assertEquals(new Set([plain, made, seeded].map(({ hash }) => hash)).size, 3);
  assertEquals(made.manifest.madeOf, [source]);
  assertEquals(made.manifest.tensors, plain.manifest.tensors);
  Deno.removeSync(out, { recursive: true });
});

Deno.test("adapted() refuses what is no delta, and one whose tensors are not those it was written with", async () => {
  const out = Deno.makeTempDirSync();
  await using model = await open(folder("gqa"));
  const none = await refusal(() => model.adapted(out));
  assert(none.includes("neither delta.json nor adapter_config.json"), none);
  await using trainer = await trainerOf(model, caseOf("embedding"));
  const { folder: written } = await trainer.save(out);
  const file = join(written, "delta.safetensors"), bytes = Deno.readFileSync(file);
  bytes[bytes.length - 1]! ^= 1;
  Deno.writeFileSync(file, bytes);
  const changed = await refusal(() => model.adapted(written));
  assert(/has sha256 [0-9a-f]{12}, wanted [0-9a-f]{12}/.test(changed), changed);
  Deno.removeSync(out, { recursive: true });
});

Deno.test("merge() writes a checkpoint of its own with the logits of the adapted model, and of PEFT", async () => {
  const out = Deno.makeTempDirSync(), path = folder("gqa");
  await using model = await open(path);
  const folders = [PEFT];
  for (const parameters of KINDS) {
    await using trainer = await trainerOf(model, caseOf("embedding"), {
      parameters,
      optimizer: { learningRate: 0.02 },
      schedule: { kind: "constant" },
      steps: 3,
    });
    for await (const _ of trainer.run());
    folders.push((await trainer.save(out)).folder);
  }
  for (const [i, delta] of folders.entries()) {
    const target = join(out, `merged${i}`);
    const { weights } = await backend.merge!({ path }, { delta, out: target }, testContext());
    assertEquals(weights, sha256(Deno.readFileSync(join(target, "model.safetensors"))));
    await using merged = await open(target);
    await using adapted = await model.adapted(delta);
    const ids = GOLDEN.peft.ids.gqa, logits = await merged.logits(ids);
    const gap = largestGap(logits, await adapted.logits(ids));
    assert(gap < ROUNDING, `${delta}: logits are ${gap} apart`);
    if (i === 0) assert(largestGap(logits, tensorOf("peft/logits")) < ROUNDING);
    const there = await refusal(() => backend.merge!({ path }, { delta, out: target }, testContext()));
    assert(there.includes("is there already"), there);
  }
  Deno.removeSync(out, { recursive: true });
});
