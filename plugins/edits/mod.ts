/**
 * Interventions that multiply a unit by one number, at every position of prompt and answer:
 *
 *   x' = value * x      suppress: value 0
 *
 * Source: suppression and enhancement (value 2) of neurons in CULNIG, arXiv 2510.08284, at raw projection outputs. Deviation: any
 * tap and any finite value are taken, heads included.
 */
import { z } from "zod";
import { definePlugin, type Edit, type Intervention, type Tap, type Unit } from "../../core/mod.ts";

/** Silences units: their value becomes 0 wherever it is read. */
const suppress: Intervention<Record<string, never>> = {
  name: "suppress",
  version: "1",
  title: "Set to zero",
  params: z.strictObject({}),
  edits: (units) => multiply(units, 0),
};

/** Multiplies units by `value`: 0 silences, 1 changes nothing, 2 is CULNIG's enhancement. */
const scale: Intervention<{ readonly value: number }> = {
  name: "scale",
  version: "1",
  title: "Multiply",
  params: z.strictObject({ value: z.number() }),
  edits: (units, { value }) => multiply(units, value),
};

/** One edit a tap; a unit named twice is multiplied once. */
function multiply(units: readonly Unit[], value: number): Edit[] {
  const byTap = new Map<Tap, Set<number>>();
  for (const { tap, index } of units) {
    const indices = byTap.get(tap) ?? new Set();
    byTap.set(tap, indices.add(index));
  }
  return [...byTap].map(([tap, indices]) => ({
    tap,
    units: [...indices].sort((a, b) => a - b),
    op: "scale",
    value,
  }));
}

export default definePlugin({
  name: "edits",
  version: "1",
  source: "Plumbline",
  interventions: [suppress, scale],
});
