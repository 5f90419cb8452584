/**
 * Computes one cell batch by batch, and commits each at once. Which items make a batch depends on the requests alone, so that a run that goes on
 * computes the batches that are left as they would have been.
 *
 * Continuations: batches are the model's own. Texts are written greedily, eight prompts of like length at a time.
 */
import { isTreated } from "./arms.ts";
import { UserError } from "./error.ts";
import type { Evaluator, GeneratingEvaluator, Outcome } from "./evaluator.ts";
import type { Edit, Generation, Model, ScoreResult } from "./model.ts";
import type { PlannedCell } from "./plan.ts";
import type { PlannedRequest } from "./plan_benchmarks.ts";
import { orderedOutcomes } from "./reading.ts";
import { keepColumns } from "./store/columns.ts";
import type { RunStore } from "./store/store.ts";

export interface CellOptions {
  readonly model: Model;
  readonly edits: readonly Edit[];
  readonly store: RunStore;
  readonly signal: AbortSignal;
  readonly tokenBudget: number;
  /** `written`: those of the tokens that the model wrote one after another. */
  readonly onBatch: (
    done: { readonly items: number; readonly tokens: number; readonly written: number },
  ) => void;
}

/** Prompts that texts are written after at once. */
export const TEXTS = 8;

/**
 * Computes what the store has not of a cell, and closes it.
 *
 * @throws the signal's reason, after the batch at work is committed.
 * @throws {UserError} naming the cell, where the model cannot do what is asked or a number is not finite.
 */
export async function computeCell(cell: PlannedCell, options: CellOptions): Promise<void> {
  const { store, signal, onBatch } = options, { items } = cell.benchmark;
  store.openCell(cell.key, cell.spec, items.length);
  const done = new Set(store.outcomes(cell.key).keys());
  const isDone = (index: number) => done.has(items[index]?.id ?? "");
  for await (const { outcomes, tokens, written = 0 } of answered(cell, { ...options, isDone })) {
    store.commit(cell.key, outcomes);
    for (const outcome of outcomes) done.add(outcome.item);
    onBatch({ items: outcomes.length, tokens, written });
    signal.throwIfAborted();
  }
  keepSamples(cell, store);
  keepColumns(cell.key, items, store);
  store.closeCell(cell.key);
}

/** What is committed at once. */
interface Answered {
  /** Of the batch's items that were not done. */
  readonly outcomes: readonly Outcome[];
  readonly tokens: number;
  readonly written?: number;
}

interface AnsweredOptions extends Pick<CellOptions, "model" | "edits" | "tokenBudget"> {
  readonly isDone: (index: number) => boolean;
}

function answered(cell: PlannedCell, options: AnsweredOptions): AsyncIterable<Answered> {
  const { evaluator } = cell.benchmark;
  return "generate" in evaluator ? written(cell, evaluator, options) : scored(cell, evaluator, options);
}

async function* scored(
  cell: PlannedCell,
  evaluator: Evaluator,
  { model, edits, tokenBudget, isDone }: AnsweredOptions,
): AsyncIterable<Answered> {
  const { items } = cell.benchmark;
  const batches = model.score(cell.requests(), {
    edits,
    tokenBudget,
    skip: (indices) => indices.every(isDone),
  });
  for await (const batch of withPlace(batches, cell)) {
    const outcomes = batch.indices.flatMap((index, i): Outcome[] => {
      const [item, result] = [items[index], batch.results[i]];
      if (item === undefined || result === undefined || isDone(index)) return [];
      checkFinite(result, cell, item.id);
      return [evaluator.outcome(item, result, model.tokenizer)];
    });
    yield { outcomes, tokens: batch.tokens };
  }
}

