/** Objectives as weighted readings of logits, checked before anything is computed. */
import {
  type Objective,
  type RunSample,
  spanOf,
  type Target,
  type Tokenizer,
  UserError,
} from "../../../core/mod.ts";
import { nameOf } from "../batching.ts";

/** weight * (logit of `id` right after the token at `token`, minus the row's log-sum-exp where `normalised`). */
export interface Reading {
  /** Place in the sample's row: prompt, then each continuation but its last token. */
  readonly token: number;
  readonly id: number;
  readonly weight: number;
  readonly normalised: boolean;
}

export interface ObjectiveOptions {
  readonly tokenizer: Tokenizer;
  readonly vocab: number;
  /** Name of the model, for messages. */
  readonly model: string;
}

/** Readings of each sample. @throws {UserError} for a target that is not one token, or samples that do not suit the kind. */
export function readingsOf(
  objective: Objective,
  samples: readonly RunSample[],
  options: ObjectiveOptions,
): readonly (readonly Reading[])[] {
  const { kind } = objective;
  const refuse = (state: string, wanted: string): never => {
    throw new UserError(
      `Cannot take the objective ${kind} on ${options.model}: ${state}, wanted ${wanted}`,
    );
  };
  const each = <T>(what: string, given: T | readonly T[]): readonly T[] => {
    if (!Array.isArray(given)) return samples.map(() => given as T);
    if (given.length === samples.length) return given as readonly T[];
    return refuse(`${given.length} ${what} for ${samples.length} samples`, "one, or one a sample");
  };
  const ids = (what: string, given: Target | readonly Target[]) =>
    each(what, given).map((target) => idOf(target, options, refuse));
  const after = ({ prompt }: RunSample) => prompt.length - 1;
  switch (objective.kind) {
    case "probability":
    case "logprob": {
      const targets = ids("targets", objective.target);
      return samples.map((sample, i) => [
        { token: after(sample), id: targets[i]!, weight: 1, normalised: true },
      ]);
    }
    case "logitDifference": {
      const targets = ids("targets", objective.target), against = ids("contrasts", objective.against);
      return samples.map((sample, i) => [
        { token: after(sample), id: targets[i]!, weight: 1, normalised: false },
        { token: after(sample), id: against[i]!, weight: -1, normalised: false },
      ]);
    }
    case "cloze": {
      const answers = each("answers", objective.answer);
      return samples.map((sample, i) => {
        const { continuations = [] } = sample, answer = answers[i]!;
        if (continuations.length < 2) {
          refuse(`${nameOf(i, sample)} has ${continuations.length} continuations`, "two or more");
        }
        if (!(Number.isInteger(answer) && answer >= 0 && answer < continuations.length)) {
          refuse(
            `answer of ${nameOf(i, sample)} is ${answer}`,
            `a whole number in [0, ${continuations.length})`,
          );
        }
        return continuations.flatMap((ids, c) => {
          const weight = c === answer ? 1 : -1 / (continuations.length - 1);
          return continued(sample, c).map((token, t) => ({ token, id: ids[t]!, weight, normalised: true }));
        });
      });
    }
    case "crossEntropy":
      return samples.map((sample, i) => {
        const span = spanOf(objective.span, sample);
        if ("state" in span) return refuse(`${nameOf(i, sample)} has ${span.state}`, span.wanted);
        const [from, to] = span, text = [...sample.prompt, ...sample.continuations?.[0] ?? []];
        // The row holds the text but for the continuation's last token, so position p is predicted after place p - 1.
        return text.slice(from, to).map((id, p) => ({
          token: from + p - 1,
          id,
          weight: -1 / (to - from),
          normalised: true,
        }));
      });
    default:
      return refuse("there is no such kind", "probability, logprob, logitDifference, cloze or crossEntropy");
  }
}

type Refuse = (state: string, wanted: string) => never;

function idOf(target: Target, { tokenizer, vocab }: ObjectiveOptions, refuse: Refuse): number {
  if (typeof target === "string") {
    const ids = tokenizer.encode(target);
    if (ids.length !== 1) {
      refuse(`target ${JSON.stringify(target)} is ${ids.length} tokens`, "one token");
    }
    if (ids[0] === tokenizer.unknown) {
      refuse(`target ${JSON.stringify(target)} is not in the vocabulary`, "one token of it, or an id");
    }
    return ids[0]!;
  }
  if (Number.isInteger(target) && target >= 0 && target < vocab) return target;
  return refuse(`target id is ${target}`, `a whole number in [0, ${vocab})`);
}

/** Places in the row after which the tokens of continuation `c` are predicted. */
function continued({ prompt, continuations = [] }: RunSample, c: number): number[] {
  const start = continuations.slice(0, c).reduce((sum, ids) => sum + ids.length - 1, prompt.length);
  return continuations[c]!.map((_, t) => t === 0 ? prompt.length - 1 : start + t - 1);
}
