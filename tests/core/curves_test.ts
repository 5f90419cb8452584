/** A treatment at several doses: what is refused, what is computed, and how it is shown; over the fake model. */
import { assert, assertAlmostEquals, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { withStrength } from "../../core/arms.ts";
import { UserError } from "../../core/error.ts";
import {
  areaText,
  curvedCells,
  curveHeading,
  CURVES_NOTE,
  curvesCsv,
  curvesSvg,
} from "../../core/report/curves.ts";
import { table } from "../../core/report/table.ts";
import type { Results } from "../../core/results.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import { FOUND, MUTED, newLog, plan } from "../fake_plan.ts";
import { testContext } from "../support.ts";

const UNUSED = { command: [] } as unknown as Results["run"];
const RANDOM = { use: "random", match: "tap", sets: 2 };
const curved = async (curve: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  await plan({ matrix: { treatments: [{ ...MUTED, controls: [RANDOM], curve, ...more }] } });

Deno.test("curves that say too little or too much are refused before anything is computed", async () => {
  const both = [...MUTED.steps, { edit: { use: "mute", units: [{ tap: "layers.1.mlp.gate", index: 1 }] } }];
  const cases: [Record<string, unknown>, Record<string, unknown>, string][] = [
    [{ over: "units", at: [1, 1] }, {}, "has the dose 1 twice"],
    [{ over: "units", at: [0.5] }, {}, "has the dose 0.5, wanted whole numbers"],
    [{ over: "units", at: [0] }, {}, "0 is no dose, wanted a number above 0"],
    [{ over: "units", at: [4] }, {}, "a dose is 4, wanted at most its 3 units"],
    [{ over: "units", at: [1] }, { steps: both }, "is over units of 2 lists, wanted one select or one list"],
    [{ over: "units", at: [2], scale: "log" }, {}, "has one dose on a log scale"],
    [{ over: "unit", at: [1] }, {}, "over"],
    [{ over: "units", at: [1], size: 3 }, {}, 'unknown key "size"'],
    [{ over: "units", at: [0.0001] }, { ...FOUND, name: "muted" }, "top 0.0001"],
  ];
  for (const [curve, more, message] of cases) {
    await assertRejects(() => curved(curve, more), UserError, message);
  }
});

Deno.test("withStrength() moves from no change through the edit and beyond, and refuses what has no strength", async () => {
  const tap = "layers.0.mlp.gate", units = [0, 1];
  const at = (strength: number, op: "scale" | "add", value: number | readonly number[]) =>
    withStrength([{ tap, units, op, value }], strength, "t")[0]!.value;
  assertEquals([at(0.5, "scale", 0), at(1, "scale", 0), at(2, "scale", 0), at(2, "scale", 1.5)], [
    0.5,
    0,
    -1,
    2,
  ]);
  assertEquals(at(0.5, "add", [2, -4]), [1, -2]);
  await assertRejects(
    () => Promise.resolve().then(() => withStrength([{ tap, units, op: "set", value: 0 }], 2, "t")),
    UserError,
    "it sets values, wanted edits that scale or add",
  );
});

Deno.test("a curve's own dose is the treatment's cell, its sets there those of the random control", async () => {
  const log = newLog(), store = createMemoryStore();
  const planned = await plan({
    log,
    matrix: {
      treatments: [{ ...MUTED, controls: [RANDOM], curve: { over: "units", at: [3, 1, 2], sets: 2 } }],
    },
  });
  await run(planned, { store, context: testContext() });
  const results = summarise(planned, store, UNUSED);
  const cell = results.cells.at(-1)!, { points, area, sets } = cell.curve!;
  assertEquals(points.map(({ dose }) => dose), [1, 2, 3]);
  assertEquals(points[2]!.key, cell.key);
  assertEquals(points[2]!.change.value, cell.metrics[0]!.difference!.value);
  for (const part of ["mean", "min", "max"] as const) {
    assertAlmostEquals(points[2]!.sets![part], cell.controls[0]!.metrics.acc!.difference[part], 1e-12);
  }
  // Untouched, treated, two sets; two doses more with two sets each.
  assertEquals(new Set(planned.cells.map(({ key }) => key)).size, 4 + 6);
  const [a, b, c] = points.map(({ change }) => change.value);
  assertAlmostEquals(area.value, (a! + b! + c! / 2) / 3, 1e-12);
  assert(sets!.p >= 2 / 3 && sets!.area.sets === 2);

  const [shown] = curvedCells(results);
  const text = table(results, { colour: false, width: 400 }).join("\n");
  for (const part of [areaText(shown!), curveHeading(shown!, results), CURVES_NOTE]) {
    assertStringIncludes(text, part);
  }
  assertEquals(curvesCsv(results).trimEnd().split("\n").length, 1 + 3 * 2 + 2);
  const svg = curvesSvg(results);
  assertEquals(svg.match(/<circle/g)?.length, 3);
  assert(!/NaN|undefined|Infinity/.test(svg));
});

Deno.test("a curve over strength has the treatment at 1, and a log scale leaves no dose out of it", async () => {
  const store = createMemoryStore();
  const planned = await curved({ over: "strength", at: [0.5, 1, 2], scale: "log", sets: 0 });
  await run(planned, { store, context: testContext() });
  const cell = summarise(planned, store, UNUSED).cells.at(-1)!, { points, area, sets } = cell.curve!;
  assertEquals([points[1]!.key, sets], [cell.key, undefined]);
  const [a, b, c] = points.map(({ change }) => change.value);
  assertAlmostEquals(area.value, (a! / 2 + b! + c! / 2) / 2, 1e-12);
});
