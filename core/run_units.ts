/** What a run finds on a model before its cells: the scores that units are selected by, and how many units its grown controls have. */
import type { Context } from "./context.ts";
import { UserError } from "./error.ts";
import { grow, isGrown } from "./growth.ts";
import type { Model } from "./model.ts";
import type { Plan, PlannedModel } from "./plan.ts";
import type { RunStore } from "./store/store.ts";
import { saveScores, scoresIn } from "./unit_scores.ts";

export interface FindProgress {
  /** Computed so far. */
  readonly tokens: number;
  /** Model, and scorer or control. */
  readonly current: string;
  readonly scoring: { readonly done: number; readonly total: number; readonly isTraining?: boolean };
}

export interface FindOptions {
  readonly plan: Plan;
  readonly store: RunStore;
  readonly context: Context;
  readonly onProgress: (progress: FindProgress) => void;
}

/** Computes the scores that a model's treatments select from and the store has not. @returns the tokens it took. */
export async function findUnits(planned: PlannedModel, options: FindOptions): Promise<number> {
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
    const current = nameOn(planned, plan, each.score.scorer.name);
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

export interface GrowSetsOptions extends FindOptions {
  /** Open, with the taps of all sets. */
  readonly model: Model;
}

/** Grows the sets of a model's controls that the store has not. @returns the tokens it took. */
export async function growSets(planned: PlannedModel, options: GrowSetsOptions): Promise<number> {
  const { model, plan, store, context, onProgress } = options;
  let all = 0;
  for (const growth of planned.growths.filter((each) => !isGrown(each, store))) {
    const current = nameOn(planned, plan, `${growth.treatment.name}: ${growth.label}`);
    await grow(growth, {
      model,
      store,
      seed: plan.matrix.seed,
      signal: context.signal,
      scoresOf: scoresIn(store, planned.scores),
      onProgress({ tokens, ...scoring }) {
        all += tokens;
        onProgress({ tokens: all, current, scoring });
      },
    });
  }
  return all;
}

/** @throws {UserError} when the model's files changed between planning and opening. */
export function checkSame({ record }: Pick<PlannedModel, "record">, model: Model): void {
  if (JSON.stringify(record.info.hash) === JSON.stringify(model.info.hash)) return;
  throw new UserError(
    `Cannot open model ${record.label}: its files changed during the run, wanted them to stay`,
  );
}

/** With the model's name where there are several. */
export function nameOn({ record }: PlannedModel, { models }: Plan, what: string): string {
  return [...(models.length > 1 ? [record.label] : []), what].join(" / ");
}
