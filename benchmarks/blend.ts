/**
 * BLEnD multiple choice: everyday knowledge of 16 countries, rebuilt from the annotations of the open questions.
 *
 * Recipe (BLEnD's own, without the steps that asked GPT-4): the right option of a (question, country) pair is each of its
 * top-voted English answers, an item each; the wrong ones are English answers of other countries with two votes or more, most votes
 * first, at most one a country, none that contains, is contained in or shares a word (parted by space or "/") with any answer of the country
 * itself or with an option already chosen; a question for a time, a date or a number has options of that form only. Case is ignored.
 *
 * Ours: ties in votes fall by a seed (the alphabet would make 31 % of the right options D), and so does the place of the right
 * option; the request to answer in a certain form, "(Provide ... only.)", is left out, as an option's letter is asked for; no
 * pair is filled up with dummies. Without GPT-4 a synonym may remain among the wrong options.
 *
 * `filter`: "strict", the default, keeps BLEnD's 87 questions that every country answers (top answer of two votes or more, no
 * "not applicable", at most two people without an answer), so that countries are compared on the same questions; 80 of them have a
 * pair with three wrong options. "loose" asks for two votes in the pair's own country only: 5,958 such pairs at seed 0, 5,945 to 5,960 at
 * others, where an independent count found 5,946; which of several tied answers is taken decides what may stand beside it.
 *
 * Protocol "culnig": arXiv 2510.08284, topics "neuron" to localise and "test" to report; the letter that follows a JSON
 * prefill, read as the most probable token of the whole vocabulary. The wording is our own.
 *
 * `format` "cloze", ours, for models too small for letters: no options are shown, the answers are their texts, several tokens as a rule, and
 * the metric is accuracy by log-probability per character. Under "answers_only" what is left is the request to answer.
 *
 * Arms: `orders`, `ask`, `country` and `chat` of core/confounds.ts. Under "swapped" the countries of a question are dealt out anew by the
 * seed, none to itself; the options stay as they are, so a wrong one may be right in the country that is named. As plain text the prefill
 * is the prompt's last line.
 */
import { z } from "zod";
import {
  armId,
  AskParam,
  ChatParam,
  type ChoiceItem,
  CountryParam,
  createRandom,
  csvRows,
  defineBenchmark,
  derangement,
  inOrders,
  jsonDocument,
  labelPrompt,
  OrdersParam,
  prefilledPrompt,
  promptOf,
  UserError,
} from "../core/mod.ts";

/** File names and their sha256. */
const COUNTRIES: Readonly<Record<string, string>> = {
  Algeria: "96bfafe589edbae426261bca3b5f7afff1a01f4787430aeecb47e56dd68064bf",
  Assam: "6d28e046b8230a9f3e4720a3ffbfb15c44fca07ecdd535c7f215a2cb9a4df00f",
  Azerbaijan: "4d5d93b0179f457ee0364bdc5403ba1d595cfa755f76878425f0833835b1ea18",
  China: "43321ad7e228d6f8d28d98a3175f258755ec3e0a7805eb1a6550e609ccdc8b0d",
  Ethiopia: "71ddd5feef8483ff9dc3769f51e03b2ae14df5b125f9cd296c8d96fd215149a0",
  Greece: "1be01ca43db4a46717e691e4664e2fe1dafd240427df65ad4e6e9405a73fc5da",
  Indonesia: "a2a7674934e7678ce14334d4667b051443335a504e06e050e40495fb98d2a0c0",
  Iran: "516d80b0fe05a464f25f734c5c3683da2362988a710c8fabfea29eefbd95fa72",
  Mexico: "ab36bf638bae6e959e54c456328a167066bfbb96e48ca42d847a386477b677a4",
  North_Korea: "a97e0290461d5fca65018716d01b648cfaf99344d7a50db735767d821cc28dad",
  Northern_Nigeria: "0af2da94867902824c4ac745fd1b3d2f1d51a72015b68103800dbdc82104c776",
  South_Korea: "b04e620e2731183f57af045c3c90cf2aadd42699fd642fc2d3448d89d3a4c90b",
  Spain: "92406493cac03364e1daabcf7c54b80f232884ccf8cb708200aff5322a354472",
  UK: "0cb8ea116988e574d4161bcde51013d2896e5d412f593dc4ad80afe9c8ba01c6",
  US: "a9da7f3ad4f4c90b7460e1e66be63d1910212fa35678f92778b81b279472ed6a",
  West_Java: "7d34d20b711b99da57a6d0351d381f7a7fa79d69f49abd64829b27aeebde0868",
};
const NEURON = ["Food", "Work life", "Sport"] as const;
const TEST = ["Education", "Family", "Holidays/Celebration/Leisure"] as const;
const LABELS = ["A", "B", "C", "D"] as const;
const PREFILL = '{"answer_choice":"';

