import { assert, assertEquals } from "@std/assert";
import { createRandom } from "../../../../core/random.ts";
import {
  INPUT_STEPS,
  sliceMatrix,
  WEIGHT_RESIDUE,
  WEIGHT_STEPS,
} from "../../../../plugins/onnx/weights/slices.ts";

/** [out, in] with columns of very different sizes, one of zeros. */
function matrix(out: number, inner: number): Float32Array {
  const random = createRandom("slices");
  return Float32Array.from({ length: out * inner }, (_, i) => {
    const row = Math.floor(i / inner);
    return row === 1 ? 0 : (random.uniform() - 0.5) * 10 ** (row % 5 - 2);
  });
}

for (const count of [1, 2]) {
  Deno.test(`sliceMatrix() holds every number within half a step of its last slice, in ${count}`, () => {
    const out = 70, inner = 33, values = matrix(out, inner);
    const { slices, scales } = sliceMatrix(values, [out, inner], count);
    assertEquals(slices.map(({ length }) => length), Array.from({ length: count }, () => out * inner));
    assertEquals(scales.length, out);
    const fine = count === 2 ? WEIGHT_RESIDUE : 1;
    for (let n = 0; n < out; n++) {
      const top = Math.max(...values.slice(n * inner, (n + 1) * inner).map(Math.abs));
      for (let k = 0; k < inner; k++) {
        const parts = slices.map((slice, i) =>
          slice[k * out + n]! * scales[n]! / (i === 0 ? 1 : WEIGHT_RESIDUE)
        );
        const whole = parts.reduce((a, b) => a + b), exact = values[n * inner + k]!;
        // Half a step, and the rounding of the scale to float32.
        const bound = (0.5 / fine + 1e-5) * top / WEIGHT_STEPS;
        assert(Math.abs(whole - exact) <= bound, `${n}, ${k}: ${whole}, wanted ${exact}`);
      }
    }
  });
}

Deno.test("sliceMatrix() keeps whole numbers whose products add in pairs of 16 bits", () => {
  const { slices } = sliceMatrix(matrix(64, 64), [64, 64], 2);
  assert(slices.every((slice) => slice.every((value) => Math.abs(value) <= WEIGHT_STEPS)));
  assert(2 * (INPUT_STEPS + 128) * WEIGHT_STEPS < 2 ** 15);
});
