/**
 * Hypotheses of a matrix: written before anything is computed, judged together once everything is.
 * What each rests on: evidence.ts.
 *
 * Families, verdicts and their sources: stats/families.ts, stats/verdict.ts.
 */
import { evidenceOf, type Measured } from "./evidence.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import type { HypothesisSpec, MatrixSpec } from "./matrix.ts";
import { UserError } from "./error.ts";
import { suggest } from "./nearest.ts";
import { controlLabels, drawnOf } from "./controls.ts";
import { measuresOf } from "./measures.ts";
import type { PlannedBenchmark } from "./plan_benchmarks.ts";
import { type HypothesisResult, type Results, UNTOUCHED } from "./results.ts";
import type { RunStore } from "./store/store.ts";
import type { StandingOptions } from "./standing.ts";
import { type Evidence, judge } from "./stats/verdict.ts";

/** A hypothesis whose names have been looked up. */
export interface PlannedHypothesis extends Omit<HypothesisSpec, "metric" | "beyond"> {
  readonly metric: string;
  readonly beyond?: string;
  /** How the sets are drawn of the control that it is against; undefined where that is no draw. */
  readonly drawn: Pick<StandingOptions, "sets" | "stopAt"> | undefined;
}

export interface HypothesesPlan {
  readonly list: readonly PlannedHypothesis[];
  /** sha256 of the hypotheses with every default; undefined where there are none. */
  readonly hash: string | undefined;
}

/** @throws {UserError} for a name that the matrix does not have, a guard that says too little, or a hypothesis that stands twice. */
export function planHypotheses(
  matrix: Pick<MatrixSpec, "hypotheses" | "treatments">,
  { benchmarks, task }: { readonly benchmarks: readonly PlannedBenchmark[]; readonly task: string },
): HypothesesPlan {
  const labels = benchmarks.map(({ record }) => record.label);
  const names = new Set<string>();
  const list = matrix.hypotheses.map((hypothesis): PlannedHypothesis => {
    const { name, guard, margin, direction, baseline } = hypothesis;
    const refuse = (state: string): never => {
      throw new UserError(`Cannot ${task}: hypothesis ${JSON.stringify(name)} ${state}`);
    };
    const find = (kind: string, wanted: string, known: readonly string[]) => {
      if (!known.includes(wanted)) {
        refuse(`names the ${kind} ${JSON.stringify(wanted)}${suggest(wanted, known)}`);
      }
    };
    if (names.has(name)) refuse("stands twice, wanted once");
    names.add(name);
    const treatments = matrix.treatments.map((treatment) => treatment.name);
    if (treatments.length === 0) refuse("has no treatment, wanted one in the matrix");
    find("treatment", hypothesis.treatment, treatments);
    const treatment = matrix.treatments.find((each) => each.name === hypothesis.treatment)!;
    const controls = controlLabels(treatment.controls);
    find("control", hypothesis.control, [UNTOUCHED, ...controls]);
    const control = treatment.controls[controls.indexOf(hypothesis.control)];
    find("benchmark", hypothesis.benchmark, labels);
    const benchmark = benchmarks[labels.indexOf(hypothesis.benchmark)]!;
    const metric = hypothesis.metric ?? benchmark.primary;
    find(
      "metric",
      metric,
      [...benchmark.evaluator.metrics, ...benchmark.evaluator.joint ?? []].map(({ name }) => name),
    );
    if (!measuresOf(benchmark).some((each) => each.metric.name === metric)) {
      refuse(
        `is about ${metric}, for which the items of ${benchmark.record.label} make no whole, wanted another metric`,
      );
    }
    if (typeof baseline === "string") {
      find("baseline", baseline, labels.filter((label) => label !== hypothesis.benchmark));
      const questions = ({ items }: PlannedBenchmark) =>
        items.map((item) => item.clusters.question).join("\n");
      if (questions(benchmarks[labels.indexOf(baseline)]!) !== questions(benchmark)) {
        refuse(
          `has the baseline ${
            JSON.stringify(baseline)
          }, whose questions are others, wanted the same in the same order`,
        );
      }
    }
    if (hypothesis.beyond !== undefined) {
      find("benchmark", hypothesis.beyond, labels.filter((label) => label !== hypothesis.benchmark));
      const here = benchmarks[labels.indexOf(hypothesis.benchmark)]!;
      const there = benchmarks[labels.indexOf(hypothesis.beyond)]!;
      const asked = new Set(here.items.map((item) => item.clusters.question));
      // Within a benchmark one name is one question.
      if (
        here.record.name === there.record.name &&
        there.items.some((item) => asked.has(item.clusters.question))
      ) {
        refuse(
          `goes beyond ${JSON.stringify(hypothesis.beyond)}, which asks the same questions, wanted others`,
        );
      }
      if (hypothesis.control !== UNTOUCHED) {
        refuse(
          `goes beyond a benchmark and against ${JSON.stringify(hypothesis.control)}, wanted one of the two`,
        );
      }
      if (guard) refuse("is a guard and goes beyond a benchmark, wanted one of the two");
      if ((treatment.seeds?.length ?? 1) > 1) {
        refuse("goes beyond a benchmark and its treatment has several seeds, wanted one");
      }
    }
    if (guard && margin === undefined) refuse("is a guard without a margin, wanted one above 0");
    if (guard && direction === "either") {
      refuse('is a guard in direction "either", wanted "greater" (does not fall by the margin) or "less"');
    }
    const { beyond, ...rest } = hypothesis;
    return { ...rest, metric, drawn: drawnOf(control), ...(beyond !== undefined && { beyond }) };
  });
  const claims = list.map(({ drawn: _, ...claim }) => claim);
  return { list, hash: list.length > 0 ? sha256(canonicalJson(claims)) : undefined };
}

