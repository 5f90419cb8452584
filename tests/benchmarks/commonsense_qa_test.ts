import { assert, assertEquals, assertThrows } from "@std/assert";
import commonsenseQa from "../../benchmarks/commonsense_qa.ts";
import { UserError } from "../../core/mod.ts";

const record = {
  id: "q1",
  answerKey: "C",
  question: {
    stem: " Where does a made-up otter sleep? ",
    question_concept: "otter",
    choices: ["raft", "nest", "holt", "barn", "kelp"].map((text, i) => ({ label: "ABCDE"[i], text })),
  },
};
const load = (line: unknown, params: unknown = {}) =>
  commonsenseQa.load(
    { dev: { key: "dev", path: "dev.jsonl", sha256: "", text: JSON.stringify(line) } },
    commonsenseQa.params.parse(params),
  );

Deno.test("commonsense_qa under lm-eval asks in plain text and scores letters after a space", () => {
  const [item] = load(record);
  assertEquals(item?.prompt, {
    kind: "text",
    text: "Question: Where does a made-up otter sleep?\nA. raft\nB. nest\nC. holt\nD. barn\nE. kelp\nAnswer:",
  });
  assertEquals(item?.continuations, [" A", " B", " C", " D", " E"]);
  assertEquals([item?.id, item?.gold], ["q1", 2]);
  // Keys in the order of the Hugging Face data set, which the harness's hash of the document depends on.
  assertEquals(
    JSON.stringify(item?.doc),
    JSON.stringify({
      id: "q1",
      question: record.question.stem,
      question_concept: "otter",
      choices: { label: ["A", "B", "C", "D", "E"], text: ["raft", "nest", "holt", "barn", "kelp"] },
      answerKey: "C",
    }),
  );
});

Deno.test("commonsense_qa under culnig asks each question under each template, as one cluster, for one bare letter", () => {
  const items = load(record, { protocol: "culnig" });
  assertEquals(items.map(({ id }) => id), ["q1/0", "q1/1", "q1/2", "q1/3"]);
  assertEquals(new Set(items.map(({ clusters }) => clusters.question)), new Set(["q1"]));
  for (const { prompt, continuations, oneToken } of items) {
    assert(prompt.kind === "chat" && prompt.prefill === undefined);
    const content = prompt.messages[0]?.content ?? "";
    assert(
      content.includes("A. raft\nB. nest\nC. holt\nD. barn\nE. kelp") && content.includes("made-up otter"),
    );
    assertEquals([continuations.join(""), oneToken], ["ABCDE", true]);
  }
  assertEquals(load(record, { protocol: "culnig", templates: [2] }).map(({ id }) => id), ["q1/2"]);
});

Deno.test("commonsense_qa names metric acc for lm-eval and exact_match for culnig", () => {
  const metric = (protocol: string) => commonsenseQa.metric(commonsenseQa.params.parse({ protocol }));
  assertEquals([metric("lm-eval"), metric("culnig")], ["acc", "exact_match"]);
});

Deno.test("commonsense_qa refuses templates that are none, double, or of another protocol", () => {
  const ok = (params: unknown) => commonsenseQa.params.safeParse(params).success;
  assert(ok({ protocol: "culnig", templates: [3, 0] }));
  for (const templates of [[], [4], [0, 0], [0.5]]) assert(!ok({ protocol: "culnig", templates }));
  assert(!ok({ protocol: "lm-eval", templates: [0] }));
  assert(!ok({ protocol: "culnigg" }));
});

Deno.test("commonsense_qa refuses options that are not A to E in order", () => {
  const choices = [...record.question.choices].reverse();
  const broken = { ...record, question: { ...record.question, choices } };
  assertThrows(
    () => load(broken),
    UserError,
    'dev.jsonl: line 1: question.choices.0.label is "E", wanted "A"',
  );
  assertThrows(() => load({ ...record, answerKey: "F" }), UserError, 'answerKey is "F"');
});
