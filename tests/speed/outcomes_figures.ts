/**
 * Time and memory of making a run's results of 500,000 outcomes: `deno run -A` this file. One process fills a store as a run does, with the
 * answers of a model without weights; another plans the run again, opens the store, reads, and summarises. Its memory is what the kernel says was
 * the most it ever held; what it held when all was planned and nothing read is told apart.
 */
import { z } from "zod";
import {
  type ChoiceItem,
  defineBenchmark,
  type Edit,
  type ModelBackend,
  type Plugin,
} from "../../core/mod.ts";
import { createRandom } from "../../core/random.ts";
import { createRegistry } from "../../core/registry.ts";
import { parseMatrix } from "../../core/matrix.ts";
import { type Plan, planRun } from "../../core/plan.ts";
import { run } from "../../core/runner.ts";
import { openSqliteStore } from "../../core/store/mod.ts";
import { summarise } from "../../core/summary.ts";
import edits from "../../plugins/edits/mod.ts";
import nlu from "../../plugins/nlu/mod.ts";
import { fakeBackend, fakePlugin } from "../fake_model.ts";
import { ENGINE } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";
import { watchOthers } from "./quiet.ts";

const WANTED = { seconds: 3, megabytes: 200 };

interface Layout {
  readonly benchmarks: number;
  /** Of each benchmark; four wordings a question. */
  readonly items: number;
  /** Beside the untouched model. */
  readonly treatments: number;
  /** Control sets of each treatment. */
  readonly sets: number;
}

/** Twice 500,000 outcomes: many cells of a usual size, which are asked for, and few that are large, which are shown. */
const LAYOUTS: Readonly<Record<string, Layout>> = {
  "50 cells of 10,000": { benchmarks: 5, items: 10_000, treatments: 3, sets: 2 },
  "4 cells of 125,000": { benchmarks: 1, items: 125_000, treatments: 1, sets: 2 },
};

const ASKED = "50 cells of 10,000";

const LABELS = ["A", "B", "C", "D"], WORDINGS = 4;

const questions = defineBenchmark({
  name: "questions",
  version: "1",
  title: "Questions in four wordings",
  licence: "CC0-1.0",
  source: "tests",
  params: z.strictObject({ items: z.int(), number: z.int() }),
  evaluator: "multiple_choice",
  metric: () => "exact_match",
  files: () => [],
  load: (_, { items }) =>
    Array.from({ length: items }, (_, i): ChoiceItem => ({
      id: `question-${Math.floor(i / WORDINGS)}-${i % WORDINGS}`,
      role: "report",
      clusters: { question: `q${Math.floor(i / WORDINGS)}` },
      prompt: { kind: "text", text: String(i) },
      continuations: LABELS.map((label) => ` ${label}`),
      labels: LABELS,
      gold: i % LABELS.length,
      doc: {},
    })),
});

/** The fake model, but right in three of five whatever is asked, and 32 items at a time. */
function backend(): ModelBackend<never> {
  const fake = fakeBackend();
  return {
    inspect: (params, context) => fake.inspect(params, context),
    async open(params, options, context) {
      const model = await fake.open(params, options, context);
      return {
        ...model,
        async *score(requests, { edits = [], skip = () => false } = {}) {
          const random = createRandom(JSON.stringify(edits satisfies readonly Edit[]));
          for (let from = 0; from < requests.length; from += 32) {
            const indices = requests.slice(from, from + 32).map((_, i) => from + i);
            if (skip(indices)) continue;
            const results = indices.map((i) => {
              const chosen = random.uniform() < 0.6 ? i % LABELS.length : random.below(LABELS.length);
              const logprobs = LABELS.map((_, k) =>
                Math.fround(-(k === chosen ? 0.5 : 2) - random.uniform())
              );
              const argmax = random.uniform() < 0.95 ? 65 + chosen : 120;
              return {
                logprobs,
                greedy: logprobs.map((_, k) => k === chosen),
                argmax,
                argmaxLogprob: logprobs[chosen]!,
              };
            });
            yield { indices, results, tokens: 10 * indices.length };
          }
        },
      };
    },
  };
}

