/** Which labels were chosen, in a line a cell. */
import type { LabelShares } from "../label_shares.ts";
import type { CellResult, Results } from "../results.ts";

export interface LabelledCell extends CellResult {
  readonly labels: LabelShares;
}

/** The cells whose items all have the same labels, in the order of the results. */
export function labelledCells({ cells }: Results): LabelledCell[] {
  return cells.flatMap((cell) => cell.labels ? [{ ...cell, labels: cell.labels }] : []);
}

/** "A 61.0, B 39.0" in percent; the rest that spelled no label follows where `isOpen`. */
export function sharesText(
  shares: readonly number[],
  labels: readonly string[],
  isOpen = false,
): string {
  const rest = Math.max(0, 1 - shares.reduce((sum, share) => sum + share, 0));
  const named = labels.map((label, i) => `${label} ${percent(shares[i] ?? 0)}`);
  return [...named, ...(isOpen ? [`none ${percent(rest)}`] : [])].join(", ");
}

/** "80.4" for 0.804. */
function percent(share: number): string {
  return (100 * share).toFixed(1);
}

/** Rows of a table, its head first. */
export function labelRows(results: Results): string[][] {
  return [
    [
      "Model",
      "Benchmark",
      "Treatment",
      "n",
      "Right",
      "Chosen of the options",
      "Most probable token",
      "Distance",
    ],
    ...labelledCells(results).map(({ model, benchmark, treatment, labels: { labels, n, ...shares } }) => [
      model,
      benchmark,
      treatment,
      String(n),
      sharesText(shares.gold, labels),
      sharesText(shares.chosen, labels),
      sharesText(shares.given, labels, true),
      percent(shares.distance),
    ]),
  ];
}

/** What the table's figures are. */
export const LABELS_NOTE =
  "Shares of items by label, in %. Distance: total variation distance of the chosen labels from the right ones, half the sum of the " +
  "absolute differences; whoever chooses with these shares is wrong at least so often. None: the token spells no label";
