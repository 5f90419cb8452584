/** Products by weights in int8 slices: the runtime beside the float64 interpreter, which computes what slices.ts says. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { encode } from "../../../../plugins/onnx/graph/encode.ts";
import { gradient } from "../../../../plugins/onnx/graph/gradient.ts";
import { createBuilder, type Shape, type Value } from "../../../../plugins/onnx/graph/graph.ts";
import { interpret } from "../../../../plugins/onnx/graph/interpret.ts";
import { lower } from "../../../../plugins/onnx/graph/lower/mod.ts";
import type { Tensor } from "../../../../plugins/onnx/graph/ops/op.ts";
import { openSession } from "../../../../plugins/onnx/session/session.ts";
import { sliceMatrix } from "../../../../plugins/onnx/weights/slices.ts";
import { assertClose, createTensors, feed } from "./differences.ts";

/** Of the largest entry. Whole numbers are exact; a float32 that falls between two steps may go to either side, a step of the last slice of one
 * input (1 / 127 / 254 of the row's largest) times one weight; a step of the only slice is 1 / 127. */
const FLOAT32: Readonly<Record<number, number>> = { 2: 3e-5, 1: 4e-3 };
/** Of the largest entry: float32 sums of in (40) numbers. */
const BACK = 1e-5;
const OUT = 24, IN = 40;

interface Product {
  readonly count: number;
  readonly shape: Shape;
  readonly x: Tensor;
}

/** The product's graph with its gradient, what the runtime makes of it and what the interpreter does. */
async function run({ count, shape, x }: Product, packed = true) {
  const weight = createTensors("weight").floats([OUT, IN]);
  const { slices, scales } = sliceMatrix(Float32Array.from(weight.data), [OUT, IN], count);
  const file = await Deno.makeTempFile();
  for (const part of [scales, ...slices]) {
    await Deno.writeFile(file, new Uint8Array(part.buffer), { append: true });
  }
  const b = createBuilder(), length = IN * OUT;
  const refs = [
    b.weight({ name: "w.scales", shape: [OUT], file, offset: 0, length: 4 * OUT }),
    ...slices.map((_, k) =>
      b.weight({
        name: `w.${k}`,
        dtype: "int8",
        shape: [IN, OUT],
        file,
        offset: 4 * OUT + k * length,
        length,
      })
    ),
  ];
  const input = b.input("x", "float32", shape);
  const y = b.node("SlicedMatMul", "y", [input, ...refs]);
  const again = b.node("SlicedMatMul", "again", [input, ...refs]);
  const cotangent = b.input("g", "float32", y.shape);
  const back = gradient(b, { seeds: [{ value: y, cotangent }], wanted: [input] }).get("x")!;
  for (const value of [y, again, back]) b.output(value);
  const graph = b.finish();
  const g = createTensors("cotangent").floats([...x.dims.slice(0, -1), OUT]);
  const whole = (data: ArrayLike<number>, dims: number[]) => ({ dims, data: Float64Array.from(data) });
  const expected = interpret(graph, {
    x,
    g,
    ...Object.fromEntries(slices.map((slice, k) => [`w.${k}`, whole(slice, [IN, OUT])])),
    "w.scales": whole(scales, [OUT]),
  });
  await using session = await openSession(encode(graph), { threads: 2, packed });
  const { outputs } = await session.run({
    feeds: { x: feed(x, "float32"), g: feed(g, "float32") },
    fetch: ["y", "again", back.name],
  });
  await Deno.remove(file);
  return { outputs, expected, back: back.name, weight, g };
}

const rows = createTensors("rows").floats([6, IN], -3, 3);
// Rows of very different sizes, and one of zeros.
rows.data.subarray(IN, 2 * IN).forEach((value, i, row) => row[i] = 1e4 * value);
rows.data.subarray(2 * IN, 3 * IN).forEach((value, i, row) => row[i] = 1e-6 * value);
rows.data.fill(0, 3 * IN, 4 * IN);

for (const count of [1, 2]) {
  for (const packed of [true, false]) {
    for (const [shape, dims] of [[["rows", IN], [6, IN]], [["batch", "tokens", IN], [2, 3, IN]]] as const) {
      const name = `${count} slices of [${shape.join(", ")}]${packed ? "" : ", unpacked"}`;
      Deno.test(`SlicedMatMul and its gradient are what the interpreter gives: ${name}`, async () => {
        const x = { dims: [...dims], data: rows.data };
        const { outputs, expected, back } = await run({ count, shape, x }, packed);
        // Each row has a scale of its own, so each is compared by itself.
        for (let row = 0; row < 6; row++) {
          const part = (data: ArrayLike<number>) =>
            Float64Array.from(Array.from(data).slice(row * OUT, (row + 1) * OUT));
          assertClose(
            { dims: [OUT], data: part(outputs["y"]!.data as Float32Array) },
            { dims: [OUT], data: part(expected.get("y")!.data) },
            { tolerance: FLOAT32[count]!, at: `row ${row}` },
          );
        }
        assertEquals(outputs["y"]!.dims, [...dims.slice(0, -1), OUT]);
        assertEquals(outputs["again"]!.data, outputs["y"]!.data);
        const slope = outputs[back]!;
        assertClose(
          { dims: slope.dims, data: slope.data as Float32Array },
          expected.get(back)!,
          { tolerance: BACK, at: "gradient" },
        );
      });
    }
  }
}

