/** What a model cannot take: texts, counts, edits and requests, refused in one line. */
import { type Edit, type ModelInfo, type ScoreRequest, type Tokenizer, UserError } from "../../core/mod.ts";
import type { Hyperparameters } from "./architectures/shape.ts";
import { nameOf } from "./batching.ts";
import { checkEdits } from "./graph/edits.ts";

/** Refuses token ids that the model cannot take. @param more tokens that come after them */
export type TextCheck = (ids: readonly number[], more: number, name: string) => void;

export function textCheck(
  info: Pick<ModelInfo, "name" | "contextLength" | "vocab">,
  tokenizer: Pick<Tokenizer, "bos">,
): TextCheck {
  return (ids, more, name) => {
    const refuse = (state: string) => {
      throw new UserError(`Cannot run ${name} on ${info.name}: ${state}`);
    };
    if (ids.length === 0) refuse("it has no tokens, wanted at least one");
    if (ids.length + more > info.contextLength) {
      refuse(`${ids.length + more} tokens, wanted at most the context length of ${info.contextLength}`);
    }
    if (tokenizer.bos !== undefined && ids[0] === tokenizer.bos && ids[1] === tokenizer.bos) {
      refuse("two leading BOS tokens, wanted one at most");
    }
    const strange = ids.find((id) => !(Number.isInteger(id) && id >= 0 && id < info.vocab));
    if (strange !== undefined) refuse(`token id ${strange}, wanted one in [0, ${info.vocab})`);
  };
}

/** Refuses what the model cannot take, before anything is computed. */
export function createChecker(
  info: ModelInfo,
  { shape, tokenizer }: { readonly shape: Hyperparameters; readonly tokenizer: Tokenizer },
) {
  const text = textCheck(info, tokenizer);
  return {
    text,
    counts(counts: Readonly<Record<string, number>>) {
      for (const [name, count] of Object.entries(counts)) {
        if (Number.isInteger(count) && count > 0) continue;
        throw new UserError(
          `Cannot generate on ${info.name}: ${name} is ${count}, wanted a whole number from 1`,
        );
      }
    },
    edits: (edits: readonly Edit[] = [], tokens?: number) => checkEdits(edits, shape, tokens),
    request(request: ScoreRequest, index: number, common: readonly Edit[]) {
      const name = nameOf(index, request);
      if (request.continuations.some((ids) => ids.length === 0)) {
        throw new UserError(
          `Cannot score ${name} on ${info.name}: a continuation is empty, wanted one token or more`,
        );
      }
      const { prompt, continuations } = request;
      const length = prompt.length + Math.max(0, ...continuations.map((ids) => ids.length - 1));
      text(prompt, length - prompt.length, name);
      // The last token of a continuation is read, not run: it counts for the vocabulary and not for the context.
      for (const ids of continuations) text([...prompt, ...ids], -1, name);
      checkEdits(request.edits ?? [], shape, length);
      checkEdits(common.filter(({ from }) => from), shape, length);
    },
  };
}
