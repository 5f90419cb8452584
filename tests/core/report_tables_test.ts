/** cells.parquet and items.parquet, read back by hyparquet and, where Python has it, by pyarrow. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { clustersOf, saveClusters } from "../../core/clusters.ts";
import { exportRun } from "../../core/report/export.ts";
import { createParquet } from "../../core/report/parquet.ts";
import { CELL_COLUMNS, ITEM_COLUMNS } from "../../core/report/tables.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { fill } from "../server/made_up.ts";

const README = new URL("../../core/report/README.md", import.meta.url);
/** A Python that may have pyarrow. */
const PYTHON = Deno.env.get("PLUMBLINE_PYTHON") ?? "python3";

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function read(path: string): Promise<Record<string, unknown>[]> {
  const file = await asyncBufferFromFile(path);
  return await parquetReadObjects({ file }) as Record<string, unknown>[];
}

/** A run of two models, with clusters of two items a question. */
function made() {
  const store = createMemoryStore();
  const results = fill(store, { items: 12, models: ["a", "b"], hostile: 'é"|,' });
  for (const record of results.benchmarks) {
    const [cell] = results.cells.filter(({ benchmark }) => benchmark === record.label);
    const items = [...store.outcomes(cell!.key).keys()].map((id, at) => ({
      id,
      clusters: { question: `q${Math.floor(at / 2)}` },
    }));
    saveClusters({ items, record }, store);
  }
  return { store, results };
}

Deno.test("createParquet() writes what hyparquet reads back, in as many row groups as rows need", () =>
  inFolder(async (folder) => {
    const rows = Array.from({ length: 10 }, (_, i) => ({
      name: i % 2 === 0 ? `n"${i}\n\u{1F600}` : "",
      value: i === 3 ? null : -0.1 * i,
      count: i - 5,
      flag: i > 4,
    }));
    const columns = [
      { name: "name", type: "text" },
      { name: "value", type: "number", nullable: true },
      { name: "count", type: "count" },
      { name: "flag", type: "flag" },
    ] as const;
    const path = `${folder}/a.parquet`;
    {
      await using table = await createParquet(path, { columns, about: { run: "r" }, groupRows: 4 });
      await table.add(rows.slice(0, 3));
      await table.add(rows.slice(3));
      await table.finish();
    }
    assertEquals(await read(path), rows);
    const { row_groups, key_value_metadata } = await parquetMetadataAsync(await asyncBufferFromFile(path));
    assertEquals(row_groups.map((group) => Number(group.num_rows)), [4, 4, 2]);
    assertEquals(key_value_metadata, [{ key: "run", value: "r" }]);
    await assertRejects(() => createParquet(path, { columns, about: {} }), Deno.errors.AlreadyExists);
  }));

Deno.test("items.parquet has every outcome of the store once an arm, control sets and clusters with them", () =>
  inFolder(async (folder) => {
    const { store, results } = made();
    const target = await exportRun(store, results.id, folder);
    const rows = await read(`${target}/items.parquet`);
    const arms = results.cells.reduce((sum, { controls }) => sum + 1 + (controls[0]?.keys.length ?? 0), 0);
    assertEquals(rows.length, 12 * arms);
    for (const row of rows) {
      const outcome = store.outcomes(String(row.cell)).get(String(row.item));
      const { acc, valid, gold_logprob } = outcome!.values;
      assertEquals([row.value_acc, row.value_valid, row.value_gold_logprob], [acc, valid, gold_logprob]);
    }
    const names = ["treatment", "arm", "control", "cluster"] as const;
    const one = rows.filter((row) => row.model === "b" && row.arm === "random 2");
    assertEquals(names.map((name) => one[0]?.[name]), ['é"|,silenced', "random 2", "random", "q0"]);
    assertEquals(new Set(one.map((row) => row.cluster)).size, 6);
    assertEquals(Object.keys(rows[0]!).slice(0, ITEM_COLUMNS.length), ITEM_COLUMNS.map(({ name }) => name));
  }));

