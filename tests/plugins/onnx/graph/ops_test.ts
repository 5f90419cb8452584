import { assert, assertEquals, assertThrows } from "@std/assert";
import { encode } from "../../../../plugins/onnx/graph/encode.ts";
import { gradient, type Seed } from "../../../../plugins/onnx/graph/gradient.ts";
import {
  type Attributes,
  type Builder,
  createBuilder,
  type Dim,
  type Shape,
  type Value,
} from "../../../../plugins/onnx/graph/graph.ts";
import { interpret } from "../../../../plugins/onnx/graph/interpret.ts";
import { type OpName, OPS } from "../../../../plugins/onnx/graph/ops/mod.ts";
import { size, type Tensor } from "../../../../plugins/onnx/graph/ops/op.ts";
import { DEVICES } from "../../../../plugins/onnx/session/door.ts";
import { openSession } from "../../../../plugins/onnx/session/session.ts";
import { assertClose, assertGradient, createTensors, feed, type Given } from "./differences.ts";

/** Of the largest entry: products sum up to 5 float32 numbers, each rounded to 6e-8, and exponentials of the runtime are about 1e-6 off. */
const FLOAT32 = 1e-5;

type Sizes = Readonly<Record<string, number>>;
const SIZES: Sizes = { batch: 2, tokens: 3, keys: 4, rows: 2, picks: 5, "batch?": 1 };

/** An input of a case: random floats or indices of a shape, or a constant table. */
type Port =
  | { readonly kind: "float"; readonly shape: Shape; readonly low: number; readonly differentiated: boolean }
  | { readonly kind: "index"; readonly shape: Shape; readonly below: number }
  | { readonly kind: "table"; readonly values: readonly number[] };

interface Case {
  readonly op: OpName;
  readonly ports: readonly Port[];
  readonly attributes?: Attributes;
  readonly sizes?: Sizes;
  /** In place of a node of `op` with the inputs as they are. */
  readonly draw?: (b: Builder, at: string, inputs: readonly Value[]) => Value;
}
type More = Partial<Pick<Case, "sizes" | "draw">> & { readonly [attribute: string]: unknown };

const x = (...shape: Dim[]): Port => ({ kind: "float", shape, low: -1.5, differentiated: true });
/** Away from zero. */
const positive = (...shape: Dim[]): Port => ({ kind: "float", shape, low: 0.5, differentiated: true });
const fixed = (...shape: Dim[]): Port => ({ kind: "float", shape, low: -1.5, differentiated: false });
const index = (below: number, ...shape: Dim[]): Port => ({ kind: "index", shape, below });
const table = (...values: number[]): Port => ({ kind: "table", values });

function of(op: OpName, ports: readonly Port[], { sizes, draw, ...attributes }: More = {}): Case {
  return {
    op,
    ports,
    attributes: attributes as Attributes,
    ...(sizes ? { sizes } : {}),
    ...(draw ? { draw } : {}),
  };
}

const BROADCAST: readonly (readonly Port[])[] = [
  [positive("batch", "tokens", 3), positive("batch", "tokens", 3)],
  [positive("batch", "tokens", 3), positive(3)],
  [positive(3), positive("batch", "tokens", 3)],
  [positive("batch", 1, 3), positive("tokens", 1)],
  [positive(), positive(2, 3)],
  [positive(1, 1), positive(3)],
  [positive("batch", "tokens", 3), fixed("batch?", 1, 3)],
];
const REDUCED: readonly (readonly [readonly Port[], Attributes])[] = [
  [[x("batch", "tokens", 3), table(-1)], {}],
  [[x("batch", "tokens", 3), table(-1)], { keepdims: 0n }],
  [[x(5), table(0)], { keepdims: 0n }],
];
const REDUCED_ELSEWHERE: readonly (readonly [readonly Port[], Attributes])[] = [
  [[x("batch", "tokens", 3), table(1)], { keepdims: 1n }],
  [[x("batch", "tokens", "keys", 2), table(1)], { keepdims: 0n }],
  [[x("batch", "tokens", "keys"), table(0)], { keepdims: 0n }],
  [[x("batch", 2, "tokens"), table(-1, 0)], { keepdims: 0n }],
  [[x("batch", 2, "tokens"), table(0, 1)], { keepdims: 1n }],
];
const TURNS = [{}, { transA: 1n }, { transB: 1n }, { transA: 1n, transB: 1n }] as const;
/** a [.., 2, 3], b [.., 3, 4], as they are stored. */
const factors = ({ transA, transB }: { transA?: 1n; transB?: 1n }, a: Dim[] = [], b: Dim[] = []) => [
  transA ? x(...a, 3, 2) : x(...a, 2, 3),
  transB ? x(...b, 4, 3) : x(...b, 3, 4),
];
const shapeOf = (b: Builder, at: string, value: Value) => b.node("Shape", `${at}.sizes`, [value]);

