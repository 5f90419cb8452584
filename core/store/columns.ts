/** A cell as columns: all that means, differences and controls are made of, in 8 bytes a value where an outcome takes some 500. */
import type { Item } from "../benchmark.ts";
import type { RunStore } from "./store.ts";

/** One list a metric, values in the order of the items. */
export type Columns = ReadonlyMap<string, Float64Array>;

/**
 * The metrics that every outcome of a cell has.
 *
 * @param items those of the cell
 * @throws when an outcome is missing.
 */
export function columnsOf(key: string, items: readonly Pick<Item, "id">[], store: RunStore): Columns {
  const places = new Map(items.map(({ id }, i) => [id, i]));
  let columns: { readonly name: string; readonly list: Float64Array }[] | undefined, n = 0;
  for (const [item, values] of store.values(key)) {
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
