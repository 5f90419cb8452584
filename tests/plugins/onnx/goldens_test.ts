/** Logits, edits, generations and choices beside PyTorch and lm-evaluation-harness; how the figures were made: tests/goldens/README.md. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type ChoiceItem,
  type Edit,
  type Model,
  type Outcome,
  type ScoreResult,
  sha256,
  type Tap,
  UserError,
} from "../../../core/mod.ts";
import { findFiles } from "../../../core/data.ts";
import commonsenseQa from "../../../benchmarks/commonsense_qa.ts";
import qnli from "../../../benchmarks/qnli.ts";
import { multipleChoice } from "../../../plugins/nlu/multiple_choice.ts";
import { GEMMA, needs, REAL_MODEL, SHARED, SHARED_DATA } from "../../support.ts";
import { open } from "./open.ts";

/** Two float32 implementations that sum in different orders, 30 layers deep. */
const LOGITS = 2e-3;
/** A lead of the best token over the second that two such implementations cannot turn over. */
const LEAD = 4e-3;
/** Log-probabilities move less than logits: what shifts all logits alike cancels. */
const LOGPROBS = 1e-3;
/** stories260K: 5 layers; its reference is printed with 5 decimals. */
const STORIES = 1e-4;
/** A choice may differ from lm-evaluation-harness's only where its two best options are this near. */
const MARGIN = 1e-3;

interface Row {
  readonly argmax: number;
  readonly gap: number;
  readonly topIds: readonly number[];
  readonly topLogits: readonly number[];
  readonly sampleLogits: readonly number[];
}

interface LogitsGolden {
  readonly sample: readonly number[];
  readonly prompts: readonly {
    readonly name: string;
    readonly text: string;
    readonly ids: readonly number[];
    readonly positions: readonly (Row & { readonly position: number })[];
  }[];
  readonly edits: readonly {
    readonly name: string;
    readonly edits?: readonly Edit[];
    readonly results: readonly (Row & { readonly prompt: string; readonly edits?: readonly Edit[] })[];
  }[];
  readonly generations: readonly {
    readonly name: string;
    readonly ids: readonly number[];
    readonly edits: readonly Edit[];
    readonly maxNewTokens: number;
    readonly tokens: readonly number[];
    readonly finish: string;
    readonly gap: number;
  }[];
}

const golden = <T>(path: string): T =>
  JSON.parse(Deno.readTextFileSync(new URL(`../../goldens/${path}`, import.meta.url)));

function assertRow(
  logits: Float32Array,
  row: Row,
  { sample, what }: { sample: readonly number[]; what: string },
): void {
  const near = (id: number, expected: number) => {
    const off = Math.abs(logits[id]! - expected);
    assert(off < LOGITS, `${what}: logit of token ${id} is off by ${off}`);
  };
  row.topIds.forEach((id, i) => near(id, row.topLogits[i]!));
  sample.forEach((id, i) => near(id, row.sampleLogits[i]!));
  const best = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
  if (row.gap > LEAD) assertEquals(best, row.argmax, `${what}: most probable token`);
}

Deno.test({
  name: "logits() of stories260K equal the reference within 1e-4",
  ...needs("shared"),
  async fn() {
    const folder = `${SHARED}/models/stories260K`;
    await using model = await open(folder);
    const texts = JSON.parse(Deno.readTextFileSync(`${folder}/reference_logits.json`));
    assertEquals(texts.length, 4);
    for (const { text, ids, last_logits_argmax, last_logits_first8 } of texts) {
      assertEquals(model.tokenizer.encode(text, { special: true }), ids);
      const last = (await model.logits(ids)).subarray(-model.info.vocab);
      assertEquals(last.indexOf(last.reduce((a, b) => Math.max(a, b))), last_logits_argmax);
      last_logits_first8.forEach((expected: number, i: number) =>
        assert(Math.abs(last[i]! - expected) < STORIES, `logit ${i} is ${last[i]}, expected ${expected}`)
      );
    }
  },
});

