/**
 * Activation times gradient at five sites of every layer of SmolLM2-135M, pooled over tokens, a sample each: our model, a careful PyTorch
 * loop and CULNIG's published program, in float32 and bfloat16, on the same real prompts and the same two cores. They take turns in one
 * run, once they agree on the numbers; a turn during which another process held a core is taken again.
 *
 *   deno task peers [--rounds 5] [--samples 96] [--float32]     about 20 minutes; --float32 leaves bfloat16 out, which is very slow where
 *                                                               the processor has no instructions for it
 *
 * PLUMBLINE_PYTHON names a Python with torch, transformers, safetensors and gguf (default python3), PLUMBLINE_CULNIG a checkout of
 * github.com/ynklab/CULNIG; what is absent is named and left out.
 */
import { cpus } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Benchmark, ChoiceItem, Model, Observation } from "../../core/mod.ts";
import { findFiles } from "../../core/data.ts";
import { encodeChoices } from "../../core/prompt.ts";
import { createRandom } from "../../core/random.ts";
import blend from "../../benchmarks/blend.ts";
import commonsenseQa from "../../benchmarks/commonsense_qa.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { REAL_MODEL, SHARED_DATA, testContext } from "../support.ts";
import { type Peer, type PeerSpec, type Slice, startPeer, type Turn } from "./peers/peer.ts";
import { median, refuseNoise, TOLERATED, watchOthers } from "./quiet.ts";

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    rounds: { type: "string", default: "5" },
    samples: { type: "string", default: "96" },
    float32: { type: "boolean", default: false },
  },
});
const ROUNDS = Number(options.rounds), SAMPLES = Number(options.samples);
const DTYPES = options.float32 ? ["float32"] : ["float32", "bfloat16"];
const SITES = ["mlp.gate", "mlp.up", "attn.q", "attn.k", "attn.v"] as const;
/** Samples on which the sides are compared; CULNIG's batch. */
const COMPARED = 16;
/** Two float32 implementations, the largest difference over the largest score; products of two numbers of 1e-4 relative error each. */
const AGREE = 1e-3;
/** How often a disturbed turn is taken, and how long quiet is waited for. */
const ATTEMPTS = 5, PATIENCE_S = 900;
/** Our rate over another's. */
const WANTED: Readonly<Record<string, number>> = {
  "careful PyTorch loop, float32": 1.15,
  "CULNIG's program, float32": 2.2,
  "CULNIG's program, bfloat16": 1,
};

/** As peers/rounds.py reads it; `country` is what CULNIG's program sums by. */
interface Sample {
  readonly ids: readonly number[];
  readonly target: number;
  readonly country: string;
}

/** Samples of a benchmark, drawn once and left in its order, in which neighbours are of like length. */
function drawSamples<Params>(
  benchmark: Benchmark<Params, ChoiceItem>,
  given: unknown,
  model: Model,
): Sample[] {
  const params = benchmark.params.parse(given);
  const items = benchmark.load(findFiles(SHARED_DATA, benchmark.files(params), benchmark.name), params);
  const drawn = createRandom(`speed/${benchmark.name}`).sample(items.length, ROUNDS * SAMPLES / 2);
  return drawn.sort((a, b) => a - b).map((index) => {
    const { prompt, continuations, gold, clusters } = items[index]!;
    const encoded = encodeChoices(model.tokenizer, prompt, continuations);
    return {
      ids: encoded.prompt,
      target: encoded.continuations[gold]![0]!,
      country: clusters["country"] ?? "none",
    };
  });
}

/** Rounds one after another, each half of one benchmark, half of the other. */
function readSamples(model: Model): Sample[] {
  const halves = [
    drawSamples(blend, { topics: "neuron" }, model),
    drawSamples(commonsenseQa, { protocol: "culnig" }, model),
  ];
  const half = SAMPLES / 2;
  return Array.from({ length: ROUNDS }, (_, r) => halves.map((each) => each.slice(r * half, (r + 1) * half)))
    .flat(2);
}

