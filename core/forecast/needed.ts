/**
 * How many items each hypothesis of a plan needs: those of the t test over clusters (stats/power.ts), at the discordance d and the
 * intraclass correlation of the results that the store has. The test knows the variance V0 of an item's change under what it refutes, and is right
 * to a chance that rests on the variance V1 under what holds, so that it meets the standard deviation
 *
 *   (z_alpha sqrt(V0) + z_beta sqrt(V1)) / (z_alpha + z_beta)
 *
 * An effect has to be found where it is as large as the margin m: V0 = d, V1 = d - m^2 (R. Connor, Biometrics 43, 1987), and at least m of the
 * items change. A guard has to be shown where the truth is no change, the margin against 0: V0 is that of Tango's score test at m, V1 = d (J.
 * Nam, Biometrics 53, 1997). Tests are one-sided where the hypothesis names a direction. A metric that is not binary has one variance.
 *
 * Which step of its family's correction a hypothesis meets depends on the others, so the strictest is taken: the level over the number of
 * hypotheses in the family, those of all models counted. Three tests have a floor besides: no sign-flip p over k clusters is below 2^-k, a guard
 * passes by the bound (1 - m)^k where nothing changed, and no p over control sets is below 1 / (1 + sets).
 *
 * Simulated, the tests have a power of 73 to 86 % with as many independent items: a sign-flip p is exact and so comes in steps.
 */
import { UserError } from "../error.ts";
import type { Metric } from "../evaluator.ts";
import type { PlannedHypothesis } from "../hypotheses.ts";
import { measuresOf } from "../measures.ts";
import type { Plan } from "../plan.ts";
import { normalQuantile } from "../stats/distributions.ts";
import { effectiveClusterSize, itemsNeeded, type ItemsOptions, smallestDetectable } from "../stats/power.ts";
import { type Change, changesOf, discordanceOf, iccOf, type Seen, sourceOf, spreadOf } from "./changes.ts";
import { differenceScore } from "../stats/proportions.ts";
import { TEST } from "./detectable.ts";

export interface HypothesisForecast {
  readonly name: string;
  readonly family: PlannedHypothesis["family"];
  readonly guard: boolean;
  readonly metric: Metric;
  /** In the metric's unit. */
  readonly margin?: number;
  /** Observations of the metric there are (one an item, or one for each whole of several items), and their clusters. */
  readonly items: number;
  readonly clusters: number;
  /** The level that the strictest step of the family's correction asks. */
  readonly alpha: number;
  /** Absent without a margin, and where it cannot be said: `unknown` is why. */
  readonly needed?: { readonly items: number; readonly clusters: number };
  /** Where there is no margin: the smallest change that would be found, in the metric's unit or in standard deviations of an item's change. */
  readonly change?: { readonly value: number; readonly unit: "metric" | "sd" };
  readonly unknown?: string;
  /** Where the numbers come from; "" where nothing was needed. */
  readonly source: string;
  /** Of a control that is drawn: its sets, and how many it takes for a p over sets of at most `alpha`. */
  readonly sets?: { readonly count: number; readonly needed: number };
}

/** In the order of the matrix. @throws {UserError} for a metric of wholes where the items make none. */
export function neededOf(
  plan: Pick<Plan, "hypotheses" | "benchmarks" | "models">,
  seen: Seen,
): HypothesisForecast[] {
  const { hypotheses: { list }, benchmarks, models } = plan;
  return list.map((hypothesis): HypothesisForecast => {
    const { name, family, guard, margin, direction, benchmark: label, treatment, control, drawn } =
      hypothesis;
    const benchmark = benchmarks.find(({ record }) => record.label === label)!;
    const measure = measuresOf(benchmark).find((each) => each.metric.name === hypothesis.metric);
    if (measure === undefined) {
      throw new UserError(
        `Cannot plan hypothesis ${
          JSON.stringify(name)
        }: the items of ${label} make no whole for ${hypothesis.metric}, wanted another metric`,
      );
    }
    const { metric, clusters } = measure;
    const size = list.filter((other) => other.family === family).length * models.length;
    const alpha = (1 - TEST.level) / size, sides = direction === "either" ? 2 : 1;
    const count = models[0]!.arms.filter((arm) =>
      arm.treatment === treatment && arm.control === control
    ).length;
    return {
      name,
      family,
      guard,
      metric,
      ...(margin === undefined ? {} : { margin }),
      items: clusters.length,
      clusters: new Set(clusters).size,
      alpha,
      // A guard is a test over items alone.
      ...(drawn && !guard ? { sets: { count, needed: Math.ceil(sides / alpha - 1e-9) - 1 } } : {}),
      ...askedOf(hypothesis, {
        metric,
        clusters,
        changes: changesOf(benchmark, metric.name, seen),
        test: { ...TEST, level: 1 - alpha, sides },
      }),
    };
  });
}

