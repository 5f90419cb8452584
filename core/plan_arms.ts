/** The arms of planned treatments, before their units are found and after. */
import { type Arm, type ArmName, armsOf, type Dose, doseNames, type Step, withStrength } from "./arms.ts";
import { type ControlSet, controlSets } from "./controls.ts";
import { UserError } from "./error.ts";
import type { Json } from "./evaluator.ts";
import type { SelectSpec } from "./matrix.ts";
import type { Inspected } from "./memory.ts";
import type { Model, OpenOptions } from "./model.ts";
import { plain } from "./plan_benchmarks.ts";
import type { PlannedScore } from "./plan_scores.ts";
import type { PlannedTreatment } from "./plan_treatments.ts";
import { type Training, tunedArms } from "./plan_tunes.ts";
import { type ModelRecord, UNTOUCHED } from "./results.ts";
import type { UnitScores } from "./scorer.ts";
import { selectUnits } from "./select.ts";

/** An arm before its units are known. */
export interface PlannedArm extends ArmName {
  /** What is done to the model, as a cell's spec has it: `edits`, or the `method` that makes them. */
  readonly done: { readonly [key: string]: Json };
  /** What the model is trained by first. */
  readonly training?: Training;
  /** The model as it is opened for this arm, where that is not its own way. */
  readonly opened?: Opened;
}

/** A model opened with other params. */
export interface Opened {
  readonly record: ModelRecord;
  readonly inspected: Inspected;
  open(options: OpenOptions): Promise<Model>;
}

export interface ArmOptions {
  readonly model: Pick<Model, "info" | "units">;
  readonly seed: number;
  readonly scoresOf: (score: PlannedScore) => UnitScores;
  /** Number of units of each set of a control that was grown. */
  readonly sizesOf: (treatment: PlannedTreatment, label: string) => readonly number[];
}

/**
 * The untouched model first, then the arms of each treatment, their units found.
 *
 * @throws {UserError} for a unit that the model has not, a selection that is empty, or too few units left for a control.
 */
export function armsFound(treatments: readonly PlannedTreatment[], options: ArmOptions): Arm[] {
  const { model, seed, scoresOf, sizesOf } = options;
  const arms = treatments.flatMap((treatment): Arm[] => {
    const { tune } = treatment;
    if (tune) return tunedArms({ ...treatment, tune }).map((arm) => ({ ...arm, edits: [], units: 0 }));
    if (treatment.open) return openedArms(treatment).map((arm) => ({ ...arm, edits: [], units: 0 }));
    return naming({ ...treatment, model }, () =>
      armsOf(stepsFound(treatment, options), {
        treatment: treatment.name,
        controls: treatment.controls,
        curve: treatment.curve,
        stepsAt: (dose) => stepsFound(treatment, options, dose),
        seed,
        model,
        scoresOf: (label) => scoresOf(treatment.controlScores.get(label)!),
        sizesOf: (label) => sizesOf(treatment, label),
      }));
  });
  return [{ treatment: UNTOUCHED, arm: "treated", control: undefined, edits: [], units: 0 }, ...arms];
}

/** A treatment's steps with their units, as many as it says or those of a dose. */
export function stepsFound(
  { name, edits }: Pick<PlannedTreatment, "name" | "edits">,
  { scoresOf }: Pick<ArmOptions, "scoresOf">,
  dose?: number,
): Step[] {
  return edits.map(({ units, ...edit }): Step => {
    if ("select" in units) {
      const { score, select } = units;
      return {
        ...edit,
        units: selectUnits(scoresOf(score), dose === undefined ? select : { ...select, top: dose }).units,
      };
    }
    if (dose !== undefined && dose > units.length) {
      throw new UserError(
        `Cannot draw the curve of ${
          JSON.stringify(name)
        }: a dose is ${dose}, wanted at most its ${units.length} units`,
      );
    }
    return { ...edit, units: units.slice(0, dose) };
  });
}

export interface OutlineOptions extends Pick<ArmOptions, "model"> {
  /** 0 for every unit that will be scored, undefined where that is not known. */
  readonly outlineOf: (score: PlannedScore) => UnitScores | undefined;
}

/**
 * Refuses what no scores can give, before there are any.
 *
 * @throws {UserError} naming the treatment, for a group or site that is not scored, and where `top` is none or more than all.
 */
export function checkSelections(
  treatments: readonly PlannedTreatment[],
  { model, outlineOf }: OutlineOptions,
): void {
  for (const { name, selections, curve } of treatments) {
    for (const { score, select } of selections) {
      const outline = outlineOf(score);
      if (!outline) continue;
      const tops = curve?.over === "units" ? [select.top, ...curve.at] : [select.top];
      const sizes = tops.map((top) =>
        // What drops units depends on scores.
        naming({ name, model }, () => selectUnits(outline, { ...undropped(select), top }).units.length)
      ).slice(1);
      const again = sizes.findIndex((size, i) => sizes.indexOf(size) !== i);
      if (again >= 0) {
        throw new UserError(
          `Cannot draw the curve of ${JSON.stringify(name)} on ${model.info.name}: ${
            sizes[again]
          } units stand for two of its doses, wanted another number for each`,
        );
      }
    }
  }
}

/** A selection without what drops units by their scores. */
export function undropped({ without: _, standout: __, ...select }: SelectSpec): SelectSpec {
  return select;
}

/** Selections and controls know of no treatment: says whose they are. */
export function naming<T>(
  { name, model }: Pick<ArmOptions, "model"> & Pick<PlannedTreatment, "name">,
  work: () => T,
): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    const reason = cause.message.replace(/^Cannot select units: /, "").replace(
      /^Cannot (draw|choose) /,
      "cannot $1 ",
    );
    if (reason === cause.message) throw cause;
    throw new UserError(`Cannot run treatment ${JSON.stringify(name)} on ${model.info.name}: ${reason}`, {
      cause,
    });
  }
}

