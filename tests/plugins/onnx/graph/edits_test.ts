import { assertEquals, assertThrows } from "@std/assert";
import { type Edit, type Recording, UserError } from "../../../../core/mod.ts";
import type { Hyperparameters } from "../../../../plugins/onnx/architectures/shape.ts";
import { checkEdits, type EditRow, feedOf } from "../../../../plugins/onnx/graph/edits.ts";

/** Two heads of two columns; only what edits read. */
const SHAPE = {
  layers: 1,
  width: 4,
  heads: 2,
  headDim: 2,
  mlp: 3,
  context: 8,
  projections: { "mlp.gate": [3, 4] },
} as unknown as Hyperparameters;

const GATE = "layers.0.mlp.gate", HEAD = "layers.0.attn.head";
const row = (edits: readonly Edit[], generated: readonly boolean[] = [false, false, true]): EditRow => ({
  edits,
  positions: generated.map((_, i) => i),
  generated,
});
const lists = ({ gain, offset }: ReturnType<typeof feedOf>) => ({
  gain: [...gain.data],
  offset: [...offset.data],
  dims: [gain.dims, offset.dims].map((dims) => dims.join(" x ")),
});

Deno.test("feedOf() is one row of ones and zeros without edits of the tap", () => {
  const other: Edit = { tap: HEAD, units: [0], op: "scale", value: 0 };
  assertEquals(lists(feedOf(GATE, SHAPE, [row([other]), row([])])), {
    gain: [1, 1, 1],
    offset: [0, 0, 0],
    dims: ["1 x 1 x 3", "1 x 1 x 3"],
  });
});

Deno.test("feedOf() applies later edits to what earlier ones left", () => {
  const edits: Edit[] = [
    { tap: GATE, units: [0, 1], op: "set", value: 2 },
    { tap: GATE, units: [1, 2], op: "scale", value: 3 },
    { tap: GATE, units: [2], op: "add", value: -1 },
  ];
  assertEquals(lists(feedOf(GATE, SHAPE, [row(edits)])), {
    gain: [0, 0, 3],
    offset: [2, 6, -1],
    dims: ["1 x 1 x 3", "1 x 1 x 3"],
  });
});

Deno.test("feedOf() takes units at attn.head as heads, with a value a head or a value a column", () => {
  const perHead: Edit = { tap: HEAD, units: [1], op: "scale", value: [0.5] };
  const perColumn: Edit = { tap: HEAD, units: [1], op: "set", value: [7, 8] };
  assertEquals(lists(feedOf(HEAD, SHAPE, [row([perHead])])).gain, [1, 1, 0.5, 0.5]);
  assertEquals(lists(feedOf(HEAD, SHAPE, [row([perColumn])])).offset, [0, 0, 7, 8]);
});

Deno.test("feedOf() gives rows and positions their own values when they differ", () => {
  const at = (at: Edit["at"], unit: number): Edit => ({
    tap: GATE,
    units: [unit],
    op: "scale",
    value: 0,
    at: at!,
  });
  const { gain, dims } = lists(
    feedOf(GATE, SHAPE, [row([at("prompt", 0)]), row([at("generated", 1), at([0], 2)])]),
  );
  assertEquals(dims[0], "2 x 3 x 3");
  assertEquals(gain, [0, 1, 1, 0, 1, 1, 1, 1, 1, /* second row */ 1, 1, 0, 1, 1, 1, 1, 0, 1]);
});

Deno.test("feedOf() gives rows their own values, one for all positions, when no edit of theirs has a position", () => {
  const first: Edit = { tap: GATE, units: [0], op: "scale", value: 0.5 };
  const second: Edit = { tap: GATE, units: [2], op: "set", value: 7 };
  const rows = [row([first]), row([]), row([first, second], [false])];
  assertEquals(lists(feedOf(GATE, SHAPE, rows)), {
    gain: [0.5, 1, 1, /* second row */ 1, 1, 1, /* third row */ 0.5, 1, 0],
    offset: [0, 0, 0, 0, 0, 0, 0, 0, 7],
    dims: ["3 x 1 x 3", "3 x 1 x 3"],
  });
});

Deno.test("feedOf() leaves padding alone where positions differ", () => {
  const some: Edit = { tap: GATE, units: [0], op: "scale", value: 0, at: [0, 2] };
  const { gain } = lists(feedOf(GATE, SHAPE, [row([some]), row([some], [false])]));
  assertEquals(gain, [0, 1, 1, 1, 1, 1, 0, 1, 1, /* second row */ 0, 1, 1, 1, 1, 1, 1, 1, 1]);
});

Deno.test("feedOf() takes one row of values for an edit that meets every token of its row, or none", () => {
  const everywhere: Edit = { tap: GATE, units: [0], op: "scale", value: 0, at: [0, 1, 2] };
  const nowhere: Edit = { tap: GATE, units: [1], op: "set", value: 5, at: "generated" };
  assertEquals(lists(feedOf(GATE, SHAPE, [row([everywhere, nowhere], [false, false])])), {
    gain: [0, 1, 1],
    offset: [0, 0, 0],
    dims: ["1 x 1 x 3", "1 x 1 x 3"],
  });
});