Deno.test("cells.parquet has every estimate to the bit, and control sets whose spread is that of the results", () =>
  inFolder(async (folder) => {
    const { store, results } = made();
    const target = await exportRun(store, results.id, folder);
    const rows = await read(`${target}/cells.parquet`);
    for (const cell of results.cells) {
      for (const { metric, estimate, difference } of cell.metrics) {
        const mine = rows.filter((row) =>
          row.model === cell.model && row.benchmark === cell.benchmark && row.treatment === cell.treatment &&
          row.metric === metric.name
        );
        const [treated, ...sets] = mine;
        assertEquals([treated?.value, treated?.low, treated?.high, treated?.level, treated?.method], [
          estimate.value,
          estimate.low,
          estimate.high,
          0.95,
          estimate.method,
        ]);
        assertEquals([treated?.difference, treated?.difference_low, treated?.mcnemar_p], [
          difference?.value ?? null,
          difference?.low ?? null,
          difference?.mcnemar ?? null,
        ]);
        assertEquals([treated?.primary, treated?.arm, treated?.control], [
          metric.name === "acc",
          "treated",
          null,
        ]);
        const spread = cell.controls[0]?.metrics[metric.name];
        assertEquals(sets.length, spread?.value.sets ?? 0);
        if (!spread) continue;
        // Sums of twelve numbers of size one in another order.
        const TOLERANCE = 1e-12;
        assertAlmostEquals(Math.min(...sets.map((row) => Number(row.value))), spread.value.min, TOLERANCE);
        assertAlmostEquals(
          Math.max(...sets.map((row) => Number(row.difference))),
          spread.difference.max,
          TOLERANCE,
        );
        assertEquals(sets.every((row) => row.low === null && row.method === null), true);
      }
    }
  }));

Deno.test("exportRun() gives the same bytes of both tables again, whatever order the store keeps", () =>
  inFolder(async (folder) => {
    const { store, results } = made();
    const backwards = {
      ...store,
      outcomes: (key: string) => new Map([...store.outcomes(key)].reverse()),
      [Symbol.dispose]: () => {},
    };
    const first = await exportRun(store, results.id, `${folder}/1`);
    const second = await exportRun(backwards, results.id, `${folder}/2`);
    for (const name of ["cells.parquet", "items.parquet"]) {
      assertEquals(Deno.readFileSync(`${second}/${name}`), Deno.readFileSync(`${first}/${name}`), name);
    }
  }));

Deno.test("clustersOf() gives an item its question, itself where it shares none, and nothing where none was kept", () => {
  const store = createMemoryStore();
  const items = [["a", "q"], ["b", "q"], ["c", "c"], ["__proto__", "d"]].map(([id = "", question = ""]) => ({
    id,
    clusters: { question },
  }));
  saveClusters({ items, record: { itemsHash: "h" } }, store);
  const of = clustersOf("h", store);
  assertEquals(["a", "b", "c"].map((id) => of?.(id)), ["q", "q", "c"]);
  assertEquals(clustersOf("other", store), undefined);
});

Deno.test("core/report/README.md documents every column, in the order of the files", () => {
  const rows = [...Deno.readTextFileSync(README).matchAll(/^\| `(\w+)` +\| (\w+)( or null)? +\|/gm)];
  const said = rows.map(([, name, type, nullable]) => `${name} ${type}${nullable ?? ""}`);
  const has = [...CELL_COLUMNS, ...ITEM_COLUMNS.slice(-2)].map(({ name, type, nullable }) =>
    `${name} ${type}${nullable ? " or null" : ""}`
  );
  assertEquals(said, has);
});

const python = await (async () => {
  try {
    const { code } = await new Deno.Command(PYTHON, {
      args: ["-c", "import pyarrow.parquet"],
      stdout: "null",
      stderr: "null",
    }).output();
    return code === 0;
  } catch {
    return false;
  }
})();

Deno.test(
  "pyarrow reads both tables as hyparquet does",
  { ignore: !python },
  () =>
    inFolder(async (folder) => {
      const { store, results } = made();
      const target = await exportRun(store, results.id, folder);
      for (const name of ["cells.parquet", "items.parquet"]) {
        const code =
          "import sys,json,pyarrow.parquet as p\nt=p.read_table(sys.argv[1])\nprint(json.dumps(t.to_pylist()))";
        const { stdout, success } = await new Deno.Command(PYTHON, {
          args: ["-c", code, `${target}/${name}`],
        })
          .output();
        assert(success);
        assertEquals(JSON.parse(new TextDecoder().decode(stdout)), await read(`${target}/${name}`));
      }
    }),
);
