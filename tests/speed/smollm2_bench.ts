/**
 * SmolLM2-135M on this machine, beside what ONNX Runtime can do at all: one 4096-wide float32 product in the same process, measured
 * in alternation with the work. Prints figures; refuses when another process holds a core.
 *
 *   deno task bench
 */
import type { ChoiceItem, Model, ScoreRequest } from "../../core/mod.ts";
import { findFiles } from "../../core/data.ts";
import commonsenseQa from "../../benchmarks/commonsense_qa.ts";
import nlu from "../../plugins/nlu/mod.ts";
import { createBuilder } from "../../plugins/onnx/graph/graph.ts";
import { encode } from "../../plugins/onnx/graph/encode.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { openSession, type Session } from "../../plugins/onnx/session/session.ts";
import { REAL_MODEL, SHARED_DATA, testContext } from "../support.ts";
import { median, refuseNoise, watchOthers } from "./quiet.ts";

const WIDTH = 4096, ROUNDS = 7, ITEMS = 160;

/** A graph that multiplies two matrices and lets one number out. */
async function openProduct(): Promise<Session> {
  const b = createBuilder();
  const sides = ["a", "b"].map((name) => b.input(name, "float32", [WIDTH, WIDTH]));
  b.output(
    b.node("ReduceMax", "largest", [b.node("MatMul", "product", sides), b.ints([0, 1])], { keepdims: 0n }),
    [],
  );
  return await openSession(encode(b.finish()), { threads: 2 });
}

/** Floating-point operations a second, in 1e9. */
async function productRate(session: Session): Promise<number> {
  const side = () => ({ data: new Float32Array(WIDTH * WIDTH).fill(0.5), dims: [WIDTH, WIDTH] });
  const feeds = { a: side(), b: side() };
  const start = performance.now();
  await session.run({ feeds, fetch: ["largest"] });
  return 2 * WIDTH ** 3 / (performance.now() - start) / 1e6;
}

function planItems(model: Model, from: number): readonly ScoreRequest[] {
  const params = commonsenseQa.params.parse({ protocol: "lm-eval" });
  const files = findFiles(SHARED_DATA, commonsenseQa.files(params), commonsenseQa.name);
  const items = commonsenseQa.load(files, params).slice(from, from + ITEMS) as ChoiceItem[];
  return nlu.evaluators![0]!.plan(items, model.tokenizer);
}

const line = (name: string, value: string) => console.log(`${name.padEnd(58)} ${value}`);

Deno.bench("SmolLM2-135M: scoring, generation, memory", { n: 1, warmup: 0 }, async () => {
  await refuseNoise();
  const watch = watchOthers();
  await using model = await backend.open({ path: REAL_MODEL }, { taps: [] }, testContext());
  await using product = await openProduct();
  await scoring(model, product);
  await generation(model);
  line(
    "peak memory, MB",
    (Number(/VmHWM:\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) / 1024).toFixed(0),
  );
  await refuseNoise(watch);
});

async function scoring(model: Model, product: Session): Promise<void> {
  // Multiply-adds of a token in the layers, and of a read row in the output matrix; attention is not counted.
  const width = 576,
    perToken = 2 * 30 * (2 * width * width + 2 * 192 * width + 3 * 1536 * width),
    perRow = 2 * width * model.info.vocab;
  await productRate(product);
  const rates: number[] = [], ratios: number[] = [], products: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = await productRate(product);
    const start = performance.now();
    let tokens = 0, reads = 0;
    for await (const batch of model.score(planItems(model, round * ITEMS))) {
      tokens += batch.tokens;
      reads += batch.indices.length;
    }
    const seconds = (performance.now() - start) / 1000;
    const rate = (before + await productRate(product)) / 2;
    rates.push(tokens / seconds);
    products.push(rate);
    ratios.push((tokens * perToken + reads * perRow) / seconds / 1e9 / rate);
  }
  line(`commonsense_qa, ${ITEMS} items a round: real tokens/s`, median(rates).toFixed(0));
  line("4096-wide product, GFLOP/s", median(products).toFixed(0));
  line("share of the product's rate", median(ratios).toFixed(2));
}

async function generation(model: Model): Promise<void> {
  const prompt = (i: number) =>
    model.tokenizer.encode(
      `Story ${i}: once upon a time there was a small grey cat who lived by the sea and`,
    );
  for (const batch of [1, 8]) {
    const rates: number[] = [];
    for (let round = 0; round < 5; round++) {
      const prompts = Array.from({ length: batch }, (_, i) => prompt(i)), start = performance.now();
      let tokens = 0;
      for await (const text of model.generate(prompts, { maxNewTokens: 64, batch, stop: [] })) {
        tokens += text.tokens.length;
      }
      rates.push(tokens / (performance.now() - start) * 1000);
    }
    line(`generation at batch ${batch}, new tokens/s`, median(rates).toFixed(1));
  }
}
