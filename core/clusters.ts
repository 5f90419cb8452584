/** Which items stand or fall together, kept beside the outcomes: the tables of a run say it without the benchmark's data. */
import type { Item } from "./benchmark.ts";
import type { RunStore } from "./store/store.ts";

interface ClusteredItems {
  readonly items: readonly Pick<Item, "id" | "clusters">[];
  readonly record: { readonly itemsHash: string };
}

/** Keeps the question of each item under the hash of the items, which is of the questions too; doing so twice is harmless. */
export function saveClusters({ items, record }: ClusteredItems, store: RunStore): void {
  const key = keyOf(record.itemsHash);
  if (store.numbers(key) !== undefined) return;
  // Most items are a question of their own, which needs no record.
  const shared = items.filter(({ id, clusters }) => clusters.question !== id);
  const clusters = Object.fromEntries(shared.map(({ id, clusters }) => [id, clusters.question]));
  store.saveNumbers(key, { about: { clusters }, arrays: [] });
}

/** From an item's id to its question; undefined where the store has none, as for runs of before it was kept. */
export function clustersOf(itemsHash: string, store: RunStore): ((item: string) => string) | undefined {
  const about = store.numbers(keyOf(itemsHash))?.about as
    | { readonly clusters: Readonly<Record<string, string>> }
    | undefined;
  if (about === undefined) return undefined;
  const questions = new Map(Object.entries(about.clusters));
  return (item) => questions.get(item) ?? item;
}

const keyOf = (itemsHash: string) => `clusters/${itemsHash}`;
