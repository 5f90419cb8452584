import { assert, assertEquals, assertThrows } from "@std/assert";
import blend from "../../benchmarks/blend.ts";
import { type ChoiceItem, findFiles, type FoundFile, sampleOf, UserError } from "../../core/mod.ts";
import { needs, SHARED_DATA } from "../support.ts";

type Answers = readonly (readonly [number, ...string[]])[];
interface Doc {
  readonly ID: string;
  readonly country: string;
  readonly topic: string;
  readonly options: readonly string[];
}

const defaults = blend.params.parse({});
const countries = blend.files(defaults).map(({ key }) => key).filter((key) => key !== "questions");
const found = (key: string, text: string): FoundFile => ({ key, path: `${key}.x`, sha256: "", text });
const doc = (item: ChoiceItem | undefined) => item?.doc as Doc;
const content = (item: ChoiceItem | undefined) =>
  item?.prompt.kind === "chat" ? item.prompt.messages[0]?.content ?? "" : "";

/** Files with one question; a country that `answers` leaves out answers with a word of its own, twice. */
function oneQuestion(
  answers: Readonly<Record<string, Answers>>,
  question = "What is a snack in PLACE?",
): Record<string, FoundFile> {
  const entries = countries.map((country) => {
    const given = answers[country] ?? [[2, `own${country.replace("_", "")}`]];
    const annotations = given.map(([count, ...en_answers]) => ({ answers: [], en_answers, count }));
    const record = {
      en_question: question.replace("PLACE", country.replace("_", " ")),
      annotations,
      idks: { idk: 0, "no-answer": 0, "not-applicable": 0 },
    };
    return [country, found(country, JSON.stringify({ q: record }))];
  });
  return {
    questions: found("questions", ",ID,Topic,Source,Question,Translation\n0,q,Family,s,x,y\n"),
    ...Object.fromEntries(entries),
  };
}

const inCountry = (files: Record<string, FoundFile>, country: string, params: unknown = {}) =>
  blend.load(files, blend.params.parse(params)).filter((item) => item.clusters.country === country);

Deno.test("blend asks about the country with its article and answers after a JSON prefill", () => {
  const [item] = inCountry(
    oneQuestion({}, "What is a snack in PLACE? (Provide Arabic (e.g., 1) only.)"),
    "US",
  );
  assert(content(item).startsWith("What is a snack in the US?\n"), content(item));
  assertEquals(item?.prompt.kind === "chat" && item.prompt.prefill, '{"answer_choice":"');
  assertEquals(item?.labels, ["A", "B", "C", "D"]);
  assertEquals(item?.clusters, { question: "q", country: "US" });
  assertEquals(doc(item).options[item!.gold], "ownUS");
  for (const [i, option] of doc(item).options.entries()) {
    assert(content(item).includes(`${"ABCD"[i]}. ${option}\n`));
  }
  assert(
    content(inCountry(oneQuestion({}, "Why has PLACE PLACE's?"), "UK")[0]).startsWith("Why has the UK "),
  );
});

Deno.test("blend takes the answers with most votes, one a country, none that the country itself might give", () => {
  const files = oneQuestion({
    US: [[3, "plain bread"], [1, "jam"]],
    UK: [[9, "rye Bread"], [8, "figs"], [7, "dates"]],
    Iran: [[6, "jam/honey"], [5, "crisps"]],
    Spain: [[5, "figs"], [4, "olives"]],
    China: [[3, "rice"]],
  });
  // "rye Bread" shares a word, "jam/honey" contains jam; Spain's "figs" are on the list already.
  const [item] = inCountry(files, "US");
  assertEquals([...doc(item).options].sort(), ["crisps", "figs", "olives", "plain bread"]);
});

Deno.test("blend makes an item of each top-voted answer and of no spelling twice", () => {
  const items = inCountry(
    oneQuestion({ US: [[2, "tea", "chai"], [2, "Coffee"], [2, "coffee"], [1, "milk"]] }),
    "US",
  );
  assertEquals(items.map((item) => doc(item).options[item.gold]), ["tea", "Coffee"]);
  assertEquals(items.map(({ id }) => id), ["q/US/0", "q/US/1"]);
});

Deno.test("blend keeps to answers of the form that a question asks for", () => {
  const files = oneQuestion(
    {
      US: [[3, "noon", "12:00"]],
      UK: [[9, "late"]],
      Iran: [[4, "1pm", "13:30"]],
      Spain: [[3, "15:15"]],
      China: [[3, "11:45"]],
    },
    "When is lunch in PLACE? (Provide in HH:MM format (e.g., 18:00).)",
  );
  const [item] = inCountry(files, "US");
  assertEquals([...doc(item).options].sort(), ["11:45", "12:00", "13:30", "15:15"]);
});

