/** A training's state in one file, which is replaced whole: weights, the optimiser's running means, how far it has come. */
import { join } from "node:path";
import { UserError } from "../../../core/mod.ts";
import { exists, openFile, parseObject } from "../weights/file.ts";
import { product, readSafetensors } from "../weights/safetensors.ts";
import { readMetadata, writeTensors } from "../weights/write.ts";
import type { Slot } from "./adamw.ts";

export type NamedSlot = Slot & { readonly name: string; readonly shape: readonly number[] };

const FILE = "checkpoint.safetensors";
const REFERENCE = "reference";

export interface State {
  /** sha256 of what decides the weights: recipe, data, base. */
  readonly identity: string;
  readonly done: number;
  readonly loss: number;
  readonly slots: readonly NamedSlot[];
  /** See Batch.reference; empty for cross-entropy. */
  readonly reference: Float32Array;
}

/** Writes the state in place of the one that is there; a kill leaves one of them. */
export function saveState(folder: string, { identity, done, loss, slots, reference }: State): void {
  Deno.mkdirSync(folder, { recursive: true });
  const tensors = slots.flatMap(({ name, shape, values, mean, square }) => [
    { name: `values.${name}`, shape, values },
    { name: `mean.${name}`, shape, values: mean },
    { name: `square.${name}`, shape, values: square },
  ]);
  const kept = reference.length > 0
    ? [{ name: REFERENCE, shape: [reference.length], values: reference }]
    : [];
  writeTensors(join(folder, FILE), [...tensors, ...kept], {
    state: JSON.stringify({ identity, done, loss }),
  });
}

/** Fills the slots from a folder's checkpoint. @returns undefined where there is none.
 * @throws {UserError} for the checkpoint of another training. */
export function loadState(
  folder: string,
  { identity, slots, task }: {
    readonly identity: string;
    readonly slots: readonly NamedSlot[];
    readonly task: string;
  },
): { readonly done: number; readonly loss: number; readonly reference: Float32Array } | undefined {
  const path = join(folder, FILE);
  if (!exists(path)) return undefined;
  using file = openFile(path);
  const state = parseObject(String(readMetadata(file)["state"]), path);
  if (state["identity"] !== identity) {
    throw new UserError(
      `Cannot ${task}: ${path} is the checkpoint of another training (recipe, data or model differ), wanted its own or another folder`,
    );
  }
  const tensors = new Map(readSafetensors(file).map((tensor) => [tensor.name, tensor]));
  const read = (name: string, into?: Float32Array) => {
    const tensor = tensors.get(name)!;
    const values = into ?? new Float32Array(product(tensor.shape));
    file.read(tensor.offset, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    return values;
  };
  for (const { name, values, mean, square } of slots) {
    read(`values.${name}`, values);
    read(`mean.${name}`, mean);
    read(`square.${name}`, square);
  }
  return {
    done: Number(state["done"]),
    loss: Number(state["loss"]),
    reference: tensors.has(REFERENCE) ? read(REFERENCE) : new Float32Array(0),
  };
}
