/** Parts that a user waits for, each with the time that is wanted of it. Whoever changes one looks here; no test fails on a busy machine. */
import { createMemoryStore } from "../../core/store/mod.ts";
import { openSqliteStore } from "../../core/store/sqlite.ts";
import { createTokenizer } from "../../plugins/onnx/tokenizer.ts";
import { openFile } from "../../plugins/onnx/weights/file.ts";
import { readGguf } from "../../plugins/onnx/weights/gguf.ts";
import { createApp } from "../../server/app.tsx";
import { outcomesOf } from "../contracts/store_contract.ts";
import { fill } from "../server/made_up.ts";
import { needs, REAL_MODEL } from "../support.ts";
import { refuseNoise } from "./quiet.ts";

const ITEMS = 20_000;
const folder = await Deno.makeTempDir({ prefix: "plumbline-parts-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

await refuseNoise();

// A checkpoint is to be open in 1 s, and this is the slower part of it.
Deno.bench("SmolLM2's vocabulary, want 600 ms", { ...needs("model"), n: 5, warmup: 1 }, () => {
  using file = openFile(REAL_MODEL);
  createTokenizer({ kind: "gguf", metadata: readGguf(file).metadata }, REAL_MODEL);
});

let written = 0;
Deno.bench("20,000 outcomes committed in batches of 32, want 3 s", { n: 3, warmup: 1 }, (b) => {
  using store = openSqliteStore(`${folder}/written-${written++}.sqlite`);
  store.openCell("k", {}, ITEMS);
  const batches = Array.from({ length: ITEMS / 32 }, (_, i) => outcomesOf(32 * i, 32 * (i + 1)));
  b.start();
  for (const batch of batches) store.commit("k", batch);
  store.closeCell("k");
  b.end();
});

const served = openPage();
Deno.bench(
  "page of a cell of 20,000 items in the SQLite store, want 300 ms",
  { n: 10, warmup: 1 },
  async () => {
    const { app, path } = served;
    const response = await app.request(path);
    const body = await response.text();
    if (response.status !== 200 || !body.includes("<article")) throw new Error("the page shows no items");
  },
);

/** A run in a store on the disk, with the two cells that the page is made of. */
function openPage() {
  const memory = createMemoryStore();
  const results = fill(memory, { items: ITEMS });
  const store = openSqliteStore(`${folder}/served.sqlite`);
  const pair = ["silenced", "untouched"].flatMap((treatment) =>
    results.cells.filter((cell) => cell.benchmark === "fables" && cell.treatment === treatment)
  );
  for (const { key } of pair) {
    store.openCell(key, {}, ITEMS);
    store.commit(key, [...memory.outcomes(key).values()]);
    store.saveSamples(key, memory.samples(key));
    store.closeCell(key);
  }
  store.saveRun(results);
  return { app: createApp({ store }), path: `/runs/${results.id}/cells/${pair[0]?.key}` };
}
