/**
 * Edits are inputs. A tap that may be edited carries two nodes and two graph inputs:
 *
 *   x [batch, tokens, columns]  ->  x * gain + offset,   gain, offset [1|batch, 1|tokens, columns]
 *
 * scale v is gain v; set v is gain 0, offset v; add v is offset v. Later edits act on what earlier ones left. Gain 1 and offset 0 are
 * the identity to the bit, so that one session serves every edit; the graph takes different ones for the rows of one batch. Set from a
 * recording is gain 0 and, at each of its positions, what was recorded there as offset.
 */
import { type Edit, type Recording, type Tap, UserError } from "../../../core/mod.ts";
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
  readonly gain: EditInput;
  readonly offset: EditInput;
}

export interface EditInput {
  readonly data: Float32Array;
  /** [1|batch, 1|tokens, columns]. */
  readonly dims: readonly [number, number, number];
}

/** Edits reach this from JSON as well, where no type has looked at them. */
const KEYS: readonly string[] = ["tap", "units", "op", "value", "at", "from"] satisfies (keyof Edit)[];
const AT: readonly string[] = ["all", "prompt", "generated"] satisfies Edit["at"][];
const OPS: readonly string[] = ["scale", "set", "add"] satisfies Edit["op"][];

/** Checks edits against the model.
 * @param tokens length of the text that they act on, where it is known
 * @throws {UserError} naming the edit. */
export function checkEdits(edits: readonly Edit[], shape: Hyperparameters, tokens = shape.context): void {
  for (const edit of edits) {
    const odd = Object.keys(edit).find((key) => !KEYS.includes(key));
    const units = unitsOf(shape, edit.tap);
    const refuse = (state: string) => {
      throw new UserError(`Cannot edit ${edit.tap}: ${state}`);
    };
    if (odd !== undefined) refuse(`it has an unknown key ${JSON.stringify(odd)}, wanted ${KEYS.join(", ")}`);
    if (!OPS.includes(edit.op)) refuse(`op is ${JSON.stringify(edit.op)}, wanted ${OPS.join(", ")}`);
    if (typeof edit.at === "string" && !AT.includes(edit.at)) {
      refuse(`at is ${JSON.stringify(edit.at)}, wanted ${AT.join(", ")} or a list of positions`);
    }
    const far = edit.from?.positions.find((position) => position >= tokens && position < shape.context);
    if (far !== undefined) {
      refuse(`the recording has position ${far}, wanted positions of a text of ${tokens} tokens`);
    }
    const out = edit.units.find((unit) => !(Number.isInteger(unit) && unit >= 0 && unit < units));
    if (out !== undefined) refuse(`unit is ${out}, wanted a whole number in [0, ${units})`);
    if (new Set(edit.units).size !== edit.units.length) refuse("a unit is named twice, wanted each once");
    const position = Array.isArray(edit.at) ? outside(edit.at, shape) : undefined;
    if (position !== undefined) {
      refuse(`position is ${position}, wanted a whole number in [0, ${shape.context})`);
    }
    if (!edit.from) checkValue(edit, valuesPerUnit(shape, edit.tap), refuse);
    else if (edit.value !== undefined) refuse("it has both value and from, wanted one of them");
    else checkRecording(edit, edit.from, { shape, refuse });
  }
}

type Refuse = (state: string) => void;

function outside(positions: readonly number[], { context }: Hyperparameters): number | undefined {
  return positions.find((p) => !(Number.isInteger(p) && p >= 0 && p < context));
}

function checkValue({ value, units }: Edit, values: number, refuse: Refuse): void {
  if (value === undefined) refuse("it has no value, wanted a number, a list of numbers, or from");
  else if (typeof value === "number") {
    if (!Number.isFinite(Math.fround(value))) refuse(`value is ${value}, wanted a finite float32 number`);
  } else if (value.length !== units.length && value.length !== units.length * values) {
    const wanted = values === 1 ? `${units.length}` : `${units.length} or ${units.length * values}`;
    refuse(`${value.length} values for ${units.length} units, wanted ${wanted}`);
  } else if (!value.every((each) => Number.isFinite(Math.fround(each)))) {
    refuse("a value is not finite, wanted finite float32 numbers");
  }
}

function checkRecording(
  { tap, op }: Edit,
  { tap: recorded, positions, values }: Recording,
  { shape, refuse }: { readonly shape: Hyperparameters; readonly refuse: Refuse },
): void {
  const columns = columnsOf(shape, tap), position = outside(positions, shape);
  if (op !== "set") refuse(`op is ${op} with a recording, wanted set`);
  if (recorded !== tap) refuse(`the recording is of ${recorded}, wanted one of ${tap}`);
  if (position !== undefined) {
    refuse(`the recording's position is ${position}, wanted a whole number in [0, ${shape.context})`);
  }
  if (new Set(positions).size !== positions.length) {
    refuse("the recording has a position twice, wanted each once");
  }
  if (values.length !== positions.length * columns) {
    const wanted = `${positions.length} x ${columns}`;
    refuse(`the recording has ${values.length} values for ${positions.length} positions, wanted ${wanted}`);
  }
  if (!values.every(Number.isFinite)) {
    refuse("the recording has a value that is not finite, wanted finite numbers");
  }
}

