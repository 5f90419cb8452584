/** Ops that sum up or pick along axes. */
import type { Attributes, Value } from "../graph.ts";
import type { OpName } from "./names.ts";
import { stridesTo, walk } from "./broadcast.ts";
import { type AnyOp, axesIn, axisOf, type Emit, int, like, op, size, type Tensor } from "./op.ts";

type Reduced = readonly [x: Value, axes: Value];

const keeps = (attributes: Attributes) => int(attributes, "keepdims", 1) === 1;

function inferReduced([x, axes]: Reduced, attributes: Attributes) {
  const gone = axesIn(axes, x.shape.length);
  const shape = keeps(attributes)
    ? x.shape.map((length, axis) => gone.includes(axis) ? 1 : length)
    : x.shape.filter((_, axis) => !gone.includes(axis));
  return [{ dtype: x.dtype, shape }];
}

/** Folds numbers that fall on the same place. */
function fold(x: Tensor, axes: Tensor, { attributes, start, step }: {
  readonly attributes: Attributes;
  readonly start: number;
  readonly step: (sum: number, value: number) => number;
}): Tensor {
  const gone = [...axes.data].map((axis) => axisOf(axis, x.dims.length));
  const kept = x.dims.map((length, axis) => gone.includes(axis) ? 1 : length);
  const data = new Float64Array(size(kept)).fill(start);
  walk(x.dims, [stridesTo(kept, x.dims)], (i, [p]) => void (data[p!] = step(data[p!]!, x.data[i]!)));
  return { dims: keeps(attributes) ? kept : x.dims.filter((_, axis) => !gone.includes(axis)), data };
}

/** Back in the place of the axes that went. */
function restore(value: Value, axes: Value, { attributes, emit }: {
  readonly attributes: Attributes;
  readonly emit: Emit;
}): Value {
  return keeps(attributes) ? value : emit("Unsqueeze", [value, axes]);
}

function max(x: Tensor, axes: Tensor, attributes: Attributes): Tensor {
  return fold(x, axes, { attributes, start: -Infinity, step: Math.max });
}

function softmax(x: Tensor): Tensor {
  const width = x.dims.at(-1)!, data = new Float64Array(x.data.length);
  for (let start = 0; start < data.length; start += width) {
    const row = x.data.subarray(start, start + width), top = Math.max(...row);
    const sum = row.reduce((total, value) => total + Math.exp(value - top), 0);
    row.forEach((value, i) => data[start + i] = Math.exp(value - top) / sum);
  }
  return { dims: x.dims, data };
}

export const REDUCTIONS = {
  ReduceSum: op<Reduced>({
    domain: "",
    infer: inferReduced,
    evaluate: ([x, axes], attributes) => [
      fold(x, axes, { attributes, start: 0, step: (sum, value) => sum + value }),
    ],
    vjp({ inputs: [x, axes], cotangent, attributes, emit }) {
      const g = restore(cotangent, axes, { attributes, emit });
      return [emit("Expand", [g, emit("Shape", [x])]), undefined];
    },
  }),
  ReduceMax: op<Reduced>({
    domain: "",
    infer: inferReduced,
    evaluate: ([x, axes], attributes) => [max(x, axes, attributes)],
  }),
  ReduceLogSumExp: op<Reduced>({
    domain: "",
    infer: inferReduced,
    evaluate([x, axes], attributes) {
      const kept = { ...attributes, keepdims: 1n };
      const top = max(x, axes, kept), strides = stridesTo(top.dims, x.dims), shifted = x.data.slice();
      walk(x.dims, [strides], (i, [p]) => void (shifted[i] = Math.exp(x.data[i]! - top.data[p!]!)));
      const sum = fold({ dims: x.dims, data: shifted }, axes, {
        attributes,
        start: 0,
        step: (total, value) => total + value,
      });
      return [{ dims: sum.dims, data: sum.data.map((value, i) => Math.log(value) + top.data[i]!) }];
    },
    // The gradient is the softmax; along the last axis, which is the only one in use.
    vjp({ inputs: [x, axes], outputs: [y], cotangent, attributes, emit }) {
      if (axesIn(axes, x.shape.length).join() !== `${x.shape.length - 1}`) {
        throw new Error(`Cannot differentiate ReduceLogSumExp at ${y!.name}: wanted the last axis alone`);
      }
      const g = restore(cotangent, axes, { attributes, emit });
      return [emit("Mul", [g, emit("Softmax", [x], { axis: -1n })]), undefined];
    },
  }),
  ArgMax: op<readonly [x: Value]>({
    domain: "",
    infer([x], attributes) {
      const axis = axisOf(int(attributes, "axis", 0), x.shape.length);
      return [{ dtype: "int64", shape: x.shape.toSpliced(axis, 1, ...keeps(attributes) ? [1] : []) }];
    },
    evaluate([x], attributes) {
      const width = x.dims.at(-1)!;
      if (axisOf(int(attributes, "axis", 0), x.dims.length) !== x.dims.length - 1) {
        throw new Error("Cannot evaluate ArgMax: wanted the last axis");
      }
      const data = Float64Array.from({ length: x.data.length / width }, (_, i) => {
        const row = x.data.subarray(i * width, (i + 1) * width);
        return row.indexOf(Math.max(...row));
      });
      return [{ dims: [...x.dims.slice(0, -1), ...keeps(attributes) ? [1] : []], data }];
    },
  }),
  /** Along the last axis. */
  Softmax: op<readonly [x: Value]>({
    domain: "",
    infer: ([x]) => [like(x)],
    evaluate: ([x]) => [softmax(x)],
    vjp({ outputs: [y], cotangent: g, emit }) {
      const gy = emit("Mul", [g, y!]);
      const sum = emit("ReduceSum", [gy, emit.builder.ints([-1])]);
      return [emit("Sub", [gy, emit("Mul", [y!, sum])])];
    },
  }),
} satisfies Partial<Record<OpName, AnyOp>>;