const CASES: readonly Case[] = [
  ...(["Add", "Sub", "Mul", "Div"] as const).flatMap((op) => BROADCAST.map((ports) => of(op, ports))),
  of("Mul", [x("batch", "tokens", 3), fixed("batch?", 1, 3)], { sizes: { "batch?": 2 } }),
  of("Identity", [x("batch", 3)]),
  of("Neg", [x("batch", 3)]),
  of("Sqrt", [positive("batch", 3)]),
  of("Sigmoid", [x("batch", 3)]),
  of("Tanh", [x("batch", 3)]),
  of("FastGelu", [x("batch", 3)]),
  ...[{}, { alpha: 1 }, { alpha: 2.5 }].map((alpha) => of("QuickGelu", [x("batch", 3)], alpha)),
  of("SimplifiedLayerNormalization", [x("batch", "tokens", 4), x(4)], { axis: -1n }),
  of("SimplifiedLayerNormalization", [x("rows", 3), x(3)], { axis: -1n, epsilon: 0.1 }),
  ...["batch", 1].map((batch) =>
    of("RotaryEmbedding", [x(batch, 2, "tokens", 4), index(6, batch, "tokens"), fixed(6, 2), fixed(6, 2)])
  ),
  of("RotaryEmbedding", [x("batch", 2, "tokens", 6), index(6, "batch", "tokens"), fixed(6, 2), fixed(6, 2)], {
    rotary_embedding_dim: 4n,
    num_heads: 2n,
  }),
  ...TURNS.map((turns) => of("FusedMatMul", factors(turns), turns)),
  ...TURNS.map((turns) => of("FusedMatMul", factors(turns, ["batch", 1], [5]), { ...turns, alpha: 0.5 })),
  of("FusedMatMul", [x("batch", "tokens", 3), x(5, 3)], { transB: 1n }),
  of("FusedMatMul", [x("batch", 2, "tokens", 3), x("batch", 2, "keys", 3)], { transB: 1n, alpha: 0.125 }),
  of("FusedMatMul", [x("batch", 1, "tokens"), x("batch", "tokens", 3)]),
  ...[...REDUCED, ...REDUCED_ELSEWHERE].flatMap(([ports, attributes]) => [
    of("ReduceSum", ports, attributes),
    of("ReduceMax", ports, attributes),
  ]),
  ...REDUCED.map(([ports, attributes]) => of("ReduceLogSumExp", ports, attributes)),
  ...REDUCED_ELSEWHERE.map(([[, axes], attributes]) =>
    of("ReduceLogSumExp", [fixed("batch", "tokens", "keys", 2), axes!], attributes)
  ),
  of("ArgMax", [x("batch", "tokens", 5)], { axis: -1n }),
  of("ArgMax", [x("batch", 5)], { axis: 1n, keepdims: 0n }),
  of("Softmax", [x("batch", "tokens", 4)], { axis: -1n }),
  of("Reshape", [x(2, 3, 4), table(0, -1)]),
  of("Reshape", [x("batch", "tokens", 6)], {
    draw: (b, at, [x]) => b.reshape(at, x!, ["batch", "tokens", 2, 3]),
  }),
  of("Reshape", [x("batch", 3, "tokens", 2)], {
    draw: (b, at, [x]) => b.reshape(at, x!, ["batch", "rest", 2]),
  }),
  of("Reshape", [x("batch", "tokens", 2), fixed("batch", 2, "tokens")], {
    draw: (b, at, [x, like]) => b.reshapeLike(at, x!, like!),
  }),
  of("Transpose", [x("batch", "tokens", 2, 3)], { perm: [0n, 2n, 1n, 3n] }),
  of("Transpose", [x("batch", "tokens", 2)], { perm: [2n, 0n, 1n] }),
  of("Concat", [x(2, "tokens"), x(3, "tokens")], { axis: 0n }),
  of("Concat", [x(2, "keys", 3), x(2, "tokens", 3)], { axis: -2n }),
  of("Concat", [x("keys", 2), x(1, 2)], { axis: 0n }),
  of("Concat", [x("batch", "keys", 3), x("batch", "tokens", 3)], {
    sizes: { sum: 7 },
    draw: (b, at, values) => b.concat(at, values, { axis: 1, size: "sum" }),
  }),
  of("Gather", [x(4, 3), index(4, "batch", "tokens")]),
  of("Gather", [x("keys"), index(4, "picks")]),
  of("Gather", [x(4, 3), index(4)], { axis: 0n }),
  of("Gather", [x(4, 3), table(-1, 1, -1)]),
  of("Gather", [fixed("batch", 4, 3), index(4, "picks")], { axis: 1n }),
  of("ScatterND", [x("keys", 3), index(4, "picks", 1), x("picks", 3)], { reduction: "add" }),
  of("ScatterND", [x(2, 2, 3), index(2, "picks", 2), x("picks", 3)], { reduction: "add" }),
  of("GatherND", [x("keys", 3), index(4, "picks", 1)]),
  of("GatherND", [x(2, 2, 3), index(2, "batch", "tokens", 2)]),
  of("Unsqueeze", [x("batch", 3), table(-1)]),
  of("Unsqueeze", [x("batch", 3), table(2, 0)]),
  of("Unsqueeze", [x(), table(0)]),
  of("Expand", [x(3, 1), table(2, 1, 4)]),
  ...[x("batch", 1, 3), x(1), x("tokens", 3)].map((port) =>
    of("Expand", [port, fixed("batch", "tokens", 3)], {
      draw: (b, at, [x, like]) => b.node("Expand", at, [x!, shapeOf(b, at, like!)]),
    })
  ),
  of("Shape", [x("batch", "tokens", 3)]),
  of("ConstantOfShape", [table(2, 3)]),
  of("ConstantOfShape", [fixed("batch", "tokens")], {
    draw: (b, at, [like]) => b.node("ConstantOfShape", at, [shapeOf(b, at, like!)]),
  }),
];

