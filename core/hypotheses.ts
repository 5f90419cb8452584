/**
 * Hypotheses of a matrix: written before anything is computed, judged together once everything is.
 *
 * A hypothesis against the untouched model is about the paired change of a metric, and its p is the sign-flip test's over clusters of items.
 * One against a control is about the change beyond that of the control's sets: treated minus the mean over the sets, item by item. It has to
 * hold among units and among items, so its p is the larger of two (an intersection of two tests needs no correction: R. Berger,
 * Technometrics 24, 1982):
 *
 *   p over sets  = (1 + sets as extreme as the treatment) / (1 + sets)   exact, the treatment being one more draw if the claim is false;
 *                  where drawing ended early, standing.ts
 *   p over items = sign-flip test of that difference over clusters
 *
 * A control with one set that nobody drew (scored, identity) is no sample of units: the treatment is compared with it as with the untouched
 * model, item by item, and the p is that over items alone.
 *
 * Families, verdicts and their sources: stats/families.ts, stats/verdict.ts.
 */
import type { Difference, Estimate } from "./estimate.ts";
import type { Metric } from "./evaluator.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import type { HypothesisSpec, MatrixSpec } from "./matrix.ts";
import { UserError } from "./error.ts";
import { suggest } from "./nearest.ts";
import { controlLabels, drawnOf } from "./controls.ts";
import { measuresOf } from "./measures.ts";
import type { PlannedBenchmark } from "./plan_benchmarks.ts";
import { type HypothesisResult, type Results, UNTOUCHED } from "./results.ts";
import type { RunStore } from "./store/store.ts";
import { estimateMean, pairedDifference, seedsDifference } from "./stats/mod.ts";
import { standingOf, type StandingOptions } from "./standing.ts";
import { type Evidence, judge, shiftedP, twoSidedP } from "./stats/verdict.ts";

/** A hypothesis whose names have been looked up. */
export interface PlannedHypothesis extends Omit<HypothesisSpec, "metric"> {
  readonly metric: string;
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
    if (guard && margin === undefined) refuse("is a guard without a margin, wanted one above 0");
    if (guard && direction === "either") {
      refuse('is a guard in direction "either", wanted "greater" (does not fall by the margin) or "less"');
    }
    return { ...hypothesis, metric, drawn: drawnOf(control) };
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

/** What was measured, as the summary has it: values of a metric, one number an observation (measures.ts), always in the same order. */
export interface Measured {
  /** Undefined where the model has no such cell, or the cell no such metric. */
  values(
    cell: { readonly benchmark: string; readonly treatment: string },
    metric: string,
  ): readonly number[] | undefined;
  /** The same under each seed of a training; one list where there are no others. */
  seeds(
    cell: { readonly benchmark: string; readonly treatment: string },
    metric: string,
  ): readonly (readonly number[])[];
  /** Of each set of a control, one or more. */
  sets(
    cell: { readonly benchmark: string; readonly treatment: string; readonly control: string },
    metric: string,
  ): readonly (readonly number[])[];
  metric(benchmark: string, name: string): Metric;
  clusters(benchmark: string, metric: string): readonly string[];
}

export interface JudgeMatrixOptions {
  readonly models: readonly { readonly label: string; readonly measured: Measured }[];
  readonly level: number;
  readonly resamples: number;
  readonly seed: number;
}

/** Verdicts of all hypotheses on all models: one family each over the whole matrix. */
export function judgeHypotheses(
  { list }: HypothesesPlan,
  { models, ...options }: JudgeMatrixOptions,
): HypothesisResult[] {
  const evidence = models.flatMap(({ label, measured }) =>
    list.map((hypothesis) => ({
      model: label,
      hypothesis,
      ...evidenceOf(hypothesis, { ...options, measured, label }),
    }))
  );
  const judged = judge(evidence.map(({ hypothesis, ...found }): Evidence => ({
    ...found,
    hypothesis: withoutUndefined(hypothesis),
  })));
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

interface EvidenceOptions extends Omit<JudgeMatrixOptions, "models"> {
  readonly measured: Measured;
  readonly label: string;
}

interface Found {
  readonly difference: Difference;
  readonly metric: Metric;
  readonly p?: number;
  readonly sets?: { readonly count: number; readonly p: number };
  readonly headroom?: Estimate;
}

function evidenceOf(hypothesis: PlannedHypothesis, options: EvidenceOptions): Found {
  const { treatment, control, benchmark, metric: name, baseline, direction, drawn } = hypothesis;
  const { measured, level, resamples, seed, label } = options;
  const metric = measured.metric(benchmark, name), clusters = measured.clusters(benchmark, name);
  const read = (treatment: string, of = benchmark) => {
    const values = measured.values({ benchmark: of, treatment }, name);
    if (values) return values;
    throw new UserError(
      `Cannot judge hypothesis ${JSON.stringify(hypothesis.name)}: ${of} under ${
        JSON.stringify(treatment)
      } on ${label} has no metric ${name}, wanted one of those in the table`,
    );
  };
  const statistics = (binary: boolean, what: string) => ({
    binary,
    clusters,
    level,
    resamples,
    seed: `${seed}/hypothesis/${hypothesis.name}/${label}/${what}`,
  });
  const treated = read(treatment), untouched = read(UNTOUCHED);
  const headroom = baseline === undefined ? {} : {
    headroom: typeof baseline === "number"
      ? above(estimateMean(untouched, statistics(metric.binary, "headroom")), baseline)
      : pairedDifference(read(UNTOUCHED, baseline), untouched, statistics(metric.binary, "headroom")),
  };
  const sets = control === UNTOUCHED ? [untouched] : measured.sets({ benchmark, treatment, control }, name);
  const seeds = measured.seeds({ benchmark, treatment }, name);
  if (seeds.length > 1) {
    // A control that trains has the treatment's seeds.
    const difference = seedsDifference(sets, seeds, statistics(metric.binary, "difference"));
    return { metric, difference, p: seedsP(difference, direction), ...headroom };
  }
  if (!drawn) {
    const difference = pairedDifference(sets[0]!, treated, statistics(metric.binary, "difference"));
    return { metric, difference, ...headroom };
  }
  const middle = treated.map((_, item) => mean(sets.map((values) => values[item]!)));
  const difference = pairedDifference(middle, treated, statistics(false, "difference"));
  const { p: overSets } = standingOf(mean(treated), sets.map(mean), { direction, ...drawn });
  const flips = difference.signFlip,
    overItems = !flips ? 1 : direction === "either" ? flips.p : flips[direction];
  return {
    metric,
    difference,
    p: Math.max(overSets, overItems),
    sets: { count: sets.length, p: overSets },
    ...headroom,
  };
}

/** An estimate counted from a level that is known. */
function above({ value, low, high, ...rest }: Estimate, level: number): Estimate {
  return { ...rest, value: value - level, low: low - level, high: high - level };
}

/** By the interval's own t, for a sign flip would be over items alone. */
function seedsP(difference: Difference, direction: PlannedHypothesis["direction"]): number {
  return direction === "either"
    ? twoSidedP(difference)
    : shiftedP(difference, 0, direction === "greater" ? "above" : "below");
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Optional members that are absent, as exact types want them. */
function withoutUndefined(hypothesis: PlannedHypothesis): Evidence["hypothesis"] {
  const { margin, baseline: _, drawn: _drawn, ...rest } = hypothesis;
  return margin === undefined ? rest : { ...rest, margin };
}
