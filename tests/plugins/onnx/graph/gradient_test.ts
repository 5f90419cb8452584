import { assert, assertEquals, assertThrows } from "@std/assert";
import { gradient, type Seed } from "../../../../plugins/onnx/graph/gradient.ts";
import { type Builder, createBuilder, type Shape, type Value } from "../../../../plugins/onnx/graph/graph.ts";
import { interpret } from "../../../../plugins/onnx/graph/interpret.ts";
import type { Tensor } from "../../../../plugins/onnx/graph/ops/op.ts";
import { assertGradient, createTensors, type Given } from "./differences.ts";

const vector = (...values: number[]): Tensor => ({ dims: [values.length], data: Float64Array.from(values) });
const input = (b: Builder, name: string, ...shape: Shape) => b.input(name, "float32", shape);
/** The input `d<name>` as the cotangent of a value. */
const seed = (b: Builder, value: Value, name = `d${value.name}`): Seed => ({
  value,
  cotangent: b.input(name, "float32", value.shape),
});
const names = (values: readonly { readonly name: string }[]) => values.map(({ name }) => name);

/** Draws gradients and computes them, as lists by name. */
function run(
  b: Builder,
  { seeds, wanted, given }: {
    readonly seeds: readonly Seed[];
    readonly wanted: readonly Value[];
    given: Given;
  },
): Record<string, number[]> {
  const found = gradient(b, { seeds, wanted });
  for (const value of found.values()) b.output(value);
  const values = interpret(b.finish(), given);
  return Object.fromEntries([...found].map(([name, value]) => [name, [...values.get(value.name)!.data]]));
}

Deno.test("gradient() adds up what every user of a value sends", () => {
  const b = createBuilder(), x = input(b, "x", 2);
  // y = x * x + x: three uses, dy/dx = 2 x + 1.
  const y = b.node("Add", "y", [b.node("Mul", "square", [x, x]), x]);
  const given = { x: vector(3, -2), dy: vector(1, 10) };
  assertEquals(run(b, { seeds: [seed(b, y)], wanted: [x], given }), { x: [7, -30] });
});

Deno.test("gradient() adds up several seeds, and a seed on a wanted value", () => {
  const b = createBuilder(), x = input(b, "x", 2);
  const y = b.node("Mul", "y", [x, x]), z = b.node("Neg", "z", [x]);
  const seeds = [seed(b, y), seed(b, y, "more"), seed(b, z), seed(b, x)];
  const given = {
    x: vector(3, 5),
    dy: vector(1, 0),
    more: vector(1, 2),
    dz: vector(100, 200),
    dx: vector(1000, 2000),
  };
  assertEquals(run(b, { seeds, wanted: [x], given }), { x: [6 * 2 - 100 + 1000, 10 * 2 - 200 + 2000] });
});

Deno.test("gradient() gives every wanted value, one of them upstream of another, and leaves out what seeds do not depend on", () => {
  const b = createBuilder(), x = input(b, "x", 2), other = input(b, "other", 2);
  const y = b.node("Mul", "y", [x, x]), z = b.node("Mul", "z", [y, y]);
  const beside = b.node("Mul", "beside", [other, y]);
  const given = { x: vector(3, 1), other: vector(0, 0), dz: vector(1, 1) };
  const found = run(b, { seeds: [seed(b, z)], wanted: [x, y, z, other, beside], given });
  assertEquals(found, { x: [4 * 27, 4], y: [18, 2], z: [1, 1] });
});

Deno.test("gradient() draws nothing for what no wanted value can reach", () => {
  const b = createBuilder(),
    x = input(b, "x", 2, 3),
    w = b.weight({ name: "w", shape: [3, 3], file: "", offset: 0, length: 0 });
  // A gradient through "top" would throw: ReduceMax has none.
  const top = b.node("ReduceMax", "top", [input(b, "unreached", 2, 3), b.ints([-1])]);
  const y = b.node("Mul", "y", [b.node("FusedMatMul", "product", [x, w]), top]);
  const before = b.drawn().length;
  const found = gradient(b, { seeds: [seed(b, y)], wanted: [x] });
  found.forEach(b.output);
  const drawn = b.finish();
  const kept = new Set(names(drawn.nodes));
  assertEquals(b.drawn().slice(before).filter(({ name }) => /unreached|top/.test(name)), []);
  assertEquals(drawn.nodes.map(({ op }) => op), ["ReduceMax", "Mul", "FusedMatMul"]);
  assert(!kept.has("y") && !kept.has("product"), "the gradient of products needs no product");
});

Deno.test("gradient() sums over axes along which a value was repeated", () => {
  const shapes: readonly (readonly [Shape, Shape])[] = [
    [["batch", "tokens", 3], [3]], // leading axes
    [["batch", "tokens", 3], ["tokens", 1]], // a leading axis and one of size 1
    [["batch", "tokens", 3], ["batch", 1, 1]], // two of size 1
    [["batch", "tokens", 3], []],
    [["tokens", 1], ["batch", 1, 3]], // each along an axis of the other
    [["tokens", 3], [1, 1, 1, 3]], // more axes, though none is repeated
  ];
  const sizes: Record<string, number> = { batch: 2, tokens: 4 };
  for (const pair of shapes) {
    const b = createBuilder(), { floats } = createTensors("repeated"), given: Given = {};
    const ports = pair.map((shape, i) => {
      given[`${i}`] = floats(shape.map((dim) => typeof dim === "number" ? dim : sizes[dim]!));
      return input(b, `${i}`, ...shape);
    });
    const y = b.node("Mul", "y", ports);
    b.output(y);
    given["dy"] = floats(interpret(b.finish(), given).get("y")!.dims);
    const found = assertGradient(b, { seeds: [seed(b, y)], wanted: ports }, given);
    assertEquals(ports.map(({ name }) => found.get(name)!.shape), [...pair]);
  }
});