Deno.test({
  name: "score() of stories260K equals PyTorch's summed log-probabilities over several tokens",
  ...needs("shared"),
  async fn() {
    await using model = await open(`${SHARED}/models/stories260K`);
    const { items } = golden<{
      items: {
        ids: number[];
        argmax: number;
        argmaxLogprob: number;
        continuations: { ids: number[]; logprob: number; greedy: boolean; margin: number }[];
      }[];
    }>("logits/stories260k.json");
    const requests = items.map(({ ids, continuations }) => ({
      prompt: ids,
      continuations: continuations.map((c) => c.ids),
    }));
    const results: ScoreResult[] = [];
    for await (const batch of model.score(requests)) {
      batch.indices.forEach((index, i) => results[index] = batch.results[i]!);
    }
    items.forEach((item, i) => {
      const result = results[i]!;
      assert(Math.abs(result.argmaxLogprob - item.argmaxLogprob) < STORIES);
      item.continuations.forEach((expected, c) => {
        assert(
          Math.abs(result.logprobs[c]! - expected.logprob) < STORIES,
          `${result.logprobs[c]}, expected ${expected.logprob}`,
        );
        if (expected.margin > STORIES) assertEquals(result.greedy[c], expected.greedy);
      });
    });
  },
});

Deno.test({
  name: "logits() of SmolLM2 equal transformers' in float32 on 20 prompts",
  ...needs("model"),
  async fn() {
    await using model = await open(REAL_MODEL);
    const { prompts, sample } = golden<LogitsGolden>("logits/smollm2.json");
    assertEquals(prompts.length, 20);
    for (const { name, text, ids, positions } of prompts) {
      assertEquals(model.tokenizer.encode(text), ids, `ids of "${name}"`);
      const logits = await model.logits(ids);
      for (const row of positions) {
        const start = row.position * model.info.vocab;
        assertRow(logits.subarray(start, start + model.info.vocab), row, {
          sample,
          what: `${name} at ${row.position}`,
        });
      }
    }
  },
});

Deno.test({
  name: "logits() of SmolLM2 under edits equal transformers' under the same hooks, at every site",
  ...needs("model"),
  async fn() {
    const { prompts, edits: cases, sample } = golden<LogitsGolden>("logits/smollm2.json");
    const all = cases.flatMap((
      { edits = [], results },
    ) => [...edits, ...results.flatMap((result) => result.edits ?? [])]);
    await using model = await open(REAL_MODEL, tapsOf(all));
    for (const { name, edits, results } of cases) {
      for (const row of results) {
        const { ids } = prompts.find((prompt) => prompt.name === row.prompt)!;
        const logits = await model.logits(ids, { edits: row.edits ?? edits! });
        assertRow(logits.subarray(-model.info.vocab), row, { sample, what: `${name} on ${row.prompt}` });
      }
    }
  },
});

Deno.test({
  name: "generate() of SmolLM2 gives transformers' greedy text, with and without edits",
  ...needs("model"),
  async fn() {
    const { generations } = golden<LogitsGolden>("logits/smollm2.json");
    await using model = await open(REAL_MODEL, tapsOf(generations.flatMap((g) => g.edits)));
    for (const { name, ids, edits, maxNewTokens, tokens, finish, gap } of generations) {
      assert(gap > LEAD, `golden ${name} has a gap of ${gap}: it cannot be told from rounding`);
      for await (const made of model.generate([ids], { maxNewTokens, edits })) {
        assertEquals([made.tokens, made.finish], [tokens, finish], name);
      }
    }
  },
});

Deno.test({
  name: "Gemma-3-270M gives transformers' ids, logits and greedy text, within its window and beyond it",
  ...needs("gemma"),
  async fn() {
    const { prompts, sample, generations } = golden<LogitsGolden>("logits/gemma3.json");
    await using model = await open(GEMMA);
    assert(prompts.some(({ ids }) => ids.length > 800));
    for (const { name, text, ids, positions } of prompts) {
      assertEquals(model.tokenizer.encode(text, { special: true }), ids, `ids of "${name}"`);
      const last = (await model.logits(ids)).subarray(-model.info.vocab);
      for (const row of positions) assertRow(last, row, { sample, what: name });
    }
    for (const { ids, maxNewTokens, tokens, finish, gap } of generations) {
      assert(gap > LEAD);
      for await (const made of model.generate([ids], { maxNewTokens })) {
        assertEquals([made.tokens, made.finish], [tokens, finish]);
      }
    }
  },
});

const tapsOf = (edits: readonly Edit[]): Tap[] => [...new Set(edits.map((edit) => edit.tap))];

interface TaskGolden {
  readonly acc: number;
  readonly items: readonly {
    readonly promptTokens: number;
    readonly logprobs: readonly number[];
    readonly greedy: readonly boolean[];
    readonly chosen: number;
    readonly acc: number;
    readonly margin: number;
  }[];
}

