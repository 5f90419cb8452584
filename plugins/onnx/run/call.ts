/** From a batch to the graph's inputs, and from its outputs back to the samples. */
import { outputOf } from "../graph/observe.ts";
import type { Engine, GraphSpec } from "../engine.ts";
import { feedsOf } from "../feeds.ts";
import { ints } from "../score.ts";
import type { Call, Reply, TensorData } from "../session/door.ts";
import type { Distinct } from "./distinct.ts";
import { type Planned, rowsRead } from "./plan.ts";
import { isCounted } from "./pools.ts";

/** Added to what a maximum must not see. */
const NEVER = -1e30;

export function callOf(
  engine: Engine,
  batch: readonly Planned[],
  { edits, observe = [], objective, distinct }: GraphSpec & {
    /** Of the batch, where the graph shares them. */
    readonly distinct: Distinct | undefined;
  },
): Call {
  const rows = batch.map(({ tokens, edits }) => ({ tokens, start: 0, edits }));
  const tokens = Math.max(...batch.map((sample) => sample.tokens.length));
  const feeds: Record<string, TensorData> = feedsOf(rows, { ...engine, taps: edits, past: 0 });
  if (objective) Object.assign(feeds, readsOf(batch, { tokens, vocab: engine.shape.vocab }));
  if (distinct) Object.assign(feeds, sharedOf(distinct, batch.length, tokens));
  for (const { pool, over, quantity } of observe) {
    if (quantity === "direct" || pool === "none") continue;
    const of = (value: (sample: Planned, t: number) => number) => {
      const data = new Float32Array(batch.length * tokens);
      batch.forEach((sample, row) => {
        for (let t = 0; t < tokens; t++) data[row * tokens + t] = value(sample, t);
      });
      return data;
    };
    if (pool === "max") {
      feeds[`never.${over}`] ??= {
        data: of((sample, t) => isCounted(sample, t, over) ? 0 : NEVER),
        dims: [batch.length, tokens, 1],
      };
    } else if (pool === "last") {
      feeds["last"] ??= {
        data: of((sample, t) => t === sample.promptLength - 1 ? 1 : 0),
        dims: [batch.length, 1, tokens],
      };
    } else {
      feeds[`counts.${over}`] ??= {
        data: of((sample, t) => isCounted(sample, t, over) ? 1 : 0),
        dims: [batch.length, 1, tokens],
      };
    }
  }
  const fetch = [...objective ? ["picked", "logsumexp"] : [], ...observe.map(outputOf)];
  return { feeds, fetch };
}

/** Places of distinct tokens, and the distinct token of each place; padding has the first. */
function sharedOf({ first, index }: Distinct, rows: number, tokens: number): Record<string, TensorData> {
  const places = new BigInt64Array(rows * tokens);
  index.forEach((each, row) => each.forEach((distinct, t) => places[row * tokens + t] = BigInt(distinct)));
  return {
    "share.first": ints(first.map(({ row, token }) => row * tokens + token)),
    "share.index": { data: places, dims: [rows, tokens] },
  };
}

/** Which logits are read, and with what weight. */
function readsOf(
  batch: readonly Planned[],
  { tokens, vocab }: { readonly tokens: number; readonly vocab: number },
): Record<string, TensorData> {
  const rows: number[] = [], rowWeights: number[] = [], picks: number[] = [], pickWeights: number[] = [];
  batch.forEach((sample, b) => {
    const start = rows.length, places = rowsRead(sample);
    places.forEach((token) => {
      rows.push(b * tokens + token);
      rowWeights.push(0);
    });
    for (const { token, id, weight, normalised } of sample.readings) {
      const row = start + places.indexOf(token);
      picks.push(row * vocab + id);
      pickWeights.push(weight);
      if (normalised) rowWeights[row]! -= weight;
    }
  });
  return {
    rows: ints(rows),
    picks: ints(picks),
    "weights.rows": { data: Float32Array.from(rowWeights), dims: [rows.length] },
    "weights.picks": { data: Float32Array.from(pickWeights), dims: [picks.length] },
  };
}

/** The sample one of whose rows of logits stands at `place`. */
export function sampleAt(batch: readonly Planned[], place: number): Planned {
  let seen = 0;
  return batch.find((sample) => place < (seen += rowsRead(sample).length))!;
}

/** The objective of one row, summed in float64 from what was read. */
export function valueOf(batch: readonly Planned[], row: number, { outputs }: Reply): number {
  const picked = outputs["picked"]!.data, logsumexp = outputs["logsumexp"]!.data;
  const before = batch.slice(0, row);
  const firstPick = before.reduce((sum, { readings }) => sum + readings.length, 0);
  const firstRow = before.reduce((sum, sample) => sum + rowsRead(sample).length, 0);
  const places = rowsRead(batch[row]!);
  return batch[row]!.readings.reduce((sum, { token, weight, normalised }, i) => {
    const total = normalised ? Number(logsumexp[firstRow + places.indexOf(token)]) : 0;
    return sum + weight * (Number(picked[firstPick + i]) - total);
  }, 0);
}

/** One sample's numbers of an output, a view of it; of raw values those of its own tokens. */
export function rowOf(
  { data, dims }: TensorData,
  batch: readonly Planned[],
  { row, sample }: { readonly row: number; readonly sample: Planned },
): Float32Array {
  const size = data.length / batch.length, columns = dims.at(-1)!;
  const isRaw = dims.length === 3 && dims[1] !== 1;
  return (data as Float32Array).subarray(
    row * size,
    row * size + (isRaw ? sample.tokens.length * columns : size),
  );
}
