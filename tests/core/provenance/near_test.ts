/** MinHash beside every pair compared in full. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { jaccard, nearPairs, THRESHOLD, trigramsOf } from "../../../core/provenance/near.ts";
import { oneWordPairs } from "../../../core/provenance/one_word.ts";
import { createRandom } from "../../../core/random.ts";

/** Lists of words that share a stretch, so that similarities of 0 to 1 all come up. */
function texts(count: number, seed: string) {
  const random = createRandom(seed);
  const words = (n: number) => Array.from({ length: n }, () => random.below(1 << 24));
  return Array.from({ length: count }, () => {
    const shared = words(16), keep = random.below(17);
    return [shared, [...shared.slice(0, keep), ...words(16 - keep)]].map((list) => ({ words: list }));
  });
}

const none = () => false;

Deno.test("jaccard() is the share that two sets have in common", () => {
  assertEquals(jaccard(Uint32Array.of(1, 2, 3), Uint32Array.of(2, 3, 9)), 0.5);
  assertEquals(jaccard(Uint32Array.of(1), Uint32Array.of(2)), 0);
  assertEquals(jaccard(new Uint32Array(), new Uint32Array()), 0);
});

Deno.test("trigramsOf() gives n - 2 trigrams, the whole where there are fewer than three words, none of nothing", () => {
  assertEquals([0, 1, 2, 3, 4].map((n) => trigramsOf(Array.from({ length: n }, (_, i) => i)).length), [
    0,
    1,
    1,
    1,
    2,
  ]);
  const [one, two] = [[1, 2], [2, 1]].map((words) => trigramsOf(words)[0]);
  assert(one !== two, "the order of words counts");
});

Deno.test("nearPairs() gives just the pairs at 0.6 and above that comparing all with all gives", () => {
  const all = texts(3000, "near");
  const [few, many] = [all.map(([a]) => a!), all.map(([, b]) => b!)];
  const wanted = all.flatMap(([a, b], i) => {
    const similarity = jaccard(trigramsOf(a!.words), trigramsOf(b!.words));
    return similarity >= THRESHOLD ? [{ few: i, many: i, similarity }] : [];
  });
  const found = nearPairs(few, many, none).toSorted((a, b) => a.few - b.few);
  // At 0.6 one pair in 17,000 shares no band, and few of these are so low.
  assertEquals(found, wanted);
  assert(wanted.length > 500 && wanted.length < 2500, `${wanted.length}`);
  assertAlmostEquals(1 - (1 - THRESHOLD ** 3) ** 40, 0.99994, 5e-6);
});

Deno.test("oneWordPairs() gives just the pairs that differ by one word in any order", () => {
  const random = createRandom("one word");
  const list = (n: number) => Array.from({ length: n }, () => random.below(1 << 24));
  const few = Array.from({ length: 50 }, () => list(9));
  const swap = (words: readonly number[]) => random.shuffle(words);
  const many = few.flatMap((words) => [
    swap(words),
    swap([...words.slice(1), random.below(1 << 24)]),
    swap(words.slice(1)),
    swap([...words, 7]),
    swap([...words.slice(2), ...list(2)]),
    swap(words.slice(2)),
  ]);
  const of = (lists: readonly (readonly number[])[], question: (i: number) => string) =>
    lists.map((words, i) => ({ words, question: question(i) }));
  const pairs = oneWordPairs(
    of(few, String),
    of(many, (i) => `${Math.floor(i / 6)}`),
    ({ question }) => question,
  );
  // What shares a key with several texts of one question is given by its first.
  const found = new Set(pairs.map(([i]) => i));
  assertEquals(found.size, 50);
  for (const k of [0, 1, 2, 3, 4, 5]) {
    const one = many.filter((_, i) => i % 6 === k);
    const alone = oneWordPairs(of(few, String), of(one, String), ({ question }) => question);
    assertEquals(new Set(alone.map(([i, j]) => i === j)), k < 4 ? new Set([true]) : new Set(), `change ${k}`);
    assertEquals(new Set(alone.map(([i]) => i)).size, k < 4 ? 50 : 0, `change ${k}`);
  }
  const short = [[1, 2, 3], [1, 2, 3, 4]].map((words) => ({ words, question: "q" }));
  assertEquals(oneWordPairs(short.slice(0, 1), short.slice(1), () => "q"), [], "three words are too few");
});

Deno.test("nearPairs() counts a trigram that a text repeats once", () => {
  const refrain = Array.from({ length: 30 }, () => 9);
  const words = [1, 2, 3, 4, 5, 6, 7, 8];
  // Six trigrams in common; the refrain's own are 7 8 9, 8 9 9 and 9 9 9.
  const found = nearPairs([{ words }], [{ words: [...words, ...refrain] }], none);
  assertEquals(found.map(({ similarity }) => similarity), [6 / 9]);
  assertEquals(
    nearPairs([{ words: words.slice(0, 6) }], [{ words: [...words.slice(0, 6), ...refrain] }], none),
    [],
  );
});
