/**
 * LoRA training of SmolLM2-135M, rank 16 on q, v and the MLP, float32: ours and a careful loop of transformers with PEFT, on the same batches
 * and the same two cores, in turns of one run, each turn a process of its own. Losses of the first update are compared first.
 *
 *   deno task training [--rounds 3] [--updates 4] [--over completion]      about 10 minutes
 *
 * PLUMBLINE_PYTHON names a Python with torch, transformers, peft, safetensors and gguf (default python3).
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { createRandom } from "../../core/random.ts";
import type { Completion, Trained } from "../../core/mod.ts";
import { backend } from "../../plugins/onnx/model.ts";
import { REAL_MODEL, testContext } from "../support.ts";
import { median, TOLERATED, watchOthers } from "./quiet.ts";

const { values: options } = parseArgs({
  args: Deno.args,
  options: {
    rounds: { type: "string", default: "3" },
    updates: { type: "string", default: "4" },
    over: { type: "string", default: "completion" },
    budget: { type: "string" },
    unpacked: { type: "boolean", default: false },
    /** A turn of ours: the job's path. */
    turn: { type: "string" },
  },
});
const RECIPE = {
  rank: 16,
  alpha: 32,
  rate: 1e-4,
  modules: ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"],
};
const BATCH = 8;
/** Micro-batches that the peer is tried with. */
const MICRO = [2, 4, 8];
/** Losses of the first update: two float32 programs, B zero. */
const AGREE = 1e-4;
const PYTHON = Deno.env.get("PLUMBLINE_PYTHON") ?? "python3";

interface Job {
  readonly recipe: typeof RECIPE;
  readonly over: "completion" | "all";
  readonly batches: readonly (readonly Completion[])[];
}

interface Turn {
  readonly losses: readonly number[];
  /** Without the first update, in which memory is allocated. */
  readonly seconds: number;
  readonly tokens: number;
  readonly peakMb: number;
}

/** Texts as long as instructions and their answers: prompts of 16 to 48 tokens, completions of 32 to 160. */
function drawJob(updates: number, over: Job["over"]): Job {
  const random = createRandom("speed/training");
  const ids = (count: number) => Array.from({ length: count }, () => 17 + random.below(40_000));
  const example = () => ({ prompt: ids(16 + random.below(33)), completion: ids(32 + random.below(129)) });
  const batches = Array.from({ length: updates + 1 }, () => Array.from({ length: BATCH }, example));
  return { recipe: RECIPE, over, batches };
}

/** The same batches' examples in the trainer's own order. */
async function ownTurn({ recipe, over, batches }: Job): Promise<Turn> {
  const params = { path: REAL_MODEL, packed: !options.unpacked };
  await using model = await backend.open(params, { taps: [] }, testContext());
  const parameters: Trained = {
    kind: "lora",
    targets: recipe.modules,
    rank: recipe.rank,
    alpha: recipe.alpha,
  };
  await using trainer = await model.trainer({
    parameters,
    objective: { kind: "crossEntropy", over },
    optimizer: { learningRate: recipe.rate },
    batch: BATCH,
    steps: batches.length,
    seed: 0,
    examples: batches.flat(),
    ...(options.budget ? { tokenBudget: Number(options.budget) } : {}),
  });
  const { loss } = await trainer.gradients(batches[0]!); // B is zero, as at the peer's first update; memory is allocated
  const losses = [loss];
  let start = performance.now(), first = 0, tokens = 0;
  for await (const progress of trainer.run()) {
    if (progress.step === 1) {
      start = performance.now();
      first = progress.tokens;
    }
    losses.push(progress.loss);
    // The last token of a text is predicted, but not computed; the peer counts and computes it.
    tokens = progress.tokens - first + BATCH * (progress.step - 1);
  }
  const seconds = (performance.now() - start) / 1000;
  return { losses, seconds, tokens, peakMb: process.resourceUsage().maxRSS * 1024 / 1e6 };
}