Deno.test("gradient() refuses a value that may or may not be repeated, and a cotangent smaller than its value", () => {
  const b = createBuilder(), x = input(b, "x", "batch", 3), gain = input(b, "gain", "batch?", 3);
  const y = b.node("Mul", "y", [x, gain]);
  assertThrows(
    () => gradient(b, { seeds: [seed(b, y)], wanted: [gain] }),
    Error,
    "Cannot differentiate with respect to gain: it may or may not be repeated along axis 0",
  );
  for (const shape of [["batch", 1], [3]]) {
    const cotangent = input(b, "small", ...shape);
    assertThrows(
      () => gradient(b, { seeds: [{ value: y, cotangent }], wanted: [x] }),
      Error,
      "Cannot differentiate with respect to y: its cotangent is [",
    );
  }
});

/** A small graph of inputs x, w, ... whose second derivative is compared; gives the value that is differentiated. */
interface Toy {
  readonly name: string;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly draw: (b: Builder, inputs: Readonly<Record<string, Value>>) => Value;
}

const norm = (b: Builder, x: Value, w: Value) =>
  b.nodes("SimplifiedLayerNormalization", "norm", [x, w], { axis: -1n, epsilon: 0.01 });
const times = (b: Builder, at: string, x: Value, y: Value) => b.node("Mul", at, [x, y]);

const TOYS: readonly Toy[] = [
  {
    name: "QuickGelu(x w) * SimplifiedLayerNormalization(x)",
    shapes: { x: [2, 4], w: [4, 4], scale: [4] },
    draw: (b, { x, w, scale }) =>
      times(
        b,
        "y",
        b.node("QuickGelu", "act", [b.node("FusedMatMul", "xw", [x, w])], { alpha: 1 }),
        norm(b, x!, scale!)[0]!,
      ),
  },
  {
    name: "the factor of SimplifiedLayerNormalization",
    shapes: { x: [2, 3], scale: [3] },
    draw: (b, { x, scale }) => {
      const [y, factor] = norm(b, x!, scale!);
      return times(b, "y", times(b, "scaled", y!, factor!), factor!);
    },
  },
  {
    name: "attention",
    shapes: { x: [1, 3, 4], wq: [4, 4], wk: [4, 4], wv: [4, 4] },
    draw: (b, { x, wq, wk, wv }) => {
      const [q, k, v] = [wq, wk, wv].map((w, i) => b.node("FusedMatMul", "qkv"[i]!, [x, w], { transB: 1n }));
      const score = b.node("FusedMatMul", "score", [q, k], { transB: 1n, alpha: 0.5 });
      return b.node("FusedMatMul", "y", [b.node("Softmax", "weights", [score], { axis: -1n }), v]);
    },
  },
  {
    name: "a log-probability: picked logits less log-sum-exps of gathered rows",
    shapes: { x: [3, 4], unembed: [5, 4] },
    draw: (b, { x, unembed }) => {
      const rows = b.node("Gather", "rows", [x, b.ints([2, 0, 2])]);
      const logits = b.node("FusedMatMul", "logits", [rows, unembed], { transB: 1n });
      const picked = b.node("Gather", "picked", [b.reshape("flat", logits, [15]), b.ints([1, 8, 14])]);
      const logsumexp = b.node("ReduceLogSumExp", "logsumexp", [logits, b.ints([-1])], { keepdims: 0n });
      return b.node("Sub", "y", [picked, logsumexp]);
    },
  },
  {
    name: "a quotient with a root and a sigmoid",
    shapes: { x: [3], w: [2, 3] },
    draw: (b, { x, w }) => {
      const root = b.node("Sqrt", "root", [
        b.node("Add", "above", [times(b, "square", w!, w!), b.scalar(1)]),
      ]);
      return b.node("Div", "y", [b.node("Sigmoid", "gate", [x]), root]);
    },
  },
];

for (const { name, shapes, draw } of TOYS) {
  Deno.test(`gradient() of a gradient matches central differences of the first for ${name}`, () => {
    const b = createBuilder(), { floats } = createTensors(name), given: Given = {};
    const ports = Object.entries(shapes).map(([port, shape]) => {
      given[port] = floats(shape);
      return input(b, port, ...shape);
    });
    const y = draw(b, Object.fromEntries(ports.map((port) => [port.name, port])));
    b.output(y);
    given["dy"] = floats(interpret(b.finish(), given).get(y.name)!.dims);
    const first = assertGradient(b, { seeds: [seed(b, y, "dy")], wanted: ports }, given);
    const seeds = ports.map((port) => {
      given[`v.${port.name}`] = floats(given[port.name]!.dims);
      return seed(b, first.get(port.name)!, `v.${port.name}`);
    });
    assertGradient(b, { seeds, wanted: ports }, given);
  });
}