const Params = z.strictObject({
  protocol: z.enum(["culnig"]).default("culnig"),
  topics: z.enum(["test", "neuron", "all"]).default("test"),
  filter: z.enum(["strict", "loose"]).default("strict"),
  /** "letters" (undefined) or "cloze". */
  format: z.enum(["letters", "cloze"]).optional().transform((word) => word === "cloze" ? word : undefined),
  /** Only pairs of these; default all 16. */
  countries: z.array(z.enum(Object.keys(COUNTRIES))).min(1).optional(),
  /** Of the options: drawn, or as BLEnD sorts them. */
  order: z.enum(["seeded", "alphabetical"]).default("seeded"),
  seed: z.int().min(0).default(0),
  orders: OrdersParam,
  ask: AskParam,
  country: CountryParam,
  chat: ChatParam,
}).refine(
  ({ format, order, orders }) => format === undefined || (order === "seeded" && orders === undefined),
  {
    path: ["format"],
    message: "a cloze shows no options to put in other orders",
  },
);
type Params = z.output<typeof Params>;

const Answer = z.looseObject({ en_answers: z.array(z.string()), count: z.int() });
const Entry = z.looseObject({
  en_question: z.string(),
  annotations: z.array(Answer),
  /** Votes for "not-applicable", "idk", "no-answer" and remarks instead of an answer. */
  idks: z.record(z.string(), z.int()).refine((idks) => "not-applicable" in idks, "a count of not-applicable"),
});
type Entry = z.output<typeof Entry>;
const Entries = z.record(z.string(), Entry);
const Question = z.looseObject({ ID: z.string(), Topic: z.enum([...NEURON, ...TEST]) });
/** By country, then question id. */
type Annotations = ReadonlyMap<string, Readonly<Record<string, Entry>>>;

export default defineBenchmark({
  name: "blend",
  version: "1",
  title: "BLEnD multiple choice",
  licence: "CC BY-SA 4.0",
  source: "Myung et al., NeurIPS 2024 Datasets and Benchmarks, https://github.com/nlee0212/BLEnD",
  params: Params,
  evaluator: "multiple_choice",
  metric: ({ format }) => format === "cloze" ? "acc_norm" : "exact_match",
  files: () => [
    {
      key: "questions",
      names: ["questions/US_questions.csv", "US_questions.csv"],
      sha256: "d60b5643974af6084a5db9d727f01db21c487c1231bc21e07315900a43eff8e0",
    },
    ...Object.entries(COUNTRIES).map(([country, sha256]) => ({
      key: country,
      names: [`annotations/${country}_data.json`, `${country}_data.json`],
      sha256,
    })),
  ],
  load(files, params): ChoiceItem[] {
    const all: Annotations = new Map(
      Object.keys(COUNTRIES).map((c) => [c, jsonDocument(files[c]!, Entries)]),
    );
    return csvRows(files.questions!, Question).flatMap(({ ID, Topic }) => {
      const role = (NEURON as readonly string[]).includes(Topic) ? "localise" : "report";
      if (params.topics !== "all" && (params.topics === "neuron") !== (role === "localise")) return [];
      const lacking = all.keys().find((country) => all.get(country)![ID] === undefined);
      if (lacking !== undefined) {
        throw new UserError(
          `Cannot read ${files[lacking]!.path}: question ${ID} is missing, wanted every question`,
        );
      }
      if (params.filter === "strict" && ![...all.values()].every((entries) => isAnswered(entries[ID]!))) {
        return [];
      }
      const { countries = [...all.keys()] } = params;
      return countries.flatMap((country) => pairItems(all, { country, id: ID, topic: Topic, role }, params));
    });
  },
});

/** BLEnD's filter of questions, for one country. */
function isAnswered({ annotations, idks: { "not-applicable": notApplicable = 0, ...idks } }: Entry): boolean {
  const unanswered = Object.values(idks).reduce((sum, count) => sum + count, 0);
  return topVotes(annotations) >= 2 && notApplicable === 0 && unanswered <= 2;
}

interface Pair {
  readonly country: string;
  readonly id: string;
  readonly topic: string;
  readonly role: ChoiceItem["role"];
}

