/**
 * Which items meet which: the same item, the same text, or nearly the same.
 *
 * Measured on halves of real benchmarks that share neither a question nor the passage it is asked of (tests/core/provenance/real_test.ts): accused
 * are 2 of 3,535 BLEnD items (0.06 %: one question of two countries, near by its long wording), 0 of 610 of CommonsenseQA, of 2,753 of QNLI
 * and of 96 fables. Of 300 leaks planted in each (the same, another case, other punctuation, one word substituted, put in or left out)
 * all are found. QNLI halved by question alone has 12 % of near items: another question about the same sentence.
 */
import { commonIn, type NearPair, nearPairs } from "./near.ts";
import { oneWordPairs } from "./one_word.ts";
import type { Print } from "./print.ts";

/** An item as it is compared. */
export interface PrintedItem extends Print {
  /** Name of its benchmark, not the label. */
  readonly benchmark: string;
  readonly id: string;
  /** What names its `question` cluster; "" where that is not known. */
  readonly question: string;
}

export interface Meeting {
  /**
   * "exact": the same item of the same benchmark, or a text that differs by case, punctuation and white space only. "near": all words but one are
   * the same in any order, or the trigrams' similarity is 0.6 or more. "question": neither, but the same question of the same benchmark.
   */
  readonly kind: "exact" | "near" | "question";
  /** Index of an item of the other list that it meets. */
  readonly with: number;
}

/**
 * What each item of `reported` meets in `made`, by index; those that meet nothing are left out.
 *
 * A near text counts only where it is nearer than every other question of its own list: texts that are all alike but for what is asked
 * are a pattern, not paraphrases. So a paraphrase that changes more of a pattern than what is asked goes unfound.
 *
 * @example
 * ```ts
 * import { meetings } from "./meet.ts";
 * import { printOf } from "./print.ts";
 * const item = (id: string, text: string) => ({ benchmark: "riddles", id, question: id, ...printOf(text) });
 * const made = [item("1", "What has keys but cannot open locks?"), item("2", "What gets wetter the more it dries?")];
 * const met = meetings([item("8", "What has keys but can't open locks"), item("9", "Who shaves all day?")], made);
 * if (met.size !== 1 || met.get(0)?.kind !== "near" || met.get(0)?.with !== 0) throw new Error("one word was changed");
 * ```
 */
export function meetings(
  reported: readonly PrintedItem[],
  made: readonly PrintedItem[],
): ReadonlyMap<number, Meeting> {
  const met = new Map<number, Meeting>();
  const note = (kind: Meeting["kind"], keyOf: (item: PrintedItem) => string) => {
    const wanted = new Set(reported.filter((_, i) => !met.has(i)).map(keyOf));
    const found = new Map<string, number>();
    made.forEach((item, j) => {
      const key = keyOf(item);
      if (wanted.has(key) && !found.has(key)) found.set(key, j);
    });
    reported.forEach((item, i) => {
      const key = keyOf(item), other = key === "" || met.has(i) ? undefined : found.get(key);
      if (other !== undefined) met.set(i, { kind, with: other });
    });
  };
  note("exact", ({ benchmark, id }) => `${benchmark}\n${id}`);
  note("exact", ({ hash }) => hash);
  const texts = distinct(reported.filter((_, i) => !met.has(i))), others = distinct(made);
  const near = new Map<string, number>();
  for (const [text, other] of nearTexts(texts.items, others.items)) {
    near.set(texts.items[text]!.hash, others.indices[other]!);
  }
  reported.forEach(({ hash }, i) => {
    const other = met.has(i) ? undefined : near.get(hash);
    if (other !== undefined) met.set(i, { kind: "near", with: other });
  });
  note("question", questionOf);
  return met;
}

function questionOf({ benchmark, question }: PrintedItem): string {
  return question === "" ? "" : `${benchmark}\n${question}`;
}

/** Every text once, by its first item, and which of all items that is. */
function distinct(all: readonly PrintedItem[]) {
  const seen = new Set([""]);
  const indices: number[] = [];
  all.forEach(({ hash }, i) => {
    if (seen.has(hash)) return;
    seen.add(hash);
    indices.push(i);
  });
  return { items: indices.map((i) => all[i]!), indices };
}

/** By index of a text, that of one that it is near. */
function nearTexts(
  rest: readonly PrintedItem[],
  others: readonly PrintedItem[],
): ReadonlyMap<number, number> {
  // The smaller side is the one that is kept in tables.
  const swap = rest.length > others.length;
  const [few, many] = swap ? [others, rest] : [rest, others];
  const near = new Map<number, number>();
  const add = (i: number, j: number) => {
    const [text, other] = swap ? [j, i] : [i, j];
    if (!near.has(text)) near.set(text, other);
  };
  for (const [i, j] of oneWordPairs(few, many, questionOf)) add(i, j);
  const isCommon = commonIn([few, many]);
  const pairs = nearPairs(few, many, isCommon);
  const nearestFew = nearestSiblings(few, pairs.map((pair) => pair.few), isCommon);
  const nearestMany = nearestSiblings(many, pairs.map((pair) => pair.many), isCommon);
  for (
    const { few: i, many: j, similarity } of pairs.toSorted((a: NearPair, b) => b.similarity - a.similarity)
  ) {
    if (similarity > Math.max(nearestFew.get(i) ?? 0, nearestMany.get(j) ?? 0)) add(i, j);
  }
  return near;
}

/** Of each text named, its similarity to the nearest other question of the same list, where that is 0.6 or more. */
function nearestSiblings(
  texts: readonly PrintedItem[],
  named: readonly number[],
  isCommon: (trigram: number) => boolean,
): ReadonlyMap<number, number> {
  const indices = [...new Set(named)];
  const nearest = new Map<number, number>();
  if (indices.length === 0) return nearest;
  for (const { few, many, similarity } of nearPairs(indices.map((i) => texts[i]!), texts, isCommon)) {
    const i = indices[few]!;
    if (i === many || questionOf(texts[i]!) === questionOf(texts[many]!)) continue;
    nearest.set(i, Math.max(nearest.get(i) ?? 0, similarity));
  }
  return nearest;
}
