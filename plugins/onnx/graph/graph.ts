/** A graph is plain data: values with names, nodes in execution order, small constants, and weights that stay in their file. */
import type { TensorRef } from "../weights/types.ts";

export type DType = "float32" | "int64";

/** An edge of the graph. Its name is unique and says the place: "layers.3.mlp.gate". */
export interface Value {
  readonly name: string;
  readonly dtype: DType;
}

/** A size, or the name of one that differs from call to call. */
export type Dim = number | string;

export interface Port extends Value {
  readonly shape: readonly Dim[];
}

export type Attribute = number | bigint | readonly bigint[];

export interface Node {
  readonly op: Op;
  readonly name: string;
  /** undefined for an optional input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  /** bigint is an integer attribute, number a float. */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export interface Constant extends Value {
  readonly shape: readonly number[];
  readonly data: BigInt64Array;
}

/** A parameter: float32 values that the runtime maps from their file. */
export interface Weight extends Value {
  readonly ref: TensorRef;
}

export interface Graph {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly nodes: readonly Node[];
  readonly constants: readonly Constant[];
  readonly weights: readonly Weight[];
}

/** Every op in use and the ONNX domain it lives in. */
export const OPS = {
  Add: "",
  ArgMax: "",
  Concat: "",
  Gather: "",
  MatMul: "",
  Mul: "",
  ReduceLogSumExp: "",
  ReduceMax: "",
  Reshape: "",
  SimplifiedLayerNormalization: "",
  Softmax: "",
  Transpose: "",
  FusedMatMul: "com.microsoft",
  QuickGelu: "com.microsoft",
  RotaryEmbedding: "com.microsoft",
} as const;
export type Op = keyof typeof OPS;

/** Draws a graph node by node. `at` names a place; names are unique because places are. */
export interface Builder {
  input(name: string, dtype: DType, shape: readonly Dim[]): Value;
  weight(ref: TensorRef): Value;
  /** The same small table given twice is stored once. */
  ints(values: readonly number[]): Value;
  /** Appends a node with one output. */
  node(op: Op, at: string, inputs: readonly (Value | undefined)[], attributes?: Node["attributes"]): Value;
  /** Makes a value leave the runtime, under its own name. */
  output(value: Value, shape: readonly Dim[]): void;
  finish(): Graph;
}

/** Ops whose output is not of the type of their first input. */
const OUTPUT_TYPE: Partial<Record<Op, DType>> = { ArgMax: "int64" };

export function createBuilder(): Builder {
  const inputs: Port[] = [], outputs: Port[] = [], nodes: Node[] = [];
  const constants = new Map<string, Constant>(), weights = new Map<string, Weight>();
  return {
    input(name, dtype, shape) {
      const port = { name, dtype, shape };
      inputs.push(port);
      return port;
    },
    weight(ref) {
      const known = weights.get(ref.name);
      if (known) return known;
      const weight: Weight = { name: ref.name, dtype: "float32", ref };
      weights.set(ref.name, weight);
      return weight;
    },
    ints(values) {
      const name = `ints.${values.join("_")}`;
      const known = constants.get(name);
      if (known) return known;
      const constant: Constant = {
        name,
        dtype: "int64",
        shape: [values.length],
        data: BigInt64Array.from(values, BigInt),
      };
      constants.set(name, constant);
      return constant;
    },
    node(op, at, from, attributes = {}) {
      const dtype = OUTPUT_TYPE[op] ?? from[0]!.dtype;
      const value = { name: at, dtype };
      nodes.push({ op, name: at, inputs: from, outputs: [value], attributes });
      return value;
    },
    output: (value, shape) => void outputs.push({ ...value, shape }),
    finish: () => ({
      inputs,
      outputs,
      nodes,
      constants: [...constants.values()],
      weights: [...weights.values()],
    }),
  };
}
