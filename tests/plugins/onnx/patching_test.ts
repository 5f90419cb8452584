/** Activation patching against PyTorch, and against the slow way: record, set, and run the whole text anew. */
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Edit,
  type Model,
  type ModelBackend,
  SITES,
  type Tap,
  type Unit,
  UserError,
} from "../../../core/mod.ts";
import { interchange, meanAblation, record, resampleAblation, setFrom } from "../../../core/patching.ts";
import { createRandom } from "../../../core/random.ts";
import { fakeBackend } from "../../fake_model.ts";
import { needs, SHARED, testContext } from "../../support.ts";
import { FABLES, open } from "./open.ts";
import { inCopy, RANDOM, reverse } from "./other_weights.ts";

/** Two float32 implementations, three layers, logits up to 12. */
const LOGITS = 1e-4;

interface Golden {
  readonly runs: readonly {
    readonly name: string;
    readonly source: "self" | "other";
    readonly positions?: readonly number[];
    readonly units: readonly { readonly tap: Tap; readonly units: readonly number[] }[];
    readonly prompt: readonly number[];
    readonly other: readonly number[];
    readonly logits: readonly number[];
  }[];
  readonly generations: readonly {
    readonly name: string;
    readonly units: readonly { readonly tap: Tap; readonly units: readonly number[] }[];
    readonly prompt: readonly number[];
    readonly tokens: readonly number[];
    readonly gap: number;
  }[];
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("../../goldens/patching.json", import.meta.url)),
);

const unitsIn = (groups: Golden["runs"][number]["units"]): Unit[] =>
  groups.flatMap(({ tap, units }) => units.map((index) => ({ tap, index })));

function everyTap(layers: number): Tap[] {
  return Array.from({ length: layers }, (_, layer) => SITES.map((site): Tap => `layers.${layer}.${site}`))
    .flat();
}

const TAPS = everyTap(3), ACT: Tap = "layers.1.mlp.act", HEAD: Tap = "layers.0.attn.head";

/** The random model and its copy with other weights, both open at every tap. */
async function withBoth(work: (model: Model, other: Model) => Promise<void>): Promise<void> {
  await inCopy({ tensor: reverse }, async (folder) => {
    await using model = await open(RANDOM, TAPS);
    await using other = await open(folder, TAPS);
    await work(model, other);
  });
}

function madePrompts(lengths: readonly number[], vocab: number): number[][] {
  const random = createRandom("patching");
  return lengths.map((length) => Array.from({ length }, () => 3 + random.below(vocab - 3)));
}

function someUnits(model: Model, taps: readonly Tap[]): Unit[] {
  const random = createRandom("units");
  return taps.flatMap((tap) => {
    const count = model.units(tap);
    return random.sample(count, Math.ceil(count / 3)).map((index) => ({ tap, index }));
  });
}

const allUnits = (model: Model, taps: readonly Tap[]): Unit[] =>
  taps.flatMap((tap) => Array.from({ length: model.units(tap) }, (_, index) => ({ tap, index })));

async function textsOf(
  model: Model,
  prompts: readonly (readonly number[])[],
  options: Partial<Parameters<Model["generate"]>[1]> = {},
): Promise<(readonly number[])[]> {
  const texts: (readonly number[])[] = [];
  for await (const { index, tokens } of model.generate(prompts, { maxNewTokens: 10, stop: [], ...options })) {
    texts[index] = tokens;
  }
  return texts;
}

const argmax = (row: Float32Array) => row.indexOf(row.reduce((a, b) => Math.max(a, b)));

interface Slow {
  readonly source: Model;
  readonly units: readonly Unit[];
  readonly edits?: readonly Edit[];
  readonly count: number;
}

/** Both models on the whole text at every step. */
async function slowly(
  target: Model,
  prompt: readonly number[],
  { source, units, edits = [], count }: Slow,
): Promise<number[]> {
  const ids = [...prompt];
  for (let step = 0; step < count; step++) {
    const [patch] = await interchange(source, units, [{ prompt: ids }]);
    const logits = await target.logits(ids, { edits: [...edits, ...patch!] });
    ids.push(argmax(logits.subarray(-target.info.vocab)));
  }
  return ids.slice(prompt.length);
}

