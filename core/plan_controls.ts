/** Scored controls before there are scores: refuses those that cannot have enough units whatever the scores will be. */
import { controlSets } from "./controls.ts";
import type { ScoredControlSpec } from "./matrix.ts";
import type { Tap, Unit } from "./model.ts";
import { naming, type OutlineOptions, undropped } from "./plan_arms.ts";
import type { PlannedTreatment } from "./plan_treatments.ts";
import type { UnitScores } from "./scorer.ts";
import { rankControl, selectUnits, siteOf } from "./select.ts";

/**
 * A treatment whose units are known, or known in number at each tap, is checked as it will be run. Of others the units are taken that leave
 * the control the most: a control that passes may still have too few at one tap, which is said once the units are found.
 *
 * @throws {UserError} naming treatment, control and place.
 */
export function checkControls(
  treatments: readonly PlannedTreatment[],
  { model, outlineOf }: OutlineOptions,
): void {
  for (const { name, controls, controlScores, edits } of treatments) {
    for (const { control, label } of controlSets(controls)) {
      if (control.use !== "scored") continue;
      const scores = outlineOf(controlScores.get(label)!);
      if (!scores) continue;
      const best = bestCase(edits, { control, scores, outlineOf });
      if (!best) continue;
      const { select, match, exclude } = control;
      naming(
        { name, model },
        () => rankControl(best.treated, { ...select, match, exclude, scores, name: label, ...best.options }),
      );
    }
  }
}

interface BestCase {
  readonly treated: readonly Unit[];
  readonly options?: { readonly exclude: boolean; readonly sites: readonly string[] };
}

interface BestCaseOptions extends Pick<OutlineOptions, "outlineOf"> {
  readonly control: ScoredControlSpec;
  /** Outline of the control's scores. */
  readonly scores: UnitScores;
}

/** Units that the treatment may come to edit; undefined where it combines several lists, which may have units in common. */
function bestCase(
  edits: PlannedTreatment["edits"],
  { control, scores, outlineOf }: BestCaseOptions,
): BestCase | undefined {
  const given = edits.flatMap(({ units }) => "select" in units ? [] : units);
  const found = new Set(edits.flatMap(({ units }) => "select" in units ? [units] : []));
  const [only] = found;
  if (only === undefined) return { treated: given };
  const outline = outlineOf(only.score);
  if (found.size > 1 || given.length > 0 || outline === undefined) return undefined;
  const { units } = selectUnits(outline, undropped(only.select));
  if (only.select.per === "tap") return { treated: units };
  const isScored = new Set(tapsIn(scores).keys());
  const pool = [...tapsIn(outline)].filter(([tap]) =>
    only.select.sites?.some((site) => site === siteOf(tap)) ?? true
  );
  if (control.match === "count") {
    // Where all of the pool is scored for the control too, whichever units are treated are missing there.
    const exclude = control.exclude && pool.every(([tap]) => isScored.has(tap));
    return { treated: units, options: { exclude, sites: [...new Set(pool.map(([tap]) => siteOf(tap)))] } };
  }
  // The same share of each tap: half of one is the most that the other half can match.
  const spread = pool.flatMap(([tap, width]) =>
    Array.from({ length: width }, (_, index) => ({
      tap,
      index,
      share: (index + 1) / width + (isScored.has(tap) ? 0 : 1),
    }))
  ).sort((a, b) => a.share - b.share);
  return { treated: spread.slice(0, units.length).map(({ tap, index }) => ({ tap, index })) };
}

/** Number of units of each tap that has scores in any group. */
function tapsIn(scores: UnitScores): Map<Tap, number> {
  return new Map(
    [...scores.values()].flatMap((byTap) => [...byTap].map(([tap, { length }]) => [tap, length] as const)),
  );
}
