/** From a treatment's steps to the edits of its arms: the treated one and its controls. */
import { faultText, UserError } from "./error.ts";
import { canonicalJson } from "./hash.ts";
import type { Intervention } from "./intervention.ts";
import type { ControlSpec } from "./matrix.ts";
import { type Edit, type Model, SITES, type Tap, type Unit } from "./model.ts";
import { compareTaps, drawControl, siteOf } from "./select.ts";

/** One step, its params and units already read. */
export interface Step {
  readonly intervention: Intervention;
  readonly params: unknown;
  readonly units: readonly Unit[];
}

export interface ArmName {
  readonly treatment: string;
  /** "treated", or the control's name and its set, "random 3"; sets count from 1. */
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
}

/** The treated arm, then every set of every control. @throws {UserError} for a unit that the model has not. */
export function armsOf(steps: readonly Step[], { treatment, controls, seed, model }: ArmOptions): Arm[] {
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
  for (const { control, label, arm, set } of controlSets(controls)) {
    const drawn = drawControl(treated, {
      match: control.match,
      set,
      seed,
      unitsOf: model.units,
      pool: poolOf(control, treated, model.info.layers),
      exclude: control.exclude,
    });
    // Both lists are sorted alike, so under match "tap" a unit is swapped for one of its own tap.
    const swaps = new Map(treated.map((unit, k) => [nameOf(unit), drawn[k] ?? unit]));
    arms.push({
      treatment,
      arm,
      control: label,
      edits: edit((unit) => swaps.get(nameOf(unit)) ?? unit),
      units: drawn.length,
    });
  }
  return arms;
}

export interface ControlSet {
  readonly control: ControlSpec;
  /** Of the control among its neighbours, and of the set: "random", "random 3". */
  readonly label: string;
  readonly arm: string;
  /** From 0. */
  readonly set: number;
}

/** Every set of every control, in order. */
export function controlSets(controls: readonly ControlSpec[]): ControlSet[] {
  const labels = controlLabels(controls);
  return controls.flatMap((control, i) => {
    const label = labels[i] ?? "";
    return Array.from(
      { length: control.sets },
      (_, set) => ({ control, label, arm: `${label} ${set + 1}`, set }),
    );
  });
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

/** "random" for an only control; else with what tells it from its neighbours. */
export function controlLabels(controls: readonly ControlSpec[]): string[] {
  const short = controls.map((control) =>
    controls.length > 1 ? `${control.use} (${control.match})` : control.use
  );
  return controls.map((control, i) =>
    short.filter((label) => label === short[i]).length === 1 ? short[i] ?? "" : [
      `${control.use} (${control.match}`,
      ...(control.pool ? [control.pool.join("+")] : []),
      `${control.sets} sets`,
      `${control.exclude ? "without" : "with"} treated)`,
    ].join(", ")
  );
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
  return distinct.sort((a, b) => compareTaps(a.tap, b.tap) || a.index - b.index);
}

function poolOf(control: ControlSpec, treated: readonly Unit[], layers: number): Tap[] {
  const used = new Set(treated.map(({ tap }) => siteOf(tap)));
  const sites = control.pool ?? SITES.filter((site) => used.has(site));
  const taps = Array.from(
    { length: layers },
    (_, layer) => sites.map((site): Tap => `layers.${layer}.${site}`),
  ).flat();
  return control.pool === undefined && used.has("embed") ? ["embed", ...taps] : taps;
}
