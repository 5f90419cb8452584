/**
 * From outcomes to the scales of a cell: value, interval, and what shuffled answers would give.
 *
 * value: Scale's formula on the mean shares of a statement's answers over its wordings; negated statements are not part of it. Interval and
 * difference: Student's t over the statements that bear on the axis, a sum being their number times their mean.
 *
 * null: the statements' answers are dealt to the statements at random, whole, 10,000 times. Whoever answers without regard to the
 * statements gives a value from this range, wherever that lies: it is the place of the answer shares, not of an opinion. Whether there is
 * an opinion at all is decided in reaction.ts.
 */
import type { Benchmark } from "./benchmark.ts";
import { UserError } from "./error.ts";
import type { Estimate } from "./estimate.ts";
import type { AnyEvaluator, Outcome } from "./evaluator.ts";
import type { PlannedBenchmark } from "./plan_benchmarks.ts";
import type { Scale, ScaleResult, ScalesResult, ShuffledRange } from "./scale.ts";
import { agreement, reactionOf } from "./reaction.ts";
import { estimateChange, estimateMean, spread } from "./stats/mod.ts";
import { percentile, upperShare, visitPermutations } from "./stats/permutation.ts";

export const PERMUTATIONS = 10_000;

export interface ScaleOptions {
  readonly benchmark: Pick<PlannedBenchmark, "scales" | "items" | "evaluator">;
  /** The untouched model's outcomes on the same items; undefined for the untouched model itself. */
  readonly before: readonly Outcome[] | undefined;
  /** The sets, by the control's name. */
  readonly controls: ReadonlyMap<string, readonly { readonly outcomes: readonly Outcome[] }[]>;
  readonly level: number;
  readonly resamples: number;
  /** Name of the random stream. */
  readonly seed: string;
  /** Default 10,000. */
  readonly permutations?: number;
}

/** The scales of a benchmark. @throws {UserError} when its evaluator does not say how an outcome answers. */
export function scalesOf(benchmark: Benchmark, evaluator: AnyEvaluator, params: unknown): readonly Scale[] {
  const scales = benchmark.scales?.(params) ?? [];
  if (scales.length === 0 || evaluator.answer !== undefined) return scales;
  throw new UserError(
    `Cannot run benchmark ${benchmark.name}: its evaluator ${evaluator.name} has no answer(), wanted one for its scales`,
  );
}

/**
 * Everything that is said of a cell's scales.
 *
 * @param outcomes in the order of the items
 * @returns undefined where the benchmark has no scales.
 * @throws {UserError} when a statement has other levels than its weights.
 */
export function scaleResults(outcomes: readonly Outcome[], options: ScaleOptions): ScalesResult | undefined {
  const { benchmark, before, controls, level, resamples, seed, permutations = PERMUTATIONS } = options;
  const { scales } = benchmark;
  if (scales.length === 0) return undefined;
  const statements = gather(outcomes, benchmark);
  const asked = statements.filter((each) => each.plain !== undefined);
  const untouched = before && gather(before, benchmark);
  const sets = [...controls].map(([name, drawn]) =>
    [name, drawn.map(({ outcomes }) => gather(outcomes, benchmark))] as const
  );
  const shuffled = shuffle(scales, asked, { seed: `${seed}/shuffled`, permutations });
  const statistics = { level, resamples };
  return {
    scales: scales.map((scale, k): ScaleResult => {
      const { weights: _, offset: __, ...shown } = scale;
      const own = { ...statistics, seed: `${seed}/${scale.name}` };
      const base = untouched && valueOf(scale, untouched);
      return {
        ...shown,
        estimate: estimateValue(scale, statements, own),
        null: rangeOf(shuffled[k]!, valueOf(scale, statements), level),
        ...(untouched && { difference: estimateShift(scale, [untouched, statements], own) }),
        controls: Object.fromEntries(sets.map(([name, drawn]) => {
          const values = drawn.map((set) => valueOf(scale, set));
          return [name, {
            value: spread(values),
            difference: spread(values.map((value) => value - (base ?? 0))),
          }];
        })),
      };
    }),
    distance: { p: distanceP(shuffled, scales.map((scale) => valueOf(scale, statements))) },
    ...reactionOf(
      statements.flatMap(({ id, plain, negated, counts: [, n] }) =>
        plain && negated ? [{ id, n, x: agreement(plain), y: agreement(negated) }] : []
      ),
      { ...statistics, seed, permutations },
    ),
  };
}

/** A statement with its mean shares over wordings, asked as it stands and negated. */
interface Statement {
  readonly id: string;
  readonly plain: readonly number[] | undefined;
  readonly negated: readonly number[] | undefined;
  /** Answers behind `plain`, and behind both. */
  readonly counts: readonly [plain: number, all: number];
}

type Asked = Statement & { readonly plain: readonly number[] };

function gather(
  outcomes: readonly Outcome[],
  { items, evaluator }: ScaleOptions["benchmark"],
): readonly Statement[] {
  const answers = outcomes.map((outcome, i) => {
    const item = items[i];
    if (item === undefined || evaluator.answer === undefined) {
      throw new Error("scales without items or answers");
    }
    return { id: item.clusters.question, ...evaluator.answer(item, outcome) };
  });
  return [...Map.groupBy(answers, ({ id }) => id)].map(([id, mine]) => {
    const [plain, negated] = [false, true].map((wanted) =>
      mine.filter((answer) => answer.negated === wanted)
    );
    return {
      id,
      plain: meanShares(plain!.map(({ shares }) => shares)),
      negated: meanShares(negated!.map(({ shares }) => shares)),
      counts: [plain!.length, mine.length],
    };
  });
}

