/**
 * QNLI of GLUE, development set: 5,463 pairs of a question and a sentence that answers it or does not.
 *
 * Protocol "lm-eval": prompt, delimiter, targets and metric of lm-evaluation-harness 0.4.13, no chat template, no examples; "yes" is
 * the class entailment. Protocol "culnig": the set-up of CULNIG (arXiv 2510.08284), a conversation whose answer is 0 (entailment) or 1,
 * read as the most probable token of the whole vocabulary, each pair under four wordings of our own.
 *
 * 1,363 pairs ask a question that another pair asks too, so pairs of one question are one cluster.
 *
 * Arms: `ask` and `chat` of core/confounds.ts, `template` or `templates` of "culnig". Without the question the sentence is still there. The
 * answers are no list in the prompt, so there are no other orders of them.
 */
import { z } from "zod";
import {
  armId,
  type ChoiceItem,
  chosenProtocol,
  defineBenchmark,
  labelPrompt,
  promptOf,
  protocolParams,
  tsvRows,
} from "../core/mod.ts";

const CLASSES = ["entailment", "not_entailment"] as const;
/** How "culnig" names them. */
const DIGITS = ["0", "1"] as const;

/** Own wordings. */
const TEMPLATES: readonly ((question: string, sentence: string) => string)[] = [
  (question, sentence) =>
    `Does the sentence contain the answer to the question? Write 0 if it does and 1 if it does not, and nothing else.\n\n` +
    `Question: ${question}\nSentence: ${sentence}`,
  (question, sentence) =>
    `Sentence: ${sentence}\nQuestion: ${question}\n\n` +
    `0 means that the question can be answered from the sentence, 1 that it cannot. Reply with one digit only.`,
  (question, sentence) =>
    `You are given a question and a sentence. Decide between two labels.\n0: the sentence answers the question\n` +
    `1: the sentence does not answer the question\n\n${question}\n${sentence}\n\nYour whole reply must be the label:`,
  (question, sentence) =>
    `Q: ${question}\nS: ${sentence}\n\nIs S enough to answer Q? Reply with a single digit, without explanation: 0 for yes, 1 for no.`,
];

const Params = z.strictObject({
  ...protocolParams(TEMPLATES.length),
  /** The train split is to tune on; "dev" (undefined) is to report on. */
  split: z.enum(["dev", "train"]).optional().transform((split) => split === "train" ? split : undefined),
}).transform(chosenProtocol(TEMPLATES.length));

const Row = z.looseObject({
  index: z.string().min(1),
  question: z.string(),
  sentence: z.string(),
  label: z.enum(CLASSES),
});

export default defineBenchmark({
  name: "qnli",
  version: "1",
  title: "QNLI",
  licence: "CC BY-SA 4.0 (from SQuAD)",
  source: "Wang et al., GLUE, ICLR 2019, https://gluebenchmark.com",
  params: Params,
  evaluator: "multiple_choice",
  metric: ({ protocol }) => protocol === "lm-eval" ? "acc" : "exact_match",
  files: ({ split }) => [
    split === "train" ? { key: "train", names: ["QNLI_train.tsv", "QNLI/train.tsv"] } : {
      key: "dev",
      names: ["QNLI_dev.tsv", "QNLI/dev.tsv", "dev.tsv"],
      sha256: "763e95932dd3578251de71582e06829015f9c3815a518c751dc537219b159de4",
    },
  ],
  load(files, { protocol, templates, split, ask, chat }): ChoiceItem[] {
    const own = (index: string) => split === undefined ? index : `${split}/${index}`;
    return tsvRows(files[split ?? "dev"]!, Row).flatMap((doc) => {
      const { index, question, sentence, label } = doc;
      const shared = {
        role: split === "train" ? "tune" : "report",
        clusters: { question },
        content: `${question}\n${sentence}`,
        gold: CLASSES.indexOf(label),
        doc,
      } as const;
      if (protocol === "lm-eval") {
        const render = (asked: string) =>
          `${asked}\n${sentence}\nQuestion: Does this response answer the question?\nAnswer:`;
        const labels = ["yes", "no"];
        return [{
          ...shared,
          // The record and the target in the layout that lm-evaluation-harness logs and hashes.
          doc: { question, sentence, label: shared.gold, idx: Number(index) },
          target: shared.gold,
          id: armId(own(index), { ask, chat }),
          ...labelPrompt(promptOf(render, question, ask), labels, chat ?? false),
          labels,
        }];
      }
      return templates.map((t): ChoiceItem => ({
        ...shared,
        id: armId(`${own(index)}/${t}`, { ask, chat }),
        ...labelPrompt(
          promptOf((asked) => TEMPLATES[t]!(asked, sentence), question, ask),
          DIGITS,
          chat ?? true,
        ),
        labels: DIGITS,
        oneToken: true,
      }));
    });
  },
});
