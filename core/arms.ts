/** From a treatment's steps to the edits of its arms: the treated one and its controls. */
import { controlSets, controlUnits } from "./controls.ts";
import { faultText, UserError } from "./error.ts";
import { canonicalJson } from "./hash.ts";
import type { Intervention } from "./intervention.ts";
import type { ControlSpec } from "./matrix.ts";
import type { Edit, Model, Tap, Unit } from "./model.ts";
import type { UnitScores } from "./scorer.ts";
import { compareTaps, compareUnits } from "./select.ts";

/** One step, its params and units already read. */
export interface Step {
  readonly intervention: Intervention;
  readonly params: unknown;
  readonly units: readonly Unit[];
}

export interface ArmName {
  readonly treatment: string;
  /** "treated", or the control's label, of drawn sets with their number from 1: "random 3". */
  readonly arm: string;
  /** Label of the control; undefined for the treated arm. */
  readonly control: string | undefined;
}

/** Edits under which a model is run. */
export interface Arm extends ArmName {
  readonly edits: readonly Edit[];
  /** Number of units edited. */
  readonly units: number;
}

export interface ArmOptions {
  readonly treatment: string;
  readonly controls: readonly ControlSpec[];
  readonly seed: number;
  readonly model: Pick<Model, "info" | "units">;
  /** What a scored control chooses from, by its label. */
  readonly scoresOf: (label: string) => UnitScores;
}

/**
 * The treated arm, then every set of every control.
 *
 * @throws {UserError} for a unit that the model has not, and too few units left for a control.
 */
export function armsOf(
  steps: readonly Step[],
  { treatment, controls, seed, model, scoresOf }: ArmOptions,
): Arm[] {
  const treated = sortUnits(steps.flatMap((step) => step.units));
  for (const { tap, index } of treated) {
    const count = countOf(tap, { treatment, model });
    if (index >= count) {
      throw new UserError(
        `Cannot edit ${model.info.name} under ${
          JSON.stringify(treatment)
        }: unit ${index} of ${tap} does not exist, wanted 0 to ${count - 1}`,
      );
    }
  }
  const edit = (swap: (unit: Unit) => Unit) =>
    canonicalEdits(
      steps.flatMap((step) => editsOf(step, step.units.map(swap))),
    );
  const arms: Arm[] = [
    { treatment, arm: "treated", control: undefined, edits: edit((unit) => unit), units: treated.length },
  ];
  for (const each of controlSets(controls)) {
    const units = controlUnits(treated, each, { seed, model, scoresOf });
    // Both lists are sorted alike, so under match "tap" a unit is swapped for one of its own tap.
    const swaps = new Map(treated.map((unit, k) => [nameOf(unit), units[k] ?? unit]));
    arms.push({
      treatment,
      arm: each.arm,
      control: each.label,
      edits: each.control.use === "identity"
        ? canonicalEdits(
          units.map(({ tap, index }): Edit => ({ tap, units: [index], op: "scale", value: 1 })),
        )
        : edit((unit) => swaps.get(nameOf(unit)) ?? unit),
      units: units.length,
    });
  }
  return arms;
}

/** What an intervention makes of units; it may be the user's own code, so what it throws and what it gives is checked here.
 * @throws {UserError} naming the intervention. */
function editsOf({ intervention, params }: Step, units: readonly Unit[]): readonly Edit[] {
  const refuse = (state: string, cause?: unknown): never => {
    throw new UserError(`Cannot edit by ${intervention.name}: ${state}`, { cause });
  };
  try {
    const edits = intervention.edits(units, params);
    const odd = edits.find(({ op }) => !["scale", "set", "add"].includes(op));
    return odd
      ? refuse(`its edits() gave the op ${JSON.stringify(odd.op)}, wanted scale, set or add`)
      : edits;
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    return refuse(
      `its edits() threw ${faultText(cause)}, wanted edits`,
      cause,
    );
  }
}

/** @throws {UserError} naming treatment and model where there is no such tap. */
function countOf(tap: Tap, { treatment, model }: Pick<ArmOptions, "treatment" | "model">): number {
  try {
    return model.units(tap);
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    const reason = cause.message.replace(/^Cannot find tap [^:]*: /, "");
    throw new UserError(
      `Cannot edit ${model.info.name} under ${
        JSON.stringify(treatment)
      }: tap ${tap} does not exist, ${reason}`,
      { cause },
    );
  }
}

/**
 * The one spelling of edits that do the same: taps in forward order; at a tap, edits whose units do not meet are merged where
 * only the units differ, units ascending, and sorted. Edits that meet keep their order, which decides what they do.
 */
export function canonicalEdits(edits: readonly Edit[]): Edit[] {
  const byTap = Map.groupBy(edits, (edit) => edit.tap);
  return [...byTap.keys()].sort(compareTaps).flatMap((tap) => {
    const here = byTap.get(tap) ?? [];
    const units = here.flatMap((edit) => edit.units);
    if (new Set(units).size !== units.length) return here.map(sortEdit);
    const groups = Map.groupBy(
      here,
      (edit) => canonicalJson({ ...edit, units: mergeable(edit) ? [] : edit.units }),
    );
    const merged = [...groups.values()].flatMap(([first, ...rest]) =>
      first ? [sortEdit({ ...first, units: [first, ...rest].flatMap((edit) => edit.units) })] : []
    );
    return merged.sort((a, b) => canonicalJson(a) < canonicalJson(b) ? -1 : 1);
  });
}

function mergeable(edit: Edit): boolean {
  return typeof edit.value === "number";
}

/** Values that go with the units one by one pin their order. */
function sortEdit(edit: Edit): Edit {
  return mergeable(edit) ? { ...edit, units: [...edit.units].sort((a, b) => a - b) } : edit;
}

function nameOf(unit: Unit): string {
  return `${unit.tap} ${unit.index}`;
}

function sortUnits(units: readonly Unit[]): Unit[] {
  const distinct = [...new Map(units.map((unit) => [nameOf(unit), unit])).values()];
  return distinct.sort(compareUnits);
}
