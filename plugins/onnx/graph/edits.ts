/**
 * Edits are inputs. A tap that may be edited carries two nodes and two graph inputs:
 *
 *   x [batch, tokens, columns]  ->  x * gain + offset,   gain, offset [1|batch, 1|tokens, columns]
 *
 * scale v is gain v; set v is gain 0, offset v; add v is offset v. Later edits act on what earlier ones left. Gain 1 and offset 0 are
 * the identity to the bit, so that one session serves every edit; the graph takes different ones for the rows of one batch.
 */
import { type Edit, type Tap, UserError } from "../../../core/mod.ts";
import { columnsOf, type Hyperparameters, unitsOf } from "../architectures/shape.ts";
import type { Builder, Dim, Value } from "./graph.ts";

/** Gives the function that a decoder calls at every place; it leaves places outside `taps` as they are. */
export function editInputs(b: Builder, taps: ReadonlySet<Tap>): (tap: Tap, value: Value) => Value {
  return (tap, value) => {
    if (!taps.has(tap)) return value;
    const [batch, tokens, columns] = value.shape as [Dim, Dim, Dim];
    const input = (name: string) =>
      b.input(`${tap}.${name}`, "float32", [`${batch}?`, `${tokens}?`, columns]);
    return b.node("Add", `${tap}.edited`, [
      b.node("Mul", `${tap}.scaled`, [value, input("gain")]),
      input("offset"),
    ]);
  };
}

/** One row of a batch, as edits see it. */
export interface EditRow {
  readonly edits: readonly Edit[];
  /** Absolute position of each token of the row. */
  readonly positions: readonly number[];
  /** Whether each token continues the prompt. */
  readonly generated: readonly boolean[];
}

export interface EditFeed {
  readonly gain: Float32Array;
  readonly offset: Float32Array;
  /** [1|batch, 1|tokens, columns]. */
  readonly dims: readonly [number, number, number];
}

/** Checks edits against the model and the taps that its graph carries.
 * @throws {UserError} naming the edit. */
export function checkEdits(edits: readonly Edit[], shape: Hyperparameters, taps: ReadonlySet<Tap>): void {
  for (const edit of edits) {
    const units = unitsOf(shape, edit.tap), values = valuesPerUnit(shape, edit.tap);
    const refuse = (state: string) => {
      throw new UserError(`Cannot edit ${edit.tap}: ${state}`);
    };
    if (!taps.has(edit.tap)) {
      refuse("the model was opened without this tap, wanted it among the taps of open()");
    }
    const out = edit.units.find((unit) => !(Number.isInteger(unit) && unit >= 0 && unit < units));
    if (out !== undefined) refuse(`unit is ${out}, wanted a whole number in [0, ${units})`);
    if (new Set(edit.units).size !== edit.units.length) refuse("a unit is named twice, wanted each once");
    const position = Array.isArray(edit.at)
      ? edit.at.find((p) => !(Number.isInteger(p) && p >= 0 && p < shape.context))
      : undefined;
    if (position !== undefined) {
      refuse(`position is ${position}, wanted a whole number in [0, ${shape.context})`);
    }
    if (edit.value === undefined) {
      if (!edit.from) refuse("it has no value, wanted a number, a list of numbers, or from");
    } else if (typeof edit.value === "number") {
      if (!Number.isFinite(edit.value)) refuse(`value is ${edit.value}, wanted a finite number`);
    } else if (edit.value.length !== edit.units.length && edit.value.length !== edit.units.length * values) {
      const wanted = values === 1
        ? `${edit.units.length}`
        : `${edit.units.length} or ${edit.units.length * values}`;
      refuse(`${edit.value.length} values for ${edit.units.length} units, wanted ${wanted}`);
    } else if (!edit.value.every(Number.isFinite)) refuse("a value is not finite, wanted finite numbers");
  }
}

/** Gains and offsets of one tap for the rows of a batch of `tokens` columns of positions; the smallest array that says it. */
export function feedOf(tap: Tap, shape: Hyperparameters, rows: readonly EditRow[]): EditFeed {
  const columns = columnsOf(shape, tap);
  const own = rows.map((row) => row.edits.filter((edit) => edit.tap === tap));
  const positional = own.some((edits) => edits.some((edit) => (edit.at ?? "all") !== "all"));
  const alike = !positional && own.every((edits) => same(edits, own[0]!));
  const batch = alike ? 1 : rows.length;
  const tokens = positional ? Math.max(...rows.map((row) => row.positions.length)) : 1;
  const gain = new Float32Array(batch * tokens * columns).fill(1), offset = new Float32Array(gain.length);
  for (let r = 0; r < batch; r++) {
    for (const edit of own[r]!) {
      for (let t = 0; t < tokens; t++) {
        if (positional && !touches(edit, rows[r]!, t)) continue;
        apply(edit, shape, { gain, offset, start: (r * tokens + t) * columns });
      }
    }
  }
  return { gain, offset, dims: [batch, tokens, columns] };
}

function same(a: readonly Edit[], b: readonly Edit[]): boolean {
  return a.length === b.length && a.every((edit, i) => edit === b[i]);
}

function touches({ at = "all" }: Edit, row: EditRow, token: number): boolean {
  const position = row.positions[token];
  if (position === undefined) return false; // padding
  if (at === "all") return true;
  if (at === "prompt" || at === "generated") return row.generated[token] === (at === "generated");
  return at.includes(position);
}

interface Target {
  readonly gain: Float32Array;
  readonly offset: Float32Array;
  /** Where the row's columns begin. */
  readonly start: number;
}

function apply(edit: Edit, shape: Hyperparameters, { gain, offset, start }: Target): void {
  const span = valuesPerUnit(shape, edit.tap);
  edit.units.forEach((unit, u) => {
    for (let j = 0; j < span; j++) {
      const value = valueAt(edit, u, { j, span });
      const column = start + unit * span + j;
      if (edit.op === "add") offset[column]! += value;
      else {
        gain[column]! *= edit.op === "scale" ? value : 0;
        offset[column] = edit.op === "scale" ? offset[column]! * value : value;
      }
    }
  });
}

function valueAt(
  { value = 0, units }: Edit,
  unit: number,
  { j, span }: { readonly j: number; readonly span: number },
): number {
  if (typeof value === "number") return value;
  return value.length === units.length ? value[unit]! : value[unit * span + j]!;
}

function valuesPerUnit(shape: Hyperparameters, tap: Tap): number {
  return tap.endsWith(".attn.head") ? shape.headDim : 1;
}
