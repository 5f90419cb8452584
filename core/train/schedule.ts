/** Learning rates by update. Source: transformers' get_*_schedule_with_warmup, whose lambdas these are. */
import type { ScheduleOptions } from "../trainer.ts";

/**
 * Share of the largest rate at update `step` (from 0) of `steps`.
 *
 * @example
 * ```ts
 * import { rateAt } from "./schedule.ts";
 * const rate = rateAt({ kind: "linear", warmup: 2 }, 10);
 * if ([0, 1, 2, 6].map(rate).join() !== "0,0.5,1,0.5") throw new Error("up in two updates, down in eight");
 * ```
 */
export function rateAt(
  { kind, warmup = 0, cycles = 1 }: ScheduleOptions,
  steps: number,
): (step: number) => number {
  return (step) => {
    if (step < warmup) return step / Math.max(1, warmup);
    if (kind === "constant") return 1;
    const left = Math.max(1, steps - warmup);
    if (kind === "linear") return Math.max(0, (steps - step) / left);
    const progress = (step - warmup) / left;
    if (kind === "cosine") return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
    if (progress >= 1) return 0;
    return Math.max(0, 0.5 * (1 + Math.cos(Math.PI * ((cycles * progress) % 1))));
  };
}
