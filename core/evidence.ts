/**
 * What a hypothesis rests on: a difference, a p, and where it has a baseline the headroom above it.
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
 * A hypothesis with `beyond` is about two benchmarks: the change on one less the change on the other, both against the untouched model
 * (stats/beyond.ts).
 */
import { UserError } from "./error.ts";
import type { Difference, Estimate } from "./estimate.ts";
import type { Metric } from "./evaluator.ts";
import type { PlannedHypothesis } from "./hypotheses.ts";
import { UNTOUCHED } from "./results.ts";
import { standingOf } from "./standing.ts";
import { type Beyond, changeBeyond } from "./stats/beyond.ts";
import { estimateMean, pairedDifference, seedsDifference } from "./stats/mod.ts";
import { shiftedP, twoSidedP } from "./stats/verdict.ts";

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
  /** That name where the benchmark has such a metric, else the one that its table shows. */
  metricName(benchmark: string, name: string): string;
  clusters(benchmark: string, metric: string): readonly string[];
}

export interface EvidenceOptions {
  readonly measured: Measured;
  /** Of the model. */
  readonly label: string;
  readonly level: number;
  readonly resamples: number;
  readonly seed: number;
}

export interface Found {
  readonly difference: Difference;
  readonly metric: Metric;
  readonly p?: number;
  readonly sets?: { readonly count: number; readonly p: number };
  readonly headroom?: Estimate;
}

/** @throws {UserError} where the benchmark has no such metric under the treatment. */
export function evidenceOf(hypothesis: PlannedHypothesis, options: EvidenceOptions): Found {
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
  if (hypothesis.beyond !== undefined) {
    const { difference, less, greater } = beyondOf(hypothesis.beyond, hypothesis, options);
    const p = direction === "either"
      ? Math.min(1, 2 * Math.min(less, greater))
      : { less, greater }[direction];
    return { metric, difference, p, ...headroom };
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

/** The change on a hypothesis' benchmark against that on another, each by the metric that it has. */
function beyondOf(other: string, hypothesis: PlannedHypothesis, options: EvidenceOptions): Beyond {
  const { measured, level, resamples, seed, label } = options, { treatment, metric } = hypothesis;
  const change = (benchmark: string) => {
    const name = measured.metricName(benchmark, metric);
    const values = (treatment: string) => measured.values({ benchmark, treatment }, name) ?? [];
    return pairedDifference(values(UNTOUCHED), values(treatment), {
      binary: measured.metric(benchmark, name).binary,
      clusters: measured.clusters(benchmark, name),
      level,
      resamples,
      seed: `${seed}/hypothesis/${hypothesis.name}/${label}/${benchmark}`,
    });
  };
  return changeBeyond(change(hypothesis.benchmark), change(other), level);
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
