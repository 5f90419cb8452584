/**
 * Time and memory of reading 500,000 outcomes from a store and estimating what a run's table has of them: `deno run -A` this file. One process fills
 * the store, another opens it, reads and estimates; its memory is what the kernel says was the most it ever held.
 */
import type { ChoiceItem, Outcome } from "../../core/mod.ts";
import { createRandom, type Random } from "../../core/random.ts";
import { estimateChange, estimateMean, pairedDifference, spread } from "../../core/stats/mod.ts";
import { type Columns, columnsOf, openSqliteStore } from "../../core/store/mod.ts";
import { labelShares } from "../../core/label_shares.ts";
import nlu from "../../plugins/nlu/mod.ts";
import { watchOthers } from "./quiet.ts";

const WANTED = { seconds: 3, megabytes: 200 };

export interface Layout {
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
const evaluator = nlu.evaluators!.find(({ name }) => name === "multiple_choice")!;
const tokenizer = { decode: (ids: readonly number[]) => LABELS[ids[0]! - 65] ?? "?" } as Parameters<
  typeof evaluator.outcome
>[2];

function itemsOf({ items }: Layout): ChoiceItem[] {
  return Array.from({ length: items }, (_, i) => ({
    id: `question-${Math.floor(i / WORDINGS)}-${i % WORDINGS}`,
    role: "report",
    clusters: { question: `q${Math.floor(i / WORDINGS)}` },
    prompt: { kind: "text", text: "" },
    continuations: LABELS.map((label) => ` ${label}`),
    labels: LABELS,
    gold: i % LABELS.length,
    doc: {},
  }));
}

const untouched = (benchmark: number) => `benchmark ${benchmark} untouched`;
const treated = (benchmark: number, treatment: number) => `benchmark ${benchmark} treatment ${treatment}`;
const drawn = (benchmark: number, treatment: number, set: number) =>
  `${treated(benchmark, treatment)} set ${set}`;
const range = (length: number) => Array.from({ length }, (_, i) => i);

function keysOf({ benchmarks, treatments, sets }: Layout): string[] {
  return range(benchmarks).flatMap((b) => [
    untouched(b),
    ...range(treatments).flatMap((t) => [treated(b, t), ...range(sets).map((s) => drawn(b, t, s))]),
  ]);
}

/** Right in three of five, as the evaluator makes and a run commits it: 32 at a time. */
function fill(path: string, layout: Layout): void {
  using store = openSqliteStore(path);
  const items = itemsOf(layout), batch = 32;
  for (const key of keysOf(layout)) {
    const random = createRandom(key);
    store.openCell(key, {}, items.length);
    for (let from = 0; from < items.length; from += batch) {
      store.commit(key, items.slice(from, from + batch).map((item) => answer(item, random)));
    }
    store.closeCell(key);
  }
}

function answer(item: ChoiceItem, random: Random): Outcome {
  const isRight = random.uniform() < 0.6, chosen = isRight ? item.gold : random.below(LABELS.length);
  const logprobs = LABELS.map((_, i) => Math.fround(-(i === chosen ? 0.5 : 2) - random.uniform()));
  const argmax = random.uniform() < 0.95 ? 65 + chosen : 200;
  return evaluator.outcome(item, {
    logprobs,
    greedy: logprobs.map((_, i) => i === chosen),
    argmax,
    argmaxLogprob: logprobs[chosen]!,
  }, tokenizer);
}

interface Task {
  readonly items: readonly ChoiceItem[];
  readonly details: boolean;
}

/**
 * Levels, paired differences and the spread of controls in every metric, as summarise() has them, from columns; with `details` also the parts of
 * each difference and the shares of labels, which are read of whole outcomes.
 *
 * @returns how many estimates there were.
 */
function estimate(path: string, layout: Layout, { items, details }: Task): number {
  using store = openSqliteStore(path, { readOnly: true });
  const clusters = items.map((item) => item.clusters.question);
  let estimates = 0;
  const level = (key: string, before?: Columns): void => {
    const columns = columnsOf(key, items, store);
    for (const { name, binary } of evaluator.metrics) {
      const options = { binary, clusters, seed: `0/bootstrap/${name}/${key}` }, own = columns.get(name)!;
      estimateMean(own, options);
      if (before) pairedDifference(before.get(name)!, own, options);
      estimates += before ? 2 : 1;
    }
  };
  const ordered = (key: string) => {
    const outcomes = store.outcomes(key);
    return items.map(({ id }) => outcomes.get(id)!);
  };
  const detail = (key: string, before?: readonly Outcome[]): void => {
    const outcomes = ordered(key);
    labelShares(items, outcomes, evaluator);
    for (const { name, binary } of before ? evaluator.metrics : []) {
      const parts = outcomes.map((each, i) => evaluator.parts?.(name, before![i]!, each));
      for (const part of Object.keys(parts[0] ?? {})) {
        estimateChange(parts.map((each) => each![part]!), { binary, clusters, seed: `0/${part}/${key}` });
        estimates++;
      }
    }
  };
  for (const b of range(layout.benchmarks)) {
    const before = columnsOf(untouched(b), items, store);
    level(untouched(b));
    for (const t of range(layout.treatments)) {
      level(treated(b, t), before);
      const sets = range(layout.sets).map((s) => columnsOf(drawn(b, t, s), items, store));
      for (const { name } of evaluator.metrics) {
        spread(sets.map((set) => mean(set.get(name)!) - mean(before.get(name)!)));
      }
    }
    if (!details) continue;
    const whole = ordered(untouched(b));
    detail(untouched(b));
    for (const t of range(layout.treatments)) detail(treated(b, t), whole);
  }
  return estimates;
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Megabytes in memory now (VmRSS), or the most so far (VmHWM): of this process alone, where getrusage() counts what started it too. */
function megabytes(name: "VmRSS" | "VmHWM"): number {
  const line = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(Deno.readTextFileSync("/proc/self/status"));
  if (!line) throw new Error(`Cannot read ${name}: /proc/self/status does not have it, wanted Linux`);
  return Number(line[1]) * 1024 / 1e6;
}

interface Figures {
  readonly seconds: number;
  /** What other processes used of a core meanwhile: time counts on a quiet machine only. */
  readonly others: number;
  readonly estimates: number;
  /** Before anything is read: modules, and the items. */
  readonly idle: number;
  readonly peak: number;
}

function measure(path: string, layout: Layout, details: boolean): Figures {
  const items = itemsOf(layout), idle = megabytes("VmRSS"), others = watchOthers(), start = performance.now();
  const estimates = estimate(path, layout, { items, details }), seconds = (performance.now() - start) / 1000;
  return { seconds, others: others(), estimates, idle, peak: megabytes("VmHWM") };
}

/** A process of its own. */
async function inChild(...args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", import.meta.filename!, ...args],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot measure: ${args[0]} failed, wanted it to end well`);
  return new TextDecoder().decode(stdout);
}

async function main(): Promise<boolean> {
  let reached = true;
  for (const [name, layout] of Object.entries(LAYOUTS)) {
    const folder = Deno.makeTempDirSync({ prefix: "plumbline-outcomes-" }), path = `${folder}/store.db`;
    try {
      await inChild("fill", path, name);
      console.log(`${keysOf(layout).length * layout.items} outcomes in ${name}`);
      for (const details of [false, true]) {
        const { seconds, others, estimates, idle, peak }: Figures = JSON.parse(
          await inChild("measure", path, name, ...(details ? ["details"] : [])),
        );
        const isReached = seconds < WANTED.seconds && peak < WANTED.megabytes;
        const isAsked = !details && name === ASKED;
        if (isAsked) reached &&= isReached;
        const figures =
          `${estimates} estimates in ${seconds.toFixed(2)} s (others used ${others.toFixed(2)} of a core); ${
            peak.toFixed(0)
          } MB at most, ` +
          `${(peak - idle).toFixed(0)} more than before anything was read`;
        const what = details ? "with parts and labels, of whole outcomes" : "levels, differences, controls";
        const wanted = isAsked ? `; wanted under ${WANTED.seconds} s and ${WANTED.megabytes} MB` : "";
        console.log(
          `${isAsked ? isReached ? "reached" : "MISSED" : ""}`.padEnd(9) + `${what}: ${figures}${wanted}`,
        );
      }
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }
  return reached;
}

if (import.meta.main) {
  const [step, path = "", name = "", details] = Deno.args, layout = LAYOUTS[name];
  if (step === "fill" && layout) fill(path, layout);
  else if (step === "measure" && layout) {
    console.log(JSON.stringify(measure(path, layout, details !== undefined)));
  } else Deno.exit(await main() ? 0 : 1);
}
