/** The arms of every benchmark of choices, on its data where that is at hand. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import blend from "../../benchmarks/blend.ts";
import commonsenseQa from "../../benchmarks/commonsense_qa.ts";
import fables from "../../benchmarks/fables.ts";
import qnli from "../../benchmarks/qnli.ts";
import { type Benchmark, type ChoiceItem, findFiles, type FoundFile, UserError } from "../../core/mod.ts";
import { loadBenchmark } from "../../core/plan_benchmarks.ts";
import { planProvenance } from "../../core/plan_provenance.ts";
import { madeOf } from "../../core/provenance/made_of.ts";
import { parseWith } from "../../core/schema.ts";
import { multipleChoice } from "../../plugins/nlu/multiple_choice.ts";
import { needs, SHARED_DATA } from "../support.ts";

// deno-lint-ignore no-explicit-any -- benchmarks of different params in one list
type AnyBenchmark = Benchmark<any, ChoiceItem>;
interface Case {
  readonly benchmark: AnyBenchmark;
  /** What the arms are tried with. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The question as it is asked, from an item's record. */
  readonly question: (doc: never) => string;
  /** The text that is right, from the prompt of an item, where the prompt lists options. */
  readonly right?: (item: ChoiceItem) => string;
}

const own = new URL("../../fixtures/fables/data", import.meta.url).pathname;
const stem = ({ question }: { readonly question: string | { readonly stem: string } }) =>
  (typeof question === "string" ? question : question.stem).trim();
const lettered = (item: ChoiceItem) =>
  new RegExp(`^${item.labels[item.gold]}\\. (.*)$`, "m").exec(textOf(item))![1]!;
