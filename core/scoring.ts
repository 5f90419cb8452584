/**
 * Runs a scorer: its passes in chunks, what they give summed in float64, and the sums combined into scores.
 *
 *   S[g, k] = sum over samples s of group g of max(floor, w_s v_s[k])     v_s pooled over tokens by the model, w_s 1 or the objective
 *
 * Memory is that of the sums and one chunk, however many samples there are. Chunks depend on the pass alone and are summed in their order,
 * so a scoring that was broken off and taken up again comes to the same bits. A sample of the items is walked from look to look, all passes up
 * to one before any goes on (sampling.ts); sums that are beyond a look say that it was not enough.
 */
import { checkScores } from "./check_scores.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import type { Model, Objective, RunRequest, RunSample } from "./model.ts";
import { ask, BATCH, checkCapabilities, planPasses } from "./passes.ts";
import { added, createPooled, NOTHING, type PassSums } from "./pooled.ts";
import { capped, lookAt, looksOf, type Sampling, type SamplingRecord } from "./sampling.ts";
import type { Pass, PassSample, Scorer, ScorerInput, UnitScores } from "./scorer.ts";

export type { GroupSums, PassSums } from "./pooled.ts";

/** Samples of one call of the model. */
const CHUNK = 64;
/** Samples that are sorted by length, so that those of a chunk are of like length. */
const WINDOW = 1024;

export interface ScoringProgress {
  readonly pass: string;
  /** Samples done and in all, over all passes. */
  readonly done: number;
  readonly total: number;
  /** Tokens of the chunk that was just computed. */
  readonly tokens: number;
}

export interface ScoringOptions {
  readonly model: Pick<Model, "info" | "can" | "units" | "run">;
  /** Looked at before each chunk. */
  readonly signal: AbortSignal;
  /** After each chunk. */
  readonly onProgress?: (progress: ScoringProgress) => void;
  /** Bound of padded tokens computed at once. */
  readonly tokenBudget?: number;
  /** What was last committed under a key. A key is the hash of a pass, the model and the budget. */
  readonly found?: (key: string) => PassSums | undefined | Promise<PassSums | undefined>;
  /** After each chunk; replaces what was committed under the key before. The next chunk is added to the same arrays. */
  readonly commit?: (key: string, sums: PassSums) => void | Promise<void>;
  /** Only the first samples of each pass, and how many of them; default all. */
  readonly sampling?: Sampling | undefined;
}

export interface Scoring {
  readonly scores: UnitScores;
  /** Of the scores, where the scorer says them. */
  readonly errors?: UnitScores;
  /** How many samples were enough, where not all were to be seen. */
  readonly sampling?: SamplingRecord;
  readonly passes: readonly PassRecord[];
}

export interface PassRecord {
  readonly name: string;
  /** Samples seen. */
  readonly samples: number;
  /** Tokens computed, now or before a resume. */
  readonly tokens: number;
}

/**
 * Scores of every unit that the scorer looks at.
 *
 * @throws {UserError} before any computing for passes that do not suit (see planPasses) and what the model cannot do; later for a value that
 * is not finite, and for scores that are not one finite number a unit.
 */
export async function computeScores<Params>(
  scorer: Scorer<Params>,
  input: ScorerInput<Params>,
  options: ScoringOptions,
): Promise<Scoring> {
  const { model, sampling } = options;
  const whole = planPasses(scorer, input);
  checkCapabilities(scorer, whole, model);
  const looks = sampling ? looksOf(sampling) : [Infinity];
  const place = `score by ${scorer.name} on ${model.info.name}`;
  const walks: Walk[] = [];
  for (const pass of capped(whole, sampling)) walks.push(await openWalk(pass, looks, options));
  for (let look = 0;; look++) {
    const isLast = walks.every(({ chunks, ends }) => ends[look] === chunks.length);
    for (const walk of walks) await walkTo(walk, look, { ...options, place, walks });
    if (!isLast && walks.some(({ sums, ends }) => sums.chunks > ends[look]!)) continue;
    const seen = walks.map(({ pass }) => ({ ...pass, samples: pass.samples.slice(0, looks[look]) }));
    const figures = figuresOf(scorer, input, { model, passes: seen, sums: walks.map(({ sums }) => sums) });
    const record = sampling && lookAt({
      ...figures,
      sampling,
      passes: seen.map(({ name, samples }, i) => ({
        name,
        samples: samples.length,
        of: whole[i]!.samples.length,
      })),
      isLast,
      seed: input.seed,
    });
    if (sampling && !record) continue;
    const { scores, errors } = figures;
    return {
      scores,
      ...(errors && { errors }),
      ...(record && { sampling: record }),
      passes: seen.map(({ name, samples }, i) => ({
        name,
        samples: samples.length,
        tokens: walks[i]!.sums.tokens,
      })),
    };
  }
}

/** What combine() and errors() give, checked. */
function figuresOf<Params>(
  scorer: Scorer<Params>,
  input: ScorerInput<Params>,
  { model, passes, sums }: {
    readonly model: Pick<Model, "units">;
    readonly passes: readonly Pass[];
    readonly sums: readonly PassSums[];
  },
): { readonly scores: UnitScores; readonly errors: UnitScores | undefined } {
  const pooled = createPooled(passes, sums);
  const scores = ask(scorer, "combine", () => scorer.combine(pooled, input));
  checkScores(scorer, scores, { model, method: "combine" });
  const errors = ask(scorer, "errors", () => scorer.errors?.(pooled, input));
  if (errors) checkScores(scorer, errors, { model, method: "errors" });
  return { scores, errors };
}

