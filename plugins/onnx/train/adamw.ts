/** AdamW on float32 arrays, as core/trainer.ts says it; each number is computed in float64 and rounded once. */
import type { ResolvedRecipe } from "../../../core/mod.ts";

/** A parameter with what the optimiser keeps of it. */
export interface Slot {
  readonly values: Float32Array;
  readonly gradient: Float32Array;
  /** Running means of the gradient and of its square. */
  readonly mean: Float32Array;
  readonly square: Float32Array;
  readonly decays: boolean;
  /** Numbers that stay as they are are 1; their gradient is zero already. */
  readonly frozen: Uint8Array | undefined;
}

/** 2-norm over all gradients, summed in float64. */
export function normOf(slots: readonly Pick<Slot, "gradient">[]): number {
  let sum = 0;
  for (const { gradient } of slots) {
    for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
  }
  return Math.sqrt(sum);
}

/** Scales gradients down to `clip` as torch.nn.utils.clip_grad_norm_ does, small number in the divisor included. */
export function clipTo(slots: readonly Pick<Slot, "gradient">[], norm: number, clip: number): void {
  const factor = clip / (norm + 1e-6);
  if (!(factor < 1)) return;
  for (const { gradient } of slots) for (let i = 0; i < gradient.length; i++) gradient[i]! *= factor;
}

/** One update. @param step from 1 */
export function update(
  slots: readonly Slot[],
  { rate, step, optimizer: { betas: [b1, b2], epsilon, weightDecay } }:
    & Pick<ResolvedRecipe, "optimizer">
    & { readonly rate: number; readonly step: number },
): void {
  const size = rate / (1 - b1 ** step), root = Math.sqrt(1 - b2 ** step);
  for (const { values, gradient, mean, square, decays, frozen } of slots) {
    const keep = decays ? 1 - rate * weightDecay : 1;
    for (let i = 0; i < values.length; i++) {
      if (frozen !== undefined && frozen[i] === 1) continue;
      const g = gradient[i]!;
      const m = mean[i]! = b1 * mean[i]! + (1 - b1) * g;
      const v = square[i]! = b2 * square[i]! + (1 - b2) * g * g;
      values[i] = keep * values[i]! - size * m / (Math.sqrt(v) / root + epsilon);
    }
  }
}
