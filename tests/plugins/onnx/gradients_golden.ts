/** Activations and gradients of PyTorch in float64 on tiny random models, as make_gradients.py stores them. */
import { assert, assertEquals } from "@std/assert";
import type { Edit, Objective, Observation, RunRequest, RunSample, Tap } from "../../../core/mod.ts";
import { readGolden } from "./weights/golden.ts";

/** Largest error at a tap beside its largest number: what the issue allows. */
export const TAP = 1e-4;

export const MODELS = ["gqa", "biased"] as const;
/** A tiny random model of each family beside Llama, with fewer cases. */
export const FAMILIES = [
  "mistral",
  "qwen2",
  "qwen3",
  "gemma2",
  "gemma3",
  "gpt2",
  "phi3",
  "olmo2",
] as const;
/** A tiny random model below tests/goldens/gradients. */
export const folder = (name: string) => new URL(`../../goldens/gradients/${name}`, import.meta.url).pathname;

/** As make_gradients.py writes it. */
export interface Case {
  readonly name: string;
  readonly objective: Objective;
  readonly samples: readonly RunSample[];
  readonly edits?: readonly Edit[];
  readonly taps: readonly Tap[];
  readonly objectives: readonly number[];
  readonly positions: readonly (readonly number[])[];
}

/** One sample's numbers at a tap, row after row. */
export interface Rows {
  readonly columns: number;
  readonly values: Float64Array;
}

export type Stored = "activation" | "gradient" | "direct";

export interface Golden {
  readonly cases: readonly Case[];
  /** Absent where the file does not hold it. */
  rows(place: Case, sample: number, what: { readonly tap: Tap; readonly quantity: Stored }): Rows | undefined;
}

export function goldenOf(name: string): Golden {
  const { cases } = readGolden<{ readonly cases: readonly Case[] }>(`gradients/${name}/gradients.json`);
  const tensor = tensorsOf(`${folder(name)}/gradients.safetensors`);
  return {
    cases,
    rows({ name, positions }, sample, { tap, quantity }) {
      const found = tensor(`${name}/${quantity}/${tap}`);
      if (!found) return undefined;
      const lengths = positions.map(({ length }) => quantity === "direct" ? 1 : length);
      const first = lengths.slice(0, sample).reduce((sum, length) => sum + length, 0);
      const { values, columns } = found, end = first + lengths[sample]!;
      return { columns, values: Float64Array.from(values.subarray(first * columns, end * columns)) };
    },
  };
}

/** Tensors [rows, columns] of a safetensors file by name: length of the header, header, float32. */
function tensorsOf(path: string) {
  const bytes = Deno.readFileSync(path);
  const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Readonly<
    Record<string, { readonly shape: readonly number[]; readonly data_offsets: readonly [number, number] }>
  >;
  return (name: string) => {
    const entry = header[name];
    if (!entry) return undefined;
    const [begin, end] = entry.data_offsets;
    return {
      columns: entry.shape[1]!,
      values: new Float32Array(bytes.buffer.slice(start + begin, start + end)),
    };
  };
}

export const caseOf = (golden: Golden, name: string) => golden.cases.find((place) => place.name === name)!;
/** Taps that a case needs its model opened with. */
export const tapsEdited = ({ edits = [], samples }: Case): Tap[] => [
  ...new Set([...edits, ...samples.flatMap((sample) => sample.edits ?? [])].map(({ tap }) => tap)),
];
export const requestOf = ({ objective, edits }: Case, observe: readonly Observation[]): RunRequest => ({
  objective,
  observe,
  ...(edits ? { edits } : {}),
});
const largest = (values: ArrayLike<number>) =>
  Array.from(values, Math.abs).reduce((a, b) => Math.max(a, b), 0);

/** All numbers are compared with the largest there. A row that no path of the model leads to is zero to the bit on both sides; zeros in another row,
 * where terms cancel, are compared as its other numbers are.
 * @returns the largest error beside the largest number */
export function assertNear(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { place, tolerance = TAP, columns = 1 }: {
    readonly place: string;
    readonly tolerance?: number;
    readonly columns?: number;
  },
): number {
  assertEquals(actual.length, expected.length, place);
  const size = largest(expected);
  let worst = 0;
  for (let row = 0; row < expected.length; row += columns) {
    const isNothing = largest(Array.prototype.slice.call(expected, row, row + columns)) === 0;
    for (let i = row; i < row + columns; i++) {
      const error = Math.abs(actual[i]! - expected[i]!);
      worst = Math.max(worst, error);
      assert(
        isNothing ? actual[i] === 0 : error < tolerance * size,
        `${place}, number ${i}: ${actual[i]} beside ${expected[i]}, the largest is ${size}`,
      );
    }
  }
  return size === 0 ? 0 : worst / size;
}
