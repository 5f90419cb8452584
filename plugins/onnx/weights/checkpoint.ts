/** Opens what a user calls a model: a folder in Hugging Face's layout, or one .gguf file. */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { type Context, sha256, UserError } from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import { findArchitecture } from "../architectures/mod.ts";
import { shapeOf } from "../architectures/shape.ts";
import { modelTypeOf, parseConfig } from "./config.ts";
import { exists, hashFile, openFile, parseObject, readText, readTextIfAny } from "./file.ts";
import { type GgufMetadata, readGguf } from "./gguf.ts";
import {
  architectureOf,
  configOf,
  isNoWeight,
  LONGROPE_FACTORS,
  nameTensors,
  ROPE_FACTORS,
  type SourceTensor,
} from "./gguf_names.ts";
import { arrange, matricesOf } from "./layout.ts";
import { product, readSafetensors, type StoredTensor } from "./safetensors.ts";
import { type Precision, scalesOf, SLICES, slicesOf } from "./slices.ts";
import type { Checkpoint, CheckpointInfo, ModelConfig, Sliced, TensorRef, TokenizerSource } from "./types.ts";
import { readFloats, widen } from "./widen.ts";

/** Hyperparameters, shapes and hashes; no weight is widened.
 * @throws {UserError} naming file and tensor when the checkpoint is not whole. */
export async function inspectCheckpoint(path: string, context: Context): Promise<CheckpointInfo> {
  return (await inspect(path, context)).info;
}

/** A checkpoint with tensors that can be mapped: float32 safetensors stay where they are, all else is widened into the cache, once. Where it is
 * not to be computed in float32, the projections' matrices are there as slices alone.
 * @throws {UserError} as inspectCheckpoint, and on a full disk. */
export async function openCheckpoint(
  path: string,
  context: Context,
  precision: Precision = "float32",
): Promise<Checkpoint> {
  const { info, sources, inPlace } = await inspect(path, context);
  const factors = sources.find(({ name }) => name === ROPE_FACTORS);
  const common = { ...info, ...(factors ? { ropeFactors: readAll(factors) } : {}) };
  if (precision === "float32") {
    return { ...common, tensors: tensorsOf(inPlace ? sources : await widen(sources, info, context)) };
  }
  const sliced = matricesOf(findArchitecture(info.config.model_type, path), info.config.num_hidden_layers);
  const isSliced = ({ name }: SourceTensor) => sliced.has(name);
  const made = await widen(inPlace ? sources.filter(isSliced) : sources, {
    weightsHash: info.weightsHash,
    sliced,
    precision,
  }, context);
  const tensors = tensorsOf([...inPlace ? sources.filter((each) => !isSliced(each)) : [], ...made]);
  const slices = [...sliced].flatMap((name): [string, Sliced][] => {
    const [high, residue] = slicesOf(name, SLICES[precision]).map((part) => tensors.get(part));
    const scales = tensors.get(scalesOf(name));
    return high && scales ? [[name, { scales, high, ...(residue && { residue }) }]] : [];
  });
  return { ...common, tensors, sliced: new Map(slices) };
}

/** By name. */
export function tensorsOf(stored: readonly StoredTensor[]): ReadonlyMap<string, TensorRef> {
  return new Map(
    stored.map(({ name, shape, file, offset, length, type }) => [
      name,
      { name, shape, file, offset, length, ...(type === "I8" ? { dtype: "int8" as const } : {}) },
    ]),
  );
}

interface Inspected {
  readonly info: CheckpointInfo;
  readonly sources: readonly SourceTensor[];
  /** The sources are float32 in Hugging Face's layout already. */
  readonly inPlace: boolean;
}

function inspect(path: string, context: Context): Promise<Inspected> {
  if (!exists(path)) {
    throw new UserError(
      `Cannot open ${path}: there is no such file or folder, wanted a model folder, a .gguf or an .onnx file`,
    );
  }
  return Deno.statSync(path).isDirectory ? inspectFolder(path, context) : inspectGguf(path, context);
}

