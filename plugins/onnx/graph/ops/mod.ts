/** Every op in use. A new one is a name in names.ts and a record in one of the files beside it. */
import { ELEMENTWISE } from "./elementwise.ts";
import { LAYERS } from "./layers.ts";
import type { OpName } from "./names.ts";
import type { AnyOp } from "./op.ts";
import { PRODUCTS } from "./products.ts";
import { REDUCTIONS } from "./reductions.ts";
import { SHAPES } from "./shapes.ts";
import { SLICED } from "./sliced.ts";

export type { OpName };
export const OPS: Readonly<Record<OpName, AnyOp>> = {
  ...ELEMENTWISE,
  ...LAYERS,
  ...PRODUCTS,
  ...REDUCTIONS,
  ...SHAPES,
  ...SLICED,
};
