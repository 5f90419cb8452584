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

/** What units that were selected have to do with those that are meant. */
export interface Detection {
  /** Units that were selected, and how many of them are decoys. */
  readonly selected: number;
  readonly decoys: number;
  /** Share of the selected that are meant; undefined where none is selected. */
  readonly precision: number | undefined;
  /** Share of the meant that are selected; undefined where none is meant. */
  readonly recall: number | undefined;
}

/** @param selected names of units, as `meant` and `decoys` have them; one that stands twice counts once. */
export function detect(
  selected: Iterable<string>,
  { meant, decoys }: { readonly meant: ReadonlySet<string>; readonly decoys: ReadonlySet<string> },
): Detection {
  const own = new Set(selected), hits = own.intersection(meant).size;
  return {
    selected: own.size,
    decoys: own.intersection(decoys).size,
    precision: own.size === 0 ? undefined : hits / own.size,
    recall: meant.size === 0 ? undefined : hits / meant.size,
  };
}
