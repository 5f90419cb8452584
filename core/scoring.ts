/**
 * Runs a scorer: its passes in chunks, what they give summed in float64, and the sums combined into scores.
 *
 *   S[g, k] = sum over samples s of group g of max(floor, w_s v_s[k])     v_s pooled over tokens by the model, w_s 1 or the objective
 *
 * Memory is that of the sums and one chunk, however many samples there are. Chunks depend on the pass alone and are summed in their order,
 * so a scoring that was broken off and taken up again comes to the same bits.
 */
import { UserError } from "./error.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import type { Model, Objective, RunRequest, RunSample } from "./model.ts";
import { ask, BATCH, checkCapabilities, planPasses } from "./passes.ts";
import { added, createPooled, NOTHING, type PassSums } from "./pooled.ts";
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
  /** After each chunk; replaces what was committed under the key before. */
  readonly commit?: (key: string, sums: PassSums) => void | Promise<void>;
}

export interface Scoring {
  readonly scores: UnitScores;
  readonly passes: readonly PassRecord[];
}

export interface PassRecord {
  readonly name: string;
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
  const passes = planPasses(scorer, input);
  checkCapabilities(scorer, passes, options.model);
  const total = passes.reduce((sum, { samples }) => sum + samples.length, 0);
  const all: PassSums[] = [];
  let before = 0;
  for (const pass of passes) {
    const start = before;
    const place = `score by ${scorer.name} on ${options.model.info.name}`;
    all.push(
      await runPass(
        pass,
        { ...options, place },
        (done, tokens) => options.onProgress?.({ pass: pass.name, done: start + done, total, tokens }),
      ),
    );
    before += pass.samples.length;
  }
  const scores = ask(scorer, "combine", () => scorer.combine(createPooled(passes, all), input));
  checkScores(scorer, scores, options.model);
  return {
    scores,
    passes: passes.map(({ name, samples }, i) => ({
      name,
      samples: samples.length,
      tokens: all[i]?.tokens ?? 0,
    })),
  };
}

interface RunOptions extends ScoringOptions {
  /** For messages. */
  readonly place: string;
}

async function runPass(
  pass: Pass,
  options: RunOptions,
  onChunk: (done: number, tokens: number) => void,
): Promise<PassSums> {
  const { model, signal, tokenBudget, found, commit, place } = options;
  const key = found || commit ? keyOf(pass, options) : "";
  let sums: PassSums = await found?.(key) ?? NOTHING;
  const chunks = chunksOf(pass);
  let done = chunks.slice(0, sums.chunks).reduce((sum, { length }) => sum + length, 0);
  for (const chunk of chunks.slice(sums.chunks)) {
    signal.throwIfAborted();
    const result = await model.run(chunk.map(runSampleOf), requestOf(pass, chunk, tokenBudget));
    sums = added(sums, { pass, chunk, result, place });
    await commit?.(key, sums);
    onChunk(done += chunk.length, result.tokens);
  }
  return sums;
}

function keyOf(pass: Pass, { model, tokenBudget }: RunOptions): string {
  const samples = pass.samples.map((sample) => {
    const { target = null, against = null, answer = null, group } = sample;
    const { id: _, ...asked } = runSampleOf(sample);
    return { ...asked, target, against, answer, group };
  });
  const { objective = null, weight = "none", absolute = false, floor = null, batch = BATCH } = pass;
  const observe = pass.observe.map(({ over = "all", padding = "skip", ...rest }) => ({
    ...rest,
    over,
    padding,
  }));
  const what = { objective, observe, weight, absolute, floor, batch };
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

/** @throws {UserError} naming the scorer for whatever is not a Map of groups of taps of one finite number a unit. */
function checkScores({ name }: Pick<Scorer, "name">, scores: UnitScores, model: Pick<Model, "units">): void {
  const refuse = (state: string, wanted: string): never => {
    throw new UserError(`Cannot score by ${name}: its combine() gave ${state}, wanted ${wanted}`);
  };
  const isFilledMap = (value: unknown) => value instanceof Map && value.size > 0;
  if (!isFilledMap(scores)) refuse(kindOf(scores), "a Map of groups");
  for (const [group, byTap] of scores) {
    const place = `the group ${JSON.stringify(group)}`;
    if (typeof group !== "string") refuse(`a group named ${kindOf(group)}`, "a string");
    if (!isFilledMap(byTap)) refuse(`${kindOf(byTap)} for ${place}`, "a Map of taps");
    for (const [tap, values] of byTap) {
      const units = ask({ name }, "combine", () => model.units(tap));
      if (!(values instanceof Float64Array)) {
        refuse(`${kindOf(values)} for ${tap} in ${place}`, "a Float64Array");
      }
      if (values.length !== units) {
        refuse(`${values.length} scores for ${tap} in ${place}`, `${units}, one a unit`);
      }
      const odd = values.findIndex((value) => !Number.isFinite(value));
      if (odd >= 0) refuse(`${values[odd]} for unit ${odd} of ${tap} in ${place}`, "a finite number");
    }
  }
}

function kindOf(value: unknown): string {
  if (value instanceof Map) return "an empty Map";
  return typeof value === "object" && value !== null
    ? `a value of ${value.constructor?.name}`
    : String(value);
}
