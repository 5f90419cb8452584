/** Data of other people: finding the declared files below a folder, and reading their records with the place of every fault. */
import { parse as parseCsv } from "csv-parse/sync";
import type { z } from "zod";
import type { Benchmark, DataFile, FoundFile } from "./benchmark.ts";
import { UserError } from "./error.ts";
import { sha256 } from "./hash.ts";

/** An object schema whose keys are the columns of a table that are read. */
type Columns<T> = z.ZodType<T> & { readonly shape: Readonly<Record<string, unknown>> };

/** A declared file that is nowhere below the folder. */
export class MissingFile extends UserError {}

/**
 * Finds each declared file below `dir`, whatever the folders between. Of several that bear the name, the one with the
 * expected sha256 is taken, else the one with the shortest path, else the first in alphabetical order.
 *
 * @param benchmark for messages; given with its source, a message also says where the data comes from.
 * @throws {UserError} when the folder or a file is not there, or a file is not UTF-8.
 */
export function findFiles(
  dir: string,
  declared: readonly DataFile[],
  benchmark: string | Pick<Benchmark, "name" | "source">,
): Record<string, FoundFile> {
  const { name, source } = typeof benchmark === "string" ? { name: benchmark, source: undefined } : benchmark;
  const root = dir.replace(/(?<=.)\/+$/, "");
  const files = declared.length > 0 ? walk(root, name) : [];
  return Object.fromEntries(declared.map((file) => {
    const found = locate(root, files, file);
    if (found === undefined) {
      const origin = source === undefined ? "" : ` (the data comes from ${source})`;
      throw new MissingFile(
        `Cannot read the data of ${name}: no file below ${root} is called ${
          file.names.join(" or ")
        }, wanted one${origin}`,
      );
    }
    return [file.key, { key: file.key, path: found.path, sha256: found.sha256, text: decode(found) }];
  }));
}

interface Bytes {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

function locate(
  root: string,
  files: readonly string[],
  { names, sha256: expected }: DataFile,
): Bytes | undefined {
  for (const name of names) {
    const matches = files.filter((path) => `/${path}`.endsWith(`/${name}`))
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
      .map((path) => `${root}/${path}`);
    if (matches.length === 0) continue;
    const first = readBytes(matches[0] as string);
    if (expected === undefined || first.sha256 === expected) return first;
    for (const path of matches.slice(1)) {
      const other = readBytes(path);
      if (other.sha256 === expected) return other;
    }
    return first;
  }
  return undefined;
}

/** Paths of all files below a folder, relative to it. Dot folders and node_modules are not entered, a linked folder once. */
function walk(root: string, benchmark: string): string[] {
  const seen = new Set<string>();
  const paths: string[] = [];
  const enter = (relative: string) => {
    const folder = relative === "" ? root : `${root}/${relative}`;
    const real = Deno.realPathSync(folder);
    if (seen.has(real)) return;
    seen.add(real);
    for (const { name } of [...Deno.readDirSync(folder)].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = relative === "" ? name : `${relative}/${name}`;
      const info = stat(`${root}/${path}`);
      if (info?.isFile) paths.push(path);
      else if (info?.isDirectory && name !== "node_modules" && !name.startsWith(".")) enter(path);
    }
  };
  if (!stat(root)?.isDirectory) {
    throw new UserError(
      `Cannot read the data of ${benchmark}: ${root} is not a folder, wanted the folder of the data`,
    );
  }
  enter("");
  return paths;
}

/** Undefined for what cannot be looked at: a link to nowhere, or to outside of what may be read. */
function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

function readBytes(path: string): Bytes {
  try {
    const bytes = Deno.readFileSync(path);
    return { path, bytes, sha256: sha256(bytes) };
  } catch (cause) {
    throw new UserError(`Cannot read ${path}: ${(cause as Error).message}, wanted a readable file`, {
      cause,
    });
  }
}

function decode({ path, bytes }: Bytes): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new UserError(`Cannot read ${path}: it holds bytes that are not UTF-8, wanted UTF-8 text`, {
      cause,
    });
  }
}

