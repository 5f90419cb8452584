/** A model on its way through texts that grow token by token; what it has seen of them stays with it as keys and values. */
import type { Edit } from "../../core/mod.ts";
import type { RowToken } from "./batching.ts";
import type { Engine, GraphSpec } from "./engine.ts";
import { type FeedRow, feedsOf } from "./feeds.ts";
import { outputOf } from "./graph/observe.ts";
import { refuseNonFinite } from "./non_finite.ts";
import { ints } from "./score.ts";
import type { Session } from "./session/session.ts";
import type { Reply, TensorData } from "./session/door.ts";

/** A text under way. */
export interface Text {
  /** Position in the list of prompts. */
  readonly index: number;
  readonly prompt: readonly number[];
  /** What has been generated. */
  readonly tokens: number[];
}

export interface Lane extends AsyncDisposable {
  /**
   * Runs what is new of each text: all of it in the first call, later the one token that it has grown by. Texts may leave, none may join.
   *
   * @param editsOf edits of a text that touch what is new
   */
  advance(texts: readonly Text[], editsOf: (text: Text) => readonly Edit[]): Promise<Advanced>;
}

export interface Advanced {
  /** What was new, a row a text. */
  readonly rows: readonly FeedRow[];
  /** "top" and "logsumexp" after the last token of each row, and the observations, [batch, tokens, columns]. */
  readonly outputs: Reply["outputs"];
}

/** Keys and values of texts, in the session that has them. */
interface Kept {
  readonly session: Session;
  readonly cache: number;
  readonly texts: readonly Text[];
  /** Tokens of each text in the first call, and of the longest of them, up to which its keys were padded. */
  readonly lengths: ReadonlyMap<Text, number>;
  readonly longest: number;
  /** Keys so far, padding counted. */
  readonly keys: number;
}

/** @param spec of kind "score" */
export function createLane(engine: Engine, spec: GraphSpec): Lane {
  const fetch = ["top", "logsumexp", ...(spec.observe ?? []).map(outputOf)];
  let kept: Kept | undefined;
  const drop = async ({ session, cache }: Kept) => {
    if (session === await engine.session(spec)) await session.drop(cache);
  };
  return {
    async advance(texts, editsOf) {
      const session = await engine.session(spec), from = kept;
      if (from && from.session !== session) {
        throw new Error(`Cannot go on with ${engine.name}: the session with its keys and values was closed`);
      }
      const rows = texts.map((text) => rowOf(text, editsOf(text), from));
      const tokens = Math.max(...rows.map((row) => row.tokens.length));
      const { outputs, cache } = await session.run({
        feeds: {
          ...feedsOf(rows, { ...engine, taps: spec.edits, past: from?.keys ?? 0 }),
          rows: ints(rows.map((row, r) => r * tokens + row.tokens.length - 1)),
          picks: ints([0]),
        },
        fetch,
        ...(from ? { past: { cache: from.cache, rows: texts.map((text) => from.texts.indexOf(text)) } } : {}),
        keep: true,
      });
      kept = {
        session,
        cache: cache!,
        texts,
        lengths: from?.lengths ?? new Map(texts.map((text) => [text, lengthOf(text)])),
        longest: from?.longest ?? tokens,
        keys: (from?.keys ?? 0) + tokens,
      };
      if (from) await drop(from);
      return { rows, outputs };
    },
    async [Symbol.asyncDispose]() {
      if (kept) await drop(kept);
    },
  };
}

/** Tokens of a text so far. */
export function lengthOf({ prompt, tokens }: Text): number {
  return prompt.length + tokens.length;
}

/** The text from its token `start` on, as a row. */
function tokensOf({ prompt, tokens }: Text, start: number): RowToken[] {
  return [...prompt, ...tokens].slice(start).map((id, i) => ({
    id,
    parent: i - 1,
    generated: start + i >= prompt.length,
  }));
}

function rowOf(text: Text, edits: readonly Edit[], from: Kept | undefined): FeedRow {
  const start = from ? lengthOf(text) - 1 : 0, row = { tokens: tokensOf(text, start), start, edits };
  if (!from) return row;
  // Keys of shorter texts are padded up to the longest; what they grew by comes after.
  const first = from.lengths.get(text)!;
  const position = (key: number) =>
    key < first ? key : key < from.longest ? undefined : first + key - from.longest;
  return { ...row, past: position };
}

/** @param editsOf every edit of a text, at all its positions
 * @throws {UserError} naming the prompt and the first layer, where a text's logits are not finite. */
export async function refuseText(
  engine: Engine,
  { texts, logsumexp }: { readonly texts: readonly Text[]; readonly logsumexp: TensorData },
  editsOf: (text: Text) => readonly Edit[] | Promise<readonly Edit[]>,
): Promise<void> {
  const text = texts.find((_, row) => !Number.isFinite(Number(logsumexp.data[row])));
  if (!text) return;
  const task = `generate after prompt ${text.index + 1} on ${engine.name}`;
  const edits = await editsOf(text);
  await refuseNonFinite(engine, logsumexp, () => ({ tokens: tokensOf(text, 0), edits, task }));
}