/** Scores [samples][columns] of our model. */
async function ourScores(model: Model, samples: readonly Sample[], padding: "skip" | "zero" = "skip") {
  const observe = Array.from({ length: model.info.layers }, (_, layer) =>
    SITES.map((site): Observation => ({
      tap: `layers.${layer}.${site}`,
      quantity: "product",
      pool: "max",
      padding,
    }))).flat();
  const { observed, tokens } = await model.run(samples.map(({ ids }) => ({ prompt: ids })), {
    objective: { kind: "probability", target: samples.map(({ target }) => target) },
    observe,
    batch: COMPARED,
  });
  const scores = samples.map((_, i) => observed.map(({ values }) => values[i]!));
  return { scores, tokens };
}

async function ourRound(model: Model, samples: readonly Sample[]): Promise<Turn> {
  const start = performance.now(), before = process.cpuUsage();
  const { tokens } = await ourScores(model, samples);
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - start) / 1000, cpu: (user + system) / 1e6, tokens };
}

/** Largest difference over the largest score. */
function difference(ours: readonly (readonly Iterable<number>[])[], theirs: readonly Float32Array[]): number {
  let apart = 0, largest = 0;
  ours.forEach((sample, i) => {
    let column = 0;
    for (const tap of sample) {
      for (const value of tap) {
        const other = theirs[i]![column++]!;
        apart = Math.max(apart, Math.abs(value - other));
        largest = Math.max(largest, Math.abs(other));
      }
    }
    if (column !== theirs[i]!.length) {
      throw new Error(`${theirs[i]!.length} columns for sample ${i}, wanted ${column}`);
    }
  });
  return apart / largest;
}

/** @throws when a float32 side gives other numbers than ours. */
async function checkAgreement(
  model: Model,
  samples: readonly Sample[],
  peers: readonly Peer[],
  slice: Slice,
) {
  const part = samples.slice(slice.from, slice.to);
  const skipped = await ourScores(model, part), zeroed = await ourScores(model, part, "zero");
  for (const peer of peers) {
    const padded = peer.name.startsWith("CULNIG");
    const apart = difference((padded ? zeroed : skipped).scores, await peer.scores(slice));
    console.log(`${peer.name}: scores differ from ours by ${apart.toExponential(1)} of the largest`);
    if (peer.name.endsWith("float32") && !(apart < AGREE)) {
      throw new Error(`Cannot compare speed: scores differ by ${apart}, wanted less than ${AGREE}`);
    }
  }
}

/** A side's turn while nobody else held a core, which is whatever neither we nor the side that computed used; taken again otherwise.
 * @throws when the machine does not come to rest. */
async function takeQuietly<T extends Turn>(turn: () => Promise<T>, side: "ours" | "child"): Promise<T> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await waitForQuiet();
    const watch = watchOthers();
    const taken = await turn();
    const others = watch() - (side === "child" ? taken.cpu / taken.seconds : 0);
    if (others <= TOLERATED) return taken;
    console.log(`  taken again: other processes used ${others.toFixed(2)} of a core`);
  }
  throw new Error(`Cannot report speed: ${ATTEMPTS} turns in a row were disturbed`);
}

async function waitForQuiet(): Promise<void> {
  for (let seconds = 0; seconds < PATIENCE_S; seconds++) {
    if (await refuseNoise().then(() => true, () => false)) return;
  }
  await refuseNoise();
}

function peerSpecs(checkpoint: string, samplesFile: string): PeerSpec[] {
  const culnig = Deno.env.get("PLUMBLINE_CULNIG");
  if (culnig === undefined) console.log("left out: CULNIG's program, PLUMBLINE_CULNIG is not set");
  const shared = ["--model", checkpoint, "--samples", samplesFile];
  const both = (name: string, args: readonly string[]): PeerSpec[] =>
    DTYPES.map((dtype) => ({
      name: `${name}, ${dtype}`,
      python: PYTHON,
      args: [...args, ...shared, "--dtype", dtype],
    }));
  return [
    ...both("careful PyTorch loop", ["careful_loop.py"]),
    ...(culnig === undefined ? [] : both("CULNIG's program", ["culnig_program.py", "--culnig", culnig])),
  ];
}

const PYTHON = Deno.env.get("PLUMBLINE_PYTHON") ?? "python3";

/** Runs Python. */
async function python(...args: string[]): Promise<{ readonly success: boolean; readonly said: string }> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(PYTHON, { args }).output();
    return { success, said: new TextDecoder().decode(success ? stdout : stderr).trim() };
  } catch (error) {
    return { success: false, said: String(error) };
  }
}

