/** The most memory that a model will want: what it took before, else the most that any of its work is estimated to hold. */
import type { MemoryPart, MemoryWork } from "../memory.ts";
import type { Plan, PlannedModel } from "../plan.ts";
import type { ModelRecord, Results } from "../results.ts";
import type { Trained } from "../trainer.ts";
import { TEXTS } from "../compute_cell.ts";
import { computedOn, isAlone, type Sourced } from "./rates.ts";

/** Of the process and the runtime without a model, with tokenizer, items and results, bytes: what a run of a few hundred items holds. */
const PROCESS: MemoryPart = { what: "the process itself", bytes: 350e6 };
export interface MemoryOptions {
  readonly plan: Plan;
  readonly runs: readonly Results[];
  /** Whether passes with gradients are to be computed, trainings among them. */
  readonly gradients: boolean;
  /** Recipes that are to be trained. */
  readonly trained: readonly Trained[];
}

/** Peak of the process in 1e6 bytes. Runs with another budget, other models or without the gradients that are wanted do not count. */
export function memoryOf(model: PlannedModel, { plan, runs, gradients, trained }: MemoryOptions): Sourced {
  const alike = computedOn(model.record.info.hash, runs).filter(({ results, run }) =>
    run.peakMemoryMb > 0 && isAlone(results) && results.tokenBudget === plan.tokenBudget &&
    isPacked(results.models[0]!) === isPacked(model.record) && (!gradients || run.scoring?.gradients)
  );
  const { arms } = model;
  if (alike.length === 0 || arms.some(({ opened, training }) => opened || training)) {
    return estimated(model, { plan, gradients, trained });
  }
  const most = alike.reduce((a, b) => b.run.peakMemoryMb > a.run.peakMemoryMb ? b : a);
  return {
    value: most.run.peakMemoryMb,
    source: `measured in run ${most.results.id}${
      alike.length > 1 ? `, the most of ${alike.length} runs` : ""
    }`,
  };
}

/** Weights are kept packed unless a model's params say otherwise. */
function isPacked({ params }: Pick<ModelRecord, "params">): boolean {
  return (params as { readonly packed?: unknown } | null)?.packed !== false;
}

/** Of the works that are planned the one that holds most, with what models hold that are opened beside. */
function estimated(model: PlannedModel, options: Omit<MemoryOptions, "runs">): Sourced {
  const { inspected } = model;
  const held = worksOf(model, options).map((work) => ({
    work,
    parts: [
      ...partsOf(inspected, work),
      ...isOfCells(work) ? openedBeside(model, work) : [],
      PROCESS,
    ],
  }));
  const most = held.reduce((a, b) => bytesOf(b.parts) > bytesOf(a.parts) ? b : a);
  return {
    value: Math.round(bytesOf(most.parts) / 1e6),
    source: `estimated${held.length > 1 ? ` of ${NAMES[most.work.kind]}` : ""}: ${
      most.parts.filter(({ bytes }) => bytes > 0).map(({ what, bytes }) => `${what} ${mbText(bytes / 1e6)}`)
        .join(", ")
    }`,
  };
}

const NAMES = {
  score: "scoring",
  gradients: "gradients",
  write: "writing",
  train: "training",
} as const satisfies Readonly<Record<MemoryWork["kind"], string>>;

/** Whether it is done with what treatments open and train beside the model. */
const isOfCells = ({ kind }: MemoryWork) => kind === "score" || kind === "write";

/** A backend that says nothing is taken to hold its numbers once, in float32. */
function partsOf({ info, memory }: PlannedModel["inspected"], work: MemoryWork): readonly MemoryPart[] {
  return memory?.(work) ?? [{ what: "float32 weights once", bytes: 4 * info.parameters }];
}

/** What a plan has a model do. */
function worksOf(
  { record, ...model }: PlannedModel,
  { plan, gradients, trained }: Omit<MemoryOptions, "runs">,
): MemoryWork[] {
  const { tokenBudget } = plan;
  const cells = plan.cells.filter((cell) => cell.model.record === record && cell.arm === model.arms[0]);
  const written = cells.flatMap((cell) => "generate" in cell.benchmark.evaluator ? cell.requests() : []);
  const read = cells.flatMap((cell) => "generate" in cell.benchmark.evaluator ? [] : cell.requests())
    .map(({ prompt, continuations }) => ({
      rows: 1 + continuations.reduce((sum, ids) => sum + ids.length - 1, 0),
      tokens: prompt.length,
    }));
  const densest = read.reduce((most, { rows, tokens }) => Math.max(most, rows / tokens), 0);
  const longest = written.reduce(
    (most, { prompt, maxNewTokens = 0 }) => Math.max(most, prompt.length + maxNewTokens),
    0,
  );
  return [
    { kind: "score", tokens: tokenBudget, rows: Math.min(tokenBudget, Math.ceil(tokenBudget * densest)) },
    ...written.length > 0 ? [{ kind: "write", batch: TEXTS, tokens: longest } as const] : [],
    ...gradients ? [{ kind: "gradients", tokens: tokenBudget / 2 } as const] : [],
    ...trained.map((parameters): MemoryWork => ({ kind: "train", parameters })),
  ];
}

/** What the same model holds as treatments open it or train it, one after another, beside its own way, which keeps what it held for such work. */
function openedBeside(
  { arms, inspected }: PlannedModel,
  work: MemoryWork,
): readonly MemoryPart[] {
  const each = arms.flatMap(({ opened, training }) => {
    const other = opened?.inspected ?? (training && inspected);
    return other ? [partsOf(other, work)] : [];
  });
  const most = each.reduce((a, b) => bytesOf(b) > bytesOf(a) ? b : a, []);
  return most.map((part) => ({ ...part, what: `beside it ${part.what}` }));
}

const bytesOf = (parts: readonly MemoryPart[]) => parts.reduce((sum, { bytes }) => sum + bytes, 0);

/** "1.21 GB", "150 MB". */
export function mbText(mb: number): string {
  return mb >= 1000
    ? `${(mb / 1000).toFixed(2)} GB`
    : mb > 0 && mb < 1
    ? "under 1 MB"
    : `${mb.toFixed(0)} MB`;
}
