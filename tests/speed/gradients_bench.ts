/**
 * Forward, and forward with the gradient at five sites of every layer pooled in the graph, beside the runtime's own rate for a 4096-wide
 * product in the same process: SmolLM2, 8 texts of 128 tokens, 2 threads, weights packed and weights mapped once. A round does each in
 * turn; the medians over the rounds are printed. Fails when another process holds a core during a round.
 *
 *   deno task bench
 */
import type { Model, Observation, RunSample, Tap } from "../../core/mod.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { REAL_MODEL, testContext } from "../support.ts";
import { openProduct, productRate } from "./product.ts";
import { median, refuseNoise, watchOthers } from "./quiet.ts";
import { FLOPS_TOKEN, LAYERS } from "./smollm2.ts";

const TEXTS = 8, TOKENS = 128;
const SITES = ["mlp.gate", "mlp.up", "attn.q", "attn.k", "attn.v"];

const samples: readonly RunSample[] = Array.from({ length: TEXTS }, (_, text) => ({
  prompt: Array.from({ length: TOKENS }, (_, i) => 1000 + (7919 * (i + TOKENS * text)) % 40000),
}));
const five: readonly Observation[] = Array.from(
  { length: LAYERS },
  (_, layer) =>
    SITES.map((site): Observation => ({
      tap: `layers.${layer}.${site}` as Tap,
      quantity: "product",
      pool: "max",
    })),
).flat();

/** Share of the product rate; `passes` counts forward as one, backward as another. */
async function share(work: () => Promise<unknown>, passes: number, product: number): Promise<number> {
  const start = performance.now();
  await work();
  return passes * TEXTS * TOKENS * FLOPS_TOKEN / (performance.now() - start) / 1e6 / product;
}

const forward = (model: Model) => model.run(samples, { objective: { kind: "logprob", target: 500 } });
const backward = (model: Model) =>
  model.run(samples, { objective: { kind: "probability", target: 500 }, observe: five });

const packed = await backend.open({ path: REAL_MODEL }, { taps: [] }, testContext());
const mapped = await backend.open({ path: REAL_MODEL, packed: false }, { taps: [] }, testContext());
const product = await openProduct();
// The first calls open sessions and allocate.
for (const model of [packed, mapped]) {
  await forward(model);
  await backward(model);
}
await productRate(product);
await refuseNoise();

interface Round {
  readonly product: number;
  readonly shares: readonly number[];
}
const CASES: readonly (readonly [string, number, () => Promise<unknown>, number])[] = [
  ["forward, packed", 1, () => forward(packed), 0.70],
  ["forward and backward to five sites, packed", 2, () => backward(packed), 0.68],
  ["forward and backward to five sites, mapped", 2, () => backward(mapped), 0.62],
];
const rounds: Round[] = [];

Deno.bench("a round of products, forward and backward", { n: 5, warmup: 0 }, async () => {
  const watch = watchOthers();
  const rates = [await productRate(product)], shares: number[] = [];
  for (const [, passes, work] of CASES) {
    shares.push(await share(work, passes, 1));
    rates.push(await productRate(product));
  }
  await refuseNoise(watch);
  // Each beside the products right before and after it.
  rounds.push({
    product: median(rates),
    shares: shares.map((gflops, i) => gflops / ((rates[i]! + rates[i + 1]!) / 2)),
  });
});

addEventListener("unload", () => {
  if (rounds.length === 0) return;
  const rate = median(rounds.map((round) => round.product));
  console.log(`\nSmolLM2-135M, ${TEXTS} x ${TOKENS} tokens, float32, 2 threads, ${rounds.length} rounds`);
  console.log(`4096-wide product: ${rate.toFixed(0)} GFLOP/s`);
  CASES.forEach(([name, passes, , wanted], i) => {
    const values = rounds.map(({ shares }) => shares[i]!).toSorted((a, b) => a - b);
    const tokens = median(rounds.map((round) => round.shares[i]! * round.product)) * 1e9 / passes /
      FLOPS_TOKEN;
    console.log(
      `${name.padEnd(44)} share ${median(values).toFixed(2)} (${values[0]!.toFixed(2)} to ${
        values.at(-1)!.toFixed(2)
      }), wanted ${wanted.toFixed(2)}; ${tokens.toFixed(0)} tokens/s`,
    );
  });
});
