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
import nlu from "../../plugins/nlu/mod.ts";
import { encode } from "../../plugins/onnx/graph/encode.ts";
import { createBuilder } from "../../plugins/onnx/graph/graph.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { openSession, type Session } from "../../plugins/onnx/session/session.ts";
import { REAL_MODEL, SHARED_DATA, testContext } from "../support.ts";
import { median, refuseNoise, watchOthers } from "./quiet.ts";

const WIDTH = 4096, PRODUCTS = 4, ITEMS = 120, NEW_TOKENS = 48;
/** Multiply-adds of a token in the layers, and of a read row in the output matrix; attention is not counted. */
const FLOPS_TOKEN = 2 * 30 * (2 * 576 * 576 + 2 * 192 * 576 + 3 * 1536 * 576), FLOPS_ROW = 2 * 576 * 49152;

/** A graph that multiplies by one constant matrix PRODUCTS times, the runtime's best case, and lets one number out. */
async function openProduct(): Promise<Session> {
  const file = await Deno.makeTempFile();
  await Deno.writeFile(file, new Uint8Array(matrix().buffer));
  const b = createBuilder();
  const weight = b.weight({ name: "w", shape: [WIDTH, WIDTH], file, offset: 0, length: 4 * WIDTH ** 2 });
  const last = Array.from({ length: PRODUCTS }, (_, i) => `product.${i}`)
    .reduce((left, name) => b.node("MatMul", name, [left, weight]), b.input("a", "float32", [WIDTH, WIDTH]));
  b.output(b.node("ReduceMax", "largest", [last, b.ints([0, 1])], { keepdims: 0n }), []);
  const session = await openSession(encode(b.finish()), { threads: 2 });
  await Deno.remove(file);
  return session;
}

const matrix = () => new Float32Array(WIDTH * WIDTH).fill(1 / WIDTH);

/** Floating-point operations a second, in 1e9; several products in a call, so that handing over the matrix hardly counts. */
async function productRate(session: Session): Promise<number> {
  const feeds = { a: { data: matrix(), dims: [WIDTH, WIDTH] } };
  const start = performance.now();
  await session.run({ feeds, fetch: ["largest"] });
  return PRODUCTS * 2 * WIDTH ** 3 / (performance.now() - start) / 1e6;
}

/** A slice of the benchmark from its records to its outcomes. */
async function scoringRate(model: Model, items: readonly ChoiceItem[]) {
  const evaluator = nlu.evaluators![0]!, start = performance.now();
  let tokens = 0;
  const requests = evaluator.plan(items, model.tokenizer);
  for await (const batch of model.score(requests)) {
    tokens += batch.tokens;
    batch.indices.forEach((index, i) => evaluator.outcome(items[index]!, batch.results[i]!, model.tokenizer));
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
