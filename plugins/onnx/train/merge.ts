/** A model with a delta as a checkpoint of its own, in Hugging Face's layout, float32. */
import { join } from "node:path";
import { type MergedModel, UserError } from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { textFields } from "../weights/config.ts";
import { exists, hashFile, parseObject, readText } from "../weights/file.ts";
import { storedTensors } from "../weights/layout.ts";
import type { Checkpoint, TensorRef } from "../weights/types.ts";
import { writeTensors, writeWhole, type WrittenTensor } from "../weights/write.ts";
import { type DeltaHost, openDelta } from "./delta.ts";
import { readTensor } from "./parameters.ts";

/** Files beside the weights that are taken as they are. */
const COPIED = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "generation_config.json",
  "chat_template.jinja",
];

/** Writes the model with the delta into a folder that is not there yet; it appears under its name only when it is whole.
 * @throws {UserError} as openDelta(), where the model is one file, or `out` is there already. */
export async function mergeDelta(
  host: DeltaHost,
  { delta, out }: { readonly delta: string; readonly out: string },
): Promise<MergedModel> {
  const { checkpoint: base, architecture, context, info } = host, task = `merge ${delta} into ${info.name}`;
  if (!exists(join(base.path, "config.json"))) {
    throw new UserError(
      `Cannot ${task}: ${base.path} is one file, wanted a folder with config.json and tokenizer.json to copy`,
    );
  }
  if (exists(out)) throw new UserError(`Cannot ${task}: ${out} is there already, wanted a new folder`);
  const { checkpoint: adapted } = await openDelta(delta, host);
  const draft = `${out}.tmp`;
  if (exists(draft)) Deno.removeSync(draft, { recursive: true });
  Deno.mkdirSync(draft, { recursive: true });
  const { tensors, untied } = mergedTensors(base, adapted, architecture);
  writeTensors(join(draft, "model.safetensors"), storedTensors(tensors, architecture));
  const whole = parseObject(readText(join(base.path, "config.json")), join(base.path, "config.json"));
  const { dtype: _, torch_dtype: __, ...rest } = mergedConfig(whole, architecture);
  const written = { ...rest, torch_dtype: "float32", ...(untied ? { tie_word_embeddings: false } : {}) };
  writeWhole(
    join(draft, "config.json"),
    (write) => write(new TextEncoder().encode(`${JSON.stringify(written, null, 2)}\n`)),
  );
  for (const name of COPIED) {
    if (exists(join(base.path, name))) Deno.copyFileSync(join(base.path, name), join(draft, name));
  }
  Deno.renameSync(draft, out);
  return { folder: out, weights: await hashFile(join(out, "model.safetensors"), context) };
}

/** Of a model that is more than its text model, the text model alone is written. */
function mergedConfig(
  whole: Readonly<Record<string, unknown>>,
  { config: rules }: Architecture,
): Readonly<Record<string, unknown>> {
  const inner = rules.within === undefined ? undefined : whole[rules.within];
  if (typeof inner !== "object" || inner === null) return whole;
  const { model_type } = { model_type: whole.model_type, ...inner };
  return { ...textFields(whole, rules), model_type };
}

/** Every tensor of the model with what is merged into it, and whether its output matrix has come apart from its embedding. */
function mergedTensors(base: Checkpoint, adapted: Checkpoint, { embed, unembed }: Architecture) {
  const head = unembed.replace(/\.weight$/, ""), tied = base.config.tie_word_embeddings;
  const untied = tied && (adapted.adapters?.has(head) === true || adapted.embedding !== undefined);
  const merged = (name: string, ref: TensorRef): WrittenTensor => ({
    name,
    shape: ref.shape,
    values: () => {
      const values = readTensor(ref), module = name.replace(/\.weight$/, "");
      const adapter = adapted.adapters?.get(module);
      if (adapter && name.endsWith(".weight")) addUpdate(values, module, adapted);
      if (name === embed && adapted.embedding) {
        values.set(
          readTensor(adapted.tensors.get(adapted.embedding.name)!),
          adapted.embedding.token * ref.shape[1]!,
        );
      }
      return values;
    },
  });
  const names = [...base.tensors.keys()].filter((name) => !(tied && name === unembed));
  const tensors = names.map((name) => merged(name, adapted.tensors.get(name)!));
  return { tensors: untied ? [...tensors, merged(unembed, adapted.tensors.get(embed)!)] : tensors, untied };
}

/** W + scale * B A, each number summed in float64 and rounded once. */
function addUpdate(values: Float32Array, module: string, { tensors, adapters }: Checkpoint): void {
  const { rank, scale } = adapters!.get(module)!;
  const down = tensors.get(`${module}.lora_A.weight`)!, columns = down.shape[1]!;
  const a = readTensor(down), b = readTensor(tensors.get(`${module}.lora_B.weight`)!);
  const row = new Float64Array(columns);
  for (let i = 0; i < values.length / columns; i++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[i * rank + k]!;
      for (let j = 0; j < columns; j++) row[j]! += factor * a[k * columns + j]!;
    }
    for (let j = 0; j < columns; j++) values[i * columns + j]! += row[j]!;
  }
}
