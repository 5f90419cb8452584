/** What a run trains before its cells: a delta for each training that open cells wait for, kept in the cache, its hash in the store. */
import { join } from "node:path";
import { UserError } from "./error.ts";
import type { Plan, PlannedModel } from "./plan.ts";
import type { ModelTraining } from "./model_trainings.ts";
import type { Training } from "./plan_tunes.ts";
import { checkSame, type FindOptions, nameOn } from "./run_units.ts";
import type { RunStore } from "./store/store.ts";

/** What came of a training. */
export interface Trained {
  /** Of the delta. */
  readonly hash: string;
  /** sha256 of its tensors' file: what it does, whatever it is called. */
  readonly tensors: string;
  /** Trained on, and too long to be. */
  readonly examples: number;
  readonly leftOut: number;
  readonly steps: number;
  /** Of the last batch, in nats. */
  readonly finalLoss: number | null;
}

/** Updates between checkpoints; one more is written where a training is left. */
const EVERY = 50;

export interface TrainAllOptions extends FindOptions {
  /** Those that open cells wait for. */
  readonly wanted: ReadonlySet<Training>;
}

/**
 * Trains what is wanted and not in the cache.
 *
 * @returns where the delta of each training lies, and the tokens it took.
 * @throws {UserError} as the trainer does, and where a training gives another delta than the one that the store has outcomes of.
 */
export async function trainAll(
  planned: PlannedModel,
  { wanted, plan, store, context, onProgress }: TrainAllOptions,
): Promise<{ readonly folders: ReadonlyMap<Training, string>; readonly tokens: number }> {
  const mine = planned.trainings.filter(({ training }) => wanted.has(training));
  // Arms of several treatments may want one training.
  const distinct = [...new Map(mine.map((each) => [each.key, each])).values()];
  const placeOf = ({ key }: ModelTraining) => join(context.cacheDir, "trained", key);
  const folderOf = (each: ModelTraining) => join(placeOf(each), loadTrained(store, each.key)?.hash ?? "");
  const isThere = (each: ModelTraining) =>
    loadTrained(store, each.key) !== undefined && isFile(join(folderOf(each), "delta.json"));
  const missing = distinct.filter((each) => !isThere(each));
  let tokens = 0;
  if (missing.length > 0) {
    context.signal.throwIfAborted();
    // Closed before the cells are computed, whose graph carries other taps and no gradient.
    await using model = await planned.open({ taps: [] });
    checkSame(planned, model);
    // What the model itself refuses of a recipe is said before any training: one example is enough to see it.
    for (const each of missing) {
      const { examples, ...options } = each.options();
      await using _ = await naming(each, () => model.trainer({ ...options, examples: examples.slice(0, 1) }));
    }
    for (const each of missing) {
      const current = nameOn(planned, plan, each.name);
      const checkpoint = join(placeOf(each), "checkpoint"), before = tokens;
      await using trainer = await naming(each, () =>
        model.trainer({
          ...each.options(),
          checkpoint: { folder: checkpoint, every: EVERY },
        }));
      const { hash, manifest } = await naming(each, async () => {
        for await (const { step, steps, tokens: own } of trainer.run()) {
          tokens = before + own;
          onProgress({ tokens, current, scoring: { done: step, total: steps, isTraining: true } });
          context.signal.throwIfAborted();
        }
        return await trainer.save(placeOf(each));
      });
      const known = loadTrained(store, each.key), { tensors, steps, finalLoss } = manifest;
      if (known && known.tensors !== tensors) {
        throw new UserError(
          `Cannot go on with training ${each.name}: it gave tensors ${tensors}, and the store has outcomes of ${known.tensors}, ` +
            `wanted one machine, or another PLUMBLINE_RESULTS`,
        );
      }
      const { leftOut } = trainer;
      // The same under another name, where a model's folder was renamed.
      save(store, each, { hash, tensors, leftOut, steps, finalLoss });
      await remove(checkpoint);
    }
  }
  return { folders: new Map(mine.map((each) => [each.training, folderOf(each)])), tokens };
}

/** Says which training it was that something is wrong with. */
async function naming<T>({ name }: ModelTraining, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(
      `Cannot run training ${JSON.stringify(name)}: ${cause.message.replace(/^Cannot /, "cannot ")}`,
      { cause },
    );
  }
}

/** Undefined where it was not trained. */
export function loadTrained(store: RunStore, key: string): Trained | undefined {
  return store.numbers(key)?.about as unknown as Trained | undefined;
}

function save(
  store: RunStore,
  { key, examples }: ModelTraining,
  { leftOut, ...trained }: Omit<Trained, "examples">,
): void {
  store.saveNumbers(key, { about: { ...trained, examples: examples - leftOut, leftOut }, arrays: [] });
}

/** What open cells wait for. */
export function trainingsOf(cells: Plan["cells"]): ReadonlySet<Training> {
  return new Set(cells.flatMap(({ arm }) => arm.training ?? []));
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

async function remove(folder: string): Promise<void> {
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
}