/** The items of one question in one country; none where the country does not agree or three wrong options are not to be had. */
function pairItems(all: Annotations, { country, id, topic, role }: Pair, params: Params): ChoiceItem[] {
  const { en_question, annotations } = all.get(country)![id]!;
  const votes = topVotes(annotations);
  const wrong = votes < 2
    ? undefined
    : distractors(all, { country, id, form: formOf(en_question) }, params.seed);
  if (wrong === undefined) return [];
  const right = annotations.filter(({ count }) => count === votes)
    .flatMap((answer) => answersOf(answer, formOf(en_question)).slice(0, 1));
  const unique = right.filter((text, i) =>
    right.findIndex((other) => other.toLowerCase() === text.toLowerCase()) === i
  );
  const { ask, chat, format } = params;
  const asked = params.country === "swapped"
    ? otherCountry([...all.keys()], { country, id }, params.seed)
    : country;
  const question = questionIn(asked, { question: en_question, country, id });
  return unique.flatMap((text, i) => {
    const item = `${id}/${country}/${i}`;
    const first = firstOrder([text, ...wrong], item, params);
    return inOrders({ options: first, gold: first.indexOf(text) }, params.orders, ({ options, gold }) => ({
      id: armId(format === undefined ? item : `${item}/${format}`, { ask, country: params.country, chat }),
      role,
      clusters: { question: id, country },
      content: [en_question.replace(/\(Provide .*$/s, ""), ...first].join("\n"),
      ...format === "cloze" ? cloze(question, options, params) : lettered(question, options, params),
      gold,
      doc: { ID: id, country, topic, en_question, votes, options, ...(asked !== country && { asked }) },
    }));
  });
}

type Shown = Pick<ChoiceItem, "prompt" | "continuations" | "labels" | "oneToken">;

function lettered(question: string, options: readonly string[], { ask, chat }: Params): Shown {
  const message = promptOf((shown) => wording(shown, options), question, ask);
  const prompt = prefilledPrompt(message, PREFILL, chat ?? true);
  return { prompt, continuations: LABELS, labels: LABELS, oneToken: true };
}

function cloze(question: string, options: readonly string[], { ask, chat }: Params): Shown {
  const render = (shown: string) => `${shown}\nAnswer in one word or a few, not in a sentence.`;
  const message = promptOf(render, question, ask);
  return { ...labelPrompt(message, options, chat ?? true), labels: options };
}

/** Who stands in for a country in a question. */
function otherCountry(
  countries: readonly string[],
  { country, id }: Pick<Pair, "country" | "id">,
  seed: number,
): string {
  const other = derangement(countries.length, createRandom(`${seed}/blend/country/${id}`));
  return countries[other[countries.indexOf(country)]!]!;
}

/** The question as it is shown, of the country itself or of another. @throws {UserError} where another is wanted and it names none. */
function questionIn(
  asked: string,
  { question, country, id }: Pick<Pair, "country" | "id"> & { readonly question: string },
): string {
  const own = new RegExp(`\\b(?:the )?${nameOf(country)}\\b`, "g");
  const plain = question.replace(/\(Provide .*$/s, "").trim();
  if (asked !== country && !own.test(plain)) {
    throw new UserError(
      `Cannot swap the country of question ${id}: ${JSON.stringify(plain)} does not name ${
        nameOf(country)
      }, wanted its name`,
    );
  }
  const named = asked === country ? plain : plain.replaceAll(own, nameOf(asked));
  return named.replace(/\b(?:the )?(US|UK)\b/g, "the $1");
}

function nameOf(country: string): string {
  return country.replaceAll("_", " ");
}

/** Three wrong options, or undefined. */
function distractors(
  all: Annotations,
  { country, id, form }: { readonly country: string; readonly id: string; readonly form: RegExp },
  seed: number,
): string[] | undefined {
  const own = all.get(country)![id]!.annotations.flatMap((answer) => answersOf(answer));
  const candidates = [...all].filter(([other]) => other !== country).flatMap(([other, entries]) =>
    entries[id]!.annotations.filter(({ count }) => count >= 2).flatMap((answer) =>
      answersOf(answer, form).map((text) => ({ other, text, count: answer.count }))
    )
  );
  const drawn = createRandom(`${seed}/blend/distractors/${id}/${country}`).shuffle(candidates)
    .sort((a, b) => b.count - a.count);
  const chosen: { other: string; text: string }[] = [];
  for (const { other, text } of drawn) {
    if (chosen.length === 3) break;
    const taken = [...own, ...chosen.map((each) => each.text)];
    if (chosen.some((each) => each.other === other) || taken.some((each) => clash(each, text))) continue;
    chosen.push({ other, text });
  }
  return chosen.length === 3 ? chosen.map(({ text }) => text) : undefined;
}

/** As they are shown first. */
function firstOrder(options: readonly string[], item: string, { order, seed }: Params): string[] {
  if (order === "alphabetical") return [...options].sort();
  return createRandom(`${seed}/blend/order/${item}`).shuffle(options);
}

function wording(question: string, options: readonly string[]): string {
  const lines = options.map((text, i) => `${LABELS[i]}. ${text}`).join("\n");
  return `${question}\nExactly one of the options is right. Do not explain; write its letter (A, B, C or D) as JSON, in the form ` +
    `{"answer_choice":"LETTER"}.\n\n${lines}\n\nAnswer:`;
}

/** What an answer to the question must look like, in full. */
function formOf(question: string): RegExp {
  if (question.includes("HH:MM")) return /^\d{1,2}:\d{2}$/;
  if (question.includes("MM/DD")) return /^\d{1,2}\/\d{1,2}$/;
  return question.includes("Arabic numerals") ? /^\d+(\.\d+)?$/ : /./s;
}

function answersOf({ en_answers }: z.output<typeof Answer>, form = /./s): string[] {
  return en_answers.map((text) => text.trim()).filter((text) => form.test(text));
}

function topVotes(annotations: Entry["annotations"]): number {
  return Math.max(0, ...annotations.map(({ count }) => count));
}

/** Whether two options may not stand side by side. */
function clash(one: string, two: string): boolean {
  const [a, b] = [one.toLowerCase(), two.toLowerCase()];
  const words = new Set(a.split(/[ /]+/).filter((word) => word !== ""));
  return a.includes(b) || b.includes(a) || b.split(/[ /]+/).some((word) => words.has(word));
}