function meanShares(all: readonly (readonly number[])[]): readonly number[] | undefined {
  return all[0]?.map((_, level) => all.reduce((sum, shares) => sum + (shares[level] ?? 0), 0) / all.length);
}

/** What one statement's weights make of shares. */
function weigh(weights: readonly number[], shares: readonly number[]): number {
  return weights.reduce((sum, weight, level) => sum + weight * (shares[level] as number), 0);
}

/** What each statement that bears on the scale adds to it. @throws {UserError} when levels and weights do not match. */
function contributions(
  scale: Scale,
  statements: readonly Statement[],
): { id: string; n: number; value: number }[] {
  return statements.flatMap(({ id, plain, counts: [n] }) => {
    const weights = scale.weights[id];
    if (weights === undefined || plain === undefined) return [];
    if (weights.length === plain.length) return [{ id, n, value: weigh(weights, plain) }];
    throw new UserError(
      `Cannot place the answers on ${scale.name}: statement ${id} has ${plain.length} levels, wanted ${weights.length}`,
    );
  });
}

function valueOf(scale: Scale, statements: readonly Statement[]): number {
  return contributions(scale, statements).reduce((sum, { value }) => sum + value, 0) + scale.offset;
}

interface Statistics {
  readonly level: number;
  readonly resamples: number;
  readonly seed: string;
}

function estimateValue(scale: Scale, statements: readonly Statement[], statistics: Statistics): Estimate {
  const parts = contributions(scale, statements), { offset } = scale;
  if (parts.length === 0) return nothing(offset, statistics.level);
  const mean = estimateMean(parts.map(({ value }) => value), independent(parts, statistics));
  const total = sumOf(mean, parts.length);
  const n = parts.reduce((sum, part) => sum + part.n, 0);
  return {
    ...mean,
    ...total,
    value: valueOf(scale, statements),
    low: total.low + offset,
    high: total.high + offset,
    n,
  };
}

/** The change of the value from the first answers to the second. */
function estimateShift(
  scale: Scale,
  [before, after]: readonly [readonly Statement[], readonly Statement[]],
  statistics: Statistics,
): Estimate {
  const [old, parts] = [contributions(scale, before), contributions(scale, after)];
  if (parts.length === 0) return nothing(0, statistics.level);
  const changes = parts.map(({ value }, i) => value - old[i]!.value);
  const mean = estimateChange(changes, independent(parts, statistics));
  return { ...mean, ...sumOf(mean, parts.length), n: parts.reduce((sum, part) => sum + part.n, 0) };
}

/** --limit may leave no statement that bears on a scale. */
function nothing(value: number, level: number): Estimate {
  return { value, low: value, high: value, level, n: 0, clusters: 0, method: "constant" };
}

function independent(parts: readonly { readonly id: string }[], statistics: Statistics) {
  return { ...statistics, binary: false, clusters: parts.map(({ id }) => id) };
}

function sumOf(
  { value, low, high, error }: Estimate,
  count: number,
): Pick<Estimate, "value" | "low" | "high" | "error"> {
  const total = { value: value * count, low: low * count, high: high * count };
  return error === undefined ? total : { ...total, error: error * count };
}

interface Shuffling {
  readonly seed: string;
  readonly permutations: number;
}

/** A scale's values under shufflings of the answers, and their mean over all shufflings there are. */
interface Shuffled {
  readonly values: Float64Array;
  readonly mean: number;
}

/** The value of each scale under each shuffling of the answers. */
function shuffle(
  scales: readonly Scale[],
  statements: readonly Statement[],
  options: Shuffling,
): Shuffled[] {
  const asked = statements as readonly Asked[], n = asked.length;
  // What statement i would add with the answers of statement j, at [i * n + j].
  const tables = scales.map((scale) =>
    Float64Array.from({ length: n * n }, (_, at) => {
      const weights = scale.weights[asked[Math.trunc(at / n)]!.id];
      return weights === undefined ? 0 : weigh(weights, asked[at % n]!.plain);
    })
  );
  const values = scales.map(() => new Float64Array(options.permutations));
  let k = 0;
  visitPermutations(n, (order) => {
    for (const [s, table] of tables.entries()) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += table[i * n + (order[i] as number)] as number;
      values[s]![k] = sum + scales[s]!.offset;
    }
    k++;
  }, options);
  // Every statement is as likely to get any answer.
  return scales.map(({ offset }, s) => ({ values: values[s]!, mean: offset + n * meanOf(tables[s]!) }));
}

function rangeOf({ values, mean }: Shuffled, value: number, level: number): ShuffledRange {
  const sorted = values.toSorted();
  return {
    mean,
    low: percentile(sorted, (1 - level) / 2),
    high: percentile(sorted, (1 + level) / 2),
    p: upperShare(values.map((each) => Math.abs(each - mean)), Math.abs(value - mean)),
  };
}

function distanceP(shuffled: readonly Shuffled[], observed: readonly number[]): number {
  const axes = shuffled.map(({ values, mean }, k) => {
    const variance = meanOf(values.map((value) => (value - mean) ** 2));
    return { values, mean, variance, value: observed[k] as number };
  }).filter(({ variance }) => variance > 1e-18); // where all answers are alike, shuffling changes nothing but rounding
  if (axes.length === 0) return 1;
  const square = (at: (axis: typeof axes[number]) => number) =>
    axes.reduce((sum, axis) => sum + (at(axis) - axis.mean) ** 2 / axis.variance, 0);
  const distances = shuffled[0]!.values.map((_, k) => square(({ values }) => values[k] as number));
  return upperShare(distances, square(({ value }) => value));
}

function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
