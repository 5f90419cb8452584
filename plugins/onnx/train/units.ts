/** Which numbers of what is trained belong to a unit. Source of the slices: PNLAC's freezing of neurons, with heads in the same manner. */
import { type Unit, UserError } from "../../../core/mod.ts";
import { unitsOf } from "../architectures/shape.ts";
import type { Parameter, PlanOptions } from "./parameters.ts";

/** Rows or columns of a module's weight [out, in]. */
interface Slice {
  readonly module: string;
  readonly axis: "rows" | "columns";
  readonly from: number;
  readonly to: number;
}

/** 1 for each number of a parameter that belongs to one of the units; parameters of which none does are left out.
 * @throws {UserError} for a unit that belongs to no projection. */
export function belonging(
  parameters: readonly Parameter[],
  units: readonly Unit[],
  options: PlanOptions,
): ReadonlyMap<string, Uint8Array> {
  const masks = new Map<string, Uint8Array>();
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const mark = (name: string, axis: Slice["axis"], [from, to]: readonly [number, number]) => {
    const parameter = byName.get(name);
    if (!parameter) return;
    const mask = masks.get(name) ?? new Uint8Array(parameter.values.length);
    masks.set(name, mask);
    const [rows, columns] = [parameter.shape[0]!, parameter.shape[1] ?? 1];
    if (axis === "rows") mask.fill(1, from * columns, to * columns);
    else for (let row = 0; row < rows; row++) mask.fill(1, row * columns + from, row * columns + to);
  };
  for (const unit of units) {
    for (const { module, axis, from, to } of slicesOf(unit, options)) {
      const span = [from, to] as const;
      mark(`${module}.weight`, axis, span);
      if (axis === "rows") mark(`${module}.bias`, "rows", span);
      // (B A) has the rows of B and the columns of A.
      mark(`${module}.${axis === "rows" ? "lora_B" : "lora_A"}.weight`, axis, span);
    }
  }
  return masks;
}

function slicesOf({ tap, index }: Unit, { architecture, shape, task }: PlanOptions): Slice[] {
  const units = unitsOf(shape, tap);
  if (!(index < units)) {
    throw new UserError(`Cannot ${task}: unit ${index} of ${tap}, wanted one in [0, ${units})`);
  }
  const [, layer, site = tap] = /^layers\.(\d+)\.(.+)$/.exec(tap) ?? [];
  const prefix = architecture.layer(Number(layer));
  const slice = (name: string, axis: Slice["axis"], columns = 1): Slice => ({
    module: prefix + name,
    axis,
    from: index * columns,
    to: (index + 1) * columns,
  });
  switch (site) {
    case "mlp.gate":
    case "mlp.up":
    case "mlp.act":
      return [
        slice(architecture.gate, "rows"),
        ...(architecture.up === undefined ? [] : [slice(architecture.up, "rows")]),
        slice(architecture.down, "columns"),
      ];
    case "mlp.out":
      return [slice(architecture.down, "rows")];
    case "attn.head":
      return [
        slice(architecture.q, "rows", shape.headDim),
        slice(architecture.attentionOut, "columns", shape.headDim),
      ];
    case "attn.q":
      return [slice(architecture.q, "rows")];
    case "attn.k":
      return [slice(architecture.k, "rows")];
    case "attn.v":
      return [slice(architecture.v, "rows")];
    case "attn.out":
      return [slice(architecture.attentionOut, "rows")];
    default:
      throw new UserError(
        `Cannot ${task}: unit ${index} of ${tap} has no rows or columns of a projection, wanted units of attn.q, attn.k, attn.v, attn.head, attn.out or the MLP`,
      );
  }
}
