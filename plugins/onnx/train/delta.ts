/** Deltas on disk: full weights and embeddings as delta.safetensors, LoRA in PEFT's layout; beside them the manifest, delta.json. */
import { join } from "node:path";
import {
  canonicalJson,
  type Context,
  type Delta,
  type DeltaManifest,
  DeltaManifestSchema,
  type ModelInfo,
  type ResolvedRecipe,
  sha256,
  UserError,
} from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import type { Hyperparameters } from "../architectures/shape.ts";
import { exists, hashFile, openFile, parseObject, readText } from "../weights/file.ts";
import { partsOf } from "../weights/layout.ts";
import { readSafetensors } from "../weights/safetensors.ts";
import { unslicedName } from "../weights/slices.ts";
import type { Checkpoint, TensorRef } from "../weights/types.ts";
import { widen } from "../weights/widen.ts";
import { writeTensors, writeWhole, type WrittenTensor } from "../weights/write.ts";
import { modulesOf } from "./meant.ts";
import { readTensor } from "./parameters.ts";
import { adapterConfig, PEFT_CONFIG, PEFT_TENSORS, peftName, readAdapterConfig } from "./peft.ts";

/** A factor's name in PEFT: before the module, the module, which factor. */
const FACTOR = /^(base_model\.model\.|)(.+)\.(lora_[AB])(?:\.default)?\.weight$/;
const MANIFEST = "delta.json", TENSORS = "delta.safetensors";

export interface SavedDelta {
  readonly recipe: ResolvedRecipe;
  readonly parameters: readonly WrittenTensor[];
  /** Names of modules with low-rank updates. */
  readonly adapted: readonly string[];
  /** All modules of the model. */
  readonly modules: readonly string[];
  readonly manifest: Omit<DeltaManifest, "tensors" | "recipe">;
}

/** Writes a delta into `folder`/HASH. */
export function saveDelta(
  folder: string,
  { recipe, parameters, adapted, modules, manifest }: SavedDelta,
): Delta {
  Deno.mkdirSync(folder, { recursive: true });
  const draft = Deno.makeTempDirSync({ dir: folder, prefix: ".draft-" });
  const text = (name: string, content: string) =>
    writeWhole(join(draft, name), (write) => write(new TextEncoder().encode(content)));
  const { parameters: trained } = recipe;
  const file = join(draft, trained.kind === "lora" ? PEFT_TENSORS : TENSORS);
  if (trained.kind === "lora") {
    writeTensors(file, parameters.map((each) => ({ ...each, name: peftName(each.name) })));
    const base = manifest.base?.name ?? "";
    text(PEFT_CONFIG, `${JSON.stringify(adapterConfig(trained, { adapted, modules, base }), null, 1)}\n`);
  } else writeTensors(file, parameters);
  const whole = { ...manifest, recipe, tensors: sha256(Deno.readFileSync(file)) } as DeltaManifest;
  const json = canonicalJson(whole), hash = sha256(json), place = join(folder, hash);
  text(MANIFEST, `${json}\n`);
  try {
    Deno.renameSync(draft, place);
  } catch (error) {
    Deno.removeSync(draft, { recursive: true });
    // The same delta is there already: the same hash is the same bytes.
    if (!exists(join(place, MANIFEST))) throw error;
  }
  return { hash, manifest: whole, folder: place };
}

/** A delta that fits a model. */
export interface OpenDelta {
  readonly hash: string;
  readonly manifest: DeltaManifest | undefined;
  /** The model with it. */
  readonly checkpoint: Checkpoint;
}

export interface DeltaHost {
  readonly info: ModelInfo;
  readonly checkpoint: Checkpoint;
  readonly architecture: Architecture;
  readonly shape: Hyperparameters;
  readonly context: Context;
}

/** Reads a delta, or an adapter in PEFT's layout.
 * @throws {UserError} for what is neither, is not whole, or belongs to another model. */
