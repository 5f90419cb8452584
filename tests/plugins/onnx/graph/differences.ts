/** Random tensors, and central differences in float64 against what gradient() draws. */
import { assert, assertEquals } from "@std/assert";
import { createRandom } from "../../../../core/random.ts";
import { gradient, type Seed } from "../../../../plugins/onnx/graph/gradient.ts";
import type { Builder, DType, Value } from "../../../../plugins/onnx/graph/graph.ts";
import { interpret } from "../../../../plugins/onnx/graph/interpret.ts";
import { size, type Tensor } from "../../../../plugins/onnx/graph/ops/op.ts";
import type { TensorData } from "../../../../plugins/onnx/session/door.ts";

export type Given = Record<string, Tensor>;

/** The error of a central difference of numbers near 1 is about step^2 from its third derivative and 1e-16 / step from rounding. */
const STEP = 1e-5;
/** Relative: numbers that a gradient brings along (1 / width, alpha) are float32, 6e-8 off. Absolute: the error of the differences. */
export const CLOSE = { tolerance: 1e-6, floor: 1e-9 };

/** Uniform in [low, high], and such that float32 holds every number. */
export function createTensors(seed: string) {
  const random = createRandom(seed);
  return {
    floats: (dims: readonly number[], low = -1.5, high = 1.5): Tensor => ({
      dims,
      data: Float64Array.from(
        { length: size(dims) },
        () => Math.fround(low + (high - low) * random.uniform()),
      ),
    }),
    /** In [0, below). */
    ids: (dims: readonly number[], below: number): Tensor => ({
      dims,
      data: Float64Array.from({ length: size(dims) }, () => random.below(below)),
    }),
  };
}

/** A tensor as the runtime takes it. */
export function feed({ dims, data }: Tensor, dtype: DType): TensorData {
  return { dims, data: dtype === "float32" ? Float32Array.from(data) : BigInt64Array.from(data, BigInt) };
}

/** Entries differ by at most `tolerance` times the largest, or `floor`. */
export function assertClose(
  actual: Pick<TensorData, "dims"> & { readonly data: Iterable<number | bigint> },
  expected: Tensor,
  { tolerance, floor = 0, at }: { readonly tolerance: number; readonly floor?: number; readonly at: string },
): void {
  assertEquals([...actual.dims], [...expected.dims], `dims of ${at}`);
  const numbers = Array.from(actual.data, Number);
  const bound = floor + tolerance * expected.data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  numbers.forEach((value, i) =>
    assert(Math.abs(value - expected.data[i]!) <= bound, `${at}[${i}]: ${value}, wanted ${expected.data[i]}`)
  );
}

export interface Objective {
  readonly seeds: readonly Seed[];
  readonly wanted: readonly Value[];
}

/** What seeds say the objective is, sum over seeds of <value, cotangent>, with cotangents as they are at `given`. */
export function objectiveOf(b: Builder, seeds: readonly Seed[], given: Given): (given: Given) => number {
  for (const { value, cotangent } of seeds) {
    b.output(value);
    b.output(cotangent);
  }
  const graph = b.finish(), fixed = interpret(graph, given);
  return (at) => {
    const values = interpret(graph, at);
    return seeds.reduce((sum, { value, cotangent }) => {
      const { dims, data } = values.get(value.name)!, weights = fixed.get(cotangent.name)!;
      assertEquals([...weights.dims], [...dims], `dims of the cotangent of ${value.name}`);
      return sum + dot(data, weights.data);
    }, 0);
  };
}

export function dot(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

/** Central difference of an objective at `given`, as the input `name` moves along a direction. */
export function slope(
  objective: (given: Given) => number,
  given: Given,
  { name, direction }: { readonly name: string; readonly direction: Float64Array },
): number {
  const { dims, data } = given[name]!;
  const moved = (by: number) =>
    objective({ ...given, [name]: { dims, data: data.map((value, i) => value + by * direction[i]!) } });
  return (moved(STEP) - moved(-STEP)) / (2 * STEP);
}

/** Draws the gradient at inputs and compares every entry with a central difference. Gives the gradients by input. */
export function assertGradient(
  b: Builder,
  { seeds, wanted }: Objective,
  given: Given,
): ReadonlyMap<string, Value> {
  const objective = objectiveOf(b, seeds, given);
  const drawn = gradient(b, { seeds, wanted });
  for (const found of drawn.values()) b.output(found);
  const values = interpret(b.finish(), given);
  for (const { name } of wanted) {
    const { dims, data } = given[name]!, along = new Float64Array(data.length);
    const found = drawn.get(name);
    assert(found, `no gradient of ${name}`);
    const differences = data.map((_, i) => slope(objective, given, { name, direction: along.with(i, 1) }));
    assertClose(values.get(found.name)!, { dims, data: differences }, {
      ...CLOSE,
      at: `gradient of ${name}`,
    });
  }
  return drawn;
}
