/** Products of float32 rows by weights that are held as int8 slices (weights/slices.ts). The runtime has no such ops: lower/sliced.ts draws them with its own. */
import { INPUT_RESIDUE, INPUT_STEPS, WEIGHT_RESIDUE } from "../../weights/slices.ts";
import type { Value } from "../graph.ts";
import type { OpName } from "./names.ts";
import { type AnyOp, op, size, type Tensor } from "./op.ts";

/** Of slices [in, out], int8 and all alike. @returns in and out */
function sizesOf(slices: readonly (Value | undefined)[], at: string): readonly [number, number] {
  const given = slices.filter((slice) => slice !== undefined), [{ shape }] = given as [Value];
  if (
    shape.length !== 2 || given.some((each) => each.dtype !== "int8" || each.shape.join() !== shape.join())
  ) {
    const have = given.map(({ dtype, shape }) => `${dtype} [${shape.join(", ")}]`).join(" and ");
    throw new Error(`Cannot draw ${at}: slices are ${have}, wanted int8 of one shape`);
  }
  return shape as readonly [number, number];
}

/** The slices of a number added up, in steps of its column's scale, [in, out]. */
const stepsOf = (high: Tensor, residue: Tensor | undefined): Tensor => ({
  dims: high.dims,
  data: high.data.map((value, i) => value + (residue ? residue.data[i]! / WEIGHT_RESIDUE : 0)),
});

/** Half to even, as the runtime rounds. */
function roundEven(x: number): number {
  const down = Math.floor(x), rest = x - down;
  return rest === 0.5 ? down + Math.abs(down % 2) : Math.round(x);
}

/** A row x in `count` slices, each in steps of x's scale, which is what a step is. */
function sliceRow(
  x: Float64Array,
  count: number,
): { readonly slices: Float64Array[]; readonly scale: number } {
  const top = x.reduce((top, value) => Math.max(top, Math.abs(value)), 0) || 1;
  const steps = x.map((value) => value * (INPUT_STEPS / top)), high = steps.map(roundEven);
  const residue = steps.map((value, k) => roundEven((value - high[k]!) * INPUT_RESIDUE) / INPUT_RESIDUE);
  return { slices: [high, residue].slice(0, count), scale: top / INPUT_STEPS };
}

export const SLICED = {
  /**
   * x W^T of x [..., in], each row of x in as many slices as the weight has. Whole numbers are multiplied exactly: the high slice of x by each slice
   * of the weight, its residue by the weight's high slice alone. With x = s (h + r / 254), h and r whole numbers in -127 ... 127, s = max |x| / 127
   * of its row.
   *
   * Its gradient is that of a product by the weight itself: a step function has none, and what the rounding of x does is noise.
   */
  SlicedMatMul: op<readonly [x: Value, scales: Value, high: Value, residue?: Value]>({
    domain: "plumbline",
    infer([x, scales, ...slices], _, at) {
      const [inner, out] = sizesOf(slices, at);
      if (x.shape.at(-1) !== inner) {
        throw new Error(`Cannot draw ${at}: inner sizes are ${x.shape.at(-1)} and ${inner}`);
      }
      if (scales.shape.join() !== `${out}`) {
        throw new Error(`Cannot draw ${at}: scales are [${scales.shape.join(", ")}], wanted [${out}]`);
      }
      return [{ dtype: "float32", shape: [...x.shape.slice(0, -1), out] }];
    },
    evaluate([x, scales, high, residue]) {
      const whole = stepsOf(high, residue), [inner, out] = high.dims as [number, number];
      const rows = size(x.dims.slice(0, -1)), data = new Float64Array(rows * out);
      for (let i = 0; i < rows; i++) {
        const { slices: [coarse, fine], scale } = sliceRow(
          x.data.slice(i * inner, (i + 1) * inner),
          residue ? 2 : 1,
        );
        for (let j = 0; j < out; j++) {
          let sum = 0;
          for (let k = 0; k < inner; k++) {
            const at = k * out + j;
            sum += coarse![k]! * whole.data[at]! + (fine ? fine[k]! * high.data[at]! : 0);
          }
          data[i * out + j] = scales.data[j]! * scale * sum;
        }
      }
      return [{ dims: [...x.dims.slice(0, -1), out], data }];
    },
    vjp({ inputs: [, scales, ...slices], cotangent, emit }) {
      const scaled = emit("Mul", [cotangent, scales]);
      const steps = emit("SlicedSteps", [scaled, ...slices]);
      return [emit("FusedMatMul", [scaled, steps], { transB: 1n }), undefined, undefined, undefined];
    },
  }),
  /** A weight's columns in float32, each in steps of its scale, [in, out], made once the other value is there, [..., out], which it will be multiplied
   * with: the runtime would make those of all layers first, and hold the whole model in float32. */
  SlicedSteps: op<readonly [before: Value, high: Value, residue?: Value]>({
    domain: "plumbline",
    infer([before, ...slices], _, at) {
      const shape = sizesOf(slices, at);
      if (before.shape.at(-1) !== shape[1]) {
        throw new Error(`Cannot draw ${at}: outer sizes are ${shape[1]} and ${before.shape.at(-1)}`);
      }
      return [{ dtype: "float32", shape }];
    },
    evaluate: ([, high, residue]) => [stepsOf(high, residue)],
  }),
} satisfies Partial<Record<OpName, AnyOp>>;