Deno.test("blend under strict drops a question that one country does not answer, under loose that pair alone", () => {
  const files = oneQuestion({ Greece: [[1, "a"], [1, "b"]] });
  assertEquals(blend.load(files, defaults), []);
  const loose = blend.load(files, blend.params.parse({ filter: "loose" }));
  assertEquals(loose.length, countries.length - 1);
  assert(loose.every((item) => item.clusters.country !== "Greece"));
});

Deno.test("blend breaks ties in votes by the seed", () => {
  const sets = new Set(
    Array.from(
      { length: 10 },
      (_, seed) => [...doc(inCountry(oneQuestion({}), "US", { seed })[0]).options].sort().join(),
    ),
  );
  // 455 sets of three among fifteen: ten draws that fall together less than half of the time.
  assert(sets.size >= 6, `${sets.size}`);
});

Deno.test("blend names file and question when a country lacks it, and the field when a record is broken", () => {
  const files = oneQuestion({});
  assertThrows(
    () => blend.load({ ...files, Iran: found("Iran", "{}") }, defaults),
    UserError,
    "Iran.x: question q is missing",
  );
  const broken = files.Iran!.text.replace('"count":2', '"count":"2"');
  assertThrows(
    () => blend.load({ ...files, Iran: found("Iran", broken) }, defaults),
    UserError,
    'Iran.x: the file: q.annotations.0.count is "2", wanted number',
  );
});

Deno.test("blend as a cloze asks the question alone, and its answers are the texts that were the options", () => {
  const files = oneQuestion({}, "What is a snack in PLACE? (Provide Arabic (e.g., 1) only.)");
  const [letters] = inCountry(files, "US"), [cloze] = inCountry(files, "US", { format: "cloze" });
  const { options } = doc(letters);
  assert(content(cloze).startsWith("What is a snack in the US?\n"), content(cloze));
  for (const option of options) assert(!content(cloze).includes(option), content(cloze));
  assertEquals([cloze!.continuations, cloze!.labels, doc(cloze).options], [options, options, options]);
  assertEquals([cloze!.gold, cloze!.content, cloze!.role], [letters!.gold, letters!.content, letters!.role]);
  assertEquals([cloze!.id, cloze!.clusters], [`${letters!.id}/cloze`, letters!.clusters]);
  assertEquals([cloze!.oneToken, "prefill" in cloze!.prompt], [undefined, false]);
  assertEquals(blend.metric(blend.params.parse({ format: "cloze" })), "acc_norm");
});

Deno.test("blend as a cloze under answers_only keeps the request to answer and nothing of the question", () => {
  const files = oneQuestion({});
  const [usual] = inCountry(files, "UK", { format: "cloze" });
  const [bare] = inCountry(files, "UK", { format: "cloze", ask: "answers_only" });
  assertEquals(`What is a snack in the UK?\n${content(bare)}`, content(usual));
  assertEquals(bare!.continuations, usual!.continuations);
  const [plain] = inCountry(files, "UK", { format: "cloze", ask: "answers_only", chat: false });
  assertEquals(plain!.prompt, { kind: "text", text: `${content(bare)}\nAnswer:` });
  assertEquals(plain!.continuations, usual!.continuations.map((text) => ` ${text}`));
});

Deno.test("blend reads letters as nothing, so that earlier results are found, and refuses orders of what a cloze does not show", () => {
  assertEquals(JSON.stringify(blend.params.parse({ format: "letters" })), JSON.stringify(defaults));
  for (const params of [{ orders: "cyclic" }, { order: "alphabetical" }]) {
    const { success } = blend.params.safeParse({ format: "cloze", ...params });
    assert(!success, JSON.stringify(params));
  }
});

let real: Record<string, FoundFile> | undefined;
const loadReal = (params: unknown) =>
  blend.load(real ??= findFiles(SHARED_DATA, blend.files(defaults), blend), blend.params.parse(params));

/** Pairs by topic, as another program counted them with the same rule and ties broken otherwise. */
const COUNTED = {
  Food: 1356,
  "Work life": 772,
  Sport: 1061,
  Education: 998,
  Family: 739,
  "Holidays/Celebration/Leisure": 1020,
};
/** The largest share by which the fall of ties was seen to move a topic's count. */
const TIES = 0.02;
/** 0.999 quantile of chi-square with 3 degrees of freedom. */
const CHI_SQUARE = 16.27;

function pairs(items: readonly ChoiceItem[]): Map<string, number> {
  const seen = new Map(
    [...new Set(items.map((item) => `${doc(item).ID}/${doc(item).country}`))].map((pair) => [pair, ""]),
  );
  for (const item of items) seen.set(`${doc(item).ID}/${doc(item).country}`, doc(item).topic);
  const counts = new Map<string, number>();
  for (const topic of seen.values()) counts.set(topic, (counts.get(topic) ?? 0) + 1);
  return counts;
}

Deno.test({
  name: "blend finds as many pairs as an independent count, within the fall of ties",
  ...needs("shared"),
  fn() {
    const counts = pairs(loadReal({ topics: "all", filter: "loose" }));
    for (const [topic, expected] of Object.entries(COUNTED)) {
      const share = Math.abs((counts.get(topic) ?? 0) - expected) / expected;
      assert(share <= TIES, `${topic}: ${counts.get(topic)} against ${expected}`);
    }
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    assert(Math.abs(total - 5946) <= 30, `${total}`);
  },
});