/** Ops that no gradient passes. */
const NO_GRADIENT: readonly OpName[] = ["ArgMax", "Concat", "ReduceMax", "Shape"];
/** The numbers of its result depend on nothing; gradient_test.ts has a gradient that ends there. */
const CONSTANT: OpName = "ConstantOfShape";

interface DrawnCase {
  readonly inputs: readonly Value[];
  readonly differentiated: readonly Value[];
  readonly outputs: readonly Value[];
  readonly given: Given;
}

/** Draws a case under its place in the table, "Add 0". */
function draw(b: Builder, { op, ports, attributes, sizes, draw }: Case, place: number): DrawnCase {
  const at = `${op} ${place}`, { floats, ids } = createTensors(at), given: Given = {};
  const inputs = ports.map((port, i) => {
    if (port.kind === "table") return b.ints(port.values);
    const name = `${at}.${i}`, dims = port.shape.map((dim) => sizeOf(dim, sizes));
    given[name] = port.kind === "float" ? floats(dims, port.low) : ids(dims, port.below);
    return b.input(name, port.kind === "float" ? "float32" : "int64", port.shape);
  });
  const differentiated = inputs.filter((_, i) => {
    const port = ports[i]!;
    return port.kind === "float" && port.differentiated;
  });
  const outputs = draw ? [draw(b, at, inputs)] : b.nodes(op, at, inputs, attributes);
  outputs.forEach(b.output);
  return { inputs, differentiated, outputs, given };
}

function sizeOf(dim: Dim, sizes: Sizes = {}): number {
  if (typeof dim === "number") return dim;
  const parts = dim.split("+");
  assert(parts.some((part) => Number.isNaN(Number(part))), `${dim} is text, wanted a number`);
  return parts.map((part) => sizes[part] ?? SIZES[part] ?? Number(part)).reduce((a, b) => a + b);
}

/** A random cotangent for each float output. */
function seeds(b: Builder, { outputs, given }: DrawnCase, values: ReadonlyMap<string, Tensor>): Seed[] {
  return outputs.filter(({ dtype }) => dtype === "float32").map((value) => {
    const cotangent = b.input(`${value.name}.cotangent`, "float32", value.shape);
    given[cotangent.name] = createTensors(cotangent.name).floats(values.get(value.name)!.dims);
    return { value, cotangent };
  });
}

const PLACES = CASES.map((each, place) => ({ each, place }));

/** Tested in sliced_test.ts: their weights lie in files, and a step function has no central differences. */
const SLICED: readonly string[] = ["SlicedMatMul", "SlicedSteps"];