Deno.test("logits() with recordings of another prompt or other weights equal PyTorch's under hooks", () =>
  withBoth(async (model, other) => {
    assertEquals(golden.runs.length, 3);
    for (const { name, source, positions, units, prompt, other: text, logits } of golden.runs) {
      const listed = unitsIn(units), taps = units.map(({ tap }) => tap);
      const [recorded] = await record(source === "self" ? model : other, [{ prompt: text }], taps);
      const edits = setFrom(listed, recorded!).map((edit): Edit =>
        positions ? { ...edit, at: positions } : edit
      );
      const own = (await model.logits(prompt, { edits })).subarray(-model.info.vocab);
      const off = Math.max(...logits.map((logit, id) => Math.abs(own[id]! - logit)));
      assert(off < LOGITS, `${name}: a logit is off by ${off}`);
    }
  }));

Deno.test("score() and run() set recordings as logits() does, with rows of a batch their own", () =>
  withBoth(async (model, other) => {
    const prompts = madePrompts([5, 9, 7], model.info.vocab), units = someUnits(model, [HEAD, ACT]);
    const patches = await interchange(other, units, prompts.map((prompt) => ({ prompt })));
    const requests = prompts.map((prompt, i) => ({ prompt, continuations: [[5], [6]], edits: patches[i]! }));
    const scored: number[][] = [];
    for await (const { indices, results } of model.score(requests)) {
      indices.forEach((index, i) => scored[index] = [...results[i]!.logprobs]);
    }
    const { objective } = await model.run(prompts.map((prompt, i) => ({ prompt, edits: patches[i]! })), {
      objective: { kind: "logprob", target: 6 },
    });
    for (const [i, prompt] of prompts.entries()) {
      const last = (await model.logits(prompt, { edits: patches[i]! })).subarray(-model.info.vocab);
      const total = Math.log(last.reduce((sum, logit) => sum + Math.exp(logit), 0));
      [5, 6].forEach((id, c) => assert(Math.abs(scored[i]![c]! - (last[id]! - total)) < LOGITS));
      assert(Math.abs(objective[i]! - (last[6]! - total)) < LOGITS);
    }
  }));

Deno.test("meanAblation() and resampleAblation() set what they say", () =>
  withBoth(async (model) => {
    const samples = madePrompts([5, 9, 7], model.info.vocab).map((prompt) => ({ prompt }));
    const units = someUnits(model, [HEAD, ACT]);
    const means = await meanAblation(model, units, { reference: samples });
    const drawn = await resampleAblation(model, units, { samples, seed: 0 });
    const recorded = await record(model, samples, [HEAD, ACT]);
    for (const [t, { tap, units, value }] of means.entries()) {
      const span = tap === HEAD ? 8 : 1, width = tap === HEAD ? 48 : 80;
      const columns = units.flatMap((unit) => Array.from({ length: span }, (_, j) => unit * span + j));
      const all = recorded.flatMap((recordings) => [...recordings[t]!.values]);
      const meanOf = (column: number) =>
        all.filter((_, i) => i % width === column).reduce((a, b) => a + b) / 21;
      columns.forEach((column, c) => assert(Math.abs((value as number[])[c]! - meanOf(column)) < LOGITS));
      // What is observed after the edits is what was set.
      const observe = [{ tap, quantity: "activation", pool: "none" } as const];
      const under = async (edits: readonly Edit[]) =>
        (await model.run([{ ...samples[0]!, edits }], { observe })).observed[0]!.values[0]!;
      const mean = await under(means), resampled = await under(drawn[0]!), { from } = drawn[0]![t]!;
      assertEquals(mean[4 * width + columns[0]!], Math.fround((value as number[])[0]!));
      assertEquals(from!.positions, [0, 1, 2, 3, 4]);
      columns.forEach((column) =>
        assertEquals(resampled[4 * width + column], from!.values[4 * width + column])
      );
    }
  }));

Deno.test("logits() are the same to the bit when a run's own activations are set into it", () =>
  withBoth(async (model) => {
    const [prompt] = madePrompts([9], model.info.vocab);
    const [edits] = await interchange(model, someUnits(model, TAPS), [{ prompt: prompt! }]);
    assertEquals(await model.logits(prompt!, { edits: edits! }), await model.logits(prompt!));
  }));