const asked = ({ en_question }: { readonly en_question: string }) =>
  en_question.replace(/\(Provide .*$/s, "").trim();

const CASES: readonly Case[] = [
  { benchmark: commonsenseQa, params: {}, question: stem, right: lettered },
  { benchmark: commonsenseQa, params: { protocol: "culnig" }, question: stem, right: lettered },
  { benchmark: qnli, params: {}, question: stem },
  { benchmark: qnli, params: { protocol: "culnig" }, question: stem },
  { benchmark: blend, params: {}, question: asked, right: lettered },
  { benchmark: blend, params: { filter: "loose", topics: "all" }, question: asked, right: lettered },
  ...["food", "opposites"].map((topic): Case => ({
    benchmark: fables,
    params: { topic },
    question: ({ prompt }: { readonly prompt: string }) => prompt.split(" Options:")[0]!,
    right: ({ labels, gold }) => labels[gold]!,
  })),
];

const found = new Map<AnyBenchmark, Record<string, FoundFile>>();
function load({ benchmark, params }: Case, more: Readonly<Record<string, unknown>> = {}): ChoiceItem[] {
  const parsed = benchmark.params.parse({ ...params, ...more });
  if (benchmark === fables) {
    return [...benchmark.load(findFiles(own, benchmark.files(parsed), benchmark), parsed)];
  }
  if (!found.has(benchmark)) {
    found.set(benchmark, findFiles(SHARED_DATA, benchmark.files(parsed), benchmark));
  }
  return [...benchmark.load(found.get(benchmark)!, parsed)];
}

function textOf({ prompt }: ChoiceItem): string {
  return prompt.kind === "text"
    ? prompt.text
    : [...prompt.messages.map(({ content }) => content), prompt.prefill ?? ""].join("\n");
}

const data = (benchmark: AnyBenchmark) => benchmark === fables ? {} : needs("shared");

for (const each of CASES) {
  const name = `${each.benchmark.name} ${JSON.stringify(each.params)}`;

  Deno.test({
    name: `${name} under answers_only has every prompt without its question, and all else as it was`,
    ...data(each.benchmark),
    fn() {
      const usual = load(each), without = load(each, { ask: "answers_only" });
      assertEquals(without.length, usual.length);
      for (const [i, item] of without.entries()) {
        const question = each.question(item.doc as never), was = usual[i]!;
        assert(textOf(was).includes(question) || each.benchmark === blend, textOf(was));
        // BLEnD's questions are shown with an article before US and UK.
        for (const form of [question, question.replace(/\b(?:the )?(US|UK)\b/g, "the $1")]) {
          assert(!textOf(item).includes(form), textOf(item));
        }
        // What is left are lines or the end of a line of the usual prompt, in their order.
        const [all, rest] = [textOf(was).split("\n"), textOf(item).split("\n").filter((line) => line !== "")];
        let at = -1;
        for (const line of rest) {
          const next = all.findIndex((other, k) => k > at && other.endsWith(line));
          assert(next > at, `${line} is not of ${textOf(was)}`);
          at = next;
        }
        if (each.right) assertEquals(each.right(item), each.right(was));
        assertEquals([item.gold, item.clusters, item.content], [was.gold, was.clusters, was.content]);
        assertEquals(item.id, `${was.id}/answers_only`);
      }
    },
  });

  if (!each.right) continue;
  const { right } = each;
  Deno.test({
    name: `${name} under cyclic has the right text at every place once, at the label that gold says`,
    ...data(each.benchmark),
    fn() {
      const usual = load(each), cyclic = load(each, { orders: "cyclic" });
      const rotations = [...Map.groupBy(cyclic, ({ rotationOf }) => rotationOf).values()];
      assertEquals(rotations.length, usual.length);
      for (const [i, items] of rotations.entries()) {
        const was = usual[i]!, k = was.labels.length;
        assertEquals(items.map(({ id }) => id), items.map((_, r) => `${was.id}#${r}`));
        assertEquals(items.map(({ gold }) => gold).sort(), Array.from({ length: k }, (_, place) => place));
        assertEquals(items[0]!.prompt, was.prompt);
        for (const item of items) {
          assertEquals(right(item), right(was), textOf(item));
          assertEquals([item.clusters, item.content, item.role], [was.clusters, was.content, was.role]);
        }
      }
    },
  });
}

for (const each of CASES.filter(({ benchmark, params }) => benchmark === blend || params.topic === "food")) {
  const name = `${each.benchmark.name} ${JSON.stringify(each.params)}`;
  Deno.test({
    name: `${name} under swapped asks of another country, never of its own, with the same options`,
    ...data(each.benchmark),
    fn() {
      const usual = load(each), swapped = load(each, { country: "swapped" });
      const nameOf = ({ clusters }: ChoiceItem) =>
        clusters.country?.replaceAll("_", " ") ?? clusters.subject!.replace(/^./, (c) => c.toUpperCase());
      const names = new Set(usual.map(nameOf));
      const [questionOf, optionsOf] = each.benchmark === blend
        ? [
          (item: ChoiceItem) => textOf(item).split("\n")[0]!,
          (item: ChoiceItem) => textOf(item).split("\n").slice(1),
        ]
        : [
          (item: ChoiceItem) => textOf(item).split(" Options:")[0]!,
          (item: ChoiceItem) => textOf(item).split(" Options:").slice(1),
        ];
      const dealt = new Map<string, Map<string, string>>();
      for (const [i, item] of swapped.entries()) {
        const was = usual[i]!, country = nameOf(item);
        const has = (name: string) => new RegExp(`\\b${name}\\b`).test(questionOf(item));
        assert(!has(country), questionOf(item));
        const named = [...names].filter(has);
        assertEquals(named.length, 1, questionOf(item));
        assertEquals([optionsOf(item), item.gold, item.content], [optionsOf(was), was.gold, was.content]);
        assertEquals(item.id, `${was.id}/swapped`);
        const question = each.benchmark === blend ? item.clusters.question : "all";
        const deal = dealt.get(question) ?? new Map<string, string>();
        assertEquals(deal.get(country) ?? named[0], named[0]);
        dealt.set(question, deal.set(country, named[0]!));
      }
      // Dealt out: no two countries of a question are asked under one name.
      for (const deal of dealt.values()) assertEquals(new Set(deal.values()).size, deal.size);
    },
  });
}

Deno.test("fables refuses to swap countries where there are none", () => {
  assertThrows(
    () => parseWith(fables.params, { topic: "opposites", country: "swapped" }, "read it"),
    UserError,
    'the topic "opposites" has no countries to swap',
  );
});

Deno.test({
  name: "chat and template put the same words into a text or a conversation, under an id of their own",
  ...needs("shared"),
  fn() {
    const [csqa, culnig, , , country] = CASES;
    const [text, chat] = [load(csqa!)[0]!, load(csqa!, { chat: true })[0]!];
    assertEquals(chat.prompt, { kind: "chat", messages: [{ role: "user", content: textOf(text) }] });
    assertEquals([text.continuations[0], chat.continuations[0], chat.id], [" A", "A", `${text.id}/chat`]);
    const plain = load(culnig!, { template: 1, chat: false }), usual = load(culnig!, { templates: [1] });
    assertEquals(plain[0]!.prompt, { kind: "text", text: `${textOf(usual[0]!).trimEnd()}\nAnswer:` });
    assertEquals(plain[0]!.id, `${usual[0]!.id}/text`);
    const named = load(country!, { chat: false })[0]!;
    assert(textOf(named).endsWith('\nAnswer:\n{"answer_choice":"'));
    assertEquals(named.prompt.kind, "text");
  },
});

for (const benchmark of [commonsenseQa, qnli] as readonly AnyBenchmark[]) {
  Deno.test(`${benchmark.name} reads a template as a list of one, and what is usual as nothing`, () => {
    const read = (params: unknown) => JSON.stringify(parseWith(benchmark.params, params, "read it"));
    assertEquals(read({ protocol: "culnig", template: 2 }), read({ protocol: "culnig", templates: [2] }));
    assertEquals(read({ protocol: "culnig", chat: true, ask: "question" }), read({ protocol: "culnig" }));
    assertEquals(read({ chat: false }), read({}));
    assert(read({ chat: true }).includes('"chat":true'));
    assertThrows(
      () => read({ template: 0 }),
      UserError,
      'template and templates belong to the protocol "culnig"',
    );
    assertThrows(
      () => read({ protocol: "culnig", template: 0, templates: [1] }),
      UserError,
      "without templates",
    );
    assertThrows(() => read({ protocol: "culnig", template: 4 }), UserError, "at template");
  });
}

Deno.test("an item of an arm is the same to the guard as the usual item of its question", () => {
  const of = (params: Readonly<Record<string, unknown>>) => {
    const parsed = fables.params.parse({ topic: "food", ...params });
    return loadBenchmark(fables, parsed, {
      label: "fables",
      evaluator: multipleChoice,
      folder: own,
      limits: {},
    });
  };
  const usual = of({});
  const madeBy = [madeOf("fables", usual.items, "localise")];
  for (const arm of [{ ask: "answers_only" }, { country: "swapped" }, { orders: "cyclic" }]) {
    const benchmark = of(arm);
    const treatment = {
      name: "found",
      madeOf: madeBy,
      controlScores: new Map(),
      controlTunes: new Map(),
    } as unknown as Parameters<
      typeof planProvenance
    >[0][number];
    const { meetings } = planProvenance([treatment], [benchmark], { task: "run", allowLeakage: true });
    assertEquals([meetings[0]!.exact, meetings[0]!.items], [benchmark.items.length, benchmark.items.length]);
  }
});
