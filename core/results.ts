/** What a run came to: the content of results.json, the rows of report.md, the cells of the page. */
import type { Difference, Estimate, Spread } from "./estimate.ts";
import type { Json, Metric } from "./evaluator.ts";
import type { GateResult } from "./gate.ts";
import type { LabelShares } from "./label_shares.ts";
import type { Hypothesis, Judgement } from "./stats/verdict.ts";
import type { Disagreement } from "./disagreement.ts";
import type { ModelInfo } from "./model.ts";
import type { TreatmentRecord } from "./results_treatments.ts";
import type { ScalesResult } from "./scale.ts";

export * from "./results_treatments.ts";

/** The name of the unedited model, which is always there. */
export const UNTOUCHED = "untouched";
/** Confidence of every interval. */
export const LEVEL = 0.95;

export interface MetricResult {
  readonly metric: Metric;
  readonly estimate: Estimate;
  /** Against the untouched model on the same items; absent for the untouched model itself. */
  readonly difference?: Difference;
  /** The difference split by the evaluator, each part with its own interval; they sum to the difference. */
  readonly parts?: Readonly<Record<string, Estimate>>;
}

/** The same control drawn several times, or one that has a single set. */
export interface ControlResult {
  readonly control: string;
  /** By metric: the level and the difference from the untouched model. */
  readonly metrics: Readonly<
    Record<string, {
      readonly value: Spread;
      readonly difference: Spread;
      /** Two-sided permutation p of the treatment among the sets, for the primary metric of a control that is drawn at random. */
      readonly p?: number;
    }>
  >;
  /** Keys of the cells of its sets. */
  readonly keys: readonly string[];
}

export interface CellResult {
  readonly model: string;
  /** Name in the table: the benchmark's, with the params that differ where one benchmark stands twice. */
  readonly benchmark: string;
  readonly treatment: string;
  /** Content address: sha256 of everything that made the outcomes. */
  readonly key: string;
  readonly n: number;
  /** The metric a table shows. */
  readonly primary: string;
  readonly metrics: readonly MetricResult[];
  readonly controls: readonly ControlResult[];
  /** Of a training under several seeds: the mean of each metric under each, and its cell; `key` is the first one's. */
  readonly seeds?: readonly {
    readonly seed: number;
    readonly key: string;
    readonly values: Readonly<Record<string, number>>;
  }[];
  /** Where the treatment has one. */
  readonly curve?: CurveResult;
  /** Which labels were chosen, for items that all have the same ones. */
  readonly labels?: LabelShares;
  /** Where all answers together lie, for benchmarks that have scales. */
  readonly scales?: ScalesResult;
}

/** Whether a control's sets are those of a treatment's seeds, in their order. */
export function isSeeded(keys: readonly string[], seeds: CellResult["seeds"] = []): boolean {
  return seeds.length > 1 && keys.length === seeds.length;
}

export interface BenchmarkRecord {
  readonly label: string;
  readonly name: string;
  readonly version: string;
  readonly title: string;
  readonly licence: string;
  readonly source: string;
  readonly evaluator: { readonly name: string; readonly version: string };
  readonly params: Json;
  readonly files: readonly {
    readonly key: string;
    readonly name: string;
    readonly sha256: string;
    readonly expected: string | null;
  }[];
  /** Items in the data, and those used. */
  readonly items: { readonly original: number; readonly effective: number };
  /** sha256 over ids and content of the items used. */
  readonly itemsHash: string;
  /** Expected share of right answers of who picks among the options blindly, in (0, 1]; absent where items have no right option. */
  readonly chance?: number;
}

/** A treatment at several doses, by the primary metric. */
export interface CurveResult {
  readonly over: "units" | "strength";
  /** What the area is taken on. */
  readonly scale: "linear" | "log";
  readonly metric: string;
  /** By ascending dose. */
  readonly points: readonly {
    /** Number of units, or the factor of the edit's change. */
    readonly dose: number;
    readonly key: string;
    /** Against the untouched model. */
    readonly change: Estimate;
    /** Mean changes of the random sets at this dose. */
    readonly sets?: Spread;
  }[];
  /** Area under the changes over the range of doses, divided by that range: their mean height. From dose 0, where nothing changes, unless the
   * scale is "log". */
  readonly area: Estimate;
  /** The same of each random set: their spread, and the two-sided permutation p of the treatment among them. */
  readonly sets?: { readonly area: Spread; readonly p: number };
}

export interface ModelRecord {
  readonly label: string;
  readonly use: string;
  /** Of the backend. */
  readonly version: string;
  readonly params: Json;
  readonly info: ModelInfo;
  /** From its reference way, where it is not computed in that and an opening has measured it. */
  readonly disagreement?: Disagreement;
}

