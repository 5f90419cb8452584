/**
 * How text is cut before byte pairs are merged.
 *
 * In the native tokenizers \s is Unicode's White_Space (with U+0085, without U+FEFF) and `Digits` cuts at any \p{N}. The tokenizer
 * engine reads the expressions of `Split` so, but not its own of `ByteLevel` and `Digits`, which are therefore written as `Split`.
 * `GGUF_PRE` is the table of `tokenizer.ggml.pre`; its expressions are those of the models' own tokenizer.json, and each name was
 * checked against llama.cpp.
 */

type Fields = Readonly<Record<string, unknown>>;

/** GPT-2's cut: contractions, words, numbers, other marks, each with one space before it; then white space. */
const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/** Llama 3's and Qwen 2's, which differ in how many digits stay together. */
const cased = (digits: string) =>
  String.raw`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}` +
  String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** What `tokenizer.ggml.pre` stands for. */
export interface PreTokenizer {
  /** Cuts, one after another. */
  readonly splits: readonly string[];
  /** A cut that is a token stays whole. */
  readonly ignoreMerges: boolean;
  /** Whether a beginning-of-sequence token is added where `add_bos_token` is not said. */
  readonly addBos: boolean;
}

const digitByDigit: PreTokenizer = { splits: [String.raw`\p{N}`, GPT2], ignoreMerges: false, addBos: false };
const llama3: PreTokenizer = { splits: [cased(String.raw`\p{N}{1,3}`)], ignoreMerges: true, addBos: true };

/** By name. */
export const GGUF_PRE: Readonly<Record<string, PreTokenizer>> = {
  smollm: digitByDigit,
  starcoder: digitByDigit,
  refact: digitByDigit,
  "gpt-2": { splits: [GPT2], ignoreMerges: false, addBos: false },
  "llama-bpe": llama3,
  llama3,
  qwen2: { splits: [cased(String.raw`\p{N}`)], ignoreMerges: false, addBos: false },
};

/** tokenizer.json's pre_tokenizer with the parts that the engine reads otherwise written as `Split`. */
export function exactPreTokenizer(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value ?? null;
  const part = value as Fields;
  if (part.type === "Sequence" && Array.isArray(part.pretokenizers)) {
    return { ...part, pretokenizers: part.pretokenizers.map(exactPreTokenizer) };
  }
  if (part.type === "Digits") return split(String.raw`\p{N}` + (part.individual_digits ? "" : "+"));
  if (part.type === "ByteLevel" && part.use_regex !== false && part.add_prefix_space !== true) {
    return { type: "Sequence", pretokenizers: [split(GPT2), { ...part, use_regex: false }] };
  }
  return part;
}

/** The pre_tokenizer of a byte-level vocabulary with these cuts. */
export function byteLevel(splits: readonly string[]): Fields {
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return { type: "Sequence", pretokenizers: [...splits.map(split), bytes] };
}

function split(regex: string): Fields {
  return { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
}
