/** The guard: what made a treatment's units is not what it is reported on, and what every output says where that is allowed. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { z } from "zod";
import { type ChoiceItem, defineBenchmark, type Item, UserError } from "../../core/mod.ts";
import { parseMatrix } from "../../core/matrix.ts";
import { planRun } from "../../core/plan.ts";
import { createRegistry } from "../../core/registry.ts";
import { exportRun } from "../../core/report/export.ts";
import { prettyJson } from "../../core/report/json.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { table } from "../../core/report/table.ts";
import type { Results } from "../../core/results.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import { readUnitsFile } from "../../core/units.ts";
import scorers from "../../plugins/scorers/mod.ts";
import riddles from "../fake_benchmark.ts";
import { fakePlugin } from "../fake_model.ts";
import { ENGINE, FOUND, MUTED, newLog, SCORE } from "../fake_plan.ts";
import { testContext, UNUSED } from "../support.ts";

/** Proverbs with a text: `from` and `count` of a list, told in capitals and with one word changed on request. */
const SAYINGS = [
  "A stitch in time saves nine of the others",
  "The early bird is said to catch the worm",
  "Too many cooks will surely spoil the broth",
  "A rolling stone gathers no moss on its way",
  "Many hands make light work of a heavy load",
  "Still waters run deep under a quiet bridge",
];
const sayings = defineBenchmark({
  name: "sayings",
  version: "1",
  title: "Sayings",
  licence: "CC0-1.0",
  source: "tests",
  params: z.strictObject({
    from: z.int().default(0),
    count: z.int().default(3),
    told: z.enum(["plain", "loud", "changed"]).default("plain"),
    role: z.enum(["localise", "report"]).default("report"),
  }),
  evaluator: "pick",
  metric: () => "acc",
  files: () => [],
  load: (_, { from, count, told, role }): (Item & Pick<ChoiceItem, "prompt">)[] =>
    SAYINGS.slice(from, from + count).map((text, i) => ({
      id: `${told}${from + i}`,
      role,
      clusters: { question: `s${from + i}` },
      prompt: {
        kind: "text",
        text: told === "loud"
          ? `${text.toUpperCase()}!`
          : told === "changed"
          ? text.replace(/ (\w+)$/, " sofa")
          : text,
      },
    })),
});

const score = (params: Record<string, unknown>) => ({
  ...SCORE,
  on: { items: { use: "sayings", params } },
});
const found = (params: Record<string, unknown>, name = "found") => ({
  ...FOUND,
  name,
  steps: [{ score: score(params) }, { select: { top: 2 } }, { edit: { use: "mute" } }],
});
const LEAK = {
  benchmarks: [{ use: "sayings", name: "told loud", params: { told: "loud", count: 6 } }, {
    use: "sayings",
    name: "changed",
    params: { told: "changed", from: 2, count: 4 },
  }],
  treatments: [found({})],
};

async function plan(matrix: Record<string, unknown>, log = newLog()) {
  const text = JSON.stringify({ version: 1, models: [{ use: "fake" }], ...matrix });
  return await planRun(parseMatrix(text, "/m/demo.json"), {
    registry: createRegistry([fakePlugin(log), scorers], [riddles, sayings]),
    context: testContext(),
    path: "/m/demo.json",
    engine: ENGINE,
  });
}

async function finish(matrix: Record<string, unknown>, store = createMemoryStore()): Promise<Results> {
  const planned = await plan(matrix);
  await run(planned, { store, context: testContext() });
  const results = summarise(planned, store, UNUSED);
  store.saveRun(results);
  return results;
}

async function refusal(matrix: Record<string, unknown>): Promise<string> {
  const log = newLog();
  const { message } = await assertRejects(() => plan(matrix, log), UserError) as UserError;
  assertEquals([log.opened, log.runs], [[], []], "nothing is opened");
  return message;
}

