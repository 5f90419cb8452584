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
    const side = sideOf(engine, decoding.patch);
    for (const own of Map.groupBy(texts, ({ prompt }) => side(prompt.length)).values()) {
      yield* generateBatch(engine, own, { ...decoding, spec });
    }
  }
}

/** On which side of the target's and of the source's border a text of so many tokens is. */
function sideOf(engine: Engine, patch: Patch | undefined) {
  const engines = [engine, ...patch ? [patch.source] : []];
  return (tokens: number) => engines.map((each) => Number(engineFor(each, tokens) !== each)).join();
}

/** @param texts on one side */
async function* generateBatch(
  every: Engine,
  texts: readonly Text[],
  decoding: Decoding & { readonly spec: GraphSpec },
): AsyncGenerator<Generation> {
  const engine = engineFor(every, lengthOf(texts[0]!));
  // Whoever reads the texts may stop early, or a call may fail: the caches are dropped either way.
  await using target = createLane(engine, decoding.spec);
  const side = sideOf(every, decoding.patch), here = side(lengthOf(texts[0]!));
  const patch = decoding.patch &&
    { ...decoding.patch, source: engineFor(decoding.patch.source, lengthOf(texts[0]!)) };
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
    grown.push(...open.filter((text) => side(lengthOf(text)) !== here));
    open = open.filter((text) => !grown.includes(text));
  }
  for (const some of Map.groupBy(grown, (text) => side(lengthOf(text))).values()) {
    yield* generateBatch(every, some, decoding);
  }
}
