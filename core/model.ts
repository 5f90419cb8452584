/** What a language model offers to the harness. A backend plugin opens one; everything else sees only these types. */
import type { Context } from "./context.ts";
import type { Inspected } from "./memory.ts";
import type { Trainer, TrainOptions } from "./trainer.ts";

/** Where a graph may be read or edited. "attn.q|k|v" and "mlp.gate|up" are raw projection outputs (before rotary embedding,
 * before the non-linearity); "mlp.act" is the input of the down projection; "attn.head" is head outputs before the output
 * projection; "resid_pre" and "resid_post" are the residual stream before and after a layer. */
export const SITES = [
  "resid_pre",
  "attn.q",
  "attn.k",
  "attn.v",
  "attn.head",
  "attn.out",
  "mlp.gate",
  "mlp.up",
  "mlp.act",
  "mlp.out",
  "resid_post",
] as const;
export type Site = typeof SITES[number];
export type Tap = "embed" | `layers.${number}.${Site}`;

/** One neuron (a column of the tap) or, at "attn.head", one query head (headDim columns). */
export interface Unit {
  readonly tap: Tap;
  readonly index: number;
}

/** A change of the forward pass at one tap: scale multiplies, set replaces, add adds. */
export interface Edit {
  readonly tap: Tap;
  /** Column indices, or query heads at "attn.head"; in [0, units of the tap). */
  readonly units: readonly number[];
  readonly op: "scale" | "set" | "add";
  /** One number, one a unit, or units x headDim at "attn.head", unit after unit. Left out with `from`. */
  readonly value?: number | readonly number[];
  /** Which positions: "all" (default), those of the prompt, those after it, or absolute positions from 0. */
  readonly at?: "all" | "prompt" | "generated" | readonly number[];
  /** Activation patching, only with op "set" and in place of `value`: what another run had at this tap, at the same positions,
   * which the text must have. Positions outside the recording are left alone. */
  readonly from?: Recording;
}

/** Raw values at one tap over a stretch of one text. */
export interface Recording {
  readonly tap: Tap;
  /** Absolute position of each row of `values`, each once; change them to set values at other places than they came from. */
  readonly positions: readonly number[];
  /** [positions, columns of the tap], row after row. */
  readonly values: Float32Array;
}

export type Capability = "logprobs" | "edit" | "generate" | "observe" | "gradient" | "train";

export interface ModelInfo {
  /** Last part of the path, for people. */
  readonly name: string;
  /** How it is computed where that is not the reference way, "int8"; part of the name, and of every label. */
  readonly variant?: string;
  readonly architecture: string;
  readonly parameters: number;
  readonly layers: number;
  readonly contextLength: number;
  readonly vocab: number;
  /** sha256 of what decides a number: weight values as stored, tokenizer, chat template ("" when there is none), hyperparameters. */
  readonly hash: {
    readonly weights: string;
    readonly tokenizer: string;
    readonly chatTemplate: string;
    readonly config: string;
  };
}

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Text in, token ids out; synchronous. */
export interface Tokenizer {
  /** Beginning-of-sequence id, if the vocabulary has one. */
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** What stands for text outside of the vocabulary, if there is such an id. */
  readonly unknown?: number | undefined;
  readonly hasChatTemplate: boolean;
  /** `special: true` lets the tokenizer add what it adds by default (BOS, for some); default false. Special tokens written in the
   * text are recognised either way. */
  encode(text: string, options?: { readonly special?: boolean }): number[];
  /** Special tokens are left out. */
  decode(ids: readonly number[]): string;
  /** The conversation as the model's chat template writes it, ending where the assistant's turn begins.
   * @throws {UserError} when the model has no chat template. */
  chat(messages: readonly Message[]): string;
}

/** One prompt and the continuations to score after it. */
export interface ScoreRequest {
  /** Token ids, at least one. */
  readonly prompt: readonly number[];
  /** Token ids of each continuation, each at least one. */
  readonly continuations: readonly (readonly number[])[];
  /** Edits of this row alone, after those of the call. */
  readonly edits?: readonly Edit[];
  /** Names the item in messages; default its place in the list. */
  readonly id?: string;
}

export interface ScoreResult {
  /** Sum over its tokens of log P(token | all before), natural logarithm, for each continuation. */
  readonly logprobs: readonly number[];
  /** Whether each continuation is what greedy decoding would give. */
  readonly greedy: readonly boolean[];
  /** The most probable token of the whole vocabulary right after the prompt, and its log-probability. */
  readonly argmax: number;
  readonly argmaxLogprob: number;
}

