/** The benchmarks of a matrix: names, params and data read and checked. */
import { dirname, relative, resolve } from "node:path";
import type { Benchmark, ChoiceItem, Item, Prompt } from "./benchmark.ts";
import { findFiles, MissingFile } from "./data.ts";
import { faultText, UserError } from "./error.ts";
import type { AnyEvaluator, Json } from "./evaluator.ts";
import { canonicalJson, hashOfList } from "./hash.ts";
import { type MatrixSpec, twice } from "./matrix.ts";
import type { Model, ScoreRequest, Tokenizer } from "./model.ts";
import { withPrefix } from "./prompt.ts";
import { lookUp, type Registry } from "./registry.ts";
import type { BenchmarkRecord } from "./results.ts";
import type { Scale } from "./scale.ts";
import { scalesOf } from "./scale_results.ts";
import { parseWith } from "./schema.ts";

export interface PlannedBenchmark {
  readonly record: BenchmarkRecord;
  readonly evaluator: AnyEvaluator;
  readonly items: readonly Item[];
  /** Whether the run's limit left items out, beyond those that the matrix's own does. */
  readonly shortened: boolean;
  readonly primary: string;
  /** Empty for most. */
  readonly scales: readonly Scale[];
}

/** What is asked for one item: to score continuations or, with `maxNewTokens`, to write on from the prompt. */
export interface PlannedRequest extends ScoreRequest {
  readonly maxNewTokens?: number;
}

export interface BenchmarkOptions {
  readonly registry: Registry;
  /** Path of the matrix file. */
  readonly path: string;
  /** Folder of the data, absolute; default the matrix's own. */
  readonly data?: string | undefined;
  readonly limit?: number | undefined;
}

export interface PlannedBenchmarks {
  readonly benchmarks: readonly PlannedBenchmark[];
  /** Labels of optional ones whose data is not there. */
  readonly leftOut: readonly string[];
}

/** @throws {UserError} for an unknown name, wrong params, missing or broken data, one benchmark twice, or none that is left. */
export function planBenchmarks(matrix: MatrixSpec, options: BenchmarkOptions): PlannedBenchmarks {
  const { registry, path } = options;
  // All names and params first: a misspelt one is said before any data is read.
  const entries = matrix.benchmarks.map((entry) => {
    const benchmark = lookUp(registry.benchmarks, entry.use, "benchmark");
    const evaluator = lookUp(registry.evaluators, benchmark.evaluator, "evaluator");
    const params = parseWith(benchmark.params, entry.params, `read params of benchmark ${entry.use}`);
    return { entry, benchmark, evaluator, params };
  });
  const task = `read matrix ${path}`;
  const identity = (each: typeof entries[number]) => [each.benchmark.name, plain(each.params)];
  distinct(entries, { task, kind: "benchmark", label: (each) => each.benchmark.name, identity });
  const folder = dataFolder(matrix, options);
  const leftOut: string[] = [];
  const planned = entries.flatMap(({ entry, benchmark, evaluator, params }) => {
    const others = entries.filter((other) => other.entry.use === entry.use).map((other) => other.params);
    const label = entry.name ?? labelWith(benchmark.name, params, others);
    const limits = { own: entry.limit, run: options.limit };
    try {
      return [loadBenchmark(benchmark, params, { label, evaluator, folder, limits })];
    } catch (error) {
      if (!(entry.optional && error instanceof MissingFile)) throw error;
      leftOut.push(label);
      return [];
    }
  });
  if (planned.length === 0) {
    throw new UserError(`Cannot ${task}: the data of every benchmark is missing, wanted that of one or more`);
  }
  const label = (each: PlannedBenchmark) => each.record.label;
  distinct(planned, { task, kind: "benchmark label", label, identity: label });
  return { benchmarks: planned, leftOut };
}

