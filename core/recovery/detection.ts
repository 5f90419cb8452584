/** How well scores tell the units that are meant from all others. */

/**
 * Area under the receiver operating characteristic: the chance that a unit that is meant scores above one that is not, ties counting half.
 *
 *   AUROC = (R - n (n + 1) / 2) / (n m)      R the sum of the n positives' ranks from below, equal scores sharing their mean rank
 *
 * Source: Mann and Whitney 1947; Hanley and McNeil, Radiology 143, 1982.
 *
 * @param positive 1 for a unit that is meant, as many as scores
 * @returns undefined where all units are meant, or none
 *
 * @example
 * ```ts
 * import { auroc } from "./detection.ts";
 * if (auroc([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]) !== 0.75) throw new Error("one of four pairs is the wrong way round");
 * ```
 */
export function auroc(scores: ArrayLike<number>, positive: ArrayLike<number>): number | undefined {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let [rankSum, meant] = [0, 0];
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && scores[order[end]!] === scores[order[start]!]) end++;
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) {
      if (positive[order[i]!] !== 1) continue;
      rankSum += rank;
      meant++;
    }
    start = end;
  }
  const others = scores.length - meant;
  return meant === 0 || others === 0 ? undefined : (rankSum - meant * (meant + 1) / 2) / (meant * others);
}

/** The k highest scores, of equal ones the first. */
export function highest(scores: ArrayLike<number>, k: number): number[] {
  return Array.from({ length: scores.length }, (_, i) => i)
    .sort((a, b) => scores[b]! - scores[a]! || a - b).slice(0, k);
}

/** Share of the selected that are meant; undefined where none is selected. */
export function precision(selected: readonly number[], positive: ArrayLike<number>): number | undefined {
  return selected.length === 0 ? undefined : hits(selected, positive) / selected.length;
}

/** Share of the meant that are selected; undefined where none is meant. */
export function recall(selected: readonly number[], positive: ArrayLike<number>): number | undefined {
  const meant = Array.from(positive).filter((each) => each === 1).length;
  return meant === 0 ? undefined : hits(selected, positive) / meant;
}

function hits(selected: readonly number[], positive: ArrayLike<number>): number {
  return selected.filter((i) => positive[i] === 1).length;
}

/**
 * Which scores are larger than chance makes them, over all groups and units at once: score minus its mean over the dealings of the groups to
 * the items, over its standard deviation, against the largest such value of each dealing (the max-T procedure of Westfall and Young, 1993).
 * The observed dealing counts among them, so that where groups mean nothing, anything at all is called in at most 1 - `level` of cases.
 *
 * @param observed [groups][units]
 * @param shuffled [shuffles][groups][units], scores after the groups were dealt to the items anew; at least 19 for a level of 0.95
 * @returns [groups], the indices of the units that are called. A unit whose score no dealing changes is never called.
 */
export function called(
  observed: readonly Float64Array[],
  shuffled: readonly (readonly Float64Array[])[],
  level = 0.95,
): readonly (readonly number[])[] {
  const all = [observed, ...shuffled];
  const moments = observed.map((scores, g) =>
    Array.from(scores, (_, k) => {
      const mean = all.reduce((sum, each) => sum + each[g]![k]!, 0) / all.length;
      const square = all.reduce((sum, each) => sum + (each[g]![k]! - mean) ** 2, 0) / all.length;
      // What is left of rounding is no deviation.
      return { mean, deviation: square > 1e-20 * mean ** 2 ? Math.sqrt(square) : 0 };
    })
  );
  const standard = (value: number, { mean, deviation }: Moments) =>
    deviation === 0 ? 0 : (value - mean) / deviation;
  const largest = all.map((groups) =>
    groups.reduce(
      (most, scores, g) =>
        scores.reduce((m, value, k) => Math.max(m, standard(value, moments[g]![k]!)), most),
      0,
    )
  ).sort((a, b) => a - b);
  const threshold = largest[Math.ceil(level * all.length) - 1]!;
  return observed.map((scores, g) =>
    Array.from(scores.keys()).filter((k) => standard(scores[k]!, moments[g]![k]!) > threshold)
  );
}

interface Moments {
  readonly mean: number;
  readonly deviation: number;
}
