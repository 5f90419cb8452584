import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../core/mod.ts";
import { createTokenizer } from "../../../plugins/onnx/tokenizer.ts";
import { GGUF_PRE } from "../../../plugins/onnx/tokenizer_pre.ts";
import { openFile } from "../../../plugins/onnx/weights/file.ts";
import { type GgufMetadata, type GgufValue, readGguf } from "../../../plugins/onnx/weights/gguf.ts";
import type { TokenizerSource } from "../../../plugins/onnx/weights/types.ts";
import { needs, REAL_MODEL, SHARED } from "../../support.ts";
import { readGolden } from "./weights/golden.ts";

interface Golden {
  readonly ids: number[][];
  readonly disagree: readonly unknown[];
  readonly decoded: string[];
}

interface Chat {
  readonly messages: { role: "system" | "user" | "assistant"; content: string }[];
  readonly text: string;
  readonly ids: number[];
}

const rows = readGolden<string[]>("tokenizer/rows.json");
const STORIES = `${SHARED}/models/stories260K`;

Deno.test(
  "encode() and decode() agree with llama.cpp and native tokenizers on 500 rows of SmolLM2",
  needs("model"),
  () => {
    const golden = readGolden<Golden & { chats: Chat[] }>("tokenizer/smollm2.json");
    assertEquals(golden.disagree, []);
    const { tokenizer } = createTokenizer(ggufSource(REAL_MODEL), REAL_MODEL);
    rows.forEach((row, i) => assertEquals(tokenizer.encode(row), golden.ids[i]!, JSON.stringify(row)));
    rows.forEach((row, i) =>
      assertEquals(tokenizer.decode(golden.ids[i]!), golden.decoded[i]!, JSON.stringify(row))
    );
    assertEquals([tokenizer.bos, tokenizer.eos], [1, 2]);
  },
);

Deno.test(
  "chat() writes SmolLM2's conversations as jinja2 does, and they are encoded without tokens added",
  needs("model"),
  () => {
    const { chats } = readGolden<{ chats: Chat[] }>("tokenizer/smollm2.json");
    const { tokenizer } = createTokenizer(ggufSource(REAL_MODEL), REAL_MODEL);
    for (const { messages, text, ids } of chats) {
      assertEquals(tokenizer.chat(messages), text);
      assertEquals(tokenizer.encode(text), ids);
    }
  },
);

Deno.test(
  "encode() and decode() agree with llama.cpp and native tokenizers on 500 rows of stories260K",
  needs("shared"),
  () => {
    const golden = readGolden<Golden & { special: number[] }>("tokenizer/stories260k.json");
    assertEquals(golden.disagree, []);
    const files = {
      kind: "files",
      tokenizer: Deno.readTextFileSync(`${STORIES}/tokenizer.json`),
      config: Deno.readTextFileSync(`${STORIES}/tokenizer_config.json`),
    } as const;
    for (const source of [files, sentencePiece()]) {
      const { tokenizer } = createTokenizer(source, "stories260K");
      rows.forEach((row, i) =>
        assertEquals(tokenizer.encode(row), golden.ids[i]!, `${source.kind} ${JSON.stringify(row)}`)
      );
      // JavaScript's UTF-8 decoder drops a byte order mark at the beginning of a run of byte tokens; ids are not touched by it.
      rows.filter((row) => !row.includes("\ufeff")).forEach((row) => {
        const i = rows.indexOf(row);
        assertEquals(
          tokenizer.decode(golden.ids[i]!),
          golden.decoded[i]!,
          `${source.kind} ${JSON.stringify(row)}`,
        );
      });
      assertEquals(tokenizer.encode(rows[0]!, { special: true }), golden.special);
      assertEquals(tokenizer.encode("", { special: true }), [1]);
      assertEquals([tokenizer.encode(""), tokenizer.decode([])], [[], ""]);
    }
  },
);

Deno.test(
  "createTokenizer() cuts text as llama.cpp does for every known tokenizer.ggml.pre",
  needs("shared"),
  () => {
    const golden = readGolden<Record<string, Partial<Golden> & { sameAs?: string }>>("tokenizer/pre.json");
    assertEquals(Object.keys(golden).toSorted(), Object.keys(GGUF_PRE).toSorted());
    const metadata = gpt2Metadata();
    for (const [pre, { sameAs, disagree }] of Object.entries(golden)) {
      const ids = golden[sameAs ?? pre]!.ids!;
      assertEquals(disagree ?? [], []);
      const { tokenizer } = createTokenizer(withEntries(metadata, { pre }), pre);
      rows.forEach((row, i) => assertEquals(tokenizer.encode(row), ids[i]!, `${pre} ${JSON.stringify(row)}`));
    }
  },
);

