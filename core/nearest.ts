/** Which known word somebody may have meant. */

/** Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours each cost 1. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(at(i, j), at(i - 2, j - 2) + 1);
    }
  }
  return at(a.length, b.length);
}

/** The known word with the smallest distance; undefined when none shares at least half of its letters. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const ranked = [...known]
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  const best = ranked[0];
  if (!best || best.distance > Math.max(word.length, best.candidate.length) / 2) return undefined;
  return best.candidate;
}

/**
 * The end of a message about an unknown word: `, did you mean "x"`, or the known words when none is near.
 *
 * @example
 * ```ts
 * import { suggest } from "./nearest.ts";
 * if (!suggest("benchmarkz", ["benchmarks", "models"]).includes("benchmarks")) throw new Error("no suggestion");
 * ```
 */
export function suggest(word: string, known: Iterable<string>): string {
  const words = [...known].sort();
  const best = nearest(word, words);
  if (best !== undefined) return `, did you mean ${JSON.stringify(best)}`;
  return words.length > 0 ? `, known are ${words.map((w) => JSON.stringify(w)).join(", ")}` : "";
}
