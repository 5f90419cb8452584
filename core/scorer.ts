/** From items to one number a unit: a scorer is a plan of passes and a pure combination of what they give. */
import type { z } from "zod";
import { UserError } from "./error.ts";
import type { SelectEntry } from "./matrix.ts";
import type { Model, Objective, Observation, RunSample, Site, Tap } from "./model.ts";

/** An item as a scorer sees it, tokenised by its benchmark's evaluator. */
export interface ScoredItem {
  readonly id: string;
  /** What scores are kept apart by: a country, a topic; "all" when nothing was named. */
  readonly group: string;
  readonly prompt: readonly number[];
  readonly continuations: readonly (readonly number[])[];
  /** Index of the right continuation; undefined where the benchmark has none. */
  readonly gold: number | undefined;
}

export interface ScorerInput<Params> {
  readonly params: Params;
  /** Items by the name of their set, as the scorer's `sets` names them. */
  readonly items: Readonly<Record<string, readonly ScoredItem[]>>;
  readonly model: Pick<Model, "info" | "units" | "tokenizer">;
  /** Decides every draw. */
  readonly seed: number;
}

/** One walk over items. The core owns batching and resume; values are summed over the samples of a group in float64. */
export interface Pass {
  /** Names the pass for combine(). */
  readonly name: string;
  readonly samples: readonly PassSample[];
  readonly objective?: PassObjective;
  /** Each tap once; every pool but "none". */
  readonly observe: readonly Observation[];
  /** "objective": each sample's pooled values are multiplied by the value of its objective. Default "none". */
  readonly weight?: "none" | "objective";
  /** Then they lose their sign; default false. */
  readonly absolute?: boolean;
  /** Then they become max(value, floor), before they are summed. */
  readonly floor?: number;
  /** Samples that `padding: "zero"` pads together, in the order given; default 16. */
  readonly batch?: number;
  /** Whether sums of squares are kept by group, and with them how many values are above 0, or over all groups alone, which takes a third of
   * the memory. Default "group". */
  readonly squares?: "group" | "pass";
}

export interface PassSample extends RunSample {
  readonly id: string;
  readonly group: string;
  /** Target, contrast or answer of this sample, as the objective's kind has it. */
  readonly target?: number;
  readonly against?: number;
  readonly answer?: number;
}

/** An objective whose targets stand with the samples. */
export type PassObjective =
  | { readonly kind: "probability" | "logprob" | "logitDifference" | "cloze" }
  | Extract<Objective, { kind: "crossEntropy" }>;

/** Sums over the samples of one pass and group at one tap; arrays are as long as the observation has columns. */
export interface PooledValues {
  readonly n: number;
  readonly sum: Float64Array;
  readonly sumOfSquares: Float64Array;
  /** Number of samples whose value is above 0. */
  readonly positive: Float64Array;
}

export interface Pooled {
  /** @throws {UserError} when there is no such pass, group or observation, and for squares by group of a pass that keeps them over all. */
  at(pass: string, group: string, tap: Tap): PooledValues;
  /** Sums of squares over all samples of the pass, whatever their group; as long as the observation has columns. */
  squares(pass: string, tap: Tap): Float64Array;
  /** In order of first appearance. */
  groups(pass: string): readonly string[];
  /** Samples of a pass over all its groups. */
  count(pass: string): number;
}

/** One number a unit, by group, then by tap. */
export type UnitScores = ReadonlyMap<string, ReadonlyMap<Tap, Float64Array>>;

/** What works on sets of items that a matrix gives it: a scorer, or a tuner. */
export interface OverItems<Params> {
  readonly name: string;
  /** Raise it whenever a number could change. */
  readonly version: string;
  readonly title: string;
  /** Paper, section and formula, or "Plumbline". */
  readonly source: string;
  readonly params: z.ZodType<Params>;
  /** Names of the sets of items that it needs: ["items"], or ["positive", "negative"]; none for a scorer that looks at no data. */
  readonly sets: readonly string[];
  /** Names of further sets that it takes where they are given. */
  readonly optionalSets?: readonly string[];
}

