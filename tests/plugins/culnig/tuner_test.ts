/** Which blocks CULNIG's training experiment trains. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Model, Tap, Unit } from "../../../core/mod.ts";
import { UserError } from "../../../core/mod.ts";
import { blocksOf } from "../../../plugins/culnig/tuner.ts";

/** Sizes of gemma-3-12b-it's language model. */
const GEMMA = {
  info: { name: "gemma", layers: 48, parameters: 11_766_034_176 },
  units: (tap: Tap) =>
    tap === "embed"
      ? 3840
      : { "mlp.gate": 15360, "mlp.up": 15360, "attn.q": 4096, "attn.k": 2048, "attn.v": 2048 }[
        tap.replace(/^layers\.\d+\./, "") as "mlp.gate"
      ],
} as unknown as Pick<Model, "info" | "units">;
/** Units a layer that the authors' file has at the MLP's gate; each other layer has fewer. */
const PUBLISHED = { 13: 785, 12: 685, 14: 612, 10: 491, 11: 469, 7: 429, 9: 409 } as const;
const unitsAt = (tap: string, count: number) =>
  Array.from({ length: count }, (_, index): Unit => ({ tap: tap as Tap, index }));
const UNITS = Array.from(
  { length: 48 },
  (_, layer) =>
    [35, 38, 41, 47].includes(layer)
      ? []
      : unitsAt(`layers.${layer}.mlp.gate`, PUBLISHED[layer as keyof typeof PUBLISHED] ?? 100 + layer),
).flat();
const OPTIONS = { model: GEMMA, blocks: "richest", share: 0.1, seed: 0 } as const;

Deno.test("the richest blocks of gemma-3-12b are the seven that the authors' file names, in their order", () => {
  assertEquals(
    blocksOf(UNITS, OPTIONS),
    ["13", "12", "14", "10", "11", "7", "9"].map((layer) => `layers.${layer}.mlp`),
  );
});

Deno.test("an MLP without gates has two matrices, so that more of its blocks have the same share", () => {
  const units: Model["units"] = (tap) => {
    if (!tap.endsWith(".mlp.up")) return GEMMA.units(tap);
    throw new UserError(`Cannot find tap ${tap}: the family has no gates`);
  };
  assertEquals(blocksOf(UNITS, { ...OPTIONS, model: { ...GEMMA, units } }).length, 10);
});

Deno.test("empty blocks hold no unit, have the share of parameters, and are drawn by the seed", () => {
  const units = [...UNITS, ...unitsAt("layers.0.attn.q", 1), ...unitsAt("layers.1.attn.k", 2)];
  const empty = blocksOf(units, { ...OPTIONS, blocks: "empty" });
  const held = new Set(units.map(({ tap }) => tap.split(".").slice(0, 3).join(".")));
  for (const name of empty) assert(!held.has(name), name);
  assertEquals(new Set(empty).size, empty.length);
  const size = (name: string) => 3840 * (name.endsWith("mlp") ? 3 * 15360 : 2 * 4096 + 2 * 2048);
  const sum = empty.reduce((total, name) => total + size(name), 0);
  // The last one takes it over the share.
  assert(sum >= 0.1 * GEMMA.info.parameters && sum - size(empty.at(-1)!) < 0.1 * GEMMA.info.parameters);
  assertEquals(blocksOf(units, { ...OPTIONS, blocks: "empty" }), empty);
  assert(blocksOf(units, { ...OPTIONS, blocks: "empty", seed: 1 }).join() !== empty.join());
});

Deno.test("too few blocks are refused with the share that they have", () => {
  assertThrows(
    () => blocksOf(unitsAt("layers.0.mlp.gate", 1), OPTIONS),
    UserError,
    "Cannot choose blocks with units: they have 1.5 % of the parameters, wanted 10 %",
  );
});
