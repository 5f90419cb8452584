/** Which rows of a batch are computed where: repeated at a part of a layer, or left to those that logits are read of. */
import type { Tap } from "../../../core/mod.ts";
import type { Builder, Value } from "../graph/graph.ts";
import type { Hyperparameters } from "./shape.ts";

/** What a drawing has room for. */
export interface DecoderSpec {
  /** Taps that carry gain and offset. */
  readonly edits: readonly Tap[];
  /** "cache": keys and values of earlier tokens come in, those so far go out. "spread": rows of the batch are repeated where the first
   * tap of a part of a layer carries edits, so that what lies below is computed once. "shared": tokens that rows have in common are
   * computed once (graph/sharing.ts). "plain": none of these. */
  readonly rows: "cache" | "spread" | "shared" | "plain";
  /** Taps whose values are wanted at every token, beside those that carry edits; absent: all. Of the last layer, what no such tap needs is
   * drawn for the rows that logits are read of alone, since no other token can reach a logit from there. */
  readonly whole?: readonly Tap[];
  /** What comes in with every call, because it is trained. */
  readonly trained?: TrainedInputs;
}

export interface TrainedInputs {
  /** Names of tensors that are inputs, of the shape that they have in the checkpoint. */
  readonly tensors: ReadonlySet<string>;
  /** Whether the embeddings of a call's tokens come in, [batch, tokens, width], in place of the tokens. */
  readonly embeddings: boolean;
  /** Whether what low-rank updates read is multiplied by an input "dropout.MODULE" of its shape. */
  readonly dropout: boolean;
}

/** Parts of a layer, and the sites that each begins before; rows may be repeated at the beginning of a part. */
export const PARTS = {
  attention: ["resid_pre", "attn.q", "attn.k", "attn.v"],
  head: ["attn.head", "attn.out"],
  mlp: ["mlp.gate", "mlp.up", "mlp.act", "mlp.out", "resid_post"],
} as const;
export type Part = keyof typeof PARTS;

/** Where rows are repeated for a tap, "embed" or "<layer>.<part>", as in the name of the input `spread.<place>`. */
export function spreadPlace(tap: Tap): string {
  const [, layer, site] = /^layers\.(\d+)\.(.+)$/.exec(tap) ?? [];
  const part = (Object.keys(PARTS) as Part[]).find((name) =>
    (PARTS[name] as readonly string[]).includes(site!)
  );
  return part ? `${layer}.${part}` : "embed";
}

/** Chooses and repeats rows of values that stand side by side, where taps of this place carry edits. */
export function spread(
  { b, spec }: { readonly b: Builder; readonly spec: DecoderSpec },
  place: string,
  values: readonly Value[],
): readonly Value[] {
  if (spec.rows !== "spread" || !spec.edits.some((tap) => spreadPlace(tap) === place)) return values;
  const rows = b.input(`spread.${place}`, "int64", [`batch.${place}`]);
  return values.map((value) => b.node("Gather", `${value.name}.spread.${place}`, [value, rows]));
}

/** The rows that logits are read of: indices into batch * tokens, [rows]. */
export function rowsRead(b: Builder): Value {
  return b.sharedInput("rows", "int64", ["rows"]);
}

/** x [batch, tokens, columns] at these rows, [rows, columns]. */
export function atRows(b: Builder, x: Value): Value {
  if (x.shape[0] === "rows") return x;
  return b.node("Gather", `${x.name}.read`, [flatten(b, `${x.name}.flat`, x), rowsRead(b)]);
}

/** [batch, tokens, columns] -> [batch * tokens, columns] */
export function flatten(b: Builder, at: string, x: Value): Value {
  return b.reshape(at, x, ["batch*tokens", x.shape.at(-1)!]);
}

/** Whether from this part on nothing is wanted but what logits are read of. */
export function endsAt(part: Part, { layer, shape, spec: { edits, whole } }: {
  readonly layer: number;
  readonly shape: Pick<Hyperparameters, "layers">;
  readonly spec: DecoderSpec;
}): boolean {
  if (layer < shape.layers - 1 || whole === undefined) return false;
  const parts = Object.keys(PARTS) as Part[], rest = parts.slice(parts.indexOf(part));
  return ![...edits, ...whole].some((tap) => rest.some((each) => spreadPlace(tap) === `${layer}.${each}`));
}
