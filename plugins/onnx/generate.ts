/** Greedy decoding with a key-value cache, several prompts at a time. */
import type { Edit, GenerateOptions, Generation } from "../../core/mod.ts";
import { run } from "./batching.ts";
import { type FeedRow, feedsOf } from "./feeds.ts";
import type { Engine } from "./engine.ts";
import { ints, scoring } from "./score.ts";

/** Options with every default filled in. */
export interface Decoding {
  readonly maxNewTokens: number;
  /** Of each prompt. */
  readonly editsOf: (index: number) => readonly Edit[];
  readonly stop: ReadonlySet<number>;
  readonly batch: number;
}

/** @param ends ids that end a text unless the options name others */
export function decodingOf(options: GenerateOptions, ends: readonly number[]): Decoding {
  return {
    maxNewTokens: options.maxNewTokens,
    editsOf: (index) => [...options.edits ?? [], ...options.promptEdits?.[index] ?? []],
    stop: new Set(options.stop ?? ends),
    batch: options.batch ?? 8,
  };
}

/** Prompts must have been checked. Batches hold prompts of like length; a text is yielded when it ends. */
export async function* generate(
  engine: Engine,
  prompts: readonly (readonly number[])[],
  decoding: Decoding,
): AsyncGenerator<Generation> {
  const order = prompts.map((_, index) => index).sort((a, b) =>
    prompts[a]!.length - prompts[b]!.length || a - b
  );
  for (let from = 0; from < order.length; from += decoding.batch) {
    yield* generateBatch(
      engine,
      order.slice(from, from + decoding.batch).map((index) => ({ index, prompt: prompts[index]! })),
      decoding,
    );
  }
}

interface Text {
  readonly index: number;
  readonly prompt: readonly number[];
}

/** A text under way: its new tokens, the last of which has not been through the model yet. */
interface Open extends Text {
  readonly tokens: number[];
}

async function* generateBatch(
  engine: Engine,
  texts: readonly Text[],
  decoding: Decoding,
): AsyncGenerator<Generation> {
  const session = await scoring(engine);
  const longest = Math.max(...texts.map(({ prompt }) => prompt.length));
  let open: readonly Open[] = texts.map((text) => ({ ...text, tokens: [] }));
  let step = await advance(
    engine,
    texts.map((text): FeedRow => ({
      tokens: run(text.prompt, false),
      start: 0,
      edits: decoding.editsOf(text.index),
    })),
    {
      past: 0,
      last: texts.map(({ prompt }) => prompt.length - 1),
    },
  );
  // Whoever reads the texts may stop early, or a call may fail: the cache at hand is dropped either way.
  try {
    for (let made = 1;; made++) {
      const ended = new Map<Open, Generation["finish"]>();
      open.forEach((text, row) => {
        const next = step.next[row]!;
        if (decoding.stop.has(next)) ended.set(text, "stop");
        else if (text.tokens.push(next) === decoding.maxNewTokens) ended.set(text, "length");
      });
      for (const [{ index, tokens }, finish] of ended) yield { index, tokens, finish };
      const rows = open.flatMap((text, row) => ended.has(text) ? [] : [row]);
      open = rows.map((row) => open[row]!);
      if (open.length === 0) break;
      const cache = step.cache;
      step = await advance(
        engine,
        open.map((text): FeedRow => ({
          tokens: run([text.tokens.at(-1)!], true),
          start: text.prompt.length + text.tokens.length - 1,
          // Keys of shorter prompts are padded up to the longest; what was generated comes after.
          past: (key) => key < text.prompt.length || key >= longest,
          edits: decoding.editsOf(text.index),
        })),
        { past: longest + made - 1, last: open.map(() => 0), from: { cache, rows } },
      );
      await session.drop(cache);
    }
  } finally {
    await session.drop(step.cache);
  }
}

interface Advance {
  /** Keys that come in. */
  readonly past: number;
  /** Token of each row to read after. */
  readonly last: readonly number[];
  readonly from?: { readonly cache: number; readonly rows: readonly number[] };
}

/** One forward pass; the most probable next token of each row, and the cache to go on from. */
async function advance(engine: Engine, rows: readonly FeedRow[], { past, last, from }: Advance) {
  const tokens = Math.max(...rows.map((row) => row.tokens.length));
  const { outputs, cache } = await (await scoring(engine)).run({
    feeds: {
      ...feedsOf(rows, { ...engine, past }),
      rows: ints(last.map((token, row) => row * tokens + token)),
      picks: ints([0]),
    },
    fetch: ["top"],
    ...(from ? { past: from } : {}),
    keep: true,
  });
  return { next: Array.from(outputs["top"]!.data, Number), cache: cache! };
}
