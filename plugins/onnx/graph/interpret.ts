/** Runs a graph in float64, one op at a time: slow, short, and the oracle of the tests. */
import type { Constant, Graph } from "./graph.ts";
import { OPS } from "./ops/mod.ts";
import type { Tensor } from "./ops/op.ts";

/**
 * Values of every node.
 *
 * @param given inputs and weights by name
 * @throws {Error} naming an input that is missing, or the place of an op that fails
 */
export function interpret(
  graph: Graph,
  given: Readonly<Record<string, Tensor>>,
): ReadonlyMap<string, Tensor> {
  const values = new Map<string, Tensor>(
    graph.constants.map((constant) => [constant.name, tensorOf(constant)]),
  );
  for (const { name } of [...graph.inputs, ...graph.weights]) {
    const tensor = given[name];
    if (tensor) values.set(name, tensor);
  }
  for (const { op, name, inputs, outputs, attributes } of graph.nodes) {
    const tensors = inputs.map((input) => {
      if (!input) return undefined;
      const tensor = values.get(input.name);
      if (!tensor) throw new Error(`Cannot interpret ${op} at ${name}: ${input.name} has no value`);
      return tensor;
    });
    OPS[op].evaluate(tensors, attributes).forEach((tensor, i) => {
      if (outputs[i]) values.set(outputs[i].name, tensor);
    });
  }
  return values;
}

function tensorOf({ shape, data }: Constant): Tensor {
  return { dims: shape, data: Float64Array.from(data as Iterable<bigint | number>, Number) };
}
