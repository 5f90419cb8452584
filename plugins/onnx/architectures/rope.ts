/**
 * Rotary position embedding: position p turns pair i of a head by the angle p * f_i, f_i = theta^(-2i / headDim).
 *
 * Source: Su et al., RoFormer, arXiv 2104.09864, section 3.2; the half-split layout of Hugging Face checkpoints. Frequencies and
 * angles are rounded to float32 as transformers computes them, so that long positions agree with it.
 */
import { UserError } from "../../../core/mod.ts";
import type { Hyperparameters } from "./shape.ts";

/** Scaling of the frequencies for long contexts, as config.json has it; undefined leaves them. */
export interface RopeScaling {
  readonly rope_type?: string;
  readonly type?: string;
  readonly factor?: number;
  readonly low_freq_factor?: number;
  readonly high_freq_factor?: number;
  readonly original_max_position_embeddings?: number;
  readonly beta_fast?: number;
  readonly beta_slow?: number;
  readonly truncate?: boolean;
  readonly attention_factor?: number;
  readonly mscale?: number;
  readonly mscale_all_dim?: number;
  readonly short_factor?: readonly number[];
  readonly long_factor?: readonly number[];
}

export interface RopeOptions {
  readonly theta: number;
  /** Columns of a head that are turned: all of them, or the first. */
  readonly headDim: number;
  readonly scaling?: RopeScaling | null | undefined;
  /** Divisors of the frequencies, headDim / 2, as GGUF stores them in place of a scaling rule. */
  readonly factors?: Float32Array | undefined;
  /** For texts longer than longrope's original context; default false. */
  readonly long?: boolean;
}

/** Makes tables of any number of rows. */
export type Rotary = (rows: number) => RotaryTables;

/** Cosine and sine tables, each [rows, headDim / 2], for positions 0 to rows - 1; both times the factor of yarn or longrope, where there is one. */
export interface RotaryTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Gives the function that makes tables of any number of rows; a row is computed once.
 * @throws {UserError} for a scaling rule that is not known. */
export function createRotary(options: RopeOptions): Rotary {
  const half = options.headDim / 2;
  const frequencies = scaled(inverseFrequencies(options.theta, options.headDim), options),
    gain = gainOf(options);
  let known: RotaryTables = { cos: new Float32Array(0), sin: new Float32Array(0) };
  return (rows) => {
    if (known.cos.length < rows * half) known = tablesOf(frequencies, { rows: 2 * rows, gain });
    return { cos: known.cos.slice(0, rows * half), sin: known.sin.slice(0, rows * half) };
  };
}

/** By kind of attention. */
export interface Rotaries {
  readonly rotary: readonly Rotary[];
  /** For texts of more than `beyond` tokens, where these turn by other angles: beyond longrope's original context. */
  readonly long: { readonly beyond: number; readonly rotary: readonly Rotary[] } | undefined;
}

/** @throws {UserError} for a scaling rule that is not known. */
export function rotariesOf(
  { attentions, rotary: headDim }: Pick<Hyperparameters, "attentions" | "rotary">,
  factors?: Float32Array,
): Rotaries {
  const tables = (long: boolean) =>
    attentions.map(({ theta, scaling }) => createRotary({ theta, headDim, scaling, factors, long }));
  const stretched = attentions.find(({ scaling }) => ruleOf({ scaling }) === "longrope")?.scaling;
  const beyond = stretched?.original_max_position_embeddings;
  return {
    rotary: tables(false),
    long: beyond === undefined ? undefined : { beyond, rotary: tables(true) },
  };
}

function tablesOf(
  frequencies: Float32Array,
  { rows, gain }: { readonly rows: number; readonly gain: number },
): RotaryTables {
  const half = frequencies.length;
  const angle = (i: number) => Math.fround(Math.floor(i / half) * frequencies[i % half]!);
  return {
    cos: Float32Array.from({ length: rows * half }, (_, i) => gain * Math.cos(angle(i))),
    sin: Float32Array.from({ length: rows * half }, (_, i) => gain * Math.sin(angle(i))),
  };
}

function inverseFrequencies(theta: number, headDim: number): Float32Array {
  return Float32Array.from(
    { length: headDim / 2 },
    (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / headDim)),
  );
}

