/** Items made up for the guard: clean ones, and copies with a planted change. */
import { createRandom, type Random } from "../../../core/random.ts";
import { type PrintedItem } from "../../../core/provenance/meet.ts";
import { printOf } from "../../../core/provenance/print.ts";

/** A word never met: syllables, as many as it takes. */
function word(random: Random): string {
  const syllable = () => "bdfgklmnprstvz"[random.below(14)]! + "aeiou"[random.below(5)]!;
  return Array.from({ length: 1 + random.below(3) }, syllable).join("") +
    ["", "n", "r", "s"][random.below(4)]!;
}

const FRAMES = [
  (a: string, b: string) => `What do people in ${a} usually eat with ${b}?`,
  (a: string, b: string) => `Where would you find ${a} if not near the ${b}?`,
  (a: string, b: string) => `The ${a} was late, so what did the ${b} do?`,
  (a: string, b: string) => `Which of these is a kind of ${a}, but not a ${b}?`,
  (a: string, b: string) => `Why might a ${a} want to buy another ${b}?`,
  (a: string, b: string) => `When did ${a} first play against ${b}?`,
];

/** Questions of a few patterns with four options, "Question: ... A. ... Answer:"; common words come often, as in speech. */
export function question(random: Random, vocabulary: readonly string[]): string {
  // A product of two draws is nearer to 0: words of low index come more often.
  const pick = () => vocabulary[Math.floor(vocabulary.length * random.uniform() * random.uniform())]!;
  const some = () => Array.from({ length: 1 + random.below(3) }, pick).join(" ");
  const ask = FRAMES[random.below(FRAMES.length)]!(some(), some());
  const options = "ABCD".split("").map((letter) => `${letter}. ${some()}`);
  return `Question: ${ask}\n${options.join("\n")}\nAnswer:`;
}

export function vocabulary(random: Random, size = 5000): string[] {
  return [...new Set(Array.from({ length: 2 * size }, () => word(random)))].slice(0, size);
}

export function printed(benchmark: string, texts: readonly string[]): PrintedItem[] {
  return texts.map((text, i) => ({ benchmark, id: `${i}`, question: `${i}`, ...printOf(text) }));
}

export type Change = (text: string, random: Random, words: readonly string[]) => string;

/** Word by word, white space kept; the first word that counts is found by its letters. */
function atWord(text: string, random: Random, change: (word: string) => string): string {
  const parts = text.split(/(\s+)/);
  const places = parts.flatMap((part, i) => /^\p{L}{2,}[?.,:]?$/u.test(part) ? [i] : []);
  const place = places[random.below(places.length)]!;
  return parts.map((part, i) => i === place ? change(part) : part).join("");
}

export const CHANGES: Readonly<Record<string, Change>> = {
  exact: (text) => text,
  "re-cased": (text, random) =>
    [...text].map((c) => random.below(2) === 0 ? c.toUpperCase() : c.toLowerCase()).join(""),
  "re-punctuated": (text, random) =>
    text.replaceAll(/\s+/g, () => [" ", ", ", " - ", "\n", "\t... ", "; "][random.below(6)]!).replaceAll(
      /[?.:]/g,
      () => ["", "!", "?!", " :"][random.below(4)]!,
    ),
  "one word substituted": (text, random, words) =>
    atWord(text, random, () => `${words[random.below(words.length)]!}x`),
  "one word put in": (text, random, words) =>
    atWord(text, random, (word) => `${words[random.below(words.length)]!}x ${word}`),
  "one word left out": (text, random) => atWord(text, random, () => ""),
};

/** As many reported items as asked, a share of them planted copies of what was made with; the change of each, or "clean". */
export function plantedSet({ made, reported, leaks, seed }: {
  readonly made: number;
  readonly reported: number;
  readonly leaks: number;
  readonly seed: string;
}) {
  const random = createRandom(seed);
  const words = vocabulary(random);
  const all = [
    ...new Set(
      Array.from({ length: Math.ceil(1.05 * (made + reported)) + 10 }, () => question(random, words)),
    ),
  ];
  const madeTexts = all.slice(0, made);
  const names = Object.keys(CHANGES);
  const originals = random.sample(made, leaks);
  const planted = originals.map((original, i) => {
    const name = names[i % names.length]!;
    return { name, original, text: CHANGES[name]!(madeTexts[original]!, random, words) };
  });
  const clean = all.slice(made, made + reported - leaks).map((text) => ({
    name: "clean",
    original: -1,
    text,
  }));
  return { made: madeTexts, reported: random.shuffle([...planted, ...clean]) };
}