Deno.test("planRun() refuses to report on what made a treatment's units, with counts, three examples and a way out", async () => {
  assertEquals(
    await refusal(LEAK),
    "Cannot run matrix /m/demo.json: " +
      '3 of 6 items of told loud are among those that made the units of "found", 3 exactly and 0 nearly, such as ' +
      'loud0 is plain0 of sayings ("A STITCH IN TIME SAVES NINE OF THE OTHERS!"), ' +
      'loud1 is plain1 of sayings ("THE EARLY BIRD IS SAID TO CATCH THE WORM!"), ' +
      'loud2 is plain2 of sayings ("TOO MANY COOKS WILL SURELY SPOIL THE BROTH!"); ' +
      '1 of 4 items of changed are among those that made the units of "found", 0 exactly and 1 nearly; ' +
      'wanted other items on one side, or "allowLeakage": true in the matrix (--allow-leakage), which every output then says',
  );
  const near = await refusal({ ...LEAK, benchmarks: LEAK.benchmarks.slice(1) });
  assertStringIncludes(
    near,
    'changed2 is nearly plain2 of sayings ("Too many cooks will surely spoil the sofa")',
  );
  assertMatch(await refusal({ ...LEAK, benchmarks: [{ use: "riddles" }, ...LEAK.benchmarks] }), /^[^\n]+$/);
  const same = await refusal({
    benchmarks: [{ use: "riddles" }],
    treatments: [{
      ...FOUND,
      steps: [{
        score: { ...SCORE, on: { items: { use: "riddles", params: { first: 20, count: 9 } } } },
      }, ...FOUND.steps.slice(1)],
    }],
  });
  assertStringIncludes(
    same,
    '4 of 24 items of riddles are among those that made the units of "found", 4 exactly',
  );
  assertStringIncludes(
    same,
    "such as r20 is r20 of riddles, r21 is r21 of riddles, r22 is r22 of riddles; wanted",
  );
});

Deno.test("planRun() lets pass what shares no item, and treatments whose own items are others", async () => {
  const { provenance } = await plan({
    benchmarks: [{ use: "sayings", params: { from: 3 } }, { use: "riddles" }],
    treatments: [found({}), { ...FOUND, name: "by riddles" }, {
      name: "chance",
      steps: [{ score: { use: "random" } }, { select: { top: 3 } }, { edit: { use: "mute" } }],
    }],
  });
  assertEquals(provenance, { allowLeakage: false, meetings: [], unknown: [], reserved: [] });
});

Deno.test("planRun() treats the items of a scored control as those of its treatment, and outputs say whose they are", async () => {
  const control = { use: "scored", name: "otherTask", match: "tap", score: score({}) };
  const matrix = { ...LEAK, treatments: [{ ...found({ from: 5, count: 1 }), controls: [control] }] };
  matrix.benchmarks = matrix.benchmarks.map((each) => ({
    ...each,
    params: { ...each.params, from: 0, count: 4 },
  }));
  const state =
    '3 of 4 items of told loud are among those that made the units of the control "otherTask" of "found"';
  assertStringIncludes(await refusal(matrix), state);
  const results = await finish({ ...matrix, allowLeakage: true });
  assertEquals(
    results.provenance!.meetings.map(({ treatment, control, benchmark }) => [treatment, control, benchmark]),
    [["found", "otherTask", "told loud"], ["found", "otherTask", "changed"]],
  );
  const lines = table(results, { colour: false, width: 100 });
  assertStringIncludes(lines.join(" "), `Leakage allowed: ${state}`);
  const text = lines.join("\n");
  assertEquals(
    text.split("leak: 3 of 4 items made it").length,
    3,
    "a line a benchmark, in the control's cell alone",
  );
});

Deno.test("planRun() refuses to report on items that a benchmark keeps for something else", async () => {
  const benchmarks = [{ use: "sayings", params: { role: "localise" } }];
  assertStringIncludes(
    await refusal({ benchmarks }),
    "Cannot run matrix /m/demo.json: 3 items of sayings are kept by the benchmark to localise or to tune; wanted other items",
  );
  const { provenance } = await plan({ benchmarks, allowLeakage: true });
  assertEquals(provenance.reserved, [{ benchmark: "sayings", items: 3 }]);
});

