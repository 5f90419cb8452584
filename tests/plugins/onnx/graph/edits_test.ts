import { assertEquals } from "@std/assert";
import type { Edit } from "../../../../core/mod.ts";
import type { Hyperparameters } from "../../../../plugins/onnx/architectures/shape.ts";
import { type EditRow, feedOf } from "../../../../plugins/onnx/graph/edits.ts";

/** Two heads of two columns; only what edits read. */
const SHAPE = {
  layers: 1,
  width: 4,
  heads: 2,
  headDim: 2,
  mlp: 3,
  projections: { "mlp.gate": [3, 4] },
} as unknown as Hyperparameters;

const GATE = "layers.0.mlp.gate", HEAD = "layers.0.attn.head";
const row = (edits: readonly Edit[], generated: readonly boolean[] = [false, false, true]): EditRow => ({
  edits,
  positions: generated.map((_, i) => i),
  generated,
});
const lists = ({ gain, offset, dims }: ReturnType<typeof feedOf>) => ({
  gain: [...gain],
  offset: [...offset],
  dims: [...dims],
});

Deno.test("feedOf() is one row of ones and zeros without edits of the tap", () => {
  const other: Edit = { tap: HEAD, units: [0], op: "scale", value: 0 };
  assertEquals(lists(feedOf(GATE, SHAPE, [row([other]), row([])])), {
    gain: [1, 1, 1],
    offset: [0, 0, 0],
    dims: [1, 1, 3],
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
    dims: [1, 1, 3],
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
  assertEquals(dims, [2, 3, 3]);
  assertEquals(gain, [0, 1, 1, 0, 1, 1, 1, 1, 1, /* second row */ 1, 1, 0, 1, 1, 1, 1, 0, 1]);
});

Deno.test("feedOf() gives rows their own values, one for all positions, when no edit of theirs has a position", () => {
  const first: Edit = { tap: GATE, units: [0], op: "scale", value: 0.5 };
  const second: Edit = { tap: GATE, units: [2], op: "set", value: 7 };
  const rows = [row([first]), row([]), row([first, second], [false])];
  assertEquals(lists(feedOf(GATE, SHAPE, rows)), {
    gain: [0.5, 1, 1, /* second row */ 1, 1, 1, /* third row */ 0.5, 1, 0],
    offset: [0, 0, 0, 0, 0, 0, 0, 0, 7],
    dims: [3, 1, 3],
  });
});

Deno.test("feedOf() leaves padding alone", () => {
  const everywhere: Edit = { tap: GATE, units: [0], op: "scale", value: 0, at: [0, 1, 2] };
  const { gain } = lists(feedOf(GATE, SHAPE, [row([everywhere]), row([everywhere], [false])]));
  assertEquals(gain.slice(9), [0, 1, 1, 1, 1, 1, 1, 1, 1]);
});
