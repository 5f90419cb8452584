/**
 * Questions that the model answers in its own words, greedily.
 *
 *   substring = 1 where fold(answer) stands anywhere in fold(text) for any right answer, else 0
 *   fold(s)   = lower case of the NFKC form of s
 *
 * After the short answers of CULNIG (arXiv 2510.08284), which looks for an answer's lemmas, in a row, among those of the text, with a
 * lemmatiser a language. Ours compares letters, in every language alike, so that figures are not the paper's: "runs" is not found in
 * "running" and a short answer may stand within another word ("5" in "15"). Compare treatments by it, not models or languages.
 */
import {
  encodePrompt,
  type GeneratingEvaluator,
  type Outcome,
  renderPrompt,
  type Sample,
  sha256,
  type ShortAnswerItem,
  type Tokenizer,
  UserError,
  type Written,
} from "../../core/mod.ts";

/** Reads ShortAnswerItems. */
export const shortAnswer: GeneratingEvaluator<ShortAnswerItem> = {
  name: "short_answer",
  version: "1",
  metrics: [
    {
      name: "substring",
      title: "Right answer within the text (substring)",
      binary: true,
      higherIsBetter: true,
    },
  ],
  generate: (items, tokenizer) =>
    items.map((item) => {
      checkItem(item);
      return { prompt: encodePrompt(tokenizer, item.prompt), maxNewTokens: item.maxNewTokens };
    }),
  outcomeOf,
  sample,
};

/** @throws {UserError} for an item whose answers any text has, or none, and for one that leaves no room to answer. */
function checkItem({ id, answers, maxNewTokens }: ShortAnswerItem): void {
  const refuse = (state: string) => {
    throw new UserError(`Cannot ask ${id}: ${state}`);
  };
  if (answers.length === 0) refuse("it has no right answer, wanted one or more");
  if (answers.some((answer) => fold(answer).trim() === "")) refuse("a right answer is empty, wanted text");
  if (!(Number.isInteger(maxNewTokens) && maxNewTokens > 0)) {
    refuse(`maxNewTokens is ${maxNewTokens}, wanted a whole number from 1`);
  }
}

function outcomeOf({ id, answers }: ShortAnswerItem, { text, finish }: Written): Outcome {
  const folded = fold(text);
  const found = answers.find((answer) => folded.includes(fold(answer)));
  return {
    item: id,
    values: { substring: Number(found !== undefined) },
    detail: { given: text, found: found ?? null, finish },
  };
}

function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

/** Layout of lm-evaluation-harness's `generate_until`. */
function sample(
  index: number,
  item: ShortAnswerItem,
  { values, detail }: Outcome,
  tokenizer: Tokenizer,
): Sample {
  const context = renderPrompt(tokenizer, item.prompt);
  return {
    doc_id: index,
    doc: item.doc,
    target: item.answers,
    arguments: {
      gen_args_0: { arg_0: context, arg_1: { until: [], do_sample: false, max_gen_toks: item.maxNewTokens } },
    },
    resps: [[detail.given]],
    filtered_resps: [detail.given],
    filter: "none",
    metrics: Object.keys(values),
    doc_hash: sha256(JSON.stringify(item.doc, null, 2)),
    prompt_hash: sha256(context),
    target_hash: sha256(JSON.stringify(item.answers)),
    ...values,
    item: item.id,
    found: detail.found,
    finish: detail.finish,
  };
}