/** A pass on its way. */
interface Walk {
  readonly pass: Pass;
  readonly key: string;
  readonly chunks: readonly (readonly PassSample[])[];
  /** Chunks up to each look. */
  readonly ends: readonly number[];
  sums: PassSums;
}

async function openWalk(pass: Pass, looks: readonly number[], options: ScoringOptions): Promise<Walk> {
  const { found, commit } = options;
  const key = found || commit ? keyOf(pass, looks, options) : "";
  const chunks: (readonly PassSample[])[] = [];
  const ends = looks.map((look, i) => {
    chunks.push(...chunksOf({ ...pass, samples: pass.samples.slice(looks[i - 1] ?? 0, look) }));
    return chunks.length;
  });
  return { pass, key, chunks, ends, sums: await found?.(key) ?? NOTHING };
}

interface WalkOptions extends ScoringOptions {
  /** For messages. */
  readonly place: string;
  /** All of them, for the progress. */
  readonly walks: readonly Walk[];
}

async function walkTo(walk: Walk, look: number, options: WalkOptions): Promise<void> {
  const { model, signal, tokenBudget, commit, place, walks, onProgress } = options;
  const { pass, key, chunks, ends } = walk;
  const samples = (some: readonly (readonly PassSample[])[]) =>
    some.reduce((sum, { length }) => sum + length, 0);
  for (const chunk of chunks.slice(walk.sums.chunks, ends[look])) {
    signal.throwIfAborted();
    const result = await model.run(chunk.map(runSampleOf), requestOf(pass, chunk, tokenBudget));
    walk.sums = added(walk.sums, { pass, chunk, result, place });
    await commit?.(key, walk.sums);
    onProgress?.({
      pass: pass.name,
      done: walks.reduce((sum, { chunks, sums }) => sum + samples(chunks.slice(0, sums.chunks)), 0),
      total: walks.reduce((sum, { chunks }) => sum + samples(chunks), 0),
      tokens: result.tokens,
    });
  }
}

function keyOf(
  pass: Pass,
  looks: readonly number[],
  { model, tokenBudget, sampling }: ScoringOptions,
): string {
  const samples = pass.samples.map((sample) => {
    const { target = null, against = null, answer = null, group } = sample;
    const { id: _, ...asked } = runSampleOf(sample);
    return { ...asked, target, against, answer, group };
  });
  const { objective = null, weight = "none", absolute = false, floor = null, batch = BATCH, squares } = pass;
  const observe = pass.observe.map(({ over = "all", padding = "skip", ...rest }) => ({
    ...rest,
    over,
    padding,
  }));
  const what = {
    objective,
    observe,
    weight,
    absolute,
    floor,
    batch,
    ...(squares === "pass" && { squares }),
    ...(sampling && { looks }),
  };
  return sha256(
    canonicalJson({
      chunks: [CHUNK, WINDOW],
      model: model.info.hash,
      tokenBudget: tokenBudget ?? null,
      samples,
      ...what,
    }),
  );
}

function runSampleOf({ id, prompt, continuations, edits }: PassSample): RunSample {
  return { id, prompt, ...(continuations && { continuations }), ...(edits && { edits }) };
}

/** Of like length, unless samples are padded together, which keeps them in order and whole batches in a chunk. */
function chunksOf({ samples, observe, batch = BATCH }: Pass): readonly (readonly PassSample[])[] {
  if (observe.some(({ padding }) => padding === "zero")) {
    return slices(samples, batch * Math.max(1, Math.floor(CHUNK / batch)));
  }
  const length = ({ prompt, continuations = [] }: PassSample) =>
    continuations.reduce((sum, ids) => sum + ids.length - 1, prompt.length);
  return slices(samples, WINDOW)
    .flatMap((window) => slices(window.toSorted((a, b) => length(b) - length(a)), CHUNK));
}

function slices<T>(list: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from(
    { length: Math.ceil(list.length / size) },
    (_, i) => list.slice(i * size, (i + 1) * size),
  );
}

function requestOf(pass: Pass, chunk: readonly PassSample[], tokenBudget: number | undefined): RunRequest {
  const { objective, observe, batch = BATCH } = pass;
  return {
    observe,
    batch,
    ...(objective && { objective: objectiveOf(objective, chunk) }),
    ...(tokenBudget !== undefined && { tokenBudget }),
  };
}

/** The objective of a chunk, its targets gathered from the samples. */
export function objectiveOf(
  objective: NonNullable<Pass["objective"]>,
  samples: readonly PassSample[],
): Objective {
  const each = (key: "target" | "against" | "answer") => samples.map((sample) => sample[key]!);
  switch (objective.kind) {
    case "probability":
    case "logprob":
      return { kind: objective.kind, target: each("target") };
    case "logitDifference":
      return { kind: objective.kind, target: each("target"), against: each("against") };
    case "cloze":
      return { kind: objective.kind, answer: each("answer") };
    case "crossEntropy":
      return objective;
  }
}