async function inspectGguf(path: string, context: Context): Promise<Inspected> {
  using file = openFile(path);
  const gguf = readGguf(file);
  // An unknown family is told before anything else is read.
  const architecture = findArchitecture(architectureOf(gguf.metadata, path), path),
    { gguf: rules } = architecture;
  if (!rules) {
    throw new UserError(
      `Cannot open ${path}: its GGUF architecture is ${
        architecture.modelTypes.join(", ")
      }, wanted a model folder for that family`,
    );
  }
  const written = configOf(gguf, { path, rules }), named = nameTensors(gguf, written, { path, rules });
  const config = { ...written, ...longropeOf(written, named, gguf.metadata) };
  const sources = arrange(named.filter(({ name }) => name === ROPE_FACTORS || !isNoWeight(name)), {
    architecture,
    shape: openingAt(path, () => shapeOf(config, architecture)),
    transposed: false,
  });
  const weightsHash = await hashFile(path, context);
  const tokenizer = { kind: "gguf", metadata: gguf.metadata } as const;
  return { info: { path, config, ...summary(sources), weightsHash, tokenizer }, sources, inPlace: false };
}

/** Names the path in what a part of the model refuses, which knows of none: "Cannot build the model: ...". */
export function openingAt<T>(path: string, build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(error.message.replace(/^Cannot build [^:]*/, `Cannot open ${path}`), {
      cause: error,
    });
  }
}

/** A second matrix that is not the embedding contradicts a config that ties the two.
 * @throws {UserError} naming it. */
function refuseUntied(
  sources: readonly SourceTensor[],
  { tie_word_embeddings }: ModelConfig,
  { path, architecture: { embed, unembed } }: { readonly path: string; readonly architecture: Architecture },
): void {
  const [table, output] = [embed, unembed].map((name) => sources.find((each) => each.name === name));
  if (!tie_word_embeddings || !table || !output) return;
  const [one, other] = [table, output].map((source) => {
    using file = openFile(source.file);
    const hash = createHash("sha256");
    for (const part of readFloats(source, file)) hash.update(part);
    return hash.digest("hex");
  });
  if (one === other) return;
  throw new UserError(
    `Cannot open ${path}: its config says tie_word_embeddings and ${unembed} is not its ${embed}, wanted one or the other`,
  );
}

/** Longrope's lists of factors, which a GGUF keeps as tensors, with how far they stretch the context. */
function longropeOf(
  { max_position_embeddings }: ModelConfig,
  named: readonly SourceTensor[],
  metadata: GgufMetadata,
): Pick<ModelConfig, "rope_scaling"> | undefined {
  const lists = Object.entries(LONGROPE_FACTORS).flatMap(([field, name]) => {
    const tensor = named.find((each) => each.name === name);
    return tensor ? [[field, [...readAll(tensor)]] as const] : [];
  });
  if (lists.length === 0) return undefined;
  const key = (name: string) => metadata.get(`${metadata.get("general.architecture")}.rope.scaling.${name}`);
  const original = key("original_context_length"), attention = key("attn_factor");
  return {
    rope_scaling: {
      ...Object.fromEntries(lists),
      rope_type: "longrope",
      original_max_position_embeddings: original,
      factor: max_position_embeddings / Number(original),
      ...(attention === undefined ? {} : { attention_factor: attention }),
    },
  };
}

async function inspectFolder(path: string, context: Context): Promise<Inspected> {
  const at = (name: string) => join(path, name);
  const fields = parseObject(readText(at("config.json")), at("config.json"));
  const architecture = findArchitecture(modelTypeOf(fields, at("config.json")), path);
  const generation = parseObject(
    readTextIfAny(at("generation_config.json")) ?? "{}",
    at("generation_config.json"),
  );
  const config = parseConfig(fields, generation, { path: at("config.json"), rules: architecture.config });
  const files = weightFiles(path);
  const shape = openingAt(path, () => shapeOf(config, architecture));
  const sources = arrange(readShards(path, files), { architecture, shape, transposed: true });
  refuseUntied(sources, config, { path, architecture });
  const hashes: string[] = [];
  for (const name of files) hashes.push(await hashFile(at(name), context));
  return {
    info: {
      path,
      config,
      ...summary(sources),
      weightsHash: joinHashes(hashes),
      tokenizer: tokenizerOf(path),
    },
    sources,
    inPlace: sources.every(({ type, turned }) => type === "F32" && turned === undefined),
  };
}