export async function openDelta(folder: string, host: DeltaHost): Promise<OpenDelta> {
  const { info, context } = host, task = `adapt ${info.name} with ${folder}`;
  if (!exists(join(folder, MANIFEST))) {
    if (exists(join(folder, PEFT_CONFIG))) return openAdapter(folder, host, undefined);
    throw new UserError(
      `Cannot ${task}: it has neither ${MANIFEST} nor ${PEFT_CONFIG}, wanted a delta's folder`,
    );
  }
  const json = parseObject(readText(join(folder, MANIFEST)), join(folder, MANIFEST));
  const parsed = DeltaManifestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UserError(
      `Cannot ${task}: ${MANIFEST} at ${issue?.path.join(".")}: ${issue?.message}, wanted a manifest`,
    );
  }
  const manifest = parsed.data, { base, recipe } = manifest;
  if (base && (base.weights !== info.hash.weights || base.config !== info.hash.config)) {
    const what = base.weights === info.hash.weights ? "config" : "weights";
    throw new UserError(
      `Cannot ${task}: it was trained on ${base.name} with other ${what} (${
        base[what].slice(0, 12)
      }), wanted the model that has ${info.hash[what].slice(0, 12)}`,
    );
  }
  const path = join(folder, recipe?.parameters.kind === "lora" ? PEFT_TENSORS : TENSORS);
  const found = await hashFile(path, context);
  if (found !== manifest.tensors) {
    throw new UserError(
      `Cannot ${task}: ${path} has sha256 ${found.slice(0, 12)}, wanted ${
        manifest.tensors.slice(0, 12)
      } as ${MANIFEST} says`,
    );
  }
  if (recipe?.parameters.kind === "lora") return openAdapter(folder, host, manifest);
  const hash = sha256(canonicalJson(json)), { checkpoint, shape } = host;
  const refs = refsOf(path);
  if (recipe?.parameters.kind === "embedding") {
    const [row] = refs.values();
    if (!row || row.shape.join() !== `${shape.width}`) {
      throw new UserError(`Cannot ${task}: its embedding is [${row?.shape.join()}], wanted [${shape.width}]`);
    }
    const tensors = new Map([...checkpoint.tensors, [row.name, row]]);
    const embedding = { token: recipe.parameters.token, name: row.name };
    return { hash, manifest, checkpoint: { ...checkpoint, tensors, embedding } };
  }
  for (const { name, shape } of refs.values()) {
    const own = checkpoint.shapes.get(name)?.join();
    if (own !== shape.join()) {
      throw new UserError(
        `Cannot ${task}: its tensor ${name} is [${shape.join(", ")}], wanted ${
          own ? `[${own}]` : "one that the model has"
        }`,
      );
    }
  }
  return { hash, manifest, checkpoint: withTensors(checkpoint, refs) };
}

/** Whole weights in place of the model's, whatever form these have. */
function withTensors(checkpoint: Checkpoint, refs: ReadonlyMap<string, TensorRef>): Checkpoint {
  const { tensors, sliced } = checkpoint;
  return {
    ...checkpoint,
    tensors: new Map([...tensors, ...refs]),
    ...(sliced && { sliced: new Map([...sliced].filter(([name]) => !refs.has(name))) }),
  };
}

/** Of a model with a delta: both are in its hash. */
export function adaptedInfo(
  info: ModelInfo,
  { hash, checkpoint: { tensors, shapes, parameters } }: OpenDelta,
): ModelInfo {
  // What the model has besides its own, in float32 whatever its own are.
  const all = [...tensors.values()].reduce(
    (sum, { name, length }) => shapes.has(name) || unslicedName(name) !== name ? sum : sum + length / 4,
    parameters,
  );
  return {
    ...info,
    name: `${info.name}+${hash.slice(0, 8)}`,
    parameters: all,
    hash: { ...info.hash, weights: sha256(`${info.hash.weights}\n${hash}`) },
  };
}

/** Tensors of a float32 file. */
function refsOf(path: string): Map<string, TensorRef> {
  using file = openFile(path);
  return new Map(readSafetensors(file).map((tensor) => [tensor.name, tensor]));
}

/** Whether a tensor is one of the model itself, unchanged: PEFT puts embeddings beside the factors where it adapts the output matrix. */
function isBaseWeight(
  tensor: TensorRef,
  { tensors, config }: Checkpoint,
  architecture: Architecture,
): boolean {
  const name = tensor.name.replace(/^base_model\.model\./, "").replace(".base_layer.", ".");
  const tied = config.tie_word_embeddings && name === architecture.unembed ? architecture.embed : name;
  const own = tensors.get(tied);
  return own !== undefined && own.shape.join() === tensor.shape.join() &&
    sameNumbers(readTensor(own), readTensor(tensor));
}

