/** Families beside Llama where PyTorch's gradients do not reach (gradients_test.ts): keys that are kept, and configs that contradict them. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { type ScoreRequest, UserError } from "../../../core/mod.ts";
import { createRandom } from "../../../core/random.ts";
import { FAMILIES, folder } from "./gradients_golden.ts";
import { backend } from "../../../plugins/onnx/model.ts";
import { parseConfig } from "../../../plugins/onnx/weights/config.ts";
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

Deno.test("the window is the one that transformers reads of a config", () => {
  const base = {
    hidden_size: 8,
    num_attention_heads: 2,
    intermediate_size: 8,
    num_hidden_layers: 2,
    vocab_size: 9,
  };
  const windowOf = (fields: Record<string, unknown>) =>
    parseConfig({ ...base, ...fields }, {}, "config.json").sliding_window;
  // As its classes of 5.24 have it: MistralConfig's default is 4096, Qwen2Config's and Qwen3Config's is none unless asked for.
  assertEquals(windowOf({ model_type: "mistral" }), 4096);
  assertEquals(windowOf({ model_type: "mistral", sliding_window: null }), undefined);
  assertEquals(windowOf({ model_type: "mistral", sliding_window: 7 }), 7);
  assertEquals(windowOf({ model_type: "llama", sliding_window: 7 }), undefined);
  for (const model_type of ["qwen2", "qwen3"]) {
    const qwen = { model_type, sliding_window: 7 }, asked = { ...qwen, use_sliding_window: true };
    assertEquals(windowOf(qwen), undefined);
    assertEquals(windowOf({ ...qwen, use_sliding_window: false }), undefined);
    assertEquals(windowOf(asked), undefined, "28 layers have none by default");
    assertEquals(windowOf({ ...asked, max_window_layers: 0 }), 7);
    assertEquals(windowOf({ ...asked, sliding_window: null, max_window_layers: 0 }), undefined);
    assertEquals(windowOf({ ...asked, layer_types: ["sliding_attention", "sliding_attention"] }), 7);
  }
});

Deno.test("a config with windows in some of its layers, and a tensor that its family has no place for, are refused", async () => {
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
    const asked = { use_sliding_window: true };
    await assertRejects(
      () => with_("qwen2", { ...asked, max_window_layers: 1 }),
      UserError,
      "1 of its 2 layers have a window of attention, wanted all or none",
    );
    await assertRejects(
      () => with_("qwen3", { ...asked, layer_types: ["sliding_attention", "full_attention"] }),
      UserError,
      "1 of its 2 layers",
    );
    await assertRejects(
      () => with_("mistral", { sliding_window: 0 }),
      UserError,
      "sliding_window is 0, wanted a whole number from 1",
    );
    await assertRejects(() => with_("qwen2", { model_type: "llama" }), UserError, "tensor model.layers.0");
    await assertRejects(() => with_("qwen3", { model_type: "mistral" }), UserError, "tensor model.layers.0");
  } finally {
    await Deno.remove(place, { recursive: true });
  }
});
