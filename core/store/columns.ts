/** A cell as columns: all that means, differences and controls are made of, in 8 bytes a value where an outcome takes some 500. */
import { z } from "zod";
import type { Item } from "../benchmark.ts";
import { sha256 } from "../hash.ts";
import type { RunStore } from "./store.ts";

/** One list a metric, values in the order of the items. */
export type Columns = ReadonlyMap<string, Float64Array>;

type Items = readonly Pick<Item, "id">[];

/**
 * The metrics that every outcome of a cell has.
 *
 * @param items those of the cell
 * @throws when an outcome is missing.
 */
export function columnsOf(key: string, items: Items, store: RunStore): Columns {
  return keptColumns(key, items, store) ?? readColumns(key, items, store);
}

/**
 * Keeps the columns of a cell that has all its outcomes, for whom columnsOf() need not look at these again, one by one. They do not change any more.
 *
 * @throws when an outcome is missing.
 */
export function keepColumns(key: string, items: Items, store: RunStore): void {
  const columns = readColumns(key, items, store);
  store.saveNumbers(placeOf(key), {
    about: { metrics: [...columns.keys()], items: orderOf(items) },
    arrays: [...columns.values()],
  });
}

const About = z.object({ metrics: z.array(z.string()), items: z.string() });

/** Undefined where none were kept, or of items in another order. */
function keptColumns(key: string, items: Items, store: RunStore): Columns | undefined {
  const kept = store.numbers(placeOf(key));
  if (kept === undefined) return undefined;
  const about = About.parse(kept.about);
  if (about.items !== orderOf(items)) return undefined;
  return new Map(about.metrics.map((name, i) => [name, kept.arrays[i]!]));
}

function readColumns(key: string, items: Items, store: RunStore): Columns {
  const places = new Map(items.map(({ id }, i) => [id, i]));
  let columns: { readonly name: string; readonly list: Float64Array }[] | undefined, n = 0;
  for (const { item, values } of store.each(key)) {
    const place = places.get(item);
    if (place === undefined) continue;
    columns ??= Object.keys(values).map((name) => ({ name, list: new Float64Array(items.length) }));
    // An evaluator may give some metrics of some items only.
    if (columns.some(({ name }) => values[name] === undefined)) {
      columns = columns.filter(({ name }) => values[name] !== undefined);
    }
    for (const { name, list } of columns) list[place] = values[name]!;
    n++;
  }
  if (n < items.length) throw new Error(`${items.length - n} outcomes are missing in cell ${key}`);
  return new Map(columns?.map(({ name, list }) => [name, list]));
}

const placeOf = (key: string) => `columns of ${key}`;

const orders = new WeakMap<Items, string>();

/** Which items, in which order. Cells share their lists. */
function orderOf(items: Items): string {
  const known = orders.get(items);
  if (known !== undefined) return known;
  const order = sha256(JSON.stringify(items.map(({ id }) => id)));
  orders.set(items, order);
  return order;
}
