/**
 * The kinds of control. With as many units as the treatment edits:
 *
 *   random          others, drawn again and again: what as many arbitrary units do
 *   scored          others that come first by a score of their own, one set: what units do that matter for something else, such as the
 *                   generically important ones, or those of another task
 *   identity        the treated ones, scaled by 1: what the editing itself does, which is nothing
 *
 * And without that:
 *
 *   matchedDamage   others, drawn again and again, as many as it takes to cost as much on plain text: what damage of that size does (growth.ts)
 *   prompt          none: what asking for the change does
 */
import type { ControlSpec } from "./matrix.ts";
import { type Model, SITES, type Tap, type Unit } from "./model.ts";
import type { UnitScores } from "./scorer.ts";
import { drawControl, drawSequence } from "./draw.ts";
import { rankControl, siteOf } from "./select.ts";

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
    return "sets" in control
      ? Array.from(
        { length: control.sets },
        (_, set) => ({ control, label, arm: `${label} ${set + 1}`, set }),
      )
      : [{ control, label, arm: label, set: 0 }];
  });
}

/** The name that the matrix gives it, or its kind; of several random ones with what tells them apart. */
export function controlLabels(controls: readonly ControlSpec[]): string[] {
  const drawn = controls.filter((control) => control.use === "random");
  const shortOf = ({ use, match }: RandomSpec) => drawn.length > 1 ? `${use} (${match})` : use;
  return controls.map((control) => {
    if ("name" in control) return control.name;
    if (control.use !== "random") return control.use;
    const short = shortOf(control);
    return drawn.filter((each) => shortOf(each) === short).length === 1 ? short : [
      `${control.use} (${control.match}`,
      ...(control.pool ? [control.pool.join("+")] : []),
      `${control.sets} sets`,
      `${control.exclude ? "without" : "with"} treated)`,
    ].join(", ");
  });
}

/**
 * How the sets of a control are drawn of which the treatment would be one more if it did nothing of its own; undefined for other controls.
 */
export function drawnOf(
  control: ControlSpec | undefined,
): { readonly sets: number; readonly stopAt: number } | undefined {
  if (control?.use === "random") return { sets: control.sets, stopAt: control.stopAt };
  return control?.use === "matchedDamage" ? { sets: control.sets, stopAt: Infinity } : undefined;
}

export interface StandInOptions {
  readonly seed: number;
  readonly model: Pick<Model, "info" | "units">;
  /** What a scored control chooses from, by its label. */
  readonly scoresOf: (label: string) => UnitScores;
  /** Number of units of each set of a control that was grown, by its label. */
  readonly sizesOf: (label: string) => readonly number[];
}

/** Units that stand for a treated one. */
export type StandIns = (treated: Unit) => readonly Unit[];

/**
 * What is edited under one set, and as which treated unit, so that each unit gets the edit of one whose place it takes: in its own tap under
 * match "tap".
 *
 * @param treated sorted by layer, site and index.
 * @throws {UserError} when too few are left.
 */
export function standIns(treated: readonly Unit[], set: ControlSet, options: StandInOptions): StandIns {
  const { control, label } = set;
  switch (control.use) {
    case "random":
      return paired(treated, drawSet(treated, { control, set: set.set, ...options }));
    case "scored": {
      const { select, match, exclude } = control;
      const scores = options.scoresOf(label);
      return paired(treated, rankControl(treated, { ...select, match, exclude, scores, name: label }));
    }
    case "matchedDamage": {
      const sequence = drawGrowth(treated, { control, set: set.set, ...options });
      return grown(treated, sequence.slice(0, options.sizesOf(label)[set.set] ?? 0), control.match);
    }
    case "identity":
      return (unit) => [unit];
    case "prompt":
      return () => [];
    case "shuffled":
    case "tuned":
      throw new Error(`control ${control.use} trains`);
  }
}

type DrawnSpec = Extract<ControlSpec, { use: "random" | "matchedDamage" }>;

interface DrawOptions extends Pick<StandInOptions, "seed" | "model"> {
  readonly control: Omit<DrawnSpec, "use" | "sets">;
  readonly set: number;
}

/** As many units as are treated. */
export function drawSet(treated: readonly Unit[], { control, ...options }: DrawOptions): readonly Unit[] {
  return drawControl(treated, drawing(treated, { control, ...options }));
}

/** All units that a set may have, in the order in which it grows. */
export function drawGrowth(treated: readonly Unit[], { control, ...options }: DrawOptions): readonly Unit[] {
  return drawSequence(treated, drawing(treated, { control, ...options }));
}

function drawing(treated: readonly Unit[], { control, set, seed, model }: DrawOptions) {
  return {
    match: control.match,
    set,
    seed,
    unitsOf: model.units,
    pool: poolOf(control, treated, model.info.layers),
    exclude: control.exclude,
  };
}

/** Both lists are sorted alike, so under match "tap" a unit is swapped for one of its own tap. */
function paired(treated: readonly Unit[], units: readonly Unit[]): StandIns {
  const swaps = new Map(treated.map((unit, k) => [nameOf(unit), units[k] ?? unit]));
  return (unit) => [swaps.get(nameOf(unit)) ?? unit];
}

/** Units take the treated ones' places in turn, those of a tap among themselves under match "tap". */
export function grown(treated: readonly Unit[], units: readonly Unit[], match: "tap" | "uniform"): StandIns {
  const place = ({ tap }: Unit) => match === "tap" ? tap : "";
  const places = Map.groupBy(treated, place), turns = new Map<string, number>();
  const of = Map.groupBy(units, (unit) => {
    const list = places.get(place(unit))!, turn = turns.get(place(unit)) ?? 0;
    turns.set(place(unit), turn + 1);
    return nameOf(list[turn % list.length]!);
  });
  return (unit) => of.get(nameOf(unit)) ?? [];
}

export function nameOf({ tap, index }: Unit): string {
  return `${tap} ${index}`;
}

type RandomSpec = Extract<ControlSpec, { use: "random" }>;

function poolOf(control: Pick<DrawnSpec, "pool">, treated: readonly Unit[], layers: number): Tap[] {
  const used = new Set(treated.map(({ tap }) => siteOf(tap)));
  const sites = control.pool ?? SITES.filter((site) => used.has(site));
  const taps = Array.from(
    { length: layers },
    (_, layer) => sites.map((site): Tap => `layers.${layer}.${site}`),
  ).flat();
  return control.pool === undefined && used.has("embed") ? ["embed", ...taps] : taps;
}
