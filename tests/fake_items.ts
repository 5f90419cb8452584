/** Items for scorers, and the fake model opened as scoring wants it. */
import type { Model, ScoredItem, ScorerInput } from "../core/mod.ts";
import { fakeBackend, type FakeLog } from "./fake_model.ts";
import { testContext } from "./support.ts";

export const openFake = (log?: FakeLog): Promise<Model> =>
  fakeBackend(log).open(
    { weights: "w", delayMs: 0, contextLength: 64, coarse: false },
    { taps: [] },
    testContext(),
  );

export interface ItemOptions {
  /** Number of the first item. */
  readonly from?: number;
  /** Items take turns in them; default all in one. */
  readonly groups?: readonly string[];
  /** Of each of the two answers; default 1. */
  readonly answerTokens?: number;
}

/** "item 0", "item 1" with dots behind, so that their lengths vary; two answers, the first or the second right by turns. */
export function fakeItems(
  count: number,
  { from = 0, groups = ["all"], answerTokens = 1 }: ItemOptions = {},
): ScoredItem[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `${from + i}`,
    group: groups[i % groups.length]!,
    prompt: [...`item ${from + i}${".".repeat((7 * i) % 11)}`].map((char) => char.codePointAt(0)!),
    continuations: [65, 66].map((first) => Array.from({ length: answerTokens }, (_, t) => first + 2 * t)),
    gold: i % 2,
  }));
}

export function inputOf<Params>(
  model: Model,
  params: Params,
  items: Readonly<Record<string, readonly ScoredItem[]>> = {},
): ScorerInput<Params> {
  return { params, items, model, seed: 7 };
}
