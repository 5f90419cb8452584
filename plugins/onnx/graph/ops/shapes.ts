/** Ops that move numbers without changing them. */
import type { Dim, Shape, Value } from "../graph.ts";
import type { OpName } from "./names.ts";
import { stridesTo, walk } from "./broadcast.ts";
import { type AnyOp, axesIn, axisOf, int, like, list, op, size, type Tensor } from "./op.ts";

type Sized = readonly [x: Value, sizes: Value];

/** The shape that a table of sizes stands for; sizes that only the runtime knows are called after the place. */
function shapeIn({ sizes, shape }: Value, at: string): Shape {
  return sizes ?? Array.from({ length: Number(shape[0]) }, (_, axis) => `${at}.${axis}`);
}

/** Axis `axis` of x, at the places that `indices` names. */
function take(x: Tensor, indices: Tensor, axis: number): Tensor {
  const outer = size(x.dims.slice(0, axis)), inner = size(x.dims.slice(axis + 1)), length = x.dims[axis]!;
  const data = new Float64Array(outer * indices.data.length * inner);
  for (let o = 0; o < outer; o++) {
    indices.data.forEach((place, i) => {
      const from = (o * length + axisOf(place, length)) * inner;
      data.set(x.data.subarray(from, from + inner), (o * indices.data.length + i) * inner);
    });
  }
  return { dims: [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)], data };
}

/** Where the block begins that each row of `places` [..., depth] names by its first `depth` axes in x, and how long a block is. */
function blocks(x: Tensor, places: Tensor): { readonly starts: readonly number[]; readonly length: number } {
  const depth = places.dims.at(-1)!, strides = stridesTo(x.dims, x.dims);
  const starts = Array.from(
    { length: places.data.length / depth },
    (_, i) =>
      places.data.subarray(i * depth, (i + 1) * depth)
        .reduce((sum, place, axis) => sum + axisOf(place, x.dims[axis]!) * strides[axis]!, 0),
  );
  return { starts, length: size(x.dims.slice(depth)) };
}

/** A shape with axes of size 1 put in, counted in the result. */
function widened<D extends Dim>(shape: readonly D[], axes: readonly number[]): (D | 1)[] {
  const wide: (D | 1)[] = [...shape];
  for (const axis of axes.toSorted((a, b) => a - b)) wide.splice(axis, 0, 1);
  return wide;
}