/** Of the row's largest output: what two slices lose, 15 bits of an input, 13 of a weight, and the product of both residues, which weighs more where
 * one number of a row is 60 times the others: 9e-5 and 2.2e-4 here. */
const SPLIT = 2e-4, OUTLIER = 5e-4;

Deno.test("two slices give the product itself, each row by its own scale", async () => {
  const x = { dims: [...rows.dims], data: rows.data.slice() };
  x.data[5 * IN + 3] = 100;
  const { outputs, weight } = await run({ count: 2, shape: ["rows", IN], x });
  const y = outputs["y"]!.data as Float32Array;
  for (let row = 0; row < 6; row++) {
    const exact = Array.from({ length: OUT }, (_, n) => {
      let sum = 0;
      for (let k = 0; k < IN; k++) sum += x.data[row * IN + k]! * weight.data[n * IN + k]!;
      return sum;
    });
    const top = Math.max(...exact.map(Math.abs)), bound = row === 5 ? OUTLIER : SPLIT;
    exact.forEach((value, n) => assert(Math.abs(y[row * OUT + n]! - value) <= bound * top, `${row}, ${n}`));
  }
});

Deno.test("a row's product does not depend on the rows beside it", async () => {
  const x = { dims: [1, IN], data: rows.data.slice(4 * IN, 5 * IN) };
  const [alone, together] = [
    await run({ count: 2, shape: ["rows", IN], x }),
    await run({ count: 2, shape: ["rows", IN], x: rows }),
  ];
  assertEquals(
    [...alone.outputs["y"]!.data as Float32Array],
    [...(together.outputs["y"]!.data as Float32Array).slice(4 * OUT, 5 * OUT)],
  );
});

for (const [name, value] of [["NaN", NaN], ["infinity", Infinity], ["minus infinity", -Infinity]] as const) {
  for (const count of [1, 2]) {
    Deno.test(`SlicedMatMul gives no finite number for a row with ${name}, in ${count} slices`, async () => {
      for (const place of [0, 5, 17, IN - 1]) {
        const x = { dims: [...rows.dims], data: rows.data.slice() };
        x.data[4 * IN + place] = value;
        const { outputs } = await run({ count, shape: ["rows", IN], x });
        const y = outputs["y"]!.data as Float32Array;
        assert(y.slice(4 * OUT, 5 * OUT).every((each) => !Number.isFinite(each)), `${place}`);
        assert(y.slice(0, 4 * OUT).every(Number.isFinite));
        assert(y.slice(5 * OUT).every(Number.isFinite));
      }
    });
  }
}

Deno.test("SlicedMatMul refuses weights that do not fit, naming the place", () => {
  const b = createBuilder(), where = { file: "", offset: 0, length: 0 };
  const x = b.input("x", "float32", ["rows", 3]);
  const slice = (name: string, inner: number) =>
    b.weight({ name, dtype: "int8", shape: [inner, 5], ...where });
  const high = slice("high", 4), scales = b.weight({ name: "t", shape: [5], ...where });
  const draw = (...slices: Value[]) => b.node("SlicedMatMul", "here", [x, scales, ...slices]);
  assertThrows(() => draw(high), Error, "Cannot draw here: inner sizes are 3 and 4");
  assertThrows(
    () => draw(high, slice("residue", 3)),
    Error,
    "slices are int8 [4, 5] and int8 [3, 5], wanted int8 of one shape",
  );
  assertThrows(() => draw(scales), Error, "slices are float32 [5], wanted int8 of one shape");
});

Deno.test("a weight's steps are of sizes that only the call knows, so that the runtime ends their buffers with their product", () => {
  const b = createBuilder(), where = { file: "", offset: 0, length: 0 };
  const slice = (name: string) => b.weight({ name, dtype: "int8", shape: [4, 5], ...where });
  const before = b.input("before", "float32", ["rows", 5]);
  b.output(b.node("SlicedSteps", "steps", [before, slice("high"), slice("residue")]));
  const { nodes, tables } = lower(b.finish(), "cpu");
  const made = new Map(nodes.map((node) => [node.name, node])),
    known = new Set(tables.map(({ name }) => name));
  const wide = nodes.filter(({ op }) => op === "DequantizeLinear");
  assertEquals(wide.length, 2);
  for (const { inputs: [slices] } of wide) {
    const { op, inputs: [, sizes] } = made.get(slices!)!;
    assertEquals([op, known.has(sizes!)], ["Reshape", false]);
    const depends = (name: string): boolean =>
      name === "before" || (made.get(name)?.inputs.some(depends) ?? false);
    assert(depends(sizes!));
  }
});
