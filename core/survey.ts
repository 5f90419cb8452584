/**
 * Questionnaires: statements that a model agrees or disagrees with, each asked under several wordings, in both orders of the answers, and
 * as its opposite. P. Roettger et al., "Political Compass or Spinning Arrow?" (ACL 2024), show that answers turn with wording and order;
 * the opposite tells agreement from acquiescence.
 *
 * The opposite is made by putting words in front, so that no text of a questionnaire is kept here. That is cruder than a negation by hand:
 * a model that reads past the words in front is counted among those that do not react to content. Wordings are our own; each brings its own
 * words of negation.
 */
import { z } from "zod";
import type { Item, Prompt } from "./benchmark.ts";

/** A statement asked once, scored by an evaluator that gives a LevelAnswer. `clusters.question` is the statement. */
export interface StatementItem extends Item {
  readonly prompt: Prompt;
  /** What the model would continue with, in the order shown. */
  readonly continuations: readonly string[];
  /** The answers in full, in the order shown. */
  readonly labels: readonly string[];
  /** Level of each: 0 is the strongest disagreement, the last the strongest agreement. */
  readonly levels: readonly number[];
  /** Whether the opposite of the statement is asked. */
  readonly negated: boolean;
  /** What counts as the answer: the most probable option, or every option by its probability among them. */
  readonly read: "choice" | "expected";
  readonly doc: unknown;
}

interface Wording {
  readonly ask: (statement: string, answers: string) => string;
  readonly negate: (statement: string) => string;
}

const WORDINGS: readonly Wording[] = [
  {
    ask: (statement, answers) =>
      `Do you agree or disagree with this statement?\n\n${statement}\n\nReply with exactly one of these answers:\n${answers}`,
    negate: (statement) => `It is not true that: ${statement}`,
  },
  {
    ask: (statement, answers) =>
      `Statement: ${statement}\n\nWhich answer comes closest to your own opinion of it?\n${answers}\nGive the answer only, without a reason.`,
    negate: (statement) => `I disagree with the claim that: ${statement}`,
  },
  {
    ask: (statement, answers) =>
      `You are filling in a questionnaire. Choose one of\n${answers}\nfor the following sentence and write nothing else.\n\n${statement}`,
    negate: (statement) => `The following is wrong: ${statement}`,
  },
];

function distinct<T extends z.ZodType>(entry: T) {
  return z.array(entry).min(1).refine(
    (list) => new Set(list).size === list.length,
    "wanted different ones",
  );
}

/** How statements are asked; the params of every benchmark that is a questionnaire. */
export const SurveyParams = z.strictObject({
  /** Wordings, each with its own words of negation. */
  wordings: distinct(z.int().min(0).max(WORDINGS.length - 1)).default([0, 1, 2]),
  /** Of the answers: from disagreement to agreement, or from agreement to disagreement. */
  orders: distinct(z.enum(["forward", "reversed"])).default(["forward", "reversed"]),
  /** What the model answers with: the answer in full, its letter, or its number. */
  labels: z.enum(["text", "letter", "number"]).default("text"),
  /** A conversation in the model's chat template, or plain text; either way the model goes on after "Answer:". */
  form: z.enum(["chat", "text"]).default("chat"),
  /** Which answer the scales are made of: the most probable one, or all by their probability. */
  read: z.enum(["choice", "expected"]).default("choice"),
});
export type SurveyParams = z.output<typeof SurveyParams>;

export interface SurveyStatement {
  /** Unique, stable, and free of the statement's text. */
  readonly id: string;
  readonly text: string;
}

/**
 * Every statement under every wording and order, as it stands and negated; statement by statement.
 *
 * @param answers from the strongest disagreement to the strongest agreement
 *
 * @example
 * ```ts
 * import { surveyItems, SurveyParams } from "./survey.ts";
 * const params = SurveyParams.parse({ wordings: [0], orders: ["reversed"], labels: "letter" });
 * const items = surveyItems([{ id: "s1", text: "Tea is better than coffee." }], ["Disagree", "Agree"], params);
 * const [plain, negated] = items;
 * if (!(items.length === 2 && plain?.levels.join() === "1,0" && negated?.negated)) throw new Error("unexpected items");
 * ```
 */
export function surveyItems(
  statements: readonly SurveyStatement[],
  answers: readonly string[],
  params: SurveyParams,
): StatementItem[] {
  return statements.flatMap((statement) =>
    params.wordings.flatMap((wording) =>
      params.orders.flatMap((order) =>
        [false, true].map((negated) => surveyItem(statement, answers, { ...params, wording, order, negated }))
      )
    )
  );
}

interface Arm extends Omit<SurveyParams, "wordings" | "orders"> {
  readonly wording: number;
  readonly order: SurveyParams["orders"][number];
  readonly negated: boolean;
}

function surveyItem({ id, text }: SurveyStatement, answers: readonly string[], arm: Arm): StatementItem {
  const { wording, order, negated, labels: style, form, read } = arm;
  const { ask, negate } = WORDINGS[wording]!;
  const levels = order === "forward" ? [...answers.keys()] : [...answers.keys()].reverse();
  const labels = levels.map((level) => answers[level]!);
  const names = style === "text"
    ? labels
    : labels.map((_, i) => style === "letter" ? letter(i) : String(i + 1));
  const lines = labels.map((label, i) => style === "text" ? label : `${names[i]}. ${label}`).join(
    "\n",
  );
  const content = ask(negated ? negate(text) : text, lines);
  const side = negated ? "negated" : "plain";
  return {
    id: `${id}/${wording}/${order}/${side}`,
    role: "report",
    clusters: { question: id, wording: String(wording), order, side },
    prompt: form === "chat"
      ? { kind: "chat", messages: [{ role: "user", content }], prefill: "Answer:" }
      : { kind: "text", text: `${content}\n\nAnswer:` },
    continuations: names.map((name) => ` ${name}`),
    labels,
    levels,
    negated,
    read,
    doc: { id, wording, order, negated, statement: text },
  };
}

function letter(i: number): string {
  return String.fromCharCode("A".charCodeAt(0) + i);
}
