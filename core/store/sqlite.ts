/**
 * The embedded store: one SQLite file in write-ahead mode, which several processes may hold open at once.
 *
 * A commit is one transaction. With `synchronous = normal` it is in the operating system's hands when commit() returns: a killed
 * process loses none of them; a power cut may lose the last ones, never the file.
 */
import { mkdirSync } from "node:fs";
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { dirname } from "node:path";
import { UserError } from "../error.ts";
import type { Json, Outcome, Sample } from "../evaluator.ts";
import type { Results } from "../results.ts";
import { encode, summarise } from "./encode.ts";
import { pages } from "./pages.ts";
import type { RunStore, RunSummary } from "./store.ts";

/** Raised with every change of the tables; a newer file is refused. */
const SCHEMA_VERSION = 3;
/** How long a write waits for another process. */
const TIMEOUT_MS = 5000;

// Outcomes are small and looked up by key, so the key is the table. Samples are long and kept in the order they came in. Numbers have a row an
// array, since a row is at most 1e9 bytes; what they are about stands in the first, an empty one.
const SCHEMA = `
  create table if not exists meta (name text primary key, value integer not null) strict, without rowid;
  create table if not exists cells (
    key text primary key, spec text not null, items integer not null, complete integer not null default 0
  ) strict, without rowid;
  create table if not exists outcomes (
    cell text not null references cells, item text not null, metrics text not null, detail text not null, primary key (cell, item)
  ) strict, without rowid;
  create table if not exists samples (
    cell text not null references cells, item text not null, json text not null, primary key (cell, item)
  ) strict;
  create table if not exists runs (
    id text primary key, name text not null, started text not null, summary text not null, json text not null
  ) strict;
  create table if not exists numbers (
    key text not null, place integer not null, about text, data blob not null, primary key (key, place)
  ) strict;
  insert or replace into meta values ('schema', ${SCHEMA_VERSION});
`;

/** Up to format 2 an outcome was one text. */
const SPLIT_OUTCOMES = `
  alter table outcomes rename to whole;
  ${SCHEMA}
  insert into outcomes select cell, item, json -> '$.values', json -> '$.detail' from whole;
  drop table whole;
`;

export interface SqliteOptions {
  /** Pages of 4096 bytes at which the file counts as having filled its disk; default none. */
  readonly maxPages?: number;
  /** Nothing is made or written, and a file that is missing is an error; for processes without leave to write. Default false. */
  readonly readOnly?: boolean;
}

/**
 * Opens the store at `path`, making file and folder where they are missing.
 *
 * @throws {UserError} when it cannot be opened, is not a store, or was made by a newer Plumbline.
 */