/** Share of right answers by blind choice, where every item has a right one among its options. */
function chanceOf(items: readonly (Item & Partial<ChoiceItem>)[]): Pick<BenchmarkRecord, "chance"> {
  const shares = items.map(({ continuations, gold }) =>
    Array.isArray(continuations) && continuations.length > 0 && Number.isInteger(gold)
      ? 1 / continuations.length
      : NaN
  );
  const chance = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Number.isFinite(chance) ? { chance } : {};
}

/** The folder below which data files are looked for, absolute. */
export function dataFolder({ data }: MatrixSpec, options: BenchmarkOptions): string | undefined {
  return options.data ?? (data === undefined ? undefined : resolve(dirname(options.path), data));
}

/** Items of a benchmark and the record of where they come from. @throws {UserError} for missing or broken data. */
export function loadBenchmark(
  benchmark: Benchmark,
  params: unknown,
  { label, evaluator, folder, limits: { own = Infinity, run = Infinity } }: {
    readonly label: string;
    readonly evaluator: AnyEvaluator;
    readonly folder: string | undefined;
    /** Items at most: of the matrix for this benchmark, and of the run for all. */
    readonly limits: { readonly own?: number | undefined; readonly run?: number | undefined };
  },
): PlannedBenchmark {
  const declared = benchmark.files(params);
  if (declared.length > 0 && folder === undefined) {
    throw new MissingFile(
      `Cannot read the data of ${benchmark.name}: no folder is given, wanted --data DIR or "data" in the matrix`,
    );
  }
  const files = declared.length > 0 ? findFiles(folder ?? "", declared, benchmark) : {};
  const all = loadItems(benchmark, files, params);
  const ids = new Set(all.map((item) => item.id));
  if (all.length === 0 || ids.size < all.length) {
    const state = all.length === 0 ? "it has no items" : `${all.length - ids.size} of its items share an id`;
    throw new UserError(`Cannot run benchmark ${benchmark.name}: ${state}, wanted items with an id each`);
  }
  const items = all.slice(0, Math.min(own, run));
  const { name, version, title, licence, source } = benchmark;
  const record: BenchmarkRecord = {
    label,
    name,
    version,
    title,
    licence,
    source,
    evaluator: { name: evaluator.name, version: evaluator.version },
    params: plain(params),
    files: declared.map(({ key, sha256: expected }) => {
      const found = files[key];
      const path = relative(folder ?? "", found?.path ?? "");
      return { key, name: path, sha256: found?.sha256 ?? "", expected: expected ?? null };
    }),
    items: { original: all.length, effective: items.length },
    itemsHash: hashOfList(Iterator.from(items).map((item) => plain(decisive(item)))),
    ...chanceOf(items),
  };
  const scales = scalesOf(benchmark, evaluator, params);
  const shortened = run < Math.min(own, all.length);
  return { record, evaluator, items, shortened, primary: benchmark.metric(params), scales };
}

/**
 * Prompts and continuations of the items, as token ids, in their order; no continuations where answers are written.
 *
 * @throws {UserError} naming benchmark and model for a prompt or label that does not suit the model.
 */
export function requestsOf(
  { evaluator, items, record }: PlannedBenchmark,
  { tokenizer, info }: Pick<Model, "info" | "tokenizer">,
): readonly PlannedRequest[] {
  const place = `${record.label} on ${info.name}`;
  const requests = withPlace(place, () => asked(evaluator, items, tokenizer));
  for (const [i, { prompt, continuations, maxNewTokens = 0 }] of requests.entries()) {
    const tokens = prompt.length + Math.max(maxNewTokens, ...continuations.map((ids) => ids.length));
    if (tokens > info.contextLength) {
      const state = `item ${items[i]?.id} is ${tokens} tokens, wanted at most ${info.contextLength}`;
      throw new UserError(`Cannot run ${place}: ${state}`);
    }
  }
  // Errors of the model name the item by its id.
  return requests.map((request, i) => ({ id: items[i]!.id, ...request }));
}

