import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../../../core/error.ts";
import { openSqliteStore } from "../../../core/store/sqlite.ts";
import { outcomesOf, resultsOf, storeContract } from "../../contracts/store_contract.ts";

const writer = new URL("./sqlite_writer.ts", import.meta.url).pathname;

/** Runs `work` with the path of a file that does not exist yet, in a folder that is removed afterwards. */
async function withPath(work: (path: string) => void | Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  try {
    await work(`${folder}/results/plumbline.sqlite`);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** A child that commits `batches` outcomes to `key`. */
function startWriter(path: string, key: string, batches: number): Deno.ChildProcess {
  const args = ["run", "--allow-read", "--allow-write", writer, path, key, String(batches)];
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "inherit" }).spawn();
}

storeContract("openSqliteStore():", () => {
  const folder = Deno.makeTempDirSync();
  const store = openSqliteStore(`${folder}/store.sqlite`);
  return {
    ...store,
    [Symbol.dispose]() {
      store[Symbol.dispose]();
      Deno.removeSync(folder, { recursive: true });
    },
  };
});

Deno.test("openSqliteStore() makes the folder and finds everything again when opened a second time", () =>
  withPath((path) => {
    {
      using store = openSqliteStore(path);
      store.openCell("k", { a: 1 }, 2);
      store.commit("k", outcomesOf(0, 2));
      store.closeCell("k");
      store.saveRun(resultsOf("r", "2026-01-02T03:00:00.000Z"));
    }
    using store = openSqliteStore(path);
    assertEquals([...store.outcomes("k").values()], outcomesOf(0, 2));
    assertEquals(store.isComplete("k"), true);
    assertEquals(store.runs().length, 1);
  }));

Deno.test("openSqliteStore() with readOnly reads what is there, writes nothing and makes nothing", () =>
  withPath((path) => {
    assertThrows(() => openSqliteStore(path, { readOnly: true }), UserError, "Cannot open the results in");
    assertThrows(() => Deno.statSync(path), Deno.errors.NotFound);
    {
      using store = openSqliteStore(path);
      store.openCell("k", { a: 1 }, 2);
      store.commit("k", outcomesOf(0, 2));
    }
    using reader = openSqliteStore(path, { readOnly: true });
    assertEquals([...reader.outcomes("k").values()], outcomesOf(0, 2));
    assertThrows(() => reader.closeCell("k"), UserError, "it is read-only");
    // A reader sees what a writer commits meanwhile.
    using writing = openSqliteStore(path);
    writing.closeCell("k");
    assertEquals(reader.isComplete("k"), true);
  }));

Deno.test("openSqliteStore() can be closed twice", () =>
  withPath((path) => {
    const store = openSqliteStore(path);
    store[Symbol.dispose]();
    store[Symbol.dispose]();
  }));

Deno.test("openSqliteStore() keeps what an older Plumbline stored, outcome by outcome, and adds the tables that it had not", () =>
  withPath((path) => {
    const outcomes = outcomesOf(0, 5000);
    {
      using store = openSqliteStore(path);
      store.openCell("k", {}, outcomes.length);
      using db = new DatabaseSync(path);
      db.exec(`
        drop table numbers; drop table outcomes; update meta set value = 1 where name = 'schema';
        create table outcomes (
          cell text not null references cells, item text not null, json text not null, primary key (cell, item)
        ) strict, without rowid;
        begin`);
      const add = db.prepare("insert into outcomes values ('k', ?, ?)");
      for (const each of outcomes) add.run(each.item, JSON.stringify(each));
      db.exec("commit");
    }
    using store = openSqliteStore(path);
    using _again = openSqliteStore(path);
    const kept = store.outcomes("k");
    assertEquals(outcomes.map(({ item }) => kept.get(item)), outcomes);
    store.closeCell("k");
    store.saveNumbers("n", { about: null, arrays: [Float64Array.of(1)] });
    assertEquals(store.numbers("n")?.arrays, [Float64Array.of(1)]);
  }));