export function openSqliteStore(path: string, options: SqliteOptions = {}): RunStore {
  const db = guard("open", path, () => open(path, options));
  const read = <T>(work: () => T): T => guard("read", path, work);
  const write = (work: () => void): void => guard("write", path, () => transaction(db, work));

  const addCell = db.prepare("insert into cells (key, spec, items) values (?, ?, ?) on conflict do nothing");
  const oneCell = db.prepare("select items, complete from cells where key = ?");
  const endCell = db.prepare("update cells set complete = 1 where key = ?");
  const countOutcomes = db.prepare("select count(*) as n from outcomes where cell = ?");
  const addOutcome = db.prepare("insert into outcomes values (?, ?, ?, ?) on conflict do nothing");
  const allOutcomes = pages<Outcome>(
    db,
    read,
    `'{"item":' || json_quote(item) || ',"values":' || metrics || ',"detail":' || detail || '}'`,
  );
  const dropSamples = db.prepare("delete from samples where cell = ?");
  const addSample = db.prepare("insert into samples values (?, ?, ?)");
  const oneSample = db.prepare("select item, json from samples where cell = ? and item = ?");
  const allSamples = db.prepare("select item, json from samples where cell = ? order by rowid");
  const allNumbers = db.prepare("select about, data from numbers where key = ? order by place");
  const addNumbers = db.prepare("insert into numbers values (?, ?, ?, ?)");
  const dropNumbers = db.prepare("delete from numbers where key = ?");
  const addRun = db.prepare("insert or replace into runs values (?, ?, ?, ?, ?)");
  const allRuns = db.prepare("select summary from runs order by started desc, id");
  const oneRun = db.prepare("select json from runs where id = ?");

  const itemsOf = (key: string): number => {
    const cell = oneCell.get(key);
    if (cell === undefined) throw new Error(`Cannot write to cell ${key}: it was not opened`);
    return Number(cell.items);
  };

  return {
    openCell: (key, spec, items) => write(() => addCell.run(key, encode(spec), items)),
    outcomes: (key) => new Map(Iterator.from(allOutcomes(key)).map((each) => [each.item, each])),
    each: allOutcomes,
    isComplete: (key) => read(() => oneCell.get(key)?.complete === 1),
    commit(key, outcomes) {
      const rows = outcomes.map(({ item, values, detail }) =>
        [item, encode(values), encode(detail)] as const
      );
      write(() => {
        itemsOf(key);
        for (const row of rows) addOutcome.run(key, ...row);
      });
    },
    closeCell: (key) =>
      write(() => {
        const items = itemsOf(key);
        const n = Number(countOutcomes.get(key)?.n);
        if (n !== items) throw new Error(`Cannot close cell ${key}: it has ${n} outcomes, wanted ${items}`);
        endCell.run(key);
      }),
    saveSamples: (key, samples) =>
      write(() => {
        itemsOf(key);
        dropSamples.run(key);
        for (const [item, sample] of samples) addSample.run(key, item, encode(sample));
      }),
    samples: (key, items) =>
      read(() =>
        decode<Sample>(items ? items.flatMap((item) => oneSample.all(key, item)) : allSamples.all(key))
      ),
    numbers(key) {
      const [head, ...rows] = read(() => allNumbers.all(key));
      return head && { about: parse<Json>(head.about), arrays: rows.map(({ data }) => toNumbers(data)) };
    },
    saveNumbers(key, { about, arrays }) {
      const text = encode(about);
      write(() => {
        dropNumbers.run(key);
        addNumbers.run(key, 0, text, new Uint8Array());
        arrays.forEach((array, i) => addNumbers.run(key, i + 1, null, toBytes(array)));
      });
    },
    dropNumbers: (key) => write(() => dropNumbers.run(key)),
    saveRun(results) {
      const { id, name, run } = results;
      write(() => addRun.run(id, name, run.startedAt, encode(summarise(results)), encode(results)));
    },
    runs: () => read(() => allRuns.all().map((row) => parse<RunSummary>(row.summary))),
    run(id) {
      const row = read(() => oneRun.get(id));
      return row === undefined ? undefined : parse<Results>(row.json);
    },
    [Symbol.dispose]() {
      if (db.isOpen) db.close();
    },
  };
}

