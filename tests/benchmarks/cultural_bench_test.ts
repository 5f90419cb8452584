import { assert, assertEquals, assertThrows } from "@std/assert";
import culturalBench from "../../benchmarks/cultural_bench.ts";
import { type ChoiceItem, UserError } from "../../core/mod.ts";
import { parseWith } from "../../core/schema.ts";
import { MADE_UP } from "./made_up.ts";

const load = (params: Record<string, unknown> = {}, text: string = MADE_UP["CulturalBench-Easy.csv"]) =>
  culturalBench.load(
    { questions: { key: "questions", path: "easy.csv", sha256: "", text } },
    culturalBench.params.parse(params),
  );
const textOf = ({ prompt }: ChoiceItem) =>
  prompt.kind === "text" ? prompt.text : prompt.messages.map(({ content }) => content).join("\n");
const docOf = ({ doc }: ChoiceItem) => doc as { readonly question: string; readonly options: string[] };
const RIGHT = ["bread", "nothing", "Friday"];

/**
 * CPython 3.11.7, with the wording's text as it stands in the source, its placeholders unfilled:
 *
 *     random.Random(int(hashlib.md5(f"{data_idx}_{wording}".encode()).hexdigest()[:8], 16)).shuffle(options)
 */
const GOLDEN = {
  "0/0": ["ice, salted", "figs", "nothing", "bread"],
  "1/3": ["nothing", "perhaps", "yes", "no"],
  "2/2": ["Friday", "Monday", "Tuesday", "Sunday"],
};

Deno.test("cultural_bench shuffles options as Python's random does, and gold follows the right text", () => {
  const items = load();
  assertEquals(items.length, 3 * 4);
  for (const [id, options] of Object.entries(GOLDEN)) {
    assertEquals(docOf(items.find((item) => item.id === id)!).options, options, id);
  }
  items.forEach((item, i) => {
    const { options, question } = docOf(item), right = RIGHT[Math.floor(i / 4)]!;
    assertEquals(options[item.gold], right);
    options.forEach((text, at) => assert(textOf(item).includes(`\n${"ABCD"[at]}. ${text}`), textOf(item)));
    assert(textOf(item).includes(question));
    assertEquals([item.continuations, item.oneToken, item.prompt.kind], [[..."ABCD"], true, "chat"]);
  });
});

Deno.test("cultural_bench names countries as BLEnD's files do, and questions by their own number", () => {
  assertEquals(load({ template: 0 }).map(({ clusters }) => clusters), [
    { question: "7", country: "South_Korea" },
    { question: "8", country: "US" },
    { question: "9", country: "Germany" },
  ]);
});

Deno.test("cultural_bench leaves out the question, turns the options, and asks in plain text", () => {
  const usual = load(), bare = load({ ask: "answers_only" }), cyclic = load({ orders: "cyclic" });
  const plain = load({ chat: false });
  assertEquals([bare.length, cyclic.length, plain.length], [12, 48, 12]);
  usual.forEach((item, i) => {
    const { options, question } = docOf(item);
    assert(!textOf(bare[i]!).includes(question) && !/^(Q|Question):/m.test(textOf(bare[i]!)));
    for (const text of options) assert(textOf(bare[i]!).includes(`. ${text}`));
    assertEquals([bare[i]!.id, bare[i]!.content], [`${item.id}/answers_only`, item.content]);
    const turned = cyclic.slice(4 * i, 4 * i + 4);
    assertEquals(turned[0]!.prompt, item.prompt);
    assertEquals(turned.map(({ gold }) => gold).sort(), [0, 1, 2, 3]);
    for (const each of turned) assertEquals(docOf(each).options[each.gold], options[item.gold]);
    assert(textOf(plain[i]!).startsWith(textOf(item)) && textOf(plain[i]!).endsWith("Answer:"));
  });
});

Deno.test("cultural_bench takes the right one of two like texts, names line and column of a wrong letter, and knows no lm-eval", () => {
  const text = MADE_UP["CulturalBench-Easy.csv"];
  const twins = load({}, text.replace("Monday,Tuesday,Friday", "Friday,Tuesday,Friday")).slice(8);
  for (const { gold, id } of twins) {
    const usual = load().find((item) => item.id === id)!;
    assertEquals(gold, usual.gold);
  }
  assertThrows(
    () => load({}, text.replace("Sunday,C", "Sunday,E")),
    UserError,
    "easy.csv: line 4: answer is",
  );
  const read = (params: unknown) => parseWith(culturalBench.params, params, "read it");
  assertThrows(() => read({ protocol: "lm-eval" }), UserError, "at protocol");
  assertThrows(() => read({ template: 1, templates: [1] }), UserError, "template stands without templates");
});
