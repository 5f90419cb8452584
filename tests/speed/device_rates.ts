/**
 * Tokens a second on devices, forward (log-probability of a token after each text) and with gradients (activation times gradient at five
 * sites of every layer, pooled over tokens), of random decoders of known shapes. Beside them PyTorch on CUDA, where PLUMBLINE_PYTHON names
 * a Python that has it: forward and the careful loop of peers/. Every device's numbers are compared with the CPU's first.
 *
 *   deno run -A tests/speed/device_rates.ts [--devices cpu,webgpu,cuda] [--shapes smollm2-135m,llama-1b] [--texts 64] [--rounds 5]
 *                                           [--budget 8192] [--dtypes float32,bfloat16]
 */
import { parseArgs } from "node:util";
import { type Model, UserError } from "../../core/mod.ts";
import { backend } from "../../plugins/onnx/model.ts";
import type { Device } from "../../plugins/onnx/session/door.ts";
import { testContext } from "../support.ts";
import { startPeer } from "./peers/peer.ts";
import { median } from "./quiet.ts";
import { type RandomShape, SHAPES, writeRandomModel } from "./random_model.ts";

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    devices: { type: "string", default: "cpu,webgpu,cuda" },
    shapes: { type: "string", default: "smollm2-135m,llama-1b" },
    dtypes: { type: "string", default: "float32,bfloat16" },
    texts: { type: "string", default: "64" },
    rounds: { type: "string", default: "5" },
    budget: { type: "string", default: "8192" },
  },
});
const TEXTS = Number(options.texts), TOKENS = 128, ROUNDS = Number(options.rounds), COMPARED = 8;
const tokenBudget = Number(options.budget);
const SITES = ["mlp.gate", "mlp.up", "attn.q", "attn.k", "attn.v"] as const;
/** What the CPU's numbers may differ by from another device's, beside the largest. */
const AGREE = 1e-3;

interface Sample {
  readonly ids: readonly number[];
  readonly target: number;
}

const samplesOf = ({ vocab }: RandomShape): Sample[] =>
  Array.from({ length: TEXTS }, (_, row) => ({
    ids: Array.from({ length: TOKENS }, (_, i) => (7 + (row * TOKENS + i) * 7919) % vocab),
    target: 5 + row,
  }));

async function forward(model: Model, samples: readonly Sample[]): Promise<number[]> {
  const found: number[] = [];
  const requests = samples.map(({ ids, target }) => ({ prompt: ids, continuations: [[target]] }));
  for await (const { indices, results } of model.score(requests, { tokenBudget })) {
    indices.forEach((index, i) => found[index] = results[i]!.logprobs[0]!);
  }
  return found;
}

async function gradients(model: Model, samples: readonly Sample[]): Promise<Float32Array[]> {
  const { observed } = await model.run(samples.map(({ ids }) => ({ prompt: ids })), {
    objective: { kind: "probability", target: samples.map(({ target }) => target) },
    observe: Array.from(
      { length: model.info.layers },
      (_, layer) =>
        SITES.map((site) => ({ tap: `layers.${layer}.${site}`, quantity: "product", pool: "max" } as const)),
    ).flat(),
    tokenBudget,
  });
  return samples.map((_, i) => Float32Array.from(observed.flatMap(({ values }) => [...values[i]!])));
}

/** The largest difference over the largest. */
function apart(numbers: Iterable<number>, expected: ArrayLike<number>): number {
  let difference = 0, largest = 0, i = 0;
  for (const value of numbers) {
    // What is no number differs by everything.
    const away = Math.abs(value - expected[i]!);
    difference = Math.max(difference, Number.isNaN(away) ? Infinity : away);
    largest = Math.max(largest, Math.abs(expected[i++]!));
  }
  if (i !== expected.length) throw new Error(`${i} numbers, wanted ${expected.length}`);
  return difference / largest;
}

/** Seconds of each round, after one that is not counted. */
async function times(
  run: () => Promise<unknown>,
): Promise<{ readonly first: number; readonly rounds: number[] }> {
  const all: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const start = performance.now();
    await run();
    all.push((performance.now() - start) / 1000);
  }
  const [first = 0, ...rounds] = all;
  return { first, rounds };
}

