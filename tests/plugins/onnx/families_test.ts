/** Families beside Llama where PyTorch's gradients do not reach (gradients_test.ts): keys that are kept, and configs that contradict them. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type ScoreRequest, UserError } from "../../../core/mod.ts";
import { createRandom } from "../../../core/random.ts";
import { FAMILIES, folder } from "./gradients_golden.ts";
import { findArchitecture } from "../../../plugins/onnx/architectures/mod.ts";
import { shapeOf } from "../../../plugins/onnx/architectures/shape.ts";
import { backend } from "../../../plugins/onnx/model.ts";
import { parseConfig } from "../../../plugins/onnx/weights/config.ts";
import { openFile } from "../../../plugins/onnx/weights/file.ts";
import { readSafetensors } from "../../../plugins/onnx/weights/safetensors.ts";
import { writeTensors } from "../../../plugins/onnx/weights/write.ts";
import { testContext } from "../../support.ts";
import { open } from "./open.ts";

const VOCAB = 64, FIRST = 3;
/** float32 sums of the same numbers in another order. */
const ROUNDING = 1e-4;
const random = createRandom("families");
const ids = (count: number) => Array.from({ length: count }, () => FIRST + random.below(VOCAB - FIRST));

for (const name of FAMILIES) {
  Deno.test(`generate() of ${name} goes on from kept keys as if it read each text anew, whatever is beside it`, async () => {
    await using model = await open(folder(name));
    // Of unlike lengths, so that kept keys are padded; longer than Mistral's window of 4.
    const prompts = [ids(3), ids(9), ids(14)], texts: number[][] = [[], [], []];
    for await (const { index, tokens } of model.generate(prompts, { maxNewTokens: 12, stop: [] })) {
      texts[index] = [...tokens];
    }
    for (const [i, prompt] of prompts.entries()) {
      const anew: number[] = [];
      while (anew.length < 12) {
        for await (
          const { results } of model.score([{ prompt: [...prompt, ...anew], continuations: [[FIRST]] }])
        ) {
          anew.push(results[0]!.argmax);
        }
      }
      assertEquals(texts[i], anew, `prompt ${i + 1}`);
    }
  });

  Deno.test(`score() of ${name} gives what it gives alone to prompts whose beginning is computed once`, async () => {
    await using model = await open(folder(name));
    const beginning = ids(30);
    const requests = Array.from({ length: 9 }, (): ScoreRequest => ({
      prompt: [...beginning, ...ids(2 + random.below(9))],
      continuations: [ids(1), ids(3)],
    }));
    const scored = async (some: readonly ScoreRequest[]) => {
      const found: (readonly number[])[] = [];
      for await (const { indices, results } of model.score(some)) {
        indices.forEach((index, i) => found[index] = results[i]!.logprobs);
      }
      return found;
    };
    const together = await scored(requests);
    for (const [i, request] of requests.entries()) {
      const [alone] = await scored([request]);
      alone!.forEach((logprob, c) => assertAlmostEquals(together[i]![c]!, logprob, ROUNDING));
    }
  });
}

Deno.test("a Mistral sees as far as its window and no farther", async () => {
  await using model = await open(folder("mistral"));
  const text = ids(12);
  // Two layers of a window of 4 bring at most what stands 6 before.
  const changed = (at: number) =>
    text.map((id, i) => i === at ? FIRST + (id - FIRST + 1) % (VOCAB - FIRST) : id);
  const best = async (prompt: readonly number[]) => {
    for await (const { results } of model.score([{ prompt, continuations: [[FIRST]] }])) {
      return results[0]!.logprobs[0]!;
    }
    throw new Error("nothing was scored");
  };
  const whole = await best(text);
  assertEquals(await best(changed(4)), whole);
  assert(await best(changed(5)) !== whole);
});

const BASE = {
  hidden_size: 8,
  num_attention_heads: 2,
  intermediate_size: 8,
  num_hidden_layers: 2,
  vocab_size: 9,
};
/** A config as its family reads it. */
function read(fields: Record<string, unknown>) {
  const { config: rules } = findArchitecture(fields.model_type as string, "m");
  return parseConfig({ ...BASE, ...fields }, {}, { path: "config.json", rules });
}

