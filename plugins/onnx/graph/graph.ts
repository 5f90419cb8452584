/** A graph is plain data: values with names and shapes, nodes in execution order, small constants, and weights that stay in their file. */
import type { TensorRef } from "../weights/types.ts";
import { type OpName, OPS } from "./ops/mod.ts";

export type DType = "float32" | "int64" | "int8";

/** A size, or the name of one that differs from call to call. "batch?" is 1 or what "batch" is. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** An edge of the graph. Its name is unique and says the place: "layers.3.mlp.gate". */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** What its numbers are, where they are the sizes of another value. */
  readonly sizes?: Shape;
}

/** bigint is an integer attribute, number a float, string a text. */
export type Attribute = number | bigint | string | readonly bigint[];
export type Attributes = Readonly<Record<string, Attribute>>;

export interface Node {
  readonly op: OpName;
  /** The place; the first output's name. */
  readonly name: string;
  /** undefined for an optional input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

/** A small table or number that the graph carries. */
export interface Constant extends Value {
  readonly shape: readonly number[];
  readonly data: BigInt64Array | Float32Array;
}

/** A parameter: values that the runtime maps from their file. */
export interface Weight extends Value {
  readonly ref: TensorRef;
}

export interface Graph {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly nodes: readonly Node[];
  readonly constants: readonly Constant[];
  readonly weights: readonly Weight[];
}

/** Draws a graph node by node. `at` names a place; a name that is taken gets a number. */
export interface Builder {
  input(name: string, dtype: DType, shape: Shape): Value;
  /** The input of that name, drawn when it is first asked for. */
  sharedInput(name: string, dtype: DType, shape: Shape): Value;
  weight(ref: TensorRef): Value;
  /** The same small table or number given twice is stored once. */
  ints(values: readonly number[]): Value;
  scalar(value: number): Value;
  /** A table that the graph carries under this name, float32. */
  table(name: string, shape: readonly number[], data: Float32Array): Value;
  /** Appends a node and gives its first output.
   * @throws {Error} when its inputs do not fit together. */
  node(op: OpName, at: string, inputs: Node["inputs"], attributes?: Attributes): Value;
  /** Appends a node and gives all its outputs. */
  nodes(op: OpName, at: string, inputs: Node["inputs"], attributes?: Attributes): readonly Value[];
  /** The same numbers in another shape; at most one size that `x` does not have at the same place may be a name. */
  reshape(at: string, x: Value, shape: Shape): Value;
  /** The same numbers in the shape of another value. */
  reshapeLike(at: string, x: Value, like: Value): Value;
  /** One after the other along an axis, whose size is then called `size`. */
  concat(at: string, values: readonly Value[], joint: { readonly axis: number; readonly size: Dim }): Value;
  /** A value that leaves under another name. */
  named(name: string, value: Value): Value;
  /** What has been drawn so far, oldest first. */
  drawn(): readonly Node[];
  /** Makes a value leave the runtime, under its own name. */
  output(value: Value): void;
  /** What the outputs need, and nothing else; every input stays. */
  finish(): Graph;
}

export function createBuilder(): Builder {
  const inputs: Value[] = [], nodes: Node[] = [];
  const outputs = new Map<string, Value>();
  const constants = new Map<string, Constant>(), weights = new Map<string, Weight>();
  const taken = new Set<string>();
  const unique = (name: string) => {
    let free = name;
    for (let times = 2; taken.has(free); times++) free = `${name}.${times}`;
    taken.add(free);
    return free;
  };
  const constant = (key: string, make: () => Omit<Constant, "name">) => {
    const known = constants.get(key);
    if (known) return known;
    const made: Constant = { name: key, ...make() };
    constants.set(key, made);
    return made;
  };
  const append = (op: OpName, at: string, from: Node["inputs"], more: Partial<Pick<Node, "attributes">> & {
    readonly shape?: Shape;
  } = {}) => {
    const attributes = more.attributes ?? {}, name = unique(at);
    const made = OPS[op].infer(from, attributes, name).map((inferred, i): Value => ({
      ...inferred,
      name: i === 0 ? name : `${name}#${i}`,
      shape: more.shape ?? inferred.shape,
    }));
    nodes.push({ op, name, inputs: from, outputs: made, attributes });
    return made;
  };
  const builder: Builder = {
    input(name, dtype, shape) {
      const port = { name: unique(name), dtype, shape };
      inputs.push(port);
      return port;
    },
    sharedInput: (name, dtype, shape) =>
      inputs.find((input) => input.name === name) ?? builder.input(name, dtype, shape),
    named: (name, value) => append("Identity", name, [value])[0]!,
    weight(ref) {
      const known = weights.get(ref.name);
      if (known) return known;
      const weight: Weight = { name: ref.name, dtype: ref.dtype ?? "float32", shape: ref.shape, ref };
      weights.set(ref.name, weight);
      return weight;
    },
    ints: (values) =>
      constant(`ints.${values.join("_")}`, () => ({
        dtype: "int64",
        shape: [values.length],
        data: BigInt64Array.from(values, BigInt),
      })),
    scalar: (value) =>
      constant(`scalar.${value}`, () => ({ dtype: "float32", shape: [], data: Float32Array.of(value) })),
    table: (name, shape, data) => constant(name, () => ({ dtype: "float32", shape, data })),
    node: (op, at, from, attributes = {}) => append(op, at, from, { attributes })[0]!,
    nodes: (op, at, from, attributes = {}) => append(op, at, from, { attributes }),
    reshape(at, x, shape) {
      const sizes = sizesOf(x.shape, shape);
      const target = sizes ? builder.ints(sizes) : undefined;
      if (!target) {
        throw new Error(`Cannot reshape ${x.name} to [${shape.join(", ")}] at ${at}: two sizes are unknown`);
      }
      return append("Reshape", at, [x, target], { shape })[0]!;
    },
    reshapeLike(at, x, like) {
      const sizes = sizesOf(x.shape, like.shape);
      const target = sizes ? builder.ints(sizes) : builder.node("Shape", `${like.name}.shape`, [like]);
      return append("Reshape", at, [x, target], { shape: like.shape })[0]!;
    },
    concat(at, values, { axis, size }) {
      const shape = values[0]!.shape.toSpliced(axis, 1, size);
      return append("Concat", at, values, { shape, attributes: { axis: BigInt(axis) } })[0]!;
    },
    drawn: () => nodes,
    output: (value) => void outputs.set(value.name, value),
    finish: () =>
      prune({
        inputs,
        outputs: [...outputs.values()],
        nodes,
        constants: [...constants.values()],
        weights: [...weights.values()],
      }),
  };
  return builder;
}

/** Reshape's table: 0 keeps the size at that place, -1 is what is left; undefined when more than one is unknown. */
export function sizesOf(from: Shape, to: Shape): readonly number[] | undefined {
  const sizes = to.map((size, axis) => typeof size === "number" ? size : size === from[axis] ? 0 : -1);
  return sizes.filter((size) => size === -1).length > 1 ? undefined : sizes;
}

/** Leaves out nodes, constants and weights that no output needs. */
function prune({ inputs, outputs, nodes, constants, weights }: Graph): Graph {
  const needed = new Set(outputs.map(({ name }) => name));
  const kept: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!node.outputs.some(({ name }) => needed.has(name))) continue;
    const last = node.outputs.findLastIndex(({ name }) => needed.has(name));
    kept.push({ ...node, outputs: node.outputs.slice(0, last + 1) });
    for (const input of node.inputs) if (input) needed.add(input.name);
  }
  const isNeeded = ({ name }: Value) => needed.has(name);
  return {
    inputs,
    outputs,
    nodes: kept.reverse(),
    constants: constants.filter(isNeeded),
    weights: weights.filter(isNeeded),
  };
}