/** Gains and offsets of one tap for the rows of a batch, each the smallest array that says it; what padding takes is left open. */
export function feedOf(tap: Tap, shape: Hyperparameters, rows: readonly EditRow[]): EditFeed {
  const columns = columnsOf(shape, tap), tokens = Math.max(...rows.map((row) => row.positions.length));
  const placed = rows.map((row) =>
    row.edits.filter((edit) => edit.tap === tap).map((edit) => place(edit, { row, columns })).filter(
      isSomewhere,
    )
  );
  const tables = { columns, tokens, span: valuesPerUnit(shape, tap) };
  return {
    gain: fill(placed.map((edits) => edits.filter(({ edit }) => edit.op !== "add")), {
      ...tables,
      start: 1,
      varies: isPartial,
      update: (gain, op, value) => op === "scale" ? gain * value : 0,
    }),
    offset: fill(placed, {
      ...tables,
      start: 0,
      varies: (each) => each.edit.from !== undefined || isPartial(each),
      update: (offset, op, value) => op === "scale" ? offset * value : op === "add" ? offset + value : value,
    }),
  };
}

/** An edit as it falls on the tokens of a row. */
interface Placed {
  readonly edit: Edit;
  /** Where a token's values begin among those of the recording, 0 without one; undefined where the edit leaves the token alone. */
  readonly starts: readonly (number | undefined)[];
}

const isSomewhere = ({ starts }: Placed) => starts.some((start) => start !== undefined);
const isPartial = ({ starts }: Placed) => starts.includes(undefined);

function place(edit: Edit, { row, columns }: { readonly row: EditRow; readonly columns: number }): Placed {
  const { at = "all", from } = edit;
  const recorded = from && new Map(from.positions.map((position, i) => [position, i * columns]));
  const isMeant = (position: number, token: number) =>
    at === "all" ||
    (typeof at === "string" ? row.generated[token] === (at === "generated") : at.includes(position));
  return {
    edit,
    starts: row.positions.map((position, token) =>
      isMeant(position, token) ? (recorded ? recorded.get(position) : 0) : undefined
    ),
  };
}

interface Filling {
  readonly columns: number;
  /** Columns of a unit. */
  readonly span: number;
  /** Of the longest row. */
  readonly tokens: number;
  /** What stands where nothing is edited. */
  readonly start: number;
  /** Whether an edit does not do the same to every token of its row. */
  readonly varies: (placed: Placed) => boolean;
  readonly update: (old: number, op: Edit["op"], value: number) => number;
}

/** @param rows edits of each row */
function fill(rows: readonly (readonly Placed[])[], filling: Filling): EditInput {
  const { columns, span, start, update } = filling;
  const varies = rows.some((edits) => edits.some(filling.varies));
  const alike = !varies && rows.every((edits) => same(edits, rows[0]!));
  const dims = [alike ? 1 : rows.length, varies ? filling.tokens : 1, columns] as const;
  const data = new Float32Array(dims[0] * dims[1] * columns).fill(start);
  for (let r = 0; r < dims[0]; r++) {
    for (const { edit, starts } of rows[r]!) {
      for (let t = 0; t < dims[1]; t++) {
        const values = starts[t], row = (r * dims[1] + t) * columns;
        if (values === undefined) continue;
        edit.units.forEach((unit, u) => {
          for (let column = unit * span; column < (unit + 1) * span; column++) {
            const value = edit.from
              ? edit.from.values[values + column]!
              : valueAt(edit, u, { j: column % span, span });
            data[row + column] = update(data[row + column]!, edit.op, value);
          }
        });
      }
    }
  }
  return { data, dims };
}

function same(a: readonly Placed[], b: readonly Placed[]): boolean {
  return a.length === b.length && a.every(({ edit }, i) => edit === b[i]!.edit);
}

/** Value of column `j` of the unit at `u` among the edit's. */
function valueAt(
  { value = 0, units }: Edit,
  u: number,
  { j, span }: { readonly j: number; readonly span: number },
): number {
  if (typeof value === "number") return value;
  return value.length === units.length ? value[u]! : value[u * span + j]!;
}

function valuesPerUnit(shape: Hyperparameters, tap: Tap): number {
  return tap.endsWith(".attn.head") ? shape.headDim : 1;
}