Deno.test("windows are those that transformers reads of a config", () => {
  const windowOf = (fields: Record<string, unknown>) => read(fields).sliding_window;
  // As its classes of 5.24 have it: MistralConfig's default is 4096, Qwen2Config's and Qwen3Config's is none unless asked for.
  assertEquals(windowOf({ model_type: "mistral" }), 4096);
  assertEquals(windowOf({ model_type: "mistral", sliding_window: null }), undefined);
  assertEquals(windowOf({ model_type: "mistral", sliding_window: 7 }), 7);
  assertEquals(windowOf({ model_type: "llama", sliding_window: 7 }), undefined);
  assertEquals(windowOf({ model_type: "olmo2", sliding_window: 7 }), undefined);
  assertEquals(windowOf({ model_type: "phi3" }), undefined);
  assertEquals(windowOf({ model_type: "phi3", sliding_window: 7 }), 7);
  for (const model_type of ["qwen2", "qwen3"]) {
    const qwen = { model_type, sliding_window: 7 }, asked = { ...qwen, use_sliding_window: true };
    assertEquals(windowOf(qwen), undefined);
    assertEquals(windowOf({ ...qwen, use_sliding_window: false }), undefined);
    assertEquals(windowOf(asked), undefined, "28 layers have none by default");
    assertEquals(windowOf({ ...asked, max_window_layers: 0 }), 7);
    assertEquals(windowOf({ ...asked, sliding_window: null, max_window_layers: 0 }), undefined);
    assertEquals(windowOf({ ...asked, layer_types: ["sliding_attention", "sliding_attention"] }), 7);
    assertEquals(read({ ...asked, max_window_layers: 1 }).layer_types, [
      "full_attention",
      "sliding_attention",
    ]);
  }
  const kinds = (fields: Record<string, unknown>) =>
    read({ model_type: "gemma3_text", num_hidden_layers: 6, ...fields }).layer_types?.map((type) => type[0])
      .join("");
  assertEquals(kinds({}), "sssssf");
  assertEquals(kinds({ sliding_window_pattern: 2 }), "sfsfsf");
  assertEquals(kinds({ model_type: "gemma2" }), "sfsfsf");
  assertEquals(kinds({ sliding_window: null }), undefined);
});

Deno.test("Gemma 3's two rotary bases are read as its files write them and as transformers 5 does", () => {
  const pick = ({ rope_theta, rope_local_base_freq, rope_scaling }: ReturnType<typeof read>) => ({
    rope_theta,
    rope_local_base_freq,
    rope_scaling,
  });
  const model_type = "gemma3_text", linear = { rope_type: "linear", factor: 8 };
  assertEquals(pick(read({ model_type })), {
    rope_theta: 1_000_000,
    rope_local_base_freq: 10_000,
    rope_scaling: null,
  });
  const both = { rope_theta: 500, rope_local_base_freq: 70, rope_scaling: linear };
  assertEquals(pick(read({ model_type, ...both })), both);
  const parts = {
    full_attention: { rope_theta: 500, ...linear },
    sliding_attention: { rope_theta: 70, rope_type: "default" },
  };
  assertEquals(pick(read({ model_type, rope_parameters: parts })), both);
  assertEquals(read({ model_type: "gemma2", rope_theta: 500 }).rope_local_base_freq, undefined);
  assertThrows(
    () =>
      read({
        model_type,
        rope_parameters: { ...parts, sliding_attention: { rope_theta: 70, rope_type: "yarn" } },
      }),
    UserError,
    'rope_parameters of sliding_attention are of type "yarn", wanted default',
  );
});

Deno.test("longrope is read under the names it has had, with the context beside it", () => {
  const factors = { short_factor: [1, 1], long_factor: [1, 2] };
  const wanted = { ...factors, rope_type: "longrope", original_max_position_embeddings: 16, factor: 4 };
  const around = { model_type: "phi3", max_position_embeddings: 64, original_max_position_embeddings: 16 };
  for (const type of ["longrope", "su", "yarn"]) {
    assertEquals(read({ ...around, rope_scaling: { type, ...factors } }).rope_scaling, wanted);
  }
  assertEquals(
    read({
      ...around,
      rope_parameters: { rope_type: "longrope", partial_rotary_factor: 0.5, rope_theta: 9, ...factors },
    }),
    {
      ...read({ ...around, rope_scaling: { type: "su", ...factors }, partial_rotary_factor: 0.5 }),
      rope_theta: 9,
    },
  );
});

