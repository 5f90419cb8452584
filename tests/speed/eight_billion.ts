/**
 * A decoder of Llama-3.1-8B's shape with random weights in `split`: how long it takes to be ready, how many tokens a second it computes and how
 * much memory it holds meanwhile. Beside it PyTorch's transformers in bfloat16 on the same weights, where PLUMBLINE_PYTHON names a Python that has them.
 *
 *   deno run -A tests/speed/eight_billion.ts FOLDER [--rounds 3] [--packed no] [--gradients]
 *
 * FOLDER gets the model (16 GB) and its slices (20 GB), once; what is there is used again. Wanted: at most 20 GB and at least 25 tokens a second.
 */
import { parseArgs } from "node:util";
import type { Observation } from "../../core/mod.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { exists } from "../../plugins/onnx/weights/file.ts";
import { testContext } from "../support.ts";
import { median } from "./quiet.ts";
import { LLAMA_8B, writeRandomModel } from "./random_model.ts";

const { values: options, positionals: [folder] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    packed: { type: "string", default: "yes" },
    gradients: { type: "boolean", default: false },
  },
});
if (folder === undefined) {
  throw new Error("Cannot measure: no folder is named, wanted one with 40 GB of room");
}
const ROUNDS = Number(options.rounds), TEXTS = 8, TOKENS = 128, packed = options.packed !== "no";
const WANTED = { gigabytes: 20, rate: 25 };
const path = `${folder}/model`, cacheDir = `${folder}/cache`;

/** Of this process, in GB: "VmHWM" is the most that it ever held, "RssAnon" what of it now is no file. */
function held(field: "VmHWM" | "RssAnon" | "RssFile"): number {
  const found = new RegExp(`${field}:\\s+(\\d+) kB`).exec(Deno.readTextFileSync("/proc/self/status"));
  return Number(found![1]) * 1024 / 1e9;
}

const seconds = (from: number) => ((performance.now() - from) / 1000).toFixed(0);
const ids = (row: number) =>
  Array.from({ length: TOKENS }, (_, i) => (7 + (row * TOKENS + i) * 7919) % LLAMA_8B.vocab);

if (!exists(`${path}/config.json`)) {
  const start = performance.now();
  writeRandomModel(path, LLAMA_8B);
  console.log(`written in ${seconds(start)} s`);
}
const context = testContext({ cacheDir, log: (line) => console.log(line) });
const start = performance.now();
await using model = await backend.open({ path, precision: "split", packed }, { taps: [] }, context);
console.log(`${(model.info.parameters / 1e9).toFixed(2)} G parameters, opened in ${seconds(start)} s`);

async function measure(what: string, run: () => Promise<unknown>): Promise<number> {
  const first = performance.now();
  await run();
  console.log(
    `${what}: first call ${seconds(first)} s, with the session's making; ${
      held("RssAnon").toFixed(1)
    } GB of its own, ${held("RssFile").toFixed(1)} GB of files, at most ${held("VmHWM").toFixed(1)} GB`,
  );
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now();
    await run();
    times.push((performance.now() - from) / 1000);
  }
  const rate = TEXTS * TOKENS / median(times);
  console.log(
    `${what}: ${rate.toFixed(1)} tok/s (${
      times.map((time) => time.toFixed(1)).join(", ")
    } s for ${TEXTS} x ${TOKENS})`,
  );
  return rate;
}

const texts = Array.from({ length: TEXTS }, (_, row) => ({ prompt: ids(row) }));
const rate = await measure(
  "forward",
  () => Array.fromAsync(model.score(texts.map((each) => ({ ...each, continuations: [[5], [6]] })))),
);
const most = held("VmHWM");
console.log(
  `${most.toFixed(1)} GB at most, wanted ${WANTED.gigabytes}: ${
    most <= WANTED.gigabytes ? "reached" : "MISSED"
  }; ${rate.toFixed(1)} tok/s, wanted ${WANTED.rate}: ${rate >= WANTED.rate ? "reached" : "MISSED"}`,
);
if (options.gradients) {
  const observe = Array.from(
    { length: LLAMA_8B.layers },
    (_, layer) =>
      (["mlp.gate", "mlp.up", "attn.q", "attn.k", "attn.v"] as const).map((site): Observation => ({
        tap: `layers.${layer}.${site}`,
        quantity: "product",
        pool: "max",
      })),
  ).flat();
  await measure(
    "with gradients at five sites",
    () => model.run(texts, { objective: { kind: "logprob", target: 5 }, observe, tokenBudget: 256 }),
  );
}

const python = Deno.env.get("PLUMBLINE_PYTHON");
if (python) {
  await model[Symbol.asyncDispose]();
  const script = new URL("./peers/eight_billion.py", import.meta.url).pathname;
  await new Deno.Command(python, {
    args: [script, path, JSON.stringify(texts.map(({ prompt }) => prompt)), String(ROUNDS)],
  }).spawn().status;
}
