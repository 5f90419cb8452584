import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { z } from "zod";
import {
  defineScorer,
  type Model,
  type Observation,
  type Pass,
  type Pooled,
  type PooledValues,
  sampleOf,
  type ScoredItem,
  type Scorer,
  type Tap,
  type UnitScores,
  UserError,
} from "../../core/mod.ts";
import { computeScores, objectiveOf, type PassSums, type ScoringOptions } from "../../core/scoring.ts";
import { fakeItems, inputOf, openFake } from "../fake_items.ts";
import { type FakeLog, UNITS } from "../fake_model.ts";
import { fakeRun } from "../fake_run.ts";

const GATE: Tap = "layers.0.mlp.gate", HEAD: Tap = "layers.1.attn.head";
const signal = new AbortController().signal;
/** Sums of some hundred numbers near 1 that differ in order alone. */
const ORDER = 1e-12;

const product = (tap: Tap, rest: Partial<Observation> = {}): Observation => ({
  tap,
  quantity: "product",
  pool: "max",
  ...rest,
} as Observation);

const fill = (): UnitScores => new Map([["all", new Map([[GATE, new Float64Array(UNITS)]])]]);

/** A scorer of given passes; `look` sees what they gave. */
function scorerOf(
  passes: (items: readonly ScoredItem[]) => readonly Pass[],
  look: (pooled: Pooled) => UnitScores = fill,
): Scorer<unknown> {
  return defineScorer({
    name: "probe",
    version: "1",
    title: "",
    source: "tests",
    params: z.unknown(),
    sets: ["items"],
    passes: ({ items }) => passes(items.items!),
    combine: look,
  });
}

function passOf(items: readonly ScoredItem[], rest: Partial<Pass> = {}): Pass {
  return {
    name: "p",
    samples: items.map((item) => sampleOf(item, { objective: "probability" })),
    objective: { kind: "probability" },
    observe: [product(GATE), product(HEAD, { pool: "sum" })],
    ...rest,
  };
}

async function score(
  scorer: Scorer<unknown>,
  items: readonly ScoredItem[],
  options: Partial<ScoringOptions> & { readonly log?: FakeLog } = {},
) {
  const model = await openFake(options.log);
  return computeScores(scorer, inputOf(model, {}, { items }), { model, signal, ...options });
}

/** What a pass gives one sample at one tap, computed alone. */
function valuesAlone(
  item: ScoredItem,
  tap: Tap,
  { observe, weight, absolute, floor = -Infinity }: Pass,
): number[] {
  const { observed, objective } = fakeRun([{ prompt: item.prompt }], {
    objective: { kind: "probability", target: item.continuations[item.gold!]![0]! },
    observe: observe.filter((each) => each.tap === tap),
  });
  return [...observed[0]!.values[0]!].map((value) => (weight === "objective" ? objective[0]! : 1) * value)
    .map((value) => Math.max(absolute ? Math.abs(value) : value, floor));
}

for (
  const [name, rest] of Object.entries<Partial<Pass>>({
    "as they are": {},
    "times the objective": { weight: "objective" },
    "without sign": { absolute: true },
    "from a floor, weighted": { weight: "objective", floor: 0 },
  })
) {
  Deno.test(`computeScores() sums values ${name} by pass, group and tap`, async () => {
    const items = fakeItems(150, { groups: ["a", "b", "a"] });
    const pass = passOf(items, rest);
    let seen = 0;
    await score(
      scorerOf(() => [pass], (pooled) => {
        assertEquals(pooled.groups("p"), ["a", "b"]);
        assertEquals(pooled.count("p"), 150);
        for (const group of ["a", "b"]) {
          for (const tap of [GATE, HEAD]) {
            const all = items.filter((item) => item.group === group).map((item) =>
              valuesAlone(item, tap, pass)
            );
            const found: PooledValues = pooled.at("p", group, tap);
            assertEquals(found.n, all.length);
            assertEquals(found.sum.length, tap === HEAD ? 4 : UNITS);
            for (let k = 0; k < found.sum.length; k++) {
              const column = all.map((values) => values[k]!);
              assertAlmostEquals(found.sum[k]!, column.reduce((a, b) => a + b, 0), ORDER);
              assertAlmostEquals(found.sumOfSquares[k]!, column.reduce((a, b) => a + b * b, 0), ORDER);
              assertEquals(found.positive[k], column.filter((value) => value > 0).length);
              seen++;
            }
          }
        }
        return fill();
      }),
      items,
    );
    assertEquals(seen, 2 * (UNITS + 4));
  });
}

