/**
 * RTE of GLUE, development set: 277 pairs of a text and a statement that follows from it or does not.
 *
 * Protocol "lm-eval": prompt, delimiter, targets and metric of lm-evaluation-harness 0.4.13 (task "rte"), no chat template, no examples;
 * "True" is the class entailment. Protocol "culnig": as in benchmarks/qnli.ts, a conversation whose answer is 0 (entailment) or 1, read as the
 * most probable token of the whole vocabulary, each pair under four wordings of our own.
 *
 * The file is SuperGLUE's JSON Lines, whose development set is GLUE's, or GLUE's own table. Pairs of one text are one cluster.
 *
 * Arms: `ask` and `chat` of core/confounds.ts, `template` or `templates` of "culnig". Under "answers_only" the text is left out and the statement
 * stays: what is right without anything that it could follow from. The answers are no list in the prompt, so there are no other orders of them.
 */
import { z } from "zod";
import {
  armId,
  type ChoiceItem,
  chosenProtocol,
  defineBenchmark,
  filledTemplate,
  type FoundFile,
  jsonLines,
  labelPrompt,
  promptOf,
  protocolParams,
  tsvRows,
} from "../core/mod.ts";

const CLASSES = ["entailment", "not_entailment"] as const;
/** How "lm-eval" names them. */
const WORDS = ["True", "False"] as const;
/** How "culnig" names them. */
const DIGITS = ["0", "1"] as const;
const HARNESS = "{premise}\nQuestion: {hypothesis} True or False?\nAnswer:";
/** Own wordings; the text stands on a line of its own. */
const TEMPLATES = [
  "Does the statement follow from the text? Write 0 if it does and 1 if it does not, and nothing else.\n\n" +
  "Text: {premise}\nStatement: {hypothesis}",
  "Statement: {hypothesis}\nText: {premise}\n\n" +
  "0 means that whoever believes the text must believe the statement, 1 that this is not so. Reply with one digit only.",
  "You are given a text and a statement about it. Decide between two labels.\n0: the text says as much\n" +
  "1: the text does not say so\n\n{premise}\n{hypothesis}\n\nYour whole reply must be the label:",
  "T: {premise}\nS: {hypothesis}\n\n" +
  "Is T enough to conclude S? Reply with a single digit, without explanation: 0 for yes, 1 for no.",
] as const;

const Params = z.strictObject({
  ...protocolParams(TEMPLATES.length),
  /** The train split is to tune on; "dev" (undefined) is to report on. */
  split: z.enum(["dev", "train"]).optional().transform((split) => split === "train" ? split : undefined),
}).transform(chosenProtocol(TEMPLATES.length));

const Label = z.enum(CLASSES);
const Record = z.looseObject({
  idx: z.int(),
  premise: z.string().min(1),
  hypothesis: z.string(),
  label: Label,
});
const Row = z.looseObject({
  index: z.string().min(1),
  sentence1: z.string(),
  sentence2: z.string(),
  label: Label,
});

export default defineBenchmark({
  name: "rte",
  version: "1",
  title: "RTE",
  licence: "none stated (for research)",
  source: "Wang et al., GLUE, ICLR 2019, https://gluebenchmark.com",
  params: Params,
  evaluator: "multiple_choice",
  metric: ({ protocol }) => protocol === "lm-eval" ? "acc" : "exact_match",
  files: ({ split }) => [
    split === "train"
      ? {
        key: "train",
        names: ["RTE_train.jsonl", "RTE/train.jsonl", "RTE_train.tsv", "RTE/train.tsv"],
        sha256: "fdfb03443abe3ec0424b7fc5d1a8863361719bc061338b7a63e56b94d615f201",
      }
      : {
        key: "dev",
        names: ["RTE_val.jsonl", "RTE/val.jsonl", "RTE_dev.tsv", "RTE/dev.tsv"],
        sha256: "ab990507bf5f35dc176cba7770a72bfa2c50a88ed72b8cc95cfbf9db95ab1af1",
      },
  ],
  load(files, { protocol, templates, split, ask, chat }): ChoiceItem[] {
    const own = (index: string) => split === undefined ? index : `${split}/${index}`;
    return pairs(files[split ?? "dev"]!).flatMap(({ index, premise, hypothesis, label }) => {
      const gold = CLASSES.indexOf(label);
      const shared = {
        role: split === "train" ? "tune" : "report",
        clusters: { question: premise },
        content: `${premise}\n${hypothesis}`,
        gold,
        // The record in the layout that lm-evaluation-harness logs and hashes.
        doc: { sentence1: premise, sentence2: hypothesis, label: gold, idx: Number(index) },
      } as const;
      const message = (template: string) =>
        promptOf((shown) => filledTemplate(template, { premise: shown, hypothesis }), premise, ask);
      if (protocol === "lm-eval") {
        return [{
          ...shared,
          target: gold,
          id: armId(own(index), { ask, chat }),
          ...labelPrompt(message(HARNESS), WORDS, chat ?? false),
          labels: WORDS,
        }];
      }
      return templates.map((t): ChoiceItem => ({
        ...shared,
        id: armId(`${own(index)}/${t}`, { ask, chat }),
        ...labelPrompt(message(TEMPLATES[t]!), DIGITS, chat ?? true),
        labels: DIGITS,
        oneToken: true,
      }));
    });
  },
});

interface Pair {
  readonly index: string;
  readonly premise: string;
  readonly hypothesis: string;
  readonly label: typeof CLASSES[number];
}

/** @throws {UserError} naming file and line of a broken record. */
function pairs(file: FoundFile): Pair[] {
  return /^\s*\{/.test(file.text)
    ? jsonLines(file, Record).map(({ idx, ...pair }) => ({ ...pair, index: String(idx) }))
    : tsvRows(file, Row).map(({ index, sentence1, sentence2, label }) => ({
      index,
      premise: sentence1,
      hypothesis: sentence2,
      label,
    }));
}
