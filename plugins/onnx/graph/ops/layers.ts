/** Ops that the runtime has for transformer layers. */
import type { Value } from "../graph.ts";
import type { OpName } from "./names.ts";
import { type AnyOp, float, int, like, op } from "./op.ts";

export const LAYERS = {
  /** x / sqrt(mean(x^2) + epsilon) * weight over the last axis, and the factor 1 / sqrt(...) (RMSNorm, arXiv 1910.07467). */
  SimplifiedLayerNormalization: op<readonly [x: Value, weight: Value]>({
    domain: "",
    infer: ([x]) => [like(x), { dtype: "float32", shape: [...x.shape.slice(0, -1), 1] }],
    evaluate([x, weight], attributes) {
      const width = x.dims.at(-1)!, epsilon = float(attributes, "epsilon", 1e-5);
      const r = Float64Array.from({ length: x.data.length / width }, (_, row) => {
        const values = x.data.subarray(row * width, (row + 1) * width);
        return 1 / Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / width + epsilon);
      });
      const data = x.data.map((value, i) => value * r[Math.floor(i / width)]! * weight.data[i % width]!);
      return [{ dims: x.dims, data }, { dims: [...x.dims.slice(0, -1), 1], data: r }];
    },
    // With h = weight * g: dx = r h - x r^3 / width * sum(h x); the cotangent of r itself joins the sum, as dr/dx = -r^3 x / width.
    vjp({ inputs: [x, weight], outputs: [, r], cotangents: [g, gr], emit }) {
      const { scalar, ints } = emit.builder, width = Number(x.shape.at(-1));
      const h = g && emit("Mul", [g, weight]);
      const dot = h && emit("ReduceSum", [emit("Mul", [h, x]), ints([-1])]);
      const sum = dot && gr ? emit("Add", [dot, gr]) : (dot ?? gr)!;
      const cube = emit("Mul", [emit("Mul", [r!, r!]), r!]);
      const back = emit("Mul", [x, emit("Mul", [emit("Mul", [cube, sum]), scalar(1 / width)])]);
      return [
        h ? emit("Sub", [emit("Mul", [h, r!]), back]) : emit("Neg", [back]),
        g && emit("Mul", [emit("Mul", [g, x]), r!]),
      ];
    },
  }),
  /** Turns pair (i, i + turned / 2) of the first `rotary_embedding_dim` columns of x [batch, heads, tokens, headDim], or of all, by the angle of its
   * token's position (arXiv 2104.09864). */
  RotaryEmbedding: op<readonly [x: Value, positions: Value, cos: Value, sin: Value]>({
    domain: "com.microsoft",
    infer: ([x]) => [like(x)],
    evaluate([x, positions, cos, sin], attributes) {
      const [batch, heads, tokens, headDim] = x.dims as [number, number, number, number];
      const half = (int(attributes, "rotary_embedding_dim", 0) || headDim) / 2, data = x.data.slice();
      for (let row = 0; row < batch * heads * tokens; row++) {
        const b = Math.floor(row / (heads * tokens)), t = row % tokens;
        const angle = positions.data[b * tokens + t]! * half;
        for (let i = 0; i < half; i++) {
          const [p, q] = [x.data[row * headDim + i]!, x.data[row * headDim + half + i]!];
          const [c, s] = [cos.data[angle + i]!, sin.data[angle + i]!];
          data[row * headDim + i] = p * c - q * s;
          data[row * headDim + half + i] = q * c + p * s;
        }
      }
      return [{ dims: x.dims, data }];
    },
    // A rotation's transpose turns back.
    vjp: ({ inputs: [, positions, cos, sin], cotangent, attributes, emit }) => [
      emit("RotaryEmbedding", [cotangent, positions, cos, emit("Neg", [sin])], attributes),
      undefined,
      undefined,
      undefined,
    ],
  }),
} satisfies Partial<Record<OpName, AnyOp>>;
