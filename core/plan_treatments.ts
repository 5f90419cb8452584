/** The treatments of a matrix: steps and controls read and checked. */
import { dirname } from "node:path";
import { controlLabels } from "./controls.ts";
import type { Json } from "./evaluator.ts";
import type { Intervention } from "./intervention.ts";
import type { PlannedTexts } from "./growth.ts";
import type {
  ControlSpec,
  CurveSpec,
  MatrixSpec,
  ScoreSpec,
  SelectSpec,
  TreatmentSpec,
  TuneSpec,
} from "./matrix.ts";
import type { Unit } from "./model.ts";
import { plain } from "./plan_benchmarks.ts";
import type { MadeOf } from "./provenance/made_of.ts";
import { type PlannedScore, scoreName, selectsAfter } from "./plan_scores.ts";
import type { PlannedTune } from "./plan_tunes.ts";
import { lookUp, type Registry } from "./registry.ts";
import { parseWith } from "./schema.ts";
import { type FoundOn, unitsGiven } from "./units.ts";

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
  /** What its grown controls cost is measured on, by their labels. */
  readonly controlTexts: ReadonlyMap<string, PlannedTexts>;
  /** What it trains, in place of edits. */
  readonly tune: PlannedTune | undefined;
  /** What its controls train that have a training of their own, by their labels. */
  readonly controlTunes: ReadonlyMap<string, PlannedTune>;
  /** Of the training; one at least. */
  readonly seeds: readonly number[];
  readonly curve: CurveSpec | undefined;
  /** Params with which the model is opened in place of its own. */
  readonly open: { readonly [param: string]: Json } | undefined;
  readonly edits: readonly PlannedEdit[];
  /** In the order of the steps; none where all units are given. */
  readonly selections: readonly Selection[];
  /** The items that made its units, selections and units files together; undefined for each list that does not say. */
  readonly madeOf: readonly (MadeOf | undefined)[];
  /** The models that its units files were found on, those that say so. */
  readonly foundOn: readonly FoundOn[];
  /** Its steps and its controls as the matrix has them, with versions, and params with every default. */
  readonly record: { readonly steps: Json; readonly controls: Json };
}

export interface TreatmentOptions {
  readonly registry: Registry;
  /** Path of the matrix file. */
  readonly path: string;
  /** As planScores() gives them. */
  readonly scores: ReadonlyMap<string, PlannedScore>;
  /** As planTexts() gives them. */
  readonly texts: ReadonlyMap<ControlSpec, PlannedTexts>;
  /** As planTunes() gives them. */
  readonly tunes: ReadonlyMap<TuneSpec, PlannedTune>;
}

/** @throws {UserError} for an unknown intervention, wrong params or a broken units file. */
export function planTreatments(matrix: MatrixSpec, options: TreatmentOptions): PlannedTreatment[] {
  return matrix.treatments.map((treatment) => planTreatment(treatment, { ...options, seed: matrix.seed }));
}

function planTreatment(
  { name, steps, controls, curve, seeds }: TreatmentSpec,
  { registry, path, scores, texts, tunes, seed }: TreatmentOptions & { readonly seed: number },
): PlannedTreatment {
  const task = `read treatment ${JSON.stringify(name)}`;
  const edits: PlannedEdit[] = [];
  const selections: Selection[] = [];
  const made: (MadeOf | undefined)[] = [];
  const foundOn: FoundOn[] = [];
  let scored: PlannedScore | undefined;
  const scoreRecord = (score: ScoreSpec, planned = scores.get(scoreName(score))) => {
    return { ...score, version: planned?.scorer.version, params: planned?.params };
  };
  const tuneRecord = (tune: TuneSpec) => {
    const planned = tunes.get(tune)!;
    return { ...tune, version: planned.tuner.version, params: planned.params };
  };
  const [tune] = steps.flatMap((step) => step.tune ? [tunes.get(step.tune)!] : []);
  if (tune) made.push(...Object.values(tune.sets).map((set) => set.madeOf));
  if (tune?.units) {
    made.push(...tune.units.madeOf ?? [undefined]);
    if (tune.units.foundOn) foundOn.push(tune.units.foundOn);
  }
  const record = steps.map(({ score, select, edit, tune, open }, i) => {
    if (open) return { open };
    if (tune) return { tune: tuneRecord(tune) };
    if (score) {
      scored = scores.get(scoreName(score, selectsAfter(steps, i)));
      return { score: scoreRecord(score, scored) };
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
    const given = edit.units === undefined ? undefined : unitsGiven(edit.units, dirname(path), task);
    if (given) made.push(...given.madeOf ?? [undefined]);
    if (given?.foundOn) foundOn.push(given.foundOn);
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
    controlTexts: new Map(
      controls.flatMap((control, i) => {
        const on = texts.get(control);
        return on ? [[controlLabels(controls)[i]!, on]] : [];
      }),
    ),
    tune,
    controlTunes: new Map(
      controls.flatMap((control) =>
        control.use === "tuned" ? [[control.name, tunes.get(control.tune)!]] : []
      ),
    ),
    seeds: seeds ?? [seed],
    curve,
    open: steps.flatMap(({ open }) => open ?? [])[0] as PlannedTreatment["open"],
    edits,
    selections,
    madeOf: made,
    foundOn,
    record: {
      steps: plain(record),
      controls: plain(
        controls.map((control) =>
          control.use === "scored"
            ? { ...control, score: scoreRecord(control.score) }
            : control.use === "tuned"
            ? { ...control, tune: tuneRecord(control.tune) }
            : control
        ),
      ),
    },
  };
}