/** In the order of the items. @throws as the evaluator does. */
function asked(
  evaluator: AnyEvaluator,
  items: readonly Item[],
  tokenizer: Tokenizer,
): readonly PlannedRequest[] {
  if (!("generate" in evaluator)) return evaluator.plan(items, tokenizer);
  return evaluator.generate(items, tokenizer).map((request) => ({ ...request, continuations: [] }));
}

/**
 * The benchmark with a text before every prompt.
 *
 * @throws {UserError} for items without a prompt.
 */
export function underPrompt(benchmark: PlannedBenchmark, text: string): PlannedBenchmark {
  const items = benchmark.items.map((item: Item & { readonly prompt?: Prompt }) => {
    if (item.prompt) return { ...item, prompt: withPrefix(item.prompt, text) };
    throw new UserError(
      `Cannot put a text before the prompts of ${benchmark.record.label}: item ${item.id} has none, wanted another control`,
    );
  });
  return { ...benchmark, items };
}

/** Adds the benchmark and the model to what an evaluator says of an item. */
function withPlace<T>(place: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = cause instanceof UserError
      ? cause.message.replace(/^Cannot /, "cannot ")
      : `the evaluator threw ${faultText(cause)}, wanted items that it can score`;
    throw new UserError(`Cannot run ${place}: ${reason}`, { cause });
  }
}

/** An item without what decides no outcome of its own. */
function decisive({ content: _, rotationOf: __, ...item }: Item & { readonly rotationOf?: string }) {
  return item;
}

/** The name with those params that tell it from its namesakes: "blend (protocol=culnig)". */
export function labelWith(name: string, params: unknown, all: readonly unknown[]): string {
  const own = plain(params);
  if (all.length < 2 || typeof own !== "object" || own === null) return name;
  const texts = (key: string) => all.map((other) => JSON.stringify((other as Record<string, unknown>)[key]));
  const differing = Object.entries(own).filter(([key]) => new Set(texts(key)).size > 1);
  const shown = differing.map(([key, value]) =>
    `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`
  );
  return shown.length > 0 ? `${name} (${shown.join(", ")})` : name;
}

/** @throws {UserError} when two entries have the same identity. */
export function distinct<T>(entries: readonly T[], { task, kind, label, identity }: {
  readonly task: string;
  readonly kind: string;
  readonly label: (entry: T) => string;
  readonly identity: (entry: T) => unknown;
}): void {
  const keys = entries.map((entry) => canonicalJson(identity(entry)));
  for (const [i, entry] of entries.entries()) {
    const first = entries[keys.indexOf(keys[i] ?? "")];
    if (first === undefined || first === entry) continue;
    const names = label(first) === label(entry) ? [label(entry)] : [label(first), label(entry)];
    if (names.length === 1) throw twice(task, `${kind} ${JSON.stringify(names[0])}`);
    throw new UserError(
      `Cannot ${task}: ${kind}s ${
        names.map((name) => JSON.stringify(name)).join(" and ")
      } are the same, wanted one`,
    );
  }
}

/** The value as JSON keeps it: members that are undefined are left out. */
export function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value)) as Json;
}

/** Items of a benchmark; what its code throws or gives is said as its fault, since it may be the user's own. */
function loadItems(
  benchmark: Benchmark,
  files: Parameters<Benchmark["load"]>[0],
  params: unknown,
): readonly Item[] {
  const refuse = (state: string, cause?: unknown): never => {
    throw new UserError(`Cannot load benchmark ${benchmark.name}: ${state}`, { cause });
  };
  let items: readonly Item[];
  try {
    items = benchmark.load(files, params);
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    return refuse(`its load() threw ${faultText(cause)}, wanted items`, cause);
  }
  if (!Array.isArray(items)) return refuse(`its load() gave ${typeof items}, wanted a list of items`);
  const odd = items.findIndex((item) =>
    typeof item?.id !== "string" || typeof item.clusters?.question !== "string"
  );
  return odd < 0 ? items : refuse(`item ${odd} has no id or no clusters.question, wanted both as text`);
}