Deno.test("computeScores() runs chunks of like length, each sample once, and holds no more for more samples", async () => {
  const log: FakeLog = { opened: [], batches: [], runs: [] };
  const sizes: number[] = [];
  const items = fakeItems(3_000);
  const scorer = scorerOf((items) => [passOf(items, { observe: [product(GATE)] })]);
  const commit = (_: string, { groups }: PassSums) =>
    void sizes.push(groups.reduce((sum, { values }) => sum + values.length, 0));
  const { passes } = await score(scorer, items, { log, commit });
  const runs = log.runs!;
  assert(Math.max(...runs.map((run) => run.length)) <= 64);
  assertEquals(runs.flat().length, 3_000);
  assertEquals(new Set(runs.flat().map(({ prompt }) => prompt.join())).size, 3_000);
  const tokens = items.reduce((sum, { prompt }) => sum + prompt.length, 0);
  assertEquals(passes, [{ name: "p", samples: 3_000, tokens }]);
  const padded = runs.reduce(
    (sum, run) => sum + run.length * Math.max(...run.map(({ prompt }) => prompt.length)),
    0,
  );
  assert(padded < 1.05 * tokens, `${padded} padded tokens for ${tokens}`);
  assertEquals(sizes.length, runs.length);
  assertEquals(new Set(sizes), new Set([3 * UNITS]));
});

Deno.test("computeScores() pads the samples of a batch together, in their order", async () => {
  const items = fakeItems(100);
  const observe = [product(GATE, { pool: "mean", padding: "zero" })];
  for (const batch of [16, 24, 70]) {
    const samples = items.map((item) => sampleOf(item, { objective: "probability" }));
    const target = samples.map((sample) => sample.target!);
    const { observed } = fakeRun(samples, { objective: { kind: "probability", target }, observe, batch });
    const wanted = Array.from(
      { length: UNITS },
      (_, k) => observed[0]!.values.reduce((sum, values) => sum + values[k]!, 0),
    );
    await score(
      scorerOf((items) => [passOf(items, { observe, batch })], (pooled) => {
        pooled.at("p", "all", GATE).sum.forEach((sum, k) => assertAlmostEquals(sum, wanted[k]!, ORDER));
        return fill();
      }),
      items,
    );
  }
});

Deno.test("computeScores() goes on where it broke off, to the same bits", async () => {
  const items = fakeItems(150, { groups: ["a", "b"] });
  const sums: string[] = [];
  const look = (pooled: Pooled): UnitScores => {
    const all = ["p", "q"].flatMap((pass) => ["a", "b"].map((group) => pooled.at(pass, group, GATE)));
    sums.push(JSON.stringify(all.map(({ n, sum, sumOfSquares }) => [n, ...sum, ...sumOfSquares])));
    return fill();
  };
  const scorer = scorerOf((items) => [passOf(items), passOf(items, { name: "q", floor: 0 })], look);
  const whole = await score(scorer, items);
  for (let stop = 1; stop <= 6; stop++) {
    const store = new Map<string, PassSums>(), log: FakeLog = { opened: [], batches: [], runs: [] };
    const controller = new AbortController();
    const hooks = {
      log,
      found: (key: string) => store.get(key),
      commit(key: string, sums: PassSums) {
        store.set(key, sums);
        if (log.runs!.length === stop) controller.abort(new Error("stopped"));
      },
    };
    const broken = score(scorer, items, { ...hooks, signal: controller.signal });
    // Nothing is left to be stopped after the last chunk.
    if (stop < 6) await assertRejects(() => broken, Error, "stopped");
    else await broken;
    const progress: number[] = [];
    const again = await score(scorer, items, { ...hooks, onProgress: ({ done }) => progress.push(done) });
    assertEquals(again.passes, whole.passes);
    assertEquals(log.runs!.length, 6, "no chunk is computed twice");
    assertEquals(progress, [64, 128, 150, 214, 278, 300].slice(stop));
  }
  assertEquals(new Set(sums).size, 1);
});

Deno.test("computeScores() keeps the sums of another pass, model or budget apart", async () => {
  const items = fakeItems(3);
  const keys = new Set<string>();
  const found = (key: string) => void keys.add(key);
  const gate = { observe: [product(GATE)] };
  const passes: Partial<Pass>[] = [
    gate,
    { ...gate, floor: 0 },
    { ...gate, weight: "objective" },
    { ...gate, absolute: true },
    { observe: [product(GATE, { pool: "sum" })] },
    { ...gate, objective: { kind: "logprob" } },
    { ...gate, samples: passOf(items).samples.map((sample) => ({ ...sample, target: 1 })) },
    { ...gate, samples: passOf(items).samples.map((sample) => ({ ...sample, group: "b" })) },
    { ...gate, samples: passOf(items).samples.toReversed() },
  ];
  for (const rest of passes) await score(scorerOf((items) => [passOf(items, rest)]), items, { found });
  const scorer = scorerOf((items) => [passOf(items, gate)]);
  await score(scorer, items, { found, tokenBudget: 64 });
  const model = await openFake();
  const info = { ...model.info, hash: { ...model.info.hash, weights: "other" } };
  await score(scorer, items, { found, model: { ...model, info } });
  assertEquals(keys.size, passes.length + 2);
  await score(scorer, items, { found });
  assertEquals(keys.size, passes.length + 2);
});

