/**
 * From prompts to token ids, as lm-evaluation-harness 0.4.13 does it for causal models (`TemplateLM._encode_pair` and
 * `HFLM.tok_encode`), and for conversations through the model's chat template.
 *
 * Text: white space at the end of the prompt moves to the front of the continuation; prompt and prompt + continuation are each
 * encoded with the special tokens that the tokenizer adds by default (a BOS where it has that habit, none where it has not, none
 * where the text already begins with the BOS's spelling); the continuation is what the second has beyond the length of the first. Where
 * a token spans the border, prompt ids stay those of the prompt alone and the continuation is still cut by length, so the prompt is the
 * same for every continuation, and its ids and theirs are exactly the harness's. An empty prompt becomes the BOS (else the EOS) id.
 * Differences: an over-long prompt is refused by the model, not cut; an empty continuation is refused here, not by an assertion; a
 * continuation that itself begins with BOS after an empty prompt is refused, where the harness would score its rest.
 *
 * Conversations: the model's template, then the prefill, encoded together with no special token added; each continuation is encoded
 * alone, exactly the label's characters.
 */
import type { Prompt } from "./benchmark.ts";
import { UserError } from "./error.ts";
import type { Tokenizer } from "./model.ts";

/** Python's str.rstrip(), whose idea of white space differs from trimEnd()'s. */
// deno-lint-ignore no-control-regex -- the separators U+001C to U+001F count as white space in Python
const TRAILING_SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/;

/** Token ids of a prompt and of one continuation. */
export interface EncodedPair {
  readonly prompt: number[];
  readonly continuation: number[];
}

/** Token ids of a prompt and of several continuations that share it, in order. */
export interface EncodedChoices {
  readonly prompt: number[];
  readonly continuations: number[][];
}

/** The prompt as text: as it stands, or the conversation in the model's template followed by the prefill. */
export function renderPrompt(tokenizer: Tokenizer, prompt: Prompt): string {
  return prompt.kind === "text" ? prompt.text : tokenizer.chat(prompt.messages) + (prompt.prefill ?? "");
}

/** The prompt after a text and an empty line; in a conversation these begin the user's first message, since not every template has another place. */
export function withPrefix(prompt: Prompt, text: string): Prompt {
  const before = (rest: string) => `${text}\n\n${rest}`;
  if (prompt.kind === "text") return { ...prompt, text: before(prompt.text) };
  const first = prompt.messages.findIndex(({ role }) => role === "user");
  const messages = prompt.messages.map((message, i) =>
    i === first ? { ...message, content: before(message.content) } : message
  );
  return { ...prompt, messages };
}

/** Token ids of the prompt alone, at least one. @throws {UserError} when it has none, or begins with two BOS ids. */
export function encodePrompt(tokenizer: Tokenizer, prompt: Prompt): number[] {
  return encodeChoices(tokenizer, prompt, []).prompt;
}

/** Token ids of a prompt and its continuation, each at least one. @throws {UserError} as `encodeChoices`. */
export function encodePair(tokenizer: Tokenizer, prompt: Prompt, continuation: string): EncodedPair {
  const { prompt: ids, continuations } = encodeChoices(tokenizer, prompt, [continuation]);
  return { prompt: ids, continuation: continuations[0] as number[] };
}

/**
 * Token ids of a prompt and of each continuation; the prompt is encoded once.
 *
 * @throws {UserError} when a part has no token, the ids begin with two BOS, or the model has no chat template for a conversation.
 */
export function encodeChoices(
  tokenizer: Tokenizer,
  prompt: Prompt,
  continuations: readonly string[],
): EncodedChoices {
  const text = renderPrompt(tokenizer, prompt);
  const encoded = prompt.kind === "chat"
    ? { prompt: tokenizer.encode(text), continuations: continuations.map((each) => tokenizer.encode(each)) }
    : encodeText(tokenizer, text, continuations);
  const start = JSON.stringify(text.slice(0, 40));
  if (encoded.prompt.length === 0) {
    throw new UserError(`Cannot encode the prompt ${start}: it has no token, wanted at least one`);
  }
  const { bos } = tokenizer;
  for (const [i, ids] of [[], ...encoded.continuations].entries()) {
    if (i > 0 && ids.length === 0) {
      const label = JSON.stringify(continuations[i - 1]);
      throw new UserError(
        `Cannot encode the answer ${label} after ${start}: no token is left, wanted at least one`,
      );
    }
    const [first, second = ids[0]] = encoded.prompt;
    if (bos !== undefined && first === bos && second === bos) {
      throw new UserError(
        `Cannot encode the prompt ${start}: it begins with two BOS ids (${bos}), wanted at most one`,
      );
    }
  }
  return encoded;
}

function encodeText(tokenizer: Tokenizer, text: string, continuations: readonly string[]): EncodedChoices {
  if (text === "") {
    const prefix = tokenizer.bos ?? tokenizer.eos;
    return {
      prompt: prefix === undefined ? [] : [prefix],
      continuations: continuations.map((each) => tokenizer.encode(each)),
    };
  }
  const context = text.replace(TRAILING_SPACE, "");
  const space = text.slice(context.length);
  const prompt = encodeSpecial(tokenizer, context);
  return {
    prompt,
    continuations: continuations.map((each) =>
      encodeSpecial(tokenizer, context + space + each).slice(prompt.length)
    ),
  };
}

/** With the tokenizer's own special tokens, unless the text already spells the BOS that it would add. */
function encodeSpecial(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.encode(text, { special: true });
  const doubled = tokenizer.bos !== undefined && ids[0] === tokenizer.bos && ids[1] === tokenizer.bos;
  return doubled ? tokenizer.encode(text) : ids;
}
