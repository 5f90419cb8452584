/**
 * Scoring of rows that have tokens in common and differ by their edits: what lies below an edit is computed once.
 *
 *   layers:        0 ........ 3 ........ 7 ........ last
 *   untouched row  ==========================
 *   edit in 3                 ================
 *   edit in 7                            =====
 *
 * The graph of kind "sweep" repeats rows of its batch at the first edited part of a layer (decoder.ts, `spread`). A batch begins with the
 * distinct rows; each variant of a row joins, as a copy of it, where its first own edit acts.
 */
import type { Edit, ScoredBatch, ScoreOptions, ScoreRequest, Tap } from "../../core/mod.ts";
import { PARTS, spreadPlace } from "./architectures/rows.ts";
import { inOrder, joinRows, keyOf, type Row, type RowRequest, type RowToken } from "./batching.ts";
import type { Engine } from "./engine.ts";
import { editFeeds, feedsOf } from "./feeds.ts";
import { collect, ints, planReads, refuseLogits, taskOf } from "./score.ts";
import type { TensorData } from "./session/door.ts";

/** One row under one list of edits. */
interface Variant {
  /** Place of the row it is a copy of among the batch's rows. */
  readonly row: number;
  readonly requests: readonly RowRequest[];
  readonly edits: readonly Edit[];
  /** Where it parts from the others, in the order of placesOf(); Infinity where it has no edits of its own. */
  readonly from: number;
}

export interface SweepBatch {
  /** Distinct rows. */
  readonly rows: readonly (readonly RowToken[])[];
  readonly variants: readonly Variant[];
  readonly indices: readonly number[];
}

/** Upper layers hold all rows of a batch, lower ones few: a sweep's batch may have this many times the budget. */
const FACTOR = 4;

/** Order of the places at which rows may be repeated. */
function rankOf(tap: Tap): number {
  const [layer, part] = spreadPlace(tap).split(".");
  return part === undefined ? -1 : Number(layer) * 3 + Object.keys(PARTS).indexOf(part);
}

/**
 * Batches of a sweep; undefined where fewer than half of the rows share their tokens with another, so that nothing is to be gained.
 *
 * Depends on the requests and the budget alone.
 */
export function planSweep(
  requests: readonly ScoreRequest[],
  budget: number,
): readonly SweepBatch[] | undefined {
  const classes = Map.groupBy(requests.keys(), (index) => keyOf(requests[index]!.edits));
  if (classes.size < 2) return undefined;
  const bundles = new Map<string, { tokens: readonly RowToken[]; variants: Omit<Variant, "row">[] }>();
  let rows = 0;
  for (const members of classes.values()) {
    const edits = requests[members[0]!]!.edits ?? [];
    const from = Math.min(...edits.map(({ tap }) => rankOf(tap)));
    for (const row of joinRows(requests, inOrder(requests, members), 0)) {
      rows++;
      const key = row.tokens.map(({ id, parent, generated }) => `${id},${parent},${generated}`).join(";");
      const bundle = bundles.get(key) ?? { tokens: row.tokens, variants: [] };
      bundle.variants.push({ requests: row.requests, edits, from });
      bundles.set(key, bundle);
    }
  }
  if (bundles.size * 2 > rows) return undefined;
  return pack([...bundles.values()], budget * FACTOR);
}

interface Bundle {
  readonly tokens: readonly RowToken[];
  readonly variants: readonly Omit<Variant, "row">[];
}

/** Most rows of logits in a batch, unless one variant reads more: 100 MB of float32 with 49,152 tokens. */
const READS = 512;

/** Rows of logits that a variant reads. */
function readsIn({ requests }: Pick<Variant, "requests">): number {
  return new Set(requests.flatMap(({ last, continuations }) => [
    last,
    ...continuations.flat().map(({ token }) => token),
  ])).size;
}

/** Whole bundles side by side, or stretches of one that is too large, cut where layers part. */
function pack(bundles: readonly Bundle[], budget: number): SweepBatch[] {
  const batches: SweepBatch[] = [];
  let rows: (readonly RowToken[])[] = [], variants: Variant[] = [], longest = 0, reads = 0;
  const close = () => {
    if (variants.length > 0) {
      const indices = variants.flatMap(({ requests }) => requests.map(({ index }) => index));
      batches.push({ rows, variants, indices });
    }
    [rows, variants, longest, reads] = [[], [], 0, 0];
  };
  for (const { tokens, variants: all } of bundles.toSorted((a, b) => b.tokens.length - a.tokens.length)) {
    const sorted = all.toSorted((a, b) => a.from - b.from);
    const each = Math.max(...sorted.map(readsIn));
    const most = Math.max(1, Math.min(Math.floor(budget / tokens.length), Math.floor(READS / each)));
    for (let start = 0; start < sorted.length; start += most) {
      const stretch = sorted.slice(start, start + most);
      const size = (variants.length + stretch.length) * Math.max(longest, tokens.length);
      if (size > budget || reads + stretch.length * each > READS) close();
      reads += stretch.length * each;
      longest = Math.max(longest, tokens.length);
      rows.push(tokens);
      variants.push(...stretch.map((variant) => ({ ...variant, row: rows.length - 1 })));
    }
  }
  close();
  return batches;
}

