/**
 * Values taken from runs and set into others: activation patching and the two ablations that keep a unit near the values it is used to.
 *
 *   mean:         a_u := mean of a_u over the tokens of reference samples
 *   resample:     a_u(x)[p] := a_u(x')[p]     x' another sample, drawn at random
 *   interchange:  a_u(M; x)[p] := a_u(M'; x)[p]     M' another model, or the same model on x' beside x
 *
 * Source: Chan et al., Causal Scrubbing (Alignment Forum, 2022), for resampling; Wang et al., arXiv 2211.00593, for means; Zhang and
 * Nanda, Towards Best Practices of Activation Patching, arXiv 2309.16042, for comparing them. Deviation: means are taken over all
 * positions together, not position by position, so that texts may differ in length.
 */
import { UserError } from "./error.ts";
import type { Edit, Model, Observation, Recording, RunSample, Tap, Unit } from "./model.ts";
import { createRandom } from "./random.ts";

/** A model that can observe. */
type Observer = Pick<Model, "run" | "units" | "info">;

/** Raw activations of each sample, after its edits, at each of the taps in their order; in one run.
 * @throws {UserError} for a sample with several continuations, whose tokens share positions. */
export async function record(
  model: Observer,
  samples: readonly RunSample[],
  taps: readonly Tap[],
): Promise<readonly (readonly Recording[])[]> {
  samples.forEach(({ continuations = [] }, i) => {
    if (continuations.length < 2) return;
    throw new UserError(
      `Cannot record sample ${
        i + 1
      } on ${model.info.name}: ${continuations.length} continuations, wanted one at most`,
    );
  });
  const observe = taps.map((tap): Observation => ({ tap, quantity: "activation", pool: "none" }));
  const { observed, positions } = await model.run(samples, { observe });
  return samples.map((_, i) =>
    taps.map((tap, t) => ({
      tap,
      positions: positions[i]!,
      values: Float32Array.from(observed[t]!.values[i]!),
    }))
  );
}

/** One edit a tap, units ascending, that sets units to what was recorded at their taps.
 * @throws {UserError} for a unit without a recording. */
export function setFrom(units: readonly Unit[], recordings: readonly Recording[]): Edit[] {
  return byTap(units).map(({ tap, indices }) => {
    const from = recordings.find((recording) => recording.tap === tap);
    if (from) return { tap, units: indices, op: "set", from };
    throw new UserError(`Cannot patch ${tap}: it was not recorded, wanted a recording of it`);
  });
}

/** Edits of each sample that set units to what `source` has there on the same sample: interchange with other weights, given to the model
 * that is to be patched. */
export async function interchange(
  source: Observer,
  units: readonly Unit[],
  samples: readonly RunSample[],
): Promise<Edit[][]> {
  const recordings = await record(source, samples, partsOf(source, units).map(({ tap }) => tap));
  return recordings.map((recorded) => setFrom(units, recorded));
}

export interface MeanOptions {
  readonly reference: readonly RunSample[];
  /** Tokens of a reference sample that count; default all. */
  readonly over?: NonNullable<Observation["over"]>;
}

/** Edits that set units to their mean over all tokens of the reference samples, every token of equal weight; at "attn.head" a mean a column.
 * @throws {UserError} when no token counts. */
export async function meanAblation(
  model: Observer,
  units: readonly Unit[],
  { reference, over = "all" }: MeanOptions,
): Promise<Edit[]> {
  const parts = partsOf(model, units);
  const observe = parts.map(({ tap }): Observation => ({ tap, quantity: "activation", pool: "sum", over }));
  const { observed, positions } = await model.run(reference, { observe });
  const tokens = reference.reduce((sum, { prompt }, i) => {
    const all = positions[i]!.length;
    return sum + (over === "all" ? all : over === "prompt" ? prompt.length : all - prompt.length);
  }, 0);
  if (tokens === 0) {
    throw new UserError(
      `Cannot take means on ${model.info.name}: no token of the reference counts, wanted one`,
    );
  }
  return parts.map(({ tap, indices }, t) => {
    const { columns, values } = observed[t]!, span = columns / model.units(tap);
    const mean = (column: number) => values.reduce((sum, of) => sum + of[column]!, 0) / tokens;
    const value = indices.flatMap((unit) => Array.from({ length: span }, (_, j) => mean(unit * span + j)));
    return { tap, units: indices, op: "set", value };
  });
}

export interface ResampleOptions {
  readonly samples: readonly RunSample[];
  /** Decides who takes from whom. */
  readonly seed: number | string;
  /** Which positions answer to each other where texts differ in length: those counted from the start (default), or from the end, so that
   * what is read last is always set. Only positions that both texts have are set; the others keep their own values. */
  readonly align?: "start" | "end";
}

/** Edits of each sample that set units to what another sample has there: the samples stand in a random circle, and each takes from the
 * next, so that none takes from itself and each gives once.
 * @throws {UserError} for fewer than two samples. */
export async function resampleAblation(
  model: Observer,
  units: readonly Unit[],
  { samples, seed, align = "start" }: ResampleOptions,
): Promise<Edit[][]> {
  if (samples.length < 2) {
    throw new UserError(
      `Cannot resample on ${model.info.name}: ${samples.length} samples, wanted two or more to take from one another`,
    );
  }
  const recordings = await record(model, samples, partsOf(model, units).map(({ tap }) => tap));
  const circle = createRandom(`${seed}/resample`).shuffle(samples.map((_, i) => i));
  const edits: Edit[][] = [];
  circle.forEach((own, i) => {
    const other = circle[(i + 1) % circle.length]!;
    const length = lengthOf(recordings[own]!);
    const shift = align === "end" ? length - lengthOf(recordings[other]!) : 0;
    edits[own] = setFrom(units, recordings[other]!.map((recording) => moved(recording, { shift, length })));
  });
  return edits;
}

function lengthOf([recording]: readonly Recording[]): number {
  return recording?.positions.length ?? 0;
}

/** The recording `shift` positions later, as far as it then lies within a text of `length` tokens. */
function moved(
  { tap, positions, values }: Recording,
  { shift, length }: { readonly shift: number; readonly length: number },
): Recording {
  const from = Math.max(0, -shift), to = Math.min(positions.length, length - shift);
  const columns = values.length / positions.length;
  return {
    tap,
    positions: positions.slice(from, to).map((position) => position + shift),
    values: values.subarray(from * columns, to * columns),
  };
}

/** As byTap(). @throws {UserError} for a unit that the model lacks, which else only the edit that is made of it would show. */
function partsOf(model: Observer, units: readonly Unit[]) {
  for (const { tap, index } of units) {
    const count = model.units(tap);
    if (Number.isInteger(index) && index >= 0 && index < count) continue;
    throw new UserError(
      `Cannot record ${tap} on ${model.info.name}: unit is ${index}, wanted a whole number in [0, ${count})`,
    );
  }
  return byTap(units);
}

/** Taps in the order in which they first appear, their units ascending and each once. */
function byTap(
  units: readonly Unit[],
): readonly { readonly tap: Tap; readonly indices: readonly number[] }[] {
  return [...Map.groupBy(units, ({ tap }) => tap)].map(([tap, found]) => ({
    tap,
    indices: [...new Set(found.map(({ index }) => index))].sort((a, b) => a - b),
  }));
}
