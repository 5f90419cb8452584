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
  /** Rows of the tables. */
  readonly positions: number;
  readonly scaling?: RopeScaling | null | undefined;
  /** Divisors of the frequencies, headDim / 2, as GGUF stores them in place of a scaling rule. */
  readonly factors?: Float32Array | undefined;
}

/** Cosine and sine tables, each [positions, headDim / 2].
 * @throws {UserError} for a scaling rule that is not known. */
export function rotaryTables(
  options: RopeOptions,
): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const half = options.headDim / 2;
  const frequencies = scaled(inverseFrequencies(options.theta, options.headDim), options);
  const cos = new Float32Array(options.positions * half), sin = new Float32Array(options.positions * half);
  for (let p = 0; p < options.positions; p++) {
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(p * frequencies[i]!);
      cos[p * half + i] = Math.cos(angle);
      sin[p * half + i] = Math.sin(angle);
    }
  }
  return { cos, sin };
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
