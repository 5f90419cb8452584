/** Products of float32 rows by weights that are held as int8 slices (weights/slices.ts). The runtime has no such ops: lower/sliced.ts draws them with its own. */
import { INPUT_RESIDUE, INPUT_STEPS, WEIGHT_RESIDUE } from "../../weights/slices.ts";
import type { Value } from "../graph.ts";
import type { OpName } from "./names.ts";
import { type AnyOp, op, size, type Tensor } from "./op.ts";

/** [in, count * out] of int8. @returns in and out */
function sizesOf(slices: Value, count: number, at: string): readonly [number, number] {
  const [inner, width] = slices.shape as readonly [number, number];
  if (slices.dtype !== "int8" || width % count !== 0) {
    throw new Error(`Cannot draw ${at}: slices are [${slices.shape.join(", ")}], wanted int8 in ${count}`);
  }
  return [inner, width / count];
}

/** All slices of a number added up, in steps of its column's scale, [in, out]. */
function stepsOf(slices: Tensor, count: number): Tensor {
  const [inner, width] = slices.dims as [number, number], out = width / count;
  const data = new Float64Array(inner * out);
  for (let k = 0; k < inner; k++) {
    for (let j = 0; j < width; j++) {
      data[k * out + j % out]! += slices.data[k * width + j]! / (j < out ? 1 : WEIGHT_RESIDUE);
    }
  }
  return { dims: [inner, out], data };
}

/** Half to even, as the runtime rounds. */
function roundEven(x: number): number {
  const down = Math.floor(x), rest = x - down;
  return rest === 0.5 ? down + Math.abs(down % 2) : Math.round(x);
}

/** x [rows, inner] as its slices say: each row by a scale of its own. */
function sliceRows(x: Float64Array, inner: number, count: number): Float64Array {
  const seen = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += inner) {
    const row = x.subarray(from, from + inner);
    const top = row.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    if (top === 0) continue;
    row.forEach((value, k) => {
      const steps = value * (INPUT_STEPS / top), high = roundEven(steps);
      const residue = count === 2 ? roundEven((steps - high) * INPUT_RESIDUE) / INPUT_RESIDUE : 0;
      seen[from + k] = (high + residue) * (top / INPUT_STEPS);
    });
  }
  return seen;
}

const countOf = (attributes: Readonly<Record<string, unknown>>) => Number(attributes["count"]);

export const SLICED = {
  /**
   * x W^T of x [..., in], each row of x in as many slices as the weight has; whole numbers are multiplied exactly, every slice by every slice.
   * With x = s (h + r / 254), h and r whole numbers in -127 ... 127, s = max |x| / 127 of its row.
   *
   * Its gradient is that of a product by the weight itself: a step function has none, and what the rounding of x does is noise.
   */
  SlicedMatMul: op<readonly [x: Value, slices: Value, scales: Value]>({
    domain: "plumbline",
    infer([x, slices, scales], attributes, at) {
      const [inner, out] = sizesOf(slices, countOf(attributes), at);
      if (x.shape.at(-1) !== inner) {
        throw new Error(`Cannot draw ${at}: inner sizes are ${x.shape.at(-1)} and ${inner}`);
      }
      if (scales.shape.join() !== `${out}`) {
        throw new Error(`Cannot draw ${at}: scales are [${scales.shape.join(", ")}], wanted [${out}]`);
      }
      return [{ dtype: "float32", shape: [...x.shape.slice(0, -1), out] }];
    },
    evaluate([x, slices, scales], attributes) {
      const count = countOf(attributes), { data: steps, dims: [inner, out] } = stepsOf(slices, count);
      const seen = sliceRows(x.data, inner!, count), rows = size(x.dims.slice(0, -1));
      const data = new Float64Array(rows * out!);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < out!; j++) {
          let sum = 0;
          for (let k = 0; k < inner!; k++) sum += seen[i * inner! + k]! * steps[k * out! + j]!;
          data[i * out! + j] = scales.data[j]! * sum;
        }
      }
      return [{ dims: [...x.dims.slice(0, -1), out!], data }];
    },
    vjp({ inputs: [, slices, scales], cotangent, attributes, emit }) {
      const scaled = emit("Mul", [cotangent, scales]);
      const steps = emit("SlicedSteps", [slices, scaled], attributes);
      return [emit("FusedMatMul", [scaled, steps], { transB: 1n }), undefined, undefined];
    },
  }),
  /** A weight's columns in float32, each in steps of its scale, [in, out], made once the other value is there, [..., out], which it will be multiplied
   * with: the runtime would make those of all layers first, and hold the whole model in float32. */
  SlicedSteps: op<readonly [slices: Value, before: Value]>({
    domain: "plumbline",
    infer([slices, before], attributes, at) {
      const shape = sizesOf(slices, countOf(attributes), at);
      if (before.shape.at(-1) !== shape[1]) {
        throw new Error(`Cannot draw ${at}: outer sizes are ${shape[1]} and ${before.shape.at(-1)}`);
      }
      return [{ dtype: "float32", shape }];
    },
    evaluate: ([slices], attributes) => [stepsOf(slices, countOf(attributes))],
  }),
} satisfies Partial<Record<OpName, AnyOp>>;
