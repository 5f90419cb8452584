/** The identity control's check: edits that change nothing leave every outcome as it was, to the bit. */
import { UserError } from "./error.ts";
import { canonicalJson } from "./hash.ts";
import type { PlannedCell } from "./plan.ts";
import { UNTOUCHED } from "./results.ts";
import type { RunStore } from "./store/store.ts";

/** Whether a cell is one of those that are compared. */
export function isCompared({ arm }: Pick<PlannedCell, "arm">): boolean {
  return arm.treatment === UNTOUCHED || arm.control === "identity";
}

/**
 * Compares each identity cell with the untouched cell of its model and benchmark, where both are complete.
 *
 * @throws {UserError} naming the first cell in which an outcome differs in any bit: then a change under a treatment may be the editing's own.
 */
export function checkIdentity(cells: readonly PlannedCell[], store: RunStore): void {
  for (const cell of cells.filter(({ arm, key }) => arm.control === "identity" && store.isComplete(key))) {
    const { benchmark, model, arm } = cell;
    const untouched = cells.find((each) =>
      each.arm.treatment === UNTOUCHED && each.model === model && each.benchmark === benchmark
    );
    if (!untouched || !store.isComplete(untouched.key)) continue;
    const before = store.outcomes(untouched.key), after = store.outcomes(cell.key);
    const changed = benchmark.items.filter(({ id }) =>
      canonicalJson(before.get(id)!) !== canonicalJson(after.get(id)!)
    );
    if (changed.length === 0) continue;
    throw new UserError(
      `Cannot run ${benchmark.record.label} under ${
        JSON.stringify(arm.treatment)
      } (${arm.arm}) on ${model.record.label}: ${changed.length} of ${benchmark.items.length} items differ from ` +
        `untouched, such as ${changed[0]!.id}, wanted the same to the bit, computed on one machine`,
    );
  }
}
