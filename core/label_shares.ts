/**
 * Which labels a model chooses, beside how often each is right.
 *
 * distance: the total variation distance of two distributions, half the sum over labels of | p - q |, in [0, 1]. Beside the shares of the right
 * labels it is what a preference for labels costs at least: whoever chooses with other shares than the right ones is wrong at least so
 * often. By chance alone X
 */
import type { Item } from "./benchmark.ts";
import type { AnyEvaluator, Outcome } from "./evaluator.ts";

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

const indices = new WeakMap<readonly Item[], ReadonlyMap<string, Item>>();

/** Items by id. Cells share their lists. */
function indexOf(items: readonly Item[]): ReadonlyMap<string, Item> {
  const index = indices.get(items) ?? new Map(items.map((item) => [item.id, item]));
  indices.set(items, index);
  return index;
}

/**
 * The shares of a cell.
 *
 * @param outcomes in any order, one an item
 * @throws when an outcome is missing.
 * @returns undefined where the evaluator does not tell labels, or items have different ones (options named by their text).
 */
export function labelShares(
  items: readonly Item[],
  outcomes: Iterable<Outcome>,
  { choice }: Pick<AnyEvaluator, "choice">,
): LabelShares | undefined {
  if (choice === undefined) return undefined;
  const byId = indexOf(items);
  let labels: readonly string[] | undefined, n = 0;
  const gold: number[] = [], chosen: number[] = [], given: number[] = [];
  const count = (counts: number[], label: number | undefined) => {
    if (label !== undefined && label >= 0) counts[label] = (counts[label] ?? 0) + 1;
  };
  for (const outcome of outcomes) {
    const item = byId.get(outcome.item);
    if (item === undefined) continue;
    const each = choice(item, outcome);
    labels ??= each.labels;
    if (each.labels.length !== labels.length || each.labels.some((label, at) => label !== labels![at])) {
      return undefined;
    }
    n++;
    count(gold, each.gold);
    count(chosen, each.chosen);
    count(given, each.given);
  }
  if (n < items.length) throw new Error(`${items.length - n} outcomes are missing`);
  if (labels === undefined || labels.length === 0) return undefined;
  const share = (counts: readonly number[]) => labels.map((_, label) => (counts[label] ?? 0) / n);
  return {
    labels,
    n,
    gold: share(gold),
    chosen: share(chosen),
    given: share(given),
    distance: totalVariation(share(chosen), share(gold)),
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