/**
 * Notes when a run's hypotheses were first seen and what was known then; the first note stays.
 *
 * @param at ISO 8601
 * @returns undefined where there are no hypotheses.
 */
export function sealHypotheses(
  { id, hypotheses: { hash }, cells }: {
    readonly id: string;
    readonly hypotheses: HypothesesPlan;
    readonly cells: readonly { readonly key: string }[];
  },
  store: RunStore,
  at: string,
): Results["run"]["sealed"] {
  if (hash === undefined) return undefined;
  const place = `hypotheses/${id}`, known = store.numbers(place)?.about as Sealed | undefined;
  if (known) return known;
  const keys = [...new Set(cells.map(({ key }) => key))];
  const sealed = { at, cells: keys.filter((key) => store.outcomes(key).size > 0).length, of: keys.length };
  store.saveNumbers(place, { about: sealed, arrays: [] });
  return sealed;
}

type Sealed = NonNullable<Results["run"]["sealed"]>;

export interface JudgeMatrixOptions {
  readonly models: readonly {
    readonly label: string;
    readonly measured: Measured;
    /** Treatments that a gate keeps from it: what is claimed of them stays in its family, and nothing is said of it. */
    readonly shut?: ReadonlySet<string>;
    /** Treatments that it is under though a gate is shut: nothing about them is identifiable. */
    readonly marked?: ReadonlySet<string>;
  }[];
  readonly level: number;
  readonly resamples: number;
  readonly seed: number;
}

/** Verdicts of all hypotheses on all models: one family each over the whole matrix. */
export function judgeHypotheses(
  { list }: HypothesesPlan,
  { models, ...options }: JudgeMatrixOptions,
): HypothesisResult[] {
  const evidence = models.flatMap(({ label, measured, shut, marked }) =>
    list.filter(({ treatment }) => !shut?.has(treatment)).map((hypothesis) => ({
      model: label,
      hypothesis,
      ...evidenceOf(hypothesis, { ...options, measured, label }),
      ...(marked?.has(hypothesis.treatment) && { blind: BELOW }),
    }))
  );
  const unasked = models.flatMap(({ shut }) => list.filter(({ treatment }) => shut?.has(treatment)));
  const judged = judge([
    ...evidence.map(({ hypothesis, ...found }): Evidence => ({
      ...found,
      hypothesis: withoutUndefined(hypothesis),
    })),
    // What was not run makes no other claim of its family easier.
    ...unasked.map((hypothesis): Evidence => ({
      difference: NOTHING,
      hypothesis: withoutUndefined(hypothesis),
      blind: BELOW,
    })),
  ]);
  return evidence.map(({ model, hypothesis, difference, sets, headroom, metric }, i): HypothesisResult => {
    const { name: _, ...judgement } = judged[i]!;
    return {
      model,
      hypothesis: withoutUndefined(hypothesis),
      metric,
      difference,
      ...(sets ? { sets } : {}),
      ...(headroom ? { headroom } : {}),
      ...judgement,
    };
  });
}

const BELOW = "the untouched model is below the gate";
const NOTHING: Evidence["difference"] = {
  value: 0,
  low: 0,
  high: 0,
  level: 0.95,
  n: 0,
  clusters: 0,
  method: "constant",
  rose: 0,
  fell: 0,
};

/** Optional members that are absent, as exact types want them. */
function withoutUndefined(hypothesis: PlannedHypothesis): Evidence["hypothesis"] {
  const { margin, baseline: _, drawn: _drawn, ...rest } = hypothesis;
  return margin === undefined ? rest : { ...rest, margin };
}
