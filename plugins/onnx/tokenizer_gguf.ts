/**
 * The tokenizer inside a GGUF, written as the object of a tokenizer.json.
 *
 * "gpt2" is byte-level byte-pair encoding with its merges stored. "llama" is SentencePiece's byte-pair encoding, which stores a
 * score a token and merges the pair whose result scores best; the merges are worked out from the scores, as transformers does
 * for SentencePiece models. Source of the fields: docs/gguf.md in ggml; of the defaults: llama.cpp's vocabulary loader.
 */
import { UserError } from "../../core/mod.ts";
import type { TokenizerParts } from "./tokenizer.ts";
import { byteLevel, GGUF_PRE } from "./tokenizer_pre.ts";
import type { GgufMetadata } from "./weights/gguf.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Kinds of tokens in `tokenizer.ggml.token_type`. */
const NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4;
const SPACE = "\u2581";

/** @throws {UserError} for a vocabulary or a pre-tokenizer that is not known, naming those that are. */
export function partsOfGguf(metadata: GgufMetadata, path: string): TokenizerParts {
  const vocabulary = readVocabulary(metadata, path);
  const make = MAKERS[vocabulary.model];
  if (!make) {
    const known = Object.keys(MAKERS).join(", ");
    throw fail(path, `tokenizer.ggml.model is ${vocabulary.model}`, `one of ${known}`);
  }
  const { addBos, cleanUp, ...made } = make(vocabulary);
  const { bos, eos, flag } = vocabulary;
  const template = metadata.get("tokenizer.chat_template");
  return {
    json: {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: addedTokens(vocabulary),
      ...made,
      post_processor: postProcessor(vocabulary, {
        before: flag("add_bos_token", addBos) ? bos : undefined,
        after: flag("add_eos_token", false) ? eos : undefined,
      }),
    },
    identity: JSON.stringify(
      [...metadata].filter(([key]) => key.startsWith("tokenizer.ggml.")).toSorted((
        [a],
        [b],
      ) => (a < b ? -1 : 1)),
    ),
    bos,
    eos,
    chatTemplate: typeof template === "string" ? template : undefined,
    cleanUp,
  };
}

interface Vocabulary {
  readonly path: string;
  readonly model: string;
  readonly pre: string;
  readonly tokens: readonly string[];
  readonly types: readonly number[];
  readonly scores: readonly number[];
  readonly merges: readonly string[];
  readonly bos: string | undefined;
  readonly eos: string | undefined;
  readonly unknown: string | undefined;
  flag(name: string, otherwise: boolean): boolean;
}

interface Made {
  readonly model: Fields;
  readonly normalizer: Fields | null;
  readonly pre_tokenizer: Fields | null;
  readonly decoder: Fields;
  readonly addBos: boolean;
  readonly cleanUp: boolean;
}

const MAKERS: Readonly<Record<string, (vocabulary: Vocabulary) => Made>> = {
  gpt2: makeByteLevel,
  llama: makeSentencePiece,
};

function makeByteLevel({ path, pre, tokens, merges }: Vocabulary): Made {
  const cut = GGUF_PRE[pre];
  if (!cut) {
    throw fail(path, `tokenizer.ggml.pre is ${pre}`, `one of ${Object.keys(GGUF_PRE).join(", ")}`);
  }
  if (merges.length === 0) {
    throw fail(path, "tokenizer.ggml.merges is missing or empty", "the merges of a gpt2 vocabulary");
  }
  return {
    model: {
      ...bytePairs(tokens, merges.map(pairOf)),
      byte_fallback: false,
      ignore_merges: cut.ignoreMerges,
    },
    normalizer: null,
    pre_tokenizer: byteLevel(cut.splits),
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
    addBos: cut.addBos,
    cleanUp: false,
  };
}

function makeSentencePiece(vocabulary: Vocabulary): Made {
  const { path, tokens, scores, unknown, flag } = vocabulary;
  if (scores.length !== tokens.length) {
    throw fail(path, `tokenizer.ggml.scores has ${scores.length} numbers`, `${tokens.length}, one a token`);
  }
  const prefix = flag("add_space_prefix", true);
  const spaces = { type: "Replace", pattern: { String: " " }, content: SPACE };
  const strip = { type: "Strip", content: " ", start: 1, stop: 0 };
  return {
    model: {
      ...bytePairs(tokens, mergesByScore(vocabulary)),
      byte_fallback: true,
      ignore_merges: false,
      unk_token: unknown ?? null,
    },
    normalizer: prefix ? sequence("normalizers", [{ type: "Prepend", prepend: SPACE }, spaces]) : spaces,
    pre_tokenizer: null,
    decoder: sequence("decoders", [
      { type: "Replace", pattern: { String: SPACE }, content: " " },
      { type: "ByteFallback" },
      { type: "Fuse" },
      ...(prefix ? [strip] : []),
    ]),
    addBos: true,
    cleanUp: false,
  };
}

