/** Under "lm-eval" the benchmarks send, character for character, what lm-evaluation-harness 0.4.13 sends. */
import { assertEquals } from "@std/assert";
import commonsenseQa from "../../benchmarks/commonsense_qa.ts";
import qnli from "../../benchmarks/qnli.ts";
import rte from "../../benchmarks/rte.ts";
import { type ChoiceItem, findFiles, sha256, type Tokenizer } from "../../core/mod.ts";
import { multipleChoice } from "../../plugins/nlu/multiple_choice.ts";
import goldens from "../goldens/lm_eval_prompts.json" with { type: "json" };
import { needs, SHARED_DATA } from "../support.ts";

const LOADERS = {
  commonsense_qa: () =>
    commonsenseQa.load(findFiles(SHARED_DATA, commonsenseQa.files(csqaParams), commonsenseQa), csqaParams),
  qnli: () => qnli.load(findFiles(SHARED_DATA, qnli.files(qnliParams), qnli), qnliParams),
  rte: () => rte.load(findFiles(SHARED_DATA, rte.files(rteParams), rte), rteParams),
};
const csqaParams = commonsenseQa.params.parse({ protocol: "lm-eval" });
const qnliParams = qnli.params.parse({ protocol: "lm-eval" });
const rteParams = rte.params.parse({ protocol: "lm-eval" });
const NAMES = ["commonsense_qa", "qnli", "rte"] as const;

for (const name of NAMES) {
  Deno.test({
    name: `${name} sends the harness's prompts, continuations and targets for every document`,
    ...needs("shared"),
    fn() {
      const golden = goldens.tasks[name];
      const sent = LOADERS[name]().map(({ prompt, continuations, gold }: ChoiceItem) => [
        prompt.kind === "text" ? prompt.text : undefined,
        continuations,
        gold,
      ]);
      assertEquals(sent.length, golden.count);
      // The first ones apart, so that a fault shows what kind of fault it is.
      for (const [i, hash] of golden.first.entries()) {
        assertEquals(sha256(JSON.stringify(sent[i])), hash, `document ${i}: ${JSON.stringify(sent[i])}`);
      }
      assertEquals(sha256(JSON.stringify(sent)), golden.all);
    },
  });
}

for (const name of NAMES) {
  Deno.test({
    name: `${name} logs documents and targets with the harness's hashes`,
    ...needs("shared"),
    fn() {
      // A text prompt needs no tokenizer, and the hashes need no figures.
      const tokenizer = {} as Tokenizer;
      const logged = LOADERS[name]().map((item: ChoiceItem, i: number) => {
        const none = item.continuations.map(() => 0);
        const detail = { logprobs: none, greedy: none.map(() => false) };
        const { doc_hash, target_hash } = multipleChoice.sample(i, item, {
          item: item.id,
          values: {},
          detail,
        }, tokenizer);
        return [doc_hash, target_hash];
      });
      assertEquals(sha256(JSON.stringify(logged)), goldens.tasks[name].logged);
    },
  });
}