interface AskOptions {
  readonly metric: Metric;
  /** Of each observation. */
  readonly clusters: readonly string[];
  readonly changes: readonly Change[];
  readonly test: { readonly level: number; readonly power: number; readonly sides: 1 | 2; readonly by: "t" };
}

type Asked = Pick<HypothesisForecast, "needed" | "change" | "unknown" | "source">;

function askedOf(
  { guard, margin }: Pick<PlannedHypothesis, "guard" | "margin">,
  { metric, clusters, changes, test }: AskOptions,
): Asked {
  const items = clusters.length, count = new Set(clusters).size;
  const icc = iccOf(changes, count < items);
  const spread = metric.binary ? discordanceOf(changes) : spreadOf(changes);
  const source = sourceOf([...(spread ? [spread] : []), icc]);
  const design = {
    ...test,
    icc: icc.value,
    clusterSize: effectiveClusterSize(clusters),
    meanSize: items / count,
  };
  if (margin !== undefined) {
    if (metric.binary && margin >= 1) return { unknown: "no share changes by so much", source: "" };
    if (spread === undefined) return { unknown: "no spread was seen", source: "" };
    const needed = clustersNeeded({ ...design, metric, guard, margin, spread: spread.value });
    return { needed: { clusters: needed, items: Math.ceil(needed * design.meanSize - 1e-9) }, source };
  }
  if (count < floorOf({ ...test, metric, guard })) {
    return { unknown: "too few clusters for any p", source: "" };
  }
  if (!metric.binary) {
    const value = smallestDetectable({ ...design, sd: spread?.value ?? 1, items, clusters: count });
    return { change: { value, unit: spread ? "metric" : "sd" }, source };
  }
  // The margin at which there would be just enough: the larger it is, the fewer clusters.
  const most = 1 - 1e-9;
  let low = 0, high = most;
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    const needed = clustersNeeded({ ...design, metric, guard, margin: middle, spread: spread!.value });
    if (needed > count) low = middle;
    else high = middle;
  }
  if (high === most) return { unknown: "too few clusters for any change", source };
  return { change: { value: high, unit: "metric" }, source };
}

interface Claim {
  readonly metric: Metric;
  readonly guard: boolean;
  readonly margin: number;
  /** Discordance of a binary metric, else the standard deviation of an item's change. */
  readonly spread: number;
}

type Test = AskOptions["test"];
type Design = Test & Pick<Required<ItemsOptions>, "icc" | "clusterSize" | "meanSize">;

/** Clusters with which the test of a claim has the power asked, at least 2; see the head of this file. */
export function clustersNeeded({ metric, guard, margin, spread, ...design }: Claim & Design): number {
  const sd = deviationOf({ metric, guard, margin, spread }, design);
  const { clusters } = itemsNeeded({ ...design, sd, margin });
  return Math.max(clusters, floorOf({ ...design, metric, guard, margin }));
}

/** That the test meets; see the head of this file. */
function deviationOf({ metric, guard, margin, spread }: Claim, { level, power, sides }: Test): number {
  if (!metric.binary) return spread;
  const d = guard ? spread : Math.max(spread, margin), half = d / 2;
  const refuted = guard ? margin / differenceScore({ rose: half, fell: half, n: 1 }, -margin) : Math.sqrt(d);
  const holds = Math.sqrt(guard ? d : d - margin ** 2);
  const alpha = normalQuantile(1 - (1 - level) / sides), beta = normalQuantile(power);
  return (alpha * refuted + beta * holds) / (alpha + beta);
}

/** Clusters below which the test cannot give a p that is small enough, whatever comes out. */
function floorOf(
  { level, sides, metric, guard, margin = 1 }: Test & Pick<Claim, "metric" | "guard"> & Partial<Claim>,
): number {
  const alpha = 1 - level;
  if (!guard) return Math.ceil(Math.log2(sides / alpha) - 1e-9);
  return metric.binary ? Math.ceil(Math.log(alpha) / Math.log(1 - margin) - 1e-9) : 2;
}
