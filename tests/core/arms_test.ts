import { assertEquals, assertThrows } from "@std/assert";
import { z } from "zod";
import { armsOf, canonicalEdits } from "../../core/arms.ts";
import { type Edit, type Intervention, type ModelInfo, UserError } from "../../core/mod.ts";

const model = { info: { name: "m", layers: 2 } as ModelInfo, units: () => 8 };
const unit = { tap: "layers.0.mlp.gate", index: 1 } as const;

function arms(edits: Intervention["edits"]) {
  const intervention: Intervention = { name: "odd", version: "1", title: "", params: z.unknown(), edits };
  return armsOf([{ intervention, params: {}, units: [unit] }], {
    treatment: "t",
    controls: [],
    seed: 0,
    model,
    scoresOf: () => new Map(),
    sizesOf: () => [],
  });
}

Deno.test("armsOf() says in one line what a faulty intervention did", () => {
  const faulty = () => {
    throw new TypeError("nothing there");
  };
  assertThrows(
    () => arms(faulty),
    UserError,
    "Cannot edit by odd: its edits() threw TypeError (nothing there)",
  );
  const misspelt = () => [{ tap: unit.tap, units: [1], op: "scal", value: 0 } as unknown as Edit];
  assertThrows(() => arms(misspelt), UserError, 'gave the op "scal", wanted scale, set or add');
});

Deno.test("canonicalEdits() spells edits that do the same in one way, and keeps the order of those that meet", () => {
  const scale = (units: readonly number[], value: number): Edit => ({
    tap: unit.tap,
    units,
    op: "scale",
    value,
  });
  assertEquals(canonicalEdits([scale([3], 0), scale([1, 2], 0)]), [scale([1, 2, 3], 0)]);
  const set: Edit = { tap: unit.tap, units: [1], op: "set", value: 2 };
  assertEquals(canonicalEdits([set, scale([1], 3)]), [set, scale([1], 3)]);
  assertEquals(canonicalEdits([scale([1], 3), set]), [scale([1], 3), set]);
});
