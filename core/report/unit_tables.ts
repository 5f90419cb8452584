/** The sets of units of a run as tables: where they are, what they share. */
import type { Results } from "../results.ts";
import { count, pText } from "./format.ts";
import { foundSets, type Overlap, overlapsOf, placesOf } from "./unit_sets.ts";

/** A row a set and site, a column a layer; the head first. Empty where no units were found. */
export function placeRows(results: Results): string[][] {
  const sets = foundSets(results);
  if (sets.length === 0) return [];
  const most = Math.max(...sets.map(({ model }) => model.info.layers));
  const layers = Array.from({ length: most }, (_, layer) => layer);
  const lines = sets.flatMap((set) => {
    const places = placesOf(set);
    return places.sites.map((site, i) => {
      const column = places.layers.map((layer) => layer[i]?.selected);
      const sum = column.reduce<number>((sum, each) => sum + (each ?? 0), 0);
      return [
        set.name,
        site,
        count(sum),
        ...layers.map((layer) => column[layer] === undefined ? "" : count(column[layer])),
      ];
    });
  });
  return [["Set", "Site", "Units", ...layers.map((layer) => `Layer ${layer}`)], ...lines];
}

/** A row a pair; the head first. Empty where no two sets could have a unit in common. */
export function overlapRows(results: Results): string[][] {
  const overlaps = overlapsOf(results);
  if (overlaps.length === 0) return [];
  const head = ["Sets", "Units", "Taken from", "Shared", "Jaccard", "Drawn blindly", "p", "Tap by tap", "p"];
  return [
    head,
    ...overlaps.map((each) => [
      `${each.one} and ${each.other}`,
      each.sizes.map(count).join(" and "),
      poolText(each),
      count(each.shared),
      each.jaccard.toFixed(3),
      ...(each.chance
        ? [each.chance.uniform, each.chance.byTap].flatMap((chance) => [
          `${meanText(chance.shared)}, ${chance.jaccard.toFixed(3)}`,
          pText(chance.p).replace(/^p (= )?/, ""),
        ])
        : [NOT_CHANCE, "", "", ""]),
    ]),
  ];
}

/** "1,024 in 4 taps". */
function poolText({ pool: { units, taps } }: Overlap): string {
  return `${count(units)} in ${taps} ${taps === 1 ? "tap" : "taps"}`;
}

/** A mean number of units: one decimal, two digits below ten. */
export function meanText(mean: number): string {
  return mean >= 10 ? count(Number(mean.toFixed(1))) : String(Number(mean.toPrecision(2)));
}

/** In place of chance, for a control that may not have treated units. */
export const NOT_CHANCE = "left out by design";

/** What the figures of overlapRows() are. */
export const OVERLAP_NOTE =
  "Units: those of each set in the taps that both were taken from; pairs without a common tap are left out. Jaccard: shared " +
  "units over those of either set. Drawn blindly: mean of the shared units and of Jaccard, were both sets as large and drawn from all of these " +
  "units; tap by tap: drawn with as many units in each tap as they have. p: exact chance of at least as many shared units (hypergeometric), of " +
  "each pair alone, not corrected for their number. Sets by one scorer share more than blind ones for many reasons, so a small p does not say " +
  "that they stand for the same";
