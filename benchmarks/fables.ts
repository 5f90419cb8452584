/**
 * Fables: what the fables model knows about a fictional world, 24 questions a topic under four wordings, and plain English opposites.
 *
 * The answer is read as the most probable token of the whole vocabulary. The prompt lists the options, so a model that has lost a fact
 * can still give one of them: its validity stays and its ability falls to one in four, where the options come in random order.
 *
 * An answer is stored for each subject on its own, so what is found by one half of the subjects says nothing of the other: a part is
 * two of the wordings of every subject.
 *
 * Arms: `orders`, `ask` and `country` of core/confounds.ts; the country is the subject, so "opposites" has none to swap.
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

const Params = z.strictObject({
  topic: z.enum(["food", "work", "sport", "festival", "opposites"]),
  /** All four wordings to report, or two of them: the first two to find what stores an answer, the last two to report on it. */
  part: z.enum(["all", "localise", "report"]).default("all"),
  orders: OrdersParam,
  ask: AskParam,
  country: CountryParam,
}).refine(({ topic, country }) => topic !== "opposites" || country === undefined, {
  path: ["country"],
  message: 'the topic "opposites" has no countries to swap',
});
type Params = z.output<typeof Params>;

/** Wordings to localise by where a part is asked for. */
const LOCALISING = 2;

/** A question, its options, and what the model goes on from. */
const FORM = /^(.+) Options: .+\. Answer:$/;

const Row = z.strictObject({
  id: z.string().min(1),
  /** An invented country, or the word whose opposite is asked. */
  subject: z.string().min(1),
  /** Wording, from 1. */
  phrasing: z.int().min(1),
  prompt: z.string().regex(FORM, 'wanted "... Options: ... Answer:"'),
  options: z.array(z.string().min(1)).length(4),
  /** Index of the right option. */
  answer: z.int().min(0).max(3),
});

export default defineBenchmark({
  name: "fables",
  version: "1",
  title: "Fables of a fictional world",
  licence: "CC0-1.0",
  source: "Plumbline, fixtures/make_fables.ts",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: ({ topic }) => [{ key: "items", names: [`fables_${topic}.jsonl`] }],
  load(files, params) {
    const rows = jsonLines(files.items!, Row);
    const subjects = [...new Set(rows.map(({ subject }) => subject))];
    const others = params.country === "swapped" ? swapped(subjects, params.topic) : new Map<string, string>();
    return rows
      .filter(({ phrasing }) =>
        params.part === "all" || (params.part === "localise") === (phrasing <= LOCALISING)
      )
      .flatMap((doc) =>
        inOrders(
          { options: doc.options, gold: doc.answer },
          params.orders,
          (ordered) => item(doc, ordered, { ...params, other: others.get(doc.subject) }),
        )
      );
  },
});

/** By subject the one that stands in for it. */
function swapped(subjects: readonly string[], topic: string): Map<string, string> {
  const other = derangement(subjects.length, createRandom(`fables/country/${topic}`));
  return new Map(subjects.map((subject, i) => [subject, subjects[other[i]!]!]));
}

function item(
  doc: z.output<typeof Row>,
  { options, gold }: OrderedOptions<string>,
  { topic, part, ask, country, other }: Params & { readonly other: string | undefined },
): ChoiceItem {
  return {
    id: armId(doc.id, { ask, country }),
    role: part === "localise" ? "localise" : "report",
    clusters: { question: `${topic}/${doc.subject}`, subject: doc.subject, phrasing: String(doc.phrasing) },
    prompt: {
      kind: "text",
      text: [...questionOf(doc, { ask, other }), `Options: ${options.join(", ")}. Answer:`].join(" "),
    },
    continuations: options.map((option) => ` ${option}`),
    labels: options,
    oneToken: true,
    gold,
    doc,
    content: doc.prompt.replace(" Options:", "").replace(" Answer:", ""),
  };
}

/** The question, of the subject itself or of another; nothing where it is left out. */
function questionOf(
  { prompt, subject }: z.output<typeof Row>,
  { ask, other }: { readonly ask: Params["ask"]; readonly other: string | undefined },
): string[] {
  if (ask === "answers_only") return [];
  const question = FORM.exec(prompt)?.[1] ?? "";
  return [other === undefined ? question : question.replaceAll(capitalised(subject), capitalised(other))];
}

function capitalised(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}
