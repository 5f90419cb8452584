/**
 * MRPC, the Microsoft Research Paraphrase Corpus of GLUE: pairs of sentences from the news that say the same or do not. The test set, which
 * CULNIG (arXiv 2510.08284) reports on, has 1,725 pairs, GLUE's development set 408.
 *
 * Protocol "culnig": as in benchmarks/qnli.ts, a conversation whose answer is 1 (paraphrase) or 0, read as the most probable token of the whole
 * vocabulary, each pair under four wordings of our own. Copies that spell quotation marks <QUOTE> are read as if they did not.
 *
 * GLUE's own test file has no labels; those of `split` "test" are in the corpus itself.
 *
 * Arms: `ask` and `chat` of core/confounds.ts, `template` or `templates`. Under "answers_only" the first sentence is left out. The answers are no
 * list in the prompt, so there are no other orders of them.
 */
import { z } from "zod";
import {
  armId,
  AskParam,
  ChatParam,
  type ChoiceItem,
  chosenTemplates,
  defineBenchmark,
  filledTemplate,
  labelPrompt,
  promptOf,
  templateParams,
  tsvRows,
} from "../core/mod.ts";

const DIGITS = ["0", "1"] as const;
/** Own wordings; the first sentence stands on a line of its own. */
const TEMPLATES = [
  "Do these two sentences say the same? Write 1 if they do and 0 if they do not, and nothing else.\n\n" +
  "First: {first}\nSecond: {second}",
  "Sentence A: {first}\nSentence B: {second}\n\n" +
  "1 means that A and B are two ways to put one thing, 0 that they are not. Reply with one digit only.",
  "You are given two sentences from the news. Decide between two labels.\n0: their meanings differ\n" +
  "1: one is a paraphrase of the other\n\n{first}\n{second}\n\nYour whole reply must be the label:",
  "1. {first}\n2. {second}\n\nCould the second stand in place of the first without a change of what is said? " +
  "Reply with a single digit, without explanation: 0 for no, 1 for yes.",
] as const;

const FILES = {
  test: {
    names: ["msr_paraphrase_test.txt", "MRPC_test.tsv", "MRPC/test.tsv"],
    sha256: "cae7a353acddbc85899caece3a83f21659223c14f3cbcb9871ed0be74378fd56",
  },
  dev: { names: ["MRPC_dev.tsv", "MRPC/dev.tsv"] },
} as const;

const Params = z.strictObject({
  protocol: z.enum(["culnig"]).default("culnig"),
  split: z.enum(["test", "dev"]).default("test"),
  ...templateParams(TEMPLATES.length),
  ask: AskParam,
  chat: ChatParam,
}).transform(chosenTemplates(TEMPLATES.length));

const Row = z.looseObject({
  Quality: z.enum(DIGITS),
  "#1 ID": z.string().min(1),
  "#2 ID": z.string().min(1),
  "#1 String": z.string(),
  "#2 String": z.string(),
});

export default defineBenchmark({
  name: "mrpc",
  version: "1",
  title: "MRPC",
  licence: "Microsoft Research's own (for research)",
  source: "Dolan and Brockett, IWP 2005, https://www.microsoft.com/en-us/download/details.aspx?id=52398",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: ({ split }) => [{ key: split, ...FILES[split] }],
  load(files, { split, templates, ask, chat }): ChoiceItem[] {
    return tsvRows(files[split]!, Row).flatMap((row) => {
      const [first, second] = [plain(row["#1 String"]), plain(row["#2 String"])];
      const id = `${row["#1 ID"]}-${row["#2 ID"]}`;
      return templates.map((t): ChoiceItem => {
        const message = promptOf(
          (shown) => filledTemplate(TEMPLATES[t]!, { first: shown, second }),
          first,
          ask,
        );
        return {
          id: armId(`${id}/${t}`, { ask, chat }),
          role: "report",
          clusters: { question: id },
          content: `${first}\n${second}`,
          ...labelPrompt(message, DIGITS, chat ?? true),
          labels: DIGITS,
          oneToken: true,
          gold: DIGITS.indexOf(row.Quality),
          doc: row,
        };
      });
    });
  },
});

function plain(sentence: string): string {
  return sentence.replaceAll("<QUOTE>", '"').trim();
}
