/**
 * Training: which numbers of a model change, by which objective, and how. A recipe is JSON; with its examples it makes a Trainer, and the
 * Trainer a delta, a value that a model can be opened with.
 */
import type { Unit } from "./model.ts";
import type { MadeOf } from "./provenance/made_of.ts";
import type { Delta } from "./train/delta.ts";

/** What is trained; all else stays as it is, to the bit. */
export type Trained =
  /** W + (alpha / rank) B A in place of W, with A [rank, in] drawn uniformly from +-1 / sqrt(in) and B [out, rank] zero at first, as PEFT does
   * (Hu et al., LoRA, arXiv 2106.09685). A target is a site ("attn.q", "mlp.gate"), all of a block that the family has ("attn", "mlp"), either in
   * one layer ("layers.3.attn.q"), "unembed", or a module's name as PEFT has it ("q_proj", "lm_head", "all-linear": all projections, the output matrix left out). */
  | {
    readonly kind: "lora";
    readonly targets: readonly string[];
    readonly rank: number;
    readonly alpha: number;
    /** Probability in [0, 1) that a number of a target's input is left out of its update, the others scaled up; default 0. Both sides of a pair
     * have one prompt, and leave out the same of it. */
    readonly dropout?: number;
    /** Layers that have targets; default all. */
    readonly layers?: readonly number[];
  }
  /** Whole weights. A block is "layers.N.attn" (the four projections), "layers.N.mlp" (the three), one of either ("layers.N.mlp.out"),
   * "layers.N.norms", "layers.N" (all of these), with "*" for every N, "embed", "unembed", "norm" (the last one), or "all". */
  | { readonly kind: "full"; readonly blocks: readonly string[] }
  /** The input embedding of one token, which starts as `start`, [width], or as it is. The output matrix keeps its row. */
  | { readonly kind: "embedding"; readonly token: number; readonly start?: readonly number[] };

/** What goes down, in nats. */
export type TrainObjective =
  /** Mean over all predicted tokens of a batch of -log P(token | all before): of the completion, or of prompt and completion. */
  | { readonly kind: "crossEntropy"; readonly over: "completion" | "all" }
  /**
   * Mean over pairs of -(1 - s) log sigmoid(z) - s log sigmoid(-z), z = beta [(lp_c - lp_r) - (lp_c' - lp_r')]: lp the log-probability summed
   * over the response's tokens, c chosen, r rejected, ' the model as it was, s label smoothing, default 0 (Rafailov et al., arXiv 2305.18290).
   */
  | { readonly kind: "dpo"; readonly beta: number; readonly labelSmoothing?: number };

/**
 * AdamW (Loshchilov and Hutter, arXiv 1711.05101) as PyTorch computes it; step t counts from 1, the rate comes from the schedule:
 *
 *   w <- w - rate decay w;   m <- b1 m + (1 - b1) g;   v <- b2 v + (1 - b2) g^2
 *   w <- w - rate / (1 - b1^t) * m / (sqrt(v / (1 - b2^t)) + epsilon)
 */
export interface AdamWOptions {
  /** Largest rate of the schedule. */
  readonly learningRate: number;
  /** Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Default 0. Norms and biases do not decay. */
  readonly weightDecay?: number;
  /** Gradients of all parameters together are scaled down to this 2-norm where it is above; absent: never. */
  readonly clip?: number;
}

/** Learning rate by update, as transformers names and computes them: with w steps of warm-up, update s = 0, 1, ... < w has s / w of the rate, so
 * that the first has none. "cosine" goes to 0 along half a wave; "cosineRestarts" does so `cycles` times (default 1). */
export interface ScheduleOptions {
  readonly kind: "constant" | "linear" | "cosine" | "cosineRestarts";
  readonly warmup?: number;
  readonly cycles?: number;
}

