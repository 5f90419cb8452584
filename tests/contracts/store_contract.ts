/** What every RunStore must do. A store's own test calls storeContract() with a function that opens a fresh, empty store. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Json, Outcome, Sample } from "../../core/evaluator.ts";
import type { Results } from "../../core/results.ts";
import type { RunStore } from "../../core/store/store.ts";

/** An outcome with every kind of JSON in it and numbers that need all 53 bits. */
export function outcomeOf(index: number): Outcome {
  return {
    item: `item-${index}`,
    values: { acc: index % 2, logprob: -Math.SQRT2 * 1e-7 / (index + 1) },
    detail: {
      z: null,
      a: [true, "Ä \u0000 \u{1F600}", 0.1 + 0.2],
      choice: index,
      deep: { tiny: 5e-324, big: 2 ** 53 },
    },
  };
}

export function outcomesOf(from: number, to: number): Outcome[] {
  return Array.from({ length: to - from }, (_, i) => outcomeOf(from + i));
}

/** A run with the fields that a list of runs shows; the rest of the record is as a store sees it: JSON. */
export function resultsOf(id: string, startedAt: string): Results {
  const run = { startedAt, finishedAt: "2026-01-02T04:00:00.000Z", elapsedMs: 12.5, tokens: 3 };
  const named = { models: [{ label: "m" }], benchmarks: [{ label: "b (x)" }], treatments: [{ name: "t" }] };
  return { id, name: `run ${id}`, reportable: true, ...named, run, cells: [] } as unknown as Results;
}

function sampleOf(index: number): Sample {
  return {
    doc_id: index,
    doc: { question: `q${index}` },
    target: "A",
    arguments: [["p", " A"]],
    resps: [[-0.25, true]],
    filtered_resps: [[-0.25, true]],
    filter: "none",
    metrics: ["acc"],
    acc: 1,
  };
}

const SPEC: Json = { model: "m", edits: [] };