/** Results of one batch; a batch is the unit that is committed. Its make-up depends on the requests and options alone. */
export interface ScoredBatch {
  /** Positions in the list of requests. */
  readonly indices: readonly number[];
  readonly results: readonly ScoreResult[];
  /** Tokens computed: padding not counted, a shared prefix counted once. Of rows that differ by their edits each counts whole, though
   * layers below an edit are computed once. */
  readonly tokens: number;
}

export interface ScoreOptions {
  /** Edits of every row. */
  readonly edits?: readonly Edit[];
  /** True for a batch (by its indices) that need not be computed; it is not yielded. */
  readonly skip?: (indices: readonly number[]) => boolean;
  /** Upper bound of padded tokens in a batch; default 2048. Part of what decides a batch's make-up. */
  readonly tokenBudget?: number;
}

/** What run() takes the gradient of, a number a sample. Token ids are given as numbers; text must be one token of the model. One target
 * stands for all samples, or there is one a sample. */
export type Objective =
  /** P of the token right after the prompt, over the whole vocabulary. Its gradient is P times that of log P, multiplied in float64. */
  | { readonly kind: "probability"; readonly target: Target | readonly Target[] }
  /** Natural logarithm of that probability. */
  | { readonly kind: "logprob"; readonly target: Target | readonly Target[] }
  /** Logit of `target` minus logit of `against` right after the prompt. */
  | {
    readonly kind: "logitDifference";
    readonly target: Target | readonly Target[];
    readonly against: Target | readonly Target[];
  }
  /** log P of continuation `answer` (an index, or one a sample) minus the mean of the other continuations' log P, in nats. */
  | { readonly kind: "cloze"; readonly answer: number | readonly number[] }
  /** Mean negative log-likelihood in nats of the tokens of a span, each given all before it: the (only) continuation, the prompt after its
   * first token, both, or absolute positions [from, to) of the text, from at least 1. */
  | {
    readonly kind: "crossEntropy";
    readonly span: "completion" | "prompt" | "all" | readonly [number, number];
  };
export type Target = number | string;

/** What to read at a tap, a vector a sample. `quantity`: the activation (after edits), the gradient of the objective with respect to it,
 * or their product; "direct" is the part of a logit objective that the tap writes straight into the last residual, the final norm's scale
 * held fixed (direct logit attribution; taps embed, attn.head, attn.out, mlp.out; pool "last"). */
export interface Observation {
  readonly tap: Tap;
  readonly quantity: "activation" | "gradient" | "product" | "direct";
  /** Over the tokens of a sample: "none" gives every one; "rms" is the root of the mean square; "last" the last of the prompt. */
  readonly pool: "none" | "mean" | "max" | "last" | "rms" | "sum";
  /** Tokens that are pooled: all (default), those of the prompt, or those of continuations. */
  readonly over?: "all" | "prompt" | "completion";
  /** Padding is left out ("skip", default), or counts as zero: a maximum is then at least 0 for every sample shorter than the longest of
   * its batch of `batch` samples, in the order given, as in programs that pool over the padded batch. */
  readonly padding?: "skip" | "zero";
}

/** One text of run(); continuations branch from the prompt's end and see only the prompt and themselves. */
export interface RunSample {
  /** Token ids, at least one. */
  readonly prompt: readonly number[];
  /** Default none. */
  readonly continuations?: readonly (readonly number[])[];
  /** Edits of this sample alone, after those of the request. */
  readonly edits?: readonly Edit[];
  /** Names the sample in messages; default its place in the list. */
  readonly id?: string;
}

export interface RunRequest {
  /** Wanted by quantities other than "activation". */
  readonly objective?: Objective;
  /** Default none. */
  readonly observe?: readonly Observation[];
  /** Edits of every sample; gradients are those of the edited model. */
  readonly edits?: readonly Edit[];
  /** Upper bound of padded tokens computed at once; bounds memory. Default 512. */
  readonly tokenBudget?: number;
  /** Samples that `padding: "zero"` pads together; default all. */
  readonly batch?: number;
}

/** One observation of a run. */
export interface Observed {
  readonly observation: Observation;
  /** Numbers a token or pooled token: units of the tap for "product" and "direct" (a head's columns are summed), else its columns. */
  readonly columns: number;
  /** One entry a sample: [columns], or with pool "none" [tokens, columns], tokens as in `positions`. */
  readonly values: readonly (Float32Array | Float64Array)[];
}