/** How to train, without the data. */
export interface TrainRecipe {
  readonly parameters: Trained;
  readonly objective: TrainObjective;
  readonly optimizer: AdamWOptions;
  /** Default constant, without warm-up. */
  readonly schedule?: ScheduleOptions;
  /** Examples an update: what other programs call batch times accumulation. How they are cut into pieces that fit the memory decides nothing
   * but rounding. Default 8. */
  readonly batch?: number;
  /** Times through the data, each in a new order; default 1. The last batch of each may be smaller. */
  readonly epochs?: number;
  /** Updates, in place of epochs. */
  readonly steps?: number;
  /** Units whose rows and columns of what is trained stay exactly as they are: the neuron's rows of gate and up and its column of down for
   * "mlp.gate", "mlp.up" and "mlp.act"; the row of its projection for "attn.q|k|v|out" and "mlp.out"; a head's rows of q and columns of the
   * output projection for "attn.head". */
  readonly frozen?: readonly Unit[];
  /** Of examples of a group (Example.group), the units that their gradient reaches, and no others; what belongs to no unit is left alone too.
   * Groups that are not named here reach everything. For "full" alone; weight decay is no gradient and reaches everything. */
  readonly reach?: Readonly<Record<string, readonly Unit[]>>;
  /** Of the order of examples, first values of LoRA and dropout. */
  readonly seed: number | string;
  /** Longest example that is trained on, prompt and longest response; default the context length. */
  readonly maxTokens?: number;
  /** What becomes of longer ones: "refuse" (default) names and counts them before any work, "leaveOut" leaves out and counts them. None is cut. */
  readonly overlong?: "refuse" | "leaveOut";
}

/** One thing to learn, as token ids, each list at least one. */
export type Example = Completion | Preference;
export interface Completion {
  readonly prompt: readonly number[];
  readonly completion: readonly number[];
  /** See TrainRecipe.reach. */
  readonly group?: string;
}
export interface Preference {
  readonly prompt: readonly number[];
  readonly chosen: readonly number[];
  readonly rejected: readonly number[];
  readonly group?: string;
}

export interface TrainOptions extends TrainRecipe {
  readonly examples: readonly Example[];
  /** What the examples are made of, madeOf(benchmark, items, "tune"); travels with the delta. */
  readonly madeOf?: readonly MadeOf[];
  /** Where to write a checkpoint every so many updates, and to go on from the one that is there. Decides nothing about the result. */
  readonly checkpoint?: { readonly folder: string; readonly every: number };
  /** Upper bound of padded tokens computed at once; bounds memory. Default by the model's size, for about 1 GB of values. */
  readonly tokenBudget?: number;
}

/** After an update. */
export interface TrainProgress {
  /** Updates done, from 1. */
  readonly step: number;
  readonly steps: number;
  /** Of the batch, before the update. */
  readonly loss: number;
  /** Mean of z / beta, in nats, and the share of pairs with z > 0; "dpo" alone. */
  readonly margin?: number;
  readonly accuracy?: number;
  readonly learningRate: number;
  /** 2-norm of the gradient of all parameters, before clipping. */
  readonly gradientNorm: number;
  /** Computed since this trainer was made, padding not counted. */
  readonly tokens: number;
  readonly tokensPerSecond: number;
  readonly secondsLeft: number;
}

export interface TrainedTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface Gradients {
  readonly loss: number;
  /** z / beta of each pair; empty for cross-entropy. */
  readonly margins: readonly number[];
  /** By the tensor's name; those of frozen units are zero. */
  readonly gradients: ReadonlyMap<string, TrainedTensor>;
}

/** A model that is being trained; the model itself does not change. */
export interface Trainer extends AsyncDisposable {
  readonly steps: number;
  /** Examples that were too long and are left out. */
  readonly leftOut: number;
  /** Updates done; more than 0 at first where a checkpoint was found. */
  done(): number;
  /** Goes on to the last update; yields after each. May be left and called again.
   * @throws {UserError} naming the step at which the loss is not finite; the last checkpoint stays. */
  run(): AsyncIterable<TrainProgress>;
  /** Loss and gradients of examples as one batch, at the weights as they are now; updates nothing. */
  gradients(examples: readonly Example[]): Promise<Gradients>;
  /** Trained tensors as they are now, by name: Hugging Face's for weights, PEFT's for LoRA. Not copies. */
  values(): ReadonlyMap<string, TrainedTensor>;
  /** Writes what was trained so far into `folder`, under its hash. @throws {Error} where a frozen unit has changed. */
  save(folder: string): Promise<Delta>;
}
