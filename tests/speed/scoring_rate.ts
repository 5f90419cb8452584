/**
 * What scoring costs beyond the model's own work: culnig by computeScores(), its sums kept and committed, beside bare Model.run() on the same
 * samples in the same chunks with the same observations. The two take turns on SmolLM2 and real questions of BLEnD; the median of the
 * rounds' ratios is printed, by the clock and by the processor's time, which other work on the machine moves less. Beside it the share of
 * scoring in which the model is at work, which nothing else moves.
 *
 *   deno run -A tests/speed/scoring_rate.ts [--rounds 3] [--samples 64]     of each of two sets
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { Model, RunRequest, RunSample, ScoredItem, ScorerInput } from "../../core/mod.ts";
import { findFiles } from "../../core/data.ts";
import { encodeChoices } from "../../core/prompt.ts";
import { inSampleOrder } from "../../core/sampling.ts";
import { computeScores, type PassSums } from "../../core/scoring.ts";
import blend from "../../benchmarks/blend.ts";
import { culnig } from "../../plugins/culnig/scorer.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { REAL_MODEL, SHARED_DATA, testContext } from "../support.ts";
import { median } from "./quiet.ts";

const { values: options } = parseArgs({
  args: Deno.args,
  options: { rounds: { type: "string", default: "3" }, samples: { type: "string", default: "64" } },
});
const ROUNDS = Number(options.rounds), SAMPLES = Number(options.samples);
/** Of the bare rate. */
const WANTED = 0.95;
const { signal } = new AbortController();

function itemsOf(model: Model, given: unknown): ScoredItem[] {
  const params = blend.params.parse(given);
  const items = blend.load(findFiles(SHARED_DATA, blend.files(params), blend.name), params);
  return items.map(({ id, prompt, continuations, gold, clusters }) => ({
    id,
    group: clusters["country"]!,
    ...encodeChoices(model.tokenizer, prompt, continuations),
    gold,
  }));
}

interface Call {
  readonly samples: readonly RunSample[];
  readonly request: RunRequest | undefined;
}

await using model = await backend.open({ path: REAL_MODEL }, { taps: [] }, testContext());
const items = inSampleOrder({
  items: itemsOf(model, { topics: "neuron" }),
  control: itemsOf(model, { topics: "neuron", ask: "answers_only" }),
}, 0);
const input: ScorerInput<ReturnType<typeof culnig.params.parse>> = {
  params: culnig.params.parse({}),
  items,
  model,
  seed: 0,
};

/** Seconds by the clock, and of all cores. */
async function timed(work: () => Promise<unknown>) {
  const start = performance.now(), before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
}

/** Seconds of scoring, of them those of the model's own calls, and the calls. */
async function score() {
  const calls: Call[] = [], kept = new Map<string, PassSums>();
  let own = 0, tokens = 0;
  const taken = await timed(() =>
    computeScores(culnig, input, {
      signal,
      sampling: { least: 2, most: SAMPLES, selects: [] },
      found: () => undefined,
      commit: (key, sums) => void kept.set(key, sums),
      model: {
        info: model.info,
        can: model.can,
        units: (tap) => model.units(tap),
        async run(samples, request) {
          calls.push({ samples, request });
          const before = performance.now(), result = await model.run(samples, request);
          own += performance.now() - before;
          tokens += result.tokens;
          return result;
        },
      },
    })
  );
  return { ...taken, own: own / 1000, calls, tokens };
}

const bare = (calls: readonly Call[]) =>
  timed(async () => {
    for (const { samples, request } of calls) await model.run(samples, request);
  });

// The first calls open the session and allocate.
const { calls } = await score();
const rounds: {
  readonly clock: number;
  readonly cpu: number;
  readonly own: number;
  readonly rate: number;
}[] = [];
for (let round = 0; round < ROUNDS; round++) {
  // By turns the first, so that a machine that slows down or speeds up favours neither.
  const before = round % 2 ? await bare(calls) : undefined;
  const { seconds, cpu, own, tokens } = await score();
  const other = before ?? await bare(calls);
  rounds.push({
    clock: other.seconds / seconds,
    cpu: other.cpu / cpu,
    own: own / seconds,
    rate: tokens / seconds,
  });
  console.log(`round ${round + 1}: scoring ${seconds.toFixed(1)} s, bare ${other.seconds.toFixed(1)} s`);
}
const sorted = (of: keyof typeof rounds[number]) => rounds.map((round) => round[of]).sort((a, b) => a - b);
const line = (name: string, of: keyof typeof rounds[number], digits = 3) => {
  const values = sorted(of), [low, high] = [values[0]!, values.at(-1)!].map((value) => value.toFixed(digits));
  console.log(`${name}: ${median(values).toFixed(digits)} (${low} to ${high})`);
};
console.log(`\nSmolLM2-135M, culnig on ${SAMPLES} items and their control, ${ROUNDS} rounds: median (range)`);
line("rate of scoring over the bare rate, by the clock", "clock");
line("the same by the processor's time", "cpu");
line("share of scoring in which the model works", "own");
line("tokens/s of scoring", "rate", 0);
if (median(sorted("clock")) < WANTED) {
  console.error(`by the clock below ${WANTED}`);
  Deno.exit(1);
}
