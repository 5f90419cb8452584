/**
 * Memory over many samples: the gradient at five sites of every layer of SmolLM2, pooled, for 10,000 short texts, after one call of 8 x 128
 * tokens. Prints the memory that is held after every 1,000 texts, garbage aside, and the most that was ever held. Takes ten minutes to half an
 * hour. Garbage is collected before memory is looked at: V8 lets its heap swing by 0.1 GB as it sees fit, which is neither growth nor its absence.
 *
 *   deno task soak [--mapped] [--samples 10000]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { Observation, RunSample, Tap } from "../../core/mod.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { REAL_MODEL, testContext } from "../support.ts";
import { LAYERS } from "./smollm2.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: { mapped: { type: "boolean", default: false }, samples: { type: "string", default: "10000" } },
});
const SAMPLES = Number(values.samples), CHUNK = 100, WANTED_GB = 2.5;
const LOOK = Math.min(1000, SAMPLES / 10);
if (!(SAMPLES >= 1000 && LOOK % CHUNK === 0)) {
  throw new Error(`Cannot watch ${values.samples} texts: wanted a multiple of 1000`);
}
const SITES = ["mlp.gate", "mlp.up", "attn.q", "attn.k", "attn.v"];
const observe: readonly Observation[] = Array.from(
  { length: LAYERS },
  (_, layer) =>
    SITES.map((site): Observation => ({
      tap: `layers.${layer}.${site}` as Tap,
      quantity: "product",
      pool: "max",
    })),
).flat();

/** Text `index`, of 6 to 30 tokens. */
const text = (index: number, tokens = 6 + (index * 7) % 25): RunSample => ({
  prompt: Array.from({ length: tokens }, (_, i) => 1000 + (7919 * (i + 31 * index)) % 40000),
});

const { gc } = globalThis as { readonly gc?: () => void };
if (!gc) throw new Error("Cannot tell garbage from growth: wanted --v8-flags=--expose-gc");

/** GB held now, and at most so far. */
function memory(): { readonly now: number; readonly peak: number } {
  return { now: Deno.memoryUsage().rss / 1e9, peak: process.resourceUsage().maxRSS * 1024 / 1e9 };
}

await using model = await backend.open(
  { path: REAL_MODEL, packed: !values.mapped },
  { taps: [] },
  testContext(),
);
const run = (samples: readonly RunSample[]) =>
  model.run(samples, { objective: { kind: "probability", target: 500 }, observe });
await run(Array.from({ length: 8 }, (_, i) => text(i, 128)));
console.log(`after 8 x 128 tokens: ${memory().now.toFixed(2)} GB`);
const held: number[] = [];
for (let done = 0; done < SAMPLES; done += CHUNK) {
  await run(Array.from({ length: CHUNK }, (_, i) => text(done + i)));
  if ((done + CHUNK) % LOOK === 0) {
    gc();
    await new Promise((done) => setTimeout(done, 100)); // freed pages go back a little later
    held.push(memory().now);
    console.log(`after ${done + CHUNK} texts: ${held.at(-1)!.toFixed(2)} GB`);
  }
}
const growth = held.at(-1)! - held[0]!, { peak } = memory();
console.log(
  `peak ${peak.toFixed(2)} GB, wanted under ${WANTED_GB}; grown by ${
    growth.toFixed(2)
  } GB since the first ${LOOK}, wanted under 0.05`,
);
if (peak >= WANTED_GB || growth >= 0.05) Deno.exit(1);
