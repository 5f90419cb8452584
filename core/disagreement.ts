/** How far a model that is not computed in its reference way is from itself in that. */
import type { Results } from "./results.ts";

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

/** A sentence for each model of a run, and each opening by a treatment, of which it is known. */
export function disagreementSentences(
  { models, treatments }: Pick<Results, "models" | "treatments">,
): string[] {
  const records = [
    ...models,
    ...treatments.flatMap(({ opened = [] }) => opened.map((each) => each.opened)),
  ];
  const sentences = records.flatMap(({ label, disagreement }) =>
    disagreement ? [`${disagreementText(label, disagreement)}.`] : []
  );
  return [...new Set(sentences)];
}
