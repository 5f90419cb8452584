/** Gates: what is asked first, what stays behind them, and what is said of it. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../core/error.ts";
import { runThroughGates } from "../../core/gate.ts";
import { gateTexts } from "../../core/report/claims.ts";
import { limitations } from "../../core/report/limitations.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import { table } from "../../core/report/table.ts";
import { createMemoryStore } from "../../core/store/memory.ts";
import { UNRECORDED } from "../../core/results.ts";
import { summarise } from "../../core/summary.ts";
import { FOUND, keys, MUTED, newLog, plan } from "../fake_plan.ts";
import { testContext } from "../support.ts";

const CLAIM = { name: "falls", treatment: "found", benchmark: "riddles", direction: "less" };

async function through(gates: readonly Record<string, unknown>[]) {
  const log = newLog(), store = createMemoryStore(), context = testContext();
  const planned = await plan({ matrix: { treatments: [MUTED, FOUND], gates, hypotheses: [CLAIM] }, log });
  const { plan: open, counts } = await runThroughGates(planned, { store, context });
  return { planned, open, counts, log, results: summarise(open, store, UNRECORDED) };
}

Deno.test("a gate that stays shut stops the treatments behind it before anything is scored", async () => {
  const { open, results, log } = await through([{
    benchmark: "riddles",
    atLeast: 1.01,
    treatments: ["found"],
  }]);
  assertEquals(log.runs.length, 0);
  assertEquals(new Set(open.cells.map(({ arm }) => arm.treatment)), new Set(["untouched", "muted"]));
  const [untouched] = results.cells;
  assertEquals(results.gates, [{
    model: results.models[0]!.label,
    benchmark: "riddles",
    metric: untouched!.metrics[0]!.metric,
    atLeast: 1.01,
    belowGate: "stop",
    treatments: ["found"],
    estimate: untouched!.metrics[0]!.estimate,
    open: false,
  }]);
  // Nothing is judged of what was not run, and the seal is kept.
  assertEquals(results.hypotheses!.judged, []);
  const [text] = gateTexts(results);
  assertStringIncludes(text!, "101.0 or more was asked: not identifiable, and found was not run");
  assert(limitations(results).includes(text!));
  assertStringIncludes(
    reportMarkdown(results),
    "Treatment found was run on no model: none reached its gate.",
  );
  assert(table(results, { colour: false, width: 400 }).includes(text!));
});

Deno.test('below a gate "mark" runs what was asked and says that it shows nothing', async () => {
  const gate = { benchmark: "riddles", atLeast: 1.01, belowGate: "mark" };
  const { planned, open, counts, results, log } = await through([gate]);
  assertEquals(open.cells.length, planned.cells.length);
  // Every cell is computed once, the untouched one by the gate: 24 items in batches of 4 each.
  assertEquals(log.batches.length, 6 * counts.computedCells);
  assertEquals([counts.computedCells, counts.reusedCells], [new Set(keys(planned)).size, 0]);
  const [judged] = results.hypotheses!.judged;
  assertEquals(
    [judged!.verdict, judged!.adjusted, judged!.reason],
    ["not identifiable", 1, "the untouched model is below the gate"],
  );
  assertStringIncludes(gateTexts(results)[0]!, "not identifiable, and muted, found were run all the same");
});

Deno.test("an open gate changes nothing but the run's record", async () => {
  const { results } = await through([{ benchmark: "riddles", atLeast: 0 }]),
    without = (await through([])).results;
  assertEquals(results.cells, without.cells);
  assertEquals(results.hypotheses, without.hypotheses);
  assert(results.id !== without.id);
  assertStringIncludes(gateTexts(results)[0]!, "or more was asked: identifiable");
  assert(!limitations(results).some((each) => each.includes("was asked")));
  assertEquals(gateTexts(without), []);
});

Deno.test("what is claimed behind a shut gate stays in its family, so that nothing else gets easier", async () => {
  const log = newLog(), store = createMemoryStore(), context = testContext();
  const other = { ...CLAIM, name: "muted falls", treatment: "muted" };
  const judge = async (gates: readonly Record<string, unknown>[]) => {
    const planned = await plan({
      matrix: { treatments: [MUTED, FOUND], gates, hypotheses: [CLAIM, other] },
      log,
    });
    const { plan: open } = await runThroughGates(planned, { store, context });
    return summarise(open, store, UNRECORDED).hypotheses!.judged.find(({ hypothesis }) =>
      hypothesis.name === other.name
    )!;
  };
  const both = await judge([]);
  const alone = await judge([{ benchmark: "riddles", atLeast: 1.01, treatments: ["found"] }]);
  assertEquals(alone.p, both.p);
  assert(alone.adjusted >= both.adjusted && alone.adjusted >= Math.min(1, 2 * alone.p) - 1e-12);
});

Deno.test("a gate names what the matrix has", async () => {
  const cases = [
    [{ benchmark: "ridles" }, 'a gate names the benchmark "ridles", did you mean "riddles"'],
    [{ metric: "accc" }, 'a gate names the metric "accc", did you mean "acc"'],
    [{ treatments: ["mutd"] }, 'a gate names the treatment "mutd", did you mean "muted"'],
    [{ atLeats: 1 }, 'unknown key "atLeats"'],
  ] as const;
  for (const [change, message] of cases) {
    const gate = { benchmark: "riddles", atLeast: 0.5, ...change };
    await assertRejects(async () => await plan({ matrix: { gates: [gate] } }), UserError, message);
  }
});
