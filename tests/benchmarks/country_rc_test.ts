import { assert, assertEquals, assertThrows } from "@std/assert";
import blend from "../../benchmarks/blend.ts";
import countryRc from "../../benchmarks/country_rc.ts";
import { type ChoiceItem, findFiles, type FoundFile, UserError } from "../../core/mod.ts";
import { printItems } from "../../core/provenance/made_of.ts";
import { meetings, type PrintedItem } from "../../core/provenance/meet.ts";
import { printOf } from "../../core/provenance/print.ts";
import { parseWith } from "../../core/schema.ts";
import { needs, SHARED_DATA } from "../support.ts";

interface Doc {
  readonly id: string;
  readonly country: string;
  readonly template: number;
  readonly context: string;
  readonly question: string;
  readonly options: readonly string[];
  readonly country_dummy?: string;
}

const COUNTRIES = ["China", "Indonesia", "Iran", "Mexico", "South Korea", "Spain", "UK", "USA"];
const OTHERS = [
  "Algeria",
  "Assam",
  "Azerbaijan",
  "Ethiopia",
  "Greece",
  "Nigeria",
  "North Korea",
  "West Java",
];
/** Of the 25 passages of a part. */
const ITEMS = 25 * COUNTRIES.length * 4;

const load = (params: unknown = {}, files: Record<string, FoundFile> = {}) =>
  countryRc.load(files, countryRc.params.parse(params));
const docOf = (item: ChoiceItem) => item.doc as Doc;
const textOf = ({ prompt }: ChoiceItem) =>
  prompt.kind === "text" ? prompt.text : prompt.messages.map(({ content }) => content).join("\n");
const count = (text: string, part: string) => text.split(part).length - 1;
const isSecond = (id: string) => (+id >= 15 && +id <= 24) || (+id >= 40 && +id <= 49);

const report = load(), localise = load({ part: "localise" }), all = load({ part: "all" });
/** A record a passage. */
const passages = [...new Map(all.map((item) => [docOf(item).id, docOf(item)])).values()];

let file: Record<string, FoundFile> | undefined;
function published(part: string): readonly ChoiceItem[] {
  const params = { items: "published", part };
  file ??= findFiles(SHARED_DATA, countryRc.files(countryRc.params.parse(params)), countryRc);
  return load(params, file);
}

/** Passages without the countries, with their questions, as they are compared. */
function printed(of: readonly Doc[], prefix: string): PrintedItem[] {
  return of.map(({ id, context, question }) => {
    const text = `${context.replaceAll(/\{\w+\}/g, "")} ${question}`;
    return { benchmark: "country_rc", id: prefix + id, question: prefix + id, ...printOf(text) };
  });
}

Deno.test("country_rc has 25 passages a part, each about 8 countries in 4 wordings, under ids of their own", () => {
  for (const [items, role, from] of [[localise, "localise", 0], [report, "report", 25]] as const) {
    assertEquals(items.length, ITEMS);
    const ids = new Set<string>();
    for (const item of items) {
      const { id, role: kept, clusters } = item, { country } = docOf(item);
      assertEquals([kept, id], [role, `${clusters.question}/${country}/${clusters.template}`]);
      // BLEnD's spelling.
      assertEquals(clusters.country, ({ "South Korea": "South_Korea", USA: "US" })[country] ?? country);
      ids.add(id);
    }
    const wanted = Array.from(
      { length: 25 },
      (_, i) => COUNTRIES.flatMap((country) => [0, 1, 2, 3].map((t) => `${from + i}/${country}/${t}`)),
    );
    assertEquals([...ids], wanted.flat());
  }
  assertEquals(all.map(({ id }) => id), [...localise, ...report].map(({ id }) => id));
  assertEquals(new Set(all.map(({ role }) => role)), new Set(["report"]));
  assertEquals(load({ templates: [3, 0] }).length, ITEMS / 2);
});

Deno.test("country_rc's clusters are countries of blend's, so that scores by country of the two can be paired", () => {
  const theirs = blend.files(blend.params.parse({})).map(({ key }) => key);
  const own = new Set(all.map(({ clusters }) => clusters.country!));
  assertEquals([own.size, [...own].filter((name) => !theirs.includes(name))], [8, []]);
});

