/**
 * CulturalBench-Easy: 1,227 questions about the cultures of 45 regions, each with four options, written and checked by people from there.
 *
 * Protocol "culnig": the set-up of CULNIG (arXiv 2510.08284), a conversation whose answer is one bare letter, read as the most probable token of
 * the whole vocabulary, each question under four wordings of our own. As in the authors' program (github.com/ynklab/CULNIG, MIT) Python's
 * generator, seeded by number and wording of the question, shuffles the options. A wording's text is part of the seed, so options stand in other
 * orders than in the paper.
 *
 * Arms: `orders`, `ask` and `chat` of core/confounds.ts, `template` or `templates`.
 */
import { z } from "zod";
import {
  armId,
  AskParam,
  ChatParam,
  type ChoiceItem,
  chosenTemplates,
  countryCluster,
  csvRows,
  defineBenchmark,
  filledTemplate,
  inOrders,
  labelPrompt,
  OrdersParam,
  promptOf,
  pythonRandomOf,
  templateParams,
} from "../core/mod.ts";

const LABELS = ["A", "B", "C", "D"] as const;
/** Own wordings. `{options}` becomes a line an option, "A. text"; the question stands on a line of its own. */
const TEMPLATES = [
  "Question: {question}\n{options}\n\nWrite the letter of the right option, A, B, C or D, without any other word.",
  "{question}\n\n{options}\n\nWhich of the four is it? Your whole reply must be one letter from A to D.",
  "Below are a question about how people live somewhere and four answers. Give the letter of the true one (A, B, C or D) and no explanation." +
  "\n\n{question}\n\n{options}\n\nAnswer:",
  "Choose from A to D.\n\nQ: {question}\n\nOptions:\n{options}\n\nDo not repeat the option, reply with a single letter.",
] as const;

const Params = z.strictObject({
  protocol: z.enum(["culnig"]).default("culnig"),
  ...templateParams(TEMPLATES.length),
  orders: OrdersParam,
  ask: AskParam,
  chat: ChatParam,
}).transform(chosenTemplates(TEMPLATES.length));
type Params = z.output<typeof Params>;

const Row = z.looseObject({
  data_idx: z.string().min(1),
  question_idx: z.string().min(1),
  prompt_question: z.string().min(1),
  prompt_option_a: z.string(),
  prompt_option_b: z.string(),
  prompt_option_c: z.string(),
  prompt_option_d: z.string(),
  answer: z.string().transform((letter) => letter.toUpperCase()).pipe(z.enum(LABELS)),
  country: z.string().min(1),
});
type Row = z.output<typeof Row>;

export default defineBenchmark({
  name: "cultural_bench",
  version: "1",
  title: "CulturalBench-Easy",
  licence: "CC BY 4.0",
  source: "Chiu et al., ACL 2025, https://huggingface.co/datasets/kellycyy/CulturalBench",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: () => [{ key: "questions", names: ["CulturalBench-Easy.csv"] }],
  load(files, params): ChoiceItem[] {
    return csvRows(files.questions!, Row).flatMap((row) =>
      params.templates.flatMap((t) => choices(row, t, params))
    );
  },
});

/** The items of one question in one wording. */
function choices(row: Row, t: number, { orders, ask, chat }: Params): ChoiceItem[] {
  const template = TEMPLATES[t]!, question = row.prompt_question.trim();
  const texts = [row.prompt_option_a, row.prompt_option_b, row.prompt_option_c, row.prompt_option_d];
  // Places are shuffled, not texts, so that the right one is found where two texts are alike.
  const places = pythonRandomOf(`${row.data_idx}_${template}`).shuffle([0, 1, 2, 3]);
  const first = { options: places.map((at) => texts[at]!), gold: places.indexOf(LABELS.indexOf(row.answer)) };
  return inOrders(first, orders, ({ options, gold }) => {
    const lines = options.map((text, i) => `${LABELS[i]}. ${text}`).join("\n");
    const message = promptOf(
      (shown) => filledTemplate(template, { question: shown, options: lines }),
      question,
      ask,
    );
    return {
      id: armId(`${row.data_idx}/${t}`, { ask, chat }),
      role: "report",
      clusters: { question: row.question_idx, country: countryCluster(row.country) },
      content: [question, ...texts].join("\n"),
      ...labelPrompt(message, LABELS, chat ?? true),
      labels: LABELS,
      oneToken: true,
      gold,
      doc: { data_idx: row.data_idx, country: row.country, template: t, question, options },
    };
  });
}
