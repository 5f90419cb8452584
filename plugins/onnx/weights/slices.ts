/**
 * Weights as int8 slices: of each column of a product (an output of the projection) the nearest multiple of its scale, and for `split` the
 * rest of it in steps 128 times as small.
 *
 *   W[n, k] ~ scale[n] (high[k, n] + residue[k, n] / 128),   scale[n] = max_k |W[n, k]| / 64,   high and residue whole numbers in -64 ... 64
 *
 * 64 and not 127: without AVX-512 VNNI the runtime's products add pairs in 16 bits, which 2 * 255 * 64 = 32,640 fits into and 2 * 255 * 127 does
 * not. So every machine gives the same whole numbers. An int32 sum holds 131,000 products of 255 * 64.
 *
 * Of the four products of slices by slices that of the residues is left out, a quarter of the work. Of rows of like numbers it is as small as what
 * rounding loses, 1e-4 of the whole, and bfloat16 is 17 times as far off; where one number of a row is 30 times the others it is 8e-4, and from
 * 100 times on 1.5e-3, near bfloat16's (tests/speed/precision_figures.ts, errors).
 *
 * Splitting a matrix so that products of the parts are exact is Ozaki et al.'s (Numerical Algorithms 59, 2012, section 3), with floats in
 * place of int8.
 */

/** How weights of projections are held, and what their products are made of. "float32" is the reference. "split": two slices, 2 bytes a
 * weight, products near float32's (1e-4 to 2e-3, as rows have outliers). "int8": one slice, a byte a weight, for screening (some 3e-2). */
export const PRECISIONS = ["float32", "split", "int8"] as const;
export type Precision = typeof PRECISIONS[number];
export type SlicedPrecision = Exclude<Precision, "float32">;
export const SLICES: Readonly<Record<SlicedPrecision, number>> = { split: 2, int8: 1 };

/** Largest whole number of a slice of weights, and how many steps of the residue are one of the high slice. */
export const WEIGHT_STEPS = 64, WEIGHT_RESIDUE = 128;
/** The same of what is multiplied by them: int8 around 128 in uint8, which sums in pairs with 64 without overflow. */
export const INPUT_STEPS = 127, INPUT_RESIDUE = 254;

/** Raised whenever the same numbers would be sliced or multiplied otherwise: part of the keys of all that is computed so. */
export const ARITHMETIC: Readonly<Record<SlicedPrecision, number>> = { split: 3, int8: 2 };

/** Columns that are turned at once: their rows are read side by side while a cache line of each is at hand. */
const BLOCK = 64;

export interface SlicedMatrix {
  /** The high slice and, of two, the residue: [in, out] each. */
  readonly slices: readonly Int8Array<ArrayBuffer>[];
  /** [out]: of the high slice. */
  readonly scales: Float32Array<ArrayBuffer>;
}

/** Slices of a weight [out, in]. @param count of slices: 1 or 2 */
export function sliceMatrix(
  values: Float32Array,
  [out, inner]: readonly [number, number],
  count: number,
): SlicedMatrix {
  const slices = Array.from({ length: count }, () => new Int8Array(inner * out));
  const [highs, residues] = slices, scales = new Float32Array(out);
  for (let n = 0; n < out; n++) {
    let top = 0;
    for (let k = n * inner; k < (n + 1) * inner; k++) top = Math.max(top, Math.abs(values[k]!));
    // A column of zeros has any scale.
    scales[n] = top === 0 ? 1 : top / WEIGHT_STEPS;
  }
  for (let from = 0; from < out; from += BLOCK) {
    const to = Math.min(out, from + BLOCK);
    for (let k = 0; k < inner; k++) {
      for (let n = from; n < to; n++) {
        const exact = values[n * inner + k]! / scales[n]!;
        const high = Math.max(-WEIGHT_STEPS, Math.min(WEIGHT_STEPS, Math.round(exact)));
        highs![k * out + n] = high;
        if (residues) residues[k * out + n] = Math.round((exact - high) * WEIGHT_RESIDUE);
      }
    }
  }
  return { slices, scales };
}

const PARTS = ["high", "residue"] as const;

/** Names under which a sliced tensor lies in its file. */
export const slicesOf = (name: string, count: number) =>
  PARTS.slice(0, count).map((part) => `${name}.${part}`);
export const scalesOf = (name: string) => `${name}.scales`;

/** The tensor that one of these names is of, or the name itself. */
export const unslicedName = (name: string) => name.replace(/\.(high|residue|scales)$/, "");
