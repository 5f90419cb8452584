/** The items of one cell beside the untouched model's: which flipped, in which order they are shown, and how a record is read. */
import type { Json, Metric, Outcome, Sample } from "../core/mod.ts";

export const SHOWS = ["all", "fell", "rose", "wrong"] as const;
export type Show = typeof SHOWS[number];
export const PAGE_SIZE = 50;

export interface ItemRow {
  readonly id: string;
  readonly change: "fell" | "rose" | "same";
  /** The untouched model's outcome; absent in the untouched model's own cell. */
  readonly before: Outcome | undefined;
  readonly after: Outcome;
}

/** Rows that fell, then those that rose, then the rest; within each by item id, digits compared as numbers. */
export function listItems(
  after: ReadonlyMap<string, Outcome>,
  before: ReadonlyMap<string, Outcome> | undefined,
  metric: string,
): readonly ItemRow[] {
  const groups: Record<ItemRow["change"], [string, ItemRow][]> = { fell: [], rose: [], same: [] };
  for (const [id, outcome] of after) {
    const old = before?.get(id);
    const moved = (outcome.values[metric] ?? 0) - (old?.values[metric] ?? outcome.values[metric] ?? 0);
    const change = moved < 0 ? "fell" : moved > 0 ? "rose" : "same";
    groups[change].push([sortKey(id), { id, change, before: old, after: outcome }]);
  }
  return [groups.fell, groups.rose, groups.same].flatMap((group) =>
    group.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map(([, row]) => row)
  );
}

/** Padding the digits costs one pass; a collator in 20,000 log 20,000 comparisons costs the page its time. */
function sortKey(id: string): string {
  return id.replace(/\d+/g, (digits) => digits.padStart(12, "0"));
}

/** Whether a row belongs to a view; "wrong" is every item whose value is the worse of a binary metric's two. */
export function belongs(row: ItemRow, show: Show, metric: Metric): boolean {
  if (show === "all") return true;
  if (show !== "wrong") return row.change === show;
  const value = row.after.values[metric.name];
  // A metric of several items at once is in none of them.
  return metric.binary && value !== undefined && value !== (metric.higherIsBetter ? 1 : 0);
}

export interface OptionView {
  readonly label: string;
  /** What the model would have continued with, spaces kept. */
  readonly text: string;
  /** Natural-logarithm probability, now and under the untouched model. */
  readonly after: number | undefined;
  readonly before: number | undefined;
  readonly gold: boolean;
  readonly chosen: boolean;
  readonly chosenBefore: boolean;
}

export interface ItemView {
  /** As sent to the model; undefined when the record has no arguments. */
  readonly prompt: string | undefined;
  readonly options: readonly OptionView[];
  readonly gold: string | undefined;
  readonly choice: string | undefined;
  readonly choiceBefore: string | undefined;
  /** The most probable text of the whole vocabulary, or what was generated. */
  readonly given: string | undefined;
  readonly givenBefore: string | undefined;
}

/** Reads a sample and its outcomes, tolerating every field that is absent or of another shape. */
export function viewItem(row: ItemRow, sample: Sample | undefined): ItemView {
  const calls = readArguments(sample?.arguments),
    texted = calls.filter(([, continuation]) => continuation !== undefined);
  const labels = texts(row.after.detail.labels ?? sample?.labels);
  const name = (at: unknown): string | undefined =>
    typeof at === "number" ? labels[at] ?? calls[at]?.[1]?.trim() ?? String(at) : text(at);
  const after = numbers(row.after.detail.logprobs);
  const before = numbers(row.before?.detail.logprobs);
  const gold = sample?.target ?? row.after.detail.gold;
  const choice = row.after.detail.choice;
  const choiceBefore = row.before?.detail.choice;
  const length = Math.max(texted.length, labels.length, after.length);
  const options = Array.from({ length }, (_, at) => {
    const names: unknown[] = [at, labels[at], calls[at]?.[1], calls[at]?.[1]?.trim()];
    const is = (value: unknown) => value !== undefined && names.includes(value);
    return {
      label: labels[at] ?? calls[at]?.[1]?.trim() ?? String(at + 1),
      text: calls[at]?.[1] ?? "",
      after: after[at],
      before: before[at],
      gold: is(gold),
      chosen: is(choice),
      chosenBefore: is(choiceBefore),
    };
  });
  return {
    prompt: calls[0]?.[0],
    options,
    gold: name(gold),
    choice: name(choice),
    choiceBefore: name(choiceBefore),
    given: text(row.after.detail.given),
    givenBefore: text(row.before?.detail.given),
  };
}

/** Pairs of prompt and continuation out of `{gen_args_0: {arg_0, arg_1}}` or `[[prompt, continuation]]`; settings of an answer that was written are
 * no continuation. */
function readArguments(value: unknown): readonly (readonly [string, string | undefined])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap((call) => {
    if (typeof call !== "object" || call === null) return [];
    const [prompt, continuation] = Object.values(call);
    return typeof prompt === "string"
      ? [[prompt, typeof continuation === "string" ? continuation : undefined] as const]
      : [];
  });
}

function text(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map((each) => text(each) ?? "") : [];
}

function numbers(value: Json | undefined): readonly number[] {
  return Array.isArray(value) ? value.filter((each): each is number => typeof each === "number") : [];
}
