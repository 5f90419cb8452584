/** Which tokens several samples have in common: the same text before them, under the same edits. */
import { keyOf } from "../batching.ts";
import type { Planned } from "./plan.ts";

export interface Distinct {
  /** Where each distinct token stands first. */
  readonly first: readonly { readonly row: number; readonly token: number }[];
  /** Of each row's tokens, the distinct one. */
  readonly index: readonly (readonly number[])[];
}

export function distinctTokens(batch: readonly Pick<Planned, "tokens" | "edits">[]): Distinct {
  const first: { row: number; token: number }[] = [], known = new Map<string, number>();
  const index = batch.map(({ tokens, edits }, row) => {
    const root = edits.length > 0 ? keyOf(edits) : "", own: number[] = [];
    tokens.forEach(({ id, parent, generated }, token) => {
      const key = `${parent < 0 ? root : own[parent]} ${id} ${generated}`;
      const seen = known.get(key);
      if (seen === undefined) {
        known.set(key, first.length);
        first.push({ row, token });
      }
      own.push(seen ?? first.length - 1);
    });
    return own;
  });
  return { first, index };
}

/** From how large a share of their tokens that are distinct batches are not worth the copies that sharing takes. */
const WORTH = 0.85;

/** The distinct tokens of each batch, where batches have enough in common; else undefined. */
export function sharedTokens(batches: readonly (readonly Planned[])[]): Distinct[] | undefined {
  const each = batches.map(distinctTokens);
  const distinct = each.reduce((sum, { first }) => sum + first.length, 0);
  const all = batches.flat().reduce((sum, { tokens }) => sum + tokens.length, 0);
  return distinct < WORTH * all ? each : undefined;
}
