/**
 * Walks the cells of a plan and computes what the store has not. Outcomes are committed batch by batch, so whatever ends a run,
 * the next one goes on where it stopped.
 */
import type { Arm } from "./arms.ts";
import { saveClusters } from "./clusters.ts";
import type { Context } from "./context.ts";
import { UserError } from "./error.ts";
import type { Outcome } from "./evaluator.ts";
import { checkIdentity, isCompared } from "./identity.ts";
import type { Edit, Model, ScoredBatch, ScoreResult } from "./model.ts";
import type { Plan, PlannedCell, PlannedModel } from "./plan.ts";
import type { ModelScore } from "./plan_scores.ts";
import type { RunStore } from "./store/store.ts";
import { armsOfModel, saveMadeOf, saveScores } from "./unit_scores.ts";

export interface Progress {
  /** Cells that are done and all of them, each key counted once. */
  readonly cells: { readonly done: number; readonly total: number };
  /** Items over all cells, those found in the store among the done. */
  readonly items: { readonly done: number; readonly total: number; readonly found: number };
  /** Tokens computed by this run, and since when: milliseconds of computing so far. While units are scored, those of that step; else those of
   * the cells. */
  readonly tokens: number;
  readonly elapsedMs: number;
  /** Model, benchmark, treatment and arm at work; model and scorer while units are scored. */
  readonly current: string;
  /** Samples that a scorer has seen, and all of its samples. */
  readonly scoring?: { readonly done: number; readonly total: number };
}

export interface RunOptions {
  readonly store: RunStore;
  readonly context: Context;
  readonly onProgress?: (progress: Progress) => void;
}

/** What was done, for the record. */
export interface RunCounts {
  /** Cells of which this run computed anything, and those it found complete. */
  readonly computedCells: number;
  readonly reusedCells: number;
  readonly tokens: number;
  /** Time from the first open model to the last batch. */
  readonly elapsedMs: number;
}

/**
 * Computes every cell that is not complete.
 *
 * @throws the reason of the context's signal, after the batch at work is committed or dropped whole.
 * @throws {UserError} when a model cannot be opened or the store not be written, and where an identity control changes anything.
 */
export async function run(plan: Plan, { store, context, onProgress }: RunOptions): Promise<RunCounts> {
  const cells = [...new Map(plan.cells.map((cell) => [cell.key, cell])).values()];
  const open = cells.filter((cell) => !store.isComplete(cell.key));
  const openKeys = new Set(open.map((cell) => cell.key));
  const started = context.now();
  const tally = {
    done: cells.length - open.length,
    found: sum(
      cells,
      (cell) => openKeys.has(cell.key) ? store.outcomes(cell.key).size : cell.benchmark.items.length,
    ),
    items: 0,
    tokens: 0,
    scoring: { tokens: 0, elapsedMs: 0 },
  };
  const total = sum(cells, (cell) => cell.benchmark.items.length);
  const report = (now: Pick<Progress, "tokens" | "elapsedMs" | "current" | "scoring">) =>
    onProgress?.({
      cells: { done: tally.done, total: cells.length },
      items: { done: tally.found + tally.items, total, found: tally.found },
      ...now,
    });
  const reportCell = (cell: PlannedCell) =>
    report({
      tokens: tally.tokens,
      elapsedMs: context.now() - started - tally.scoring.elapsedMs,
      current: nameOf(cell, plan),
    });
  checkIdentity(plan.cells, store);
  for (const planned of plan.models) {
    const mine = open.filter((cell) => cell.model === planned);
    const before = context.now();
    tally.scoring.tokens += await findUnits(planned, {
      plan,
      store,
      context,
      onProgress: (progress) => report({ ...progress, elapsedMs: context.now() - before }),
    });
    tally.scoring.elapsedMs += context.now() - before;
    if (mine.length === 0) continue;
    context.signal.throwIfAborted();
    const arms = armsOfModel(planned, plan, store);
    await using model = await planned.open({ taps: tapsOf(arms) });
    checkSame(planned, model);
    for (const cell of mine) {
      await computeCell(cell, {
        model,
        edits: armOf(cell, arms).edits,
        store,
        signal: context.signal,
        tokenBudget: plan.tokenBudget,
        onBatch: (items, tokens) => {
          tally.items += items;
          tally.tokens += tokens;
          reportCell(cell);
        },
      });
      if (isCompared(cell)) {
        checkIdentity(
          plan.cells.filter(({ model, benchmark }) => model === planned && benchmark === cell.benchmark),
          store,
        );
      }
      tally.done++;
      reportCell(cell);
    }
  }
  for (const cell of cells) keepSamples(cell, store);
  for (const benchmark of plan.benchmarks) saveClusters(benchmark, store);
  for (const { score } of plan.models.flatMap(({ scores }) => scores)) {
    for (const { madeOf } of Object.values(score.sets)) saveMadeOf(madeOf, store);
  }
  return {
    computedCells: open.length,
    reusedCells: cells.length - open.length,
    tokens: tally.tokens + tally.scoring.tokens,
    elapsedMs: context.now() - started,
  };
}

interface FindOptions {
  readonly plan: Plan;
  readonly store: RunStore;
  readonly context: Context;
  readonly onProgress: (progress: Pick<Progress, "tokens" | "current" | "scoring">) => void;
}