function told(name: string, what: string, rounds: readonly number[], note: string): void {
  const rates = rounds.map((seconds) => TEXTS * TOKENS / seconds);
  const [low, high] = [Math.min(...rates), Math.max(...rates)].map((rate) => rate.toFixed(0));
  console.log(`| ${name} | ${what} | ${median(rates).toFixed(0)} (${low} to ${high}) | ${note} |`);
}

async function measure(path: string, shape: RandomShape): Promise<void> {
  const samples = samplesOf(shape), some = samples.slice(0, COMPARED), context = testContext({ threads: 0 });
  await using cpu = await backend.open({ path }, { taps: [] }, context);
  const expected = { forward: await forward(cpu, some), gradients: await gradients(cpu, some) };
  const flat = (rows: readonly Float32Array[]) => Float32Array.from(rows.flatMap((row) => [...row]));
  const reference = flat(expected.gradients);
  console.log(
    `\n${(cpu.info.parameters / 1e6).toFixed(0)} M parameters, ${TEXTS} texts of ${TOKENS} tokens\n`,
  );
  console.log("| side | what | tokens/s: median (range) | |\n|---|---|---|---|");
  for (const device of options.devices.split(",").filter(Boolean) as Device[]) {
    try {
      await using opened = device === "cpu"
        ? undefined
        : await backend.open({ path, device }, { taps: [] }, context);
      const model = opened ?? cpu;
      const differ = {
        forward: apart(await forward(model, some), expected.forward),
        gradients: apart(flat(await gradients(model, some)), reference),
      };
      for (const [what, run] of [["forward", forward], ["gradients", gradients]] as const) {
        const part = device === "cpu" ? samples.slice(0, COMPARED) : samples;
        const { first, rounds } = await times(() => run(model, part));
        const scaled = rounds.map((seconds) => seconds * samples.length / part.length);
        const from = differ[what];
        told(
          device,
          what,
          scaled,
          `first ${first.toFixed(1)} s; ${from.toExponential(1)} from the CPU's, wanted ${AGREE}: ${
            from < AGREE ? "reached" : "MISSED"
          }`,
        );
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      console.log(`| ${device} | | | ${error.message} |`);
    }
  }
  const python = Deno.env.get("PLUMBLINE_PYTHON");
  if (python === undefined) return console.log("\nleft out: PyTorch, PLUMBLINE_PYTHON is not set");
  const samplesFile = `${path}/samples.json`;
  await Deno.writeTextFile(samplesFile, JSON.stringify(samples));
  for (const dtype of options.dtypes.split(",").filter(Boolean)) {
    for (const what of ["forward", "gradients"] as const) {
      const args = ["careful_loop.py", "--model", path, "--samples", samplesFile, "--dtype", dtype];
      await using peer = startPeer({
        name: dtype,
        python,
        args: [...args, "--device", "cuda", "--what", what],
      });
      const { chosen } = await peer.prepare({ from: 0, to: TEXTS });
      const theirs = flat(await peer.scores({ from: 0, to: COMPARED }));
      const differ = apart(theirs, what === "forward" ? expected.forward : reference);
      const rounds: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        rounds.push((await peer.round({ from: 0, to: TEXTS })).seconds);
      }
      told(
        `PyTorch, ${dtype}`,
        what,
        rounds,
        `${chosen.split(" (")[0]}; ${differ.toExponential(1)} from ours on the CPU`,
      );
    }
  }
}

for (const name of options.shapes.split(",")) {
  const shape = SHAPES[name];
  if (!shape) throw new Error(`Cannot measure ${name}: wanted one of ${Object.keys(SHAPES).join(", ")}`);
  await using opened = new AsyncDisposableStack();
  const path = await Deno.makeTempDir();
  opened.defer(() => Deno.remove(path, { recursive: true }));
  writeRandomModel(path, shape);
  await measure(path, shape);
}