/** Every way in which two tokens make a third, best score first; of one score, the pair of earlier tokens first. */
function mergesByScore({ tokens, types, scores }: Vocabulary): [string, string][] {
  const ids = new Map(
    tokens.map((token, id) => [token, id] as const).filter(([, id]) => types[id] === NORMAL),
  );
  const found: { readonly id: number; readonly left: number; readonly right: number }[] = [];
  for (const [token, id] of ids) {
    for (let cut = 1; cut < token.length; cut++) {
      const left = ids.get(token.slice(0, cut)), right = ids.get(token.slice(cut));
      if (left !== undefined && right !== undefined) found.push({ id, left, right });
    }
  }
  found.sort((a, b) => scores[b.id]! - scores[a.id]! || a.left - b.left || a.right - b.right);
  return found.map(({ left, right }) => [tokens[left]!, tokens[right]!]);
}

function bytePairs(tokens: readonly string[], merges: readonly (readonly [string, string])[]): Fields {
  return {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges,
  };
}

/** A merge is stored as its two tokens with a space between; the first is never empty, and may be a space itself. */
function pairOf(merge: string): [string, string] {
  const cut = merge.indexOf(" ", 1);
  return [merge.slice(0, cut), merge.slice(cut + 1)];
}

function addedTokens({ tokens, types }: Vocabulary): Fields[] {
  return tokens.flatMap((content, id) => {
    const type = types[id];
    if (type !== CONTROL && type !== USER_DEFINED && type !== UNKNOWN) return [];
    const special = type !== USER_DEFINED;
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
}

interface Ends {
  readonly before: string | undefined;
  readonly after: string | undefined;
}

function postProcessor({ tokens }: Vocabulary, { before, after }: Ends): Fields | null {
  const special = (token: string | undefined, type_id: number) =>
    token === undefined ? [] : [{ SpecialToken: { id: token, type_id } }];
  const ends = [before, after].filter((token) => token !== undefined);
  if (ends.length === 0) return null;
  const around = (id: string, type_id: number) => [
    ...special(before, type_id),
    { Sequence: { id, type_id } },
    ...special(after, type_id),
  ];
  return {
    type: "TemplateProcessing",
    single: around("A", 0),
    pair: [...around("A", 0), ...around("B", 1)],
    special_tokens: Object.fromEntries(
      ends.map((token) => [token, { id: token, ids: [tokens.indexOf(token)], tokens: [token] }]),
    ),
  };
}

function sequence(of: string, parts: readonly Fields[]): Fields {
  return { type: "Sequence", [of]: parts };
}

function readVocabulary(metadata: GgufMetadata, path: string): Vocabulary {
  const read = (name: string) => metadata.get(`tokenizer.ggml.${name}`);
  const list = <T>(name: string, is: (value: unknown) => value is T): readonly T[] => {
    const value = read(name) ?? [];
    if (Array.isArray(value) && value.every(is)) return value;
    throw fail(path, `tokenizer.ggml.${name} is not a list of one type`, "one");
  };
  const isString = (value: unknown) => typeof value === "string";
  const isNumber = (value: unknown) => typeof value === "number";
  const tokens = list("tokens", isString);
  if (tokens.length === 0) throw fail(path, "tokenizer.ggml.tokens is missing or empty", "a vocabulary");
  const types = list("token_type", isNumber);
  if (types.length !== 0 && types.length !== tokens.length) {
    throw fail(
      path,
      `tokenizer.ggml.token_type has ${types.length} entries`,
      `${tokens.length}, one a token`,
    );
  }
  const token = (name: string) => {
    const id = read(`${name}_token_id`);
    if (id === undefined) return undefined;
    const text = typeof id === "number" ? tokens[id] : undefined;
    if (text === undefined) {
      throw fail(path, `tokenizer.ggml.${name}_token_id is ${id}`, `0 to ${tokens.length - 1}`);
    }
    return text;
  };
  return {
    path,
    model: String(read("model") ?? "missing"),
    pre: String(read("pre") ?? "missing"),
    tokens,
    types: types.length === 0 ? tokens.map(() => NORMAL) : types,
    scores: list("scores", isNumber),
    merges: list("merges", isString),
    bos: token("bos"),
    eos: token("eos"),
    unknown: token("unknown"),
    flag: (name, otherwise) => {
      const value = read(name);
      return typeof value === "boolean" ? value : otherwise;
    },
  };
}

function fail(path: string, state: string, wanted: string): UserError {
  return new UserError(`Cannot read the tokenizer of ${path}: ${state}, wanted ${wanted}`);
}
