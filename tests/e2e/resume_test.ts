/**
 * A run that is killed at random moments loses nothing, computes nothing twice and ends with the results of a run that was not.
 *
 * PLUMBLINE_KILLS sets how often it is killed (3); PLUMBLINE_KILL_SEED repeats a run's moments.
 */
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { openSqliteStore } from "../../core/store/sqlite.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const KILLS = Number(Deno.env.get("PLUMBLINE_KILLS") ?? 3);
const SEED = Deno.env.get("PLUMBLINE_KILL_SEED") ?? String(Date.now());

/** Committed outcomes as they were written, by cell and item. */
type Rows = ReadonlyMap<string, string>;

function start(folder: string): Deno.ChildProcess {
  const permissions = [
    "--no-prompt",
    "--allow-read",
    `--allow-write=${folder}`,
    `--allow-ffi=${ROOT}node_modules`,
    "--allow-env",
  ];
  // Not through `deno task`: the process that is killed must be the one that writes.
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--config", `${ROOT}deno.json`, ...permissions, `${ROOT}core/cli/main.ts`, "eval"],
    cwd: folder,
    env: { INIT_CWD: folder, PLUMBLINE_RESULTS: "", PLUMBLINE_CACHE: `${folder}/cache`, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function runWhole(
  folder: string,
): Promise<{ readonly elapsedMs: number; readonly text: string; readonly reusedCells: number }> {
  const started = performance.now();
  const { success, stderr } = await start(folder).output();
  assert(success, new TextDecoder().decode(stderr));
  return { elapsedMs: performance.now() - started, ...readResults(folder) };
}

/** results.json without `run`, the only part that may differ, and of that how many cells it found. */
function readResults(folder: string): { readonly text: string; readonly reusedCells: number } {
  const [run] = [...Deno.readDirSync(`${folder}/results`)].filter((entry) => entry.isDirectory);
  const text = Deno.readTextFileSync(`${folder}/results/${run?.name}/results.json`);
  const start = text.indexOf('\n  "run": {');
  assert(start > 0, "results.json has a member `run`");
  const end = text.indexOf("\n  },", start);
  return { text: text.slice(0, start) + text.slice(end), reusedCells: JSON.parse(text).run.reusedCells };
}

function withStore<T>(folder: string, work: (db: DatabaseSync) => T): T | undefined {
  const path = `${folder}/results/plumbline.sqlite`;
  try {
    Deno.statSync(path);
  } catch {
    return undefined;
  }
  const db = new DatabaseSync(path, { timeout: 5000 });
  try {
    const tables = db.prepare("select name from sqlite_schema where name = 'outcomes'").all();
    return tables.length > 0 ? work(db) : undefined;
  } finally {
    db.close();
  }
}

function outcomes(folder: string): Rows {
  return withStore(folder, (db) =>
    new Map(
      db.prepare("select cell, item, metrics, detail from outcomes").all()
        .map(({ cell, item, metrics, detail }) => [`${cell} ${item}`, `${metrics} ${detail}`]),
    )) ?? new Map();
}

/** Makes the store, which from then on notes every outcome that is written again, changed or dropped. */
function makeWatchedStore(folder: string): void {
  openSqliteStore(`${folder}/results/plumbline.sqlite`)[Symbol.dispose]();
  withStore(folder, (db) =>
    db.exec(`
      create table rewrites (cell text, item text) strict;
      create trigger again before insert on outcomes
      when exists (select 1 from outcomes where cell = new.cell and item = new.item)
      begin insert into rewrites values (new.cell, new.item); end;
      create trigger changed before update on outcomes
      begin insert into rewrites values (old.cell, old.item); end;
      create trigger dropped before delete on outcomes
      begin insert into rewrites values (old.cell, old.item); end;
    `));
}

function rewrites(folder: string): number {
  return withStore(folder, (db) => Number(db.prepare("select count(*) as n from rewrites").get()?.n)) ?? NaN;
}

/** Uniform in [0, 1), repeatable: a failure can be run again. */
function moments(seed: string): () => number {
  let state = [...seed].reduce((hash, char) => Math.imul(hash ^ char.charCodeAt(0), 16777619), 2166136261);
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0;
    return (state >>> 0) / 2 ** 32;
  };
}

Deno.test(`eval killed at ${KILLS} random moments loses no outcome, computes none again and ends the same`, async () => {
  const folder = await Deno.makeTempDir({ prefix: "plumbline-resume-" });
  try {
    const [whole, killed] = [`${folder}/whole`, `${folder}/killed`];
    await Promise.all([whole, killed].map((path) => Deno.mkdir(path)));
    const { elapsedMs, text } = await runWhole(whole);
    const next = moments(SEED);
    console.log(`seed ${SEED}, a whole run takes ${Math.round(elapsedMs)} ms`);
    makeWatchedStore(killed);
    let before: Rows = new Map();
    let kills = 0;
    while (kills < KILLS) {
      const child = start(killed);
      const timer = setTimeout(() => {
        try {
          child.kill("SIGKILL");
        } catch {
          // It ended just before: no kill, and its results are looked at.
        }
      }, next() * elapsedMs * 0.9);
      const { signal, success, stderr } = await child.output();
      clearTimeout(timer);
      const after = outcomes(killed);
      for (const [key, json] of before) assertEquals(after.get(key), json, `outcome ${key} was kept`);
      before = after;
      if (signal === "SIGKILL") {
        kills++;
        continue;
      }
      assert(success, new TextDecoder().decode(stderr));
      assertEquals(readResults(killed).text, text);
      // Done before the last kill was due: the kills that are left hit a run from the start.
      assertEquals(rewrites(killed), 0);
      await Deno.remove(`${killed}/results`, { recursive: true });
      makeWatchedStore(killed);
      before = new Map();
    }
    const complete = withStore(killed, (db) =>
      Number(db.prepare("select sum(complete) as n from cells").get()?.n)) ?? 0;
    const last = await runWhole(killed);
    assertEquals(last.reusedCells, complete, "complete cells are not opened again");
    assertEquals(last.text, text, "results.json is the same outside `run`");
    assertEquals(outcomes(killed), outcomes(whole), "the same outcomes, none more");
    assertEquals(rewrites(killed), 0, "no outcome was computed or written again");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
