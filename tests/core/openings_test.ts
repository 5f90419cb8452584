/** Treatments that open the same model otherwise. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { disagreementSentences } from "../../core/disagreement.ts";
import { limitations } from "../../core/report/limitations.ts";
import { methodsText } from "../../core/report/methods.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { table } from "../../core/report/table.ts";
import { run } from "../../core/runner.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { summarise } from "../../core/summary.ts";
import { z } from "zod";
import { defineTuner, UserError } from "../../core/mod.ts";
import { fakePlugin } from "../fake_model.ts";
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
  const record = results.treatments.find(({ name }) => name === "coarse")!;
  assertEquals(record.opened?.map(({ model, opened }) => [model, opened.label, opened.params]), [
    ["fake-w", "fake-w (coarse)", { weights: "w", delayMs: 0, contextLength: 64, coarse: true }],
  ]);
  assertStringIncludes(
    reportMarkdown(results),
    "- Treatment coarse opens fake-w as fake-w (coarse): params `{",
  );
  const limits = limitations(results).join("\n");
  assert(!/coarse/.test(limits), limits);
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
  const methods = JSON.stringify(methodsText(results));
  assertStringIncludes(
    methods,
    "Treatment coarse opens the model with coarse true in place of its own params (fake-w (coarse)).",
  );
  assertStringIncludes(methods, "It has no controls.");
  // How far the other way is from this one is found when it is opened, and is there in every report.
  assertEquals(record.opened?.[0]?.opened.disagreement?.same, 9);
  assertEquals(results.models[0]?.disagreement, undefined);
  const sentence =
    "fake-w (coarse) beside fine, on a text of 12 tokens: the most probable next token is the " +
    "same at 9 of 12 places, log-probabilities are 0.25 nats apart on average, 1.5 at most.";
  for (const text of [reportMarkdown(results), methods]) assertStringIncludes(text, sentence);
  // It is kept with the outcomes: nobody has to measure it again.
  const elsewhere = await plan({ matrix: { treatments: [COARSE, MUTED] }, log: newLog() });
  assertEquals(summarise(elsewhere, store, UNUSED), results);
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
  await refused(
    { coarsely: true },
    'Cannot open fake-w under "other": cannot read params of model fake: unknown key "coarsely"',
  );
  await refused(
    { coarse: false },
    'Cannot open fake-w under "other": it is opened so already, wanted other params',
  );
});

Deno.test("what is not computed in the reference way is marked in every label, also in names that a matrix gives", async () => {
  const labels = async (models: unknown[]) =>
    (await plan({ matrix: { models, treatments: [] } })).models.map(({ record }) => record.label);
  const params = { coarse: true };
  assertEquals(await labels([{ use: "fake" }, { use: "fake", params }]), ["fake-w", "fake-w (coarse)"]);
  assertEquals(
    await labels([{ use: "fake", name: "mine" }, { use: "fake", name: "mine", params }]),
    ["mine", "mine (coarse)"],
  );
});

Deno.test("a model that is opened otherwise once more is not opened where its cells are there", async () => {
  const store = createMemoryStore(), first = await plan({ matrix: { treatments: [COARSE] } });
  await run(first, { store, context: testContext() });
  const log = newLog(), again = await plan({ matrix: { treatments: [COARSE, MUTED] }, log });
  await run(again, { store, context: testContext() });
  // For the muted alone.
  assertEquals(log.opened.length, 1);
});

Deno.test("a model that was not compared with itself in its reference way is named in reports", async () => {
  const planned = await plan({
    matrix: { models: [{ use: "fake" }, { use: "fake", params: { coarse: true } }], treatments: [] },
  });
  const models = planned.models.map(({ record }) => record);
  assertEquals(disagreementSentences({ models, treatments: [] }), [
    "fake-w (coarse) was not compared with itself in its reference way.",
  ]);
});

Deno.test("run() finds what this machine lacks for an opening before it computes anything", async () => {
  const store = createMemoryStore(), log = { ...newLog(), lacking: true };
  const planned = await plan({ matrix: { treatments: [COARSE, MUTED] }, log });
  await assertRejects(
    () => run(planned, { store, context: testContext() }),
    UserError,
    "Cannot compute on it: it is not here",
  );
  assertEquals([log.opened.length, log.batches.length], [0, 0]);
});

Deno.test("planRun() refuses to train what does not train as it is opened, before anything is computed", async () => {
  const tuned = { name: "taught", steps: [{ tune: { use: "teach", on: { items: { use: "riddles" } } } }] };
  const teach = defineTuner({
    name: "teach",
    version: "1",
    title: "Teach",
    source: "tests",
    params: z.strictObject({}),
    sets: ["items"],
    plan: () => {
      throw new Error("it is not asked");
    },
  });
  const plugin = { ...fakePlugin(), tuners: [teach] };
  await assertRejects(
    () =>
      plan({
        plugin,
        matrix: {
          models: [{ use: "fake", params: { coarse: true } }],
          treatments: [tuned],
          allowLeakage: true,
        },
      }),
    UserError,
    "it does not train as it is opened, wanted it in its reference way",
  );
});
