/** From samples to rows that can be fed, in batches of like length; whatever cannot be run is refused here. */
import {
  type Edit,
  type Fault,
  faultOf,
  type ModelInfo,
  type Observation,
  type RunRequest,
  type RunSample,
  type Tap,
  type Tokenizer,
  UserError,
} from "../../../core/mod.ts";
import { unitsOf } from "../architectures/shape.ts";
import { nameOf, type RowToken, run } from "../batching.ts";
import type { Engine } from "../engine.ts";
import { checkEdits } from "../graph/edits.ts";
import { refuseUnknown } from "../known_keys.ts";
import { type Reading, readingsOf } from "./objective.ts";

/** Most logits that a batch reads at once, unless one sample alone reads more: 128 MB of float32. */
const LOGITS = 2 ** 25;

export interface RunnerOptions {
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  /** Refuses token ids that the model cannot take. */
  readonly text: (ids: readonly number[], more: number, name: string) => void;
}

/** A sample ready to be fed. */
export interface Planned {
  readonly index: number;
  /** As nameOf() gives it. */
  readonly name: string;
  readonly tokens: readonly RowToken[];
  readonly promptLength: number;
  readonly edits: readonly Edit[];
  readonly readings: readonly Reading[];
}

export interface PlanOptions extends RunnerOptions {
  readonly request: RunRequest;
}

const REQUEST = ["objective", "observe", "edits", "tokenBudget", "batch"] satisfies (keyof RunRequest)[];

/** @throws {UserError} for whatever cannot be run. */
export function plan(
  engine: Engine,
  samples: readonly RunSample[],
  options: PlanOptions,
): readonly Planned[] {
  const { info, tokenizer, text, request } = options;
  const { objective, observe = [], edits = [], batch, tokenBudget } = request;
  refuseUnknown(`run samples on ${info.name}`, request, REQUEST);
  const { shape } = engine;
  const taps = new Set([...edits, ...samples.flatMap((sample) => sample.edits ?? [])].map(({ tap }) => tap));
  checkEdits(edits, shape);
  for (const observation of observe) checkObservation(engine, observation, { ...options, taps });
  for (const [name, count] of Object.entries({ batch, tokenBudget })) {
    if (count === undefined || (Number.isInteger(count) && count > 0)) continue;
    throw new UserError(
      `Cannot run samples on ${info.name}: ${name} is ${count}, wanted a whole number from 1`,
    );
  }
  samples.forEach((sample, index) => {
    const { prompt, continuations = [] } = sample, name = nameOf(index, sample);
    if (continuations.some((ids) => ids.length === 0)) {
      throw new UserError(
        `Cannot run ${name} on ${info.name}: a continuation is empty, wanted one token or more`,
      );
    }
    text(prompt, 0, name);
    for (const ids of continuations) text([...prompt, ...ids], -1, name);
    const length = prompt.length + Math.max(0, ...continuations.map((ids) => ids.length - 1));
    checkEdits(sample.edits ?? [], shape, length);
    checkEdits(edits.filter(({ from }) => from), shape, length);
    if (continuations.every((ids) => ids.length < 2)) {
      const bad = observe.find(({ over }) => over === "completion");
      if (bad) {
        throw new UserError(
          `Cannot observe ${bad.tap} over the completion on ${info.name}: ${name} runs no token of one, wanted a continuation of two tokens or more`,
        );
      }
    }
  });
  if (!objective && observe.length === 0) {
    throw new UserError(
      `Cannot run samples on ${info.name}: there is nothing to look at, wanted an objective or observe`,
    );
  }
  const readings = objective
    ? readingsOf(objective, samples, { tokenizer, vocab: shape.vocab, model: info.name })
    : [];
  return samples.map((sample, index) => ({
    index,
    name: nameOf(index, sample),
    tokens: tokensOf(sample),
    promptLength: sample.prompt.length,
    edits: [...edits, ...sample.edits ?? []],
    readings: readings[index] ?? [],
  }));
}

/** @throws {UserError} for a tap the model has not, or a quantity that the objective does not give. */
function checkObservation(
  { shape }: Engine,
  observation: Observation,
  { request: { objective }, info, taps }: PlanOptions & { readonly taps: ReadonlySet<Tap> },
): void {
  const { tap, quantity } = observation;
  const refuse = ({ state, wanted }: Fault) => {
    throw new UserError(`Cannot observe ${quantity} at ${tap} on ${info.name}: ${state}, wanted ${wanted}`);
  };
  unitsOf(shape, tap);
  const fault = faultOf(observation, objective?.kind);
  if (fault) refuse(fault);
  if (quantity !== "direct") return;
  const changed = [...taps].find((edited) =>
    /\.resid_(pre|post)$/.test(edited) ||
    (tap.endsWith(".attn.head") && edited === tap.replace("attn.head", "attn.out"))
  );
  if (changed) {
    refuse({ state: `${changed} is edited, which changes what arrives`, wanted: "edits at other taps" });
  }
}

/** The prompt, then each continuation but its last token, as a branch of its own. */
function tokensOf({ prompt, continuations = [] }: RunSample): readonly RowToken[] {
  const tokens = run(prompt, false);
  for (const ids of continuations) {
    ids.slice(0, -1).forEach((id, t) =>
      tokens.push({ id, parent: t === 0 ? prompt.length - 1 : tokens.length - 1, generated: true })
    );
  }
  return tokens;
}

/** Samples of like length, longest first, under the budgets of tokens and logits. */
export function planBatches(
  planned: readonly Planned[],
  budget: number,
  vocab: number,
): readonly (readonly Planned[])[] {
  const sorted = planned.toSorted((a, b) => b.tokens.length - a.tokens.length || a.index - b.index);
  const batches: Planned[][] = [];
  let logits = 0;
  for (const sample of sorted) {
    const current = batches.at(-1), reads = rowsRead(sample).length * vocab;
    const fits = current && (current.length + 1) * current[0]!.tokens.length <= budget &&
      logits + reads <= LOGITS;
    if (fits) current.push(sample);
    else batches.push([sample]);
    logits = fits ? logits + reads : reads;
  }
  return batches;
}

/** Places of a row whose logits are read, each once. */
export const rowsRead = ({ readings }: Planned) => [...new Set(readings.map(({ token }) => token))];
