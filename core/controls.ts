/**
 * The kinds of control, each with as many units as the treatment edits:
 *
 *   random     others, drawn again and again: what as many arbitrary units do
 *   scored     others that come first by a score of their own, one set: what units do that matter for something else, such as the generically
 *              important ones, or those of another task
 *   identity   the treated ones, scaled by 1: what the editing itself does, which is nothing
 */
import type { ControlSpec } from "./matrix.ts";
import { type Model, SITES, type Tap, type Unit } from "./model.ts";
import type { UnitScores } from "./scorer.ts";
import { drawControl, rankControl, siteOf } from "./select.ts";

/** One arm of a control. */
export interface ControlSet {
  readonly control: ControlSpec;
  /** Of the control among its neighbours: "random (tap)", "important". */
  readonly label: string;
  /** Of the set: "random (tap) 3", "important". */
  readonly arm: string;
  /** From 0. */
  readonly set: number;
}

/** Every set of every control, in order. */
export function controlSets(controls: readonly ControlSpec[]): ControlSet[] {
  const labels = controlLabels(controls);
  return controls.flatMap((control, i): ControlSet[] => {
    const label = labels[i] ?? "";
    return control.use === "random"
      ? Array.from(
        { length: control.sets },
        (_, set) => ({ control, label, arm: `${label} ${set + 1}`, set }),
      )
      : [{ control, label, arm: label, set: 0 }];
  });
}

/** A scored control's name, "identity", "random" for an only random control; else with what tells it from its neighbours. */
export function controlLabels(controls: readonly ControlSpec[]): string[] {
  const drawn = controls.filter((control) => control.use === "random");
  const shortOf = ({ use, match }: RandomSpec) => drawn.length > 1 ? `${use} (${match})` : use;
  return controls.map((control) => {
    if (control.use === "scored") return control.name;
    if (control.use === "identity") return control.use;
    const short = shortOf(control);
    return drawn.filter((each) => shortOf(each) === short).length === 1 ? short : [
      `${control.use} (${control.match}`,
      ...(control.pool ? [control.pool.join("+")] : []),
      `${control.sets} sets`,
      `${control.exclude ? "without" : "with"} treated)`,
    ].join(", ");
  });
}

/** Whether a control's sets are draws, so that the treatment would be one more of them if it did nothing of its own. */
export function isDrawn({ use }: Pick<ControlSpec, "use">): boolean {
  return use === "random";
}

export interface ControlUnitsOptions {
  readonly seed: number;
  readonly model: Pick<Model, "info" | "units">;
  /** What a scored control chooses from, by its label. */
  readonly scoresOf: (label: string) => UnitScores;
}

/**
 * The units of one set.
 *
 * @param treated sorted by layer, site and index.
 * @returns as many, sorted alike.
 * @throws {UserError} when too few are left.
 */
export function controlUnits(
  treated: readonly Unit[],
  { control, label, set }: ControlSet,
  { seed, model, scoresOf }: ControlUnitsOptions,
): readonly Unit[] {
  switch (control.use) {
    case "random":
      return drawControl(treated, {
        match: control.match,
        set,
        seed,
        unitsOf: model.units,
        pool: poolOf(control, treated, model.info.layers),
        exclude: control.exclude,
      });
    case "scored": {
      const { select, match, exclude } = control;
      return rankControl(treated, { ...select, match, exclude, scores: scoresOf(label), name: label });
    }
    case "identity":
      return treated;
  }
}

type RandomSpec = Extract<ControlSpec, { use: "random" }>;

function poolOf(control: RandomSpec, treated: readonly Unit[], layers: number): Tap[] {
  const used = new Set(treated.map(({ tap }) => siteOf(tap)));
  const sites = control.pool ?? SITES.filter((site) => used.has(site));
  const taps = Array.from(
    { length: layers },
    (_, layer) => sites.map((site): Tap => `layers.${layer}.${site}`),
  ).flat();
  return control.pool === undefined && used.has("embed") ? ["embed", ...taps] : taps;
}
