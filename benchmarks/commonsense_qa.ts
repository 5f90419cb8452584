/**
 * CommonsenseQA 1.11, random split, development set: 1,221 questions with five answers each.
 *
 * Protocol "lm-eval": prompt, delimiter, targets and metric of lm-evaluation-harness 0.4.13, no chat template, no examples.
 * Protocol "culnig": the set-up of CULNIG (arXiv 2510.08284), a conversation whose answer is one bare letter, read as the most
 * probable token of the whole vocabulary, each question under four wordings. The wordings are our own, as the paper's are not given in it.
 *
 * Arms: `orders`, `ask` and `chat` of core/confounds.ts, `template` or `templates` of "culnig".
 */
import { z } from "zod";
import {
  armId,
  type ChoiceItem,
  chosenProtocol,
  defineBenchmark,
  inOrders,
  jsonLines,
  labelPrompt,
  OrdersParam,
  promptOf,
  protocolParams,
} from "../core/mod.ts";

const LABELS = ["A", "B", "C", "D", "E"] as const;

/** Own wordings. `options` holds a line an option, "A. text". */
const TEMPLATES: readonly ((question: string, options: string) => string)[] = [
  (question, options) =>
    `Answer this question by writing one letter (A, B, C, D or E) and nothing else.\n\n` +
    `Question: ${question}\n${options}`,
  (question, options) =>
    `${question}\n\n${options}\n\nWhich of the five fits best? Write its letter only, without a word of explanation.`,
  (question, options) =>
    `Below are a question of everyday common sense and five possible answers. Your whole reply must be the letter of the ` +
    `most sensible one.\n\n${question}\n\n${options}\n\nAnswer:`,
  (question, options) =>
    `Choose from A to E.\n\nQ: ${question}\n\nOptions:\n${options}\n\nDo not repeat the option, reply with a single letter.`,
];
const harness = (question: string, options: string) => `Question: ${question}\n${options}\nAnswer:`;

const Params = z.strictObject({
  ...protocolParams(TEMPLATES.length),
  orders: OrdersParam,
}).transform(chosenProtocol(TEMPLATES.length));

const Row = z.looseObject({
  id: z.string(),
  answerKey: z.enum(LABELS),
  question: z.looseObject({
    stem: z.string(),
    question_concept: z.string(),
    choices: z.tuple([choice("A"), choice("B"), choice("C"), choice("D"), choice("E")]),
  }),
});

function choice<L extends string>(label: L) {
  return z.looseObject({ label: z.literal(label), text: z.string() });
}

export default defineBenchmark({
  name: "commonsense_qa",
  version: "1",
  title: "CommonsenseQA",
  licence: "MIT",
  source: "Talmor et al., NAACL 2019, https://www.tau-nlp.sites.tau.ac.il/commonsenseqa",
  params: Params,
  evaluator: "multiple_choice",
  metric: ({ protocol }) => protocol === "lm-eval" ? "acc" : "exact_match",
  files: () => [{
    key: "dev",
    names: ["dev_rand_split.jsonl"],
    sha256: "3210497fdaae614ac085d9eb873dd7f4d49b6f965a93adadc803e1229fd8a02a",
  }],
  load(files, { protocol, templates, orders, ask, chat }): ChoiceItem[] {
    const isHarness = protocol === "lm-eval";
    const wordings = isHarness
      ? [{ suffix: "", render: harness }]
      : templates.map((t) => ({ suffix: `/${t}`, render: TEMPLATES[t]! }));
    return jsonLines(files.dev!, Row).flatMap((row) => {
      const question = row.question.stem.trim();
      const texts = row.question.choices.map(({ text }) => text);
      const content = [question, ...texts].join("\n");
      return wordings.flatMap(({ suffix, render }) =>
        inOrders({ options: texts, gold: LABELS.indexOf(row.answerKey) }, orders, ({ options, gold }) => {
          const lines = options.map((text, i) => `${LABELS[i]}. ${text}`).join("\n");
          const message = promptOf((asked) => render(asked, lines), question, ask);
          const doc = reordered(row, options, gold);
          return {
            role: "report",
            clusters: { question: row.id },
            content,
            labels: LABELS,
            gold,
            doc: isHarness ? harnessDoc(doc) : doc,
            id: armId(`${row.id}${suffix}`, { ask, chat }),
            ...labelPrompt(message, LABELS, chat ?? !isHarness),
            ...(!isHarness && { oneToken: true }),
          };
        })
      );
    });
  },
});

/** The record with its options in another order. */
function reordered(row: z.output<typeof Row>, options: readonly string[], gold: number) {
  const choices = row.question.choices.map((each, i) => ({ ...each, text: options[i]! }));
  return { ...row, answerKey: LABELS[gold]!, question: { ...row.question, choices } };
}

/** The record in the layout that lm-evaluation-harness logs and hashes. */
function harnessDoc({ id, question, answerKey }: ReturnType<typeof reordered>) {
  const { stem, question_concept, choices } = question;
  const columns = { label: choices.map(({ label }) => label), text: choices.map(({ text }) => text) };
  return { id, question: stem, question_concept, choices: columns, answerKey };
}