/** Requests must have been checked. */
export async function* scoreSweep(
  engine: Engine,
  batches: readonly SweepBatch[],
  options: ScoreOptions,
): AsyncGenerator<ScoredBatch> {
  const common = options.edits ?? [];
  const edited = batches.flatMap(({ variants }) =>
    variants.flatMap(({ edits }) => edits.map(({ tap }) => tap))
  );
  const taps = [...new Set([...common.map(({ tap }) => tap), ...edited])].sort();
  for (const batch of batches) {
    if (options.skip?.(batch.indices)) continue;
    const session = await engine.session({ kind: "sweep", edits: taps });
    const { feeds, last } = feedsOfSweep(engine, batch, { taps, common });
    const rows = last.map(({ row, requests }): Row => ({ tokens: batch.rows[row]!, requests }));
    const tokens = Math.max(...batch.rows.map((row) => row.length));
    const reads = planReads(rows, { vocab: engine.shape.vocab, tokens });
    const reply = await session.run({
      feeds: { ...feeds, rows: ints(reads.rows), picks: ints(reads.picks) },
      fetch: ["logsumexp", "topLogit", "top", "picked"],
    });
    await refuseLogits(engine, reads, {
      reply,
      rowOf(place) {
        const at = Math.floor(place / tokens);
        return { tokens: rows[at]!.tokens, edits: last[at]!.edits, task: taskOf(engine, rows[at]!) };
      },
    });
    yield {
      indices: last.flatMap(({ requests }) => requests.map(({ index }) => index)),
      results: collect(rows, reads, reply),
      tokens: rows.reduce((sum, row) => sum + row.tokens.length, 0),
    };
  }
}

/** A row as it stands at one place: a variant, or a row from which variants are still to part. */
interface Standing {
  readonly row: number;
  readonly requests: readonly RowRequest[];
  readonly edits: readonly Edit[];
  readonly isSource: boolean;
}

interface SweepOptions {
  readonly taps: readonly Tap[];
  readonly common: readonly Edit[];
}

/** Inputs of one call without rows and picks, and the rows as they stand after the last place. */
function feedsOfSweep(engine: Engine, { rows, variants }: SweepBatch, { taps, common }: SweepOptions) {
  const feeds: Record<string, TensorData> = feedsOf(
    rows.map((tokens) => ({ tokens, start: 0, edits: [] })),
    { ...engine, taps: [], past: 0, masks: "each" },
  );
  const places = [...Map.groupBy(taps.toSorted((a, b) => rankOf(a) - rankOf(b)), spreadPlace)];
  let standing: readonly Standing[] = rows.map((_, row) => ({
    row,
    requests: [],
    edits: common,
    isSource: true,
  }));
  for (const [place, here] of places) {
    const rank = rankOf(here[0]!);
    const indices: number[] = [], next: Standing[] = [];
    standing.forEach((each, index) => {
      const waits = variants.some(({ row, from }) => row === each.row && from > rank);
      if (each.isSource && !waits) return;
      indices.push(index);
      next.push(each);
    });
    for (const { row, requests, edits, from } of variants) {
      if (from !== rank) continue;
      indices.push(standing.findIndex((each) => each.isSource && each.row === row));
      next.push({ row, requests, edits: [...common, ...edits], isSource: false });
    }
    feeds[`spread.${place}`] = ints(indices);
    standing = next;
    const inForce = standing.map(({ row, edits }) => ({ tokens: rows[row]!, start: 0, edits }));
    Object.assign(feeds, editFeeds(inForce, { shape: engine.shape, taps: here }));
  }
  // What was never edited answers for the requests without edits; several may have the same tokens.
  const untouched = (row: number) =>
    variants.flatMap((variant) => variant.row === row && variant.from === Infinity ? variant.requests : []);
  const last = standing.map((each) => each.isSource ? { ...each, requests: untouched(each.row) } : each);
  return { feeds, last };
}