/** Computes the scores that a model's treatments select from and the store has not. @returns the tokens it took. */
async function findUnits(planned: PlannedModel, options: FindOptions): Promise<number> {
  const { plan, store, context, onProgress } = options;
  const distinct = [...new Map(planned.scores.map((each) => [each.key, each])).values()];
  const missing = distinct.filter(({ key }) => store.numbers(key) === undefined);
  if (missing.length === 0) return 0;
  context.signal.throwIfAborted();
  // Closed before the cells are computed, whose graph carries other taps and no gradient.
  await using model = await planned.open({ taps: [...new Set(missing.flatMap(({ taps }) => taps))] });
  checkSame(planned, model);
  let all = 0;
  for (const each of missing) {
    const current = scoringName(each, planned, plan);
    await saveScores(each, {
      model,
      store,
      signal: context.signal,
      now: context.now,
      onProgress({ done, total, tokens }) {
        all += tokens;
        onProgress({ tokens: all, current, scoring: { done, total } });
      },
    });
  }
  return all;
}

/** The outcomes of a cell in the order of its items. @throws when some are missing. */
export function orderedOutcomes(cell: PlannedCell, store: RunStore): Outcome[] {
  const outcomes = store.outcomes(cell.key);
  return cell.benchmark.items.map((item) => {
    const outcome = outcomes.get(item.id);
    if (outcome === undefined) throw new Error(`outcome of ${item.id} is missing in cell ${cell.key}`);
    return outcome;
  });
}

interface CellOptions {
  readonly model: Model;
  readonly edits: readonly Edit[];
  readonly store: RunStore;
  readonly signal: AbortSignal;
  readonly tokenBudget: number;
  readonly onBatch: (items: number, tokens: number) => void;
}

async function computeCell(cell: PlannedCell, options: CellOptions): Promise<void> {
  const { model, edits, store, signal, tokenBudget, onBatch } = options;
  const { items, evaluator } = cell.benchmark;
  store.openCell(cell.key, cell.spec, items.length);
  const done = new Set(store.outcomes(cell.key).keys());
  const isDone = (index: number) => done.has(items[index]?.id ?? "");
  const batches = model.score(cell.requests, {
    edits,
    tokenBudget,
    skip: (indices) => indices.every(isDone),
  });
  for await (const { indices, results, tokens } of withPlace(batches, cell)) {
    const outcomes = indices.flatMap((index, i): Outcome[] => {
      const [item, result] = [items[index], results[i]];
      if (item === undefined || result === undefined || isDone(index)) return [];
      checkFinite(result, cell, item.id);
      return [evaluator.outcome(item, result, model.tokenizer)];
    });
    store.commit(cell.key, outcomes);
    for (const outcome of outcomes) done.add(outcome.item);
    onBatch(outcomes.length, tokens);
    signal.throwIfAborted();
  }
  keepSamples(cell, store);
  store.closeCell(cell.key);
}

/** Adds benchmark and arm to what the model says of a prompt; what is thrown while a batch is used passes as it is. */
async function* withPlace(
  batches: AsyncIterable<ScoredBatch>,
  cell: PlannedCell,
): AsyncIterable<ScoredBatch> {
  try {
    yield* batches;
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    const reason = cause.message.replace(/^Cannot /, "cannot ");
    throw new UserError(`Cannot run ${placeOf(cell)}: ${reason}`, { cause });
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
function keepSamples(cell: PlannedCell, store: RunStore): void {
  const { items, evaluator } = cell.benchmark;
  if (cell.arm.control !== undefined || store.samples(cell.key).size === items.length) return;
  const { tokenizer } = cell.model.inspected;
  const samples = orderedOutcomes(cell, store).flatMap((outcome, i) => {
    const item = items[i];
    return item ? [[item.id, evaluator.sample(i, item, outcome, tokenizer)] as const] : [];
  });
  store.saveSamples(cell.key, new Map(samples));
}

/** Found arms stand in the order in which they were planned. */
function armOf({ arm, model }: PlannedCell, arms: readonly Arm[]): Arm {
  const found = arms[model.arms.indexOf(arm)];
  if (found?.treatment === arm.treatment && found.arm === arm.arm) return found;
  throw new Error(`arm ${arm.arm} of ${arm.treatment} is missing`);
}

/** The same taps whatever is left to do, so that a run that goes on opens the graph it had. */
function tapsOf(arms: readonly Arm[]) {
  return [...new Set(arms.flatMap((arm) => arm.edits.map((edit) => edit.tap)))];
}

/** @throws {UserError} when the model's files changed between planning and opening. */
function checkSame({ record }: PlannedModel, model: Model): void {
  if (JSON.stringify(record.info.hash) === JSON.stringify(model.info.hash)) return;
  throw new UserError(
    `Cannot open model ${record.label}: its files changed during the run, wanted them to stay`,
  );
}

function nameOf({ model, benchmark, arm }: PlannedCell, plan: Plan): string {
  const treatment = arm.control === undefined ? arm.treatment : `${arm.treatment}: ${arm.arm}`;
  const parts = [benchmark.record.label, treatment];
  return (plan.models.length > 1 ? [model.record.label, ...parts] : parts).join(" / ");
}

function scoringName({ score }: ModelScore, { record }: PlannedModel, plan: Plan): string {
  return [...(plan.models.length > 1 ? [record.label] : []), score.scorer.name].join(" / ");
}

function sum<T>(entries: readonly T[], of: (entry: T) => number): number {
  return entries.reduce((total, entry) => total + of(entry), 0);
}
