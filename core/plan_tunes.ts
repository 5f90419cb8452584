/** The tune steps of a matrix: tuners, params, items and units read and checked, and the arms that they make. */
import { dirname } from "node:path";
import type { ArmName } from "./arms.ts";
import { controlLabels } from "./controls.ts";
import { UserError } from "./error.ts";
import type { Json } from "./evaluator.ts";
import type { MatrixSpec, TuneSpec } from "./matrix.ts";
import { type BenchmarkOptions, plain } from "./plan_benchmarks.ts";
import type { PlannedArm } from "./plan_arms.ts";
import { checkSets, type PlannedSet, planSet, setsSpec } from "./plan_scores.ts";
import type { PlannedTreatment } from "./plan_treatments.ts";
import { lookUp } from "./registry.ts";
import { parseWith } from "./schema.ts";
import type { Tuner } from "./tuner.ts";
import { type UnitsFile, unitsGiven } from "./units.ts";

/** A tune step, the same for every model. */
export interface PlannedTune {
  readonly tuner: Tuner;
  readonly params: unknown;
  /** Items by the name of their set. */
  readonly sets: Readonly<Record<string, PlannedSet>>;
  /** Where the tuner wants any. */
  readonly units: UnitsFile | undefined;
  /** Whether the run's own limit left items out, beyond those of the step. */
  readonly shortened: boolean;
  /** What decides the training of a given model, but for seed and answers. */
  readonly spec: Json;
}

/** One training of a tune step: what an arm is run on. */
export interface Training {
  readonly tune: PlannedTune;
  /** "shuffled": of each item any answer is taught as the right one. */
  readonly answers: "right" | "shuffled";
  readonly seed: number;
}

/** @throws {UserError} for an unknown tuner or set, wrong params, a missing set, missing or broken data; naming the treatment. */
export function planTunes(
  matrix: MatrixSpec,
  options: BenchmarkOptions,
): ReadonlyMap<TuneSpec, PlannedTune> {
  const tunes = new Map<TuneSpec, PlannedTune>();
  for (const { name, steps, controls } of matrix.treatments) {
    const task = `read treatment ${JSON.stringify(name)}`;
    for (const { tune } of steps) {
      if (tune) tunes.set(tune, planTune(tune, { matrix, options, task }));
    }
    for (const control of controls) {
      if (control.use !== "tuned") continue;
      const own = `${task}: control ${JSON.stringify(control.name)}`;
      tunes.set(control.tune, planTune(control.tune, { matrix, options, task: own }));
    }
  }
  return tunes;
}

function planTune(
  entry: TuneSpec,
  { matrix, options, task }: {
    readonly matrix: MatrixSpec;
    readonly options: BenchmarkOptions;
    readonly task: string;
  },
): PlannedTune {
  const tuner: Tuner = lookUp(options.registry.tuners, entry.use, "tuner");
  const params = parseWith(tuner.params, entry.params, `${task}: params of tuner ${entry.use}`);
  checkSets(entry, tuner, task);
  const units = unitsOfTune(entry, tuner, { path: options.path, task });
  const sets = Object.fromEntries(
    Object.entries(entry.on).map((
      [name, set],
    ) => [name, planSet(set, matrix, { ...options, task, role: "tune" })]),
  );
  const shortened = Object.values(sets).some((set) => set.shortened);
  const spec = plain({
    tuner: { name: tuner.name, version: tuner.version, params },
    sets: setsSpec(sets),
  });
  return { tuner, params, sets, units, shortened, spec };
}

/** @throws {UserError} for units that the tuner has no use for, those that are missing, and a broken units file. */
function unitsOfTune(
  { use, units }: TuneSpec,
  { wantsUnits = false }: Tuner,
  { path, task }: { readonly path: string; readonly task: string },
): UnitsFile | undefined {
  if (wantsUnits && units === undefined) {
    throw new UserError(`Cannot ${task}: tuner ${use} has no units, wanted "units": a units file or a list`);
  }
  if (!wantsUnits && units !== undefined) {
    throw new UserError(`Cannot ${task}: tuner ${use} takes no units, wanted none`);
  }
  return units === undefined ? undefined : unitsGiven(units, dirname(path), task);
}

/** The arms of a treatment that trains: a seed each, and as many of each control that trains. */
export function tunedArms(
  { name, controls, tune, controlTunes, seeds }:
    & Pick<
      PlannedTreatment,
      "name" | "controls" | "controlTunes" | "seeds"
    >
    & { readonly tune: PlannedTune },
): PlannedArm[] {
  const arm = (
    own: Pick<ArmName, "arm" | "control"> & Pick<ArmName, "prompt">,
    training?: Training,
  ): PlannedArm => ({
    treatment: name,
    ...own,
    done: plain({
      edits: [],
      ...(own.prompt !== undefined && { prompt: own.prompt }),
      ...(training &&
        { tune: training.tune.spec, answers: training.answers, seed: training.seed }),
    }) as PlannedArm["done"],
    ...(training && { training }),
  });
  const named = (label: string, i: number) => seeds.length === 1 ? label : `${label}, seed ${seeds[i]}`;
  const labels = controlLabels(controls);
  return [
    ...seeds.map((seed, i) =>
      arm({ arm: i === 0 ? "treated" : `seed ${seed}`, control: undefined }, { tune, answers: "right", seed })
    ),
    ...controls.flatMap((control, c): PlannedArm[] => {
      const label = labels[c]!;
      switch (control.use) {
        case "shuffled":
          return seeds.map((seed, i) =>
            arm({ arm: named(label, i), control: label }, { tune, answers: "shuffled", seed })
          );
        case "tuned":
          return seeds.map((seed, i) =>
            arm({ arm: named(label, i), control: label }, {
              tune: controlTunes.get(label)!,
              answers: "right",
              seed,
            })
          );
        case "prompt":
          return [arm({ arm: label, control: label, prompt: control.text })];
        default:
          // parseMatrix() lets no other control stand here.
          throw new Error(`control ${control.use} of ${name} draws units`);
      }
    }),
  ];
}
