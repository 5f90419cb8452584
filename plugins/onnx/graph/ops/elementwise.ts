/** Ops that work number by number. */
import type { Value } from "../graph.ts";
import type { OpName } from "./names.ts";
import { broadcastShapes, map, zip } from "./broadcast.ts";
import { type AnyOp, float, like, op } from "./op.ts";

type Two = readonly [x: Value, y: Value];
type One = readonly [x: Value];

const meet = ([x, y]: Two, _: unknown, at: string) => [
  { dtype: x.dtype, shape: broadcastShapes(x.shape, y.shape, at) },
];
const same = ([x]: One) => [like(x)];
/** sqrt(2 / pi), and 0.044715 of it. */
const GELU = [Math.sqrt(2 / Math.PI), 0.044715 * Math.sqrt(2 / Math.PI)] as const;
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

export const ELEMENTWISE = {
  Add: op<Two>({
    domain: "",
    infer: meet,
    evaluate: ([x, y]) => [zip(x, y, (a, b) => a + b)],
    vjp: ({ cotangent: g }) => [g, g],
  }),
  Sub: op<Two>({
    domain: "",
    infer: meet,
    evaluate: ([x, y]) => [zip(x, y, (a, b) => a - b)],
    vjp: ({ cotangent: g, emit }) => [g, emit("Neg", [g])],
  }),
  Mul: op<Two>({
    domain: "",
    infer: meet,
    evaluate: ([x, y]) => [zip(x, y, (a, b) => a * b)],
    vjp: ({ inputs: [x, y], cotangent: g, emit }) => [emit("Mul", [g, y]), emit("Mul", [g, x])],
  }),
  Identity: op<One>({
    domain: "",
    infer: same,
    evaluate: ([x]) => [x],
    vjp: ({ cotangent: g }) => [g],
  }),
  Neg: op<One>({
    domain: "",
    infer: same,
    evaluate: ([x]) => [map(x, (a) => -a)],
    vjp: ({ cotangent: g, emit }) => [emit("Neg", [g])],
  }),
  Sqrt: op<One>({
    domain: "",
    infer: same,
    evaluate: ([x]) => [map(x, Math.sqrt)],
    vjp: ({ outputs: [y], cotangent: g, emit }) => [
      emit("Div", [g, emit("Add", [y, y])]),
    ],
  }),
  Div: op<Two>({
    domain: "",
    infer: meet,
    evaluate: ([x, y]) => [zip(x, y, (a, b) => a / b)],
    vjp: ({ inputs: [, y], outputs: [z], cotangent: g, emit }) => {
      const dx = emit("Div", [g, y]);
      return [dx, emit("Neg", [emit("Mul", [dx, z])])];
    },
  }),
  Sigmoid: op<One>({
    domain: "",
    infer: same,
    evaluate: ([x]) => [map(x, sigmoid)],
    // y' = y - y^2
    vjp: ({ outputs: [y], cotangent: g, emit }) => {
      const gy = emit("Mul", [g, y!]);
      return [emit("Sub", [gy, emit("Mul", [gy, y!])])];
    },
  }),
  Tanh: op<One>({
    domain: "",
    infer: same,
    evaluate: ([x]) => [map(x, Math.tanh)],
    // y' = 1 - y^2
    vjp: ({ outputs: [y], cotangent: g, emit }) => [
      emit("Sub", [g, emit("Mul", [emit("Mul", [g, y!]), y!])]),
    ],
  }),
  /** x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))): GELU by its approximation (arXiv 1606.08415, section 2). */
  FastGelu: op<One>({
    domain: "com.microsoft",
    infer: same,
    evaluate: ([x]) => [map(x, (a) => (a / 2) * (1 + Math.tanh(a * (GELU[0] + GELU[1] * a * a))))],
    // With t the tanh: y' = (1 + t + x (1 - t^2) (B + 3 C x^2)) / 2; g comes in last, as for QuickGelu.
    vjp: ({ inputs: [x], cotangent: g, emit }) => {
      const { scalar } = emit.builder, [B, C] = GELU, square = emit("Mul", [x, x]);
      const plus = (value: Value, more: number) => emit("Add", [value, scalar(more)]);
      const times = (value: Value, factor: number) => emit("Mul", [value, scalar(factor)]);
      const t = emit("Tanh", [emit("Mul", [x, plus(times(square, C), B)])]);
      // (1 - t^2) / 2 and (1 + t) / 2.
      const steep = plus(times(emit("Mul", [t, t]), -0.5), 0.5), level = plus(times(t, 0.5), 0.5);
      const bend = emit("Mul", [emit("Mul", [x, plus(times(square, 3 * C), B)]), steep]);
      return [emit("Mul", [g, emit("Add", [level, bend])])];
    },
  }),
  /** x * sigmoid(alpha * x); SiLU with alpha 1. */
  QuickGelu: op<One>({
    domain: "com.microsoft",
    infer: same,
    evaluate: ([x], attributes) => {
      const alpha = float(attributes, "alpha", 1.702);
      return [map(x, (a) => a * sigmoid(alpha * a))];
    },
    // y' = s + alpha y (1 - s) = s + alpha s (x - y), s = sigmoid(alpha x): one pass shorter than the first form, and g comes in last, so that
    // all before it is computed once where tokens are shared.
    vjp: ({ inputs: [x], outputs: [y], cotangent: g, attributes, emit }) => {
      const alpha = float(attributes, "alpha", 1.702);
      const times = (value: Value) => alpha === 1 ? value : emit("Mul", [value, emit.builder.scalar(alpha)]);
      const s = emit("Sigmoid", [times(x)]);
      const slope = emit("Add", [s, emit("Mul", [s, times(emit("Sub", [x, y!]))])]);
      return [emit("Mul", [g, slope])];
    },
  }),
} satisfies Partial<Record<OpName, AnyOp>>;