Deno.test("a config that its family does not know, or that contradicts itself, is refused in one line", () => {
  const refused = (fields: Record<string, unknown>, message: string) =>
    assertThrows(() => read(fields), UserError, message);
  refused({ model_type: "gpt2", n_embd: 8, n_head: 2 }, "n_layer is undefined, wanted a number");
  refused(
    { model_type: "gpt2", scale_attn_by_inverse_layer_idx: true },
    "scale_attn_by_inverse_layer_idx is true, wanted null or false",
  );
  refused(
    { model_type: "gemma3_text", attn_logit_softcapping: 30 },
    "attn_logit_softcapping is 30, wanted null",
  );
  refused({ model_type: "gemma2", layer_types: ["full_attention"] }, "layer_types has 1 entries, wanted 2");
  refused(
    { model_type: "gemma2", layer_types: ["full_attention", "chunked_attention"] },
    "layer_types is a list, wanted a list of full_attention and sliding_attention",
  );
  refused(
    { model_type: "llama", head_dim: undefined, num_attention_heads: 3 },
    "num_attention_heads is 3, wanted a divisor of the width",
  );
  refused({ model_type: "gpt2", n_embd: 16, n_head: 3 }, "n_head is 3, wanted a divisor of the width 16");
  const shape = (fields: Record<string, unknown>) =>
    shapeOf(read(fields), findArchitecture(fields.model_type as string, "m"));
  const act = { model_type: "gemma2", hidden_activation: "relu", head_dim: 4 };
  assertThrows(() => shape(act), UserError, 'its activation is "relu", wanted one of silu, gelu_new');
  const third = { model_type: "phi3", partial_rotary_factor: 0.75 };
  assertThrows(
    () => shape(third),
    UserError,
    "3 of the 4 columns of a head are turned, wanted an even number",
  );
});