Deno.test("computeScores() says before any computing what is wrong with the passes", async () => {
  const items = fakeItems(3);
  const pass = passOf(items);
  const sample = pass.samples[0]!;
  const bad = (rest: object) => [{ ...pass, ...rest }];
  const cases: [unknown, string][] = [
    [undefined, "its passes() cannot be read: expected array, received undefined"],
    [[{}], "expected string, received undefined at [0].name"],
    [bad({ flor: 0 }), 'unknown key "flor" at [0], did you mean "floor"'],
    [bad({ samples: [] }), "empty list at [0].samples, wanted one entry or more"],
    [bad({ samples: [{ ...sample, prompt: "text" }] }), "wanted token ids at [0].samples[0].prompt"],
    [bad({ observe: [product(GATE, { pool: "none" })] }), "at [0].observe[0].pool"],
    [[pass, pass], 'pass "p" stands twice'],
    [bad({ observe: [product(GATE), product(GATE, { pool: "sum" })] }), "observes layers.0.mlp.gate twice"],
    [bad({ observe: [product("layers.7.mlp.gate")] }), "observes layers.7.mlp.gate, which does not exist"],
    [
      bad({ objective: undefined }),
      "cannot observe product at layers.0.mlp.gate: there is no objective, wanted one",
    ],
    [
      bad({
        objective: undefined,
        weight: "objective",
        observe: [product(GATE, { quantity: "activation" })],
      }),
      "weighted by an objective that it lacks",
    ],
    [
      bad({ observe: [product(GATE, { quantity: "direct", pool: "last" })] }),
      "cannot observe direct at layers.0.mlp.gate: the objective is probability, wanted logitDifference",
    ],
    [
      bad({ observe: [product(GATE, { pool: "last", over: "completion" })] }),
      "last token of the prompt, wanted another pool over the completion",
    ],
    [bad({ samples: [{ ...sample, target: undefined }] }), 'sample 0 of pass "p" has the target undefined'],
    [bad({ samples: [{ ...sample, target: 128 }] }), "has the target 128, wanted a whole number in [0, 128)"],
    [bad({ objective: { kind: "logitDifference" } }), "has the contrast undefined"],
    [bad({ objective: { kind: "cloze" } }), "has 0 continuations, wanted two or more"],
    [bad({ objective: { kind: "crossEntropy", span: "completion" } }), "has 0 continuations, wanted one"],
    [bad({ objective: { kind: "crossEntropy", span: [0, 2] } }), "has the span [0, 2)"],
    [bad({ samples: [{ ...sample, prompt: [] }] }), "has an empty prompt"],
    [
      bad({ samples: [{ ...sample, prompt: new Array(65).fill(1) }] }),
      "is 65 tokens, wanted at most the context",
    ],
    [bad({ samples: [{ ...sample, prompt: [999] }] }), "has the token id 999"],
    [bad({ observe: [product(GATE, { over: "completion" })] }), "runs no token of a continuation"],
    [
      bad({ samples: [{ ...sample, edits: [{ tap: GATE, units: [0], op: "set", from: {} }] }] }),
      "wanted edits that are plain JSON",
    ],
  ];
  for (const [passes, wanted] of cases) {
    const log: FakeLog = { opened: [], batches: [], runs: [] };
    const refused = () => score(scorerOf(() => passes as Pass[]), items, { log });
    const error = await assertRejects(refused, UserError) as UserError;
    assert(error.message.includes(wanted), `${error.message}\n  lacks ${wanted}`);
    assert(error.message.startsWith("Cannot score by probe") && !error.message.includes("\n"), error.message);
    assertEquals(log.runs, []);
  }
  await assertRejects(() => score(scorerOf(() => [pass]), []), UserError, 'no items of the set "items"');
});