/** Value 10 * position + column at each of the positions. */
function recording(tap: Recording["tap"], positions: readonly number[], columns: number): Recording {
  const values = positions.flatMap((p) => Array.from({ length: columns }, (_, c) => 10 * p + c));
  return { tap, positions, values: Float32Array.from(values) };
}

Deno.test("feedOf() sets units from a recording at its positions, with one gain where it covers the row", () => {
  const from = recording(GATE, [2, 0, 1], 3);
  const edit: Edit = { tap: GATE, units: [2, 0], op: "set", from };
  assertEquals(lists(feedOf(GATE, SHAPE, [row([edit])])), {
    gain: [0, 1, 0],
    offset: [0, 0, 2, 10, 0, 12, 20, 0, 22],
    dims: ["1 x 1 x 3", "1 x 3 x 3"],
  });
});

Deno.test("feedOf() leaves positions outside a recording or outside `at` alone", () => {
  const from = recording(GATE, [0, 1, 7], 3);
  const part: Edit = { tap: GATE, units: [1], op: "set", from };
  assertEquals(lists(feedOf(GATE, SHAPE, [row([part])])), {
    gain: [1, 0, 1, 1, 0, 1, 1, 1, 1],
    offset: [0, 1, 0, 0, 11, 0, 0, 0, 0],
    dims: ["1 x 3 x 3", "1 x 3 x 3"],
  });
  for (const at of [[1, 2], "prompt", "generated"] as const) {
    const { offset } = lists(
      feedOf(GATE, SHAPE, [row([{ ...part, at }], [false, true, true])]),
    );
    const touched = { "1,2": [0, 11, 0], prompt: [1, 0, 0], generated: [0, 11, 0] }[String(at)]!;
    assertEquals(offset.filter((_, i) => i % 3 === 1), touched, `at ${at}`);
  }
});

Deno.test("feedOf() lets later edits act on what a recording set, and a recording undo earlier ones", () => {
  const set: Edit = { tap: GATE, units: [1], op: "set", from: recording(GATE, [0, 2], 3) };
  const double: Edit = { tap: GATE, units: [1], op: "scale", value: 2 };
  const more: Edit = { tap: GATE, units: [1], op: "add", value: 1 };
  const column = ({ gain, offset, dims }: ReturnType<typeof lists>) => {
    assertEquals(dims, ["1 x 3 x 3", "1 x 3 x 3"]);
    return [gain, offset].map((values) => values.filter((_, i) => i % 3 === 1));
  };
  assertEquals(column(lists(feedOf(GATE, SHAPE, [row([set, double, more])]))), [[0, 2, 0], [3, 1, 43]]);
  assertEquals(column(lists(feedOf(GATE, SHAPE, [row([double, more, set])]))), [[0, 2, 0], [1, 1, 21]]);
});

Deno.test("feedOf() takes headDim recorded columns for a unit at attn.head, and gives each row its own recording", () => {
  const edit = (positions: number[]): Edit => ({
    tap: HEAD,
    units: [1],
    op: "set",
    from: recording(HEAD, positions, 4),
  });
  const rows = [row([edit([0, 1])], [false, false]), row([edit([0])], [false])];
  assertEquals(lists(feedOf(HEAD, SHAPE, rows)), {
    gain: [1, 1, 0, 0, 1, 1, 0, 0],
    offset: [0, 0, 2, 3, 0, 0, 12, 13, /* second row */ 0, 0, 2, 3, 0, 0, 0, 0],
    dims: ["2 x 1 x 4", "2 x 2 x 4"],
  });
});

Deno.test("checkEdits() refuses a recording that does not fit, and takes one that does", () => {
  const from = recording(GATE, [0, 4], 3), edit: Edit = { tap: GATE, units: [0, 2], op: "set", from };
  const check = (edit: Edit) => checkEdits([edit], SHAPE);
  check(edit);
  const cases: readonly (readonly [Edit, string])[] = [
    [{ ...edit, from: { ...from, values: from.values.slice(1) } }, "5 values for 2 positions, wanted 2 x 3"],
    [{ ...edit, from: { ...from, positions: [0, 8] } }, "position is 8, wanted a whole number in [0, 8)"],
    [{ ...edit, from: { ...from, positions: [0, -1] } }, "position is -1"],
    [{ ...edit, from: { ...from, positions: [4, 4] } }, "a position twice, wanted each once"],
    [{ ...edit, from: { ...from, values: from.values.map((v) => v / 0) } }, "a value that is not finite"],
    [{ ...edit, tap: HEAD, units: [0] }, `the recording is of ${GATE}, wanted one of ${HEAD}`],
    [{ ...edit, op: "add" }, "op is add with a recording, wanted set"],
    [{ ...edit, value: 1 }, "both value and from, wanted one of them"],
    [{ tap: GATE, units: [0], op: "set" }, "no value, wanted a number, a list of numbers, or from"],
  ];
  for (const [wrong, message] of cases) {
    assertThrows(() => check(wrong), UserError, `Cannot edit ${wrong.tap}: `);
    assertThrows(() => check(wrong), UserError, message);
  }
});
