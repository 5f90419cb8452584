/** A run that never was: outcomes drawn from a seed, estimates made of them by the real statistics. */
import type { CellResult, Metric, Outcome, Results, RunStore, Sample } from "../../core/mod.ts";
import { createRandom, sha256 } from "../../core/mod.ts";
import { estimateMean, pairedDifference } from "../../core/stats/mod.ts";

const ACC: Metric = { name: "acc", title: "Accuracy among the options", binary: true, higherIsBetter: true };
const VALID: Metric = { name: "valid", title: "Valid answers", binary: true, higherIsBetter: true };
const NATS: Metric = {
  name: "gold_logprob",
  title: "Log-probability of the right answer",
  binary: false,
  higherIsBetter: true,
};
const LABELS = ["A", "B", "C", "D", "E"];

/** Chance of a right answer by benchmark, one a treatment. */
const PLAN: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  fables: { untouched: 0.93, silenced: 0.31, halved: 0.8, amplified: 0.94 },
  commonsense_qa: { untouched: 0.42, silenced: 0.41, halved: 0.425, amplified: 0.27 },
  qnli: { untouched: 0.55, silenced: 0.56, halved: 0.75, amplified: 0.52 },
};

export interface MadeUpOptions {
  readonly items: number;
  readonly models?: readonly string[];
  readonly reportable?: boolean;
  readonly startedAt?: string;
  readonly name?: string;
  /** Put in front of every text a user, a model or a data file could have written. */
  readonly hostile?: string;
}

/** Fills the store with one run and returns its results. */
export function fill(store: RunStore, options: MadeUpOptions): Results {
  const { items, models = ["tiny-llama"], reportable = true, startedAt = "2026-11-23T21:40:12.000Z" } =
    options;
  const hostile = options.hostile ?? "";
  const name = hostile + (options.name ?? "demo");
  const cells = models.flatMap((model) =>
    Object.entries(PLAN).flatMap(([benchmark, chances]) =>
      rowOf(store, { model, benchmark, chances, items, hostile })
    )
  );
  const hash = (of: string) => sha256(of);
  const results: Results = {
    format: "plumbline-results",
    version: 1,
    id: `${name}-${hash(name + startedAt).slice(0, 8)}`,
    name,
    reportable,
    limit: reportable ? null : items,
    tokenBudget: 2048,
    engine: { plumbline: "0.1.0", deno: "2.9.6", runtime: "onnxruntime-node 1.30.0" },
    matrix: { version: 1, seed: 0, models: [{ use: "onnx", params: { path: "fixtures/fables" } }] },
    statistics: { level: 0.95, resamples: 10_000, seed: 0 },
    models: models.map((label) => ({
      label,
      use: "onnx",
      version: "1",
      params: { path: "fixtures/fables" },
      info: {
        name: label,
        architecture: "llama",
        parameters: 1_284_096,
        layers: 4,
        contextLength: 512,
        vocab: 1024,
        hash: { weights: hash("w"), tokenizer: hash("t"), chatTemplate: "", config: hash("c") },
      },
    })),
    benchmarks: Object.keys(PLAN).map((label) => ({
      label: hostile + label,
      name: label,
      version: "1",
      title: `${hostile}Questions of ${label}`,
      licence: "CC0-1.0",
      source: label === "qnli" ? "https://example.org/qnli" : "Plumbline",
      evaluator: { name: "multiple_choice", version: "1" },
      params: label === "commonsense_qa" ? { protocol: "lm-eval" } : {},
      files: [{
        key: "items",
        name: `${label}.jsonl`,
        sha256: hash(label),
        expected: label === "qnli" ? hash("other") : label === "fables" ? null : hash(label),
      }],
      items: { original: items, effective: items },
      itemsHash: hash(`items of ${label}`),
    })),
    treatments: ["silenced", "halved", "amplified"].map((treatment) => ({
      name: hostile + treatment,
      steps: [{ edit: { use: "suppress" } }],
      controls: [{ use: "random", match: "tap", sets: 3 }],
      arms: ["treated", "random 1", "random 2", "random 3"].map((arm) => ({
        treatment: hostile + treatment,
        arm,
        edits: [{ tap: "layers.2.mlp.act", units: [3, 17, 40], op: "scale", value: 0 }],
        units: 3,
      })),
    })),
    cells,
    run: {
      startedAt,
      finishedAt: "2026-11-23T21:40:43.000Z",
      elapsedMs: 31_400,
      command: ["deno", "task", "eval", "my matrix.json", "--model", `${hostile}fixtures/fables`],
      computedCells: 12,
      reusedCells: 3,
      tokens: 184_220,
      tokensPerSecond: 5866.9,
      peakMemoryMb: 250,
      threads: 2,
      platform: "linux x86_64",
    },
  };
  store.saveRun(results);
  return results;
}

interface RowOptions {
  readonly model: string;
  readonly benchmark: string;
  readonly chances: Readonly<Record<string, number>>;
  readonly items: number;
  readonly hostile: string;
}