async function startPeers(folder: string, samples: readonly Sample[]): Promise<Peer[]> {
  const versions = await python(
    "-c",
    "import gguf, torch, transformers; print(f'torch {torch.__version__}, transformers {transformers.__version__}')",
  );
  if (!versions.success) {
    console.log(`left out: all but ours, ${PYTHON} lacks torch, transformers or gguf (PLUMBLINE_PYTHON)`);
    return [];
  }
  console.log(versions.said);
  const make = new URL("../goldens/make_checkpoint.py", import.meta.url).pathname;
  const made = await python(make, REAL_MODEL, `${folder}/checkpoint`);
  if (!made.success) throw new Error(`Cannot write the checkpoint: ${made.said}`);
  await Deno.writeTextFile(`${folder}/samples.json`, JSON.stringify(samples));
  return peerSpecs(`${folder}/checkpoint`, `${folder}/samples.json`).map(startPeer);
}

/** The processor and what of it decides these rates. */
async function describeMachine(): Promise<string> {
  // Deno reads /proc/cpuinfo with every permission only; only Linux has it.
  const { stdout } = await new Deno.Command("cat", { args: ["/proc/cpuinfo"], stderr: "null" }).output();
  const flags = /^flags\s*:(.*)$/m.exec(new TextDecoder().decode(stdout))?.[1]?.split(" ") ?? [];
  const wide = flags.filter((flag) => /^(avx2|avx512f|avx512_bf16|amx_bf16)$/.test(flag));
  return `${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${wide.join(" ")}` +
    `${flags.includes("amx_bf16") ? "" : ", no AMX"}`;
}

/** Tokens a second by side, ours first, an entry a round. */
function printTable(rates: ReadonlyMap<string, readonly number[]>): void {
  const [ours = []] = rates.values();
  const spread = (values: readonly number[], digits: number) => {
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
    return `${median(values).toFixed(digits)} (${low} to ${high})`;
  };
  console.log("\n| side | real tokens/s: median (range) | ours over it: median (range) | wanted |");
  console.log("|---|---|---|---|");
  for (const [name, values] of rates) {
    const ratios = values.map((value, i) => ours[i]! / value), wanted = WANTED[name];
    const verdict = wanted && `${wanted}: ${median(ratios) >= wanted ? "reached" : "not reached"}`;
    console.log(`| ${name} | ${spread(values, 0)} | ${spread(ratios, 2)} | ${verdict ?? ""} |`);
  }
}

async function main() {
  if (!(ROUNDS >= 1 && SAMPLES >= 2 * COMPARED && SAMPLES % 2 === 0)) {
    throw new Error(
      `Cannot compare ${ROUNDS} rounds of ${SAMPLES}: wanted at least 1 of an even ${2 * COMPARED}`,
    );
  }
  const folder = await Deno.makeTempDir({ prefix: "plumbline-peers-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const model = stack.use(await backend.open({ path: REAL_MODEL }, { taps: [] }, testContext()));
  const samples = readSamples(model);
  console.log(await describeMachine());
  const peers = await startPeers(folder, samples);
  for (const peer of peers) stack.use(peer);
  const middle = SAMPLES / 2, around = (each: number) => ({ from: middle - each, to: middle + each });
  await ourScores(model, samples.slice(middle - COMPARED, middle + COMPARED));
  for (const peer of peers) {
    const { chosen } = await takeQuietly(() => peer.prepare(around(COMPARED)), "child");
    console.log(`${peer.name}: ${chosen}`);
  }
  await checkAgreement(model, samples, peers, around(COMPARED / 2));

  const rates = new Map(
    ["ours, float32", ...peers.map(({ name }) => name)].map((name) => [name, [] as number[]]),
  );
  for (let round = 0; round < ROUNDS; round++) {
    const slice = { from: round * SAMPLES, to: (round + 1) * SAMPLES };
    const turns = [await takeQuietly(() => ourRound(model, samples.slice(slice.from, slice.to)), "ours")];
    for (const peer of peers) turns.push(await takeQuietly(() => peer.round(slice), "child"));
    const now = turns.map(({ tokens, seconds }) => tokens / seconds);
    console.log(`round ${round + 1}: ${now.map((rate) => rate.toFixed(0)).join(", ")} tokens/s`);
    [...rates.values()].forEach((values, side) => values.push(now[side]!));
  }
  printTable(rates);
}

await main();