export interface RunResult {
  /** The objective of each sample; empty without one. */
  readonly objective: Float64Array;
  /** In the order of `observe`. */
  readonly observed: readonly Observed[];
  /** Absolute positions of each sample's tokens as pool "none" gives them: prompt, then each continuation but its last token. */
  readonly positions: readonly (readonly number[])[];
  /** Tokens computed, padding not counted. */
  readonly tokens: number;
}

export interface GenerateOptions {
  readonly maxNewTokens: number;
  /** Edits of every prompt. */
  readonly edits?: readonly Edit[];
  /** Edits of each prompt alone, after those of the call; one list a prompt, in the same order. */
  readonly promptEdits?: readonly (readonly Edit[])[];
  /** Dynamic activation patching: at every step `from` runs on the same text, and what it has at `units` replaces what this model has
   * there, in the prompt and after it; the next token is this model's (Chen et al., arXiv 2406.14144, dynamic activation patching). */
  readonly patch?: { readonly from: Model; readonly units: readonly Unit[] };
  /** Ids that end a text; default the model's end of sequence. */
  readonly stop?: readonly number[];
  /** Prompts advanced together; default 8. */
  readonly batch?: number;
}

export interface Generation {
  readonly index: number;
  /** New token ids, without the stop token. */
  readonly tokens: readonly number[];
  readonly finish: "stop" | "length";
}

/** An open model. Immutable: change travels in the request. Close it with `await using`. */
export interface Model extends AsyncDisposable {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  readonly can: ReadonlySet<Capability>;
  /** Number of units at a tap: columns, or query heads at "attn.head".
   * @throws {UserError} when the model has no such tap. */
  units(tap: Tap): number;
  /** @throws {UserError} when it is called, before anything is read of it: for a prompt and continuation over the context length, two leading
   * BOS ids, or an edit of a tap or unit that the model lacks. */
  score(requests: readonly ScoreRequest[], options?: ScoreOptions): AsyncIterable<ScoredBatch>;
  /** Greedy, token by token, with a key-value cache. */
  generate(prompts: readonly (readonly number[])[], options: GenerateOptions): AsyncIterable<Generation>;
  /** Forward and, where an observation wants it, backward; in batches of like length under the budget, results in the order of `samples`.
   * Needs "observe", and "gradient" for an objective's gradient.
   * @throws {UserError} before any computing: a target that is not one token, a tap the model lacks, an edit or recording of the wrong shape.
   * @throws {UserError} naming the first layer that is not finite, where logits are not. */
  run(samples: readonly RunSample[], request?: RunRequest): Promise<RunResult>;
  /** Raw logits at every position of one sequence, [tokens, vocab]. */
  logits(ids: readonly number[], options?: { readonly edits?: readonly Edit[] }): Promise<Float32Array>;
  /** Starts training; needs "train". This model stays as it is.
   * @throws {UserError} before any computing: a target or block that matches nothing, an example without an answer or with both sides of a
   * pair missing, one that is too long, a unit that belongs to no projection. */
  trainer(options: TrainOptions): Promise<Trainer>;
  /** This model with a delta: a model of its own, to be closed on its own. @param folder of the delta, or of an adapter in PEFT's layout
   * @throws {UserError} for a delta of another model. */
  adapted(folder: string): Promise<Model>;
}

export interface OpenOptions {
  /** Taps that edits will name: one graph carries them all. Others get graphs of their own when they come, a second each. */
  readonly taps: readonly Tap[];
}

/** Opens models of one kind. Inspecting reads headers and hashes, not the weights into memory. */
export interface ModelBackend<Params = unknown> {
  /** Tokens that score() would compute for these requests, all batches that are not skipped together, as ScoredBatch.tokens counts them.
   * Pure, and needs no open model. A backend that shares nothing between requests may leave it out. */
  countTokens?(
    requests: readonly ScoreRequest[],
    options?: Pick<ScoreOptions, "skip" | "tokenBudget">,
  ): number;
  inspect(params: Params, context: Context): Promise<Inspected>;
  open(params: Params, options: OpenOptions, context: Context): Promise<Model>;
  /** Writes a model with a delta as a checkpoint of its own. @throws {UserError} as Model.adapted(), and where `out` is there already. */
  merge?(params: Params, paths: { readonly delta: string; readonly out: string }, context: Context): Promise<
    MergedModel
  >;
}

export interface MergedModel {
  readonly folder: string;
  /** sha256 of the weights' file. */
  readonly weights: string;
}