Deno.test("a tensor that its family has no place for, and packed rows that are not those of their parts, are refused", async () => {
  const place = await Deno.makeTempDir();
  const with_ = async (name: string, change: Record<string, unknown>) => {
    for (const { name: file } of Deno.readDirSync(folder(name))) {
      if (!file.startsWith("gradients")) await Deno.copyFile(`${folder(name)}/${file}`, `${place}/${file}`);
    }
    const config = JSON.parse(await Deno.readTextFile(`${place}/config.json`));
    await Deno.writeTextFile(`${place}/config.json`, JSON.stringify({ ...config, ...change }));
    return backend.inspect({ path: place }, testContext());
  };
  try {
    const refused = (name: string, change: Record<string, unknown>, message: string) =>
      assertRejects(() => with_(name, change), UserError, message);
    await refused("mistral", { sliding_window: 0 }, "sliding_window is 0, wanted a whole number from 1");
    await refused("qwen2", { model_type: "llama" }, "tensor model.layers.0");
    await refused("qwen3", { model_type: "mistral" }, "tensor model.layers.0");
    await refused("olmo2", { model_type: "qwen3" }, "tensor model.layers.0");
    await refused("gemma3", { model_type: "gemma2" }, "tensor model.layers.0");
    await refused(
      "phi3",
      { intermediate_size: 14 },
      "gate_up_proj.weight of",
    );
    await refused(
      "phi3",
      { num_key_value_heads: 4 },
      "wanted 96 rows, those of model.layers.0.self_attn.q_proj",
    );
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});

Deno.test("of a Gemma 3 that sees images the text model opens, and what is merged of it is a text model", async () => {
  const place = await Deno.makeTempDir();
  try {
    const config = JSON.parse(await Deno.readTextFile(`${folder("gemma3")}/config.json`));
    const { model_type, bos_token_id, eos_token_id, ...inner } = config;
    using file = openFile(`${folder("gemma3")}/model.safetensors`);
    const tensors = readSafetensors(file).map(({ name, shape, offset, length }) => {
      const bytes = new Uint8Array(length);
      file.read(offset, bytes);
      return { name, shape, values: new Float32Array(bytes.buffer) };
    });
    const seen = { shape: [2, 3], values: new Float32Array(6) };
    await using text = await open(folder("gemma3"));
    // As published first, and as transformers writes it today.
    for (
      const [i, [inside, outside]] of [["language_model.model.", ""], ["model.language_model.", "model."]]
        .entries()
    ) {
      const path = `${place}/${i}`;
      await Deno.mkdir(path);
      for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
        await Deno.copyFile(`${folder("gemma3")}/${name}`, `${path}/${name}`);
      }
      const whole = {
        model_type: "gemma3",
        bos_token_id,
        eos_token_id,
        text_config: { ...inner, model_type },
      };
      await Deno.writeTextFile(`${path}/config.json`, JSON.stringify(whole));
      writeTensors(`${path}/model.safetensors`, [
        ...tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace(/^model\./, inside!) })),
        { ...seen, name: `${outside}vision_tower.vision_model.head.weight` },
        { ...seen, name: `${outside}multi_modal_projector.mm_input_projection_weight` },
      ]);
      await using model = await open(path);
      assertEquals(await model.logits([5, 9, 4]), await text.logits([5, 9, 4]));
      assertEquals(model.info.parameters, text.info.parameters);
      await using trainer = await model.trainer({
        parameters: { kind: "full", blocks: ["layers.1.mlp"] },
        objective: { kind: "crossEntropy", over: "all" },
        optimizer: { learningRate: 0.01 },
        schedule: { kind: "constant" },
        batch: 1,
        steps: 1,
        seed: 1,
        examples: [{ prompt: [4, 5], completion: [6] }],
      });
      for await (const _ of trainer.run());
      const { folder: delta } = await trainer.save(`${path}/deltas`);
      await backend.merge!({ path }, { delta, out: `${path}/merged` }, testContext());
      await using merged = await open(`${path}/merged`);
      await using adapted = await model.adapted(delta);
      assertEquals(merged.info.architecture, "gemma3_text");
      assertEquals(await merged.logits([5, 9, 4]), await adapted.logits([5, 9, 4]));
    }
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});

