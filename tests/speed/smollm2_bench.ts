/**
 * SmolLM2-135M on this machine, beside what ONNX Runtime can do at all: one 4096-wide float32 product in the same process. A round does
 * each in turn, `deno bench` repeats the round, and the medians over the rounds are printed at the end. Fails, and so reports nothing,
 * when another process holds a core during a round.
 *
 *   deno task bench
 */
import type { ChoiceItem, Model } from "../../core/mod.ts";
import { findFiles } from "../../core/data.ts";
import commonsenseQa from "../../benchmarks/commonsense_qa.ts";
import { multipleChoice } from "../../plugins/nlu/multiple_choice.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { REAL_MODEL, SHARED_DATA, testContext } from "../support.ts";
import { openProduct, productRate } from "./product.ts";
import { FLOPS_ROW, FLOPS_TOKEN } from "./smollm2.ts";
import { median, refuseNoise, watchOthers } from "./quiet.ts";

const ITEMS = 120, NEW_TOKENS = 48;

/** A slice of the benchmark from its records to its outcomes. */
async function scoringRate(model: Model, items: readonly ChoiceItem[]) {
  const start = performance.now();
  let tokens = 0;
  const requests = multipleChoice.plan(items, model.tokenizer);
  for await (const batch of model.score(requests)) {
    tokens += batch.tokens;
    batch.indices.forEach((index, i) =>
      multipleChoice.outcome(items[index]!, batch.results[i]!, model.tokenizer)
    );
  }
  const seconds = (performance.now() - start) / 1000;
  return {
    tokens: tokens / seconds,
    gflops: (tokens * FLOPS_TOKEN + items.length * FLOPS_ROW) / seconds / 1e9,
  };
}

/** New tokens a second. */
async function generationRate(model: Model, batch: number): Promise<number> {
  const text = (i: number) =>
    `Story ${i}: once upon a time there was a small grey cat who lived by the sea and`;
  const prompts = Array.from({ length: batch }, (_, i) => model.tokenizer.encode(text(i)));
  const start = performance.now();
  let tokens = 0;
  for await (const made of model.generate(prompts, { maxNewTokens: NEW_TOKENS, batch, stop: [] })) {
    tokens += made.tokens.length;
  }
  return tokens / (performance.now() - start) * 1000;
}

function readItems(): readonly ChoiceItem[] {
  const params = commonsenseQa.params.parse({ protocol: "lm-eval" });
  return commonsenseQa.load(findFiles(SHARED_DATA, commonsenseQa.files(params), commonsenseQa.name), params);
}

interface Round {
  readonly tokens: number;
  readonly product: number;
  readonly share: number;
  readonly one: number;
  readonly eight: number;
}

const rounds: Round[] = [], items = readItems();
const model = await backend.open({ path: REAL_MODEL }, { taps: [] }, testContext());
// The first calls allocate.
await scoringRate(model, items.slice(0, 240));
await generationRate(model, 8);
const product = await openProduct();
await productRate(product);
await refuseNoise();

Deno.bench("a round of product, scoring and generation", { n: 5, warmup: 0 }, async () => {
  const watch = watchOthers();
  const from = (rounds.length * ITEMS) % 1080;
  const before = await productRate(product);
  const { tokens, gflops } = await scoringRate(model, items.slice(from, from + ITEMS));
  const rate = (before + await productRate(product)) / 2;
  const one = await generationRate(model, 1), eight = await generationRate(model, 8);
  await refuseNoise(watch);
  rounds.push({ tokens, product: rate, share: gflops / rate, one, eight });
});

addEventListener("unload", () => {
  if (rounds.length === 0) return;
  const line = (name: string, of: (round: Round) => number, digits: number) => {
    const values = rounds.map(of).toSorted((a, b) => a - b);
    const range = `${values[0]!.toFixed(digits)} to ${values.at(-1)!.toFixed(digits)}`;
    console.log(`${name.padEnd(52)} ${median(values).toFixed(digits).padStart(8)}   (${range})`);
  };
  console.log(`\nSmolLM2-135M, float32, 2 threads, ${rounds.length} rounds: median (range)`);
  line(`commonsense_qa, ${ITEMS} items: real tokens/s, all counted`, (round) => round.tokens, 0);
  line("4096-wide product, GFLOP/s", (round) => round.product, 0);
  line("scoring's share of that rate", (round) => round.share, 2);
  line("generation at batch 1, new tokens/s", (round) => round.one, 1);
  line("generation at batch 8, new tokens/s", (round) => round.eight, 1);
});