export const SHAPES = {
  Reshape: op<Sized>({
    domain: "",
    // Of a table of numbers only the rank is read; the builder's reshape() knows the names.
    infer: ([x, sizes], _, at) => [{ dtype: x.dtype, shape: shapeIn(sizes, at) }],
    evaluate([x, { data: sizes }]) {
      const dims = [...sizes].map((s, axis) => s === 0 ? x.dims[axis]! : s);
      const left = size(x.dims) / size(dims.filter((s) => s !== -1));
      return [{ dims: dims.map((s) => s === -1 ? left : s), data: x.data }];
    },
    vjp: ({ inputs: [x], cotangent, emit }) => [emit.reshapeLike(cotangent, x), undefined],
  }),
  Transpose: op<readonly [x: Value]>({
    domain: "",
    infer: ([x], attributes) => [{
      dtype: x.dtype,
      shape: list(attributes, "perm").map((axis) => x.shape[axis]!),
    }],
    evaluate([x], attributes) {
      const perm = list(attributes, "perm"), dims = perm.map((axis) => x.dims[axis]!);
      const strides = stridesTo(x.dims, x.dims), data = new Float64Array(x.data.length);
      walk(dims, [perm.map((axis) => strides[axis]!)], (i, [p]) => void (data[i] = x.data[p!]!));
      return [{ dims, data }];
    },
    vjp({ cotangent, attributes, emit }) {
      const perm = list(attributes, "perm");
      return [emit("Transpose", [cotangent], { perm: perm.map((_, axis) => BigInt(perm.indexOf(axis))) })];
    },
  }),
  Concat: op<readonly [x: Value, y: Value]>({
    domain: "",
    infer([x, y], attributes) {
      const axis = axisOf(int(attributes, "axis", 0), x.shape.length);
      const [p, q] = [x.shape[axis]!, y.shape[axis]!];
      const sum = typeof p === "number" && typeof q === "number" ? p + q : `${p}+${q}`;
      return [{ dtype: x.dtype, shape: x.shape.toSpliced(axis, 1, sum) }];
    },
    evaluate([x, y], attributes) {
      const axis = axisOf(int(attributes, "axis", 0), x.dims.length);
      const outer = size(x.dims.slice(0, axis)), p = size(x.dims.slice(axis)), q = size(y.dims.slice(axis));
      const data = new Float64Array(x.data.length + y.data.length);
      for (let o = 0; o < outer; o++) {
        data.set(x.data.subarray(o * p, (o + 1) * p), o * (p + q));
        data.set(y.data.subarray(o * q, (o + 1) * q), o * (p + q) + p);
      }
      return [{ dims: x.dims.toSpliced(axis, 1, x.dims[axis]! + y.dims[axis]!), data }];
    },
  }),
  /** Rows of x along `axis`. */
  Gather: op<readonly [x: Value, indices: Value]>({
    domain: "",
    infer([x, indices], attributes) {
      const axis = axisOf(int(attributes, "axis", 0), x.shape.length);
      return [{ dtype: x.dtype, shape: x.shape.toSpliced(axis, 1, ...indices.shape) }];
    },
    evaluate: ([x, indices], attributes) => [
      take(x, indices, axisOf(int(attributes, "axis", 0), x.dims.length)),
    ],
    // What a row was taken for several times adds up.
    vjp({ inputs: [x, indices], outputs: [y], cotangent: g, attributes, emit }) {
      if (int(attributes, "axis", 0) !== 0) {
        throw new Error(
          `Cannot differentiate Gather at ${y!.name}: its axis is ${attributes["axis"]}, wanted 0`,
        );
      }
      const zeros = emit("ConstantOfShape", [emit("Shape", [x])]);
      const places = emit("Unsqueeze", [indices, emit.builder.ints([-1])]);
      return [emit("ScatterND", [zeros, places, g], { reduction: "add" }), undefined];
    },
  }),
  /** A copy of x in which the rows named by `places` have `updates` added. */
  ScatterND: op<readonly [x: Value, places: Value, updates: Value]>({
    domain: "",
    infer: ([x]) => [like(x)],
    evaluate([x, places, updates]) {
      const { starts, length } = blocks(x, places), data = x.data.slice();
      starts.forEach((start, i) => {
        for (let j = 0; j < length; j++) data[start + j]! += updates.data[i * length + j]!;
      });
      return [{ dims: x.dims, data }];
    },
    vjp: ({ inputs: [, places], cotangent: g, emit }) => [g, undefined, emit("GatherND", [g, places])],
  }),
  GatherND: op<readonly [x: Value, places: Value]>({
    domain: "",
    infer: ([x, places]) => [{
      dtype: x.dtype,
      shape: [...places.shape.slice(0, -1), ...x.shape.slice(Number(places.shape.at(-1)))],
    }],
    evaluate([x, places]) {
      const { starts, length } = blocks(x, places), data = new Float64Array(starts.length * length);
      starts.forEach((start, i) => data.set(x.data.subarray(start, start + length), i * length));
      return [{ dims: [...places.dims.slice(0, -1), ...x.dims.slice(places.dims.at(-1)!)], data }];
    },
    vjp({ inputs: [x, places], cotangent: g, emit }) {
      const zeros = emit("ConstantOfShape", [emit("Shape", [x])]);
      return [emit("ScatterND", [zeros, places, g], { reduction: "add" }), undefined];
    },
  }),
  /** Axes of size 1 put in. */
  Unsqueeze: op<readonly [x: Value, axes: Value]>({
    domain: "",
    infer: ([x, axes]) => [{
      dtype: x.dtype,
      shape: widened(x.shape, axesIn(axes, x.shape.length + Number(axes.shape[0]))),
    }],
    evaluate([x, { data: axes }]) {
      const rank = x.dims.length + axes.length;
      return [{ dims: widened(x.dims, [...axes].map((axis) => axisOf(axis, rank))), data: x.data }];
    },
    vjp: ({ inputs: [x], cotangent, emit }) => [emit.reshapeLike(cotangent, x), undefined],
  }),
  /** x repeated along axes of size 1 up to `sizes`. */
  Expand: op<Sized>({
    domain: "",
    infer: ([x, sizes], _, at) => [{ dtype: x.dtype, shape: shapeIn(sizes, at) }],
    evaluate([x, { data: sizes }]) {
      const dims = [...sizes].map((s, axis) => Math.max(s, x.dims[axis - sizes.length + x.dims.length] ?? 1));
      const data = new Float64Array(size(dims));
      walk(dims, [stridesTo(x.dims, dims)], (i, [p]) => void (data[i] = x.data[p!]!));
      return [{ dims, data }];
    },
    vjp: ({ cotangent }) => [cotangent, undefined],
  }),
  Shape: op<readonly [x: Value]>({
    domain: "",
    infer: ([x]) => [{ dtype: "int64", shape: [x.shape.length], sizes: x.shape }],
    evaluate: ([x]) => [{ dims: [x.dims.length], data: Float64Array.from(x.dims) }],
  }),
  /** Zeros. */
  ConstantOfShape: op<readonly [sizes: Value]>({
    domain: "",
    infer: ([sizes], _, at) => [{ dtype: "float32", shape: shapeIn(sizes, at) }],
    evaluate: ([{ data: sizes }]) => [{ dims: [...sizes], data: new Float64Array(size([...sizes])) }],
    // Sizes are integers; without a rule a second derivative through Gather would end here.
    vjp: () => [undefined],
  }),
} satisfies Partial<Record<OpName, AnyOp>>;
