/** Hypotheses: what is refused before anything is computed, what is sealed, and what is judged by. */
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import type { Measured } from "../../core/evidence.ts";
import { judgeHypotheses, planHypotheses, sealHypotheses } from "../../core/hypotheses.ts";
import { claimText, evidenceTexts, sealText } from "../../core/report/claims.ts";
import { withControls } from "../../core/default_controls.ts";
import { parseMatrix } from "../../core/matrix.ts";
import { createRegistry } from "../../core/registry.ts";
import { UserError } from "../../core/error.ts";
import { createRandom } from "../../core/random.ts";
import type { PlannedBenchmark } from "../../core/plan_benchmarks.ts";
import { reportMarkdown } from "../../core/report/markdown.ts";
import type { Results } from "../../core/results.ts";
import { fill } from "../server/made_up.ts";
import { changeBeyond } from "../../core/stats/beyond.ts";
import { estimateMean, pairedDifference, seedsDifference } from "../../core/stats/mod.ts";
import { studentTail } from "../../core/stats/student.ts";
import { createMemoryStore } from "../../core/store/memory.ts";

const ACC = { name: "acc", title: "Accuracy", binary: true, higherIsBetter: true };
const benchmark = (label: string) =>
  ({
    record: { label, name: label },
    primary: "acc",
    evaluator: { metrics: [ACC] },
    items: [],
  }) as unknown as PlannedBenchmark;
const ASKED = [{ id: "1", clusters: { question: "q1" } }];
const BENCHMARKS = [benchmark("riddles"), benchmark("riddles (answers only)")];

const CLAIM = {
  name: "riddles fall",
  treatment: "muted",
  control: "random",
  benchmark: "riddles",
  direction: "less",
} as const;

Deno.test("a claim beyond a benchmark is about other questions", () => {
  const claim = { ...CLAIM, control: "untouched", beyond: "riddles again" };
  const again = (name: string) => {
    const own = { ...benchmark("riddles"), items: ASKED } as unknown as PlannedBenchmark;
    const other = { ...own, record: { ...own.record, label: "riddles again", name } };
    return () => planned.call({ benchmarks: [own, other] }, claim);
  };
  assertThrows(again("riddles"), UserError, 'goes beyond "riddles again", which asks the same questions');
  // Another benchmark may call another question by the same name.
  again("puzzles")();
});

function planned(
  this: { readonly benchmarks: readonly PlannedBenchmark[] } | void,
  ...hypotheses: readonly Record<string, unknown>[]
) {
  const matrix = parseMatrix(
    JSON.stringify({
      version: 1,
      models: [{ use: "m" }],
      benchmarks: [{ use: "riddles" }],
      treatments: [{
        name: "muted",
        steps: [{ edit: { use: "suppress", units: [{ tap: "embed", index: 0 }] } }],
        controls: [
          { use: "random", match: "tap", sets: 199, stopAt: 199 },
          { use: "scored", name: "important", match: "tap", score: { use: "loudness" } },
          { use: "identity" },
        ],
      }],
      hypotheses,
    }),
    "m.json",
  );
  const written = withControls(matrix, { registry: createRegistry([], []), path: "/m.json" });
  return planHypotheses(written, { benchmarks: this?.benchmarks ?? BENCHMARKS, task: "read matrix m.json" });
}

Deno.test("planHypotheses() writes every default out and hashes what is claimed, not how it is written", () => {
  const { list, hash } = planned(CLAIM);
  assertEquals(list, [{
    ...CLAIM,
    metric: "acc",
    family: "primary",
    guard: false,
    drawn: { sets: 199, stopAt: 199 },
  }]);
  assertEquals(planned({ ...CLAIM, metric: "acc", family: "primary" }).hash, hash);
  for (
    const change of [{ direction: "either" }, { margin: 0.02 }, { family: "secondary" }, {
      control: "untouched",
    }]
  ) {
    assert(planned({ ...CLAIM, ...change }).hash !== hash, JSON.stringify(change));
  }
  assertEquals(planned(), { list: [], hash: undefined });
});

