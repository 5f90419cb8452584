/** What the results say of units that a scorer found: the table, report.md and the units file. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exportRun } from "../../core/report/export.ts";
import { foundIn, foundText } from "../../core/report/found.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { table } from "../../core/report/table.ts";
import type { FoundRecord, Results } from "../../core/results.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import { parseUnitsFile } from "../../core/units.ts";
import { FOUND, plan, SCORE } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";

async function results(matrix: Record<string, unknown>, store = createMemoryStore()): Promise<Results> {
  const planned = await plan({ matrix: { treatments: [FOUND], ...matrix } });
  await run(planned, { store, context: testContext() });
  const made = summarise(planned, store, UNUSED);
  store.saveRun(made);
  return made;
}

const LINE =
  "2 of 32 units by gradient_product on 2 items of riddles (count=2, first=37, perQuestion=1), top 2; " +
  "mlp.gate 2; layers 0 to 1: 2, 0";

Deno.test("foundText() says how many of how many units, by what, on how many items, and where they are", async () => {
  const [found] = foundIn(await results({}));
  assert(found);
  assertEquals(foundText(found), LINE);
  const change = (record: Partial<FoundRecord>) =>
    foundText({ ...found, record: { ...found.record, ...record } });
  const units = [{ tap: "embed", units: [0] }, { tap: "layers.0.attn.q", units: [1, 2] }, {
    tap: "layers.1.mlp.gate",
    units: Array.from({ length: 1500 }, (_, i) => i),
  }] as const;
  const select = { top: 0.01, per: "tap", order: "magnitude", group: "r1", sites: ["attn.q", "mlp.gate"] };
  assertEquals(
    change({ sets: {}, select, units, selected: 1503, pool: 150_300 }),
    "1,503 of 150,300 units by gradient_product, top 0.01 by magnitude of each tap at attn.q, mlp.gate for r1; " +
      "embed 1, attn.q 2, mlp.gate 1,500; layers 0 to 1: 2, 1,500",
  );
});

Deno.test("table() and reportMarkdown() say how units were found, and on which model where there are several", async () => {
  const flat = (made: Results) => table(made, { colour: false, width: 100 }).join(" ");
  const one = await results({});
  assertStringIncludes(flat(one), `found: ${LINE}`);
  const models = [{ use: "fake" }, { use: "fake", params: { weights: "v" } }];
  const two = await results({ models });
  for (const name of ["fake-w", "fake-v"]) assertStringIncludes(flat(two), `found on ${name}: ${LINE}`);
  const text = reportMarkdown(one);
  const { key, sets } = foundIn(one)[0]!.record;
  for (
    const part of ["- Units of found: 2 of 32 units", "seed 0", `\`${key}\``, `\`${sets.items?.itemsHash}\``]
  ) {
    assertStringIncludes(text, part);
  }
  const given = [{
    ...FOUND,
    steps: [{ edit: { use: "mute", units: [{ tap: "layers.0.mlp.gate", index: 1 }] } }],
  }];
  assertEquals(reportMarkdown(await results({ treatments: given })).includes("Units of"), false);
});

Deno.test("exportRun() writes a units file a selection, which another matrix reads as the same units", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const store = createMemoryStore();
    const edit = { edit: { use: "mute" } };
    const steps = [
      { score: SCORE },
      { select: { top: 2 } },
      edit,
      { select: { top: 1, order: "lowest" } },
      edit,
    ];
    const made = await results({ treatments: [{ name: "found / twice", steps }] }, store);
    const target = await exportRun(store, made.id, folder);
    const names = [...Deno.readDirSync(target)].map(({ name }) => name).filter((name) =>
      name.startsWith("units")
    );
    assertEquals(names.sort(), ["units_found-twice.json", "units_found-twice_2.json"]);
    const path = `${target}/units_found-twice.json`;
    const text = Deno.readTextFileSync(path);
    assertEquals(parseUnitsFile(text, path), [
      { tap: "layers.0.mlp.gate", index: 5 },
      { tap: "layers.0.mlp.gate", index: 6 },
    ]);
    const { scorer, sets, model, scores } = JSON.parse(text);
    assertEquals(
      [scorer.name, sets.items.items.effective, model.hash, scores["layers.0.mlp.gate"].length],
      ["gradient_product", 2, made.models[0]?.info.hash, 2],
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
