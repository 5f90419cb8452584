/** From rows to the graph's inputs: ids, positions, mask, edits. */
import type { Edit, Tap } from "../../core/mod.ts";
import type { Rotary } from "./architectures/rope.ts";
import type { Hyperparameters } from "./architectures/shape.ts";
import type { RowToken } from "./batching.ts";
import { type EditRow, feedOf } from "./graph/edits.ts";
import type { TensorData } from "./session/door.ts";

/** Added to a score that must not count; far below any score, yet a sum with one stays finite. */
const NEVER = -1e30;

/** Tokens of one row with what they see. */
export interface FeedRow {
  readonly tokens: readonly RowToken[];
  /** Absolute position of the first token that has no parent. */
  readonly start: number;
  /** Position of a past key, undefined for one that is not the row's; absent: all are, each at its own number. */
  readonly past?: (key: number) => number | undefined;
  readonly edits: readonly Edit[];
}

export interface FeedOptions {
  readonly shape: Hyperparameters;
  /** By kind of attention. */
  readonly rotary: readonly Rotary[];
  readonly taps: readonly Tap[];
  /** Keys that come in from an earlier call. */
  readonly past: number;
  /** Whether each row has a mask of its own, or rows that see alike have one together (default). */
  readonly masks?: "each" | "shared";
}

/** Inputs of one call without its rows and picks; rows are padded on the right with token 0, which nothing looks at. */
export function feedsOf(
  rows: readonly FeedRow[],
  { shape, rotary, taps, past, masks = "shared" }: FeedOptions,
): Record<string, TensorData> {
  const batch = rows.length, tokens = Math.max(...rows.map((row) => row.tokens.length));
  const ids = new BigInt64Array(batch * tokens), positions = new BigInt64Array(batch * tokens);
  const places = rows.map((row) => positionsOf(row));
  rows.forEach((row, r) => {
    row.tokens.forEach(({ id }, t) => {
      ids[r * tokens + t] = BigInt(id);
      positions[r * tokens + t] = BigInt(places[r]![t]!);
    });
  });
  const dims = [batch, tokens];
  // The runtime wants at least as many rows as there are tokens, though branches share positions.
  const angles = Math.max(tokens, 1 + Math.max(...places.flat()));
  const feeds: Record<string, TensorData> = {
    ids: { data: ids, dims },
    positions: { data: positions, dims },
  };
  shape.attentions.forEach(({ name, window }, kind) => {
    if (shape.rotary > 0) {
      const { cos, sin } = rotary[kind]!(angles), turned = [angles, shape.rotary / 2];
      feeds[`cos${name}`] = { data: cos, dims: turned };
      feeds[`sin${name}`] = { data: sin, dims: turned };
    }
    feeds[`mask${name}`] = maskOf(rows, { tokens, past, group: shape.heads / shape.kvHeads, masks, window });
  });
  return { ...feeds, ...editFeeds(rows, { shape, taps }) };
}

/** Gains and offsets of the taps for rows padded to the longest. */
export function editFeeds(
  rows: readonly FeedRow[],
  { shape, taps }: Pick<FeedOptions, "shape" | "taps">,
): Record<string, TensorData> {
  const feeds: Record<string, TensorData> = {};
  const editRows = rows.map((row): EditRow => ({
    edits: row.edits,
    positions: positionsOf(row),
    generated: row.tokens.map((token) => token.generated),
  }));
  for (const tap of taps) {
    const { gain, offset } = feedOf(tap, shape, editRows);
    feeds[`${tap}.gain`] = gain;
    feeds[`${tap}.offset`] = offset;
  }
  return feeds;
}

/** Absolute position of each token: one after its parent's. */
export function positionsOf({ tokens, start }: Pick<FeedRow, "tokens" | "start">): number[] {
  const positions: number[] = [];
  for (const { parent } of tokens) positions.push(parent < 0 ? start : positions[parent]! + 1);
  return positions;
}

interface MaskSize {
  readonly tokens: number;
  readonly past: number;
  readonly group: number;
  readonly masks: "each" | "shared";
  readonly window: number | undefined;
}

/** [1|batch, 1, group * tokens, past + tokens]; one for all rows when each is a plain run of text to which all past keys belong. */
function maskOf(
  rows: readonly FeedRow[],
  { tokens, past, group, masks: kind, window = Infinity }: MaskSize,
): TensorData {
  const alike = rows.every((row) =>
    row.past === undefined && row.tokens.every(({ parent }, t) => parent === t - 1)
  );
  const masks = alike && kind === "shared" ? 1 : rows.length, keys = past + tokens;
  const data = new Float32Array(masks * group * tokens * keys).fill(NEVER);
  for (let r = 0; r < masks; r++) {
    const base = r * group * tokens * keys, row = rows[r]!;
    const places = window === Infinity || alike ? [] : positionsOf(row);
    for (let t = 0; t < tokens; t++) {
      // The first position that is in sight.
      const line = base + t * keys, first = (places[t] ?? row.start + t) - window + 1;
      for (let key = 0; key < past; key++) {
        const position = row.past ? row.past(key) : key;
        if (position !== undefined && position >= first) data[line + key] = 0;
      }
      // In a shared mask every row is a run; a padded token sees itself, so that its softmax has something to sum.
      if (alike) data.fill(0, line + past + Math.max(0, t - window + 1), line + past + t + 1);
      else if (t >= row.tokens.length) data[line + past + t] = 0;
      else {
        for (let seen = t, left = window; seen >= 0 && left > 0; seen = row.tokens[seen]!.parent, left--) {
          data[line + past + seen] = 0;
        }
      }
    }
    const own = data.subarray(base, base + tokens * keys);
    for (let copy = 1; copy < group; copy++) data.set(own, base + copy * tokens * keys);
  }
  return { data, dims: [masks, 1, group * tokens, keys] };
}
