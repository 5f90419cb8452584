/** The scores of units that a plan's treatments select from: computed once a model, kept in the store, resumed where they broke off. */
import type { Arm } from "./arms.ts";
import { sha256 } from "./hash.ts";
import { loadGrowth } from "./growth.ts";
import type { Model, Tap } from "./model.ts";
import type { Plan, PlannedModel } from "./plan.ts";
import type { ModelScore, PlannedScore } from "./plan_scores.ts";
import { plain } from "./plan_benchmarks.ts";
import { armsFound } from "./plan_arms.ts";
import { type MadeOf, madeOfKey } from "./provenance/made_of.ts";
import type { SamplingRecord } from "./sampling.ts";
import type { UnitScores } from "./scorer.ts";
import { computeScores, type PassSums, type ScoringProgress } from "./scoring.ts";
import type { RunStore } from "./store/store.ts";

export interface FindOptions {
  readonly model: Model;
  readonly store: RunStore;
  readonly signal: AbortSignal;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly onProgress: (progress: ScoringProgress) => void;
}

/** Saving may take at most this share of the time. */
const SAVING = 0.1;

/**
 * Computes the scores of one step on one model and saves them under its key; sums are saved on the way, often where that is quick.
 *
 * @throws the signal's reason; what was saved is kept.
 * @throws {UserError} as computeScores().
 */
export async function saveScores({ score, input, key, tokenBudget }: ModelScore, options: FindOptions) {
  const { model, store, signal, now, onProgress } = options;
  const used = new Set<string>();
  const sumsKey = (pass: string) => sha256(`${key}/${pass}`);
  let [saved, took] = [-Infinity, 0];
  const { scores, errors, sampling } = await computeScores(score.scorer, input, {
    sampling: score.sampling,
    model,
    signal,
    onProgress,
    tokenBudget,
    found(pass) {
      used.add(sumsKey(pass));
      return loadSums(store, sumsKey(pass));
    },
    commit(pass, sums) {
      const start = now();
      if (took > SAVING * (start - saved)) return;
      saveSums(store, sumsKey(pass), sums);
      saved = now();
      took = saved - start;
    },
  });
  // First, since scores say that all is there.
  if (errors || sampling) {
    saveTable(store, besideKey(key), errors ?? new Map(), { sampling: sampling ?? null });
  }
  saveTable(store, key, scores);
  for (const each of used) store.dropNumbers(each);
}

/** Scores as they were saved; undefined when they were not. */
export function loadScores(store: RunStore, key: string): UnitScores | undefined {
  const found = store.numbers(key);
  return found && tableOf(found.about as Places, found.arrays);
}

/** What is known of scores beside them. */
export interface BesideScores {
  /** Their standard errors, where the scorer says them. */
  readonly errors?: UnitScores;
  /** How many samples were enough, where not all were to be seen. */
  readonly sampling?: SamplingRecord;
}

/** What was saved beside scores; nothing of those that were saved before there was any. */
export function loadBeside(store: RunStore, key: string): BesideScores {
  const found = store.numbers(besideKey(key));
  if (found === undefined) return {};
  const { places, sampling } = found.about as unknown as {
    readonly places: Places;
    readonly sampling: SamplingRecord | null;
  };
  return {
    ...(places.length > 0 && { errors: tableOf(places, found.arrays) }),
    ...(sampling && { sampling }),
  };
}

const besideKey = (key: string) => sha256(`${key}/beside`);

/** Group and tap of each array. */
type Places = readonly (readonly [string, Tap])[];

function saveTable(
  store: RunStore,
  key: string,
  table: UnitScores,
  more?: { readonly sampling: SamplingRecord | null },
): void {
  const lists = [...table].flatMap(([group, byTap]) =>
    [...byTap].map(([tap, list]) => ({ group, tap, list }))
  );
  const places = lists.map(({ group, tap }) => [group, tap] as const);
  store.saveNumbers(key, {
    about: more ? plain({ places, ...more }) : places,
    arrays: lists.map(({ list }) => list),
  });
}

function tableOf(places: Places, arrays: readonly Float64Array[]): UnitScores {
  const table = new Map<string, Map<Tap, Float64Array>>();
  for (const [i, [group, tap]] of places.entries()) {
    const byTap = table.get(group) ?? new Map<Tap, Float64Array>();
    table.set(group, byTap.set(tap, arrays[i] as Float64Array));
  }
  return table;
}

/** Saves which items scores were made of, once, for units files written later. */
export function saveMadeOf(madeOf: MadeOf, store: RunStore): void {
  const key = madeOfKey(madeOf);
  if (store.numbers(key) === undefined) store.saveNumbers(key, { about: plain(madeOf), arrays: [] });
}

/** The arms of a model, their units found by the scores and sizes in the store. @throws when these are missing. */
export function armsOfModel(
  { inspected, scores, growths, shut }: PlannedModel,
  { treatments, matrix }: Pick<Plan, "treatments" | "matrix">,
  store: RunStore,
  { isGrown = true }: {
    /** Without it grown sets have every unit that they may come to have. */ readonly isGrown?: boolean;
  } = {},
): Arm[] {
  return armsFound(treatments.filter(({ name }) => !shut?.has(name)), {
    model: inspected,
    seed: matrix.seed,
    scoresOf: scoresIn(store, scores),
    sizesOf(treatment, label) {
      const growth = growths.find((each) => each.treatment === treatment && each.label === label)!;
      if (!isGrown) return Array(growth.control.sets).fill(Infinity);
      const { sizes } = loadGrowth(store, growth.key) ?? { sizes: [] };
      if (sizes.length < growth.control.sets) throw new Error(`sizes ${growth.key} are missing`);
      return sizes;
    },
  });
}

/** The scores of a step, on the model whose steps these are. */
export function scoresIn(
  store: RunStore,
  scores: readonly ModelScore[],
): (score: PlannedScore) => UnitScores {
  return (score) => {
    const key = scores.find((each) => each.score === score)?.key ?? "";
    const found = loadScores(store, key);
    if (found === undefined) throw new Error(`scores ${key} are missing`);
    return found;
  };
}

interface About {
  readonly chunks: number;
  readonly tokens: number;
  readonly columns: readonly number[];
  readonly groups: readonly { readonly group: string; readonly n: number }[];
}

function saveSums(store: RunStore, key: string, { groups, squares, ...sums }: PassSums): void {
  const about = { ...sums, groups: groups.map(({ group, n }) => ({ group, n })) };
  store.saveNumbers(key, {
    about,
    arrays: [...groups.map(({ values }) => values), ...squares ? [squares] : []],
  });
}

function loadSums(store: RunStore, key: string): PassSums | undefined {
  const found = store.numbers(key);
  if (found === undefined) return undefined;
  const { groups, ...sums } = found.about as unknown as About;
  const squares = found.arrays[groups.length];
  return {
    ...sums,
    groups: groups.map((each, i) => ({ ...each, values: found.arrays[i] as Float64Array })),
    ...(squares && { squares }),
  };
}