Deno.test({
  name: "blend under strict keeps BLEnD's 87 questions, of which 80 have three wrong options somewhere",
  ...needs("shared"),
  fn() {
    const items = loadReal({ topics: "all" });
    const questions = new Set(items.map((item) => item.clusters.question));
    assertEquals(questions.size, 80);
    const ids: string[] = [];
    const file = (key: string) => JSON.parse(real![key]!.text) as Record<string, Entry>;
    const all = countries.map(file);
    for (const id of Object.keys(all[0]!)) if (all.every((entries) => answered(entries[id]!))) ids.push(id);
    assertEquals(ids.length, 87);
    assert([...questions].every((id) => ids.includes(id)));
  },
});

interface Entry {
  readonly annotations: readonly { readonly count: number }[];
  readonly idks: Readonly<Record<string, number>>;
}

/** BLEnD's filter, written a second time; the files list annotations by votes. */
function answered({ annotations, idks }: Entry): boolean {
  const total = Object.values(idks).reduce((sum, n) => sum + n, 0);
  return (annotations[0]?.count ?? 0) >= 2 && idks["not-applicable"] === 0 && total <= 2;
}

for (const params of [{}, { topics: "all", filter: "loose" }, { topics: "all", filter: "loose", seed: 1 }]) {
  Deno.test({
    name: `blend spreads the right options evenly over the letters under ${JSON.stringify(params)}`,
    ...needs("shared"),
    fn() {
      const items = loadReal(params);
      const counts = [0, 1, 2, 3].map((letter) => items.filter(({ gold }) => gold === letter).length);
      const expected = items.length / 4;
      const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
      assert(chiSquare < CHI_SQUARE, `${counts}: ${chiSquare}`);
    },
  });
}

Deno.test({
  name: "blend asks about some countries alone, the same items",
  ...needs("shared"),
  fn() {
    const all = loadReal({}), countries = ["Spain", "US"];
    const own = all.filter(({ clusters }) => countries.includes(clusters.country!));
    assertEquals(new Set(loadReal({ countries }).map(({ id }) => id)), new Set(own.map(({ id }) => id)));
    assert(own.length > 40 && own.length < all.length / 4);
  },
});

Deno.test({
  name: "blend under cyclic shows each question in four rotations, the right option once at each letter",
  ...needs("shared"),
  fn() {
    const seeded = loadReal({});
    const cyclic = loadReal({ orders: "cyclic" });
    assertEquals(cyclic.length, 4 * seeded.length);
    for (const [i, item] of seeded.entries()) {
      const four = cyclic.slice(4 * i, 4 * i + 4);
      assertEquals(four.map(({ id }) => id), [0, 1, 2, 3].map((k) => `${item.id}#${k}`));
      assertEquals(four[0]?.prompt, item.prompt);
      assertEquals(new Set(four.map(({ gold }) => gold)).size, 4);
      assertEquals(new Set(four.map((each) => each.clusters.question)), new Set([item.clusters.question]));
    }
  },
});

Deno.test({
  name:
    "blend separates topics to localise from topics to report, and every question is a plain one about its place",
  ...needs("shared"),
  fn() {
    const items = loadReal({ topics: "all", filter: "loose" });
    for (const item of items) {
      const [question = ""] = content(item).split("\n");
      assertEquals(
        item.role,
        ["Food", "Work life", "Sport"].includes(doc(item).topic) ? "localise" : "report",
      );
      assert(!question.includes("(Provide") && !/(?<!the )\b(US|UK)\b/.test(question), question);
      assert(question.includes(doc(item).country.replace("_", " ")), question);
      assertEquals(new Set(doc(item).options.map((option) => option.toLowerCase())).size, 4);
    }
    const test = loadReal({ filter: "loose" }).map(({ id }) => id);
    assertEquals(test, items.filter(({ role }) => role === "report").map(({ id }) => id));
  },
});

Deno.test({
  name:
    "blend as a cloze suits the scorer's objective over answers of several tokens, with and without the question",
  ...needs("shared"),
  fn() {
    for (const ask of ["question", "answers_only"]) {
      const items = loadReal({ format: "cloze", ask, topics: "neuron" });
      assertEquals(items.length, loadReal({ topics: "neuron" }).length);
      for (const item of items) {
        // Tokens stand in for those of a model: one a character.
        const continuations = item.continuations.map((text) => [...text].map((c) => c.codePointAt(0)!));
        const sample = sampleOf({ ...item, group: item.clusters.country!, prompt: [1], continuations }, {
          objective: "cloze",
        });
        assertEquals([sample.answer, sample.continuations], [item.gold, continuations]);
        assertEquals(new Set(item.continuations).size, 4);
      }
    }
  },
});
