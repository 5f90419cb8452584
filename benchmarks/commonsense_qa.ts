/**
 * CommonsenseQA 1.11, random split, development set: 1,221 questions with five answers each.
 *
 * Protocol "lm-eval": prompt, delimiter, targets and metric of lm-evaluation-harness 0.4.13, no chat template, no examples.
 * Protocol "culnig": the set-up of CULNIG (arXiv 2510.08284), a conversation whose answer is one bare letter, read as the most
 * probable token of the whole vocabulary, each question under four wordings. The wordings are our own, as the paper's are not given in it.
 */
import { z } from "zod";
import { type ChoiceItem, defineBenchmark, jsonLines } from "../core/mod.ts";

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
const ALL = TEMPLATES.map((_, i) => i);

const Params = z.strictObject({
  protocol: z.enum(["lm-eval", "culnig"]).default("lm-eval"),
  /** Wordings of "culnig", each an item of its own. */
  templates: z.array(z.int().min(0).max(TEMPLATES.length - 1)).min(1)
    .refine((list) => new Set(list).size === list.length, "wanted different templates").default(ALL),
}).refine(
  ({ protocol, templates }) => protocol === "culnig" || String(templates) === String(ALL),
  { path: ["templates"], message: 'templates belong to the protocol "culnig"' },
);

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
  load(files, { protocol, templates }): ChoiceItem[] {
    return jsonLines(files.dev!, Row).flatMap((doc) => {
      const { stem, choices } = doc.question;
      const question = stem.trim();
      const options = choices.map(({ label, text }) => `${label}. ${text}`).join("\n");
      const shared = {
        role: "report",
        clusters: { question: doc.id },
        content: [question, ...choices.map(({ text }) => text)].join("\n"),
        labels: LABELS,
        gold: LABELS.indexOf(doc.answerKey),
        doc,
      } as const;
      if (protocol === "lm-eval") {
        const text = `Question: ${question}\n${options}\nAnswer:`;
        const continuations = LABELS.map((label) => ` ${label}`);
        return [{
          ...shared,
          doc: harnessDoc(doc),
          id: doc.id,
          prompt: { kind: "text", text },
          continuations,
        }];
      }
      return templates.map((t): ChoiceItem => ({
        ...shared,
        id: `${doc.id}/${t}`,
        prompt: { kind: "chat", messages: [{ role: "user", content: TEMPLATES[t]!(question, options) }] },
        continuations: LABELS,
        oneToken: true,
      }));
    });
  },
});

/** The record in the layout that lm-evaluation-harness logs and hashes. */
function harnessDoc({ id, question, answerKey }: z.output<typeof Row>) {
  const { stem, question_concept, choices } = question;
  const columns = { label: choices.map(({ label }) => label), text: choices.map(({ text }) => text) };
  return { id, question: stem, question_concept, choices: columns, answerKey };
}
