/** Outcomes cross from SQLite a page at a time, as one JSON text: a row for each would take twice as long. */
import type { DatabaseSync } from "node:sqlite";

const PAGE = 2048;

/**
 * Reads something of each outcome of a cell, in the order of the items' ids; no more than a page is held.
 *
 * @param read runs what may fail
 * @param expression in SQL, of the columns of `outcomes`; gives JSON
 */
export function pages<T>(
  db: DatabaseSync,
  read: <R>(work: () => R) => R,
  expression: string,
): (cell: string) => Generator<T> {
  const page = (after: string) =>
    db.prepare(
      `select max(item) as last, group_concat(json, ',') as text from
        (select item, ${expression} as json from outcomes where cell = ? ${after} order by item limit ${PAGE})`,
    );
  const first = page(""), next = page("and item > ?");
  return function* (cell) {
    let row = read(() => first.get(cell));
    while (typeof row?.text === "string") {
      yield* JSON.parse(`[${row.text}]`) as T[];
      const { last = null } = row;
      row = read(() => next.get(cell, last));
    }
  };
}