Deno.test("GPT-2 opens with its names in either form, and without the masks that older files keep", async () => {
  const place = await Deno.makeTempDir();
  try {
    for (const { name } of Deno.readDirSync(folder("gpt2"))) {
      if (!name.startsWith("gradients")) await Deno.copyFile(`${folder("gpt2")}/${name}`, `${place}/${name}`);
    }
    using file = openFile(`${folder("gpt2")}/model.safetensors`);
    const tensors = readSafetensors(file).map(({ name, shape, offset, length }) => {
      const bytes = new Uint8Array(length);
      file.read(offset, bytes);
      return { name: `transformer.${name}`, shape, values: new Float32Array(bytes.buffer) };
    });
    const mask = { shape: [1, 1, 4, 4], values: new Float32Array(16) };
    writeTensors(`${place}/model.safetensors`, [
      ...tensors,
      ...[0, 1].map((layer) => ({ ...mask, name: `transformer.h.${layer}.attn.bias` })),
    ]);
    await using published = await open(folder("gpt2"));
    await using saved = await open(place);
    assertEquals(await saved.logits([5, 9, 4]), await published.logits([5, 9, 4]));
    assertEquals(saved.info.parameters, published.info.parameters);
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});

Deno.test("GPT-2 has no mlp.up, and says what it has in its place", async () => {
  await using model = await open(folder("gpt2"));
  assertEquals(model.units("layers.0.mlp.gate"), 28);
  assertThrows(
    () => model.units("layers.1.mlp.up"),
    UserError,
    "Cannot find tap layers.1.mlp.up: the MLP has no gates, wanted layers.1.mlp.gate",
  );
});

Deno.test("texts on either side of longrope's original context are turned each by their own, together as alone", async () => {
  await using model = await open(folder("phi3"));
  // It is 12 tokens.
  const requests = [3, 10, 12, 13, 20].map((length): ScoreRequest => ({
    prompt: ids(length),
    continuations: [ids(1), ids(2), ids(3)],
  }));
  const found: (readonly number[])[] = [], tops: number[] = [];
  for await (const { indices, results } of model.score(requests)) {
    indices.forEach((index, i) => {
      found[index] = results[i]!.logprobs;
      tops[index] = results[i]!.argmax;
    });
  }
  for (const [i, { prompt, continuations }] of requests.entries()) {
    for (const [c, continuation] of continuations.entries()) {
      const logits = await model.logits([...prompt, ...continuation.slice(0, -1)]);
      let logprob = 0;
      continuation.forEach((id, t) => {
        const row = logits.subarray((prompt.length - 1 + t) * VOCAB, (prompt.length + t) * VOCAB);
        logprob += row[id]! - Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
      });
      assertAlmostEquals(found[i]![c]!, logprob, ROUNDING, `prompt ${i}, continuation ${c}`);
    }
    const last = (await model.logits(prompt)).subarray(-VOCAB);
    assertEquals(tops[i], last.indexOf(Math.max(...last)));
  }
});

Deno.test("a pair's loss is ln 2 at first on either side of longrope's border, though its two sides together are longer", async () => {
  await using model = await open(folder("phi3"));
  for (const lengths of [[4, 3, 3], [6, 5, 5], [9, 9, 8]] as const) {
    const [prompt, chosen, rejected] = lengths.map(ids) as [number[], number[], number[]];
    await using trainer = await model.trainer({
      parameters: { kind: "lora", targets: ["attn.q"], rank: 1, alpha: 1 },
      objective: { kind: "dpo", beta: 0.5 },
      optimizer: { learningRate: 0.01 },
      schedule: { kind: "constant" },
      batch: 1,
      steps: 1,
      seed: 1,
      examples: [{ prompt, chosen, rejected }],
    });
    const { loss } = await trainer.gradients([{ prompt, chosen, rejected }]);
    assertAlmostEquals(loss, Math.log(2), ROUNDING, `${lengths}`);
  }
});

Deno.test("a patch from a source with longrope gives the source's own text across its border", async () => {
  const place = await Deno.makeTempDir();
  try {
    for (const name of ["model.safetensors", "tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(`${folder("phi3")}/${name}`, `${place}/${name}`);
    }
    const { rope_scaling: _, ...config } = JSON.parse(
      await Deno.readTextFile(`${folder("phi3")}/config.json`),
    );
    await Deno.writeTextFile(`${place}/config.json`, JSON.stringify(config));
    await using source = await open(folder("phi3"));
    await using target = await open(place);
    const prompts = [ids(6), ids(10), ids(14)], options = { maxNewTokens: 10, stop: [], batch: 3 };
    const units = Array.from({ length: 32 }, (_, index) => ({ tap: "layers.1.resid_post", index } as const));
    const texts = async (made: ReturnType<typeof target.generate>) =>
      (await Array.fromAsync(made)).toSorted((a, b) => a.index - b.index).map(({ tokens }) => tokens);
    assertEquals(
      await texts(target.generate(prompts, { ...options, patch: { from: source, units } })),
      await texts(source.generate(prompts, options)),
    );
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});

Deno.test("an output matrix that is not the embedding contradicts a config that ties them", async () => {
  const place = await Deno.makeTempDir();
  try {
    for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(`${folder("gemma3")}/${name}`, `${place}/${name}`);
    }
    using file = openFile(`${folder("gemma3")}/model.safetensors`);
    const tensors = readSafetensors(file).map(({ name, shape, offset, length }) => {
      const bytes = new Uint8Array(length);
      file.read(offset, bytes);
      return { name, shape, values: new Float32Array(bytes.buffer) };
    });
    const embed = tensors.find(({ name }) => name === "model.embed_tokens.weight")!;
    const head = (values: Float32Array) => [...tensors, { ...embed, name: "lm_head.weight", values }];
    writeTensors(`${place}/model.safetensors`, head(embed.values));
    assertEquals((await backend.inspect({ path: place }, testContext())).info.architecture, "gemma3_text");
    writeTensors(`${place}/model.safetensors`, head(embed.values.map((value) => -value)));
    await assertRejects(
      () => backend.inspect({ path: place }, testContext()),
      UserError,
      "its config says tie_word_embeddings and lm_head.weight is not its model.embed_tokens.weight",
    );
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});
