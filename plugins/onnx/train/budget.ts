/** How much is trained on at once. */
import type { Hyperparameters } from "../architectures/shape.ts";

/** Bytes of values that wait for the way back in a micro-batch, and its most tokens. */
export const VALUES = 1e9;
const MOST_TOKENS = 4096;

/** Tokens of a micro-batch by the values that a layer keeps of each for the way back; attention's are counted for texts of 256 tokens. */
export function budgetOf({ layers, width, heads, kvHeads, headDim, mlp }: Hyperparameters): number {
  const kept = 6 * width + 3 * (heads + 2 * kvHeads) * headDim + 4 * mlp + heads * 256;
  return Math.max(64, Math.min(MOST_TOKENS, Math.floor(VALUES / (4 * layers * kept))));
}