function planOf({ benchmarks, items, treatments, sets }: Layout): Promise<Plan> {
  const { interventions: _, evaluators: __, ...fake } = fakePlugin();
  const plugin: Plugin = {
    ...fake,
    backends: [{ ...fake.backends![0]!, load: () => Promise.resolve(backend()) }],
  };
  const matrix = {
    version: 1,
    models: [{ use: "fake" }],
    benchmarks: range(benchmarks).map((number) => ({ use: "questions", params: { items, number } })),
    treatments: range(treatments).map((t) => ({
      name: `treatment ${t}`,
      steps: [{ edit: { use: "suppress", units: [{ tap: "layers.0.mlp.gate", units: [t, 5] }] } }],
      controls: [{ use: "random", match: "tap", sets }],
    })),
  };
  return planRun(parseMatrix(JSON.stringify(matrix), "/m/outcomes.json"), {
    registry: createRegistry([plugin, edits, nlu], [questions]),
    context: testContext(),
    path: "/m/outcomes.json",
    engine: ENGINE,
  });
}

const range = (length: number) => Array.from({ length }, (_, i) => i);

async function fill(path: string, layout: Layout): Promise<void> {
  using store = openSqliteStore(path);
  await run(await planOf(layout), { store, context: testContext() });
}

interface Figures {
  readonly seconds: number;
  /** What other processes used of a core meanwhile: time counts on a quiet machine only. */
  readonly others: number;
  readonly cells: number;
  readonly estimates: number;
  /** Before anything is read: modules, items and requests. */
  readonly idle: number;
  readonly peak: number;
}

async function measure(path: string, layout: Layout): Promise<Figures> {
  const plan = await planOf(layout);
  using store = openSqliteStore(path, { readOnly: true });
  const idle = megabytes("VmRSS"), others = watchOthers(), start = performance.now();
  const { cells } = summarise(plan, store, UNUSED), seconds = (performance.now() - start) / 1000;
  const estimates =
    cells.flatMap(({ metrics }) =>
      metrics.flatMap(({ difference, parts }) => [1, ...difference ? [1] : [], ...Object.keys(parts ?? {})])
    ).length;
  return {
    seconds,
    others: others(),
    cells: plan.cells.length,
    estimates,
    idle,
    peak: megabytes("VmHWM"),
  };
}

/** Megabytes in memory now (VmRSS), or the most so far (VmHWM): of this process alone, where getrusage() counts what started it too. */
function megabytes(name: "VmRSS" | "VmHWM"): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(Deno.readTextFileSync("/proc/self/status"));
  if (!line) throw new Error(`Cannot read ${name}: /proc/self/status does not have it, wanted Linux`);
  return Number(line[1]) * 1024 / 1e6;
}

/** Those of `deno task eval`: V8 keeps three young generations of up to 16 MB, of which long lists of numbers get nothing. */
function flagsOfEval(): string {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  return /--v8-flags=\S+/.exec(tasks.eval)![0];
}

/** A process of its own. */
async function inChild(...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", flagsOfEval(), import.meta.filename!, ...args],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure: ${args[0]} failed, wanted it to end well`);
  return new TextDecoder().decode(stdout);
}

async function main(): Promise<boolean> {
  let reached = true;
  for (const [name, { items }] of Object.entries(LAYOUTS)) {
    const folder = Deno.makeTempDirSync({ prefix: "plumbline-outcomes-" }), path = `${folder}/store.db`;
    try {
      await inChild("fill", path, name);
      const { seconds, others, cells, estimates, idle, peak }: Figures = JSON.parse(
        await inChild("measure", path, name),
      );
      const isReached = seconds < WANTED.seconds && peak < WANTED.megabytes;
      const isAsked = name === ASKED;
      if (isAsked) reached &&= isReached;
      console.log(
        `${isAsked ? isReached ? "reached" : "MISSED" : ""}`.padEnd(9) +
          `${cells * items} outcomes in ${name}: ${estimates} estimates with controls and label shares in ${
            seconds.toFixed(2)
          } s (others used ${others.toFixed(2)} of a core) and ${peak.toFixed(0)} MB, ${
            (peak - idle).toFixed(0)
          } of it beyond the planned process` +
          (isAsked ? `; wanted under ${WANTED.seconds} s and ${WANTED.megabytes} MB` : ""),
      );
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }
  return reached;
}

if (import.meta.main) {
  const [step, path = "", name = ""] = Deno.args, layout = LAYOUTS[name];
  if (step === "fill" && layout) await fill(path, layout);
  else if (step === "measure" && layout) console.log(JSON.stringify(await measure(path, layout)));
  else Deno.exit(await main() ? 0 : 1);
}
