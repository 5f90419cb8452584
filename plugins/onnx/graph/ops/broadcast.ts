/** How shapes of different sizes meet (NumPy's rule), with names for sizes that differ from call to call. */
import type { Dim, Shape } from "../graph.ts";
import { size, type Tensor } from "./op.ts";

/** @throws {Error} when two sizes do not meet. */
export function broadcastShapes(a: Shape, b: Shape, at: string): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1, y = b[i - rank + b.length] ?? 1;
    const met = meet(x, y);
    if (met === undefined) {
      throw new Error(`Cannot draw ${at}: [${a.join(", ")}] and [${b.join(", ")}] do not meet`);
    }
    return met;
  });
}

function meet(x: Dim, y: Dim): Dim | undefined {
  if (x === y || y === 1) return x;
  if (x === 1) return y;
  if (y === `${x}?`) return x;
  if (x === `${y}?`) return y;
  return undefined;
}

/** Strides by which a tensor of shape `dims` is read as one of shape `to`. */
export function stridesTo(dims: readonly number[], to: readonly number[]): number[] {
  const strides = new Array<number>(to.length).fill(0);
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    if (dims[axis] !== 1) strides[axis + to.length - dims.length] = stride;
    stride *= dims[axis]!;
  }
  return strides;
}

/** Calls `visit` for every index of `dims` in order, with its place in each of the strided tensors. */
export function walk(
  dims: readonly number[],
  strides: readonly (readonly number[])[],
  visit: (index: number, places: readonly number[]) => void,
): void {
  const counter = new Array<number>(dims.length).fill(0), places = strides.map(() => 0);
  for (let index = 0, all = size(dims); index < all; index++) {
    visit(index, places);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      counter[axis]!++;
      for (let t = 0; t < places.length; t++) places[t]! += strides[t]![axis]!;
      if (counter[axis]! < dims[axis]!) break;
      for (let t = 0; t < places.length; t++) places[t]! -= strides[t]![axis]! * dims[axis]!;
      counter[axis] = 0;
    }
  }
}

/** Numbers combined place by place. */
export function zip(a: Tensor, b: Tensor, f: (x: number, y: number) => number): Tensor {
  const dims = broadcastShapes(a.dims, b.dims, "zip") as number[];
  const data = new Float64Array(size(dims));
  walk(dims, [stridesTo(a.dims, dims), stridesTo(b.dims, dims)], (i, [p, q]) => {
    data[i] = f(a.data[p!]!, b.data[q!]!);
  });
  return { dims, data };
}

export function map(x: Tensor, f: (value: number) => number): Tensor {
  return { dims: x.dims, data: x.data.map(f) };
}
