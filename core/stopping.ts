/**
 * Drawn controls end early: once it is decided how a treatment stands among random sets of units, no further set is computed. What is decided
 * is each claim about that benchmark: the primary metric's two-sided p, which every table shows, and every hypothesis against the control. Sets
 * are taken in their order, so that which of them count follows from their outcomes alone, whatever else a store holds.
 */
import type { ControlSpec } from "./matrix.ts";
import { controlSets } from "./controls.ts";
import { measuresOf } from "./measures.ts";
import { readingIn } from "./reading.ts";
import type { Plan, PlannedCell } from "./plan.ts";
import { standingOf } from "./standing.ts";
import type { RunStore } from "./store/store.ts";

/** The control's number of sets and where it stops; undefined for controls that are no draws or are drawn whole. */
export function stoppingOf(
  plan: Pick<Plan, "treatments">,
  { arm }: Pick<PlannedCell, "arm">,
): Extract<ControlSpec, { use: "random" }> | undefined {
  const treatment = plan.treatments.find(({ name }) => name === arm.treatment);
  const control = controlSets(treatment?.controls ?? []).find(({ label }) => label === arm.control)?.control;
  return control?.use === "random" ? control : undefined;
}

/** Tells which cells count. */
export interface Stopping {
  /** Whether a cell is to be computed, or counts: false where the sets before it, as far as they are complete, have decided. */
  isWanted(cell: PlannedCell): boolean;
}

/** Reads each complete cell once. */
export function createStopping(plan: Plan, store: RunStore): Stopping {
  const means = new Map<string, ReadonlyMap<string, number>>();
  const meansOf = (cell: PlannedCell) => {
    const place = `${cell.key} ${cell.benchmark.record.label}`;
    const known = means.get(place);
    if (known) return known;
    const reading = readingIn(store, cell);
    const found = new Map(
      measuresOf(cell.benchmark, reading).map(({ metric, values }) => [metric.name, mean(values(reading))]),
    );
    means.set(place, found);
    return found;
  };
  const byPlace = Map.groupBy(plan.cells, placeOf);
  const decided = new Set<string>();
  return {
    isWanted(cell) {
      const control = stoppingOf(plan, cell);
      if (!control) return true;
      const { treatment, control: label = "" } = cell.arm;
      const place = `${placeOf(cell)} ${JSON.stringify([treatment, label])}`;
      if (decided.has(place)) return false;
      const here = byPlace.get(placeOf(cell)) ?? [];
      const own = here.find(({ arm }) =>
        arm.treatment === treatment && arm.control === undefined && arm.dose === undefined
      )!;
      const before = here.filter(({ arm }) => arm.treatment === treatment && arm.control === label);
      const past = before.slice(0, before.indexOf(cell));
      const open = past.findIndex(({ key }) => !store.isComplete(key));
      const drawn = open < 0 ? past : past.slice(0, open);
      if (drawn.length < control.stopAt || !store.isComplete(own.key)) return true;
      const claims = [
        { metric: cell.benchmark.primary, direction: "either" as const },
        ...plan.hypotheses.list.filter((claim) =>
          claim.treatment === treatment && claim.control === label &&
          claim.benchmark === cell.benchmark.record.label
        ),
      ];
      const isDecided = claims.every(({ metric, direction }) => {
        const treated = meansOf(own).get(metric);
        if (treated === undefined) return true; // said when the hypothesis is judged
        const levels = drawn.map((each) => meansOf(each).get(metric) ?? NaN);
        return standingOf(treated, levels, { direction, sets: control.sets, stopAt: control.stopAt }).decided;
      });
      if (isDecided) decided.add(place);
      return !isDecided;
    },
  };
}

/** The cells of the plan that count. */
export function wantedCells(plan: Plan, store: RunStore): PlannedCell[] {
  const stopping = createStopping(plan, store);
  return plan.cells.filter((cell) => stopping.isWanted(cell));
}

function placeOf({ model, benchmark }: PlannedCell): string {
  return JSON.stringify([model.record.label, benchmark.record.label]);
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}
