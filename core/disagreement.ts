/** How far a model that is not computed in its reference way is from itself in that. */
import { sha256 } from "./hash.ts";
import type { Inspected } from "./memory.ts";
import type { ModelRecord, Results } from "./results.ts";
import type { RunStore } from "./store/store.ts";

/** On a text of the backend's own, token for token. */
export interface Disagreement {
  /** The reference way, in a word: "float32". */
  readonly reference: string;
  /** Places of the text, and at how many of them the most probable next token is the reference's. */
  readonly places: number;
  readonly same: number;
  /** Mean and largest distance of the log-probability of the text's own next token, in nats. */
  readonly mean: number;
  readonly most: number;
}

/** @param name of the model, marked */
export function disagreementText(
  name: string,
  { reference, places, same, mean, most }: Disagreement,
): string {
  return `${name} beside ${reference}, on a text of ${places} tokens: the most probable next token is the same at ${same} of ` +
    `${places} places, log-probabilities are ${mean.toPrecision(2)} nats apart on average, ${
      most.toPrecision(2)
    } at most`;
}

interface Opened {
  readonly record: ModelRecord;
  readonly inspected: Inspected;
}

const keyOf = ({ info: { hash } }: ModelRecord) =>
  sha256(["disagreement", hash.weights, hash.tokenizer, hash.config].join("\n"));

/** Keeps what an opening has found beside the outcomes that were computed with it. */
export function keepDisagreement({ record, inspected }: Opened, store: RunStore): void {
  const about = inspected.disagreement?.();
  if (about) store.saveNumbers(keyOf(record), { about: { ...about }, arrays: [] });
}

/** A model with what is kept of that. */
export function recordOf({ record }: Pick<Opened, "record">, store: RunStore): ModelRecord {
  const kept = record.info.variant === undefined ? undefined : store.numbers(keyOf(record));
  return kept ? { ...record, disagreement: kept.about as unknown as Disagreement } : record;
}

/** A sentence for each model of a run, and each opening by a treatment, that is not computed in its reference way. */
export function disagreementSentences(
  { models, treatments }: Pick<Results, "models" | "treatments">,
): string[] {
  const records = [
    ...models,
    ...treatments.flatMap(({ opened = [] }) => opened.map((each) => each.opened)),
  ];
  const sentences = records.flatMap(({ label, info, disagreement }) =>
    info.variant === undefined ? [] : [
      disagreement
        ? `${disagreementText(label, disagreement)}.`
        : `${label} was not compared with itself in its reference way.`,
    ]
  );
  return [...new Set(sentences)];
}
