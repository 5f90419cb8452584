/** What the figures of a table are; nothing is named that is not in it. */
import type { Results } from "../results.ts";
import type { Grid } from "./grid.ts";
import { levelText } from "./level.ts";
import { testsText } from "./tests.ts";

const PARTS: Readonly<Record<string, string>> = {
  validity: "validity: its part from giving one of the answers at all",
  ability: "ability: its part from giving the right one",
};

/** @param groups where independent groups of items stand: "below in brackets" */
export function legendText(
  grids: readonly Grid[],
  { results, groups }: { readonly results: Pick<Results, "statistics">; readonly groups: string },
): string {
  const rows = grids.flatMap((grid) => grid.rows), cells = rows.flatMap((row) => row.cells);
  const isGrouped = rows.some(({ n }) => n.includes("("));
  const changed = rows.filter((row) => row.cells.some(({ hasDifference }) => hasDifference));
  const tests = testsText(cells.flatMap(({ test }) => test ?? []));
  const parts = [...new Set(cells.flatMap((cell) => cell.parts))].flatMap((part) => PARTS[part] ?? []);
  const sets = Math.max(0, ...cells.map((cell) => cell.sets));
  return [
    isGrouped ? `n: items, ${groups} their independent groups where fewer` : "n: items",
    `levels with ${levelText(results)} intervals`,
    ...(changed.length > 0
      ? [
        "diff: paired difference from untouched" +
        (changed.some(({ metric }) => metric.endsWith("%"))
          ? ", in percentage points where the metric is in %"
          : ""),
      ]
      : []),
    ...(tests === undefined ? [] : [`p: ${tests}`]),
    ...parts,
    ...(sets > 1 ? ["controls: mean (smallest to largest) over their sets"] : []),
  ].join("; ");
}
