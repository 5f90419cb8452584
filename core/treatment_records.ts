/** What each treatment came to, for the results: the edits of its arms, and the units that it found. */
import { recordOf } from "./disagreement.ts";
import { loadGrowth } from "./growth.ts";
import { canonicalJson } from "./hash.ts";
import type { Unit } from "./model.ts";
import type { Plan, PlannedCell, PlannedModel } from "./plan.ts";
import type { PlannedArm } from "./plan_arms.ts";
import { loadTrained } from "./run_trainings.ts";
import { plain } from "./plan_benchmarks.ts";
import { type PlannedScore } from "./plan_scores.ts";
import type { Selection } from "./plan_treatments.ts";
import {
  type ArmRecord,
  type FoundRecord,
  type GrownRecord,
  type SetRecord,
  type TrainedRecord,
  type TreatmentRecord,
  UNTOUCHED,
} from "./results.ts";
import { madeOfKey } from "./provenance/made_of.ts";
import { poolSizes, selectUnits } from "./select.ts";
import type { RunStore } from "./store/store.ts";
import { armsOfModel, loadBeside, scoresIn } from "./unit_scores.ts";

/**
 * The untouched model first.
 *
 * @param wanted cells that count; arms that have none, being sets that were not drawn, are left out.
 * @throws when scores that a treatment selects from are not in the store.
 */
export function treatmentRecords(
  plan: Plan,
  store: RunStore,
  wanted: readonly PlannedCell[] = plan.cells,
): TreatmentRecord[] {
  const counted = new Set(wanted.map(({ arm }) => `${arm.treatment}\n${arm.arm}`));
  const models = plan.models.map((model) => ({ model, arms: armsOfModel(model, plan, store) }));
  const armsOf = (treatment: string): readonly ArmRecord[] => {
    const each = models.map(({ arms }) =>
      arms.filter((arm) => arm.treatment === treatment && counted.has(`${treatment}\n${arm.arm}`))
        .map(({ arm, edits, units }): ArmRecord => ({ treatment, arm, edits, units }))
    );
    if (new Set(each.map(canonicalJson)).size === 1) return each[0] ?? [];
    return each.flatMap((arms, i) =>
      arms.map((arm) => ({ model: models[i]?.model.record.label ?? "", ...arm }))
    );
  };
  return [
    { name: UNTOUCHED, steps: [], controls: [], arms: armsOf(UNTOUCHED) },
    ...plan.treatments.map(({ name, record, selections }): TreatmentRecord => {
      const found = selections.flatMap((selection) =>
        models.filter(({ model }) => !model.shut?.has(name)).map(({ model }) =>
          foundRecord(selection, { model, store })
        )
      );
      const grown = plan.models.flatMap(({ growths, record }) =>
        growths.filter(({ treatment }) => treatment.name === name).map((growth): GrownRecord => {
          const { wanted, sizes, costs } = loadGrowth(store, growth.key)!;
          const { benchmark, metric } = growth.texts;
          return {
            model: record.label,
            control: growth.label,
            texts: benchmark.record,
            metric: metric.name,
            wanted,
            sets: sizes.slice(0, growth.control.sets).map((units, i) => ({ units, cost: costs[i]! })),
          };
        })
      );
      const trained = plan.models.flatMap((model) =>
        model.arms.filter(({ treatment, arm }) => treatment === name && counted.has(`${treatment}\n${arm}`))
          .flatMap((arm) => arm.training ? [trainedRecord(arm, { model, store })] : [])
      );
      const opened = plan.models.flatMap(({ record: { label: model }, arms }) =>
        arms.filter(({ treatment, arm }) => treatment === name && counted.has(`${treatment}\n${arm}`))
          .flatMap(({ opened }) => opened ? [{ model, opened: recordOf(opened, store) }] : [])
      );
      return {
        name,
        ...record,
        arms: armsOf(name),
        ...(opened.length > 0 && { opened }),
        ...(found.length > 0 && { found }),
        ...(grown.length > 0 && { grown }),
        ...(trained.length > 0 && { trained }),
      };
    }),
  ];
}

interface FoundOptions {
  readonly model: PlannedModel;
  readonly store: RunStore;
}

function foundRecord({ score, select }: Selection, { model, store }: FoundOptions): FoundRecord {
  const { scorer: { name, version, title, source }, params, seed } = score;
  const all = scoresIn(store, model.scores)(score);
  const { units, scores, pool } = selectUnits(all, select);
  const byTap = Map.groupBy(
    units.map((unit, i): Scored => ({ ...unit, score: scores[i] ?? NaN })),
    ({ tap }) => tap,
  );
  const key = model.scores.find((each) => each.score === score)?.key ?? "";
  const { errors, sampling } = loadBeside(store, key);
  const errorsIn = select.group === undefined
    ? [...errors?.values() ?? []]
    : [errors?.get(select.group)].filter((each) => each !== undefined);
  // Where a score is the sum over groups, these have no sample in common.
  const errorOf = ({ tap, index }: Unit) => Math.hypot(...errorsIn.map((each) => each.get(tap)![index]!));
  return {
    model: model.record.label,
    scorer: { name, version, title, source, params: plain(params) },
    seed,
    sets: setRecords(score),
    select: plain(select),
    pool,
    taps: Object.fromEntries(poolSizes(all, select)),
    selected: units.length,
    units: [...byTap].map(([tap, list]) => ({ tap, units: list.map(({ index }) => index) })),
    scores: Object.fromEntries([...byTap].map(([tap, list]) => [tap, list.map((unit) => unit.score)])),
    ...(errors && {
      errors: Object.fromEntries([...byTap].map(([tap, list]) => [tap, list.map(errorOf)])),
    }),
    ...(sampling && { sampling }),
    key,
  };
}

/** @throws when the training's delta is not known to the store. */
function trainedRecord({ arm, training }: PlannedArm, { model, store }: FoundOptions): TrainedRecord {
  const { tune, answers, seed } = training!, { tuner: { name, version, title, source }, params, sets } = tune;
  const { key } = model.trainings.find((each) => each.training === training)!;
  const { hash: delta, ...figures } = loadTrained(store, key)!;
  return {
    model: model.record.label,
    arm,
    tuner: { name, version, title, source, params: plain(params) },
    seed,
    answers,
    sets: setRecords({ sets }),
    ...figures,
    delta,
    key,
  };
}

interface Scored extends Unit {
  readonly score: number;
}

function setRecords({ sets }: Pick<PlannedScore, "sets">): FoundRecord["sets"] {
  return Object.fromEntries(
    Object.entries(sets).map(([name, set]): [string, SetRecord] => [name, {
      ...set.record,
      groupBy: set.groupBy ?? null,
      madeOf: madeOfKey(set.madeOf),
    }]),
  );
}
