import { assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../../core/mod.ts";
import { backend } from "../../../plugins/onnx/model.ts";
import { testContext } from "../../support.ts";
import { FABLES, open } from "./open.ts";
import { withHeader } from "./weights/make.ts";

/** A copy of the fables model with other hyperparameters and further tensors of zeros, removed afterwards. */
async function inCopy(
  change: { readonly config?: Record<string, unknown>; readonly tensors?: Readonly<Record<string, number>> },
  work: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "plumbline-model-" });
  try {
    for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(`${FABLES}/${name}`, `${folder}/${name}`);
    }
    const config = JSON.parse(await Deno.readTextFile(`${FABLES}/config.json`));
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify({ ...config, ...change.config }));
    await Deno.writeFile(
      `${folder}/model.safetensors`,
      extended(await Deno.readFile(`${FABLES}/model.safetensors`), change.tensors),
    );
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function extended(file: Uint8Array, tensors: Readonly<Record<string, number>> = {}): Uint8Array {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))),
    data = file.subarray(8 + length);
  let end = data.length;
  for (const [name, size] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape: [size], data_offsets: [end, end + 4 * size] };
    end += 4 * size;
  }
  return withHeader(JSON.stringify(header), [data, new Uint8Array(end - data.length)]);
}

const inspect = (path: string) => backend.inspect({ path }, testContext());

Deno.test("inspect() refuses a tensor that the config gives no place to, and one that it promises and the file lacks", async () => {
  const bias = { "model.layers.1.mlp.gate_proj.bias": 256 };
  await inCopy({ tensors: bias }, async (folder) => {
    await assertRejects(
      () => inspect(folder),
      UserError,
      "tensor model.layers.1.mlp.gate_proj.bias has no place",
    );
  });
  await inCopy({ config: { mlp_bias: true } }, async (folder) => {
    await assertRejects(
      () => inspect(folder),
      UserError,
      "tensor model.layers.0.mlp.gate_proj.bias is missing",
    );
  });
  await inCopy({ config: { num_hidden_layers: 3 } }, async (folder) => {
    await assertRejects(() => inspect(folder), UserError, "tensor model.layers.3.");
  });
});

Deno.test("inspect() takes what decides nothing: rotary frequencies that were saved", async () => {
  await inCopy({ tensors: { "model.layers.0.self_attn.rotary_emb.inv_freq": 12 } }, async (folder) => {
    assertEquals((await inspect(folder)).info.layers, 4);
  });
});

Deno.test("generate() ends at any of the ids that config.json calls the end of a text", async () => {
  const prompt = [10, 11, 12], first: number[] = [];
  await using free = await open(FABLES);
  for await (const text of free.generate([prompt], { maxNewTokens: 1, stop: [] })) first.push(...text.tokens);
  await inCopy({ config: { eos_token_id: [0, first[0]!] } }, async (folder) => {
    await using model = await open(folder);
    // Which token ends a text decides no logit and is in no key.
    assertEquals(model.info.hash.config, free.info.hash.config);
    for await (const text of model.generate([prompt], { maxNewTokens: 5 })) {
      assertEquals([text.tokens, text.finish], [[], "stop"]);
    }
  });
});
