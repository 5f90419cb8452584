/** From the last residual to logits, of the rows that are read alone. */
import type { Value } from "../graph/graph.ts";
import type { Drawing } from "./decoder.ts";
import { lowRank } from "./weights.ts";

export interface Readout {
  /** [rows, width]: the last residual after its norm, and [rows, 1]: the norm's factor. */
  readonly normed: Value;
  readonly factor: Value;
  /** [rows, vocab]. */
  readonly logits: Value;
  /** [rows]. */
  readonly logsumexp: Value;
  /** [picks]: single logits. */
  readonly picked: Value;
}

/** Input `picks`: indices into rows * vocab. */
export function drawReadout(drawing: Drawing): Readout {
  const { b, finalNorm, last } = drawing;
  const picks = b.input("picks", "int64", ["picks"]);
  const [normed, factor] = finalNorm.apply("final.norm", last());
  const logits = drawLogits(drawing, normed).logits;
  const flat = b.reshape("logits.flat", logits, ["rows*vocab"]);
  return {
    normed,
    factor,
    logits,
    logsumexp: b.node("ReduceLogSumExp", "logsumexp", [logits, b.ints([-1])], { keepdims: 0n }),
    picked: b.node("Gather", "picked", [flat, picks]),
  };
}

/** Logits [rows, vocab] of normed residuals [rows, width], capped where the model caps them, and A `seen` of a low-rank update of the output
 * matrix, [rows, rank]. */
export function drawLogits(drawing: Drawing, normed: Value, seen = normed) {
  const { b, unembed, unembedUpdate, shape: { logitCap } } = drawing;
  const at = logitCap === undefined ? "logits" : "logits.uncapped";
  const product = b.node("FusedMatMul", unembedUpdate ? "logits.product" : at, [normed, unembed], {
    transB: 1n,
  });
  if (!unembedUpdate) return { logits: capped(drawing, "logits", product) };
  const { product: update, low } = lowRank(b, "logits", { x: seen, ...unembedUpdate });
  return { logits: capped(drawing, "logits", b.node("Add", at, [product, update])), low };
}

/** cap tanh(x / cap), or x itself. */
export function capped({ b, shape: { logitCap: cap } }: Drawing, at: string, x: Value): Value {
  if (cap === undefined) return x;
  const share = b.node("Tanh", `${at}.share`, [b.node("Mul", `${at}.small`, [x, b.scalar(1 / cap)])]);
  return b.node("Mul", at, [share, b.scalar(cap)]);
}

/** What scoring and generation read: single logits with their log-sum-exp, the best token and its logit. */
export function drawScoring(drawing: Drawing): void {
  const { b } = drawing, { logits, logsumexp, picked } = drawReadout(drawing);
  b.output(logits);
  b.output(logsumexp);
  b.output(b.node("ReduceMax", "topLogit", [logits, b.ints([-1])], { keepdims: 0n }));
  b.output(b.node("ArgMax", "top", [logits], { axis: -1n, keepdims: 0n }));
  b.output(picked);
}