Deno.test(
  "createTokenizer() cuts text as llama.cpp does for the pre-tokenizers that a tokenizer.json writes",
  needs("shared"),
  () => {
    const golden = readGolden<Record<string, Partial<Golden>>>("tokenizer/pre.json");
    const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    const llama3 = String
      .raw`|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
    const split = {
      type: "Split",
      pattern: { Regex: contractions + llama3 },
      behavior: "Isolated",
      invert: false,
    };
    const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
    const sequence = (...pretokenizers: unknown[]) => ({ type: "Sequence", pretokenizers });
    const written = {
      smollm: sequence({ type: "Digits", individual_digits: true }, bytes),
      "gpt-2": bytes,
      "llama-bpe": sequence(split, { ...bytes, use_regex: false }),
    };
    for (const [name, pre_tokenizer] of Object.entries(written)) {
      const tokenizer = JSON.stringify({ ...gpt2Json(name === "llama-bpe"), pre_tokenizer });
      const { encode } = createTokenizer({ kind: "files", tokenizer, config: "{}" }, name).tokenizer;
      rows.forEach((row, i) =>
        assertEquals(encode(row), golden[name]!.ids![i]!, `${name} ${JSON.stringify(row)}`)
      );
    }
  },
);

Deno.test("encode() adds a beginning of sequence for a GGUF only with special, as add_bos_token says", () => {
  const encode = (entries: Record<string, GgufValue>) =>
    createTokenizer(tinyGguf(entries), "tiny").tokenizer.encode("ab", { special: true });
  assertEquals(encode({ add_bos_token: false }), [5]);
  assertEquals(encode({ add_bos_token: true }), [0, 5]);
  assertEquals(encode({ add_bos_token: true, add_eos_token: true }), [0, 5, 1]);
  assertEquals(encode({ pre: "llama-bpe" }), [0, 5]);
  assertEquals(createTokenizer(tinyGguf({ add_bos_token: true }), "tiny").tokenizer.encode("ab"), [5]);
});

Deno.test("encode() finds control and user-defined tokens in the text, decode() leaves out control tokens alone", () => {
  const { tokenizer } = createTokenizer(tinyGguf({}), "tiny");
  assertEquals(tokenizer.encode("<s>ab<user>a"), [0, 5, 2, 3]);
  assertEquals(tokenizer.decode([0, 5, 2, 3, 1]), "ab<user>a");
});

Deno.test("createTokenizer() refuses an unknown tokenizer.ggml.pre and names the known", () => {
  assertThrows(
    () => createTokenizer(tinyGguf({ pre: "klingon" }), "m.gguf"),
    UserError,
    "tokenizer.ggml.pre is klingon, wanted one of smollm, starcoder, refact, gpt-2, llama-bpe, llama3, qwen2",
  );
});

Deno.test("createTokenizer() refuses a vocabulary that is unknown or does not fit together", () => {
  const broken: readonly [Record<string, GgufValue>, string][] = [
    [{ model: "bert" }, "tokenizer.ggml.model is bert, wanted one of gpt2, llama"],
    [{ merges: [] }, "tokenizer.ggml.merges is missing or empty"],
    [{ tokens: [] }, "tokenizer.ggml.tokens is missing or empty"],
    [{ token_type: [1] }, "tokenizer.ggml.token_type has 1 entries, wanted 6"],
    [{ bos_token_id: 99 }, "tokenizer.ggml.bos_token_id is 99, wanted 0 to 5"],
    [{ model: "llama", scores: [0] }, "tokenizer.ggml.scores has 1 numbers, wanted 6"],
  ];
  for (const [entries, message] of broken) {
    assertThrows(() => createTokenizer(tinyGguf(entries), "m.gguf"), UserError, message);
  }
  assertThrows(
    () => createTokenizer({ kind: "files", tokenizer: "{}", config: "{}" }, "m"),
    UserError,
    "m: ",
  );
  assertThrows(
    () => createTokenizer({ kind: "files", tokenizer: "{", config: "{}" }, "m"),
    UserError,
    "not JSON",
  );
});

Deno.test("chat() pins strftime_now to one day and reports what a template raises", () => {
  const render = (template: string) =>
    createTokenizer(tinyGguf({}, template), "tiny").tokenizer.chat([{ role: "user", content: "x" }]);
  assertEquals(
    render("{{ strftime_now('%d %b %Y') }} {{ strftime_now('%-H:%M %A') }}"),
    "26 Jul 2024 0:00 Friday",
  );
  assertEquals(render("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"), "<s>x</s>");
  assertThrows(
    () => render("{{ raise_exception('no users') }}"),
    UserError,
    'its chat template says "no users"',
  );
  assertThrows(() => render("{% if %}"), UserError, "chat template");
});

Deno.test("chat() is refused without a template; chat_template.jinja goes before tokenizer_config.json", () => {
  const tokenizer = JSON.stringify({ ...EMPTY, added_tokens: [] });
  const make = (config: unknown, chatTemplate?: string) =>
    createTokenizer(
      { kind: "files", tokenizer, config: JSON.stringify(config), ...(chatTemplate ? { chatTemplate } : {}) },
      "m",
    );
  const none = make({});
  assertEquals([none.tokenizer.hasChatTemplate, none.chatTemplateHash], [false, ""]);
  assertThrows(() => none.tokenizer.chat([]), UserError, "m: it has no chat template");
  assertEquals(make({ chat_template: "one" }, "two").tokenizer.chat([]), "two");
  const named = [{ name: "tools", template: "t" }, { name: "default", template: "d" }];
  assertEquals(make({ chat_template: named }).tokenizer.chat([]), "d");
});

Deno.test("hash changes with the ids a tokenizer gives and not with its chat template", () => {
  const hashes = (entries: Record<string, GgufValue>, template?: string) =>
    createTokenizer(tinyGguf(entries, template), "t");
  const { hash, chatTemplateHash } = hashes({}, "a");
  assertEquals(hashes({}, "b").hash, hash);
  assert(hashes({}, "b").chatTemplateHash !== chatTemplateHash);
  assert(hashes({ add_bos_token: true }, "a").hash !== hash);
});

/** Parts of a tokenizer.json that say nothing. */
const EMPTY = {
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
  model: { type: "BPE", vocab: { a: 0 }, merges: [] },
};

function ggufSource(path: string): TokenizerSource {
  using file = openFile(path);
  return { kind: "gguf", metadata: readGguf(file).metadata };
}

function withEntries(metadata: GgufMetadata, entries: Record<string, GgufValue>): TokenizerSource {
  const prefixed = Object.entries(entries).map(([key, value]) => [`tokenizer.ggml.${key}`, value] as const);
  return { kind: "gguf", metadata: new Map([...metadata, ...prefixed]) };
}

/** Six tokens: bos, eos, a user-defined one, and byte-level a, b, ab. */
function tinyGguf(entries: Record<string, GgufValue>, template?: string): TokenizerSource {
  const base = {
    model: "gpt2",
    pre: "gpt-2",
    tokens: ["<s>", "</s>", "<user>", "a", "b", "ab"],
    token_type: [3, 3, 4, 1, 1, 1],
    merges: ["a b"],
    bos_token_id: 0,
    eos_token_id: 1,
  };
  const metadata = template === undefined ? new Map() : new Map([["tokenizer.chat_template", template]]);
  return withEntries(metadata, { ...base, ...entries });
}

/** stories260K's vocabulary as a GGUF states it: tokens and scores, no merges. */
function sentencePiece(): TokenizerSource {
  const json = JSON.parse(Deno.readTextFileSync(`${STORIES}/tokenizer.json`)) as {
    model: { vocab: Record<string, number> };
  };
  const tokens = Object.entries(json.model.vocab).toSorted((a, b) => a[1] - b[1]).map(([token]) => token);
  const bytes = Deno.readFileSync(`${STORIES}/tok512.bin`);
  const view = new DataView(bytes.buffer);
  const scores: number[] = [];
  for (let at = 4; at < bytes.length; at += 8 + view.getInt32(at + 4, true)) {
    scores.push(view.getFloat32(at, true));
  }
  const kind = (token: string, id: number) => id === 0 ? 2 : id < 3 ? 3 : /^<0x..>$/.test(token) ? 6 : 1;
  return withEntries(new Map(), {
    model: "llama",
    tokens,
    scores,
    token_type: tokens.map(kind),
    bos_token_id: 1,
    eos_token_id: 2,
    unknown_token_id: 0,
  });
}

function gpt2Metadata(): GgufMetadata {
  const { tokens, merges } = gpt2();
  const token_type = tokens.map((token) => token === "<|endoftext|>" ? 3 : 1);
  const source = withEntries(new Map(), { model: "gpt2", tokens, token_type, merges });
  return source.kind === "gguf" ? source.metadata : new Map();
}

/** A tokenizer.json without its pre_tokenizer. */
function gpt2Json(ignore_merges: boolean) {
  const { tokens, merges } = gpt2();
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  const end = { id: tokens.length - 1, content: "<|endoftext|>", special: true, normalized: false };
  return { ...EMPTY, added_tokens: [end], model: { type: "BPE", vocab, merges, ignore_merges } };
}

function gpt2(): { readonly tokens: string[]; readonly merges: string[] } {
  const folder = `${SHARED}/models/gpt2-tokenizer`;
  const vocab = JSON.parse(Deno.readTextFileSync(`${folder}/vocab.json`)) as Record<string, number>;
  const lines = Deno.readTextFileSync(`${folder}/merges.txt`).split("\n");
  return {
    tokens: Object.entries(vocab).toSorted((a, b) => a[1] - b[1]).map(([token]) => token),
    merges: lines.filter((line) => line !== "" && !line.startsWith("#version")),
  };
}
