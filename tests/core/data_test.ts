import { assert, assertEquals, assertThrows } from "@std/assert";
import { z } from "zod";
import { csvRows, findFiles, jsonDocument, jsonLines, tsvRows } from "../../core/data.ts";
import { UserError } from "../../core/error.ts";
import { sha256 } from "../../core/hash.ts";
import { needs, SHARED_DATA } from "../support.ts";

/** Writes files into a new folder, hands it to the test, removes it. */
function withFolder(files: Readonly<Record<string, string | Uint8Array>>, test: (dir: string) => void): void {
  const dir = Deno.makeTempDirSync();
  try {
    for (const [path, content] of Object.entries(files)) {
      Deno.mkdirSync(`${dir}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      Deno.writeFileSync(
        `${dir}/${path}`,
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      );
    }
    test(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

const file = (text: string) => ({ key: "k", path: "x.txt", sha256: "", text });

Deno.test("findFiles() takes the file of the expected hash when several bear the name", () => {
  withFolder({ "a/dev.tsv": "one", "a/b/dev.tsv": "two", "dev.tsv.bak": "no" }, (dir) => {
    const found = findFiles(dir, [{ key: "dev", names: ["dev.tsv"], sha256: sha256("two") }], "q");
    assertEquals(found.dev, { key: "dev", path: `${dir}/a/b/dev.tsv`, sha256: sha256("two"), text: "two" });
  });
});

Deno.test("findFiles() takes the shortest path, then the first by name, when no hash fits", () => {
  withFolder({ "b/dev.tsv": "b", "a/dev.tsv": "a", "long/dev.tsv": "long" }, (dir) => {
    const found = findFiles(`${dir}/`, [{ key: "dev", names: ["dev.tsv"], sha256: sha256("other") }], "q");
    assertEquals(found.dev?.path, `${dir}/a/dev.tsv`);
  });
});

Deno.test("findFiles() matches parent folders of a name whole and tries names in order", () => {
  withFolder(
    { "my_annotations/US.json": "no", "old/annotations/US.json": "yes", "US.json": "bare" },
    (dir) => {
      const find = (names: string[]) => findFiles(dir, [{ key: "k", names }], "q").k?.text;
      assertEquals(find(["annotations/US.json", "US.json"]), "yes");
      assertEquals(find(["absent.json", "US.json"]), "bare");
    },
  );
});

Deno.test("findFiles() ends in a folder that links to itself and passes over node_modules, dot folders and dead links", () => {
  withFolder({ "a/keep.txt": "", "node_modules/x.txt": "", ".git/x.txt": "" }, (dir) => {
    Deno.symlinkSync(dir, `${dir}/a/loop`);
    Deno.symlinkSync(`${dir}/nowhere`, `${dir}/dead.txt`);
    assertEquals(findFiles(dir, [{ key: "k", names: ["keep.txt"] }], "q").k?.path, `${dir}/a/keep.txt`);
    for (const name of ["x.txt", "dead.txt"]) {
      assertThrows(() => findFiles(dir, [{ key: "k", names: [name] }], "q"), UserError);
    }
  });
});

Deno.test("findFiles() names benchmark, names, folder and origin when a file or the folder is missing", () => {
  withFolder({ "a.txt": "" }, (dir) => {
    const error = assertThrows(
      () =>
        findFiles(dir, [{ key: "k", names: ["b.txt", "c/b.txt"] }], {
          name: "quiz",
          source: "https://example.org",
        }),
      UserError,
    ) as UserError;
    assertEquals(
      error.message,
      `Cannot read the data of quiz: no file below ${dir} is called b.txt or c/b.txt, wanted one ` +
        `(the data comes from https://example.org)`,
    );
    assertThrows(
      () => findFiles(`${dir}/no`, [{ key: "k", names: ["b"] }], "quiz"),
      UserError,
      `quiz: ${dir}/no`,
    );
  });
});

Deno.test("findFiles() refuses bytes that are not UTF-8 and asks for no folder when nothing is declared", () => {
  withFolder({ "a.txt": new Uint8Array([0x61, 0xff]) }, (dir) => {
    assertThrows(() => findFiles(dir, [{ key: "k", names: ["a.txt"] }], "q"), UserError, `${dir}/a.txt`);
  });
  assertEquals(findFiles("/nowhere", [], "q"), {});
});

