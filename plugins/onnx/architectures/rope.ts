/**
 * Rotary position embedding: position p turns pair i of a head by the angle p * f_i, f_i = theta^(-2i / headDim).
 *
 * Source: Su et al., RoFormer, arXiv 2104.09864, section 3.2; the half-split layout of Hugging Face checkpoints. Frequencies and
 * angles are rounded to float32 as transformers computes them, so that long positions agree with it.
 */
import { UserError } from "../../../core/mod.ts";

/** Scaling of the frequencies for long contexts, as config.json has it; undefined leaves them. */
export interface RopeScaling {
  readonly rope_type?: string;
  readonly type?: string;
  readonly factor?: number;
  readonly low_freq_factor?: number;
  readonly high_freq_factor?: number;
  readonly original_max_position_embeddings?: number;
}

export interface RopeOptions {
  readonly theta: number;
  readonly headDim: number;
  readonly scaling?: RopeScaling | null | undefined;
  /** Divisors of the frequencies, headDim / 2, as GGUF stores them in place of a scaling rule. */
  readonly factors?: Float32Array | undefined;
}

/** Cosine and sine tables, each [rows, headDim / 2], for positions 0 to rows - 1. */
export interface RotaryTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Gives the function that makes tables of any number of rows; a row is computed once.
 * @throws {UserError} for a scaling rule that is not known. */
export function createRotary(options: RopeOptions): (rows: number) => RotaryTables {
  const half = options.headDim / 2;
  const frequencies = scaled(inverseFrequencies(options.theta, options.headDim), options);
  let known: RotaryTables = { cos: new Float32Array(0), sin: new Float32Array(0) };
  return (rows) => {
    if (known.cos.length < rows * half) known = tablesOf(frequencies, 2 * rows);
    return { cos: known.cos.slice(0, rows * half), sin: known.sin.slice(0, rows * half) };
  };
}

function tablesOf(frequencies: Float32Array, rows: number): RotaryTables {
  const half = frequencies.length;
  const angle = (i: number) => Math.fround(Math.floor(i / half) * frequencies[i % half]!);
  return {
    cos: Float32Array.from({ length: rows * half }, (_, i) => Math.cos(angle(i))),
    sin: Float32Array.from({ length: rows * half }, (_, i) => Math.sin(angle(i))),
  };
}

function inverseFrequencies(theta: number, headDim: number): Float32Array {
  return Float32Array.from(
    { length: headDim / 2 },
    (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / headDim)),
  );
}

function scaled(frequencies: Float32Array, { scaling, factors }: RopeOptions): Float32Array {
  if (factors) return frequencies.map((f, i) => f / factors[i]!);
  const rule = scaling?.rope_type ?? scaling?.type ?? "default";
  if (!scaling || rule === "default") return frequencies;
  if (rule === "linear") return frequencies.map((f) => f / (scaling.factor ?? 1));
  if (rule === "llama3") return frequencies.map((f) => llama3(f, scaling));
  throw new UserError(
    `Cannot build rotary embedding: rope_type is "${rule}", wanted default, linear or llama3`,
  );
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
