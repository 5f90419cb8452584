import { assert, assertEquals, assertThrows } from "@std/assert";
import blendMcq from "../../benchmarks/blend_mcq.ts";
import { type ChoiceItem, type FoundFile, UserError } from "../../core/mod.ts";
import { MADE_UP, TOPICS } from "./made_up.ts";

const NAMES = {
  questions: "US_questions.csv",
  first: "mc_questions_file-1.csv",
  second: "mc_questions_file-2.csv",
  all: "mc_questions_file.csv",
} as const;
const file = (key: keyof typeof NAMES, text: string = MADE_UP[NAMES[key]]): FoundFile => ({
  key,
  path: NAMES[key],
  sha256: "",
  text,
});
const load = (params: Record<string, unknown> = {}, changed: Record<string, FoundFile> = {}) => {
  const parsed = blendMcq.params.parse({ topics: "all", ...params });
  const keys = blendMcq.files(parsed).map(({ key }) => key as keyof typeof NAMES);
  return blendMcq.load({ ...Object.fromEntries(keys.map((key) => [key, file(key)])), ...changed }, parsed);
};
const textOf = ({ prompt }: ChoiceItem) =>
  prompt.kind === "text" ? prompt.text : prompt.messages.map(({ content }) => content).join("\n");
const numbers = (items: readonly ChoiceItem[], pair: string) =>
  items.filter(({ id }) => id.endsWith(pair)).map(({ id }) => Number(/_(\d+)\//.exec(id)![1]));

Deno.test("blend_mcq takes the first five items of a question and a country, in the files' order and across them", () => {
  const items = load();
  const of = (id: string, country: string, from: readonly ChoiceItem[] = items) =>
    numbers(from.filter(({ clusters }) => clusters.question === id), `/${country}`);
  assertEquals(of("Ma-en-01", "South_Korea"), [0, 1, 2, 3, 4]);
  assertEquals(of("Ma-en-02", "UK"), [0, 1, 2, 3, 4]);
  assertEquals([of("Ma-en-02", "US"), of("Ma-en-03", "US")], [[0], [0]]);
  assertEquals(items.length, 12);
  assertEquals(load({ files: "one" }), items);
  assertEquals(of("Ma-en-01", "South_Korea", load({ perQuestion: 20 })), [0, 1, 2, 3, 4, 5, 6, 7]);
  assertEquals(load({ perQuestion: 1 }).length, 4);
});

Deno.test("blend_mcq asks with the published prompt before a JSON prefill, and gold is answer_idx", () => {
  for (const item of load()) {
    const [, n] = /_(\d+)\//.exec(item.id)!;
    assertEquals(item.labels[item.gold], "ABCD"[Number(n) % 4]);
    const { question, country } = item.clusters;
    assert(
      textOf(item).startsWith(`Which tree of ${question} is usual in ${country}? Without any explanation`),
    );
    assert(textOf(item).endsWith("\nD. fir, white\n\nAnswer:"), textOf(item));
    assertEquals(item.prompt.kind === "chat" && item.prompt.prefill, '{"answer_choice":"');
    assertEquals([item.continuations, item.oneToken], [[..."ABCD"], true]);
    assertEquals(item.content!.split("\n").slice(1, 3), ["ash", "birch"]);
  }
  assert(textOf(load({ chat: false })[0]!).endsWith('\nAnswer:\n{"answer_choice":"'));
});

Deno.test("blend_mcq without the question keeps all of the prompt from the instruction on", () => {
  const usual = load();
  for (const [i, item] of load({ ask: "answers_only" }).entries()) {
    const was = usual[i]!, text = textOf(item);
    assert(text.startsWith("Without any explanation") && textOf(was).endsWith(`? ${text}`), text);
    assertEquals([item.gold, item.clusters, item.content], [was.gold, was.clusters, was.content]);
    assertEquals(item.id, `${was.id}/answers_only`);
  }
});

Deno.test("blend_mcq keeps topics to localise by apart from those to report on", () => {
  for (
    const [topics, role, ids] of [
      ["neuron", "localise", ["Ma-en-01", "Ma-en-03"]],
      ["test", "report", ["Ma-en-02"]],
    ] as const
  ) {
    const items = load({ topics });
    assertEquals(new Set(items.map((item) => item.role)), new Set([role]));
    assertEquals([...new Set(items.map(({ clusters }) => clusters.question))], [...ids]);
  }
  assertEquals(
    load().map(({ role }) => role),
    load().map(({ clusters }) => TOPICS[clusters.question] === "Family" ? "report" : "localise"),
  );
});

Deno.test("blend_mcq names file, line and field of what is broken, and a question without a topic", () => {
  const first = MADE_UP["mc_questions_file-1.csv"];
  const broken = (text: string) => () => load({}, { first: file("first", text) });
  assertThrows(
    broken(first.replace('"{""A"":""ash""', '"{""a"":""ash""')),
    UserError,
    "mc_questions_file-1.csv: line 9: choices is",
  );
  assertThrows(
    broken(first.replace("Without any explanation", "Name a letter")),
    UserError,
    'wanted a prompt with "Without any explanation"',
  );
  const questions = file("questions", MADE_UP["US_questions.csv"].replace("Ma-en-03", "Ma-en-04"));
  assertThrows(
    () => load({}, { questions }),
    UserError,
    "US_questions.csv: question Ma-en-03 is missing, wanted every question",
  );
});