export interface Scorer<Params = unknown> extends OverItems<Params> {
  /** Params under which it finds the units at `sites` that matter for texts of any kind, where it can: what the control `important` is. */
  generic?(sites: readonly string[]): unknown;
  /**
   * How the method itself selects by these scores, as `select` of a matrix says it: for a group of the items, or for all of them together. What
   * several of them take counts together; none where the method says nothing of it.
   */
  selection?(input: ScorerInput<Params>, group?: string): readonly SelectEntry[];
  /** Pure. @throws {UserError} for items or params that do not suit. */
  passes(input: ScorerInput<Params>): readonly Pass[];
  /** Pure: the same pooled values give the same scores, finite and one a unit of the tap. Larger is more. */
  combine(pooled: Pooled, input: ScorerInput<Params>): UnitScores;
  /**
   * Standard errors of what combine() gives, in the same groups, taps and unit, where scores are linear in the sums; undefined where there
   * are too few samples to tell. Pure. Samples count as independent of one another, within a pass and between passes.
   */
  errors?(pooled: Pooled, input: ScorerInput<Params>): UnitScores | undefined;
}

/**
 * Gives a scorer its type from its params; unknown params are errors when `params` is a `z.strictObject`.
 *
 * @example
 * ```ts
 * import { z } from "zod";
 * import { defineScorer, meanOf, sampleOf, scoresOf, tapsAt } from "./mod.ts";
 * const scorer = defineScorer({
 *   name: "loudness",
 *   version: "1",
 *   title: "Mean activation at the last token",
 *   source: "an example",
 *   params: z.strictObject({ site: z.enum(["mlp.act", "mlp.out"]).default("mlp.act") }),
 *   sets: ["items"],
 *   passes: ({ params, items, model }) => [{
 *     name: "loud",
 *     samples: items.items!.map((item) => sampleOf(item)),
 *     observe: tapsAt([params.site], model.info.layers).map((tap) => ({ tap, quantity: "activation", pool: "last" })),
 *   }],
 *   combine: (pooled, { params, model }) =>
 *     scoresOf(pooled.groups("loud"), tapsAt([params.site], model.info.layers), (group, tap) => meanOf(pooled.at("loud", group, tap))),
 * });
 * if (scorer.params.parse({}).site !== "mlp.act") throw new Error("unexpected params");
 * ```
 */
export function defineScorer<Params>(scorer: Scorer<Params>): Scorer<Params> {
  return scorer;
}

/** The sites' taps, layer by layer. */
export function tapsAt(sites: readonly Site[], layers: number): Tap[] {
  return Array.from({ length: layers }, (_, layer) => sites.map((site): Tap => `layers.${layer}.${site}`))
    .flat();
}

/** The objective of that kind, over an answer where there is a choice; what sampleOf() makes samples for. */
export function passObjective(kind: PassObjective["kind"]): PassObjective {
  return kind === "crossEntropy" ? { kind, span: "completion" } : { kind };
}

/** What is to be asked of a sample. */
export interface SampleUse {
  readonly objective?: PassObjective["kind"];
  /** Tokens to be pooled; default "prompt". */
  readonly over?: NonNullable<Observation["over"]>;
}

/**
 * An item as a sample of a pass. With an objective: its prompt and what the objective reads (the right answer's token, and the other one's
 * for "logitDifference"; all answers for "cloze"; the right one for "crossEntropy"). Without: the prompt, and where `over` is not "prompt" its
 * right, or only, answer. As everywhere, the last token of an answer is predicted, not run.
 *
 * @throws {UserError} naming the item where its answers do not suit.
 */
export function sampleOf(item: ScoredItem, { objective, over = "prompt" }: SampleUse = {}): PassSample {
  const { id, group, prompt, continuations } = item;
  const refuse = (state: string, wanted: string): never => {
    throw new UserError(
      `Cannot use item ${id} for ${objective ?? `values over the ${over}`}: ${state}, wanted ${wanted}`,
    );
  };
  const sample = { id, group, prompt };
  const gold = item.gold ?? (continuations.length === 1 ? 0 : undefined);
  const right = () => continuations[gold ?? -1] ?? refuse("it has no right answer", "one");
  const token = (ids: readonly number[]) =>
    ids.length === 1 ? ids[0]! : refuse(`an answer is ${ids.length} tokens`, "one token");
  if (objective === undefined) {
    const isPrompt = over === "prompt" || (over === "all" && continuations.length === 0);
    return isPrompt ? sample : { ...sample, continuations: [right()] };
  }
  switch (objective) {
    case "probability":
    case "logprob":
      return { ...sample, target: token(right()) };
    case "logitDifference": {
      const target = token(right());
      if (continuations.length !== 2) refuse(`it has ${continuations.length} answers`, "two");
      return { ...sample, target, against: token(continuations[1 - gold!]!) };
    }
    case "cloze":
      right();
      return { ...sample, continuations, answer: gold! };
    case "crossEntropy":
      return { ...sample, continuations: [right()] };
  }
}

