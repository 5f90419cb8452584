/** The most memory that a model will want: what it took before, else a sum of its parts. */
import type { Plan, PlannedModel } from "../plan.ts";
import type { Results } from "../results.ts";
import { computedOn, isAlone, type Sourced } from "./rates.ts";

/** Of the process and the runtime without a model, 1e6 bytes. */
const PROCESS_MB = 150;
/** Tensors as wide as the residual, and as the inner layer, that stand at once in a layer. */
const WIDE = { residual: 6, inner: 3 };
const FLOAT = 4;

export interface MemoryOptions {
  readonly plan: Plan;
  readonly runs: readonly Results[];
  /** Whether passes with gradients are to be computed. */
  readonly gradients: boolean;
}

/** Peak of the process in 1e6 bytes. Runs with another budget, other models or without the gradients that are wanted do not count. */
export function memoryOf(model: PlannedModel, { plan, runs, gradients }: MemoryOptions): Sourced {
  const alike = computedOn(model.record.info.hash.weights, runs).filter(({ results, run }) =>
    run.peakMemoryMb > 0 && isAlone(results) && results.tokenBudget === plan.tokenBudget &&
    isPacked(results.models[0]!.params) === isPacked(model.record.params) &&
    (!gradients || run.scoring?.gradients)
  );
  if (alike.length === 0) return estimated(model, { plan, gradients });
  const most = alike.reduce((a, b) => b.run.peakMemoryMb > a.run.peakMemoryMb ? b : a);
  return {
    value: most.run.peakMemoryMb,
    source: `measured in run ${most.results.id}${
      alike.length > 1 ? `, the most of ${alike.length} runs` : ""
    }`,
  };
}

/**
 * Weights in float32, once or (packed for speed) twice; activations of a budget of tokens in one layer, or in all of them where gradients
 * want them kept, with half the budget; logits of the positions that are read, and as much again for their exponentials.
 */
function estimated(
  { record, inspected, ...model }: PlannedModel,
  { plan, gradients }: Omit<MemoryOptions, "runs">,
): Sourced {
  const { parameters, layers, vocab } = inspected.info, packed = isPacked(record.params);
  const mb = (numbers: number) => FLOAT * numbers / 1e6;
  const aToken = WIDE.residual * inspected.units("layers.0.resid_post") +
    WIDE.inner * inspected.units("layers.0.mlp.act");
  const requests = plan.cells.filter((cell) => cell.model.record === record).flatMap((cell) =>
    cell.arm === model.arms[0] ? cell.requests() : []
  );
  const read = requests.map(({ prompt, continuations }) => ({
    rows: 1 + continuations.reduce((sum, ids) => sum + ids.length - 1, 0),
    tokens: prompt.length,
  }));
  const densest = read.reduce((most, { rows, tokens }) => Math.max(most, rows / tokens), 0);
  const weights = mb(parameters) * (packed ? 2 : 1);
  const activations = mb(aToken * plan.tokenBudget * (gradients ? Math.max(1, layers / 2) : 1));
  const logits = mb(2 * vocab * Math.min(plan.tokenBudget, Math.ceil(plan.tokenBudget * densest)));
  return {
    value: Math.round(weights + activations + logits + PROCESS_MB),
    source: `estimated: float32 weights ${packed ? "twice (packed)" : "once"} ${mbText(weights)}, ` +
      `activations${gradients ? " kept for gradients" : ""} ${mbText(activations)}, logits at most ${
        mbText(logits)
      }, the process itself ${mbText(PROCESS_MB)}`,
  };
}

/** Weights are kept packed unless a model's params say otherwise. */
function isPacked(params: unknown): boolean {
  return (params as { readonly packed?: unknown } | null)?.packed !== false;
}

/** "1.21 GB", "150 MB". */
export function mbText(mb: number): string {
  return mb >= 1000
    ? `${(mb / 1000).toFixed(2)} GB`
    : mb > 0 && mb < 1
    ? "under 1 MB"
    : `${mb.toFixed(0)} MB`;
}