Deno.test("planHypotheses() refuses in one line what the matrix does not have and what says too little", () => {
  const cases: readonly (readonly [Record<string, unknown>, string])[] = [
    [{ treatment: "mutd" }, 'names the treatment "mutd", did you mean "muted"'],
    [{ control: "randm" }, 'names the control "randm", did you mean "random"'],
    [{ benchmark: "ridles" }, 'names the benchmark "ridles", did you mean "riddles"'],
    [{ metric: "accc" }, 'names the metric "accc", did you mean "acc"'],
    [{ baseline: "riddles" }, 'names the baseline "riddles"'],
    [{ beyond: "ridles" }, 'names the benchmark "ridles"'],
    [
      { beyond: "riddles (answers only)" },
      'goes beyond a benchmark and against "random", wanted one of the two',
    ],
    [
      { beyond: "riddles (answers only)", control: "untouched", guard: true, margin: 0.1 },
      "is a guard and goes beyond a benchmark",
    ],
    [{ guard: true }, "is a guard without a margin"],
    [{ guard: true, margin: 0.1, direction: "either" }, 'is a guard in direction "either"'],
  ];
  for (const [change, text] of cases) {
    const start = 'Cannot read matrix m.json: hypothesis "riddles fall" ';
    assertThrows(() => planned({ ...CLAIM, ...change }), UserError, start + text);
  }
  assertThrows(() => planned(CLAIM, { ...CLAIM, direction: "either" }), UserError, "stands twice");
  assertThrows(() => planned({ ...CLAIM, margn: 1 }), UserError, 'unknown key "margn"');
  assertThrows(() => planned({ ...CLAIM, margin: 0 }), UserError);
});

/** 12 questions of 4 items; `right` says which items of a question are right. */
const clusters = Array.from({ length: 48 }, (_, i) => `q${Math.floor(i / 4)}`);
const level = (right: (question: number, item: number) => boolean) =>
  clusters.map((_, i) => Number(right(Math.floor(i / 4), i % 4)));

function measured(
  cells: Readonly<Record<string, readonly number[]>>,
  sets: readonly (readonly number[])[],
): Measured {
  return {
    values: ({ benchmark, treatment }) => cells[`${benchmark}/${treatment}`],
    seeds: ({ benchmark, treatment }) => [cells[`${benchmark}/${treatment}`] ?? []],
    sets: () => sets,
    metric: () => ACC,
    metricName: (_, name) => name,
    clusters: () => clusters,
  };
}

const judged = (hypotheses: readonly Record<string, unknown>[], of: Measured, models = 1) =>
  judgeHypotheses(planned(...hypotheses), {
    models: Array.from({ length: models }, (_, i) => ({ label: `m${i}`, measured: of })),
    level: 0.95,
    resamples: 2000,
    seed: 0,
  });

const UNTOUCHED = level((_, item) => item < 3);
const FALLEN = level((question, item) => item < (question % 3 === 0 ? 1 : 0));

Deno.test("judgeHypotheses() of a training with seeds compares each with the control of its seed, by a t over seeds and items", () => {
  const seeds = [FALLEN, level((question, item) => item < question % 2), FALLEN];
  const controls = [UNTOUCHED, level((_, item) => item < 2), UNTOUCHED];
  const of: Measured = {
    ...measured({ "riddles/untouched": UNTOUCHED, "riddles/muted": FALLEN }, controls),
    seeds: () => seeds,
  };
  for (const [control, before] of [["untouched", [UNTOUCHED]], ["random", controls]] as const) {
    const [found] = judged([{ ...CLAIM, control, direction: "less" }], of);
    const wanted = seedsDifference(before, seeds, { binary: true, clusters });
    assertEquals(found!.difference, wanted);
    assertAlmostEquals(found!.p, studentTail(-wanted.value / wanted.error!, wanted.freedom!), 1e-12);
    assertEquals([found!.verdict, found!.sets], ["effect", undefined]);
  }
});

Deno.test("judgeHypotheses() finds the p over sets by counting them, and asks for items and sets both", () => {
  const like = (count: number, values: readonly number[]) => Array.from({ length: count }, () => values);
  const [effect] = judged(
    [CLAIM],
    measured({ "riddles/untouched": UNTOUCHED, "riddles/muted": FALLEN }, like(39, UNTOUCHED)),
  );
  assertEquals(effect!.sets, { count: 39, p: 1 / 40 });
  // All twelve questions fell, so that the p over items is 2^-12 and the larger of the two is that over sets.
  assertEquals([effect!.p, effect!.verdict], [1 / 40, "effect"]);
  assert(effect!.difference.value < -0.5);

  // Two of 39 sets fell as far: 3 of 40.
  const mixed = [...like(37, UNTOUCHED), ...like(2, FALLEN)];
  const [none] = judged(
    [CLAIM],
    measured({ "riddles/untouched": UNTOUCHED, "riddles/muted": FALLEN }, mixed),
  );
  assertEquals([none!.sets!.p, none!.verdict], [3 / 40, "inconclusive"]);

  // Far from every set, but by one question alone.
  const one = level((question, item) => item < (question === 0 ? 0 : 3));
  const [few] = judged(
    [CLAIM],
    measured({ "riddles/untouched": UNTOUCHED, "riddles/muted": one }, like(39, UNTOUCHED)),
  );
  assertEquals([few!.sets!.p, few!.p, few!.verdict], [1 / 40, 0.5, "inconclusive"]);
});

