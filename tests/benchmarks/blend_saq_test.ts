import { assert, assertEquals, assertThrows } from "@std/assert";
import blendSaq from "../../benchmarks/blend_saq.ts";
import { findFiles, type FoundFile, sha256, type ShortAnswerItem, UserError } from "../../core/mod.ts";
import { needs, SHARED_DATA } from "../support.ts";

const defaults = blendSaq.params.parse({});
const keys = blendSaq.files(defaults).map(({ key }) => key);
const found = (key: string, text: string): FoundFile => ({ key, path: `${key}.x`, sha256: "", text });
const said = ({ prompt }: ShortAnswerItem) =>
  prompt.kind === "chat" ? prompt.messages[0]!.content : prompt.text;

/** One question of a topic to report and one of a topic to localise; every country has one prompt. */
function files(
  { template = "Q: {q}?", annotations = [[["Soup"], ["soup"], 2]] }: {
    readonly template?: string;
    readonly annotations?: readonly (readonly [readonly string[], readonly string[], number])[];
  } = {},
): Record<string, FoundFile> {
  const entry = {
    question: "¿Qué?",
    en_question: "What in US?",
    annotations: annotations.map(([answers, en_answers, count]) => ({ answers, en_answers, count })),
    idks: {},
  };
  return Object.fromEntries(keys.map((key) => {
    const text = key === "questions"
      ? ",ID,Topic,Source,Question,Translation\n0,f,Family,s,x,y\n1,o,Food,s,x,y\n"
      : key.endsWith(" prompts")
      ? `id,English,Translation\np1,no {q},"${template}"\n`
      : JSON.stringify({ f: entry, o: entry });
    return [key, found(key, text)];
  }));
}
const load = (made: Record<string, FoundFile>, params: Record<string, unknown> = {}) =>
  blendSaq.load(made, blendSaq.params.parse(params));

Deno.test("blend_saq asks the questions to report in each country, in its language and in its prompt", () => {
  const items = load(files());
  assertEquals(items.length, 16);
  const { id, role, clusters, prompt, answers, maxNewTokens } = items[0]!;
  assertEquals([id, role, clusters], ["f/US/p1", "report", { question: "f", country: "US" }]);
  assertEquals(prompt, { kind: "chat", messages: [{ role: "user", content: "Q: ¿Qué??" }] });
  assertEquals([answers, maxNewTokens], [["Soup"], 64]);
  assert(items.some(({ clusters }) => clusters.country === "South_Korea"));
  const [plain] = load(files(), { chat: false, maxNewTokens: 512 });
  assertEquals([plain?.prompt, plain?.maxNewTokens, plain?.id], [
    { kind: "text", text: "Q: ¿Qué??" },
    512,
    "f/US/p1/text",
  ]);
});

Deno.test("blend_saq asks in English where it is told to, the article put back, and takes the English answers", () => {
  const [item] = load(files(), { language: "english" });
  assertEquals([item!.id, said(item!), item!.answers], ["f/US/p1/english", "Q: What in the US??", ["soup"]]);
});

Deno.test("blend_saq fills every slot, also one whose name was translated", () => {
  assertEquals(
    said(load(files({ template: "{q} {'question':'{q}','answer':[]}" }))[0]!),
    "¿Qué? {'question':'¿Qué?','answer':[]}",
  );
  assertEquals(said(load(files({ template: "A {س}" }))[0]!), "A ¿Qué?");
  assertThrows(
    () => load(files({ template: "No slot" })),
    UserError,
    'Cannot read US prompts.x: line 2: Translation is "No slot", wanted a text with a slot {q}',
  );
});

Deno.test("blend_saq takes every answer that anyone gave, each once, and leaves out what nobody answered", () => {
  const [item] = load(
    files({ annotations: [[["a", " b "], [], 3], [["b", "", "c"], [], 1], [["d"], [], 0]] }),
  );
  assertEquals(item!.answers, ["a", "b", "c"]);
  assertEquals(load(files({ annotations: [[["a"], ["a"], 0], [[" "], ["x"], 2]] })), []);
  // No English form of any answer.
  assertEquals(load(files({ annotations: [[["a"], [], 1]] }), { language: "english" }), []);
});

Deno.test("blend_saq names the file in which a question is missing, and one without prompts", () => {
  const missing = { ...files(), Spain: found("Spain", "{}") };
  assertThrows(() => load(missing), UserError, "Cannot read Spain.x: question f is missing");
  const none = { ...files(), "Iran prompts": found("Iran prompts", "id,English,Translation\n") };
  assertThrows(() => load(none), UserError, "Cannot read Iran prompts.x: it has no prompts");
});

Deno.test({
  name: "blend_saq draws the prompts that CPython's random.choice draws at seed 42, country by country",
  ...needs("shared"),
  fn() {
    const all = findFiles(SHARED_DATA, blendSaq.files(defaults), blendSaq);
    const items = blendSaq.load(all, defaults);
    // Of a loop in Python over the same files: random.seed(42), then one choice an item that anyone answered.
    assertEquals(items.length, 3676);
    assertEquals(
      sha256(items.map(({ id }) => id).join("\n")),
      "0cb6f7b52f7dd27b28df8ff3f29c92b6b95076f50e81219678966700a7bcee60",
    );
    const counts = Map.groupBy(items, ({ clusters }) => clusters.country!);
    assertEquals([counts.size, counts.get("US")?.length, counts.get("Northern_Nigeria")?.length], [
      16,
      235,
      215,
    ]);
    assertEquals(new Set(items.map(({ clusters }) => clusters.question)).size, 239);
    const korean = items.find(({ id }) => id.startsWith("Al-en-16/South_Korea/"));
    assertEquals(korean?.answers, ["5", "6"]);
    for (const item of items) assert(said(item).includes(item.content!), item.id);
    const short = items.filter(({ answers }) => answers.some((answer) => [...answer].length === 1));
    assertEquals(short.length, 599, "as many as the head of the benchmark says");
    const other = blendSaq.load(all, blendSaq.params.parse({ seed: 43 }));
    assert(other.some(({ id }, i) => id !== items[i]!.id));
    assertEquals(blendSaq.load(all, blendSaq.params.parse({ language: "english" })).length, 3675);
  },
});