Deno.test("openSqliteStore() throws one line when the file is no store", () =>
  withPath((path) => {
    const folder = Deno.makeTempDirSync();
    try {
      const at = (name: string) => `${folder}/${name}`;
      Deno.writeTextFileSync(at("text"), "This is not a database. ".repeat(100));
      new DatabaseSync(at("other")).exec("create table theirs (a text)");
      openSqliteStore(path)[Symbol.dispose]();
      using newer = new DatabaseSync(path);
      newer.exec("update meta set value = 4 where name = 'schema'");
      const cases: readonly (readonly [string, RegExp])[] = [
        [at("text"), /not a SQLite database, wanted/],
        [at("text/below/store.sqlite"), /cannot be opened, wanted/],
        [folder, /cannot be opened, wanted/],
        [at("other"), /holds something else, wanted/],
        [path, /of format 4, wanted at most 3/],
      ];
      for (const [file, wanted] of cases) {
        const error = assertThrows(
          () => openSqliteStore(file),
          UserError,
          `Cannot open the results in ${file}: `,
        ) as Error;
        assertMatch(error.message, wanted);
        assert(!error.message.includes("\n") && !error.message.endsWith("."));
      }
      // Somebody else's file is as it was.
      using other = new DatabaseSync(at("other"));
      assertEquals(other.prepare("select name from sqlite_schema").all().map(({ name }) => name), ["theirs"]);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  }));

Deno.test("commit() throws one line and keeps the earlier batches whole when the disk is full", () =>
  withPath((path) => {
    let committed = 0;
    {
      using store = openSqliteStore(path, { maxPages: 40 });
      store.openCell("k", {}, 10_000);
      const error = assertThrows(() => {
        for (; committed < 10_000; committed += 32) store.commit("k", outcomesOf(committed, committed + 32));
      }, UserError) as Error;
      assertEquals(
        error.message,
        `Cannot write results to ${path}: disk is full, wanted free space; what was committed is kept`,
      );
      assert(committed > 0);
      assertEquals(store.outcomes("k").size, committed);
    }
    // And with room again the run goes on.
    using store = openSqliteStore(path);
    store.commit("k", outcomesOf(committed, committed + 32));
    assertEquals(
      [...store.outcomes("k").keys()].sort(),
      outcomesOf(0, committed + 32).map(({ item }) => item).sort(),
    );
  }));

Deno.test("commit() is kept when the process is killed right after it", () =>
  withPath(async (path) => {
    const child = startWriter(path, "k", 1_000_000);
    let printed = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      printed += chunk;
      if (printed.includes("committed 20\n")) {
        child.kill("SIGKILL");
        break;
      }
    }
    assertEquals((await child.status).signal, "SIGKILL");
    using store = openSqliteStore(path);
    const told = printed.split("\n").filter((line) => /^committed \d+$/.test(line)).length;
    const kept = store.outcomes("k").size;
    assert(told >= 21 && kept >= told, `${kept} kept of ${told}`);
    for (const outcome of outcomesOf(0, kept)) assertEquals(store.outcomes("k").get(outcome.item), outcome);
  }));

Deno.test("commit() waits for its turn when three processes open one new file and write at once", () =>
  withPath(async (path) => {
    const children = ["a", "b", "c"].map((key) => startWriter(path, key, 100));
    const ends = await Promise.all(children.map((child) => child.output()));
    assertEquals(ends.map(({ code }) => code), [0, 0, 0]);
    using store = openSqliteStore(path);
    assertEquals(["a", "b", "c"].map((key) => store.outcomes(key).size), [100, 100, 100]);
  }));

Deno.test("outcomes() sees what another connection committed when both are open", () =>
  withPath((path) => {
    using writing = openSqliteStore(path);
    using reading = openSqliteStore(path);
    writing.openCell("k", {}, 1);
    assertEquals(reading.outcomes("k").size, 0);
    writing.commit("k", outcomesOf(0, 1));
    assertEquals(reading.outcomes("k").size, 1);
  }));

Deno.test("commit() keeps all of 20,000 outcomes that come in batches of 32", () =>
  withPath((path) => {
    using store = openSqliteStore(path);
    store.openCell("k", {}, 20_000);
    for (let i = 0; i < 20_000; i += 32) store.commit("k", outcomesOf(i, Math.min(i + 32, 20_000)));
    store.closeCell("k");
    const outcomes = store.outcomes("k");
    assertEquals([outcomes.size, store.isComplete("k")], [20_000, true]);
    for (const outcome of [0, 31, 32, 19_999].flatMap((i) => outcomesOf(i, i + 1))) {
      assertEquals(outcomes.get(outcome.item), outcome);
    }
  }));