function open(path: string, { maxPages, readOnly = false }: SqliteOptions): DatabaseSync {
  if (!readOnly) mkdirSync(dirname(path), { recursive: true });
  // The timeout must be there before the first statement, or processes that open a new file together find it locked.
  const db = new DatabaseSync(path, { timeout: TIMEOUT_MS, readOnly });
  try {
    if (!readOnly) {
      db.exec("pragma journal_mode = wal; pragma synchronous = normal; pragma foreign_keys = on");
    }
    if (maxPages !== undefined) db.exec(`pragma max_page_count = ${maxPages}`);
    checkKind(db, path);
    const version = Number(versionOf(db) ?? 0);
    if (version > SCHEMA_VERSION) {
      throw new UserError(
        `Cannot open the results in ${path}: they are of format ${version}, wanted at most ${SCHEMA_VERSION} or a newer Plumbline`,
      );
    }
    if (readOnly && version < SCHEMA_VERSION) {
      throw new UserError(
        `Cannot open the results in ${path}: they are of format ${version} and only read here, wanted format ${SCHEMA_VERSION}, which "deno task report" makes of them`,
      );
    }
    // A finished store is not written to, so that opening it asks for no lock.
    if (version < SCHEMA_VERSION) {
      transaction(db, () => {
        // Another process may have been first.
        const now = Number(versionOf(db) ?? 0);
        if (now < SCHEMA_VERSION) db.exec(now > 0 ? SPLIT_OUTCOMES : SCHEMA);
      });
    }
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Somebody else's database must not grow our tables. */
function checkKind(db: DatabaseSync, path: string): void {
  const names = db.prepare("select name from sqlite_schema where type = 'table'").all().map(({ name }) =>
    name
  );
  if (names.length > 0 && !names.includes("meta")) {
    throw new UserError(
      `Cannot open the results in ${path}: the database holds something else, wanted a Plumbline store or no file`,
    );
  }
}

function versionOf(db: DatabaseSync): SQLOutputValue | undefined {
  if (db.prepare("select 1 from sqlite_schema where name = 'meta'").get() === undefined) return undefined;
  return db.prepare("select value from meta where name = 'schema'").get()?.value;
}

/** All of `work` or none. `immediate` takes the write lock first: a lock asked for halfway would fail without waiting. */
function transaction(db: DatabaseSync, work: () => void): void {
  db.exec("begin immediate");
  try {
    work();
    db.exec("commit");
  } catch (error) {
    // SQLite has rolled back by itself where the disk was full.
    if (db.isTransaction) db.exec("rollback");
    throw error;
  }
}

/** The bytes as they lie in memory: low byte first on every machine that Deno runs on. */
function toBytes({ buffer, byteOffset, byteLength }: Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function toNumbers(data: SQLOutputValue | undefined): Float64Array {
  const bytes = data as Uint8Array<ArrayBuffer>, { buffer, byteOffset, byteLength } = bytes;
  // Numbers must lie at a multiple of 8.
  return byteOffset % 8 === 0
    ? new Float64Array(buffer, byteOffset, byteLength / 8)
    : new Float64Array(bytes.slice().buffer);
}

function decode<T>(rows: readonly Record<string, SQLOutputValue>[]): ReadonlyMap<string, T> {
  return new Map(rows.map(({ item, json }) => [String(item), parse<T>(json)]));
}

function parse<T>(json: SQLOutputValue | undefined): T {
  return JSON.parse(String(json)) as T;
}

/** SQLite's own words, which stay the same between versions, and what they mean to the user. Codes are missing on half the errors. */
const STATES: readonly (readonly [RegExp, string])[] = [
  [/is full|ENOSPC|no space left/i, "disk is full, wanted free space; what was committed is kept"],
  [/readonly database|EROFS|read-only file system/i, "it is read-only, wanted leave to write"],
  [
    /is locked/,
    `another process has held it for ${TIMEOUT_MS / 1000} s, wanted it free; what was committed is kept`,
  ],
  [/not a database/, "the file is not a SQLite database, wanted a Plumbline store or no file"],
  [/malformed/, "the file is damaged, wanted an intact one or no file"],
  [
    /disk I\/O error/,
    "the disk reports an error, wanted a working one with free space; what was committed is kept",
  ],
  [
    /unable to open|EACCES|EPERM|EEXIST|ENOTDIR|EISDIR|ENOENT|permission denied/i,
    "it cannot be opened, wanted a file or a folder that may be written",
  ],
];
const ACTIONS = {
  open: "open the results in",
  read: "read results from",
  write: "write results to",
} as const;

/** Turns what the user can mend into a UserError; anything else passes as it is. */
function guard<T>(action: keyof typeof ACTIONS, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Error) || error instanceof UserError) throw error;
    const code = "code" in error ? String(error.code) : "";
    if (!/^(ERR_SQLITE|E[A-Z]+$)/.test(code)) throw error;
    const state = STATES.find(([pattern]) => pattern.test(`${code} ${error.message}`))?.[1];
    if (state === undefined) throw error;
    throw new UserError(`Cannot ${ACTIONS[action]} ${path}: ${state}`, { cause: error });
  }
}
