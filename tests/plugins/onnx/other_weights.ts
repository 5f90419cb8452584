/** Two models of one shape, for tests of what passes between them. */
import { withHeader } from "./weights/make.ts";

/** A tiny random Llama whose greedy texts vary from token to token; tests/goldens/README.md. */
export const RANDOM = new URL("../../goldens/gradients/gqa", import.meta.url).pathname;

/** Tensors whose numbers stand in reverse order in the copy; tests/goldens/make_patching.py makes the same. */
export const REVERSED = /\.(self_attn\.q_proj|self_attn\.v_proj|mlp\.up_proj)\.weight$/;

export interface Change {
  /** Default RANDOM. */
  readonly base?: string;
  readonly config?: Readonly<Record<string, unknown>>;
  /** Changes the numbers of a tensor in place. */
  readonly tensor?: (name: string, data: Float32Array) => void;
  /** Changes the text of tokenizer.json. */
  readonly tokenizer?: (text: string) => string;
}

export const reverse: NonNullable<Change["tensor"]> = (name, data) => {
  if (REVERSED.test(name)) data.reverse();
};

/** A changed copy of a model in a folder that is removed afterwards. */
export async function inCopy(change: Change, work: (folder: string) => Promise<void>): Promise<void> {
  const { base = RANDOM, tensor = () => {}, tokenizer = (text: string) => text } = change;
  const folder = await Deno.makeTempDir({ prefix: "plumbline-other-" });
  const rewrite = async (name: string, edit: (text: string) => string) =>
    await Deno.writeTextFile(`${folder}/${name}`, edit(await Deno.readTextFile(`${base}/${name}`)));
  try {
    await rewrite("tokenizer.json", tokenizer);
    await rewrite("tokenizer_config.json", (text) => text);
    await rewrite("config.json", (text) => JSON.stringify({ ...JSON.parse(text), ...change.config }));
    const file = await Deno.readFile(`${base}/model.safetensors`);
    const layers = change.config?.num_hidden_layers as number | undefined ?? Infinity;
    await Deno.writeFile(`${folder}/model.safetensors`, changed(file, tensor, layers));
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** @param layers of which tensors are kept */
function changed(file: Uint8Array, change: NonNullable<Change["tensor"]>, layers: number): Uint8Array {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = new TextDecoder().decode(file.subarray(8, 8 + length)), data = file.slice(8 + length);
  const kept: Record<string, unknown> = {}, parts: Uint8Array[] = [];
  let offset = 0;
  for (const [name, tensor] of Object.entries<{ data_offsets?: [number, number] }>(JSON.parse(header))) {
    if (!tensor.data_offsets || Number(/\.layers\.(\d+)\./.exec(name)?.[1] ?? 0) >= layers) continue;
    const [begin, end] = tensor.data_offsets;
    change(name, new Float32Array(data.buffer, begin, (end - begin) / 4));
    kept[name] = { ...tensor, data_offsets: [offset, offset += end - begin] };
    parts.push(data.subarray(begin, end));
  }
  return withHeader(JSON.stringify(kept), parts);
}
