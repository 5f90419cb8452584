/** From a recipe's words to named tensors: what is trained, and where it comes from. */
import { createRandom, type Trained, type Unit, UserError } from "../../../core/mod.ts";
import type { TrainedInputs } from "../architectures/rows.ts";
import { openFile } from "../weights/file.ts";
import type { Adapter, Checkpoint, TensorRef } from "../weights/types.ts";
import { type Meaning, modulesMeant, tensorsMeant } from "./meant.ts";
import { belonging } from "./units.ts";

/** A tensor that is trained. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  /** Norms and biases do not. */
  readonly decays: boolean;
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

export interface PlanOptions extends Meaning {
  readonly trained: Trained;
  readonly seed: number | string;
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

type Planned = Omit<Plan, "belonging">;
function planLora(
  checkpoint: Checkpoint,
  { rank, alpha, dropout = 0, ...meant }: Extract<Trained, { kind: "lora" }>,
  { architecture, shape, seed, task }: PlanOptions,
): Planned {
  const found = modulesMeant(meant, { architecture, shape, task });
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
  const chosen = tensorsMeant(checkpoint, blocks, { architecture, shape, task });
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
