/** The prompts of a plan as token ids: all are made once to see that they suit, and again when they are computed, for all together are large. */
import type { PlannedCell, PlannedModel } from "./plan.ts";
import { type PlannedBenchmark, type PlannedRequest, requestsOf, underPrompt } from "./plan_benchmarks.ts";

interface Asking extends Pick<PlannedCell, "model" | "benchmark"> {
  /** Text before every prompt. */
  readonly prompt: string | undefined;
}

/** Requests of a benchmark on a model, made when asked for. Of all that a run asks only what was asked last is kept. */
export function lastAsked(): (asking: Asking) => readonly PlannedRequest[] {
  let last: (Asking & { readonly requests: readonly PlannedRequest[] }) | undefined;
  return (asking) => {
    const { model, benchmark, prompt } = asking;
    if (last?.model !== model || last.benchmark !== benchmark || last.prompt !== prompt) {
      // Never two at a time.
      last = undefined;
      last = { ...asking, requests: make(asking) };
    }
    return last.requests;
  };
}

/** @throws {UserError} for items that do not suit a model. */
export function checkRequests(
  models: readonly PlannedModel[],
  benchmarks: readonly PlannedBenchmark[],
): void {
  for (const model of models) {
    for (const benchmark of benchmarks) {
      for (const prompt of new Set(model.arms.map((arm) => arm.prompt))) make({ model, benchmark, prompt });
    }
  }
}

function make({ model, benchmark, prompt }: Asking): readonly PlannedRequest[] {
  return requestsOf(prompt === undefined ? benchmark : underPrompt(benchmark, prompt), model.inspected);
}
