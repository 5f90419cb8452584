/** Where outcomes live. The store is authoritative; the files of `results/<run>/` are an export of it. */
import type { Json, Outcome, Sample } from "../evaluator.ts";
import type { Results } from "../results.ts";

export interface RunSummary {
  readonly id: string;
  readonly name: string;
  readonly reportable: boolean;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly models: readonly string[];
  readonly benchmarks: readonly string[];
  readonly treatments: readonly string[];
}

/** Long lists of numbers, and what says how to read them: sums and scores of units, columns of cells. */
export interface Numbers {
  readonly about: Json;
  readonly arrays: readonly Float64Array[];
}

export interface RunStore extends Disposable {
  /** Registers a cell before its first batch; doing so twice is harmless. `spec` is what its key is the hash of. */
  openCell(key: string, spec: Json, items: number): void;
  /** Outcomes committed so far, by item id. */
  outcomes(key: string): ReadonlyMap<string, Outcome>;
  /** The same in any order, and not all in memory at once. */
  each(key: string): Iterable<Outcome>;
  /** True when every item's outcome is in and the cell was closed. */
  isComplete(key: string): boolean;
  /** All outcomes of one batch, or none. @throws {UserError} on a full disk. */
  commit(key: string, outcomes: readonly Outcome[]): void;
  /** @throws when outcomes are missing. */
  closeCell(key: string): void;
  /** The page's copy of the sample log: static per (benchmark items), by cell key and item id; written when a cell closes. */
  saveSamples(key: string, samples: ReadonlyMap<string, Sample>): void;
  /** `items` are the ids that matter to the caller, default all; a store may give more than these. */
  samples(key: string, items?: readonly string[]): ReadonlyMap<string, Sample>;
  /** What was last saved under a key, to the last bit. */
  numbers(key: string): Numbers | undefined;
  /** Replaces what was saved under the key, whole or not at all. @throws {UserError} on a full disk. */
  saveNumbers(key: string, numbers: Numbers): void;
  /** Doing so twice is harmless. */
  dropNumbers(key: string): void;
  /** Replaces the run of the same id. */
  saveRun(results: Results): void;
  runs(): readonly RunSummary[];
  run(id: string): Results | undefined;
}
