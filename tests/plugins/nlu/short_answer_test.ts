import { assertEquals, assertThrows } from "@std/assert";
import { type Metric, type ShortAnswerItem, type Tokenizer, UserError } from "../../../core/mod.ts";
import { shortAnswer } from "../../../plugins/nlu/short_answer.ts";

/** A token a character. */
const tokenizer: Tokenizer = {
  bos: undefined,
  eos: undefined,
  hasChatTemplate: true,
  encode: (text) => [...text].map((c) => c.codePointAt(0) as number),
  decode: (ids) => String.fromCodePoint(...ids),
  chat: (messages) => `<${messages.map(({ content }) => content).join("|")}>`,
};

const item: ShortAnswerItem = {
  id: "q1",
  role: "report",
  clusters: { question: "q1" },
  prompt: { kind: "text", text: "Q?" },
  answers: ["fried chicken", "Café"],
  maxNewTokens: 5,
  doc: { q: 1 },
};
const right = (text: string, answers = item.answers) =>
  shortAnswer.outcomeOf({ ...item, answers }, { text, finish: "stop" }).values.substring;

Deno.test("generate() asks with the prompt's ids, conversations through the template, and the item's own length", () => {
  const chat = { ...item, prompt: { kind: "chat", messages: [{ role: "user", content: "Q" }] } } as const;
  assertEquals(shortAnswer.generate([item, { ...chat, maxNewTokens: 7 }], tokenizer), [
    { prompt: [81, 63], maxNewTokens: 5 },
    { prompt: [60, 81, 62], maxNewTokens: 7 },
  ]);
});

Deno.test("generate() refuses items that any text answers, that none does, and that leave no room", () => {
  const refuses = (change: Partial<ShortAnswerItem>, message: string) =>
    assertThrows(() => shortAnswer.generate([item, { ...item, ...change }], tokenizer), UserError, message);
  refuses({ answers: [] }, "Cannot ask q1: it has no right answer, wanted one or more");
  refuses({ answers: ["a", " "] }, "Cannot ask q1: a right answer is empty");
  // An ideographic space is a space by NFKC.
  refuses({ answers: ["\u3000"] }, "Cannot ask q1: a right answer is empty");
  for (const maxNewTokens of [0, 1.5, NaN]) refuses({ maxNewTokens }, `maxNewTokens is ${maxNewTokens}`);
});

Deno.test("substring is 1 where any right answer stands in the text, whatever its case and form", () => {
  assertEquals(right("It is FRIED Chicken, of course."), 1);
  assertEquals(right("Chicken, fried."), 0);
  assertEquals(right(""), 0);
  // Letter and accent apart, and full-width letters.
  assertEquals(right("at the Cafe\u0301"), 1);
  assertEquals(right("ｃａｆé"), 1);
  assertEquals(right("cafe"), 0, "an accent counts");
  assertEquals(right("답: 치킨입니다", ["치킨"]), 1);
  assertEquals(right("치킨", ["치킨".normalize("NFD")]), 1);
  assertEquals(right("at 15", ["5"]), 1, "also within another word or number");
});

Deno.test("outcomeOf() keeps the text, which answer was found in it, and whether it was cut off", () => {
  assertEquals(shortAnswer.outcomeOf(item, { text: "A CAFÉ", finish: "length" }), {
    item: "q1",
    values: { substring: 1 },
    detail: { given: "A CAFÉ", found: "Café", finish: "length" },
  });
  const { values, detail } = shortAnswer.outcomeOf(item, { text: "Tea", finish: "stop" });
  assertEquals([values, detail.found, detail.finish], [{ substring: 0 }, null, "stop"]);
  const [metric] = shortAnswer.metrics as [Metric];
  assertEquals([Object.keys(values), metric.binary, metric.higherIsBetter], [[metric.name], true, true]);
});