/** What a treatment, or a control of it, was made of, beside what it is reported on. */
export interface MeetingRecord {
  readonly treatment: string;
  /** Label of the control whose units were made of the items; absent where they are the treatment's own. */
  readonly control?: string;
  /** Whether they were trained on, and made no units. */
  readonly trained?: true;
  /** Label of the benchmark, and how many items of it are reported on. */
  readonly benchmark: string;
  readonly items: number;
  /** Of these: made the treatment's units themselves; are nearly the same as one that did; ask the same question in words that are neither. */
  readonly exact: number;
  readonly near: number;
  readonly question: number;
  /** Three at most, of the exact ones first, then of the near ones; texts are cut short. */
  readonly examples: readonly {
    readonly kind: "exact" | "near";
    readonly item: string;
    readonly text: string;
    /** The item that it meets, and its benchmark. */
    readonly made: string;
    readonly of: string;
  }[];
}

/** What is known of which items made what. */
export interface ProvenanceRecord {
  readonly allowLeakage: boolean;
  /** Those with any exact, near or question; without leave there are none exact or near. */
  readonly meetings: readonly MeetingRecord[];
  /** Treatments with units of which it is not said what made them. */
  readonly unknown: readonly string[];
  /** Reported items that their benchmark keeps to localise or to tune; without leave there are none. */
  readonly reserved: readonly { readonly benchmark: string; readonly items: number }[];
  /** Treatments whose units files name another model than the one they are run on, by label each; absent where there are none. */
  readonly elsewhere?: readonly {
    readonly treatment: string;
    readonly model: string;
    readonly found: string;
  }[];
}

/** A hypothesis on one model, judged. */
export interface HypothesisResult extends Omit<Judgement, "name"> {
  readonly model: string;
  readonly hypothesis: Hypothesis;
  readonly metric: Metric;
  /** Treated against untouched, or against the mean over the control's sets. */
  readonly difference: Difference;
  /** Sets of a control that is drawn, and the chance that one of them is as extreme as the treatment. */
  readonly sets?: { readonly count: number; readonly p: number };
  /** The untouched model above what needs no knowledge. */
  readonly headroom?: Estimate;
}

/** All hypotheses of a matrix. */
export interface HypothesesRecord {
  /** sha256 of them with every default. */
  readonly hash: string;
  readonly judged: readonly HypothesisResult[];
}

export interface Results {
  /** Labels of optional benchmarks that were left out because their data was not there. */
  readonly leftOut?: readonly string[];
  /** What untouched models reached at the matrix's gates, model by model. */
  readonly gates?: readonly GateResult[];
  readonly format: "plumbline-results";
  readonly version: 1;
  /** Deterministic: matrix name and the first 8 hex digits of the hash of its cells' keys. */
  readonly id: string;
  readonly name: string;
  /** False under --limit; the number must not be quoted. */
  readonly reportable: boolean;
  readonly limit: number | null;
  /** Upper bound of padded tokens in a batch. */
  readonly tokenBudget: number;
  readonly engine: { readonly plumbline: string; readonly deno: string; readonly runtime: string };
  /** The matrix with every default written out. */
  readonly matrix: Json;
  /** `resamples`: patterns of a sign-flip test that is drawn. */
  readonly statistics: { readonly level: number; readonly resamples: number; readonly seed: number };
  readonly models: readonly ModelRecord[];
  readonly benchmarks: readonly BenchmarkRecord[];
  readonly treatments: readonly TreatmentRecord[];
  /** Absent in runs of before there was provenance. */
  readonly provenance?: ProvenanceRecord;
  readonly cells: readonly CellResult[];
  /** Absent where the matrix has none. */
  readonly hypotheses?: HypothesesRecord;
  /** All that varies from run to run. */
  readonly run: {
    readonly startedAt: string;
    readonly finishedAt: string;
    readonly elapsedMs: number;
    readonly command: readonly string[];
    readonly computedCells: number;
    readonly reusedCells: number;
    /** When the hypotheses were first seen, and how many of their cells had been computed by then; absent where there are none. */
    readonly sealed?: { readonly at: string; readonly cells: number; readonly of: number };
    readonly tokens: number;
    /** Of these, those of texts that models wrote one after another; absent where there are none. */
    readonly written?: number;
    readonly tokensPerSecond: number;
    /** Of `tokens` and `elapsedMs` what scoring units and training took, and whether all of their passes went backward; absent where there was neither. */
    readonly scoring?: { readonly tokens: number; readonly elapsedMs: number; readonly gradients: boolean };
    /** What the last run that computed anything took, where this one found all in the store. */
    readonly measured?: Results["run"];
    /** The most memory the process has held, 1e6 bytes. */
    readonly peakMemoryMb: number;
    readonly threads: number;
    readonly platform: string;
  };
}

/** For results of which no run is recorded. */
export const UNRECORDED: Results["run"] = {
  startedAt: "",
  finishedAt: "",
  elapsedMs: 0,
  command: [],
  computedCells: 0,
  reusedCells: 0,
  tokens: 0,
  tokensPerSecond: 0,
  peakMemoryMb: 0,
  threads: 0,
  platform: "",
};
