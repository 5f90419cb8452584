/** From a recipe's words to named tensors: what is trained, and where it comes from. */
import { createRandom, suggest, type Trained, type Unit, UserError } from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import type { TrainedInputs } from "../architectures/rows.ts";
import type { Hyperparameters, ProjectionSite } from "../architectures/shape.ts";
import { openFile } from "../weights/file.ts";
import { modulesBySite } from "../weights/layout.ts";
import type { Adapter, Checkpoint, TensorRef } from "../weights/types.ts";
import { belonging } from "./units.ts";

/** A tensor that is trained. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  /** Norms and biases do not. */
  readonly decays: boolean;
}

interface Module {
  /** "model.layers.0.self_attn.q_proj" */
  readonly name: string;
  readonly layer: number | undefined;
  /** undefined for the output matrix. */
  readonly site: ProjectionSite | undefined;
  /** [out, in] */
  readonly shape: readonly [number, number];
}

export interface Plan {
  readonly parameters: readonly Parameter[];
  readonly inputs: TrainedInputs;
  /** The checkpoint with the low-rank updates that are trained. */
  readonly checkpoint: Checkpoint;
  /** Modules that have them. */
  readonly adapted: readonly string[];
  /** Name of the parameter that holds the output matrix, or undefined where it is not trained. */
  readonly unembed: string | undefined;
  /** That holds embeddings, and the token whose alone it is. */
  readonly embed: { readonly name: string; readonly token: number | undefined } | undefined;
  /** 1 for each number of a parameter that belongs to one of the units; parameters of which none does are left out.
   * @throws {UserError} for a unit that belongs to no projection. */
  belonging(units: readonly Unit[]): ReadonlyMap<string, Uint8Array>;
}

export interface PlanOptions {
  readonly architecture: Architecture;
  readonly shape: Hyperparameters;
  readonly trained: Trained;
  readonly seed: number | string;
  /** "train demo" */
  readonly task: string;
}

/** @throws {UserError} for a target or block that matches nothing. */
export function planParameters(checkpoint: Checkpoint, options: PlanOptions): Plan {
  const { trained } = options;
  const planned = trained.kind === "lora"
    ? planLora(checkpoint, trained, options)
    : trained.kind === "full"
    ? planFull(checkpoint, trained, options)
    : planEmbedding(checkpoint, trained, options);
  return { ...planned, belonging: (units) => belonging(planned.parameters, units, options) };
}

/** Every projection, then the output matrix. */
export function modulesOf(architecture: Architecture, shape: Hyperparameters): Module[] {
  const sites = modulesBySite(architecture);
  return [
    ...Array.from({ length: shape.layers }, (_, layer) =>
      [...sites].map(([site, name]): Module => ({
        name: architecture.layer(layer) + name,
        layer,
        site,
        shape: shape.projections[site],
      }))).flat(),
    {
      name: architecture.unembed.replace(/\.weight$/, ""),
      layer: undefined,
      site: undefined,
      shape: [shape.vocab, shape.width],
    },
  ];
}

type Planned = Omit<Plan, "belonging">;

function planLora(
  checkpoint: Checkpoint,
  { targets, rank, alpha, dropout = 0, layers }: Extract<Trained, { kind: "lora" }>,
  { architecture, shape, seed, task }: PlanOptions,
): Planned {
  const modules = modulesOf(architecture, shape);
  const chosen = new Set<Module>();
  for (const target of targets) {
    const matching = modules.filter((module) =>
      isMeant(module, target) &&
      (layers === undefined || module.layer === undefined || layers.includes(module.layer))
    );
    if (matching.length === 0) {
      throw new UserError(
        `Cannot ${task}: LoRA target ${JSON.stringify(target)} matches no projection${
          layers && modules.some((module) => isMeant(module, target)) ? ` of layers ${layers.join(", ")}` : ""
        }${
          suggest(target, [
            ...modulesBySite(architecture).keys(),
            "unembed",
            "all-linear",
            ...new Set(modules.map(lastName)),
          ])
        }`,
      );
    }
    for (const module of matching) chosen.add(module);
  }
  const found = modules.filter((module) => chosen.has(module));
  const factor = (name: string, size: readonly [number, number], bound: number): Parameter => {
    const random = createRandom(`${seed}/lora/${name}`);
    const values = new Float32Array(size[0] * size[1]);
    if (bound > 0) { for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random.uniform() - 1); }
    return { name, shape: size, values, decays: true };
  };
  const parameters = found.flatMap(({ name, shape: [rows, columns] }) => [
    factor(`${name}.lora_A.weight`, [rank, columns], columns ** -0.5),
    factor(`${name}.lora_B.weight`, [rows, rank], 0),
  ]);
  const adapter: Adapter = { rank, scale: alpha / rank };
  if (checkpoint.adapters) {
    throw new UserError(`Cannot ${task}: it has a low-rank update already, wanted one that is merged`);
  }
  return {
    parameters,
    inputs: {
      tensors: new Set(parameters.map(({ name }) => name)),
      embeddings: false,
      dropout: dropout > 0,
    },
    checkpoint: {
      ...checkpoint,
      tensors: new Map([...checkpoint.tensors, ...parameters.map(refOf)]),
      adapters: new Map(found.map(({ name }) => [name, adapter])),
    },
    adapted: found.map(({ name }) => name),
    unembed: undefined,
    embed: undefined,
  };
}