for (const benchmark of [commonsenseQa, qnli]) {
  Deno.test({
    name: `${benchmark.name} under lm-eval: choices on 300 items equal lm-evaluation-harness's`,
    ...needs("model", "shared"),
    async fn() {
      const { items: expected, acc } = golden<TaskGolden>(`lm_eval/${benchmark.name}.json`);
      assertEquals(expected.length, 300);
      await using model = await open(REAL_MODEL);
      const params = benchmark.params.parse({ protocol: "lm-eval" });
      const files = findFiles(SHARED_DATA, benchmark.files(params as never), benchmark.name);
      const items = benchmark.load(files, params as never).slice(0, 300) as ChoiceItem[];
      const requests = multipleChoice.plan(items, model.tokenizer);
      const outcomes = await outcomesOf(model, { items, requests });
      expected.forEach((item, i) => {
        assertEquals(requests[i]!.prompt.length, item.promptTokens);
        const { detail } = outcomes[i]!;
        const logprobs = detail["logprobs"] as number[];
        item.logprobs.forEach((logprob, o) =>
          assert(Math.abs(logprobs[o]! - logprob) < LOGPROBS, `item ${i}, option ${o}`)
        );
        if (detail["choice"] !== items[i]!.labels[item.chosen]) {
          assert(item.margin < MARGIN, `item ${i}: margin ${item.margin}`);
        } else assertEquals(outcomes[i]!.values["acc"], item.acc);
      });
      const close = expected.filter((item) => item.margin < MARGIN).length;
      const own = outcomes.reduce((sum, outcome) => sum + outcome.values["acc"]!, 0) / 300;
      assert(Math.abs(own - acc) <= close / 300 + 1e-12, `acc ${own}, expected ${acc}`);
    },
  });
}

async function outcomesOf(
  model: Model,
  { items, requests }: { items: readonly ChoiceItem[]; requests: Parameters<Model["score"]>[0] },
) {
  const outcomes: Outcome[] = [];
  for await (const { indices, results } of model.score(requests)) {
    indices.forEach((index, i) =>
      outcomes[index] = multipleChoice.outcome(items[index]!, results[i]!, model.tokenizer)
    );
  }
  return outcomes;
}

Deno.test({
  name:
    "score() after SmolLM2's chat template gives transformers' most probable token and label log-probabilities",
  ...needs("model", "shared"),
  async fn() {
    const { items, labelIds } = golden<{
      labelIds: number[];
      items: {
        index: number;
        contentSha256: string;
        promptSha256: string;
        promptTokens: number;
        argmax: number;
        gap: number;
        labelLogprobs: number[];
      }[];
    }>("lm_eval/chat_commonsense_qa.json");
    await using model = await open(REAL_MODEL);
    const params = commonsenseQa.params.parse({ protocol: "lm-eval" });
    const files = findFiles(SHARED_DATA, commonsenseQa.files(params), commonsenseQa.name);
    const all = commonsenseQa.load(files, params) as ChoiceItem[];
    const requests = items.map((item) => {
      const { prompt } = all[item.index]!;
      assert(prompt.kind === "text");
      assertEquals(sha256(prompt.text), item.contentSha256);
      const text = model.tokenizer.chat([{ role: "user", content: prompt.text }]);
      assertEquals(sha256(text), item.promptSha256);
      return { prompt: model.tokenizer.encode(text), continuations: labelIds.map((id) => [id]) };
    });
    for await (const { indices, results } of model.score(requests)) {
      indices.forEach((index, i) => {
        const item = items[index]!, result = results[i]!;
        assertEquals(requests[index]!.prompt.length, item.promptTokens);
        item.labelLogprobs.forEach((logprob, l) =>
          assert(Math.abs(result.logprobs[l]! - logprob) < LOGPROBS)
        );
        if (item.gap > LEAD) assertEquals(result.argmax, item.argmax);
      });
    }
  },
});

Deno.test({
  name: "score() refuses two leading BOS tokens and takes one",
  ...needs("shared"),
  async fn() {
    await using model = await open(`${SHARED}/models/stories260K`);
    const bos = model.tokenizer.bos!;
    const ask = (prompt: number[]) => Array.fromAsync(model.score([{ prompt, continuations: [[403]] }]));
    assertEquals((await ask([bos, 407])).length, 1);
    await assertRejects(async () => await ask([bos, bos, 407]), UserError, "two leading BOS tokens");
  },
});
