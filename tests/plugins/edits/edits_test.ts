import { assert, assertEquals } from "@std/assert";
import type { Unit } from "../../../core/mod.ts";
import plugin from "../../../plugins/edits/mod.ts";

const [suppress, scale] = plugin.interventions ?? [];
const units: readonly Unit[] = [
  { tap: "layers.2.mlp.gate", index: 7 },
  { tap: "layers.0.attn.head", index: 1 },
  { tap: "layers.2.mlp.gate", index: 3 },
  { tap: "layers.2.mlp.gate", index: 7 },
];

Deno.test("suppress makes one edit a tap, in order of first appearance, units ascending and once each", () => {
  assertEquals(suppress?.edits(units, {}), [
    { tap: "layers.2.mlp.gate", units: [3, 7], op: "scale", value: 0 },
    { tap: "layers.0.attn.head", units: [1], op: "scale", value: 0 },
  ]);
  assertEquals(suppress?.edits([], {}), []);
});

Deno.test("scale multiplies by its value and refuses what is no finite number or no param", () => {
  assertEquals(scale?.edits(units.slice(0, 1), { value: 2 }), [
    { tap: "layers.2.mlp.gate", units: [7], op: "scale", value: 2 },
  ]);
  for (const params of [{}, { value: Infinity }, { value: NaN }, { value: "2" }, { value: 1, valeu: 2 }]) {
    assert(!scale?.params.safeParse(params).success, JSON.stringify(params));
  }
  assert(scale?.params.safeParse({ value: -0.5 }).success);
  assert(!suppress?.params.safeParse({ value: 0 }).success);
});
