import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  type StatementItem,
  surveyItems,
  SurveyParams,
  type Tokenizer,
  UserError,
} from "../../../core/mod.ts";
import { survey } from "../../../plugins/stance/survey.ts";

/** A token a character. */
const tokenizer: Tokenizer = {
  bos: undefined,
  eos: undefined,
  hasChatTemplate: true,
  encode: (text) => [...text].map((c) => c.codePointAt(0) as number),
  decode: (ids) => String.fromCodePoint(...ids),
  chat: (messages) => messages.map(({ content }) => content).join(""),
};
const ANSWERS = ["No!", "No", "Yes", "Yes!"];

function itemsOf(params: Record<string, unknown> = {}): StatementItem[] {
  return surveyItems([{ id: "s", text: "Tea is good." }], ANSWERS, SurveyParams.parse(params));
}

/** As if the model gave the answers of these texts these probabilities, in whatever order they stand. */
function outcomeOf(item: StatementItem, chances: Readonly<Record<string, number>>, given = " Y") {
  const logprobs = item.labels.map((label) => Math.log(chances[label] ?? 0));
  const greedy = logprobs.map(() => false);
  const spelled = { ...tokenizer, decode: () => given };
  return survey.outcome(item, { logprobs, greedy, argmax: 0, argmaxLogprob: -0.1 }, spelled);
}

const CHANCES = { "No!": 0.05, No: 0.1, Yes: 0.3, "Yes!": 0.05 };

Deno.test("surveyItems() asks every wording in both orders, as it stands and negated", () => {
  const items = itemsOf();
  assertEquals(items.length, 3 * 2 * 2);
  assertEquals(new Set(items.map(({ id }) => id)).size, items.length);
  assertEquals(items.map(({ negated }) => Number(negated)).join(""), "01".repeat(6));
  for (const { prompt, labels, levels, continuations } of items) {
    const text = prompt.kind === "chat" ? prompt.messages[0]!.content : prompt.text;
    assertEquals(text.split("Tea is good.").length, 2);
    assertEquals(levels.map((level) => ANSWERS[level]!), [...labels]);
    assertEquals([...continuations], labels.map((label) => ` ${label}`));
    // The answers stand in the order in which they are scored.
    const places = labels.map((label) => `${text}\n`.indexOf(`\n${label}\n`));
    assertEquals([places, places.includes(-1)], [places.toSorted((a, b) => a - b), false]);
  }
  const negations = items.filter(({ negated }) => negated);
  assertEquals(new Set(negations.map((item) => JSON.stringify(item.prompt))).size, negations.length);
});

Deno.test("surveyItems() answers with letters or numbers in the order shown, in text behind a space", () => {
  const [letters] = itemsOf({ labels: "letter", orders: ["reversed"], wordings: [1] });
  assertEquals(letters!.continuations, [" A", " B", " C", " D"]);
  assertEquals(letters!.levels, [3, 2, 1, 0]);
  const [numbers] = itemsOf({ labels: "number", form: "text" });
  assertEquals(numbers!.continuations, [" 1", " 2", " 3", " 4"]);
  assertEquals(numbers!.prompt.kind === "text" && numbers!.prompt.text.endsWith("\n\nAnswer:"), true);
});

Deno.test("SurveyParams refuses a wording that stands twice or is not there", () => {
  for (const params of [{ wordings: [0, 0] }, { wordings: [3] }, { wordings: [] }, { orders: ["up"] }]) {
    assertEquals(SurveyParams.safeParse(params).success, false, JSON.stringify(params));
  }
});

Deno.test("outcome() gives the expected level by the softmax of the answers, whatever their order", () => {
  // 0.05, 0.1, 0.3, 0.05 over their sum 0.5: (0.1 * 1 + 0.3 * 2 + 0.05 * 3) / 0.5 / 3 = 17 / 30.
  for (const item of itemsOf()) {
    const { values, detail } = outcomeOf(item, CHANCES);
    assertAlmostEquals(values.expected!, 17 / 30, 1e-12);
    assertAlmostEquals(values.mass!, 0.5, 1e-12);
    assertEquals([values.agreement, detail.level, detail.choice], [2 / 3, 2, "Yes"]);
  }
});

Deno.test("outcome() counts the reading that the item says, and answer() gives its shares", () => {
  const [choice, expected] = ["choice", "expected"].map((read) =>
    itemsOf({ read, orders: ["reversed"] })[1]!
  );
  assertEquals(survey.answer!(choice!, outcomeOf(choice!, CHANCES)), { shares: [0, 0, 1, 0], negated: true });
  const outcome = outcomeOf(expected!, CHANCES), { shares, negated } = survey.answer!(expected!, outcome);
  assertAlmostEquals(outcome.values.agreement!, 17 / 30, 1e-12);
  assertEquals(negated, true);
  shares.forEach((share, level) => assertAlmostEquals(share, [0.1, 0.2, 0.6, 0.1][level]!, 1e-12));
});

Deno.test("outcome() does not underflow where all answers are far from likely", () => {
  const [item] = itemsOf();
  const result = { logprobs: [-1000, -1001, -1002, -1003], greedy: [], argmax: 88, argmaxLogprob: 0 };
  const { values } = survey.outcome(item!, { ...result, greedy: [false, false, false, false] }, tokenizer);
  const weights = [0, 1, 2, 3].map((i) => Math.exp(-i)), total = weights.reduce((a, b) => a + b);
  assertAlmostEquals(values.expected!, weights.reduce((sum, w, i) => sum + w * i, 0) / total / 3, 1e-12);
  assertEquals([values.valid, values.mass], [0, 0]);
});

Deno.test("outcome() calls valid what begins an answer", () => {
  const [item] = itemsOf();
  const given = [" Y", " Yes", " No!", "Y", " ", " y", " Yesterday"];
  assertEquals(given.map((text) => outcomeOf(item!, CHANCES, text).values.valid), [1, 1, 1, 0, 0, 0, 0]);
});

Deno.test("plan() refuses levels that are not one an answer", () => {
  const [item] = itemsOf();
  const wrong = (change: Partial<StatementItem>, message: string) =>
    assertThrows(() => survey.plan([{ ...item!, ...change }], tokenizer), UserError, message);
  wrong({ levels: [0, 1, 1, 3] }, "its levels are 0, 1, 1, 3, wanted each of 0 to 3 once");
  wrong({ levels: [0, 1, 2] }, "4 labels and 3 levels for 4 answers");
  wrong({ continuations: ["a", "a", "b", "c"] }, "two answers have the same text");
  assertEquals(survey.plan([item!], tokenizer)[0]!.continuations.length, 4);
});