const sameNumbers = (a: Float32Array, b: Float32Array) => a.every((value, i) => value === b[i]);

/** A factor of a packed projection as factors of its parts: they share A, and have rows of B. */
function factorsApart(
  tensor: TensorRef,
  place: Pick<DeltaHost, "architecture" | "shape">,
): TensorRef[] {
  const [, before = "", module = "", side] = FACTOR.exec(tensor.name) ?? [];
  const parts = partsOf(module, place), rows = parts?.reduce((sum, part) => sum + part.rows, 0);
  // A B of other rows is refused under its own name.
  if (!parts || (side === "lora_B" && tensor.shape[0] !== rows)) return [tensor];
  return parts.map((part): TensorRef => {
    const name = `${before}${part.module}.${side}.weight`;
    if (side === "lora_A") return { ...tensor, name };
    const rowBytes = tensor.length / rows!, [, ...rest] = tensor.shape;
    return {
      ...tensor,
      name,
      shape: [part.rows, ...rest],
      offset: tensor.offset + part.from * rowBytes,
      length: part.rows * rowBytes,
    };
  });
}

/** An adapter in PEFT's layout; half-precision factors are widened into the cache. */
async function openAdapter(
  folder: string,
  { info, checkpoint, architecture, shape, context }: DeltaHost,
  manifest: DeltaManifest | undefined,
): Promise<OpenDelta> {
  const task = `adapt ${info.name} with ${folder}`, path = join(folder, PEFT_TENSORS);
  if (checkpoint.adapters) {
    throw new UserError(`Cannot ${task}: the model has a low-rank update already, wanted it merged first`);
  }
  const turned = architecture.layout?.transposed !== undefined;
  const config = readAdapterConfig(readText(join(folder, PEFT_CONFIG)), join(folder, PEFT_CONFIG), turned);
  using file = openFile(path);
  const stored = readSafetensors(file), sha = await hashFile(path, context);
  const mapped = stored.every(({ type }) => type === "F32")
    ? stored
    : await widen(stored, { weightsHash: sha }, context);
  const modules = new Map(modulesOf(architecture, shape).map((module) => [module.name, module.shape]));
  const factors = new Map<string, TensorRef>(), adapted = new Set<string>();
  for (const tensor of mapped.flatMap((each) => factorsApart(each, { architecture, shape }))) {
    const [, , module = "", side] = FACTOR.exec(tensor.name) ?? [];
    const size = modules.get(module);
    if (isBaseWeight(tensor, checkpoint, architecture)) continue;
    if (!size) {
      throw new UserError(
        `Cannot ${task}: ${info.name} has no place for its tensor ${tensor.name}, wanted an adapter of this model's projections`,
      );
    }
    const wanted = side === "lora_A" ? [config.rank, size[1]] : [size[0], config.rank];
    if (tensor.shape.join() !== wanted.join()) {
      throw new UserError(
        `Cannot ${task}: its tensor ${tensor.name} is [${tensor.shape.join(", ")}], wanted [${
          wanted.join(", ")
        }] for this model and rank ${config.rank}`,
      );
    }
    const name = `${module}.${side}.weight`;
    adapted.add(module);
    factors.set(name, { ...tensor, name });
  }
  for (const module of adapted) {
    const missing = ["lora_A", "lora_B"].find((side) => !factors.has(`${module}.${side}.weight`));
    if (missing) throw new UserError(`Cannot ${task}: ${module} has no ${missing}, wanted both factors`);
  }
  if (adapted.size === 0) throw new UserError(`Cannot ${task}: ${PEFT_TENSORS} is empty, wanted an adapter`);
  const { rank, scale } = config;
  return {
    hash: sha256(canonicalJson(manifest ?? { peft: { rank, scale }, tensors: sha })),
    manifest,
    checkpoint: {
      ...checkpoint,
      tensors: new Map([...checkpoint.tensors, ...factors]),
      adapters: new Map([...adapted].map((module) => [module, { rank, scale }])),
    },
  };
}
