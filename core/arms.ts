/** From a treatment's steps to the edits of its arms: the treated one and its controls. */
import {
  controlSets,
  drawSet,
  grown,
  nameOf,
  type StandInOptions,
  type StandIns,
  standIns,
} from "./controls.ts";
import { faultText, UserError } from "./error.ts";
import { canonicalJson } from "./hash.ts";
import type { Intervention } from "./intervention.ts";
import type { ControlSpec, CurveSpec } from "./matrix.ts";
import type { Edit, Tap, Unit } from "./model.ts";
import { compareTaps, compareUnits } from "./select.ts";

/** One step, its params and units already read. */
export interface Step {
  readonly intervention: Intervention;
  readonly params: unknown;
  readonly units: readonly Unit[];
}

export interface ArmName {
  readonly treatment: string;
  /**
   * "treated", of a training's further seeds "seed 2"; the control's label, of several sets with their number from 1: "random 3"; of a curve its dose, and where that is a random
   * set's its number: "units 24", "units 24, random 3".
   */
  readonly arm: string;
  /** Label of the control; undefined for the treated arm. */
  readonly control: string | undefined;
  /** Place on the treatment's curve. */
  readonly dose?: Dose;
  /** What stands before every prompt. */
  readonly prompt?: string;
}

export interface Dose {
  /** As the matrix has it. */
  readonly at: number;
  /** From 0; the treatment's own units without it. */
  readonly set?: number;
}

/** Whether the arm is the treatment as it was written (of several seeds the first), or the untouched model. */
export function isTreated({ arm }: Pick<ArmName, "arm">): boolean {
  return arm === "treated";
}

/** Whether the arm is the treatment as it was written with any of its seeds, or the untouched model. */
export function isOwn({ control, dose }: Pick<ArmName, "control" | "dose">): boolean {
  return control === undefined && dose === undefined;
}

/** Edits under which a model is run. */
export interface Arm extends ArmName {
  readonly edits: readonly Edit[];
  /** Number of units edited. */
  readonly units: number;
}

export interface ArmOptions extends StandInOptions {
  readonly treatment: string;
  readonly controls: readonly ControlSpec[];
  readonly curve?: CurveSpec | undefined;
  /** The steps at a dose of units. */
  readonly stepsAt?: (dose: number) => readonly Step[];
}

/**
 * The treated arm, then every set of every control, then the curve.
 *
 * @throws {UserError} for a unit that the model has not, and too few units left for a control.
 */
export function armsOf(steps: readonly Step[], options: ArmOptions): Arm[] {
  const { treatment, controls } = options;
  const treated = treatedOf(steps);
  for (const { tap, index } of treated) {
    const count = countOf(tap, options);
    if (index >= count) {
      throw new UserError(
        `Cannot edit ${options.model.info.name} under ${
          JSON.stringify(treatment)
        }: unit ${index} of ${tap} does not exist, wanted 0 to ${count - 1}`,
      );
    }
  }
  const arms: Arm[] = [{
    treatment,
    arm: "treated",
    control: undefined,
    edits: editsBy(steps),
    units: treated.length,
  }];
  for (const each of controlSets(controls)) {
    const of = standIns(treated, each, options);
    const units = treated.flatMap(of);
    arms.push({
      treatment,
      arm: each.arm,
      control: each.label,
      ...(each.control.use === "prompt" && { prompt: each.control.text }),
      edits: each.control.use === "identity"
        ? canonicalEdits(
          units.map(({ tap, index }): Edit => ({ tap, units: [index], op: "scale", value: 1 })),
        )
        : editsBy(steps, of),
      units: units.length,
    });
  }
  return [...arms, ...curveArms(steps, options)];
}

/** The treatment at each dose, and as many units drawn at random there. */
function curveArms(steps: readonly Step[], options: ArmOptions): Arm[] {
  const { treatment, curve, stepsAt, seed, model } = options;
  return doseNames(treatment, curve).map((name): Arm => {
    const { at, set } = name.dose;
    const own = curve?.over === "units" && stepsAt ? stepsAt(at) : steps;
    const strength = curve?.over === "strength" ? at : 1;
    const treated = treatedOf(own);
    if (set === undefined) {
      return { ...name, edits: withStrength(editsBy(own), strength, treatment), units: treated.length };
    }
    const control = { match: "tap", exclude: false } as const;
    const units = drawSet(treated, { control, set, seed, model });
    const edits = editsBy(own, grown(treated, units, "tap"));
    return { ...name, edits: withStrength(edits, strength, treatment), units: units.length };
  });
}

/** The arms of a curve, dose by dose. */
export function doseNames(
  treatment: string,
  curve: CurveSpec | undefined,
): (ArmName & { readonly dose: Dose })[] {
  return (curve?.at ?? []).flatMap((at) =>
    [undefined, ...Array.from({ length: curve!.sets }, (_, set) => set)].map((set) => ({
      treatment,
      arm: `${curve!.over} ${at}${set === undefined ? "" : `, random ${set + 1}`}`,
      control: undefined,
      dose: { at, ...(set !== undefined && { set }) },
    }))
  );
}

/**
 * The same edits, their change `strength` times as large: a factor v becomes 1 + strength (v - 1), an added number strength times that. 0 would
 * be the untouched model.
 *
 * @throws {UserError} for an edit that sets values: how far that moves them depends on what they were.
 */
export function withStrength(edits: readonly Edit[], strength: number, treatment: string): Edit[] {
  if (strength === 1) return [...edits];
  const change = (op: Edit["op"], value: number) =>
    op === "scale" ? 1 + strength * (value - 1) : strength * value;
  return edits.map((edit) => {
    const { op, value } = edit;
    if (op === "set" || value === undefined) {
      throw new UserError(
        `Cannot draw the curve of ${
          JSON.stringify(treatment)
        } over strength: it sets values, wanted edits that scale or add`,
      );
    }
    return {
      ...edit,
      value: typeof value === "number" ? change(op, value) : value.map((each) => change(op, each)),
    };
  });
}

/** What the steps do, to the treated units or to those that stand for them. */
export function editsBy(steps: readonly Step[], of: StandIns = (unit) => [unit]): Edit[] {
  return canonicalEdits(steps.flatMap((step) => {
    const units = step.units.flatMap(of);
    return units.length === 0 ? [] : editsOf(step, units);
  }));
}

/** All units that the steps edit, sorted, each once. */
export function treatedOf(steps: readonly Step[]): Unit[] {
  return sortUnits(steps.flatMap((step) => step.units));
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

function sortUnits(units: readonly Unit[]): Unit[] {
  const distinct = [...new Map(units.map((unit) => [nameOf(unit), unit])).values()];
  return distinct.sort(compareUnits);
}
