import { assertEquals, assertThrows } from "@std/assert";
import { type Builder, createBuilder, type Shape } from "../../../../plugins/onnx/graph/graph.ts";

const weight = (name: string, shape: readonly number[]) => ({ name, shape, file: "", offset: 0, length: 0 });
const input = (b: Builder, name: string, ...shape: Shape) => b.input(name, "float32", shape);
const names = (values: readonly { readonly name: string }[]) => values.map(({ name }) => name);

Deno.test("node() numbers a name that is taken, by a number that is free", () => {
  const b = createBuilder(), x = input(b, "x", 2);
  for (const at of ["y", "y", "y.2", "y", "x"]) b.node("Neg", at, [x]);
  assertEquals(names(b.drawn()), ["y", "y.2", "y.2.2", "y.3", "x.2"]);
});

Deno.test("ints(), scalar(), weight() and sharedInput() give what is there already", () => {
  const b = createBuilder(), ref = weight("w", [2]);
  assertEquals(b.ints([1, -1]) === b.ints([1, -1]), true);
  assertEquals(b.scalar(0.5) === b.scalar(0.5), true);
  assertEquals(b.weight(ref) === b.weight(ref), true);
  assertEquals(
    b.sharedInput("x", "float32", ["batch"]) === b.sharedInput("x", "float32", ["batch"]),
    true,
  );
  assertEquals(b.ints([1]) === b.ints([-1]), false);
});

Deno.test("reshape() keeps sizes by name and refuses two that are unknown", () => {
  const b = createBuilder(), x = input(b, "x", "batch", "tokens", 6);
  const table = (shape: Shape) => {
    b.reshape("y", x, shape);
    return (b.drawn().at(-1)!.inputs[1] as { data?: BigInt64Array }).data;
  };
  assertEquals(table(["batch", "tokens", 2, 3]), BigInt64Array.of(0n, 0n, 2n, 3n));
  assertEquals(table(["batch*tokens", 6]), BigInt64Array.of(-1n, 6n));
  assertThrows(() => b.reshape("here", x, ["tokens", "batch", 6]), Error, "at here: two sizes are unknown");
});

Deno.test("finish() leaves out nodes, weights and constants that no output needs, and keeps every input", () => {
  const b = createBuilder(), x = input(b, "x", 2, 3), idle = input(b, "idle", 3);
  const y = b.node("Mul", "y", [
    b.node("FusedMatMul", "product", [x, b.weight(weight("w", [3, 3]))]),
    b.scalar(2),
  ]);
  b.node("Add", "dead", [b.weight(weight("unused", [3])), b.node("Mul", "dead.scaled", [idle, b.scalar(3)])]);
  b.output(y);
  const graph = b.finish();
  assertEquals(names(graph.nodes), ["product", "y"]);
  assertEquals(names(graph.weights), ["w"]);
  assertEquals(names(graph.constants), ["scalar.2"]);
  assertEquals(names(graph.inputs), ["x", "idle"]);
});

Deno.test("finish() keeps an output of a node that stands before one that is needed", () => {
  const b = createBuilder(), x = input(b, "x", 2, 3), w = input(b, "w", 3);
  const [, factor] = b.nodes("SimplifiedLayerNormalization", "norm", [x, w]);
  b.output(factor!);
  assertEquals(b.finish().nodes.map(({ outputs }) => names(outputs)), [["norm", "norm#1"]]);
  b.output(b.node("Neg", "y", [b.node("SimplifiedLayerNormalization", "again", [x, w])]));
  assertEquals(b.finish().nodes.map(({ outputs }) => names(outputs)), [["norm", "norm#1"], ["again"], ["y"]]);
});
