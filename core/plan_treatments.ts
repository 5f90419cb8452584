/** The treatments of a matrix: steps read and checked, and their arms, before and after units are found. */
import { dirname, resolve } from "node:path";
import { type Arm, type ArmName, armsOf } from "./arms.ts";
import { type ControlSet, controlSets } from "./controls.ts";
import { UserError } from "./error.ts";
import type { Json } from "./evaluator.ts";
import type { Intervention } from "./intervention.ts";
import type { ControlSpec, MatrixSpec, ScoreSpec, SelectSpec, TreatmentSpec } from "./matrix.ts";
import type { Model, Unit } from "./model.ts";
import { plain } from "./plan_benchmarks.ts";
import type { MadeOf } from "./provenance/made_of.ts";
import { type PlannedScore, scoreName } from "./plan_scores.ts";
import { lookUp, type Registry } from "./registry.ts";
import { UNTOUCHED } from "./results.ts";
import { parseWith } from "./schema.ts";
import type { UnitScores } from "./scorer.ts";
import { selectUnits } from "./select.ts";
import { readUnitsFile, type UnitsFile, unitsOf } from "./units.ts";

/** Units that a scorer will find. */
export interface Selection {
  readonly score: PlannedScore;
  readonly select: SelectSpec;
}

export interface PlannedEdit {
  readonly intervention: Intervention;
  readonly params: unknown;
  /** Those given, or how they are found. */
  readonly units: readonly Unit[] | Selection;
}

export interface PlannedTreatment {
  readonly name: string;
  readonly controls: readonly ControlSpec[];
  /** What its scored controls choose from, by their labels. */
  readonly controlScores: ReadonlyMap<string, PlannedScore>;
  readonly edits: readonly PlannedEdit[];
  /** In the order of the steps; none where all units are given. */
  readonly selections: readonly Selection[];
  /** The items that made its units, selections and units files together; undefined for each list that does not say. */
  readonly madeOf: readonly (MadeOf | undefined)[];
  /** Its steps and its controls as the matrix has them, with versions, and params with every default. */
  readonly record: { readonly steps: Json; readonly controls: Json };
}

/** An arm before its units are known. */
export interface PlannedArm extends ArmName {
  /** What is done to the model, as a cell's spec has it: `edits`, or the `method` that makes them. */
  readonly done: { readonly [key: string]: Json };
}

export interface TreatmentOptions {
  readonly registry: Registry;
  /** Path of the matrix file. */
  readonly path: string;
  /** As planScores() gives them. */
  readonly scores: ReadonlyMap<string, PlannedScore>;
}

/** @throws {UserError} for an unknown intervention, wrong params or a broken units file. */
export function planTreatments(matrix: MatrixSpec, options: TreatmentOptions): PlannedTreatment[] {
  return matrix.treatments.map((treatment) => planTreatment(treatment, options));
}

function planTreatment(
  { name, steps, controls }: TreatmentSpec,
  { registry, path, scores }: TreatmentOptions,
): PlannedTreatment {
  const task = `read treatment ${JSON.stringify(name)}`;
  const edits: PlannedEdit[] = [];
  const selections: Selection[] = [];
  const made: (MadeOf | undefined)[] = [];
  let scored: PlannedScore | undefined;
  const scoreRecord = (score: ScoreSpec) => {
    const planned = scores.get(scoreName(score));
    return { ...score, version: planned?.scorer.version, params: planned?.params };
  };
  const record = steps.map(({ score, select, edit }) => {
    if (score) {
      scored = scores.get(scoreName(score));
      return { score: scoreRecord(score) };
    }
    if (select) {
      if (scored) {
        selections.push({ score: scored, select });
        made.push(...Object.values(scored.sets).map((set) => set.madeOf));
      }
      return { select };
    }
    if (!edit) return {};
    const intervention = lookUp(registry.interventions, edit.use, "intervention");
    const params = parseWith(intervention.params, edit.params, `${task}: params of ${edit.use}`);
    const given = typeof edit.units === "string"
      ? readUnits(resolve(dirname(path), edit.units))
      : edit.units && { units: unitsOf(edit.units, task), madeOf: undefined };
    if (given) made.push(...given.madeOf ?? [undefined]);
    edits.push({ intervention, params, units: given?.units ?? selections.at(-1) ?? [] });
    return { edit: { ...edit, version: intervention.version, params } };
  });
  return {
    name,
    controls,
    controlScores: new Map(
      controls.flatMap((control) =>
        control.use === "scored" ? [[control.name, scores.get(scoreName(control.score))!]] : []
      ),
    ),
    edits,
    selections,
    madeOf: made,
    record: {
      steps: plain(record),
      controls: plain(
        controls.map((control) =>
          control.use === "scored" ? { ...control, score: scoreRecord(control.score) } : control
        ),
      ),
    },
  };
}