Deno.test("generate() with a patch gives PyTorch's text, both models run anew at every step", () =>
  withBoth(async (model, other) => {
    assertEquals(golden.generations.length, 6);
    for (const [name, cases] of Map.groupBy(golden.generations, ({ name }) => name)) {
      for (const { gap } of cases) assert(gap > 100 * LOGITS, `${name}: a gap of ${gap} can be rounding`);
      const patch = { from: other, units: unitsIn(cases[0]!.units) };
      const texts = await textsOf(model, cases.map(({ prompt }) => prompt), { patch, maxNewTokens: 12 });
      assertEquals(texts, cases.map(({ tokens }) => tokens), name);
    }
  }));

Deno.test("generate() with an empty patch is the model's own text, with a full one the source's", () =>
  withBoth(async (model, other) => {
    const prompts = madePrompts([4, 9, 6], model.info.vocab);
    const own = await textsOf(model, prompts), theirs = await textsOf(other, prompts);
    prompts.forEach((_, i) => assertNotEquals(own[i], theirs[i]));
    assertEquals(await textsOf(model, prompts, { patch: { from: other, units: [] } }), own);
    // The two differ in no weight after the last layer.
    for (const taps of [["layers.2.resid_post"] as Tap[], TAPS]) {
      assertEquals(
        await textsOf(model, prompts, { patch: { from: other, units: allUnits(model, taps) } }),
        theirs,
      );
    }
  }));

Deno.test("generate() patched from itself changes nothing, from the same model object or another", () =>
  withBoth(async (model) => {
    const prompts = madePrompts([4, 9, 6], model.info.vocab), own = await textsOf(model, prompts);
    await using twin = await open(RANDOM);
    for (const from of [model, twin]) {
      assertEquals(await textsOf(model, prompts, { patch: { from, units: someUnits(model, TAPS) } }), own);
    }
  }));

Deno.test("generate() with a patch and edits equals both models run anew at every step, for any batch", () =>
  withBoth(async (model, other) => {
    const prompts = madePrompts([4, 11, 7, 7, 1], model.info.vocab);
    const units = someUnits(model, ["layers.0.mlp.up", HEAD, ACT, "layers.2.attn.q"]);
    // The first acts on units that are patched too: the patch comes after.
    const edits: Edit[] = [{
      tap: ACT,
      units: units.filter(({ tap }) => tap === ACT).map(({ index }) => index),
      op: "set",
      value: 9,
    }, {
      tap: "layers.0.mlp.gate",
      units: [0, 1, 2, 3, 4, 5],
      op: "add",
      value: 2,
    }];
    const slow: number[][] = [];
    for (const prompt of prompts) {
      slow.push(await slowly(model, prompt, { source: other, units, edits, count: 10 }));
    }
    for (const batch of [1, 2, 8]) {
      assertEquals(
        await textsOf(model, prompts, { patch: { from: other, units }, edits, batch }),
        slow,
        `batch ${batch}`,
      );
    }
    // What is patched and what is edited both matter, so that the texts above tell.
    assertNotEquals(await textsOf(model, prompts, { edits }), slow);
    assertNotEquals(await textsOf(model, prompts, { patch: { from: other, units } }), slow);
  }));

Deno.test("generate() with a patch goes on rightly after a text of the batch has ended", () =>
  withBoth(async (model, other) => {
    // The shortest stands first in the batch, so that the others move up.
    const prompts = madePrompts([4, 9, 6], model.info.vocab), units = someUnits(model, [HEAD, ACT]);
    const patch = { from: other, units };
    const [short, ...others] = await textsOf(model, prompts, { patch });
    const stop = short!.find((id) => !others.flat().includes(id))!;
    const expected = [short!.slice(0, short!.indexOf(stop)), ...others];
    assert(stop !== undefined && others.length === 2);
    assertEquals(await textsOf(model, prompts, { patch, stop: [stop] }), expected);
  }));