Deno.test({
  name: "findFiles() finds a file in the real data folder as it stands",
  ...needs("shared"),
  fn() {
    const sha = "3210497fdaae614ac085d9eb873dd7f4d49b6f965a93adadc803e1229fd8a02a";
    const found = findFiles(SHARED_DATA, [{ key: "dev", names: ["dev_rand_split.jsonl"], sha256: sha }], "q");
    assertEquals(found.dev?.sha256, sha);
  },
});

const Row = z.looseObject({
  id: z.string(),
  choices: z.array(z.string()).length(2),
  answer: z.enum(["A", "B"]),
});
const good = '{"id":"1","choices":["x","y"],"answer":"A","more":1}';

Deno.test("jsonLines() reads records, lets further fields through and passes over empty lines", () => {
  const rows = jsonLines(file(`${good}\r\n\n${good}\n`), Row);
  assertEquals(rows.length, 2);
  assertEquals(rows[0], { id: "1", choices: ["x", "y"], answer: "A", more: 1 });
});

Deno.test("jsonLines() names file, line and field of a broken record", () => {
  const broken: readonly [string, string][] = [
    ["{", "Cannot read x.txt: line 2 is not JSON ("],
    ['{"id":"1","answer":"A"}', "Cannot read x.txt: line 2: choices is missing, wanted a list"],
    ['{"id":"1","choices":["x"],"answer":"A"}', "line 2: choices is a list of 1, wanted exactly 2"],
    ['{"id":"1","choices":["x",7],"answer":"A"}', "line 2: choices.1 is 7, wanted string"],
    ['{"id":"1","choices":["x","y"],"answer":"C"}', 'line 2: answer is "C", wanted "A" or "B"'],
    ["[]", "line 2 is a list of 0, wanted object"],
  ];
  for (const [line, message] of broken) {
    assertThrows(() => jsonLines(file(`${good}\n${line}\n`), Row), UserError, message);
  }
});

Deno.test("jsonDocument() names the path of a fault within the document", () => {
  const schema = z.record(z.string(), z.looseObject({ n: z.int() }));
  assertEquals(jsonDocument(file('{"a":{"n":1}}'), schema), { a: { n: 1 } });
  assertThrows(
    () => jsonDocument(file('{"a":{"n":1.5}}'), schema),
    UserError,
    "x.txt: the file: a.n is 1.5, wanted int",
  );
  assertThrows(() => jsonDocument(file("{"), schema), UserError, "x.txt: the file is not JSON");
});

Deno.test("tsvRows() keeps quotation marks as they are", () => {
  const rows = tsvRows(
    file('id\ttext\textra\n1\tan "odd quote\t\n2\t"b"\t\n'),
    z.object({ id: z.string(), text: z.string() }),
  );
  assertEquals(rows, [{ id: "1", text: 'an "odd quote' }, { id: "2", text: '"b"' }]);
});

Deno.test("tsvRows() and csvRows() name file and line of a broken row", () => {
  const schema = z.object({ id: z.string(), kind: z.enum(["a", "b"]) });
  assertThrows(
    () => tsvRows(file("id\tkind\n1\ta\n2\n"), schema),
    UserError,
    "x.txt: line 3 has 1 fields, wanted 2",
  );
  assertThrows(
    () => tsvRows(file("id\tkind\n1\tc\n"), schema),
    UserError,
    'line 2: kind is "c", wanted "a" or "b"',
  );
  assertThrows(() => tsvRows(file("id\tsort\n"), schema), UserError, "line 1 has no column kind");
  assertThrows(() => csvRows(file("id,sort\n"), schema), UserError, "line 1 has no column kind");
  assertThrows(() => csvRows(file('id,kind\n"1\n1",a\n2,c\n'), schema), UserError, 'line 4: kind is "c"');
  assertThrows(() => csvRows(file("id,kind\n1,a\n2\n"), schema), UserError, "line 3 is not CSV");
});

Deno.test("csvRows() reads quoted fields with commas, quotes and line ends", () => {
  const rows = csvRows(file(',id,kind\n0,"a, ""b""\nc",k\n'), z.object({ id: z.string(), kind: z.string() }));
  assertEquals(rows, [{ id: 'a, "b"\nc', kind: "k" }]);
  assert(!("" in (rows[0] as object)));
});
