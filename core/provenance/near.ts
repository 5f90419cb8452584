/**
 * Texts whose word trigrams are alike: Jaccard similarity |A and B| / |A or B| of 0.6 or more.
 *
 * Candidates by MinHash (A. Broder, "On the resemblance and containment of documents", 1997): of 120 hash functions the smallest value over a
 * text's trigrams, in 40 bands of 3; two texts with similarity s share a band with probability 1 - (1 - s^3)^40, which at 0.6 is 0.99994. Each
 * candidate is then compared in full, so nothing below the threshold is ever given.
 */
import { createRandom } from "../random.ts";
import { mix } from "./print.ts";

export const THRESHOLD = 0.6;
const BANDS = 40, ROWS = 3;
/** Fewer trigrams than these (of five words) are too little to tell by. */
const ENOUGH = 3;

export interface NearPair {
  /** Index in the first and in the second list. */
  readonly few: number;
  readonly many: number;
  /** In [0.6, 1]. */
  readonly similarity: number;
}

/** Visits the hash of each word trigram, 32 bits, in the order of the text. A text of one or two words is one shingle, all of it. */
function forEachTrigram(words: readonly number[], visit: (trigram: number) => void): void {
  const count = words.length === 0 ? 0 : Math.max(1, words.length - 2);
  for (let i = 0; i < count; i++) {
    visit(
      mix(
        Math.imul(words[i]! + 1, 0x9e3779b1) + Math.imul((words[i + 1] ?? -1) + 1, 0x85ebca77) +
          (words[i + 2] ?? -1),
      ),
    );
  }
}

/**
 * The set of the hashes of the word trigrams, ascending; those that `isCommon` left out.
 *
 * @example
 * ```ts
 * import { trigramsOf } from "./near.ts";
 * if (trigramsOf([5, 6, 7, 8]).length !== 2) throw new Error("four words have two trigrams");
 * ```
 */
export function trigramsOf(words: readonly number[], isCommon = (_: number) => false): Uint32Array {
  const found = new Set<number>();
  forEachTrigram(words, (trigram) => isCommon(trigram) || found.add(trigram));
  return Uint32Array.from(found).sort();
}

/** |A and B| / |A or B| of two ascending lists without repeats; 0 where both are empty. */
export function jaccard(a: Uint32Array, b: Uint32Array): number {
  let both = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [x, y] = [a[i]!, b[j]!];
    if (x === y) both++;
    if (x <= y) i++;
    if (y <= x) j++;
  }
  return both === 0 ? 0 : both / (a.length + b.length - both);
}

/** So many bits of a hash that few of all words of the texts share them; 22 at most, 4 million places. */
export function tableBits(texts: readonly { readonly words: readonly number[] }[]): number {
  const words = texts.reduce((sum, text) => sum + text.words.length, 0);
  return Math.min(22, Math.max(10, Math.ceil(Math.log2(32 * (words + 1)))));
}

/** Says which trigrams so many texts of one list have that they are its wording: a fifth of them, and five. */
export function commonIn(
  lists: readonly (readonly { readonly words: readonly number[] }[])[],
): (trigram: number) => boolean {
  const bits = Math.max(...lists.map(tableBits)), shift = 32 - bits;
  const common = new Uint8Array(1 << bits);
  for (const list of lists) {
    // Counted by a part of the hash: at a fifth of all texts a chance meeting of two trigrams does not matter.
    const counts = new Uint32Array(1 << bits);
    const least = Math.max(5, list.length / 5);
    for (const { words } of list) forEachTrigram(words, (trigram) => counts[trigram >>> shift]!++);
    counts.forEach((count, bit) => count >= least && (common[bit] = 1));
  }
  return (trigram) => common[trigram >>> shift] === 1;
}

/**
 * Every pair of a text of `few` and one of `many` with a similarity of 0.6 or more, trigrams that `isCommon` left out; memory is that of `few`.
 * Texts with fewer than three other trigrams are in no pair.
 */
export function nearPairs(
  few: readonly { readonly words: readonly number[] }[],
  many: readonly { readonly words: readonly number[] }[],
  isCommon: (trigram: number) => boolean,
): NearPair[] {
  const bits = tableBits(few), shift = 32 - bits;
  const known = new Uint8Array(1 << bits);
  const buckets = new Map<number, number[]>();
  const signatureOf = minHash();
  const sets = few.map(({ words }, i) => {
    const set = trigramsOf(words, isCommon);
    if (set.length < ENOUGH) return set;
    for (const trigram of set) known[trigram >>> shift] = 1;
    for (const key of bandsOf(signatureOf(set))) {
      const bucket = buckets.get(key);
      if (bucket) bucket.push(i);
      else buckets.set(key, [i]);
    }
    return set;
  });
  // One visitor for all texts: a closure a text is slow. A trigram that a text has several times counts once.
  let [text, kept, met] = [0, 0, 0];
  const counted = new Int32Array(1 << bits).fill(-1);
  const count = (trigram: number) => {
    const place = trigram >>> shift;
    if (counted[place] === text || isCommon(trigram)) return;
    counted[place] = text;
    kept++;
    met += known[place]!;
  };
  return many.flatMap(({ words }, j) => {
    [text, kept, met] = [j, 0, 0];
    forEachTrigram(words, count);
    // A similarity of 0.6 takes 0.6 of a text's own trigrams: most texts are told apart by that alone. Two may share a place in the table.
    if (met + 1 < THRESHOLD * kept) return NONE;
    const set = trigramsOf(words, isCommon);
    if (set.length < ENOUGH) return NONE;
    const candidates = new Set(bandsOf(signatureOf(set)).flatMap((key) => buckets.get(key) ?? []));
    return [...candidates].flatMap((i): NearPair[] => {
      const similarity = jaccard(sets[i]!, set);
      return similarity >= THRESHOLD ? [{ few: i, many: j, similarity }] : [];
    });
  });
}

const NONE: readonly NearPair[] = [];

/** The signature of a set, in one array that is used again. */
function minHash(): (set: Uint32Array) => Uint32Array {
  const random = createRandom("provenance/minhash");
  const [xor, times] = [new Uint32Array(BANDS * ROWS), new Uint32Array(BANDS * ROWS)];
  for (let i = 0; i < xor.length; i++) [xor[i], times[i]] = [random.next(), random.next() | 1];
  const signature = new Uint32Array(BANDS * ROWS);
  return (set) => {
    for (let i = 0; i < signature.length; i++) {
      let least = 0xffffffff;
      for (const trigram of set) {
        const x = Math.imul(trigram ^ xor[i]!, times[i]!);
        const value = (x ^ x >>> 15) >>> 0;
        if (value < least) least = value;
      }
      signature[i] = least;
    }
    return signature;
  };
}

/** A key for each band, its number in the high bits. */
function bandsOf(signature: Uint32Array): number[] {
  return Array.from({ length: BANDS }, (_, band) => {
    let hash = 0;
    for (let row = 0; row < ROWS; row++) hash = mix(Math.imul(hash, 31) ^ signature[band * ROWS + row]!);
    return band * 2 ** 32 + hash;
  });
}