Deno.test("judgeHypotheses() holds the change on one benchmark against that on another", () => {
  const cells = {
    "riddles/untouched": UNTOUCHED,
    "riddles/muted": FALLEN,
    "riddles (answers only)/untouched": UNTOUCHED,
    "riddles (answers only)/muted": level((question, item) => item < (question === 0 ? 2 : 3)),
  };
  const claim = { ...CLAIM, control: "untouched", beyond: "riddles (answers only)" };
  const [found] = judged([claim], measured(cells, []));
  const change = (of: "riddles" | "riddles (answers only)") =>
    pairedDifference(cells[`${of}/untouched`], cells[`${of}/muted`], { binary: true, clusters, seed: 0 });
  const wanted = changeBeyond(change("riddles"), change("riddles (answers only)"));
  assertEquals(found!.difference, wanted.difference);
  assertEquals([found!.p, found!.verdict, found!.sets], [wanted.less, "effect", undefined]);
  // The other way round it is as far from being shown.
  const [other] = judged(
    [{ ...claim, benchmark: "riddles (answers only)", beyond: "riddles" }],
    measured(cells, []),
  );
  assertAlmostEquals(other!.p, 1 - wanted.less, 1e-9);
  assertEquals(other!.verdict, "inconclusive");
});

Deno.test("judgeHypotheses() compares with a control of one set item by item, and leaves the p over sets out", () => {
  const cells = { "riddles/untouched": UNTOUCHED, "riddles/muted": FALLEN };
  const claim = { ...CLAIM, control: "important" };
  // Untouched outcomes stand for the control's, so that all must be as it is against the untouched model.
  const [one] = judged([claim], measured(cells, [UNTOUCHED]));
  const [other] = judged([{ ...CLAIM, control: "untouched" }], measured(cells, []));
  assertEquals([one!.sets, one!.p, one!.verdict], [undefined, 2 ** -12, "effect"]);
  const { hypothesis: _, difference, ...rest } = one!,
    { hypothesis: _other, difference: same, ...wanted } = other!;
  assertEquals([rest, difference.value, difference.mcnemar], [wanted, same.value, same.mcnemar]);
  assertEquals(claimText(one!), "acc of riddles under muted is lower than under important");
  assert(!evidenceTexts(one!).join().includes("over sets"));

  // A control that falls as far leaves nothing of the effect.
  const [none] = judged([claim], measured(cells, [FALLEN]));
  assertEquals([none!.difference.value, none!.p, none!.verdict], [0, 1, "inconclusive"]);
  assertEquals("drawn" in one!.hypothesis, false);
});

Deno.test("planHypotheses() says whether the sets of a control are draws", () => {
  const drawn = ["untouched", "random", "important", "identity"].map((control) =>
    planned({ ...CLAIM, control })
  );
  assertEquals(drawn.map(({ list }) => list[0]!.drawn !== undefined), [false, true, false, false]);
});

Deno.test("judgeHypotheses() corrects over hypotheses and models together, and keeps the gate shut", () => {
  const cells = { "riddles/untouched": UNTOUCHED, "riddles/muted": FALLEN };
  const both = [CLAIM, { ...CLAIM, name: "rises", direction: "greater" }, {
    ...CLAIM,
    name: "second",
    control: "untouched",
    family: "secondary",
  }];
  const sets = Array.from({ length: 199 }, () => UNTOUCHED);
  const results = judged(both, measured(cells, sets), 2);
  assertEquals(results.map(({ model, hypothesis }) => `${model} ${hypothesis.name}`), [
    "m0 riddles fall",
    "m0 rises",
    "m0 second",
    "m1 riddles fall",
    "m1 rises",
    "m1 second",
  ]);
  // Four primary tests: two at 1/200, two at 1.
  assertEquals(results[0]!.adjusted, 4 / 200);
  assertEquals([results[1]!.verdict, results[2]!.verdict, results[2]!.tested], [
    "inconclusive",
    "inconclusive",
    false,
  ]);
});

