/**
 * Reverse mode: the gradient of a graph is more graph.
 *
 *   seeds (cotangents of some values) -> nodes in reverse -> cotangents of the wanted values
 *
 * A rule of ops/ is calculus only. This walk owns the rest: it leaves out nodes that no wanted value can reach, adds up what several
 * users of a value send back, and sums over axes along which a value was broadcast. Since the result is drawn with the same ops, it
 * has a gradient in turn.
 */
import type { Builder, Node, Value } from "./graph.ts";
import { OPS } from "./ops/mod.ts";
import type { Emit } from "./ops/op.ts";

export interface Seed {
  readonly value: Value;
  /** d objective / d value, in the value's shape. */
  readonly cotangent: Value;
}

/**
 * Draws d objective / d value for every wanted value.
 *
 * @returns by the value's name; a value that the seeds do not depend on is missing.
 * @throws {Error} naming op and place where an op on the way has no gradient.
 */
export function gradient(
  b: Builder,
  { seeds, wanted }: { readonly seeds: readonly Seed[]; readonly wanted: readonly Value[] },
): ReadonlyMap<string, Value> {
  const nodes = [...b.drawn()];
  const reached = new Set(wanted.map(({ name }) => name));
  const onTheWay = nodes.filter((node) => {
    const depends = node.inputs.some((input) => input && reached.has(input.name));
    if (depends) { for (const { name } of node.outputs) reached.add(name); }
    return depends;
  });
  const cotangents = new Map<string, Value>();
  const send = (value: Value, cotangent: Value) => {
    const sent = summedTo(b, cotangent, value), before = cotangents.get(value.name);
    cotangents.set(value.name, before ? b.node("Add", `d.${value.name}`, [before, sent]) : sent);
  };
  for (const { value, cotangent } of seeds) send(value, cotangent);
  for (const node of onTheWay.toReversed()) {
    const given = node.outputs.map(({ name }) => cotangents.get(name));
    if (given.every((cotangent) => cotangent === undefined)) continue;
    const back = backward(b, node, given);
    node.inputs.forEach((input, i) => {
      const cotangent = back[i];
      if (input && cotangent && reached.has(input.name)) send(input, cotangent);
    });
  }
  return new Map(wanted.flatMap(({ name }) => {
    const found = cotangents.get(name);
    return found ? [[name, found]] : [];
  }));
}

function backward(b: Builder, node: Node, cotangents: readonly (Value | undefined)[]) {
  const { vjp } = OPS[node.op];
  if (!vjp) throw new Error(`Cannot differentiate ${node.op} at ${node.name}: it has no gradient`);
  return vjp({
    inputs: node.inputs,
    outputs: node.outputs,
    cotangent: cotangents[0]!,
    cotangents,
    attributes: node.attributes,
    emit: emitter(b, `d.${node.name}`),
  });
}

function emitter(b: Builder, at: string): Emit {
  const emit = ((op, inputs, attributes) => b.node(op, at, inputs, attributes)) as Emit;
  return Object.assign(emit, {
    builder: b,
    reshapeLike: (x: Value, like: Value) => b.reshapeLike(at, x, like),
  });
}

/** Undoes broadcasting: sums over the axes along which `to` was repeated. */
function summedTo(b: Builder, cotangent: Value, to: Value): Value {
  const from = cotangent.shape, extra = from.length - to.shape.length;
  const repeated = to.shape.flatMap((size, axis) => {
    const given = from[axis + extra];
    if (size === given) return [];
    if (extra < 0 || given === 1) {
      throw new Error(
        `Cannot differentiate with respect to ${to.name}: its cotangent is [${from.join(", ")}], wanted [${
          to.shape.join(", ")
        }]`,
      );
    }
    if (size === 1) return [axis + extra];
    if (String(size).endsWith("?")) {
      throw new Error(
        `Cannot differentiate with respect to ${to.name}: it may or may not be repeated along axis ${axis}`,
      );
    }
    return [];
  });
  const leading = Array.from({ length: extra }, (_, axis) => axis);
  const at = `d.${to.name}.sum`;
  const kept = repeated.length > 0 ? b.node("ReduceSum", at, [cotangent, b.ints(repeated)]) : cotangent;
  return leading.length > 0 ? b.node("ReduceSum", at, [kept, b.ints(leading)], { keepdims: 0n }) : kept;
}
