/** Treatments that open the same model otherwise. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { methodsText } from "../../core/report/methods.ts";
import { table } from "../../core/report/table.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import { UserError } from "../../core/mod.ts";
import { MUTED, newLog, plan } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";

const COARSE = { name: "coarse", steps: [{ open: { coarse: true } }] };

Deno.test("a model that is opened otherwise is compared with itself, and its cells are those of that model", async () => {
  const store = createMemoryStore(), log = newLog();
  const planned = await plan({ matrix: { treatments: [COARSE, MUTED] }, log });
  await run(planned, { store, context: testContext() });
  // Its own way, and the other.
  assertEquals(log.opened.length, 2);
  const results = summarise(planned, store, UNUSED);
  const cell = results.cells.find(({ treatment }) => treatment === "coarse")!;
  const before = results.cells.find(({ treatment }) => treatment === "untouched")!;
  const value = (each: typeof cell) => Object.values(each.metrics)[0]!.estimate.value;
  assert(value(cell) < value(before), `${value(cell)} beside ${value(before)}`);
  const own = await plan({
    matrix: { models: [{ use: "fake", params: { coarse: true } }], treatments: [] },
  });
  assertEquals(
    own.cells.map(({ key }) => key),
    planned.cells.filter(({ arm }) => arm.opened).map(({ key }) => key),
  );
  const again = await run(own, { store, context: testContext() });
  assertEquals([again.computedCells, again.reusedCells], [0, 1]);
  assertStringIncludes(table(results, { colour: false, width: 100 }).join("\n"), "coarse");
  const text = JSON.stringify(methodsText(results));
  assertStringIncludes(text, "Treatment coarse opens the model with coarse true in place of its own params.");
  assertStringIncludes(text, "It has no controls.");
});

Deno.test("planRun() refuses an opening that is another model, one that changes nothing, and unknown params", async () => {
  const refused = (open: Record<string, unknown>, state: string) =>
    assertRejects(
      () => plan({ matrix: { treatments: [{ name: "other", steps: [{ open }] }] } }),
      UserError,
      state,
    );
  await refused(
    { weights: "v" },
    'Cannot open fake-w under "other": it is another model then, wanted params that say how, and not which',
  );
  await refused({ coarsely: true }, 'unknown key "coarsely"');
  await refused({ coarse: false }, 'treatments "untouched" and "other" are the same, wanted one');
});
