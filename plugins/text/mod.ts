/**
 * How well a model predicts a text:
 *
 *   loss = -(1 / (T - 1)) * sum over t = 2..T of log P(token t | tokens before t)
 *
 * in nats a token; its exponential is the perplexity. The first token (the BOS, where the tokenizer puts one) is given, not predicted. Texts of
 * one benchmark weigh alike, however long they are. Losses of models with different tokenizers are not comparable; changes of one model are.
 */
import { definePlugin, type Evaluator, type TextItem, UserError } from "../../core/mod.ts";

const perplexity: Evaluator<TextItem> = {
  name: "perplexity",
  version: "1",
  metrics: [{ name: "loss", title: "Loss, nats a token", binary: false, higherIsBetter: false }],
  plan: (items, tokenizer) =>
    items.map(({ id, text }) => {
      const ids = tokenizer.encode(text, { special: true });
      if (ids.length < 2) {
        throw new UserError(`Cannot score ${id}: its text is ${ids.length} tokens, wanted two or more`);
      }
      return { prompt: ids.slice(0, 1), continuations: [ids.slice(1)] };
    }),
  outcome(item, { logprobs }, tokenizer) {
    const [logprob = NaN] = logprobs;
    const tokens = tokenizer.encode(item.text, { special: true }).length - 1;
    return { item: item.id, values: { loss: -logprob / tokens }, detail: { logprob, tokens } };
  },
  sample: (index, item, { values, detail }) => ({
    doc_id: index,
    doc: { text: item.text },
    target: item.text,
    arguments: { gen_args_0: { arg_0: item.text } },
    resps: [[detail.logprob]],
    filtered_resps: [detail.logprob],
    filter: "none",
    metrics: ["loss"],
    ...values,
  }),
};

export default definePlugin({ name: "text", version: "1", source: "Plumbline", evaluators: [perplexity] });