function readUnits(path: string): UnitsFile {
  try {
    return readUnitsFile(Deno.readTextFileSync(path), path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot read units ${path}: ${(error as Error).message}`, { cause: error });
  }
}

export interface ArmOptions {
  readonly model: Pick<Model, "info" | "units">;
  readonly seed: number;
  readonly scoresOf: (score: PlannedScore) => UnitScores;
}

/**
 * The untouched model first, then the arms of each treatment, their units found.
 *
 * @throws {UserError} for a unit that the model has not, a selection that is empty, or too few units left for a control.
 */
export function armsFound(
  treatments: readonly PlannedTreatment[],
  { model, seed, scoresOf }: ArmOptions,
): Arm[] {
  const arms = treatments.flatMap(({ name, controls, controlScores, edits }) =>
    naming({ name, model }, () => {
      const steps = edits.map(({ units, ...edit }) => ({
        ...edit,
        units: "select" in units ? selectUnits(scoresOf(units.score), units.select).units : units,
      }));
      return armsOf(steps, {
        treatment: name,
        controls,
        seed,
        model,
        scoresOf: (label) => scoresOf(controlScores.get(label)!),
      });
    })
  );
  return [{ treatment: UNTOUCHED, arm: "treated", control: undefined, edits: [], units: 0 }, ...arms];
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
  for (const { name, selections } of treatments) {
    for (const { score, select } of selections) {
      const outline = outlineOf(score);
      if (outline) naming({ name, model }, () => selectUnits(outline, select));
    }
  }
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
  options: Omit<ArmOptions, "scoresOf">,
): PlannedArm[] {
  const scoresOf = () => new Map();
  const given = (some: readonly PlannedTreatment[]) =>
    armsFound(some, { ...options, scoresOf })
      .map(({ edits, units: _, ...name }): PlannedArm => ({ ...name, done: { edits: plain(edits) } }));
  return [
    ...given([]),
    ...treatments.flatMap((treatment): PlannedArm[] => {
      const arms = armsByMethod(treatment, options.seed);
      if (treatment.selections.length > 0) return arms;
      // Only the scored controls wait for their units.
      const controls = treatment.controls.filter(({ use }) => use !== "scored");
      const known = new Map(given([{ ...treatment, controls }]).slice(1).map((arm) => [arm.arm, arm]));
      return arms.map((arm) => known.get(arm.arm) ?? arm);
    }),
  ];
}

/** What makes the edits stands for them: which units it will be follows from it and the model. */
function armsByMethod(
  { name, controls, controlScores, edits }: PlannedTreatment,
  seed: number,
): PlannedArm[] {
  const steps = edits.map(({ intervention, params, units }) => ({
    intervention: { name: intervention.name, version: intervention.version, params },
    units: "select" in units ? { score: units.score.spec, select: units.select } : units,
  }));
  const named = { treatment: name, arm: "treated", control: undefined };
  return [
    { ...named, done: { method: plain({ steps }) } },
    ...controlSets(controls).map((each): PlannedArm => ({
      treatment: name,
      arm: each.arm,
      control: each.label,
      done: { method: plain({ steps, control: methodOf(each, { controlScores, seed }) }) },
    })),
  ];
}

/** What chooses a control's units; its name decides nothing, and only draws have a seed. */
function methodOf(
  { control, label, set }: ControlSet,
  { controlScores, seed }: Pick<PlannedTreatment, "controlScores"> & Pick<ArmOptions, "seed">,
) {
  switch (control.use) {
    case "random": {
      const { sets: _, ...draw } = control;
      return { ...draw, set, seed };
    }
    case "scored": {
      const { name: _, ...method } = control;
      return { ...method, score: controlScores.get(label)!.spec };
    }
    case "identity":
      return control;
  }
}
