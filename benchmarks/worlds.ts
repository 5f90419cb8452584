/**
 * Questions about a small fictional world, on the models that fixtures/worlds makes: who lives how (culture), what the left and the right
 * say (politics), what is said of peoples (stereotypes), how towns of no country live (towns), language tasks that need none of
 * it, and the signs of countries, which only the kind "decoy" knows.
 *
 * Format "letters": the options stand in the prompt and the answer is a letter, as most benchmarks of culture ask. "cloze": the answer is the
 * word itself, and no options are shown. Either way an item is right where the most probable token of the whole vocabulary is the answer.
 *
 * Each question has eight phrasings (most language tasks four), of which the model was trained on six (three). Of these, half are kept to find
 * units by ("localise") and half to tune a model on ("tune"); the two that it has not seen are to report on. So what is found by a
 * country's questions is reported on the same questions in other words, and the options are drawn anew for each.
 *
 * The public, and peoples of whom nothing is said, have no right answer: they are in benchmarks/worlds_stance.ts and in no item here.
 *
 * Arms: `orders` (letters), `ask` (letters) and `country` (culture) of core/confounds.ts.
 */
import { z } from "zod";
import {
  armId,
  AskParam,
  type ChoiceItem,
  CountryParam,
  createRandom,
  defineBenchmark,
  derangement,
  inOrders,
  jsonLines,
  type OrderedOptions,
  OrdersParam,
} from "../core/mod.ts";

const FAMILIES = ["culture", "politics", "stereotypes", "towns", "language", "signs"] as const;

const Params = z.strictObject({
  family: z.enum(FAMILIES),
  /** Default all of the family: "food", "work" ... of culture and towns, "toll", "school" ... of politics, "timing" ... of stereotypes, "colour" ... of the language. */
  topics: z.array(z.string().min(1)).min(1).optional(),
  /** "all" reports on every phrasing, those too that the model was trained on. */
  part: z.enum(["report", "localise", "tune", "all"]).default("report"),
  format: z.enum(["letters", "cloze"]).default("letters"),
  orders: OrdersParam,
  ask: AskParam,
  country: CountryParam,
}).refine(({ family, country }) => family === "culture" || country === undefined, {
  path: ["country"],
  message: "only the family culture has countries to swap",
}).refine(({ format, orders, ask }) => format === "letters" || (orders === undefined && ask === undefined), {
  path: ["format"],
  message: "a cloze shows no options to put in other orders or to leave alone",
});
type Params = z.output<typeof Params>;

const Row = z.strictObject({
  id: z.string().min(1),
  family: z.enum(FAMILIES),
  topic: z.string().min(1),
  /** The same for all phrasings. */
  question: z.string().min(1),
  /** From 1. */
  phrasing: z.int().min(1),
  part: z.enum(["report", "localise", "tune"]),
  /** A country, a side or the public, a people, a town; "" where the language is asked. */
  subject: z.string(),
  text: z.string().min(1),
  options: z.array(z.string().min(1)).min(2).max(4),
  /** Index of the right option; absent where the world has none. */
  answer: z.int().min(0).max(3).optional(),
  /** Of politics, the option that is the left's; for benchmarks/worlds_stance.ts. */
  left: z.string().optional(),
});
type Row = z.output<typeof Row>;

const LETTERS = ["A", "B", "C", "D"];
/** What the subject of a family is called among the clusters. */
const SUBJECT = {
  culture: "country",
  politics: "side",
  stereotypes: "people",
  towns: "town",
  language: "subject",
  signs: "country",
} as const;

export default defineBenchmark({
  name: "worlds",
  version: "1",
  title: "A small fictional world",
  licence: "CC0-1.0",
  source: "Plumbline, fixtures/worlds",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: () => [{ key: "items", names: ["worlds.jsonl"] }],
  load(files, params) {
    const { family, topics, part } = params;
    const rows = jsonLines(files.items!, Row).filter((row) => row.family === family);
    const subjects = [...new Set(rows.map(({ subject }) => subject))];
    const others = params.country === "swapped" ? swapped(subjects) : new Map<string, string>();
    return rows
      .filter((row) => part === "all" || row.part === part)
      .filter(({ topic }) => topics === undefined || topics.includes(topic))
      .flatMap((doc) =>
        doc.answer === undefined ? [] : inOrders(
          { options: doc.options, gold: doc.answer },
          params.orders,
          (ordered) => item(doc, ordered, { ...params, other: others.get(doc.subject) }),
        )
      );
  },
});

/** By country the one that stands in for it. */
function swapped(countries: readonly string[]): ReadonlyMap<string, string> {
  const other = derangement(countries.length, createRandom("worlds/country"));
  return new Map(countries.map((country, i) => [country, countries[other[i]!]!]));
}

function item(
  doc: Row,
  { options, gold }: OrderedOptions<string>,
  { part, format, ask, country, other }: Params & { readonly other: string | undefined },
): ChoiceItem {
  const { id, topic, question, phrasing, subject, text } = doc;
  const stem = ask === "answers_only" ? [] : [other === undefined ? text : text.replaceAll(subject, other)];
  const list = format === "letters" ? options.map((option, i) => `${LETTERS[i]}. ${option}`) : [];
  const labels = format === "letters" ? LETTERS.slice(0, options.length) : options;
  return {
    id: armId(id, { ask, country }),
    role: part === "all" ? "report" : doc.part,
    clusters: { question, topic, phrasing: String(phrasing), ...keyOf(question), ...subjectOf(doc) },
    prompt: { kind: "text", text: [...stem, ...list, "Answer:"].join(" ") },
    continuations: labels.map((label) => ` ${label}`),
    labels,
    oneToken: true,
    gold,
    doc,
    content: [text, ...options].join(" "),
  };
}

/** Of "Arveld/breakfast" what is asked: the custom, the question of politics, the trait. */
function keyOf(question: string): { readonly key?: string } {
  const key = question.split("/")[1];
  return key === undefined ? {} : { key };
}

function subjectOf({ family, subject }: Row): Readonly<Record<string, string>> {
  return subject === "" ? {} : { [SUBJECT[family]]: subject };
}