Deno.test("country_rc has the country in every passage, a second one in ids 15 to 24 and 40 to 49 alone, and nothing left to fill in", () => {
  for (const { id, context, question } of passages) {
    assert(count(context, "{country}") >= 1, id);
    assertEquals(count(context, "{country_dummy}") >= 1, isSecond(id), id);
    assert(question.endsWith("?") && !/[{}]/.test(question), id);
    assert(context.split(/[.!?](?: |$)/).filter((part) => part !== "").length <= 3, id);
    for (const name of [...COUNTRIES, ...OTHERS]) assert(!`${context} ${question}`.includes(name), id);
  }
  for (const item of all) assert(!/[{}]|undefined/.test(textOf(item)), item.id);
});

Deno.test("country_rc names the right country last in half of the passages with a second one", () => {
  for (const [from, to] of [[15, 25], [40, 50]]) {
    const last = passages.slice(from, to)
      .filter(({ context }) => context.lastIndexOf("{country}") > context.lastIndexOf("{country_dummy}"));
    assertEquals(last.length, 5);
  }
});

Deno.test("country_rc has no two passages or questions alike", () => {
  assertEquals(new Set(passages.map(({ question }) => printOf(question).hash)).size, 50);
  const prints = printed(passages, "");
  prints.forEach((print, i) => assertEquals([...meetings([print], prints.toSpliced(i, 1))], [], print.id));
});

Deno.test("no item of country_rc to report on meets one to localise by", () => {
  assertEquals([...meetings(printItems("country_rc", report), printItems("country_rc", localise))], []);
});

Deno.test("country_rc has one option in the text, the right one, or a wrong one besides", () => {
  for (const item of all) {
    const { id, country, question, options, country_dummy: second } = docOf(item);
    const { labels, gold } = item, text = textOf(item);
    assertEquals([options[gold], new Set(options).size], [country, 4]);
    for (const option of options) assert([...COUNTRIES, ...OTHERS].includes(option), option);
    // Every option stands once beside its label; what is named besides is in the passage.
    options.forEach((option, i) => assert(text.includes(`\n${labels[i]}. ${option}\n`), text));
    const named = options.filter((option) => count(text, option) > 1);
    assertEquals(named.sort(), [country, ...second === undefined ? [] : [second]].sort(), item.id);
    assertEquals(second !== undefined && second !== country, isSecond(id), item.id);
    assert(text.includes(question), text);
    assert(!/(?<!the )\b(UK|USA)\b/.test(text.replaceAll(/^[A-D1-4]\. .*$/gm, "")), text);
  }
});

Deno.test("country_rc spreads the right option over the four places", () => {
  for (const items of [localise, report]) {
    for (const place of [0, 1, 2, 3]) {
      const share = items.filter(({ gold }) => gold === place).length / items.length;
      assert(share >= 0.2 && share <= 0.3, `${place}: ${share}`);
    }
  }
});

Deno.test("country_rc asks for a bare letter in wordings 0 and 1 and for a bare digit in 2 and 3", () => {
  for (const { prompt, continuations, labels, oneToken, clusters } of report) {
    const wanted = Number(clusters.template) < 2 ? ["A", "B", "C", "D"] : ["1", "2", "3", "4"];
    assertEquals([continuations, labels], [wanted, wanted]);
    assertEquals(oneToken, true);
    assert(prompt.kind === "chat" && prompt.prefill === undefined && prompt.messages.length === 1);
  }
  assertEquals(countryRc.metric(countryRc.params.parse({})), "exact_match");
});

/**
 * CPython 3.11.7, with the wording's text as it stands in the source, its placeholders unfilled:
 *
 *     r = random.Random(int(hashlib.md5(f"{context}_{question}_{wording}_{country}".encode()).hexdigest()[:8], 16))
 *     options = r.sample([name for name in NAMES if name != country], 3) + [country]
 *     r.shuffle(options)
 *     dummy = r.choice([name for name in options if name != country])
 */
const GOLDEN = [
  ["0/China/0", ["West Java", "Iran", "Indonesia", "China"], undefined],
  ["17/UK/2", ["Assam", "China", "UK", "North Korea"], "Assam"],
  ["46/South Korea/3", ["Indonesia", "Ethiopia", "South Korea", "China"], "China"],
] as const;

Deno.test("country_rc draws options and second country as Python's random does", () => {
  for (const [id, options, second] of GOLDEN) {
    const doc = docOf(all.find((item) => item.id === id)!);
    assertEquals<unknown>([doc.options, doc.country_dummy], [options, second], id);
  }
});

