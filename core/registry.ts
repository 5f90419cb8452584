/**
 * Finds what Plumbline can do: the file system is the registry. `plugins/<name>/mod.ts` exports a plugin, `benchmarks/<name>.ts`
 * a benchmark, each as its default export; `plugins/<name>/scorer.json` is a plugin of one scorer. A new one edits no other file.
 */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Benchmark } from "./benchmark.ts";
import { faultText, UserError } from "./error.ts";
import type { AnyEvaluator } from "./evaluator.ts";
import type { Intervention } from "./intervention.ts";
import { parseScorer } from "./json_scorer.ts";
import { suggest } from "./nearest.ts";
import type { BackendEntry, Plugin } from "./plugin.ts";
import type { Scorer } from "./scorer.ts";
import type { Tuner } from "./tuner.ts";

export interface Registry {
  readonly plugins: readonly Plugin[];
  // deno-lint-ignore no-explicit-any -- as in Plugin: params are checked by the entry's own schema before they reach it
  readonly backends: ReadonlyMap<string, BackendEntry<any>>;
  // deno-lint-ignore no-explicit-any -- items reach an evaluator only from a benchmark that names it
  readonly evaluators: ReadonlyMap<string, AnyEvaluator<any>>;
  // deno-lint-ignore no-explicit-any -- as for backends
  readonly interventions: ReadonlyMap<string, Intervention<any>>;
  // deno-lint-ignore no-explicit-any -- as for backends
  readonly scorers: ReadonlyMap<string, Scorer<any>>;
  // deno-lint-ignore no-explicit-any -- as for backends
  readonly tuners: ReadonlyMap<string, Tuner<any>>;
  // deno-lint-ignore no-explicit-any -- as for backends
  readonly benchmarks: ReadonlyMap<string, Benchmark<any, any>>;
}

// deno-lint-ignore no-explicit-any -- as in Registry
type AnyBenchmark = Benchmark<any, any>;

/** Files everything under its name. @throws {UserError} when two of one kind have the same name. */
export function createRegistry(plugins: readonly Plugin[], benchmarks: readonly AnyBenchmark[]): Registry {
  return {
    plugins: [...byName(plugins, "plugin").values()],
    backends: byName(plugins.flatMap((plugin) => plugin.backends ?? []), "backend"),
    evaluators: byName(plugins.flatMap((plugin) => plugin.evaluators ?? []), "evaluator"),
    interventions: byName(plugins.flatMap((plugin) => plugin.interventions ?? []), "intervention"),
    scorers: byName(plugins.flatMap((plugin) => plugin.scorers ?? []), "scorer"),
    tuners: byName(plugins.flatMap((plugin) => plugin.tuners ?? []), "tuner"),
    benchmarks: byName(benchmarks, "benchmark"),
  };
}

/**
 * Imports every plugin and benchmark below `root`, and those in `extra`.
 *
 * @param extra Paths of further files, each a scorer's JSON or with a plugin or a benchmark as its default export; a folder stands for its
 * mod.ts, or else its scorer.json.
 * @throws {UserError} for a file that is none of these, or a name that is taken.
 */
export async function loadRegistry(root: string, extra: readonly string[] = []): Promise<Registry> {
  const [folders, files] = await Promise.all([
    names(join(root, "plugins"), (entry) => entry.isDirectory),
    names(join(root, "benchmarks"), (entry) => entry.isFile && entry.name.endsWith(".ts")),
  ]);
  const paths = [
    ...folders.map((name) => entryOf(join(root, "plugins", name))).filter(isFile),
    ...files.map((name) => join(root, "benchmarks", name)),
    ...extra.map((path) => isFile(path) ? path : entryOf(path)),
  ];
  const values = await Promise.all(paths.map(load));
  return createRegistry(values.filter(isPlugin), values.filter(isBenchmark));
}

/** The entry of that name. @throws {UserError} naming the nearest known one. */
export function lookUp<T>(entries: ReadonlyMap<string, T>, name: string, kind: string): T {
  const entry = entries.get(name);
  if (entry !== undefined) return entry;
  const known = [...entries.keys()].sort();
  const near = suggest(name, known);
  const list = near.startsWith(", known")
    ? ""
    : ` (known are ${known.map((word) => `"${word}"`).join(", ")})`;
  throw new UserError(
    `Cannot find ${kind} ${JSON.stringify(name)}: there is none of that name${near}${near ? list : ""}`,
  );
}

function byName<T extends { readonly name: string }>(entries: readonly T[], kind: string): Map<string, T> {
  const map = new Map<string, T>();
  for (const entry of entries) {
    if (map.has(entry.name)) {
      throw new UserError(
        `Cannot register ${kind} ${JSON.stringify(entry.name)}: the name is taken, wanted another`,
      );
    }
    map.set(entry.name, entry);
  }
  return map;
}

async function names(folder: string, wanted: (entry: Deno.DirEntry) => boolean): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter(wanted).map((entry) => entry.name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Where a plugin's folder begins: mod.ts, or a scorer.json in its place. */
function entryOf(folder: string): string {
  const scorer = join(folder, "scorer.json"), module = join(folder, "mod.ts");
  return isFile(scorer) && !isFile(module) ? scorer : module;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

async function load(path: string): Promise<unknown> {
  if (!isFile(path)) {
    throw new UserError(
      `Cannot load plugin ${path}: there is no such file, wanted a plugin's or benchmark's file or folder`,
    );
  }
  if (path.endsWith(".json")) {
    const scorer = parseScorer(await Deno.readTextFile(path), path);
    return { name: scorer.name, version: scorer.version, source: scorer.source, scorers: [scorer] };
  }
  const module = await importFrom(path);
  const value = module.default;
  if (isPlugin(value) || isBenchmark(value)) return value;
  throw new UserError(
    `Cannot load plugin ${path}: its default export is neither, wanted definePlugin(...) or defineBenchmark(...)`,
  );
}

async function importFrom(path: string): Promise<{ readonly default?: unknown }> {
  try {
    return await import(pathToFileURL(resolve(path)).href);
  } catch (cause) {
    throw new UserError(`Cannot load plugin ${path}: ${faultText(cause)}, wanted a module that loads`, {
      cause,
    });
  }
}

function isBenchmark(value: unknown): value is AnyBenchmark {
  return isNamed(value) && "evaluator" in value && "load" in value;
}

function isPlugin(value: unknown): value is Plugin {
  return isNamed(value) && !isBenchmark(value) && "version" in value && "source" in value;
}

function isNamed(value: unknown): value is { readonly name: string } {
  return typeof value === "object" && value !== null && "name" in value && typeof value.name === "string";
}
