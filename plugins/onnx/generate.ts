/** Greedy decoding with a key-value cache, several prompts at a time. */
import type { Edit, GenerateOptions, Generation } from "../../core/mod.ts";
import { type Engine, engineFor, type GraphSpec } from "./engine.ts";
import { createLane, lengthOf, refuseText, type Text } from "./lane.ts";
import { createSource, type Patch } from "./patch.ts";
import { scoringSpec } from "./score.ts";

/** Options with every default filled in. */
export interface Decoding {
  readonly maxNewTokens: number;
  /** Of each prompt. */
  readonly editsOf: (index: number) => readonly Edit[];
  /** Acts after the edits. */
  readonly patch: Patch | undefined;
  readonly stop: ReadonlySet<number>;
  readonly batch: number;
}

export interface DecodingDefaults {
  /** Ids that end a text unless the options name others. */
  readonly ends: readonly number[];
  /** The options' patch, checked. */
  readonly patch: Patch | undefined;
}

export function decodingOf(options: GenerateOptions, { ends, patch }: DecodingDefaults): Decoding {
  return {
    maxNewTokens: options.maxNewTokens,
    editsOf: (index) => [...options.edits ?? [], ...options.promptEdits?.[index] ?? []],
    patch: patch && patch.units.length > 0 ? patch : undefined,
    stop: new Set(options.stop ?? ends),
    batch: options.batch ?? 8,
  };
}

/** Prompts must have been checked. Batches hold prompts of like length; a text is yielded when it ends. A text that grows beyond the length from which
 * on it turns by other angles is run anew by these, as transformers does. */
export async function* generate(
  engine: Engine,
  prompts: readonly (readonly number[])[],
  decoding: Decoding,
): AsyncGenerator<Generation> {
  const order = prompts.map((_, index) => index).sort((a, b) =>
    prompts[a]!.length - prompts[b]!.length || a - b
  );
  const edits = [...prompts.keys()].flatMap(decoding.editsOf);
  const spec = scoringSpec(engine, [...edits, ...decoding.patch?.units.map(({ tap }) => ({ tap })) ?? []]);
  for (let from = 0; from < order.length; from += decoding.batch) {
    const batch = order.slice(from, from + decoding.batch);
    const texts = batch.map((index): Text => ({ index, prompt: prompts[index]!, tokens: [] }));
    for (const [each, own] of Map.groupBy(texts, ({ prompt }) => engineFor(engine, prompt.length))) {
      yield* generateBatch(each, own, { ...decoding, spec });
    }
  }
}

async function* generateBatch(
  engine: Engine,
  texts: readonly Text[],
  decoding: Decoding & { readonly spec: GraphSpec },
): AsyncGenerator<Generation> {
  // Whoever reads the texts may stop early, or a call may fail: the caches are dropped either way.
  await using target = createLane(engine, decoding.spec);
  const longest = Math.max(...texts.map(lengthOf));
  const patch = decoding.patch && { ...decoding.patch, source: engineFor(decoding.patch.source, longest) };
  await using source = patch && createSource(patch);
  const own = ({ index }: Text) => decoding.editsOf(index);
  let open = texts;
  const grown: Text[] = [];
  while (open.length > 0) {
    const patched = await source?.advance(open);
    const { outputs } = await target.advance(open, (text) => [...own(text), ...patched?.(text) ?? []]);
    await refuseText(engine, { texts: open, logsumexp: outputs["logsumexp"]! }, async (text) => {
      if (!patch) return own(text);
      await using whole = createSource(patch);
      return [...own(text), ...(await whole.advance([text]))(text)];
    });
    const ended = new Map<Text, Generation["finish"]>();
    open.forEach((text, row) => {
      const next = Number(outputs["top"]!.data[row]);
      if (decoding.stop.has(next)) ended.set(text, "stop");
      else if (text.tokens.push(next) === decoding.maxNewTokens) ended.set(text, "length");
    });
    for (const [{ index, tokens }, finish] of ended) yield { index, tokens, finish };
    open = open.filter((text) => !ended.has(text));
    grown.push(...open.filter((text) => engineFor(engine, lengthOf(text)) !== engine));
    open = open.filter((text) => !grown.includes(text));
  }
  if (grown.length > 0) yield* generateBatch(engineFor(engine, lengthOf(grown[0]!)), grown, decoding);
}
