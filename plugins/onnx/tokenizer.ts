/**
 * Text to token ids and back, and conversations to text, for a tokenizer.json or the vocabulary inside a GGUF.
 *
 * Ids agree with the native tokenizers package and with llama.cpp: where the engine cuts text at other
 * places than they do (tokenizer_pre.ts), its input is rewritten. A GGUF is read as llama.cpp reads it: without the Unicode
 * normalisation that Qwen's tokenizer.json asks for and a GGUF does not state. Chat templates see the names that
 * transformers gives them; `strftime_now`, by which a template can put today's date into a prompt, is pinned to 26 July
 * 2024 (Llama 3.2's own default), so that a prompt does not depend on the day.
 */
import { Template } from "@huggingface/jinja";
import { Tokenizer as Engine } from "@huggingface/tokenizers";
import { type Message, sha256, type Tokenizer, UserError } from "../../core/mod.ts";
import { exactPreTokenizer } from "./tokenizer_pre.ts";
import { partsOfGguf } from "./tokenizer_gguf.ts";
import { parseObject } from "./weights/file.ts";
import type { TokenizerSource } from "./weights/types.ts";

/** A tokenizer and the hashes of what decides its ids and its prompts. */
export interface LoadedTokenizer {
  readonly tokenizer: Tokenizer;
  /** sha256 in hex. */
  readonly hash: string;
  /** sha256 of the template's text, "" when there is none. */
  readonly chatTemplateHash: string;
}

/** What both sources come to. */
export interface TokenizerParts {
  /** The object of a tokenizer.json. */
  readonly json: Readonly<Record<string, unknown>>;
  /** The text whose sha256 is the tokenizer's. */
  readonly identity: string;
  readonly bos: string | undefined;
  readonly eos: string | undefined;
  readonly chatTemplate: string | undefined;
  /** Decoding takes the space off before punctuation, as some old models ask. */
  readonly cleanUp: boolean;
}

/** Makes the tokenizer of a checkpoint; `path` is for messages.
 * @throws {UserError} when it is broken, or of a kind that is not known. */
export function createTokenizer(source: TokenizerSource, path: string): LoadedTokenizer {
  const parts = source.kind === "gguf" ? partsOfGguf(source.metadata, path) : partsOfFiles(source, path);
  const engine = createEngine(parts, path);
  const idOf = (token: string | undefined) => (token === undefined ? undefined : engine.token_to_id(token));
  const chat = createChat(parts, path);
  return {
    hash: sha256(parts.identity),
    chatTemplateHash: parts.chatTemplate === undefined ? "" : sha256(parts.chatTemplate),
    tokenizer: {
      bos: idOf(parts.bos),
      eos: idOf(parts.eos),
      unknown: unknownOf(parts.json, idOf),
      hasChatTemplate: parts.chatTemplate !== undefined,
      encode: (text, { special = false } = {}) =>
        text === "" && !special ? [] : engine.encode(text, { add_special_tokens: special }).ids,
      decode: (ids) => ids.length === 0 ? "" : engine.decode([...ids], { skip_special_tokens: true }),
      chat,
    },
  };
}

/** WordPiece and BPE name the token, Unigram its place. */
function unknownOf({ model }: TokenizerParts["json"], idOf: (token: string) => number | undefined) {
  const { unk_token: token, unk_id: id } = (model ?? {}) as Readonly<Record<string, unknown>>;
  return typeof token === "string" ? idOf(token) : typeof id === "number" ? id : undefined;
}

const KINDS: readonly string[] = ["BPE", "Unigram", "WordPiece"];

function createEngine({ json, cleanUp }: TokenizerParts, path: string): Engine {
  const { type } = (json.model ?? {}) as { readonly type?: unknown };
  // The engine would take any other for a BPE without merges.
  if (!KINDS.includes(String(type))) {
    throw new UserError(
      `Cannot read the tokenizer of ${path}: its model is ${JSON.stringify(type)}, wanted ${
        KINDS.join(", ")
      }`,
    );
  }
  try {
    const exact = { ...json, pre_tokenizer: exactPreTokenizer(json.pre_tokenizer) };
    return new Engine(exact, { clean_up_tokenization_spaces: cleanUp });
  } catch (cause) {
    const state = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(`Cannot read the tokenizer of ${path}: ${oneLine(state)}, wanted a tokenizer.json`, {
      cause,
    });
  }
}

function partsOfFiles(source: TokenizerSource & { readonly kind: "files" }, path: string): TokenizerParts {
  const json = parseObject(source.tokenizer, `tokenizer.json of ${path}`);
  const config = parseObject(source.config, `tokenizer_config.json of ${path}`);
  const bos = contentOf(config.bos_token), eos = contentOf(config.eos_token);
  const cleanUp = config.clean_up_tokenization_spaces === true;
  return {
    json,
    identity: JSON.stringify([source.tokenizer, bos ?? null, eos ?? null, cleanUp]),
    bos,
    eos,
    chatTemplate: source.chatTemplate ?? templateOf(config.chat_template),
    cleanUp,
  };
}

/** A special token is written as its text, or as an object with its text in `content`. */
function contentOf(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

/** One template, or several by name, of which "default" is for conversations. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return undefined;
  const named = value.find((entry: { name?: unknown }) => entry.name === "default") as
    | { template?: unknown }
    | undefined;
  return typeof named?.template === "string" ? named.template : undefined;
}

function createChat(parts: TokenizerParts, path: string): Tokenizer["chat"] {
  const { chatTemplate, bos = "", eos = "" } = parts;
  if (chatTemplate === undefined) {
    return () => {
      throw new UserError(
        `Cannot write a conversation for ${path}: it has no chat template, wanted a chat model`,
      );
    };
  }
  const compile = once(() =>
    new Template(chatTemplate.replaceAll(/\bstrftime_now\b/g, "pinned_strftime_now"))
  );
  return (messages: readonly Message[]) => {
    try {
      return compile().render({
        messages: messages.map((message) => ({ ...message })),
        bos_token: bos,
        eos_token: eos,
        add_generation_prompt: true,
        pinned_strftime_now: pinnedDate,
      });
    } catch (cause) {
      const state = cause instanceof Error ? cause.message : String(cause);
      throw new UserError(
        `Cannot write a conversation for ${path}: its chat template says "${oneLine(state)}"`,
        { cause },
      );
    }
  };
}

/** C's date formats that templates use, for Friday, 26 July 2024, midnight. */
const PINNED: Readonly<Record<string, string>> = {
  a: "Fri",
  A: "Friday",
  b: "Jul",
  B: "July",
  d: "26",
  m: "07",
  y: "24",
  Y: "2024",
  H: "00",
  I: "12",
  M: "00",
  S: "00",
  p: "AM",
  j: "208",
  "%": "%",
};

function pinnedDate(format: string): string {
  return format.replaceAll(/%-?(.)/g, (all, letter: string) => {
    const value = PINNED[letter];
    if (value === undefined) return all;
    return all.startsWith("%-") ? value.replace(/^0+(?=\d)/, "") : value;
  });
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}