function rowOf(store: RunStore, options: RowOptions): CellResult[] {
  const { model, benchmark, chances, items, hostile } = options;
  const base = draw(options, "untouched", chances.untouched ?? 0);
  return Object.entries(chances).map(([treatment, chance]) => {
    const untouched = treatment === "untouched";
    const outcomes = untouched ? base : draw(options, treatment, chance, base);
    const key = save(store, options, treatment, outcomes);
    const controls = [1, 2, 3].map((set) =>
      draw(options, `${treatment} random ${set}`, chances.untouched ?? 0, base)
    );
    const keys = untouched
      ? []
      : controls.map((each, at) => save(store, options, `${treatment} random ${at + 1}`, each));
    return {
      model,
      benchmark: hostile + benchmark,
      treatment: untouched ? treatment : hostile + treatment,
      key,
      n: items,
      primary: "acc",
      metrics: [ACC, VALID, NATS].map((metric) => resultOf(metric, outcomes, untouched ? undefined : base)),
      controls: untouched ? [] : [{
        control: "random",
        metrics: Object.fromEntries(
          [ACC, VALID, NATS].map((metric) => [metric.name, spreads(metric, controls, base)]),
        ),
        keys,
      }],
    };
  });
}

function resultOf(metric: Metric, after: readonly Outcome[], before: readonly Outcome[] | undefined) {
  const clusters = after.map((each) => each.item);
  const [now, old] = [valuesOf(after, metric), before && valuesOf(before, metric)];
  const options = { binary: metric.binary, clusters, seed: 0, resamples: 200 };
  const estimate = estimateMean(now, options);
  if (!old) return { metric, estimate };
  const difference = pairedDifference(old, now, options);
  if (metric !== ACC) return { metric, estimate, difference };
  const share = (factor: number) => ({
    ...estimate,
    value: difference.value * factor,
    low: Math.min(difference.low, 0) * factor,
    high: Math.max(difference.high, 0) * factor,
  });
  return { metric, estimate, difference, parts: { validity: share(0.2), ability: share(0.8) } };
}

function spreads(metric: Metric, sets: readonly (readonly Outcome[])[], base: readonly Outcome[]) {
  const mean = (outcomes: readonly Outcome[]) => {
    const values = valuesOf(outcomes, metric);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const spread = (values: readonly number[]) => ({
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    min: Math.min(...values),
    max: Math.max(...values),
    sets: values.length,
  });
  const means = sets.map(mean);
  return { value: spread(means), difference: spread(means.map((each) => each - mean(base))) };
}

function valuesOf(outcomes: readonly Outcome[], { name }: Metric): number[] {
  return outcomes.map((each) => each.values[name] ?? 0);
}

/** Outcomes that mostly keep what `base` had, so that pairs are worth pairing. */
function draw(
  { benchmark, items, hostile }: RowOptions,
  stream: string,
  chance: number,
  base?: readonly Outcome[],
): Outcome[] {
  const random = createRandom(`${benchmark}/${stream}`);
  const unit = () => random.below(1_000_000) / 1_000_000;
  const was = base ? base.reduce((sum, each) => sum + (each.values.acc ?? 0), 0) / items : 0;
  const stay = 0.97;
  return Array.from({ length: items }, (_, at) => {
    const old = base?.[at]?.values.acc;
    const right = old === undefined
      ? unit() < chance
      : old === 1
      ? unit() < Math.min(stay, chance / was)
      : unit() < Math.max(1 - stay, (chance - was) / (1 - was));
    const gold = at % 5;
    const choice = right ? gold : (gold + 1 + random.below(4)) % 5;
    const logprobs = LABELS.map((_, option) => -(option === choice ? 0.3 : 1.2) - unit() * 2);
    logprobs[choice] = -0.2 - unit() * 0.3;
    const label = LABELS[choice] ?? "";
    return {
      item: `${hostile}${benchmark}-${at}`,
      values: { acc: Number(right), valid: Number(unit() < 0.97), gold_logprob: logprobs[gold] ?? 0 },
      detail: { choice: label, given: `${hostile} ${label}`, gold: LABELS[gold] ?? "", logprobs },
    };
  });
}

function save(store: RunStore, options: RowOptions, treatment: string, outcomes: readonly Outcome[]): string {
  const { model, benchmark, hostile } = options;
  const key = sha256(`${hostile}${model}/${benchmark}/${treatment}/${outcomes.length}`);
  store.openCell(key, {}, outcomes.length);
  store.commit(key, outcomes);
  store.closeCell(key);
  if (!treatment.includes("random")) {
    store.saveSamples(key, new Map(outcomes.map((each, at) => [each.item, sampleOf(each, at, options)])));
  }
  return key;
}

function sampleOf(outcome: Outcome, at: number, { benchmark, hostile }: RowOptions): Sample {
  const prompt =
    `${hostile}Question ${at} of ${benchmark}: In which drawer of the long cupboard did the miller's ` +
    `daughter keep the brass key after the flood?\nA. the first\nB. the second\nC. the third\nD. the fourth\n` +
    `E. none of these\nAnswer:`;
  return {
    doc_id: at,
    doc: { id: outcome.item, note: `${hostile}as the file has it` },
    target: outcome.detail.gold,
    arguments: Object.fromEntries(
      LABELS.map((label, option) => [`gen_args_${option}`, { arg_0: prompt, arg_1: ` ${label}` }]),
    ),
    resps: [],
    filtered_resps: [],
    filter: "none",
    metrics: Object.keys(outcome.values),
  };
}
