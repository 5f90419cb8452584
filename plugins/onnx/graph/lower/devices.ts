/** Ops that a device lacks, or has wrong, drawn with others that it has. */
import type { Node, Value } from "../graph.ts";
import { float, int } from "../ops/op.ts";
import type { Drawer } from "./draw.ts";

/** Raised whenever another device than the CPU would give other bits for the same graph: part of the keys of all that is computed there. */
export const DEVICE_ARITHMETIC = 2;

/**
 * FusedMatMul where the device has no kernel for it and the runtime would take every product to the CPU and back (WebGPU, onnxruntime-node 1.30):
 * a MatMul of what is turned before it, by a matrix a Gemm, which turns what it reads itself.
 */
export function drawProduct(drawer: Drawer, { name, inputs, outputs, attributes }: Node): void {
  const { draw, number, ints } = drawer, [a, b] = inputs as readonly [Value, Value], [output] = outputs;
  const alpha = float(attributes, "alpha", 1), at = (part: string) => `${name}.lowered.${part}`;
  const transA = int(attributes, "transA", 0), transB = int(attributes, "transB", 0);
  const ranks = [a.shape.length, b.shape.length] as const;
  if (ranks[0] === 2 && ranks[1] === 2) {
    draw("Gemm", output!.name, [a.name, b.name], {
      alpha,
      transA: BigInt(transA),
      transB: BigInt(transB),
    });
    return;
  }
  const [columns, inner] = b.shape.slice(-2);
  if (ranks[1] === 2 && transB && !transA && typeof inner === "number" && typeof columns === "number") {
    const rows = draw("Reshape", at("rows"), [a.name, ints(-1, inner)]);
    const product = draw("Gemm", at("product"), [rows, b.name], { alpha, transB: 1n });
    const before = draw("Shape", at("before"), [a.name], { end: -1n });
    const sizes = draw("Concat", at("sizes"), [before, ints(columns)], { axis: 0n });
    // No rows are none, and not as many as there.
    draw("Reshape", output!.name, [product, sizes], { allowzero: 1n });
    return;
  }
  const turned = (value: Value, turn: number, part: string) => {
    const axes = value.shape.map((_, axis) => BigInt(axis)),
      perm = [...axes.slice(0, -2), ...axes.slice(-2).reverse()];
    return turn ? draw("Transpose", at(part), [value.name], { perm }) : value.name;
  };
  const factors = [turned(a, transA, "a"), turned(b, transB, "b")];
  if (alpha === 1) draw("MatMul", output!.name, factors);
  else draw("Mul", output!.name, [draw("MatMul", at("product"), factors), number(alpha)]);
}

/** Zeros where the device has no kernel that makes them (WebGPU): else they are made on the CPU and sent. */
export function drawZeros({ draw, number }: Drawer, { inputs: [sizes], outputs: [output] }: Node): void {
  draw("Expand", output!.name, [number(0), sizes!.name]);
}

/** RMSNorm of simple ops: the second output of the runtime's own, the factor that gradients are made of, is wrong on WebGPU (onnxruntime-node
 * 1.30), and was not tried on CUDA, where simple ops are right. */
export function drawPlainNorm(
  { draw, number, ints }: Drawer,
  { name, inputs, outputs, attributes }: Node,
): void {
  const [x, gain] = inputs as readonly [Value, Value], [normed, factor] = outputs;
  const at = (part: string) => `${name}.lowered.${part}`, columns = x.shape.at(-1) as number;
  const squares = draw("ReduceSum", at("squares"), [draw("Mul", at("squared"), [x.name, x.name]), ints(-1)]);
  const mean = draw("Mul", at("mean"), [squares, number(1 / columns)]);
  const variance = draw("Add", at("variance"), [mean, number(float(attributes, "epsilon", 1e-5))]);
  const unit = draw("Div", factor?.name ?? at("factor"), [number(1), draw("Sqrt", at("root"), [variance])]);
  draw("Mul", normed!.name, [draw("Mul", at("unit"), [x.name, unit]), gain.name]);
}
