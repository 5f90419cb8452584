/**
 * Which labels a model chooses, beside how often each is right.
 *
 * distance: the total variation distance of two distributions, half the sum over labels of | p - q |, in [0, 1]. Beside the shares of the right
 * labels it is what a preference for labels costs at least: whoever chooses with other shares than the right ones is wrong at least so
 * often. By chance alone X
 */
import type { Item } from "./benchmark.ts";
import type { Evaluator, LabelChoice, Outcome } from "./evaluator.ts";

/** Shares by label, in [0, 1], in the order of `labels`. */
export interface LabelShares {
  readonly labels: readonly string[];
  /** Items. */
  readonly n: number;
  /** Of the right answers. */
  readonly gold: readonly number[];
  /** Of the most probable options. */
  readonly chosen: readonly number[];
  /** Of the most probable tokens of the whole vocabulary; what is missing to 1 spelled no label. */
  readonly given: readonly number[];
  /** Total variation distance of `chosen` from `gold`. */
  readonly distance: number;
}

/**
 * The shares of a cell.
 *
 * @param outcomes in the order of the items
 * @returns undefined where the evaluator does not tell labels, or items have different ones (options named by their text).
 */
export function labelShares(
  items: readonly Item[],
  outcomes: readonly Outcome[],
  { choice }: Pick<Evaluator, "choice">,
): LabelShares | undefined {
  if (choice === undefined) return undefined;
  const choices = items.map((item, i) => choice(item, outcomes[i]!));
  const labels = choices[0]?.labels ?? [];
  const key = JSON.stringify(labels);
  if (labels.length === 0 || choices.some((each) => JSON.stringify(each.labels) !== key)) return undefined;
  const share = (of: (choice: LabelChoice) => number | undefined) =>
    labels.map((_, label) => choices.filter((each) => of(each) === label).length / choices.length);
  const gold = share((each) => each.gold), chosen = share((each) => each.chosen);
  return {
    labels,
    n: choices.length,
    gold,
    chosen,
    given: share((each) => each.given),
    distance: totalVariation(chosen, gold),
  };
}

/**
 * Half the sum of | p - q |, in [0, 1] for shares that sum to 1.
 *
 * @example
 * ```ts
 * import { totalVariation } from "./mod.ts";
 * if (totalVariation([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]) !== 0.75) throw new Error("three in four are elsewhere");
 * ```
 */
export function totalVariation(p: readonly number[], q: readonly number[]): number {
  return p.reduce((sum, each, i) => sum + Math.abs(each - (q[i] ?? 0)), 0) / 2;
}
