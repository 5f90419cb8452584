/** One record an op: what comes out of it, what it computes, and its gradient. */
import type { Attributes, Builder, Constant, Value } from "../graph.ts";
import type { OpName } from "./names.ts";

/** Numbers of the float64 interpreter; integers are exact in them. */
export interface Tensor {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

export type Inputs = readonly (Value | undefined)[];
export type Inferred = Omit<Value, "name">;
type Tensors<I extends Inputs> = {
  readonly [K in keyof I]: undefined extends I[K] ? Tensor | undefined : Tensor;
};
/** One entry an input; undefined where no gradient flows. A cotangent may have the shape that the input was broadcast to. */
export type Cotangents<I extends Inputs> = { readonly [K in keyof I]: Value | undefined };

/** What a gradient rule works with: cotangents are those of the outputs, undefined where nothing depends on one. */
export interface Backward<I extends Inputs> {
  readonly inputs: I;
  readonly outputs: readonly Value[];
  /** Of the first output. */
  readonly cotangent: Value;
  readonly cotangents: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly emit: Emit;
}

/** Appends nodes beside the one whose gradient is drawn. */
export interface Emit {
  (op: OpName, inputs: Inputs, attributes?: Attributes): Value;
  readonly builder: Builder;
  /** `x` in the shape of `like`. */
  reshapeLike(x: Value, like: Value): Value;
}

export interface Op<I extends Inputs> {
  /** "" is ONNX's own; "plumbline" is what lower.ts draws with the runtime's ops. */
  readonly domain: "" | "com.microsoft" | "plumbline";
  /** @throws {Error} that names the place when the inputs do not fit together. */
  infer(inputs: I, attributes: Attributes, at: string): readonly Inferred[];
  evaluate(inputs: Tensors<I>, attributes: Attributes): readonly Tensor[];
  /** Absent: the op has no gradient. */
  vjp?(backward: Backward<I>): Cotangents<I>;
}

/** An op as the table holds it, its inputs no longer told apart. */
export interface AnyOp {
  readonly domain: Op<Inputs>["domain"];
  infer(inputs: Inputs, attributes: Attributes, at: string): readonly Inferred[];
  evaluate(inputs: readonly (Tensor | undefined)[], attributes: Attributes): readonly Tensor[];
  readonly vjp: ((backward: Backward<Inputs>) => readonly (Value | undefined)[]) | undefined;
}

/** Gives an op its type from its inputs: a rule with the wrong number of cotangents does not compile. */
export function op<I extends Inputs>(record: Op<I>): AnyOp {
  return { vjp: undefined, ...record } as unknown as AnyOp;
}

/** The same type and shape as a value. */
export const like = ({ dtype, shape }: Value): Inferred => ({ dtype, shape });

export const size = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** Reads an integer attribute. */
export function int(attributes: Attributes, name: string, fallback: number): number {
  const value = attributes[name];
  return typeof value === "bigint" ? Number(value) : fallback;
}

/** Reads a float attribute. */
export function float(attributes: Attributes, name: string, fallback: number): number {
  const value = attributes[name];
  return typeof value === "number" ? value : fallback;
}

/** Reads a list of integers. */
export function list(attributes: Attributes, name: string): readonly number[] {
  const value = attributes[name];
  return Array.isArray(value) ? value.map(Number) : [];
}

/** An axis counted from the end, from the start. */
export const axisOf = (axis: number, rank: number): number => axis < 0 ? axis + rank : axis;

/** The axes of a constant table, counted from the start. */
export function axesIn(axes: Value, rank: number): number[] {
  const { data } = axes as Constant;
  return [...data as BigInt64Array].map((axis) => axisOf(Number(axis), rank));
}