Deno.test("judgeHypotheses() says not identifiable where the untouched model knows too little to fall", () => {
  const random = createRandom("guesses"), guess = level(() => random.below(4) === 0);
  const cells = { "riddles/untouched": guess, "riddles/muted": level(() => random.below(4) === 0) };
  const [result] = judged([{ ...CLAIM, control: "untouched", baseline: 0.25 }], measured(cells, []));
  assertEquals(result!.verdict, "not identifiable");
  assert(evidenceTexts(result!).join().includes("headroom"));
  assertThrows(
    () => judged([{ ...CLAIM, baseline: "riddles (answers only)" }], measured(cells, [guess])),
    UserError,
    "has no metric",
  );
});

Deno.test("sealHypotheses() keeps the first note, and says what was known by then", () => {
  const store = createMemoryStore(), hypotheses = planned(CLAIM);
  const plan = { id: "m-1", hypotheses, cells: [{ key: "a" }, { key: "a" }, { key: "b" }] };
  const first = sealHypotheses(plan, store, "2026-01-01T00:00:00Z");
  assertEquals(first, { at: "2026-01-01T00:00:00Z", cells: 0, of: 2 });
  store.openCell("a", {}, 1);
  store.commit("a", [{ item: "1", values: {}, detail: {} }]);
  assertEquals(sealHypotheses(plan, store, "2026-02-02T00:00:00Z"), first);
  const later = sealHypotheses({ ...plan, id: "m-2" }, store, "2026-03-03T00:00:00Z");
  assertEquals(later, { at: "2026-03-03T00:00:00Z", cells: 1, of: 2 });
  const text = (sealed: typeof later) =>
    sealText({ hypotheses: { hash: hypotheses.hash!, judged: [] }, run: { sealed } } as unknown as Results)!;
  assert(text(first).includes("sealed before the first of 2 cells"), text(first));
  assert(text(later).includes("1 of 2 cells had been computed: not sealed before the data"), text(later));
  assertEquals(sealHypotheses({ ...plan, hypotheses: planned() }, store, "x"), undefined);
});

Deno.test("claimText() says a claim with its control, and a guard with its margin in points", () => {
  const cells = { "riddles/untouched": UNTOUCHED, "riddles/muted": FALLEN }, sets = [UNTOUCHED, UNTOUCHED];
  const [claim, guard] = judged(
    [CLAIM, {
      ...CLAIM,
      name: "stays",
      control: "untouched",
      direction: "greater",
      margin: 0.02,
      guard: true,
    }],
    measured(cells, sets),
  );
  assertEquals(claimText(claim!), "acc of riddles under muted is lower than under random (2 sets)");
  assertEquals(claimText(guard!), "acc of riddles under muted does not fall by 2.0 points against untouched");
});

Deno.test("reportMarkdown() gives each hypothesis a row, its verdict as plain text", () => {
  const cells = { "riddles/untouched": UNTOUCHED, "riddles/muted": FALLEN };
  const list = judged([CLAIM], measured(cells, Array.from({ length: 39 }, () => UNTOUCHED)));
  const results = fill(createMemoryStore(), { items: 20 });
  const text = reportMarkdown({ ...results, hypotheses: { hash: "abc", judged: list } });
  const row =
    "| riddles fall (primary) | acc of riddles under muted is lower than under random (39 sets) | effect | diff ";
  assertStringIncludes(text, row);
});

Deno.test("judgeHypotheses() counts headroom above a known level with the level's own interval, also where all are right", () => {
  const all = level(() => true);
  const [found] = judged([{ ...CLAIM, control: "untouched", baseline: 0.25 }], {
    ...measured({ "riddles/untouched": all, "riddles/muted": FALLEN }, [all]),
  });
  const { value, low, high } = estimateMean(all, { binary: true, clusters, seed: 0 });
  assertEquals([found!.headroom!.value, found!.headroom!.low, found!.headroom!.high], [
    value - 0.25,
    low - 0.25,
    high - 0.25,
  ]);
  assert(found!.headroom!.low < found!.headroom!.value);
});