for (const op of Object.keys(OPS).filter((name) => !SLICED.includes(name)) as OpName[]) {
  const places = PLACES.filter(({ each }) => each.op === op);

  Deno.test(`infer() of ${op} gives the shapes that evaluate() makes`, () => {
    assert(places.length > 0, `no case of ${op}`);
    for (const { each, place } of places) {
      const b = createBuilder(), { outputs, given } = draw(b, each, place);
      const values = interpret(b.finish(), given);
      for (const { name, shape, sizes } of outputs) {
        const { dims, data } = values.get(name)!;
        assertEquals(data.length, size(dims), name);
        // A size that only the runtime knows has the place as its name.
        const known = shape.map((dim, axis) =>
          String(dim).startsWith(name) || dim === "rest" ? dims[axis]! : sizeOf(dim, each.sizes)
        );
        assertEquals(known, [...dims], `shape of ${name}`);
        if (sizes) assertEquals(sizes.map((dim) => sizeOf(dim, each.sizes)), [...data], `sizes in ${name}`);
      }
    }
  });

  if (NO_GRADIENT.includes(op)) {
    Deno.test(`gradient() through ${op} throws and names it and its place`, () => {
      const { each, place } = places[0]!,
        b = createBuilder(),
        { differentiated, outputs: [y] } = draw(b, each, place);
      const seed = { value: y!, cotangent: b.input("cotangent", "float32", y!.shape) };
      assertThrows(
        () => gradient(b, { seeds: [seed], wanted: differentiated }),
        Error,
        `Cannot differentiate ${op} at ${y!.name}`,
      );
    });
  } else if (op !== CONSTANT) {
    Deno.test(`vjp() of ${op} matches central differences`, () => {
      let compared = 0;
      for (const { each, place } of places) {
        const b = createBuilder(), drawn = draw(b, each, place);
        const all = seeds(b, drawn, interpret(b.finish(), drawn.given));
        for (const some of all.length > 1 ? [all, ...all.map((seed) => [seed])] : [all]) {
          const wanted = drawn.differentiated.filter(({ name }) =>
            // The factor of a norm does not depend on the weight.
            some.length > 1 || some[0] === all[0] || name.endsWith(".0")
          );
          compared += wanted.length;
          assertGradient(b, { seeds: some, wanted }, drawn.given);
        }
      }
      assert(compared > 0, `nothing to differentiate in the cases of ${op}`);
    });
  }
}

// Devices differ in what the runtime's nodes are, all of which the CPU has as well.
for (const device of DEVICES) {
  Deno.test(`evaluate() and vjp() match ONNX Runtime for every case, drawn for ${device}`, async () => {
    const b = createBuilder(), feeds: Given = {}, ports: Value[] = [];
    for (const { each, place } of PLACES) {
      const drawn = draw(b, each, place), wanted = drawn.differentiated;
      if (wanted.length > 0 && !NO_GRADIENT.includes(each.op)) {
        const given = seeds(b, drawn, interpret(b.finish(), { ...feeds, ...drawn.given }));
        for (const slope of gradient(b, { seeds: given, wanted }).values()) b.output(slope);
        ports.push(...given.map(({ cotangent }) => cotangent));
      }
      Object.assign(feeds, drawn.given);
      ports.push(...drawn.inputs.filter(({ name }) => name in feeds));
    }
    const graph = b.finish(), values = interpret(graph, feeds);
    await using session = await openSession(encode(graph, device), { threads: 1, packed: false });
    const { outputs } = await session.run({
      feeds: Object.fromEntries(ports.map(({ name, dtype }) => [name, feed(feeds[name]!, dtype)])),
      fetch: graph.outputs.map(({ name }) => name),
    });
    for (const { name, dtype } of graph.outputs) {
      assertEquals(
        outputs[name]!.data instanceof Float32Array ? "float32" : "int64",
        dtype,
        `type of ${name}`,
      );
      assertClose(outputs[name]!, values.get(name)!, { tolerance: FLOAT32, at: name });
    }
  });
}

Deno.test("infer() names the place where shapes do not fit", () => {
  const refused = (op: OpName, shapes: readonly Shape[]) => {
    const b = createBuilder(), inputs = shapes.map((shape, i) => b.input(`${i}`, "float32", shape));
    assertThrows(() => b.node(op, "layers.0.here", inputs), Error, "Cannot draw layers.0.here");
  };
  refused("Add", [[2], [3]]);
  refused("Mul", [["batch", 3], ["tokens", 3]]);
  refused("FusedMatMul", [[2, 3], [4, 5]]);
  refused("FusedMatMul", [["batch", 2, 3], ["rows", 3, 5]]);
});

Deno.test("gradient() names the place of a Gather or ReduceLogSumExp along an axis that has no rule", () => {
  const b = createBuilder(), x = b.input("x", "float32", [2, 2]);
  const gathered = b.node("Gather", "gathered", [x, b.ints([0, 1])], { axis: 1n });
  const reduced = b.node("ReduceLogSumExp", "reduced", [x, b.ints([0])]);
  for (const value of [gathered, reduced]) {
    const seeds = [{ value, cotangent: b.input(`${value.name}.seed`, "float32", value.shape) }];
    assertThrows(() => gradient(b, { seeds, wanted: [x] }), Error, ` at ${value.name}: `);
  }
});