async function run(command: string, args: readonly string[]): Promise<string> {
  const child = new Deno.Command(command, {
    args: [...args],
    env: { TRANSFORMERS_VERBOSITY: "error", HF_HUB_OFFLINE: "1", TQDM_DISABLE: "1" },
  });
  const { success, stdout, stderr } = await child.output();
  if (!success) {
    throw new Error(`${command} ${args[0]} failed: ${new TextDecoder().decode(stderr).slice(-2000)}`);
  }
  return new TextDecoder().decode(stdout).trim().split("\n").at(-1) ?? "";
}

async function main() {
  const over = options.over as Job["over"],
    folder = await Deno.makeTempDir({ prefix: "plumbline-training-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const job = drawJob(Number(options.updates), over), file = `${folder}/job.json`;
  await Deno.writeTextFile(file, JSON.stringify(job));
  const script = new URL(import.meta.url).pathname,
    here = (name: string) => new URL(name, import.meta.url).pathname;
  const flags = [
    ...options.budget ? ["--budget", options.budget] : [],
    ...options.unpacked ? ["--unpacked"] : [],
  ];
  const ours = async () =>
    JSON.parse(await run(Deno.execPath(), ["run", "-A", script, "--turn", file, ...flags])) as Turn;
  await run(PYTHON, [here("../goldens/make_checkpoint.py"), REAL_MODEL, `${folder}/checkpoint`]);
  const peer = (micro: number) => async () =>
    JSON.parse(
      await run(PYTHON, [
        here("peers/peft_training.py"),
        "--model",
        `${folder}/checkpoint`,
        "--job",
        file,
        "--micro",
        String(micro),
      ]),
    ) as Turn;
  const noisy: string[] = [];
  const taken = async (name: string, turn: () => Promise<Turn>) => {
    const watch = watchOthers(), found = await turn(), share = watch();
    const rate = found.tokens / found.seconds;
    // A child's processor time counts as another's: two cores' worth is its own.
    if (share > 2 + TOLERATED) noisy.push(`${name}: ${share.toFixed(2)} cores`);
    console.log(
      `${name}: ${rate.toFixed(0)} tokens/s, peak ${found.peakMb.toFixed(0)} MB, first loss ${
        found.losses[0]!.toFixed(5)
      }`,
    );
    return { ...found, rate };
  };
  const tried = [];
  for (const micro of MICRO) tried.push({ micro, ...(await taken(`PEFT, ${micro} rows`, peer(micro))) });
  const best = tried.toSorted((a, b) => b.rate - a.rate)[0]!;
  const rounds = { ours: [] as number[], peft: [] as number[] };
  const peaks = { ours: 0, peft: 0 };
  for (let round = 0; round < Number(options.rounds); round++) {
    const own = await taken("ours", ours), other = await taken(`PEFT, ${best.micro} rows`, peer(best.micro));
    const apart = Math.abs(own.losses[0]! - other.losses[0]!);
    if (!(apart < AGREE * other.losses[0]!)) {
      throw new Error(
        `Cannot compare speed: first losses are ${apart} apart, wanted at most ${AGREE} of them`,
      );
    }
    rounds.ours.push(own.rate);
    rounds.peft.push(other.rate);
    peaks.ours = Math.max(peaks.ours, own.peakMb);
    peaks.peft = Math.max(peaks.peft, other.peakMb);
  }
  const ratio = median(rounds.ours.map((rate, i) => rate / rounds.peft[i]!));
  console.log(
    `\nours over PEFT: ${ratio.toFixed(2)} (wanted 1), peak ${peaks.ours.toFixed(0)} MB beside ${
      peaks.peft.toFixed(0)
    } MB (wanted no more)${noisy.length > 0 ? `; disturbed: ${noisy.join("; ")}` : ""}`,
  );
}

if (options.turn !== undefined) {
  console.log(JSON.stringify(await ownTurn(JSON.parse(Deno.readTextFileSync(options.turn)))));
} else await main();
