/** A cell as it is read back from the store. */
import type { Outcome } from "./evaluator.ts";
import type { Reading } from "./measures.ts";
import type { PlannedCell } from "./plan.ts";
import { columnsOf } from "./store/columns.ts";
import type { RunStore } from "./store/store.ts";

/** A cell with its outcomes, whole ones not in memory. */
export interface Filled extends Reading {
  readonly cell: PlannedCell;
}

/** @throws when an outcome is missing. */
export function readingIn(store: RunStore, cell: PlannedCell): Filled {
  return {
    cell,
    columns: columnsOf(cell.key, cell.benchmark.items, store),
    outcomes: () => orderedOutcomes(cell, store),
    each: () => store.each(cell.key),
  };
}

/** The outcomes of a cell in the order of its items. @throws when some are missing. */
export function orderedOutcomes(cell: PlannedCell, store: RunStore): Outcome[] {
  const outcomes = store.outcomes(cell.key);
  return cell.benchmark.items.map((item) => {
    const outcome = outcomes.get(item.id);
    if (outcome === undefined) throw new Error(`outcome of ${item.id} is missing in cell ${cell.key}`);
    return outcome;
  });
}
