/**
 * Draws what a run reads: the objective's gradient at taps, and pools over tokens, so that what leaves the runtime is small.
 *
 * Every objective is a weighted sum of logits of picked tokens and of log-sum-exps of rows, so one graph serves all of them: the weights
 * are inputs, and are the cotangents with which the reverse walk begins.
 *
 *   J = sum_p pickWeights[p] * picked[p] + sum_r rowWeights[r] * logsumexp[r]
 *
 * Rows of a batch do not see one another, hence d J / d tap holds the gradient of each sample's own objective.
 */
import type { Observation, Tap } from "../../../core/mod.ts";
import type { Drawing } from "../architectures/decoder.ts";
import { drawReadout, type Readout } from "../architectures/readout.ts";
import { atRows, flatten, rowsRead } from "../architectures/rows.ts";
import { gradient } from "./gradient.ts";
import type { Value } from "./graph.ts";

/** What decides the nodes of an observation. */
export type Drawn = Pick<Observation, "tap" | "quantity" | "pool"> & {
  readonly over: NonNullable<Observation["over"]>;
};

/** Name of an observation's output. */
export function outputOf({ tap, quantity, pool, over }: Drawn): string {
  return `observed.${tap}.${quantity}.${summedAs(pool)}.${over}`;
}

/** Sums and means leave the graph alike, as do roots of mean squares and sums of squares. */
function summedAs(pool: Drawn["pool"]): "none" | "max" | "sum" | "squares" | "last" {
  return pool === "mean" ? "sum" : pool === "rms" ? "squares" : pool;
}

/** Adds outputs: each observation under its name and, with an objective, `picked` and `logsumexp`. */
export function drawObservations(drawing: Drawing, observe: readonly Drawn[], objective: boolean): void {
  const { b, taps } = drawing;
  const readout = objective ? drawReadout(drawing) : undefined;
  if (readout) {
    b.output(readout.picked);
    b.output(readout.logsumexp);
  }
  const back = readout ? drawBackward(drawing, readout, observe) : undefined;
  for (const drawn of observe) {
    const value = taps.get(drawn.tap)!;
    if (drawn.quantity === "direct") {
      drawDirect(drawing, { drawn, direction: back!.direction! });
    } else {
      const seen = drawn.quantity === "activation" ? value : drawProduct(drawing, drawn, back!.at(drawn.tap));
      b.output(pool(drawing, drawn, drawing.read.has(drawn.tap) ? everywhere(drawing, drawn, seen) : seen));
    }
  }
}

/** Gradients at the taps that need them; a tap that the objective does not depend on has zeros. */
function drawBackward(drawing: Drawing, readout: Readout, observe: readonly Drawn[]) {
  const { b, taps } = drawing;
  const seeds = [
    { value: readout.picked, cotangent: b.input("weights.picks", "float32", ["picks"]) },
    { value: readout.logsumexp, cotangent: b.input("weights.rows", "float32", ["rows"]) },
  ];
  const needed = observe.filter(({ quantity }) => quantity === "gradient" || quantity === "product");
  const direct = observe.some(({ quantity }) => quantity === "direct");
  const wanted = [...new Set(needed.map(({ tap }) => tap))].map((tap) => taps.get(tap)!);
  const found = gradient(b, { seeds, wanted: [...wanted, ...(direct ? [readout.normed] : [])] });
  const zeros = (value: Value) =>
    b.node("ConstantOfShape", `d.${value.name}.zeros`, [b.node("Shape", `${value.name}.shape`, [value])]);
  const onto = direct ? found.get(readout.normed.name)! : undefined;
  return {
    at: (tap: Tap) => found.get(taps.get(tap)!.name) ?? zeros(taps.get(tap)!),
    /** d J / d last residual at the rows that are read, the norm's factor held fixed, [rows, width]. */
    direction: onto && drawing.finalNorm.before("direct", onto, readout.factor),
  };
}