async function* written(
  cell: PlannedCell,
  evaluator: GeneratingEvaluator,
  { model, edits, isDone }: AnsweredOptions,
): AsyncIterable<Answered> {
  if (!model.can.has("generate")) {
    throw new UserError(`Cannot run ${placeOf(cell)}: it needs generate, wanted a model that can`);
  }
  const { items } = cell.benchmark, requests = cell.requests();
  for (const { indices, maxNewTokens } of textBatches(requests)) {
    if (indices.every(isDone)) continue;
    const prompts = indices.map((index) => requests[index]!.prompt);
    const outcomes: Outcome[] = [];
    let tokens = 0, written = 0;
    const texts = model.generate(prompts, { maxNewTokens, edits, batch: prompts.length });
    const ids = indices.map((index) => items[index]!.id);
    for await (const text of withPlace(texts, cell, `; its prompts are ${ids.join(", ")}`)) {
      const run = tokensRun({ prompt: prompts[text.index]!, ...text });
      tokens += run;
      written += run - prompts[text.index]!.length;
      const index = indices[text.index]!;
      if (isDone(index)) continue;
      const { finish } = text;
      outcomes.push(
        evaluator.outcomeOf(items[index]!, { text: model.tokenizer.decode(text.tokens), finish }),
      );
    }
    yield { outcomes, tokens, written };
  }
}

/** Texts that are written together: as long at most, and after prompts of like length. */
function textBatches(
  requests: readonly PlannedRequest[],
): { readonly indices: readonly number[]; readonly maxNewTokens: number }[] {
  const lengthOf = (index: number) => requests[index]!.prompt.length;
  return [...Map.groupBy(requests.keys(), (index) => requests[index]!.maxNewTokens ?? 0)]
    .flatMap(([maxNewTokens, all]) => {
      const sorted = all.sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
      return Array.from({ length: Math.ceil(sorted.length / TEXTS) }, (_, batch) => ({
        indices: sorted.slice(batch * TEXTS, (batch + 1) * TEXTS),
        maxNewTokens,
      }));
    });
}

/** The last token of a text that was cut off is only predicted. */
function tokensRun(
  { prompt, tokens, finish }: Pick<PlannedRequest, "prompt"> & Omit<Generation, "index">,
): number {
  return prompt.length + tokens.length - Number(finish === "length");
}

/**
 * Adds benchmark and arm to what the model says of a prompt; what is thrown while an answer is used passes as it is.
 *
 * @param note ends the message
 */
async function* withPlace<T>(answers: AsyncIterable<T>, cell: PlannedCell, note = ""): AsyncIterable<T> {
  try {
    yield* answers;
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    const reason = cause.message.replace(/^Cannot /, "cannot ");
    throw new UserError(`Cannot run ${placeOf(cell)}: ${reason}${note}`, { cause });
  }
}

/** @throws {UserError} where an edit, or the model itself, drives logits out of range: a number made of them would mean nothing. */
function checkFinite({ logprobs, argmaxLogprob }: ScoreResult, cell: PlannedCell, item: string): void {
  const strange = [...logprobs, argmaxLogprob].find((logprob) => !Number.isFinite(logprob));
  if (strange === undefined) return;
  throw new UserError(
    `Cannot run ${placeOf(cell)}: a log-probability of item ${item} is ${strange}, wanted finite numbers`,
  );
}

function placeOf({ benchmark, arm }: PlannedCell): string {
  return `${benchmark.record.label} under ${JSON.stringify(arm.treatment)} (${arm.arm})`;
}

/** The sample log of untouched and treated cells; a control's outcomes are in the store and its log would only repeat the items. */
export function keepSamples(cell: PlannedCell, store: RunStore): void {
  const { items, evaluator } = cell.benchmark;
  if (!isTreated(cell.arm) || store.samples(cell.key).size === items.length) return;
  const { tokenizer } = cell.model.inspected;
  const samples = orderedOutcomes(cell, store).flatMap((outcome, i) => {
    const item = items[i];
    return item ? [[item.id, evaluator.sample(i, item, outcome, tokenizer)] as const] : [];
  });
  store.saveSamples(cell.key, new Map(samples));
}
