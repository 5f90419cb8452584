/** Answers of a sweep: what several arms or items have in common is asked for once. */
import { canonicalEdits } from "./arms.ts";
import { UserError } from "./error.ts";
import { canonicalJson } from "./hash.ts";
import type { Edit, Model, Recording, ScoreRequest, ScoreResult } from "./model.ts";
import type { SweepOptions } from "./sweep.ts";

/** Asks the model for what is not yet known, and measures it. */
export function createAnswers(
  model: Pick<Model, "score">,
  requests: readonly ScoreRequest[],
  options: SweepOptions,
) {
  const { arms, measure, base = [], signal, tokenBudget } = options;
  const key = createKeys();
  const texts = requests.map(({ prompt, continuations, edits = [] }) =>
    JSON.stringify([prompt, continuations, key(edits)])
  );
  const places = placesOf(texts), columns = placesOf([key([]), ...arms.map(({ edits }) => key(edits))]);
  const known = new Map<string, ScoreResult>(), isRepeated = new Set(places).size < requests.length;
  const nameOf = (index: number, column: number) => `${places[index]} ${columns[column]}`;
  let tokens = 0;

  /** @param wanted columns, base first: the arm at i has column i + 1. */
  async function compute(chunk: readonly number[], wanted: readonly number[]): Promise<void> {
    const asked = new Map<string, ScoreRequest>();
    for (const index of chunk) {
      const { edits: own = [], ...request } = requests[index]!;
      for (const column of wanted) {
        const name = nameOf(index, column), edits = [...own, ...arms[column - 1]?.edits ?? []];
        if (!known.has(name) && !asked.has(name)) asked.set(name, { ...request, edits });
      }
    }
    const names = [...asked.keys()], budget = tokenBudget === undefined ? {} : { tokenBudget };
    for await (const batch of model.score([...asked.values()], { edits: base, ...budget })) {
      signal?.throwIfAborted();
      tokens += batch.tokens;
      batch.indices.forEach((place, i) => known.set(names[place]!, batch.results[i]!));
    }
  }

  function read(index: number, column: number): number {
    const value = measure(known.get(nameOf(index, column))!, index);
    if (Number.isFinite(value)) return value;
    const under = column === 0 ? "the base" : `arm ${JSON.stringify(arms[column - 1]!.name)}`;
    throw new UserError(
      `Cannot sweep: the measure of item ${index + 1} under ${under} is ${value}, wanted a finite number`,
    );
  }

  return {
    tokens: () => tokens,
    async measure(chunk: readonly number[], open: readonly number[]) {
      await compute(chunk, [0, ...open.map((arm) => arm + 1)]);
      const found = {
        base: chunk.map((index) => read(index, 0)),
        arms: open.map((arm) => chunk.map((index) => read(index, arm + 1))),
      };
      if (!isRepeated) known.clear();
      return found;
    },
  };
}

/** Where each text stands first. */
function placesOf(texts: readonly string[]): number[] {
  const first = new Map<string, number>();
  texts.forEach((text, i) => first.has(text) || first.set(text, i));
  return texts.map((text) => first.get(text)!);
}

/** One spelling for edits that do the same; recordings are told apart by what they are, not by what they hold. */
function createKeys() {
  const recordings = new Map<Recording, number>();
  return (edits: readonly Edit[]): string => {
    if (edits.every(({ from }) => from === undefined)) return canonicalJson(canonicalEdits(edits));
    return canonicalJson(edits.map(({ from, ...edit }) => {
      if (from && !recordings.has(from)) recordings.set(from, recordings.size);
      return from ? { ...edit, recording: recordings.get(from)! } : edit;
    }));
  };
}