/** The gradient, or activation times gradient; at "attn.head" products are summed over a head's columns. */
function drawProduct({ b, shape, taps }: Drawing, { tap, quantity }: Drawn, slope: Value): Value {
  if (quantity === "gradient") return slope;
  const product = b.node("Mul", `${tap}.product`, [taps.get(tap)!, slope]);
  if (!tap.endsWith(".attn.head")) return product;
  const apart = b.reshape(`${tap}.product.apart`, product, [
    ...product.shape.slice(0, -1),
    shape.heads,
    shape.headDim,
  ]);
  return b.node("ReduceSum", `${tap}.product.heads`, [apart, b.ints([-1])], { keepdims: 0n });
}

/** A gradient or product of the rows that logits are read of, with the zeros of all other tokens: [batch, tokens, columns]. */
function everywhere({ b, ids }: Drawing, drawn: Drawn, x: Value): Value {
  const at = `${outputOf(drawn)}.everywhere`, columns = x.shape.at(-1)!;
  const sizes = b.concat(`${at}.sizes`, [
    b.node("Shape", `${at}.tokens`, [ids]),
    b.ints([Number(columns)]),
  ], { axis: 0, size: 3 });
  const zeros = b.node("ConstantOfShape", `${at}.zeros`, [{ ...sizes, sizes: [...ids.shape, columns] }]);
  const places = b.node("Unsqueeze", `${at}.rows`, [rowsRead(b), b.ints([-1])]);
  return b.reshapeLike(
    at,
    b.node("ScatterND", `${at}.flat`, [flatten(b, `${at}.apart`, zeros), places, x]),
    zeros,
  );
}

/** x [batch, tokens, columns] pooled over tokens, by tables that say which count: [batch, 1, columns], or x itself. */
function pool({ b }: Drawing, drawn: Drawn, x: Value): Value {
  const how = summedAs(drawn.pool), name = outputOf(drawn);
  if (how === "none") return b.named(name, x);
  if (how === "max") {
    const apart = b.sharedInput(`never.${drawn.over}`, "float32", ["batch", "tokens", 1]);
    return b.node("ReduceMax", name, [b.node("Add", `${name}.counted`, [x, apart]), b.ints([1])]);
  }
  const counts = b.sharedInput(how === "last" ? "last" : `counts.${drawn.over}`, "float32", [
    "batch",
    1,
    "tokens",
  ]);
  const summed = how === "squares" ? b.node("Mul", `${name}.squares`, [x, x]) : x;
  return b.node("FusedMatMul", name, [counts, summed]);
}

/**
 * What a tap writes along the objective's direction, at the rows that are read: value * direction by column, [rows, columns]; for heads
 * z_h . (W_O,h^T direction), [rows, heads] (direct logit attribution: Elhage et al., A Mathematical Framework for Transformer Circuits, 2021).
 * Where a family norms what a block writes, the direction is taken back through that norm, its factor held fixed; where it caps logits, the
 * direction is that of the cap's slope.
 */
function drawDirect(drawing: Drawing, { drawn, direction: last }: {
  readonly drawn: Drawn;
  readonly direction: Value;
}): void {
  const { b, shape, taps, beforeAttentionOut, after } = drawing, name = outputOf(drawn), { tap } = drawn;
  const rows = b.node("Gather", `${name}.rows`, [flatten(b, `${name}.flat`, taps.get(tap)!), rowsRead(b)]);
  const isHead = tap.endsWith(".attn.head");
  const through = after.get(isHead ? tap.replace("attn.head", "attn.out") as Tap : tap);
  const direction = through ? through.norm.before(`${name}.normed`, last, atRows(b, through.factor)) : last;
  if (!isHead) {
    b.output(b.node("Mul", name, [rows, direction]));
    return;
  }
  const product = b.node("Mul", `${name}.product`, [
    rows,
    beforeAttentionOut(`${name}.direction`, Number(tap.split(".")[1]), direction),
  ]);
  const apart = b.reshape(`${name}.apart`, product, ["rows", shape.heads, shape.headDim]);
  b.output(b.node("ReduceSum", name, [apart, b.ints([-1])], { keepdims: 0n }));
}