const ruleOf = ({ scaling }: Pick<RopeOptions, "scaling">) =>
  scaling?.rope_type ?? scaling?.type ?? "default";

function scaled(frequencies: Float32Array, options: RopeOptions): Float32Array {
  const { scaling, factors } = options, rule = ruleOf(options);
  if (factors) return frequencies.map((f, i) => f / factors[i]!);
  if (!scaling || rule === "default") return frequencies;
  if (rule === "linear") return frequencies.map((f) => f / (scaling.factor ?? 1));
  if (rule === "llama3") return frequencies.map((f) => llama3(f, scaling));
  if (rule === "yarn") return yarn(frequencies, { ...options, scaling });
  if (rule === "longrope") return longrope(frequencies, { ...options, scaling });
  throw new UserError(
    `Cannot build rotary embedding: rope_type is "${rule}", wanted default, linear, llama3, yarn or longrope`,
  );
}

/** Each pair is divided by a factor of its own, of a list for texts up to the original context or of another for longer ones (Ding et al.,
 * LongRoPE, arXiv 2402.13753, section 3.3; the lists and their switching are Phi-3's). */
function longrope(
  frequencies: Float32Array,
  { scaling, long }: RopeOptions & { readonly scaling: RopeScaling },
): Float32Array {
  const name = long ? "long_factor" : "short_factor", factors = scaling[name];
  if (factors?.length !== frequencies.length) {
    throw new UserError(
      `Cannot build rotary embedding: ${name} has ${
        factors?.length ?? "no"
      } numbers, wanted ${frequencies.length}, one a pair of columns`,
    );
  }
  return frequencies.map((f, i) => f / Math.fround(factors[i]!));
}

/**
 * Pairs that turn more often than `beta_fast` times in the original context are kept, those that turn less often than `beta_slow` times are
 * divided by the factor, those between blended (Peng et al., YaRN, arXiv 2309.00071, section 3.2).
 */
function yarn(
  frequencies: Float32Array,
  { theta, headDim, scaling }: RopeOptions & { readonly scaling: RopeScaling },
): Float32Array {
  const { factor = 1, original_max_position_embeddings: context, truncate = true } = scaling;
  if (context === undefined) {
    throw new UserError(
      "Cannot build rotary embedding: yarn has no original_max_position_embeddings, wanted the context before scaling",
    );
  }
  /** The pair, not a whole one, that turns so often. */
  const pair = (turns: number) => headDim * Math.log(context / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
  const [fast, slow] = [pair(scaling.beta_fast ?? 32), pair(scaling.beta_slow ?? 1)];
  const low = Math.max(0, truncate ? Math.floor(fast) : fast);
  const high = Math.min(headDim - 1, truncate ? Math.ceil(slow) : slow);
  return frequencies.map((f, i) => {
    const slowness = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)));
    return (f / factor) * slowness + f * (1 - slowness);
  });
}

/** What queries and keys are multiplied by. Yarn: section 3.4, with the two weights that DeepSeek's configs have. Longrope: section 3.3's
 * sqrt(1 + ln(factor) / ln(original context)). */
function gainOf(options: RopeOptions): number {
  const { scaling, factors } = options, rule = ruleOf(options);
  if (!scaling || factors) return 1;
  const { factor = 1, attention_factor, mscale, mscale_all_dim, original_max_position_embeddings } = scaling;
  if (rule === "longrope") {
    if (factor <= 1) return attention_factor ?? 1;
    return attention_factor ?? Math.sqrt(1 + Math.log(factor) / Math.log(original_max_position_embeddings!));
  }
  if (rule !== "yarn") return 1;
  const gain = (weight = 1) => factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1;
  return attention_factor ?? (mscale && mscale_all_dim ? gain(mscale) / gain(mscale_all_dim) : gain());
}

/** Llama 3.1: long wavelengths are divided by the factor, short ones kept, those between blended. */
function llama3(f: number, scaling: RopeScaling): number {
  const { factor = 8, low_freq_factor: low = 1, high_freq_factor: high = 4 } = scaling;
  const context = scaling.original_max_position_embeddings ?? 8192;
  const wavelength = (2 * Math.PI) / f;
  if (wavelength < context / high) return f;
  if (wavelength > context / low) return f / factor;
  const smooth = (context / wavelength - low) / (high - low);
  return ((1 - smooth) * f) / factor + smooth * f;
}