Deno.test("country_rc leaves out passage and question, turns the options, and asks in plain text", () => {
  const bare = load({ ask: "answers_only" }),
    cyclic = load({ orders: "cyclic" }),
    plain = load({ chat: false });
  assertEquals([bare.length, cyclic.length, plain.length], [ITEMS, 4 * ITEMS, ITEMS]);
  report.forEach((item, i) => {
    const { options, question } = docOf(item), text = textOf(bare[i]!);
    assert(!text.includes(question) && !/^(Passage|Text|Question|Q):/m.test(text), text);
    for (const option of options) assertEquals(count(text, option), 1, text);
    assertEquals([bare[i]!.id, bare[i]!.content], [`${item.id}/answers_only`, item.content]);
    const turned = cyclic.slice(4 * i, 4 * i + 4);
    assertEquals(turned[0]!.prompt, item.prompt);
    assertEquals(turned.map(({ gold }) => gold).sort(), [0, 1, 2, 3]);
    for (const { doc, gold, rotationOf } of turned) {
      assertEquals([(doc as Doc).options[gold], rotationOf], [docOf(item).country, item.id]);
    }
    assert(textOf(plain[i]!).startsWith(textOf(item)) && textOf(plain[i]!).endsWith("\nAnswer:"));
    assertEquals(plain[i]!.continuations, item.labels.map((label) => ` ${label}`));
  });
});

Deno.test({
  name: "country_rc reads the published passages, 25 a part, as they are published",
  ...needs("shared"),
  fn() {
    const [report, localise] = [published("report"), published("localise")];
    assertEquals([report.length, localise.length], [ITEMS, ITEMS]);
    assertEquals(new Set([...report, ...localise, ...all].map(({ id }) => id)).size, 4 * ITEMS);
    assertEquals(new Set(localise.map(({ role }) => role)), new Set(["localise"]));
    const { sha256 } = countryRc.files(countryRc.params.parse({ items: "published" }))[0]!;
    assertEquals(file!.items!.sha256, sha256);
    for (const item of [...report, ...localise]) {
      const { id, country, context, country_dummy: second, options } = docOf(item);
      assertEquals(options[item.gold], country);
      assertEquals(second !== undefined, isSecond(id));
      const passage = context.replaceAll("{country}", country).replaceAll("{country_dummy}", second ?? "");
      assert(textOf(item).includes(passage), textOf(item));
    }
  },
});

Deno.test({
  name: "country_rc's own passages meet none of the published",
  ...needs("shared"),
  fn() {
    const theirs = [...published("localise"), ...published("report")].map(docOf);
    const others = [...new Map(theirs.map((doc) => [doc.id, doc])).values()];
    assertEquals(others.length, 50);
    assertEquals([...meetings(printed(passages, ""), printed(others, "published/"))], []);
  },
});

Deno.test("country_rc needs no file for its own passages, and names file and field of a broken one", () => {
  assertEquals(countryRc.files(countryRc.params.parse({})), []);
  const record = { id: "30", context: "In {country}.", question: "Where?" };
  const read = (records: unknown) => {
    const items = { key: "items", path: "data.json", sha256: "", text: JSON.stringify(records) };
    return load({ items: "published" }, { items });
  };
  assertEquals(read([record]).length, 8 * 4);
  assertThrows(
    () => read([{ ...record, context: "In {land}." }]),
    UserError,
    'data.json: the file: 0.context is "In {land}.", wanted a text with {country}',
  );
  assertThrows(() => read([{ ...record, id: "x" }]), UserError, '0.id is "x", wanted a whole number as text');
  assertThrows(() => read([record, record]), UserError, "wanted records of different ids");
});

Deno.test("country_rc says in one line what is wrong with its params", () => {
  const refused: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ items: "publishd" }, 'unknown value "publishd" at items, did you mean "published"'],
    [{ part: "reprot" }, 'unknown value "reprot" at part, did you mean "report"'],
    [{ templates: [4] }, "at templates[0]"],
    [{ templates: [] }, "empty list at templates, wanted one entry or more"],
    [{ templates: [1, 1] }, "wanted different templates at templates"],
    [{ country: "swapped" }, 'unknown key "country"'],
    [{ ask: "answers" }, 'unknown value "answers" at ask'],
  ];
  for (const [params, message] of refused) {
    const error = assertThrows(
      () => parseWith(countryRc.params, params, "read it"),
      UserError,
      message,
    ) as Error;
    assert(!error.message.includes("\n"), error.message);
  }
});