/** Mean of each column over the samples. */
export function meanOf({ n, sum }: PooledValues): Float64Array {
  return sum.map((total) => total / n);
}

/** Squares that sum to less than this share of what they are the difference of are rounding: some 10,000 additions at 2^-53 each. */
const ROUNDING = 1e-12;

/**
 * Standard deviation of each column within sets of samples, pooled: the root of the squared distances to each set's own mean, summed, over
 * the number of samples less the number of sets. 0 where every set is constant.
 *
 * @throws {UserError} when there are no more samples than sets.
 */
export function deviationOf(sets: readonly PooledValues[]): Float64Array {
  const free = sets.reduce((sum, { n }) => sum + n - 1, 0);
  if (free < 1) {
    throw new UserError("Cannot take a standard deviation: one sample a set, wanted two or more of one");
  }
  const squares = ({ n, sum, sumOfSquares }: PooledValues, i: number) => {
    const all = sumOfSquares[i]!, rest = all - sum[i]! ** 2 / n;
    return rest > ROUNDING * all ? rest : 0;
  };
  return Float64Array.from(
    sets[0]!.sum,
    (_, i) => Math.sqrt(sets.reduce((sum, set) => sum + squares(set, i), 0) / free),
  );
}

/**
 * Variance of each column's values within the groups of a pass, pooled: the squared distances to each group's own mean, summed, over the number
 * of samples less the number of groups; as if it were the same in all groups. Undefined where there are no more samples than groups.
 */
export function varianceWithin(pooled: Pooled, pass: string, tap: Tap): Float64Array | undefined {
  const groups = pooled.groups(pass).map((group) => pooled.at(pass, group, tap));
  const free = pooled.count(pass) - groups.length;
  if (free < 1) return undefined;
  return pooled.squares(pass, tap).map((all, k) => {
    const rest = groups.reduce((left, { n, sum }) => left - sum[k]! ** 2 / n, all);
    return rest > ROUNDING * all ? rest / free : 0;
  });
}

/** Standard errors of scores that are a mean, or a sum or difference of means; undefined where one is of fewer than two samples. */
export function errorsOfMeans(
  groups: readonly string[],
  taps: readonly Tap[],
  meansOf: (group: string, tap: Tap) => readonly PooledValues[],
): UnitScores | undefined {
  if (groups.some((group) => meansOf(group, taps[0]!).some(({ n }) => n < 2))) return undefined;
  return scoresOf(groups, taps, (group, tap) => {
    const parts = meansOf(group, tap).map((mean) => ({ n: mean.n, deviation: deviationOf([mean]) }));
    return parts[0]!.deviation.map((_, k) =>
      Math.sqrt(parts.reduce((sum, { n, deviation }) => sum + deviation[k]! ** 2 / n, 0))
    );
  });
}

/** a / b, and 0 where b is 0: an effect in standard deviations where nothing varies. */
export function ratio(a: number, b: number): number {
  return b === 0 ? 0 : a / b;
}

/** Under which group a pass stands against `group` of another: the same, or the only one that it has.
 * @throws {UserError} when it has several and not this one. */
export function groupIn(pooled: Pooled, pass: string, group: string): string {
  const groups = pooled.groups(pass);
  if (groups.includes(group)) return group;
  if (groups.length === 1) return groups[0]!;
  throw new UserError(
    `Cannot compare group ${
      JSON.stringify(group)
    }: ${pass} has ${groups.length} groups and not this one, wanted it, or one in all`,
  );
}

/** Scores of each group at each tap. */
export function scoresOf(
  groups: readonly string[],
  taps: readonly Tap[],
  score: (group: string, tap: Tap) => Float64Array,
): UnitScores {
  return new Map(groups.map((group) => [group, new Map(taps.map((tap) => [tap, score(group, tap)]))]));
}