export function storeContract(name: string, open: () => RunStore): void {
  const check = (what: string, run: (store: RunStore) => void) =>
    Deno.test(`${name} ${what}`, () => {
      using store = open();
      run(store);
    });

  check("each() gives the outcomes there are, to the last bit, however many", (store) => {
    const all = outcomesOf(0, 10_000).map((each) => ({ ...each, item: `ö "${each.item}"` }));
    store.openCell("k", SPEC, all.length);
    store.openCell("l", SPEC, 1);
    store.commit("k", all.slice(5000));
    assertEquals([...store.each("k")].length, 5000);
    store.commit("k", all);
    assertEquals(
      new Map([...store.each("k")].map((each) => [each.item, each])),
      new Map(all.map((each) => [each.item, each])),
    );
    assertEquals(store.outcomes("k").size, all.length);
    assertEquals([store.outcomes("l").size, [...store.each("l")].length, [...store.each("m")].length], [
      0,
      0,
      0,
    ]);
  });

  check("outcomes() gives each outcome back to the last bit when it was committed", (store) => {
    store.openCell("k", SPEC, 5);
    store.commit("k", outcomesOf(0, 2));
    store.commit("k", outcomesOf(2, 5));
    const stored = store.outcomes("k");
    assertEquals(stored.size, 5);
    for (const outcome of outcomesOf(0, 5)) {
      assertEquals(stored.get(outcome.item), outcome);
      // The text too: the order of members shows in the files of a run.
      assertEquals(JSON.stringify(stored.get(outcome.item)), JSON.stringify(outcome));
      assert(Object.getPrototypeOf(stored.get(outcome.item)) === Object.prototype);
    }
  });

  check("outcomes() and samples() are empty when the cell is unknown", (store) => {
    assertEquals(store.outcomes("k").size, 0);
    assertEquals(store.samples("k").size, 0);
    assertEquals(store.isComplete("k"), false);
    assertEquals(store.run("r"), undefined);
    assertEquals(store.runs(), []);
  });

  check("openCell() keeps what is there when called again", (store) => {
    store.openCell("k", SPEC, 2);
    store.commit("k", outcomesOf(0, 2));
    store.closeCell("k");
    store.openCell("k", SPEC, 2);
    assertEquals(store.outcomes("k").size, 2);
    assertEquals(store.isComplete("k"), true);
  });

  check("commit() keeps cells apart when their items have the same names", (store) => {
    store.openCell("k", SPEC, 1);
    store.openCell("l", SPEC, 1);
    store.commit("k", [outcomeOf(0)]);
    assertEquals(store.outcomes("l").size, 0);
  });

  check("commit() keeps the first outcome of an item when it comes twice", (store) => {
    store.openCell("k", SPEC, 2);
    store.commit("k", [outcomeOf(0)]);
    store.commit("k", [{ ...outcomeOf(0), values: { acc: 9 } }, outcomeOf(1)]);
    assertEquals(store.outcomes("k"), new Map(outcomesOf(0, 2).map((outcome) => [outcome.item, outcome])));
  });

  check("commit() writes nothing of a batch when one of its outcomes cannot be written", (store) => {
    store.openCell("k", SPEC, 3);
    for (const bad of [NaN, Infinity, -Infinity]) {
      const batch = [outcomeOf(0), { ...outcomeOf(1), values: { acc: bad } }];
      assertThrows(() => store.commit("k", batch), TypeError, String(bad));
    }
    assertEquals(store.outcomes("k").size, 0);
  });

  check("commit() takes a batch of none", (store) => {
    store.openCell("k", SPEC, 0);
    store.commit("k", []);
    store.closeCell("k");
    assertEquals(store.isComplete("k"), true);
  });

  check("commit(), closeCell() and saveSamples() throw when the cell was not opened", (store) => {
    assertThrows(() => store.commit("k", [outcomeOf(0)]), Error, "not opened");
    assertThrows(() => store.closeCell("k"), Error, "not opened");
    assertThrows(() => store.saveSamples("k", new Map()), Error, "not opened");
    assertEquals(store.outcomes("k").size, 0);
  });

  check("closeCell() throws when outcomes are missing and completes the cell when all are in", (store) => {
    store.openCell("k", SPEC, 3);
    store.commit("k", outcomesOf(0, 2));
    assertThrows(() => store.closeCell("k"), Error, "2 outcomes, wanted 3");
    assertEquals(store.isComplete("k"), false);
    store.commit("k", outcomesOf(2, 3));
    assertEquals(store.isComplete("k"), false);
    store.closeCell("k");
    assertEquals(store.isComplete("k"), true);
    store.closeCell("k");
  });

  check("outcomes() is a copy when its caller changes it or the store goes on", (store) => {
    store.openCell("k", SPEC, 2);
    store.commit("k", [outcomeOf(0)]);
    const before = store.outcomes("k");
    Object.assign(before.get("item-0")!.values, { acc: 5 });
    store.commit("k", [outcomeOf(1)]);
    assertEquals(before.size, 1);
    assertEquals(store.outcomes("k").get("item-0"), outcomeOf(0));
  });

  check("samples() gives the last saved ones in their order", (store) => {
    store.openCell("k", SPEC, 3);
    store.saveSamples("k", new Map([["old", sampleOf(9)]]));
    const samples = new Map(["c", "a", "b"].map((item, i) => [item, sampleOf(i)]));
    store.saveSamples("k", samples);
    assertEquals([...store.samples("k")], [...samples]);
  });

  check("numbers() gives the last saved ones back to the last bit, and nothing once dropped", (store) => {
    assertEquals(store.numbers("n"), undefined);
    store.saveNumbers("n", { about: { chunks: 1 }, arrays: [Float64Array.of(1, 2), Float64Array.of(3)] });
    const odd = [0.1 + 0.2, -0, 5e-324, -Infinity, Number.MAX_VALUE];
    // A view into a longer buffer: what lies around it is not its own.
    const view = Float64Array.of(7, ...odd, 8).subarray(1, 6);
    const about = { chunks: 2, groups: ["ä", "b"] };
    store.saveNumbers("n", { about, arrays: [view, new Float64Array()] });
    const found = store.numbers("n");
    assertEquals(found?.about, about);
    assertEquals(found?.arrays.map((array) => [...array]), [odd, []]);
    view[0] = 1;
    assertEquals(store.numbers("n")?.arrays[0]?.[0], odd[0]);
    assertEquals(store.numbers("m"), undefined);
    store.saveNumbers("n", { about: null, arrays: [] });
    assertEquals(store.numbers("n"), { about: null, arrays: [] });
    store.dropNumbers("n");
    store.dropNumbers("n");
    assertEquals(store.numbers("n"), undefined);
  });

  check("run() gives back what saveRun() got, and the last one when an id comes twice", (store) => {
    const first = resultsOf("r", "2026-01-02T03:00:00.000Z");
    store.saveRun(first);
    assertEquals(store.run("r"), first);
    const second = { ...first, reportable: false };
    store.saveRun(second);
    assertEquals(store.run("r"), second);
    assertEquals(store.runs().map(({ reportable }) => reportable), [false]);
  });

  check("runs() lists the newest first with the names that a list shows", (store) => {
    store.saveRun(resultsOf("b", "2026-01-02T03:00:00.000Z"));
    store.saveRun(resultsOf("c", "2026-01-03T03:00:00.000Z"));
    store.saveRun(resultsOf("a", "2026-01-02T03:00:00.000Z"));
    assertEquals(store.runs().map(({ id }) => id), ["c", "a", "b"]);
    assertEquals(store.runs()[0], {
      id: "c",
      name: "run c",
      reportable: true,
      startedAt: "2026-01-03T03:00:00.000Z",
      finishedAt: "2026-01-02T04:00:00.000Z",
      models: ["m"],
      benchmarks: ["b (x)"],
      treatments: ["t"],
    });
  });
}