/** The same arms before any score is known. @throws {UserError} as armsFound() for treatments whose units are given. */
export function armsPlanned(
  treatments: readonly PlannedTreatment[],
  options: Omit<ArmOptions, "scoresOf" | "sizesOf">,
): PlannedArm[] {
  const given = (some: readonly PlannedTreatment[]) =>
    armsFound(some, { ...options, scoresOf: () => new Map(), sizesOf: () => [] })
      .map(({ edits, units: _, ...name }): PlannedArm => ({ ...name, done: doneBy({ edits }, name) }));
  return [
    ...given([]),
    ...treatments.flatMap((treatment): PlannedArm[] => {
      if (treatment.tune) return tunedArms({ ...treatment, tune: treatment.tune });
      if (treatment.open) return openedArms(treatment);
      checkStrengths(treatment);
      const arms = armsByMethod(treatment, options.seed);
      if (treatment.selections.length > 0) return arms;
      // Only the scored controls and the grown ones wait for their units.
      const controls = treatment.controls.filter(({ use }) => use !== "scored" && use !== "matchedDamage");
      const known = new Map(given([{ ...treatment, controls }]).slice(1).map((arm) => [arm.arm, arm]));
      return arms.map((arm) => known.get(arm.arm) ?? arm);
    }),
  ];
}

/** The model opened otherwise, and controls that edit nothing. */
function openedArms({ name, controls }: Pick<PlannedTreatment, "name" | "controls">): PlannedArm[] {
  const own = { treatment: name, done: doneBy({ edits: [] }, {}) };
  return [
    { ...own, arm: "treated", control: undefined },
    ...controlSets(controls).flatMap(({ arm, label, control }): PlannedArm[] => {
      if (control.use !== "prompt") throw new Error(`control ${control.use} of ${name} draws units`);
      const { text: prompt } = control;
      return [{ ...own, arm, control: label, prompt, done: doneBy({}, { prompt }) }];
    }),
  ];
}

/** @throws {UserError} where an intervention makes edits that have no strength. */
function checkStrengths({ name, edits, curve }: PlannedTreatment): void {
  if (curve?.over !== "strength") return;
  for (const { intervention, params } of edits) {
    const [edit] = intervention.edits([{ tap: "layers.0.mlp.gate", index: 0 }], params);
    if (edit) withStrength([edit], 2, name);
  }
}

/** A prompt alone does the same whatever the treatment is. */
function doneBy(
  what: { readonly [key: string]: unknown },
  { prompt }: Pick<ArmName, "prompt">,
): PlannedArm["done"] {
  return plain(prompt === undefined ? what : { edits: [], prompt }) as PlannedArm["done"];
}

/** What makes the edits stands for them: which units it will be follows from it and the model. */
function armsByMethod(treatment: PlannedTreatment, seed: number): PlannedArm[] {
  const { name, controls, curve } = treatment;
  const named = { treatment: name, arm: "treated", control: undefined };
  return [
    { ...named, done: doneBy({ method: { steps: methodSteps(treatment) } }, {}) },
    ...controlSets(controls).map((each): PlannedArm => {
      const { arm, label, control } = each;
      const own = {
        treatment: name,
        arm,
        control: label,
        ...(control.use === "prompt" && { prompt: control.text }),
      };
      const steps = methodSteps(treatment);
      return { ...own, done: doneBy({ method: { steps, control: methodOf(each, treatment, seed) } }, own) };
    }),
    ...doseNames(name, curve).map((own): PlannedArm => ({
      ...own,
      done: doneBy({ method: doseMethod(treatment, own.dose, seed) }, own),
    })),
  ];
}

/** The steps as a cell's spec has them, at a dose of units where one is given. */
export function methodSteps({ edits }: Pick<PlannedTreatment, "edits">, dose?: number): Json {
  return plain(edits.map(({ intervention, params, units }) => ({
    intervention: { name: intervention.name, version: intervention.version, params },
    units: "select" in units
      ? {
        score: units.score.spec,
        select: dose === undefined ? units.select : { ...units.select, top: dose },
      }
      : units.slice(0, dose),
  })));
}

/** A dose that is the treatment's own makes the treatment's cell, or that of a random set of it. */
function doseMethod(treatment: PlannedTreatment, { at, set }: Dose, seed: number) {
  const { over } = treatment.curve!;
  const steps = methodSteps(treatment, over === "units" ? at : undefined);
  const control = set !== undefined &&
    { control: { use: "random", match: "tap", exclude: false, set, seed } };
  return { steps, ...control, ...(over === "strength" && at !== 1 && { strength: at }) };
}

/** What chooses a control's units; its name decides nothing, and only draws have a seed. */
export function methodOf(
  { control, label, set }: ControlSet,
  { controlScores, controlTexts }: Pick<PlannedTreatment, "controlScores" | "controlTexts">,
  seed: number,
): Json {
  switch (control.use) {
    case "random": {
      const { sets: _, stopAt: __, ...draw } = control;
      return plain({ ...draw, set, seed });
    }
    case "matchedDamage": {
      const { sets: _, on: __, metric: ___, ...draw } = control;
      return plain({ ...draw, on: controlTexts.get(label)!.spec, set, seed });
    }
    case "scored": {
      const { name: _, ...method } = control;
      return plain({ ...method, score: controlScores.get(label)!.spec });
    }
    default:
      return plain(control);
  }
}
