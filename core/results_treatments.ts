/** What the treatments of a run came to: their arms, the units that they found, what they were trained by. Part of results.json. */
import type { Json } from "./evaluator.ts";
import type { Edit, Tap } from "./model.ts";
import type { BenchmarkRecord, ModelRecord } from "./results.ts";
import type { SamplingRecord } from "./sampling.ts";

/** One arm of a treatment: the edits as they were, or the untouched model (no edits). */
export interface ArmRecord {
  readonly treatment: string;
  /** Label of the model whose units these are; absent where all models of the run have the same arms. */
  readonly model?: string;
  /** "treated", or the control's label, of drawn sets with their number: "random 3", "important". The untouched model is treatment "untouched", arm "treated". */
  readonly arm: string;
  readonly edits: readonly Edit[];
  /** Number of units edited. */
  readonly units: number;
}

/** Items that a scorer looked at. */
export interface SetRecord extends BenchmarkRecord {
  /** Kind of the cluster by which scores were kept apart. */
  readonly groupBy: string | null;
  /** Where the store has the items as a units file carries them (MadeOf); absent in runs of before there was provenance. */
  readonly madeOf?: string;
}

/** Units that a treatment found on one model. */
export interface FoundRecord {
  readonly model: string;
  readonly scorer: {
    readonly name: string;
    readonly version: string;
    readonly title: string;
    readonly source: string;
    readonly params: Json;
  };
  readonly seed: number;
  /** By the name of the scorer's set. */
  readonly sets: Readonly<Record<string, SetRecord>>;
  /** As the matrix has it, with every default. */
  readonly select: Json;
  /** Number of units that they were selected from. */
  readonly pool: number;
  /** The same by tap, in forward order; absent in runs of before it was kept. */
  readonly taps?: Readonly<Record<string, number>>;
  readonly selected: number;
  /** Taps in forward order, units ascending. */
  readonly units: readonly { readonly tap: Tap; readonly units: readonly number[] }[];
  /** Of each unit, by tap, in the same order. */
  readonly scores: Readonly<Record<string, readonly number[]>>;
  /** Standard error of each score, likewise, where the scorer says them. */
  readonly errors?: Readonly<Record<string, readonly number[]>>;
  /** How many samples were enough, where not all were to be seen. */
  readonly sampling?: SamplingRecord;
  /** Content address of the scores of all units: sha256 of everything that made them. */
  readonly key: string;
}

/** Sets of a control that grew until they cost as much as the treatment, on one model. */
export interface GrownRecord {
  readonly model: string;
  /** Label of the control. */
  readonly control: string;
  /** What the cost was measured on. */
  readonly texts: BenchmarkRecord;
  /** What costs, in its own unit; more is worse. */
  readonly metric: string;
  /** Of the treatment. */
  readonly wanted: number;
  readonly sets: readonly { readonly units: number; readonly cost: number }[];
}

/** A training of a treatment, or of a control of it, on one model. */
export interface TrainedRecord {
  readonly model: string;
  readonly arm: string;
  readonly tuner: FoundRecord["scorer"];
  readonly seed: number;
  /** Whether any of an item's answers was taught as its right one. */
  readonly answers: "right" | "shuffled";
  /** By the name of the tuner's set. */
  readonly sets: Readonly<Record<string, SetRecord>>;
  /** Trained on, and left out because they were too long. */
  readonly examples: number;
  readonly leftOut: number;
  /** Updates, and the last batch's loss in nats. */
  readonly steps: number;
  readonly finalLoss: number | null;
  /** sha256 of the delta's manifest. */
  readonly delta: string;
  /** Content address: sha256 of everything that made it. */
  readonly key: string;
}

export interface TreatmentRecord {
  readonly name: string;
  /** As the matrix has them, with the version of each intervention and its params with every default. */
  readonly steps: Json;
  readonly controls: Json;
  readonly arms: readonly ArmRecord[];
  /** Where units were found by a scorer: of each selection in turn, model by model. */
  readonly found?: readonly FoundRecord[];
  /** Where controls grew. */
  readonly grown?: readonly GrownRecord[];
  /** Where the model is opened otherwise: as it is then, model by model. */
  readonly opened?: readonly { readonly model: string; readonly opened: ModelRecord }[];
  /** Where the model was trained: arm by arm, model by model. */
  readonly trained?: readonly TrainedRecord[];
}
