import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../core/error.ts";
import type { Prompt, Tokenizer } from "../../core/mod.ts";
import { encodeChoices, encodePair, encodePrompt } from "../../core/prompt.ts";

const BOS = 1;

/** A token a character (its code point), but "ab" is 500 and " A" is 501; "<s>" is BOS, added in front when `adds`. */
function fakeTokenizer(
  options: { readonly adds?: boolean; readonly bos?: number | undefined } = {},
): Tokenizer {
  const bos = "bos" in options ? options.bos : BOS;
  return {
    bos,
    eos: 2,
    hasChatTemplate: true,
    encode(text, { special = false } = {}) {
      const ids = [...text.matchAll(/<s>|ab| A|./gsu)].map(([token]) =>
        ({ "<s>": BOS, ab: 500, " A": 501 })[token] ?? (token.codePointAt(0) as number)
      );
      return special && options.adds ? [BOS, ...ids] : ids;
    },
    decode: (ids) => String.fromCodePoint(...ids),
    chat: (messages) => messages.map(({ content }) => `[${content}]`).join(""),
  };
}

const ids = (text: string) => [...text].map((c) => c.codePointAt(0) as number);
const text = (text: string): Prompt => ({ kind: "text", text });

Deno.test("encodePair() cuts the continuation off the whole by the prompt's length", () => {
  assertEquals(encodePair(fakeTokenizer(), text("Q:"), " A"), { prompt: ids("Q:"), continuation: [501] });
});

Deno.test("encodePair() moves white space at the prompt's end to the continuation, Python's kinds of it", () => {
  assertEquals(encodePair(fakeTokenizer(), text("Q: "), "A"), { prompt: ids("Q:"), continuation: [501] });
  assertEquals(encodePair(fakeTokenizer(), text("Q\n\x1c "), "x").continuation, ids("\n\x1c x"));
  // U+FEFF is white space to trimEnd(), not to rstrip().
  assertEquals(encodePair(fakeTokenizer(), text("Q\ufeff"), "x").prompt, ids("Q\ufeff"));
});

Deno.test("encodePair() keeps the prompt's own ids where a token spans the border", () => {
  // The whole is [x, 500, c]; the prompt alone [x, a]; what is left beyond two ids is [c], as in the harness.
  assertEquals(encodePair(fakeTokenizer(), text("xa"), "bc"), { prompt: ids("xa"), continuation: ids("c") });
});

Deno.test("encodePair() refuses a continuation that melts into the prompt", () => {
  assertThrows(() => encodePair(fakeTokenizer(), text("xa"), "b"), UserError, "no token is left");
});

Deno.test("encodePair() takes the special tokens that the tokenizer adds, once", () => {
  const tokenizer = fakeTokenizer({ adds: true });
  const expected = { prompt: [BOS, ...ids("Q:")], continuation: [501] };
  assertEquals(encodePair(tokenizer, text("Q:"), " A"), expected);
  assertEquals(encodePair(tokenizer, text("<s>Q:"), " A"), expected);
  assertThrows(() => encodePair(tokenizer, text("<s><s>Q:"), " A"), UserError, "two BOS");
});

Deno.test("encodePair() stands BOS, else EOS, in for an empty prompt", () => {
  assertEquals(encodePair(fakeTokenizer(), text(""), "x"), { prompt: [BOS], continuation: ids("x") });
  assertEquals(encodePair(fakeTokenizer({ bos: undefined }), text(""), "x").prompt, [2]);
  assertThrows(() => encodePair(fakeTokenizer(), text(""), "<s>x"), UserError, "two BOS");
  assertThrows(() => encodePair(fakeTokenizer(), text(" \n"), "x"), UserError, "no token");
});

Deno.test("encodeChoices() encodes a conversation without special tokens, the prefill with it, labels alone", () => {
  const prompt: Prompt = { kind: "chat", messages: [{ role: "user", content: "x" }], prefill: "{ a" };
  const tokenizer = fakeTokenizer({ adds: true });
  // "b" stays apart from the prefill's "a", and the prefill's trailing characters stay where they are.
  assertEquals(encodeChoices(tokenizer, prompt, ["b", "A"]), {
    prompt: ids("[x]{ a"),
    continuations: [ids("b"), ids("A")],
  });
  assertEquals(encodePrompt(tokenizer, prompt), ids("[x]{ a"));
});

Deno.test("encodePrompt() refuses a template that doubles the BOS", () => {
  const tokenizer = { ...fakeTokenizer(), chat: () => "<s><s>x" };
  assertThrows(() => encodePrompt(tokenizer, { kind: "chat", messages: [] }), UserError, "two BOS");
});