/** The records of a JSON Lines file; empty lines are passed over. @throws {UserError} naming file, line and field. */
export function jsonLines<T>(file: FoundFile, schema: z.ZodType<T>): T[] {
  return file.text.split(/\r?\n/).flatMap((line, i) => {
    if (line.trim() === "") return [];
    const place = `line ${i + 1}`;
    return [checkRecord(parseJson(line, file, place), schema, file, place)];
  });
}

/** The content of a JSON file. @throws {UserError} naming the file and the field's path, or the line that is not JSON. */
export function jsonDocument<T>(file: FoundFile, schema: z.ZodType<T>): T {
  return checkRecord(parseJson(file.text, file, "the file"), schema, file, "the file");
}

/**
 * The rows of a tab-separated file with a header, in which a quotation mark is a character like any other (QUOTE_NONE).
 * `schema` has a key a column that is read; other columns are allowed.
 *
 * @throws {UserError} naming file, line and column.
 */
export function tsvRows<T>(file: FoundFile, schema: Columns<T>): T[] {
  const [header = "", ...lines] = file.text.split(/\r?\n/);
  const columns = header.split("\t");
  requireColumns(file, columns, schema);
  return lines.flatMap((line, i) => {
    if (line === "") return [];
    const place = `line ${i + 2}`;
    const fields = line.split("\t");
    if (fields.length !== columns.length) {
      throw new UserError(
        `Cannot read ${file.path}: ${place} has ${fields.length} fields, wanted ${columns.length}`,
      );
    }
    const row = Object.fromEntries(columns.map((column, c) => [column, fields[c]]));
    return [checkRecord(row, schema, file, place)];
  });
}

/** As `tsvRows`, for comma-separated values with quoted fields (RFC 4180). */
export function csvRows<T>(file: FoundFile, schema: Columns<T>): T[] {
  let rows: { readonly record: Record<string, string>; readonly info: { readonly lines: number } }[];
  try {
    rows = parseCsv(file.text, {
      bom: true,
      info: true,
      columns: (header: string[]) => {
        requireColumns(file, header, schema);
        return header;
      },
    }) as unknown as typeof rows;
  } catch (cause) {
    if (cause instanceof UserError) throw cause;
    const { message, lines } = cause as Error & { readonly lines?: number };
    const place = lines === undefined ? "the file" : `line ${lines}`;
    throw new UserError(`Cannot read ${file.path}: ${place} is not CSV (${message}), wanted RFC 4180`, {
      cause,
    });
  }
  return rows.map(({ record, info }) => checkRecord(record, schema, file, `line ${info.lines}`));
}

function requireColumns(file: FoundFile, header: readonly string[], schema: Columns<unknown>): void {
  for (const column of Object.keys(schema.shape)) {
    if (!header.includes(column)) {
      throw new UserError(
        `Cannot read ${file.path}: line 1 has no column ${column}, wanted a header with it`,
      );
    }
  }
}

function parseJson(text: string, file: FoundFile, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const message = (cause as Error).message;
    throw new UserError(`Cannot read ${file.path}: ${place} is not JSON (${message}), wanted JSON`, {
      cause,
    });
  }
}

function checkRecord<T>(value: unknown, schema: z.ZodType<T>, file: FoundFile, place: string): T {
  const result = schema.safeParse(value, { reportInput: true });
  if (result.success) return result.data;
  const issue = result.error.issues[0] as z.core.$ZodIssue;
  const field = issue.path.length === 0 ? "" : `: ${issue.path.map(String).join(".")}`;
  throw new UserError(
    `Cannot read ${file.path}: ${place}${field} is ${state(issue.input)}, wanted ${wanted(issue)}`,
  );
}

function state(input: unknown): string {
  if (input === undefined) return "missing";
  if (Array.isArray(input)) return `a list of ${input.length}`;
  const text = JSON.stringify(input);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

function wanted(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return `${issue.expected === "array" ? "a list" : issue.expected}`;
  if (issue.code === "invalid_value") return issue.values.map((value) => JSON.stringify(value)).join(" or ");
  if (issue.code === "too_small") return `${issue.exact ? "exactly" : "at least"} ${issue.minimum}`;
  if (issue.code === "too_big") return `${issue.exact ? "exactly" : "at most"} ${issue.maximum}`;
  return issue.message;
}