Deno.test({
  name: "generate() of stories260K patched from a changed copy equals both run anew at every step",
  ...needs("shared"),
  async fn() {
    const taps: Tap[] = ["layers.1.mlp.act", "layers.3.attn.head"];
    const base = `${SHARED}/models/stories260K`;
    const change = (name: string, data: Float32Array) => {
      if (name.includes("layers.2.mlp.gate_proj")) data.reverse();
      if (name.includes("layers.0.self_attn.v_proj")) data.reverse();
    };
    await inCopy({ base, tensor: change }, async (folder) => {
      await using model = await open(base, taps);
      await using other = await open(folder);
      const texts = ["Once upon a time", "Tom had a red ball. He", "The sun"];
      const prompts = texts.map((text) => model.tokenizer.encode(text, { special: true }));
      const units = someUnits(model, taps), patch = { from: other, units };
      const slow: number[][] = [];
      for (const prompt of prompts) {
        slow.push(await slowly(model, prompt, { source: other, units, count: 10 }));
      }
      assertEquals(await textsOf(model, prompts, { patch }), slow);
      assertNotEquals(await textsOf(model, prompts), slow);
    });
  },
});

Deno.test("generate() refuses a patch that does not fit, before anything is computed", () =>
  withBoth(async (model, other) => {
    await using fables = await open(FABLES);
    const fake = await (fakeBackend() as ModelBackend).open(
      { weights: "w", contextLength: 64 },
      { taps: [] },
      testContext(),
    );
    const refuses = (from: Model, units: readonly Unit[], message: string) =>
      void assertThrows(
        () => model.generate([[5, 6]], { maxNewTokens: 10, patch: { from, units } }),
        UserError,
        message,
      );
    const act = [{ tap: ACT, index: 0 }];
    refuses(fake, act, "Cannot patch gqa: the source is not a model of this backend, wanted one");
    refuses({ ...other }, act, "the source is not a model of this backend");
    refuses(fables, act, "Cannot patch gqa from fables: the source has 197 tokens, wanted 96");
    refuses(
      other,
      [{ tap: ACT, index: 80 }],
      `Cannot edit ${ACT}: unit is 80, wanted a whole number in [0, 80)`,
    );
    refuses(other, [...act, ...act], `Cannot edit ${ACT}: a unit is named twice`);
    refuses(other, [{ tap: "layers.3.mlp.act", index: 0 }], "Cannot find tap layers.3.mlp.act");
    const inSource = (config: Record<string, unknown>, unit: Unit, message: string) =>
      inCopy({ config }, async (folder) => {
        await using source = await open(folder);
        refuses(source, [unit], message);
      });
    await inSource({ num_hidden_layers: 1 }, act[0]!, `the source has 1 layers, wanted one with ${ACT}`);
    await inSource(
      { max_position_embeddings: 11 },
      act[0]!,
      "the source's context length is 11, wanted 12 or more",
    );
    await inSource(
      { num_attention_heads: 3, num_key_value_heads: 1, head_dim: 16 },
      { tap: HEAD, index: 0 },
      `${HEAD} has 48 columns in 3 units, wanted 48 columns in 6 units`,
    );
    await inCopy({ tokenizer: (text) => text.replace('"w9"', '"other"') }, async (folder) => {
      await using source = await open(folder);
      refuses(source, act, "the source has another tokenizer, wanted the same");
    });
  }));

Deno.test("generate() names the prompt, the model and the first layer where logits are not finite", async () => {
  const prompts = [[5, 6, 7], [8, 9]], gate: Tap = "layers.1.mlp.gate", up: Tap = "layers.1.mlp.up";
  const huge = [gate, up].map((tap): Edit => ({ tap, units: [0], op: "set", value: 3e38, at: "generated" }));
  const broken = (name: string, data: Float32Array) => {
    if (name === "model.layers.2.self_attn.o_proj.weight") data[0] = NaN;
  };
  await inCopy({ tensor: broken }, async (folder) => {
    await using model = await open(RANDOM, [gate, up, ACT]);
    await using nan = await open(folder);
    const refuses = async (options: Partial<Parameters<Model["generate"]>[1]>, message: string) =>
      void await assertRejects(() => textsOf(model, prompts, options), UserError, message);
    const promptEdits = [huge, []], units = [{ tap: ACT, index: 3 }];
    const expected =
      "Cannot generate after prompt 1 on gqa: its logits are not finite, they first appear in layer 1";
    await refuses({ promptEdits }, expected);
    await refuses({ promptEdits, patch: { from: model, units } }, expected);
    await refuses(
      { patch: { from: nan, units } },
      `on ${nan.info.name}: its logits are not finite, they first appear in layer 2`,
    );
    // The model is as good as new.
    assertEquals((await textsOf(model, prompts)).map((text) => text.length), [10, 10]);
  });
});