/** A target as TrainRecipe says, or as PEFT matches names: whole, or after a dot. */
function isMeant(module: Module, target: string): boolean {
  if (target === "all-linear") return module.site !== undefined;
  const { name, layer, site } = module;
  const names = [name, site ? `layers.${layer}.${site}` : "unembed"];
  return names.some((each) => each === target || each.endsWith(`.${target}`));
}

const lastName = ({ name }: Module) => name.split(".").at(-1)!;
/** Where a parameter would lie; it comes in, so only the shape is read. */
const refOf = ({ name, shape }: Parameter): [string, TensorRef] => [
  name,
  { name, shape, file: "", offset: 0, length: 0 },
];

function planFull(
  checkpoint: Checkpoint,
  { blocks }: Extract<Trained, { kind: "full" }>,
  { architecture, shape, task }: PlanOptions,
): Planned {
  const tied = checkpoint.config.tie_word_embeddings;
  const placed = blocksOf(checkpoint, { architecture, shape });
  const chosen = new Set<string>();
  for (const block of blocks) {
    const pattern = new RegExp(`^${block.replaceAll(".", "\\.").replaceAll("*", "\\d+")}(\\.|$)`);
    const matching = block === "all"
      ? [...placed.values()].flat()
      : [...placed].filter(([name]) => pattern.test(name)).flatMap(([, names]) => names);
    if (matching.length === 0) {
      const state = block === "unembed" && tied ? "; its output matrix is its embedding" : "";
      const known = new Set(
        [...placed.keys()].flatMap((name) =>
          name.split(".").map((_, i, parts) => parts.slice(0, i + 1).join("."))
        ),
      );
      throw new UserError(
        `Cannot ${task}: block ${JSON.stringify(block)} matches no weight${state}${
          suggest(block, ["all", ...known])
        }`,
      );
    }
    for (const name of matching) chosen.add(name);
  }
  const parameters = [...checkpoint.tensors.values()].filter(({ name }) => chosen.has(name)).map((
    ref,
  ): Parameter => ({
    name: ref.name,
    shape: ref.shape,
    values: readTensor(ref),
    decays: ref.shape.length > 1,
  }));
  const embed = chosen.has(architecture.embed);
  const unembed = tied ? architecture.embed : architecture.unembed;
  return {
    parameters,
    inputs: { tensors: chosen, embeddings: embed, dropout: false },
    checkpoint,
    adapted: [],
    unembed: chosen.has(unembed) ? unembed : undefined,
    embed: embed ? { name: architecture.embed, token: undefined } : undefined,
  };
}

/** Names of tensors by block. */
function blocksOf(
  { tensors }: Checkpoint,
  { architecture, shape }: Pick<PlanOptions, "architecture" | "shape">,
): ReadonlyMap<string, readonly string[]> {
  const blocks = new Map<string, string[]>();
  const put = (block: string, names: readonly string[]) => {
    const there = names.filter((name) => tensors.has(name));
    if (there.length > 0) blocks.set(block, [...blocks.get(block) ?? [], ...there]);
  };
  const weightsOf = (name: string) => [`${name}.weight`, `${name}.bias`];
  put("embed", [architecture.embed]);
  put("positions", architecture.positions === undefined ? [] : [architecture.positions]);
  for (const { name, layer, site } of modulesOf(architecture, shape)) {
    put(site ? `layers.${layer}.${site}` : "unembed", weightsOf(name));
  }
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = architecture.layer(layer);
    const { attentionNorm, attentionAfter, mlpNorm, mlpAfter, queryNorm, keyNorm } = architecture;
    put(
      `layers.${layer}.norms`,
      [attentionNorm, attentionAfter, mlpNorm, mlpAfter, queryNorm, keyNorm].flatMap((name) =>
        name === undefined ? [] : weightsOf(at + name)
      ),
    );
  }
  put("norm", weightsOf(architecture.finalNorm));
  return blocks;
}

function planEmbedding(
  checkpoint: Checkpoint,
  { token, start }: Extract<Trained, { kind: "embedding" }>,
  { architecture, shape, task }: PlanOptions,
): Planned {
  if (token >= shape.vocab) {
    throw new UserError(`Cannot ${task}: token is ${token}, wanted a token id in [0, ${shape.vocab})`);
  }
  if (
    start && (start.length !== shape.width || !start.every((value) => Number.isFinite(Math.fround(value))))
  ) {
    throw new UserError(
      `Cannot ${task}: the embedding starts with ${start.length} numbers, wanted ${shape.width} finite ones`,
    );
  }
  const name = `${architecture.embed}.${token}`;
  const values = start
    ? Float32Array.from(start)
    : readRows(checkpoint.tensors.get(architecture.embed)!, [token], shape.width);
  return {
    parameters: [{ name, shape: [shape.width], values, decays: true }],
    inputs: { tensors: new Set(), embeddings: true, dropout: false },
    checkpoint,
    adapted: [],
    unembed: undefined,
    embed: { name, token },
  };
}

/** A whole tensor. */
export function readTensor({ file, offset, length }: TensorRef): Float32Array {
  using source = openFile(file);
  const bytes = new Uint8Array(length);
  source.read(offset, bytes);
  return new Float32Array(bytes.buffer);
}

/** Rows of a matrix, one after another. */
export function readRows(
  { file, offset }: TensorRef,
  rows: readonly number[],
  columns: number,
): Float32Array {
  using source = openFile(file);
  const bytes = new Uint8Array(4 * columns * rows.length);
  rows.forEach((row, i) =>
    source.read(offset + 4 * columns * row, bytes.subarray(4 * columns * i, 4 * columns * (i + 1)))
  );
  return new Float32Array(bytes.buffer);
}
