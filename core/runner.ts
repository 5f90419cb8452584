/**
 * Walks the cells of a plan and computes what the store has not. Outcomes are committed batch by batch, so whatever ends a run,
 * the next one goes on where it stopped.
 */
import { type Arm, isTreated } from "./arms.ts";
import { saveClusters } from "./clusters.ts";
import type { Context } from "./context.ts";
import { computeCell, keepSamples } from "./compute_cell.ts";
import { keepDisagreement } from "./disagreement.ts";
import { checkIdentity, isCompared } from "./identity.ts";
import type { Plan, PlannedCell } from "./plan.ts";
import type { RunStore } from "./store/store.ts";
import { isGrown } from "./growth.ts";
import { checkSame, findUnits, growSets } from "./run_units.ts";
import { trainAll, trainingsOf } from "./run_trainings.ts";
import { createStopping } from "./stopping.ts";
import { armsOfModel, saveMadeOf } from "./unit_scores.ts";

export interface Progress {
  /** Cells that are done and all of them, each key counted once. */
  readonly cells: { readonly done: number; readonly total: number };
  /** Items over all cells, those found in the store among the done. */
  readonly items: { readonly done: number; readonly total: number; readonly found: number };
  /** Tokens computed by this run, and since when: milliseconds of computing so far. While units are scored, those of that step; else those of
   * the cells. */
  readonly tokens: number;
  readonly elapsedMs: number;
  /** Model, benchmark, treatment and arm at work; model and scorer while units are scored, model and treatment while one is trained. */
  readonly current: string;
  /** Samples that a scorer has seen, and all of its samples; of a control that grows its sets; of a training its updates. */
  readonly scoring?: Finding;
}

