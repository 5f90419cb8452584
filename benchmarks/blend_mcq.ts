/**
 * BLEnD's own multiple-choice questions, as published: everyday knowledge of 16 countries, with wrong options that GPT-4 helped to choose.
 * benchmarks/blend.ts makes such questions anew from the annotations, for those who have not got this file.
 *
 * As CULNIG (arXiv 2510.08284) asks them: the data set's prompt in one turn, the letter that follows a JSON prefill, read as the most probable
 * token of the whole vocabulary. The file has up to several hundred items of a question and a country, which differ in their options only;
 * the first five in the file's order are taken (`perQuestion`). Topics "neuron" are to localise by, "test" to report on. Options are in
 * alphabetical order, as published.
 *
 * The questions come in two files, or in one in the data's first version (`files`). Clusters are those of benchmarks/blend.ts.
 *
 * Arms: `ask` and `chat` of core/confounds.ts. "answers_only" leaves out the question and keeps the instruction, which stands on its line.
 */
import { z } from "zod";
import {
  armId,
  AskParam,
  ChatParam,
  type ChoiceItem,
  csvRows,
  type DataFile,
  defineBenchmark,
  type FoundFile,
  prefilledPrompt,
  UserError,
} from "../core/mod.ts";

const NEURON = ["Food", "Work life", "Sport"] as const;
const TEST = ["Education", "Family", "Holidays/Celebration/Leisure"] as const;
const LABELS = ["A", "B", "C", "D"] as const;
const PREFILL = '{"answer_choice":"';
/** Where the question of a prompt ends and the instruction begins. */
const INSTRUCTION = "Without any explanation";
const QUESTIONS: DataFile = {
  key: "questions",
  names: ["questions/US_questions.csv", "US_questions.csv"],
  sha256: "d60b5643974af6084a5db9d727f01db21c487c1231bc21e07315900a43eff8e0",
};
const FILES = {
  two: [
    { key: "first", names: ["mc_questions_file-1.csv"] },
    { key: "second", names: ["mc_questions_file-2.csv"] },
  ],
  one: [{ key: "all", names: ["mc_questions_file.csv"] }],
} as const;

const Params = z.strictObject({
  protocol: z.enum(["culnig"]).default("culnig"),
  topics: z.enum(["test", "neuron", "all"]).default("test"),
  /** Most items of a question and a country. */
  perQuestion: z.int().min(1).default(5),
  files: z.enum(["two", "one"]).default("two"),
  ask: AskParam,
  chat: ChatParam,
});
type Params = z.output<typeof Params>;

const Choices = z.strictObject({ A: z.string(), B: z.string(), C: z.string(), D: z.string() });
const Row = z.looseObject({
  MCQID: z.string().min(1),
  ID: z.string().min(1),
  country: z.string().min(1),
  prompt: z.string().refine((text) => text.includes(INSTRUCTION), `a prompt with "${INSTRUCTION}"`),
  choices: z.string().transform((text, context) => {
    const read = Choices.safeParse(parsed(text));
    if (read.success) return read.data;
    context.addIssue({ code: "custom", input: text, message: "JSON with the texts of A, B, C and D" });
    return z.NEVER;
  }),
  answer_idx: z.enum(LABELS),
});
type Row = z.output<typeof Row>;

export default defineBenchmark({
  name: "blend_mcq",
  version: "1",
  title: "BLEnD multiple choice, as published",
  licence: "CC BY-SA 4.0",
  source:
    "Myung et al., NeurIPS 2024 Datasets and Benchmarks, https://huggingface.co/datasets/nayeon212/BLEnD",
  params: Params,
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: ({ files }) => [QUESTIONS, ...FILES[files]],
  load(files, params): ChoiceItem[] {
    const questions = csvRows(
      files.questions!,
      z.looseObject({ ID: z.string(), Topic: z.enum([...NEURON, ...TEST]) }),
    );
    const topics = new Map(questions.map(({ ID, Topic }) => [ID, Topic]));
    const taken = new Map<string, number>();
    return FILES[params.files].flatMap(({ key }) =>
      csvRows(files[key]!, Row).flatMap((row) => {
        const role = roleOf(topics.get(row.ID), row.ID, files.questions!);
        if (params.topics !== "all" && (params.topics === "neuron") !== (role === "localise")) return [];
        const pair = `${row.ID}/${row.country}`, before = taken.get(pair) ?? 0;
        if (before >= params.perQuestion) return [];
        taken.set(pair, before + 1);
        return [itemOf(row, role, params)];
      })
    );
  },
});

/** Undefined for what is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws {UserError} for a question without a topic. */
function roleOf(topic: string | undefined, id: string, questions: FoundFile): "localise" | "report" {
  if (topic === undefined) {
    throw new UserError(`Cannot read ${questions.path}: question ${id} is missing, wanted every question`);
  }
  return (NEURON as readonly string[]).includes(topic) ? "localise" : "report";
}

function itemOf(row: Row, role: ChoiceItem["role"], { ask, chat }: Params): ChoiceItem {
  const { MCQID, ID, country, prompt, choices, answer_idx } = row;
  const border = prompt.indexOf(INSTRUCTION);
  const message = ask === undefined ? prompt : prompt.slice(border);
  return {
    id: armId(`${MCQID}/${country}`, { ask, chat }),
    role,
    clusters: { question: ID, country },
    content: [prompt.slice(0, border).trim(), ...Object.values(choices)].join("\n"),
    prompt: prefilledPrompt(message, PREFILL, chat ?? true),
    continuations: LABELS,
    labels: LABELS,
    oneToken: true,
    gold: LABELS.indexOf(answer_idx),
    doc: { MCQID, ID, country, choices, answer_idx },
  };
}
