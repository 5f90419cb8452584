/** What pooling over tokens leaves to do outside of the graph. */
import type { Observation } from "../../../core/mod.ts";
import type { Drawn } from "../graph/observe.ts";
import type { Planned } from "./plan.ts";

/** Whether a pool counts place `t` of a row. */
export function isCounted({ tokens, promptLength }: Planned, t: number, over: Drawn["over"]): boolean {
  if (t >= tokens.length) return false;
  return over === "all" || (t < promptLength) === (over === "prompt");
}

/** How many tokens of a sample an observation counts, itself and, with padding as zero, padded. */
export function countsOf(planned: readonly Planned[], batch: number) {
  const count = (sample: Planned, over: Drawn["over"]) =>
    sample.tokens.reduce((sum, _, t) => sum + (isCounted(sample, t, over) ? 1 : 0), 0);
  const longest = new Map<string, number>();
  return (sample: Planned, { over = "all", padding = "skip" }: Observation) => {
    const counted = count(sample, over);
    if (padding === "skip") return { counted, padded: counted };
    const first = Math.floor(sample.index / batch) * batch, key = `${first} ${over}`;
    const padded = longest.get(key) ??
      Math.max(...planned.slice(first, first + batch).map((other) => count(other, over)));
    longest.set(key, padded);
    return { counted, padded };
  };
}

/** A copy of what the graph gave, with what it leaves to do: means from sums, roots, padding as zero, and P times a gradient of log P, in float64. */
export function finish(
  raw: Float32Array,
  { pool }: Observation,
  { counted, padded, scale }: { readonly counted: number; readonly padded: number; readonly scale: number },
): Float32Array | Float64Array {
  if (pool === "max") {
    if (counted === padded && scale === 1) return raw.slice();
    return Float64Array.from(raw, (value) => scale * (counted < padded ? Math.max(value, 0) : value));
  }
  if (pool === "mean") return Float64Array.from(raw, (sum) => scale * sum / padded);
  if (pool === "rms") return Float64Array.from(raw, (sum) => scale * Math.sqrt(sum / padded));
  return scale === 1 ? raw.slice() : Float64Array.from(raw, (value) => scale * value);
}
