/** Where found units are and what their sets share, on sets that were made up so that it can be counted. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { exportRun } from "../../core/report/export.ts";
import { foundIn, foundText, unitsFile, unitsKind } from "../../core/report/found.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { foundSets, overlapsOf, placesOf } from "../../core/report/unit_sets.ts";
import { overlapRows, placeRows } from "../../core/report/unit_tables.ts";
import type { Results } from "../../core/results.ts";
import { run } from "../../core/runner.ts";
import { poolSizes } from "../../core/select.ts";
import { createMemoryStore } from "../../core/store/mod.ts";
import { summarise } from "../../core/summary.ts";
import { readUnitsFile } from "../../core/units.ts";
import { FOUND, plan, SCORE } from "../fake_plan.ts";
import { fill } from "../server/made_up.ts";
import { fillUnits, GATE, LATE, QUERY, range, record, treatment } from "../server/made_up_units.ts";
import { testContext, UNUSED } from "../support.ts";

const store = createMemoryStore();
const base = fill(store, { items: 10, models: ["one", "two"] });
const single: Results = { ...base, models: base.models.slice(0, 1) };
const made = fillUnits(store, single);

Deno.test("foundSets() numbers a treatment's further selections as their files are numbered", () => {
  const names = ["Arveld <silenced>", "Arveld <silenced> (2)", "Brinmoor silenced"];
  assertEquals(foundSets(made).map(({ name }) => name), names);
});

Deno.test("placesOf() counts units by layer and site beside those that there are, also where none was selected", () => {
  const [first, second] = foundSets(made);
  const none = [undefined];
  assertEquals(placesOf(first!), {
    sites: ["mlp.gate"],
    layers: [none, [{ selected: 30, of: 256 }], none, [{ selected: 10, of: 256 }]],
  });
  assertEquals(placesOf(second!).layers[0], [{ selected: 3, of: 256 }]);
  const { taps: _, ...old } = first!.record;
  assertEquals(placesOf({ ...first!, record: old }).layers[1], [{ selected: 30 }]);
  const embed = record("one", { embed: [4] }, { taps: ["embed", GATE] });
  const places = placesOf({ ...first!, record: embed });
  assertEquals(places.sites, ["embed", "mlp.gate"]);
  assertEquals(places.layers.slice(0, 2), [[{ selected: 1, of: 256 }, undefined], [undefined, {
    selected: 0,
    of: 256,
  }]]);
});

Deno.test("overlapsOf() compares found sets with each other, with given units and with their own scored controls", () => {
  const overlaps = overlapsOf(made);
  assertEquals(
    overlaps.map((
      { one, other, sizes, shared, pool },
    ) => [one, other, ...sizes, shared, pool.units, pool.taps]),
    [
      ["Arveld <silenced>", "Brinmoor silenced", 40, 20, 6, 512, 2],
      // Units of a tap that the found ones were not selected from do not count.
      ["Arveld <silenced>", "planted", 40, 8, 8, 512, 2],
      ["Arveld <silenced>", "its control important", 40, 40, 0, 512, 2],
      ["Arveld <silenced>", "its control loud", 40, 40, 15, 512, 2],
      ["Brinmoor silenced", "planted", 20, 8, 0, 512, 2],
    ],
  );
  assertEquals(overlaps.map(({ chance }) => chance !== undefined), [true, true, false, true, true]);
  const [first] = overlaps;
  assertEquals(first!.jaccard, 6 / 54);
  const { uniform, byTap } = first!.chance!;
  assertAlmostEquals(uniform.shared, 40 * 20 / 512, 1e-12);
  // All 20 of the one are in the tap that has 30 of the other's 40.
  assertAlmostEquals(byTap.shared, 30 * 20 / 256, 1e-12);
  assert(byTap.p > uniform.p, "that they are in the same tap is some of what they share");
});

Deno.test("overlapsOf() compares no units of different models, and none whose pool was not kept", () => {
  const both = [record("one", { [GATE]: range(0, 9) }), record("two", { [GATE]: range(0, 9) })];
  const two = { ...base, treatments: [treatment("found", { found: both })] };
  assertEquals(overlapsOf(two), []);
  assertEquals(foundSets(two).map(({ name }) => name), ["found on one", "found on two"]);
  const given = {
    ...two,
    treatments: [...two.treatments, treatment("given", { given: { [GATE]: range(5, 9) } })],
  };
  assertEquals(
    overlapsOf(given).map(({ one, other, shared }) => [one, other, shared]),
    [["found on one", "given", 4], ["found on two", "given", 4]],
  );
  const { taps: _, ...old } = both[0]!;
  const older = treatment("older", { found: [old, { ...old, units: [{ tap: QUERY, units: [1] }] }] });
  assertEquals(overlapsOf({ ...single, treatments: [older] }), []);
});

Deno.test("placeRows() and overlapRows() are in report.md, under the name of the units, with chance and its p", () => {
  assertEquals(placeRows(made), [
    ["Set", "Site", "Units", "Layer 0", "Layer 1", "Layer 2", "Layer 3"],
    ["Arveld <silenced>", "mlp.gate", "40", "", "30", "", "10"],
    ["Arveld <silenced> (2)", "attn.q", "3", "3", "", "", ""],
    ["Brinmoor silenced", "mlp.gate", "20", "", "20", "", "0"],
  ]);
  const rows = overlapRows(made);
  assertEquals(rows[1], [
    "Arveld <silenced> and Brinmoor silenced",
    "40 and 20",
    "512 in 2 taps",
    "6",
    "0.111",
    // 40 * 20 / 512 and 30 * 20 / 256; scipy.stats.hypergeom(512, 40, 20) and (256, 30, 20) for the rest.
    ...["1.6, 0.027", "0.003", "2.3, 0.041", "0.019"],
  ]);
  assertEquals(rows[3]?.slice(3), ["0", "0.000", "left out by design", "", "", ""]);
  const text = reportMarkdown(made);
  for (
    const part of [
      "## Country-associated units",
      "| Brinmoor silenced | mlp.gate | 20 |",
      "| 512 in 2 taps |",
    ]
  ) {
    assertStringIncludes(text, part);
  }
  assertEquals(/country's (neuron|unit)/i.test(text), false);
  assertEquals(reportMarkdown(base).includes("Units selected"), false);
});

Deno.test("unitsKind() calls units after what their items were told apart by, and only where that is one thing", () => {
  const by = (groupBy: string | null) => record("one", { [GATE]: [1] }, { groupBy });
  assertEquals(unitsKind([by("country")]), "country-associated units");
  assertEquals(unitsKind([by("side"), by("side")]), "side-associated units");
  assertEquals(unitsKind([by(null)]), "units");
  assertEquals(unitsKind([by("country"), by(null)]), "units");
  const { sets } = by("country"), items = sets.items!;
  assertEquals(
    unitsKind([{ sets: { items, names: { ...items, groupBy: null } } }]),
    "country-associated units",
    "a set that tells nothing apart is beside the items that do",
  );
  const [first, , third] = foundSets(made);
  assertStringIncludes(
    foundText(first!),
    "40 country-associated units of 512 by culnig on 480 items of worlds, top 40",
  );
  const one = { ...third!, record: { ...third!.record, selected: 1 } };
  assertStringIncludes(foundText(one), "1 country-associated unit of 512 by culnig");
});

Deno.test("unitsFile() has each unit's score by every group where there are several", () => {
  const [found] = foundIn(made);
  const scores = new Map(["country/Arveld", "names"].map((group, g) => [
    group,
    new Map([[GATE, Float64Array.from(range(0, 256), (i) => g * 1000 + i)], [LATE, new Float64Array(256)]]),
  ]));
  const sources = { madeOf: () => undefined, scores: () => scores };
  const file = unitsFile(found!, made, sources) as {
    scoresByGroup: Record<string, Record<string, number[]>>;
  };
  assertEquals(Object.keys(file.scoresByGroup), ["country/Arveld", "names"]);
  assertEquals(file.scoresByGroup.names![GATE], range(1000, 1030));
  assertEquals(file.scoresByGroup.names![LATE]?.length, 10);
  // Another matrix takes the file with all that it has.
  const { units, madeOf } = readUnitsFile(JSON.stringify(file), "units.json");
  assertEquals([units.length, madeOf], [40, undefined]);
  const alone = unitsFile(found!, made, { ...sources, scores: () => new Map([...scores].slice(0, 1)) });
  assertEquals("scoresByGroup" in (alone as object), false);
});

Deno.test("a run keeps how many units of each tap a selection was made from, and its units file says so", async () => {
  const own = createMemoryStore(), folder = await Deno.makeTempDir();
  try {
    const planned = await plan({ matrix: { treatments: [FOUND] } });
    await run(planned, { store: own, context: testContext() });
    const results = summarise(planned, own, UNUSED);
    own.saveRun(results);
    const taps = { "layers.0.mlp.gate": 16, "layers.1.mlp.gate": 16 };
    assertEquals(foundIn(results)[0]!.record.taps, taps);
    const target = await exportRun(own, results.id, folder);
    const file = JSON.parse(Deno.readTextFileSync(`${target}/units_found.json`));
    const { scorer, select, sets, model, madeOf, scores } = file;
    assertEquals(file.taps, taps);
    assertEquals([scorer.params.sites, select.top, sets.items.itemsHash.length], [SCORE.params.sites, 2, 64]);
    assertEquals([model.hash, madeOf.length], [results.models[0]!.info.hash, 1]);
    assertEquals(scores["layers.0.mlp.gate"].length, 2);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("poolSizes() counts units of each tap that a selection is taken from, in forward order", () => {
  const scores = new Map([[
    "all",
    new Map([[LATE, new Float64Array(2)], [QUERY, new Float64Array(3)], [
      GATE,
      new Float64Array(5),
    ]]),
  ]]);
  const select = { top: 1, per: "all", order: "highest" } as const;
  assertEquals([...poolSizes(scores, select)], [[QUERY, 3], [GATE, 5], [LATE, 2]]);
  assertEquals([...poolSizes(scores, { ...select, per: "site", sites: ["mlp.gate"] })], [[GATE, 5], [
    LATE,
    2,
  ]]);
});
