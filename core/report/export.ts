/** Writes the files of a run from the store, which is what counts; they can be made again at any time. */
import { join } from "node:path";
import { UserError } from "../error.ts";
import type { Sample } from "../evaluator.ts";
import { safeName } from "../plan.ts";
import type { Results } from "../results.ts";
import type { RunStore } from "../store/store.ts";
import { loadScores } from "../unit_scores.ts";
import { type Found, foundIn, unitsFile } from "./found.ts";
import { curvedCells, curvesCsv, curvesSvg } from "./curves.ts";
import { differencesCsv, differencesSvg } from "./forest.ts";
import { prettyJson } from "./json.ts";
import { tableTex } from "./latex.ts";
import { reportMarkdown } from "./markdown.ts";
import { writeTables } from "./tables.ts";

/**
 * Writes results.json, report.md, table.tex, differences.svg and .csv, cells.parquet and items.parquet, one samples_*.jsonl a benchmark
 * and treatment, and one units_*.json a selection of units, below `folder`/`id`. Each file appears whole or not at all: it is written
 * beside its place and renamed.
 *
 * @returns the run's folder.
 * @throws {UserError} when a run of that id is not in the store, or the disk does not take a file.
 */
export async function exportRun(store: RunStore, id: string, folder: string): Promise<string> {
  const results = store.run(id);
  if (results === undefined) {
    const known = store.runs().map((run) => run.id).join(", ");
    throw new UserError(
      `Cannot export run ${id}: it is not in the store, wanted ${known ? `one of ${known}` : "a run"}`,
    );
  }
  const target = join(folder, safeName(id));
  const files = new Map<string, () => string>();
  const names = sampleNames(results);
  for (const cell of results.cells) {
    const name = names.get(cell) ?? "";
    files.set(name, () => jsonLines(store.samples(cell.key)));
  }
  for (const [found, name] of unitsNames(results)) {
    const sources = {
      madeOf: (key: string) => store.numbers(key)?.about,
      scores: (key: string) => loadScores(store, key),
    };
    files.set(name, () => prettyJson(unitsFile(found, results, sources)));
  }
  files.set("report.md", () => reportMarkdown(results));
  files.set("table.tex", () => tableTex(results));
  files.set("differences.svg", () => differencesSvg(results));
  files.set("differences.csv", () => differencesCsv(results));
  if (curvedCells(results).length > 0) {
    files.set("curves.svg", () => curvesSvg(results));
    files.set("curves.csv", () => curvesCsv(results));
  }
  // Last, so that a results.json stands for a whole folder.
  files.set("results.json", () => prettyJson(results));
  await writing(target, () => Deno.mkdir(target, { recursive: true }));
  await writeTablesWhole(results, store, target);
  for (const [name, text] of files) {
    await writeWhole(join(target, name), (own) => Deno.writeTextFile(own, text(), { createNew: true }));
  }
  return target;
}

/** `samples_<benchmark>_<treatment>.jsonl`, led by the model where there are several; numbered where two would be one. */
function sampleNames({ models, cells }: Results): Map<Results["cells"][number], string> {
  const parts = (cell: Results["cells"][number]) => [cell.benchmark, cell.treatment];
  return fileNames(
    cells,
    (cell) => ["samples", ...(models.length > 1 ? [cell.model] : []), ...parts(cell)],
    "jsonl",
  );
}

/** `units_<treatment>.json`, with the model where there are several; numbered where a treatment selects more than once. */
function unitsNames(results: Results): Map<Found, string> {
  const several = results.models.length > 1;
  return fileNames(
    foundIn(results),
    ({ treatment, model }) => ["units", treatment, ...(several ? [model.label] : [])],
    "json",
  );
}

function fileNames<T>(
  entries: readonly T[],
  partsOf: (entry: T) => readonly string[],
  ending: string,
): Map<T, string> {
  const taken = new Set<string>();
  return new Map(entries.map((entry) => {
    const stem = partsOf(entry).map(safeName).join("_");
    let name = stem;
    for (let i = 2; taken.has(name.toLowerCase()); i++) name = `${stem}_${i}`;
    taken.add(name.toLowerCase());
    return [entry, `${name}.${ending}`];
  }));
}

function jsonLines(samples: ReadonlyMap<string, Sample>): string {
  return [...samples.values()].sort((a, b) => a.doc_id - b.doc_id)
    .map((sample) => JSON.stringify(sample) + "\n").join("");
}

async function writeTablesWhole(results: Results, store: RunStore, target: string): Promise<void> {
  await writeWhole(
    join(target, "items.parquet"),
    (items) =>
      writeWhole(join(target, "cells.parquet"), (cells) => writeTables(results, store, { cells, items })),
  );
}

/** @param write Writes the whole file at a path of its own, from where it is moved into its place. */
async function writeWhole(path: string, write: (own: string) => Promise<void>): Promise<void> {
  await writing(path, async () => {
    // A name of its own: two runs of one matrix may export at the same time.
    const own = `${path}.${crypto.randomUUID()}.tmp`;
    try {
      await write(own);
      await Deno.rename(own, path);
    } catch (error) {
      await Deno.remove(own).catch(() => {}); // the first error is the one to tell
      throw error;
    }
  });
}

/** What can stand in the way of a file, by the system's code. */
const CAUSES = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk is full",
  EROFS: "the disk is read-only",
  EACCES: "permission is denied",
  EPERM: "permission is denied",
  ENOTDIR: "a part of the path is no folder",
  EISDIR: "it is a folder",
  ENAMETOOLONG: "its name is too long",
} as const;

async function writing(path: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    if (code === undefined) throw error;
    const state = (CAUSES as Readonly<Record<string, string>>)[code] ?? message;
    throw new UserError(`Cannot write ${path}: ${state}, wanted a folder that can be written`, {
      cause: error,
    });
  }
}
