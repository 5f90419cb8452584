/**
 * Tokens that samples have in common are computed once, though each sample has a gradient of its own.
 *
 * Samples that begin alike, by a chat template, an instruction or a question, have equal values at these tokens; what flows back to them
 * differs. So a value [batch, tokens, columns] may have a compact twin [distinct, columns], one row a distinct token:
 *
 *   twin  = value at the places `share.first`      value = twin at the places `share.index`
 *
 * An op that works token by token is drawn on the twins of its inputs where all of them have one. Its value stands for the plain op in the
 * list that the reverse walk reads, so that rules see a graph in which nothing is shared; numbers for a sample's own tokens are taken from
 * the twin where a rule, a pool or attention asks for them, and nowhere else (finish() prunes).
 */
import type { Builder, Node, Value } from "./graph.ts";
import type { OpName } from "./ops/mod.ts";

/** Draws what a builder draws, on distinct tokens where it can. */
export interface Sharing {
  readonly b: Builder;
  /** Says of a value [batch, tokens, columns] that it is the same wherever tokens are the same. */
  share(value: Value): Value;
}

/** Ops that compute each token from itself alone; a second input may be a weight. */
const TOKENWISE: ReadonlySet<OpName> = new Set<OpName>([
  "Add",
  "FastGelu",
  "FusedMatMul",
  "Mul",
  "QuickGelu",
  "Sigmoid",
  "SimplifiedLayerNormalization",
  "Sub",
  "Tanh",
]);

/** Inputs of the graph: `share.first` [distinct], a place in batch * tokens each; `share.index` [batch, tokens], a distinct token each. */
export function createSharing(plain: Builder): Sharing {
  const first = plain.input("share.first", "int64", ["distinct"]);
  const index = plain.input("share.index", "int64", ["batch", "tokens"]);
  const twins = new Map<string, Value>();
  /** What a node that was drawn stands for in the plain graph; undefined for one that it does not have. */
  const meanings = new Map<string, Node | undefined>();
  const hide = (value: Value) => {
    meanings.set(value.name, undefined);
    return value;
  };
  /** A node's inputs with twins in the place of values; undefined where one that differs from token to token has none. */
  const twinned = (inputs: Node["inputs"]) => {
    const found = inputs.map((input) =>
      input && (twins.get(input.name) ?? (isFixed(input) ? input : undefined))
    );
    return found.every((input) => input) && inputs.some((input) => input && twins.has(input.name))
      ? found
      : undefined;
  };
  const nodes: Builder["nodes"] = (op, at, inputs, attributes = {}) => {
    const on = TOKENWISE.has(op) ? twinned(inputs) : undefined;
    if (!on) return plain.nodes(op, at, inputs, attributes);
    const compact = plain.nodes(op, `${at}.distinct`, on, attributes).map(hide);
    const outputs = compact.map((twin, i) => {
      const value = hide(plain.node("Gather", i === 0 ? at : `${at}#${i}`, [twin, index]));
      twins.set(value.name, twin);
      return value;
    });
    meanings.set(outputs[0]!.name, { op, name: outputs[0]!.name, inputs, outputs, attributes });
    return outputs;
  };
  const b: Builder = {
    ...plain,
    nodes,
    node: (op, at, inputs, attributes) => nodes(op, at, inputs, attributes)[0]!,
    drawn: () =>
      plain.drawn().flatMap((node) => {
        if (!meanings.has(node.name)) return [node];
        const meaning = meanings.get(node.name);
        return meaning ? [meaning] : [];
      }),
  };
  return {
    b,
    share(value) {
      if (twins.has(value.name)) return value;
      const flat = hide(plain.reshape(`${value.name}.flat`, value, ["batch*tokens", value.shape.at(-1)!]));
      twins.set(value.name, hide(plain.node("Gather", `${value.name}.distinct`, [flat, first])));
      return value;
    },
  };
}

/** The same for every token: a weight, or a number. */
const isFixed = ({ shape }: Value) => shape.every((size) => typeof size === "number");
