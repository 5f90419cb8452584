/** Training by PyTorch and PEFT in float64 on tiny random models, as make_training.py stores it. */
import {
  type Example,
  type Model,
  type Trainer,
  type TrainOptions,
  type TrainRecipe,
  UserError,
} from "../../../../core/mod.ts";
import { readGolden } from "../weights/golden.ts";

/** As make_training.py writes it. */
export interface Case {
  readonly name: string;
  readonly model: string;
  readonly recipe: Omit<TrainRecipe, "seed">;
  readonly examples: readonly Example[];
  readonly steps: readonly {
    readonly loss: number;
    readonly rate: number;
    readonly norm: number;
    readonly margin?: number;
  }[];
  readonly first: { readonly loss: number; readonly margins: readonly number[] };
  readonly last: { readonly loss: number; readonly margins: readonly number[] };
  /** How far PyTorch in float32 ends from float64: 2-norm over all weights, how far these moved, and the largest difference of a loss. */
  readonly float32: { readonly distance: number; readonly moved: number; readonly loss: number };
}

interface Golden {
  readonly cases: readonly Case[];
  /** Of a tiny model of each family every weight's gradient, at the first weights alone. */
  readonly families: readonly Pick<Case, "name" | "model" | "recipe" | "examples" | "first">[];
  /** The text of each model's logits under its adapter. */
  readonly peft: { readonly ids: Readonly<Record<"gqa" | "phi3" | "gpt2", readonly number[]>> };
}
export const GOLDEN = readGolden<Golden>("training/training.json");
export const { cases: CASES } = GOLDEN;
const adapter = (name: string) => new URL(`../../../goldens/training/${name}`, import.meta.url).pathname;
/** Adapters with random factors as PEFT saves them: of "gqa", and of families that store packed projections. */
export const PEFT = adapter("peft"),
  PACKED = { phi3: adapter("peft_phi3"), gpt2: adapter("peft_gpt2") } as const;
export const caseOf = (name: string) => CASES.find((each) => each.name === name)!;

type Kind = "initial" | "first" | "last" | "final";

/** Tensors of a case by name. */
export function tensorsOf({ name }: Pick<Case, "name">, kind: Kind): ReadonlyMap<string, Float64Array> {
  const prefix = `${name}/${kind}/`;
  return new Map(
    Object.keys(header).filter((key) => key.startsWith(prefix)).map((
      key,
    ) => [key.slice(prefix.length), tensorOf(key)]),
  );
}

const bytes = Deno.readFileSync(new URL("../../../goldens/training/training.safetensors", import.meta.url));
const start = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, start))) as Readonly<
  Record<string, { readonly dtype: string; readonly data_offsets: readonly [number, number] }>
>;

export function tensorOf(key: string): Float64Array {
  const { dtype, data_offsets: [begin, end] } = header[key]!;
  const data = bytes.buffer.slice(start + begin, start + end);
  return dtype === "F64" ? new Float64Array(data) : Float64Array.from(new Float32Array(data));
}

/** All examples in every batch, as the golden has it. */
export function trainerOf(
  model: Model,
  place: Pick<Case, "recipe" | "examples"> & Partial<Pick<Case, "steps">>,
  more: Partial<TrainOptions> = {},
): Promise<Trainer> {
  const { recipe, examples, steps = [1] } = place;
  return model.trainer({
    ...recipe,
    batch: examples.length,
    steps: steps.length,
    seed: 1,
    examples,
    ...more,
  });
}

/** Puts values in the place of what is trained. */
export function assign(trainer: Trainer, values: ReadonlyMap<string, Float64Array>): void {
  for (const [name, tensor] of values) trainer.values().get(name)!.values.set(tensor);
}

/** The sentence with which something is refused to a user. */
export async function refusal(attempt: () => Promise<unknown>): Promise<string> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}