Deno.test("computeScores() names what a model cannot do, before any computing", async () => {
  const model = await openFake();
  const fail = () => Promise.reject(new Error("computed"));
  const activation = { observe: [product(GATE, { quantity: "activation" })] };
  const items = fakeItems(2);
  const edits = [{ tap: GATE, units: [0], op: "scale", value: 0 } as const];
  const edited = { ...activation, samples: passOf(items).samples.map((sample) => ({ ...sample, edits })) };
  const run = (can: Model["can"], rest: Partial<Pass>) =>
    score(scorerOf((items) => [passOf(items, rest)]), items, { model: { ...model, can, run: fail } });
  await assertRejects(() => run(new Set(["gradient"]), activation), UserError, "it needs observe");
  await assertRejects(() => run(new Set(["observe"]), {}), UserError, "it needs gradient");
  await assertRejects(() => run(new Set(["observe"]), edited), UserError, "it needs edit");
  await assertRejects(() => run(new Set(["observe"]), activation), Error, "computed");
});

Deno.test("computeScores() says in one line what a faulty scorer did", async () => {
  const boom = (): never => {
    throw new TypeError("nothing\n there");
  };
  const items = fakeItems(2);
  const of = (value: unknown) => score(scorerOf(() => [], () => value as UnitScores), items);
  const at = (value: unknown, tap = GATE) => of(new Map([["a", new Map([[tap, value]])]]));
  const scores = new Float64Array(UNITS);
  const cases: [() => Promise<unknown>, string][] = [
    [() => score(scorerOf(boom), items), "its passes() threw TypeError (nothing there), wanted passes"],
    [
      () => score(scorerOf(() => [], boom), items),
      "its combine() threw TypeError (nothing there), wanted scores",
    ],
    [
      () =>
        score(scorerOf((items) => [passOf(items)], (pooled) => (pooled.at("q", "all", GATE), fill())), items),
      'cannot find what pass "q" gave: there is none of that name, wanted one of p',
    ],
    [
      () =>
        score(scorerOf((items) => [passOf(items)], (pooled) => (pooled.at("p", "b", GATE), fill())), items),
      'it has no group "b"',
    ],
    [() => of({ all: {} }), "gave a value of Object, wanted a Map of groups"],
    [() => of(new Map()), "gave an empty Map, wanted a Map of groups"],
    [() => of(Promise.resolve(fill())), "gave a value of Promise"],
    [
      () => of(new Map([["a", scores]])),
      'gave a value of Float64Array for the group "a", wanted a Map of taps',
    ],
    [() => at([...scores]), "gave a value of Array for layers.0.mlp.gate"],
    [() => at(new Float64Array(3)), `gave 3 scores for layers.0.mlp.gate in the group "a", wanted ${UNITS}`],
    [() => at(scores.with(2, NaN)), "gave NaN for unit 2 of layers.0.mlp.gate"],
    [() => at(scores, "layers.7.mlp.gate"), "cannot edit layers.7.mlp.gate: the model has no such tap"],
  ];
  for (const [run, wanted] of cases) {
    const error = await assertRejects(run, UserError) as UserError;
    assert(error.message.includes(wanted), `${error.message}\n  lacks ${wanted}`);
    assert(
      error.message.startsWith("Cannot score by probe: ") && !error.message.includes("\n"),
      error.message,
    );
  }
});

Deno.test("computeScores() names the sample and the place of a value that is not finite", async () => {
  const model = await openFake();
  const run: Model["run"] = async (samples, request) => {
    const result = await model.run(samples, request);
    result.observed[1]!.values[1]![2] = NaN;
    return result;
  };
  await assertRejects(
    () => score(scorerOf((items) => [passOf(items)]), fakeItems(2), { model: { ...model, run } }),
    UserError,
    // The longer of the two is run first.
    "Cannot score by probe on fake-w: sample 0 gives NaN at column 2 of layers.1.attn.head",
  );
});

Deno.test("objectiveOf() gathers what each kind of objective wants of the samples", () => {
  const samples = [1, 2].map((n) => ({
    id: "",
    group: "",
    prompt: [0],
    target: n,
    against: 10 * n,
    answer: n - 1,
  }));
  assertEquals(objectiveOf({ kind: "probability" }, samples), { kind: "probability", target: [1, 2] });
  assertEquals(objectiveOf({ kind: "logprob" }, samples), { kind: "logprob", target: [1, 2] });
  assertEquals(objectiveOf({ kind: "logitDifference" }, samples), {
    kind: "logitDifference",
    target: [1, 2],
    against: [10, 20],
  });
  assertEquals(objectiveOf({ kind: "cloze" }, samples), { kind: "cloze", answer: [0, 1] });
  const entropy = { kind: "crossEntropy", span: [1, 2] } as const;
  assertEquals(objectiveOf(entropy, samples), entropy);
});
