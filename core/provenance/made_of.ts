/**
 * Which items made a thing (a set of units, later a weight delta or a hyper-parameter), as a value that travels with it.
 *
 * An item takes its id, 16 hex digits for its text, 16 for its question, and 4 characters a word: 1,000 questions of 30 words with their
 * options are about 200 kB. The texts are not in it, but near-duplicates are told from it alone.
 */
import { Buffer } from "node:buffer";
import { z } from "zod";
import type { Item, Prompt } from "../benchmark.ts";
import { canonicalJson, sha256 } from "../hash.ts";
import type { PrintedItem } from "./meet.ts";
import { printOf } from "./print.ts";

const Hash = z.string().regex(/^([0-9a-f]{16})?$/, "wanted 16 hex digits or nothing");

/** Items of one set; lists of one length, an entry an item. */
export const MadeOfSchema = z.strictObject({
  /** Name of the benchmark. */
  benchmark: z.string().min(1),
  /** What the items were used for. */
  role: z.enum(["localise", "tune"]),
  ids: z.array(z.string()),
  /** Print.hash of the text, of the `question` cluster; "" where there is none. */
  hashes: z.array(Hash),
  questions: z.array(Hash),
  /** Print.words in base64, three bytes a word, the high one first. */
  words: z.array(z.string().regex(/^([A-Za-z0-9+/]{4})*$/, "wanted base64 of three bytes a word")),
}).refine(
  ({ ids, ...lists }) =>
    [lists.hashes, lists.questions, lists.words].every(({ length }) => length === ids.length),
  {
    error: "wanted ids, hashes, questions and words of one length",
  },
);
export type MadeOf = z.output<typeof MadeOfSchema>;

/** Where a store has it: the sha256 of its canonical JSON. */
export function madeOfKey(value: MadeOf): string {
  return sha256(canonicalJson({ madeOf: value }));
}

/** What is compared of an item: its content, else the text of its prompt; "" where it has neither. */
export function textOf(item: Item & { readonly prompt?: Prompt }): string {
  const { content, prompt } = item;
  if (content !== undefined) return content;
  if (prompt === undefined) return "";
  return prompt.kind === "text" ? prompt.text : prompt.messages.map((message) => message.content).join("\n");
}

/** Items as they are compared. @param benchmark Its name, not its label. */
export function printItems(benchmark: string, items: readonly Item[]): PrintedItem[] {
  return items.map((item) => ({
    benchmark,
    id: item.id,
    question: printOf(item.clusters.question).hash,
    ...printOf(textOf(item)),
  }));
}

/**
 * The value that travels.
 *
 * @example
 * ```ts
 * import { madeOf, printedItems, printItems } from "./made_of.ts";
 * const items = [{ id: "1", role: "report", clusters: { question: "1" }, content: "What has keys?" }] as const;
 * const value = JSON.parse(JSON.stringify(madeOf("riddles", items, "localise")));
 * const [back] = printedItems(value), [wanted] = printItems("riddles", items);
 * if (back?.hash !== wanted?.hash || back?.words.join() !== wanted?.words.join()) throw new Error("it reads back");
 * ```
 */
export function madeOf(benchmark: string, items: readonly Item[], role: MadeOf["role"]): MadeOf {
  const printed = printItems(benchmark, items);
  return {
    benchmark,
    role,
    ids: printed.map(({ id }) => id),
    hashes: printed.map(({ hash }) => hash),
    questions: printed.map(({ question }) => question),
    words: printed.map(({ words }) =>
      Buffer.from(words.flatMap((word) => [word >> 16, word >> 8 & 255, word & 255])).toString("base64")
    ),
  };
}

/** The items of such a value. */
export function printedItems({ benchmark, ids, hashes, questions, words }: MadeOf): PrintedItem[] {
  return ids.map((id, i) => {
    const bytes = Buffer.from(words[i] ?? "", "base64");
    return {
      benchmark,
      id,
      question: questions[i] ?? "",
      hash: hashes[i] ?? "",
      words: Array.from({ length: bytes.length / 3 }, (_, k) => bytes.readUIntBE(3 * k, 3)),
    };
  });
}