Deno.test("allowLeakage stamps every output, and leaves numbers and keys as they are", async () => {
  const clean = { ...LEAK, benchmarks: [{ use: "riddles" }] };
  const [one, other] = [await plan(clean), await plan({ ...clean, allowLeakage: true })];
  assertEquals(other.cells.map(({ key }) => key), one.cells.map(({ key }) => key));
  assertNotEquals(other.id, one.id, "its outputs say something else");

  const store = createMemoryStore();
  const results = await finish({ ...LEAK, allowLeakage: true }, store);
  const { allowLeakage, meetings: [first, second], unknown } = results.provenance!;
  assertEquals([allowLeakage, unknown], [true, []]);
  assertEquals([first?.benchmark, first?.items, first?.exact, first?.near, first?.question], [
    "told loud",
    6,
    3,
    0,
    0,
  ]);
  assertEquals([second?.benchmark, second?.items, second?.exact, second?.near], ["changed", 4, 0, 1]);
  const note =
    'Leakage allowed: 3 of 6 items of told loud are among those that made the units of "found", 3 exactly and 0';
  const lines = table(results, { colour: false, width: 100 });
  assertStringIncludes(lines.join(" "), note);
  assertStringIncludes(lines.join("\n"), "leak: 3 of 6 items made it");
  assertStringIncludes(lines.join("\n"), "leak: 1 of 4 items made it");
  const report = reportMarkdown(results);
  assertStringIncludes(report, `**${note}`);
  assertEquals(
    report.split("leak: 3 of 6 items made it").length,
    2,
    "in the treated cell, not in the untouched or the controls",
  );
  assertStringIncludes(prettyJson(results), '"exact": 3');
  const nothing = await finish({ ...clean, allowLeakage: true });
  assertStringIncludes(
    table(nothing, { colour: false, width: 100 }).join(" "),
    "Leakage allowed (allowLeakage), and none was found",
  );
});

Deno.test("a units file carries what made it into another matrix, and one that does not is stamped", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const store = createMemoryStore();
    const results = await finish({ ...LEAK, benchmarks: [{ use: "riddles" }] }, store);
    const path = `${await exportRun(store, results.id, folder)}/units_found.json`;
    const text = Deno.readTextFileSync(path);
    assertEquals(
      readUnitsFile(text, path).madeOf?.map(({ benchmark, ids, role }) => [benchmark, ids, role]),
      [
        ["sayings", ["plain0", "plain1", "plain2"], "localise"],
      ],
    );
    assert(!text.includes("stitch"), "the texts are not in it");
    const named = (units: unknown) => ({
      ...LEAK,
      treatments: [{ name: "given", steps: [{ edit: { use: "mute", units } }] }],
    });
    assertStringIncludes(
      await refusal(named(path)),
      "3 exactly and 0 nearly, such as loud0 is plain0 of sayings",
    );
    assertStringIncludes(await refusal(named(path)), 'of "given", 0 exactly and 1 nearly');

    const { madeOf, ...bare } = JSON.parse(text);
    Deno.writeTextFileSync(path, JSON.stringify(bare));
    const unsaid = await finish(named(path));
    assertEquals(unsaid.provenance, { allowLeakage: false, meetings: [], unknown: ["given"], reserved: [] });
    const stamp = 'Provenance unknown: the units of "given" do not say which items made them';
    assertStringIncludes(table(unsaid, { colour: false, width: 100 }).join(" "), stamp);
    assertStringIncludes(reportMarkdown(unsaid), stamp);
    assertEquals((await plan({ benchmarks: LEAK.benchmarks, treatments: [MUTED] })).provenance.unknown, [
      "muted",
    ]);

    const other = { label: "other", hash: { weights: "0".repeat(64) } };
    Deno.writeTextFileSync(path, JSON.stringify({ ...bare, madeOf: [], model: other }));
    const foreign = await finish(named(path));
    const from = `The units of "given" were found on other weights (other) than those of ${
      foreign.models[0]!.label
    }`;
    assertStringIncludes(table(foreign, { colour: false, width: 200 }).join(" "), from);
    assertStringIncludes(reportMarkdown(foreign), from);
    Deno.writeTextFileSync(path, JSON.stringify({ ...bare, madeOf: [] }));
    assertEquals((await plan(named(path))).provenance.elsewhere, undefined, "found on this very model");
    assertEquals((await plan(named(path))).provenance.unknown, [], "made up, of no item");
    Deno.writeTextFileSync(path, JSON.stringify({ ...bare, madeOf: [{ ...madeOf[0], ids: ["one"] }] }));
    assertStringIncludes(
      await refusal(named(path)),
      "wanted ids, hashes, questions and words of one length at madeOf[0]",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