/** How far what precedes the cells has come. */
export interface Finding {
  readonly done: number;
  readonly total: number;
  readonly isTraining?: boolean;
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
  /** Of these, those of texts that models wrote one after another. */
  readonly written: number;
  /** Time from the first open model to the last batch. */
  readonly elapsedMs: number;
  /** Of both, what scoring units and training took. */
  readonly scoring: { readonly tokens: number; readonly elapsedMs: number };
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
    written: 0,
    scoring: { tokens: 0, elapsedMs: 0 },
    growing: { tokens: 0, elapsedMs: 0 },
  };
  const skipped = new Map<string, PlannedCell>();
  const stopping = createStopping(plan, store);
  const total = sum(cells, (cell) => cell.benchmark.items.length);
  const report = (now: Pick<Progress, "tokens" | "elapsedMs" | "current" | "scoring">) =>
    onProgress?.({
      cells: { done: tally.done, total: cells.length - skipped.size },
      items: {
        done: tally.found + tally.items,
        total: total - sum([...skipped.values()], ({ benchmark }) => benchmark.items.length),
        found: tally.found,
      },
      ...now,
    });
  const reportCell = (cell: PlannedCell) =>
    report({
      tokens: tally.tokens,
      elapsedMs: context.now() - started - tally.scoring.elapsedMs - tally.growing.elapsedMs,
      current: nameOf(cell, plan),
    });
  checkIdentity(plan.cells, store);
  // A model that comes last, or that a treatment opens, is not to be found missing after hours.
  for (const { inspected } of new Set(open.flatMap(({ model, arm }) => [model, arm.opened ?? model]))) {
    await inspected.ready?.();
  }
  for (const planned of plan.models) {
    // Cells of several arms may be one: it is computed for the first that wants it.
    const mine = plan.cells.filter((cell) => cell.model === planned && openKeys.has(cell.key));
    const before = context.now();
    tally.scoring.tokens += await findUnits(planned, {
      plan,
      store,
      context,
      onProgress: (progress) => report({ ...progress, elapsedMs: context.now() - before }),
    });
    tally.scoring.elapsedMs += context.now() - before;
    if (
      planned.growths.every((each) => isGrown(each, store)) && !mine.some((cell) => stopping.isWanted(cell))
    ) {
      for (const cell of mine) skipped.set(cell.key, cell);
      continue;
    }
    const beforeTraining = context.now();
    const training = await trainAll(planned, {
      wanted: trainingsOf(mine),
      plan,
      store,
      context,
      onProgress: (progress) => report({ ...progress, elapsedMs: context.now() - beforeTraining }),
    });
    tally.scoring.tokens += training.tokens;
    tally.scoring.elapsedMs += context.now() - beforeTraining;
    context.signal.throwIfAborted();
    // The same taps whatever is left to do, so that a run that goes on opens the graph it had.
    const taps = tapsOf(armsOfModel(planned, plan, store, { isGrown: false }));
    await using model = await planned.open({ taps });
    checkSame(planned, model);
    keepDisagreement(planned, store);
    const beforeGrowth = context.now();
    tally.growing.tokens += await growSets(planned, {
      model,
      plan,
      store,
      context,
      onProgress: (progress) => report({ ...progress, elapsedMs: context.now() - beforeGrowth }),
    });
    tally.growing.elapsedMs += context.now() - beforeGrowth;
    const arms = armsOfModel(planned, plan, store);
    // A trained model is opened once, and so is one that is opened otherwise.
    const otherOf = ({ arm }: PlannedCell) =>
      arm.opened ?? (arm.training && training.folders.get(arm.training));
    for (const [other, cells] of Map.groupBy(mine, otherOf)) {
      if (cells.every(({ key }) => store.isComplete(key))) continue;
      await using own = other === undefined
        ? undefined
        : typeof other === "string"
        ? await model.adapted(other)
        : await other.open({ taps: [] });
      if (own && typeof other === "object") {
        checkSame(other, own);
        keepDisagreement(other, store);
      }
      for (const cell of cells) {
        if (store.isComplete(cell.key)) continue;
        if (!stopping.isWanted(cell)) {
          skipped.set(cell.key, cell);
          reportCell(cell);
          continue;
        }
        skipped.delete(cell.key);
        await computeCell(cell, {
          model: own ?? model,
          edits: armOf(cell, arms).edits,
          store,
          signal: context.signal,
          tokenBudget: plan.tokenBudget,
          onBatch: ({ items, tokens, written }) => {
            tally.items += items;
            tally.tokens += tokens;
            tally.written += written;
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
  }
  for (const cell of cells) keepSamples(cell, store);
  for (const benchmark of plan.benchmarks) saveClusters(benchmark, store);
  for (const { score } of plan.models.flatMap(({ scores }) => scores)) {
    for (const { madeOf } of Object.values(score.sets)) saveMadeOf(madeOf, store);
  }
  for (const { training } of plan.models.flatMap(({ trainings }) => trainings)) {
    for (const { madeOf } of Object.values(training.tune.sets)) saveMadeOf(madeOf, store);
  }
  return {
    computedCells: open.length - skipped.size,
    reusedCells: cells.length - open.length,
    tokens: tally.tokens + tally.scoring.tokens + tally.growing.tokens,
    written: tally.written,
    elapsedMs: context.now() - started,
    scoring: tally.scoring,
  };
}

/** Found arms stand in the order in which they were planned. */
function armOf({ arm, model }: PlannedCell, arms: readonly Arm[]): Arm {
  const found = arms[model.arms.indexOf(arm)];
  if (found?.treatment === arm.treatment && found.arm === arm.arm) return found;
  throw new Error(`arm ${arm.arm} of ${arm.treatment} is missing`);
}

function tapsOf(arms: readonly Arm[]) {
  return [...new Set(arms.flatMap((arm) => arm.edits.map((edit) => edit.tap)))];
}

function nameOf({ model, benchmark, arm }: PlannedCell, plan: Plan): string {
  const treatment = isTreated(arm) ? arm.treatment : `${arm.treatment}: ${arm.arm}`;
  const parts = [benchmark.record.label, treatment];
  return (plan.models.length > 1 ? [model.record.label, ...parts] : parts).join(" / ");
}

function sum<T>(entries: readonly T[], of: (entry: T) => number): number {
  return entries.reduce((total, entry) => total + of(entry), 0);
}
