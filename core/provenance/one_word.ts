/**
 * Texts that say the same in any order but for one word: substituted, put in or left out.
 *
 * Each text gives the sum of its words' hashes, and that sum less each word in turn: a word substituted leaves one of the latter equal on both
 * sides, a word put in or left out one of each. That finds every such pair in time linear in the words (deletion neighbourhoods, as in T.
 * Bocek et al., "Fast similarity search in large dictionaries", 2007, there for letters).
 *
 * "What is the capital of Peru?" and "... of Spain?" differ by one word too, and are two questions. So a rest that several questions
 * of one side share is a pattern, whose gap is what is asked, and tells nothing.
 */
import { tableBits } from "./near.ts";
import { mix } from "./print.ts";

/** At least so many words must be the same. */
const SAME = 4;
/** Not the index of any text: several questions have it. */
const SHARED = -1;

/**
 * Index in `few` and index in `many` of each pair; memory is that of `few`.
 *
 * @param questionOf Which question it is one wording of: texts of one question make no pattern.
 */
export function oneWordPairs<T extends { readonly words: readonly number[] }>(
  few: readonly T[],
  many: readonly T[],
  questionOf: (text: T) => string,
): (readonly [number, number])[] {
  const owner = (texts: readonly T[], before: number | undefined, now: number): number => {
    if (before === undefined || before === now) return now;
    return before !== SHARED && questionOf(texts[before]!) === questionOf(texts[now]!) ? before : SHARED;
  };
  const owners = new Map<number, number>();
  // Most keys of `many` are not there, which a bit tells faster than the map.
  const bits = tableBits(few), shift = 32 - bits;
  const seen = new Uint8Array(1 << bits);
  few.forEach(({ words }, i) =>
    forEachRest(words, (key, high) => {
      seen[high >>> shift] = 1;
      owners.set(key, owner(few, owners.get(key), i));
    })
  );
  const hits = new Map<number, number>();
  many.forEach(({ words }, j) =>
    forEachRest(words, (key, high) => {
      if (seen[high >>> shift] === 1 && owners.has(key)) hits.set(key, owner(many, hits.get(key), j));
    })
  );
  return [...hits].flatMap(([key, j]) => {
    const i = owners.get(key) ?? SHARED;
    return i === SHARED || j === SHARED ? [] : [[i, j] as const];
  });
}

/** The key of all words, and of all but each one, where enough are left: 53 bits, and the first 32 of them. */
function forEachRest(words: readonly number[], visit: (key: number, high: number) => void): void {
  if (words.length < SAME) return;
  let [high, low] = [0, 0];
  for (let i = 0; i < words.length; i++) {
    const hash = mix(words[i]!);
    high = (high + hash) | 0;
    low = (low + Math.imul(hash, hash | 1)) | 0;
  }
  visit((high >>> 0) * 2 ** 21 + (low >>> 11), high >>> 0);
  if (words.length === SAME) return;
  for (let i = 0; i < words.length; i++) {
    const hash = mix(words[i]!), a = (high - hash) | 0, b = (low - Math.imul(hash, hash | 1)) | 0;
    visit((a >>> 0) * 2 ** 21 + (b >>> 11), a >>> 0);
  }
}