/** One hash of several files. */
export const joinHashes = (hashes: readonly string[]): string =>
  hashes.length === 1 ? hashes[0]! : sha256(hashes.join("\n"));

/** Of a model's folder. */
export function tokenizerOf(folder: string): TokenizerSource {
  const at = (name: string) => join(folder, name), chatTemplate = readTextIfAny(at("chat_template.jinja"));
  return {
    kind: "files",
    tokenizer: readText(at("tokenizer.json")),
    config: readTextIfAny(at("tokenizer_config.json")) ?? "{}",
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
  };
}

const INDEX = "model.safetensors.index.json";

/** Names of the folder's weight files, in name order: those of the index, else the one there is. */
function weightFiles(path: string): string[] {
  const index = readTextIfAny(join(path, INDEX));
  if (index !== undefined) return [...new Set(Object.values(weightMap(path, index)))].sort();
  const found = [...Deno.readDirSync(path)].map(({ name }) => name).filter((name) =>
    name.endsWith(".safetensors")
  );
  if (found.length === 1) return found;
  if (found.includes("model.safetensors")) return ["model.safetensors"];
  const state = found.length === 0
    ? "it has no .safetensors file"
    : `it has ${found.length} .safetensors files and no index`;
  throw new UserError(`Cannot open ${path}: ${state}, wanted model.safetensors or ${INDEX}`);
}

/** Shard of each tensor. A shard's name has no folder in it, so that an index cannot point outside. */
function weightMap(path: string, index: string): Readonly<Record<string, string>> {
  const file = join(path, INDEX);
  const map = parseObject(
    JSON.stringify(parseObject(index, file).weight_map ?? null),
    `weight_map of ${file}`,
  );
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== "string" || shard !== basename(shard) || !shard.endsWith(".safetensors")) {
      const state = `tensor ${tensor} is in ${JSON.stringify(shard)}`;
      throw new UserError(`Cannot read ${file}: ${state}, wanted a .safetensors file beside it`);
    }
  }
  return map as Readonly<Record<string, string>>;
}

function readShards(path: string, files: readonly string[]): StoredTensor[] {
  const tensors = new Map<string, StoredTensor>();
  for (const name of files) {
    using file = openFile(join(path, name));
    for (const tensor of readSafetensors(file)) {
      const other = tensors.get(tensor.name);
      if (other) {
        const state = `it is in ${basename(other.file)} and in ${name}`;
        throw new UserError(`Cannot read tensor ${tensor.name} of ${path}: ${state}, wanted it once`);
      }
      tensors.set(tensor.name, tensor);
    }
  }
  const index = readTextIfAny(join(path, INDEX));
  const missing = Object.keys(index === undefined ? {} : weightMap(path, index)).find((name) =>
    !tensors.has(name)
  );
  if (missing !== undefined) {
    throw new UserError(
      `Cannot read tensor ${missing} of ${path}: ${INDEX} names it and no file has it, wanted it once`,
    );
  }
  return [...tensors.values()];
}

export function summary(sources: readonly StoredTensor[]): Pick<CheckpointInfo, "shapes" | "parameters"> {
  const weights = sources.filter(({ name }) => !isNoWeight(name));
  return {
    shapes: new Map(weights.map(({ name, shape }) => [name, shape])),
    parameters: weights.reduce((sum, { shape }) => sum + product(shape), 0),
  };
}

function readAll(source: SourceTensor): Float32Array {
  using file = openFile(source.file);
  // The parts share one buffer: each is copied before the next is read.
  const values: number[] = [];
  for (const part of readFloats(source, file)) values.push(...part);
  return Float32Array.from(values);
}
