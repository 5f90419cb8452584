/** What a model cannot take: options, texts, counts, edits and requests, refused in one line before anything is computed. */
import {
  type Edit,
  type GenerateOptions,
  type ModelInfo,
  type ScoreOptions,
  type ScoreRequest,
  type Tokenizer,
  UserError,
} from "../../core/mod.ts";
import type { Hyperparameters } from "./architectures/shape.ts";
import { nameOf } from "./batching.ts";
import { checkEdits } from "./graph/edits.ts";
import { refuseUnknown } from "./known_keys.ts";

const SCORE = ["edits", "skip", "tokenBudget"] satisfies (keyof ScoreOptions)[];
const GENERATE = [
  "maxNewTokens",
  "edits",
  "promptEdits",
  "patch",
  "stop",
  "batch",
] satisfies (keyof GenerateOptions)[];

/** What every model refuses, whatever is known of its inside. */
export function createTextChecker(
  info: Pick<ModelInfo, "name" | "contextLength" | "vocab">,
  tokenizer: Pick<Tokenizer, "bos">,
) {
  /** Token ids that the model cannot take. @param more tokens that come after them */
  const text = (ids: readonly number[], more: number, name: string) => {
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
  return {
    text,
    scoreOptions: (options: ScoreOptions) => refuseUnknown(`score on ${info.name}`, options, SCORE),
    generateOptions: (options: GenerateOptions) =>
      refuseUnknown(`generate on ${info.name}`, options, GENERATE),
    counts({ maxNewTokens, batch = 1 }: GenerateOptions) {
      for (const [name, count] of Object.entries({ maxNewTokens, batch })) {
        if (Number.isInteger(count) && count > 0) continue;
        throw new UserError(
          `Cannot generate on ${info.name}: ${name} is ${count}, wanted a whole number from 1`,
        );
      }
    },
    /** @returns tokens of its longest text that are run */
    texts(request: ScoreRequest, index: number): number {
      const name = nameOf(index, request), { prompt, continuations } = request;
      if (continuations.some((ids) => ids.length === 0)) {
        throw new UserError(
          `Cannot score ${name} on ${info.name}: a continuation is empty, wanted one token or more`,
        );
      }
      const length = prompt.length + Math.max(0, ...continuations.map((ids) => ids.length - 1));
      text(prompt, length - prompt.length, name);
      // The last token of a continuation is read, not run: it counts for the vocabulary and not for the context.
      for (const ids of continuations) text([...prompt, ...ids], -1, name);
      return length;
    },
  };
}

/** The same with edits, of a model whose inside is known. */
export function createChecker(
  info: ModelInfo,
  { shape, tokenizer }: { readonly shape: Hyperparameters; readonly tokenizer: Tokenizer },
) {
  const check = createTextChecker(info, tokenizer);
  return {
    ...check,
    edits: (edits: readonly Edit[] = [], tokens?: number) => checkEdits(edits, shape, tokens),
    request(request: ScoreRequest, index: number, common: readonly Edit[]) {
      const length = check.texts(request, index);
      checkEdits(request.edits ?? [], shape, length);
      checkEdits(common.filter(({ from }) => from), shape, length);
    },
  };
}
