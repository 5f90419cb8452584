import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { UserError } from "../../core/error.ts";
import type { Edit, Model, RunRequest, ScoreOptions, ScoreRequest } from "../../core/model.ts";
import { createRandom, type Random } from "../../core/random.ts";
import { estimateChange } from "../../core/stats/mod.ts";
import { studentTail } from "../../core/stats/student.ts";
import { sweep, type SweepArm, type SweepOptions } from "../../core/sweep.ts";
import { decide, looksOf } from "../../core/sweep_race.ts";
import { predictAblation, type UnitEffects } from "../../core/sweep_screen.ts";

const TAP = "layers.0.attn.head";

/** A linear model: the one log-probability of an item is a number of its own plus what each of its edits does to it. */
interface Linear {
  readonly model: Pick<Model, "score" | "run">;
  /** What was asked, call by call. */
  readonly calls: { readonly requests: readonly ScoreRequest[]; readonly options: ScoreOptions }[];
}

/** @param effect of zeroing a unit on an item */
function linear(
  effect: (item: number, unit: number) => number,
  bases: (item: number) => number = () => 0,
): Linear {
  const calls: Linear["calls"] = [];
  const logprob = (item: number, edits: readonly Edit[]) =>
    edits.reduce(
      (sum, { units, value }) =>
        units.reduce((part, unit) => part + (1 - Number(value)) * effect(item, unit), sum),
      bases(item),
    );
  async function* score(requests: readonly ScoreRequest[], options: ScoreOptions = {}) {
    calls.push({ requests, options });
    // From the last to the first, so that order of computing is not order of items.
    for (let end = requests.length; end > 0; end -= 7) {
      const indices = [...requests.keys()].slice(Math.max(0, end - 7), end);
      const results = indices.map((index) => {
        const { prompt, edits = [] } = requests[index]!;
        const value = logprob(prompt[0]!, [...options.edits ?? [], ...edits]);
        return { logprobs: [value], greedy: [false], argmax: 0, argmaxLogprob: value };
      });
      await Promise.resolve();
      yield { indices, results, tokens: indices.length };
    }
  }
  const run = (
    samples: readonly { readonly prompt: readonly number[] }[],
    { observe = [] }: RunRequest = {},
  ) =>
    Promise.resolve({
      objective: new Float64Array(samples.length),
      observed: observe.map((observation) => ({
        observation,
        columns: UNITS,
        values: samples.map(({ prompt }) =>
          Float64Array.from({ length: UNITS }, (_, unit) => -effect(prompt[0]!, unit))
        ),
      })),
      positions: [],
      tokens: samples.length,
    });
  return { model: { score, run } as Pick<Model, "score" | "run">, calls };
}

const UNITS = 12;
const items = (count: number): ScoreRequest[] =>
  Array.from({ length: count }, (_, i) => ({ prompt: [i, 7], continuations: [[1]] }));
const zero = (...units: number[]): Edit => ({ tap: TAP, units, op: "scale", value: 0 });
const arms = (count: number): SweepArm[] =>
  Array.from({ length: count }, (_, unit) => ({ name: `unit ${unit}`, edits: [zero(unit)] }));
const measure: SweepOptions["measure"] = ({ logprobs }) => logprobs[0]!;

/** Two uniforms make a standard normal: G. Box and M. Muller (1958). */
const normal = (random: Random) =>
  Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());

/** A table [items][units] of effects: means as given, spread `sd`; `skewed` makes them exponential, with the same mean and spread. */
function draw(
  seed: string,
  means: readonly number[],
  { count = 64, sd = 0.3, skewed = false } = {},
): number[][] {
  const random = createRandom(seed);
  const noise = () => skewed ? -Math.log(1 - random.uniform()) - 1 : normal(random);
  return Array.from({ length: count }, () => means.map((mean) => mean + sd * noise()));
}

/** Units of the largest |mean| of a table's columns. */
function topOf(table: readonly (readonly number[])[], top: number): string[] {
  const size = (unit: number) => Math.abs(table.reduce((sum, row) => sum + row[unit]!, 0));
  const units = [...table[0]!.keys()].toSorted((a, b) => size(b) - size(a));
  return units.slice(0, top).map((unit) => `unit ${unit}`).sort();
}

async function refuses(task: () => Promise<unknown>, message: string): Promise<void> {
  const error = await assertRejects(task, UserError) as UserError;
  assertEquals(error.message, message);
}

Deno.test("sweep() equals a score() call an arm when it is exact", async () => {
  const table = draw("exact", [0, -1, 2, 0.5]), requests = items(64);
  const { model } = linear((item, unit) => table[item]![unit]!, (item) => item / 10);
  const { order, base, arms: swept } = await sweep(model, requests, { arms: arms(4), measure });
  assertEquals(order, requests.map((_, i) => i));
  assertEquals(base, requests.map((_, i) => i / 10));
  for (const [unit, arm] of swept.entries()) {
    const alone: number[] = [];
    for await (const { indices, results } of model.score(requests, { edits: [zero(unit)] })) {
      indices.forEach((index, i) => alone[index] = results[i]!.logprobs[0]!);
    }
    assertEquals(arm.values, alone);
    const changes = alone.map((value, i) => value - base[i]!);
    const clusters = order.map(String), seed = "0/sweep/interval";
    assertEquals(arm.effect, estimateChange(changes, { binary: false, clusters, seed }));
    assertEquals([arm.status, arm.effect!.n], ["measured", 64]);
  }
});

Deno.test("sweep() asks item by item for the base and every arm, and for what is alike once", async () => {
  const { model, calls } = linear((item, unit) => item + unit), [first, second] = items(2);
  const twins: SweepArm[] = [
    { name: "both", edits: [zero(3, 1)] },
    { name: "none", edits: [] },
    { name: "both in two", edits: [zero(1), zero(3)] },
    { name: "one", edits: [zero(2)] },
  ];
  const requests = [first!, second!, { ...first! }];
  const result = await sweep(model, requests, { arms: twins, measure });
  assertEquals(calls.length, 1);
  assertEquals(calls[0]!.requests.map(({ prompt, edits }) => [prompt[0], edits]), [
    [0, []],
    [0, [zero(3, 1)]],
    [0, [zero(2)]],
    [1, []],
    [1, [zero(3, 1)]],
    [1, [zero(2)]],
  ]);
  assertEquals(result.tokens, 6);
  assertEquals(result.arms.map((arm) => arm.values), [[4, 6, 4], [0, 0, 0], [4, 6, 4], [2, 3, 2]]);
  assertEquals(result.arms[1]!.effect!.value, 0);
});

Deno.test("sweep() asks for a repeated item once when its copies are calls apart", async () => {
  const { model, calls } = linear((item, unit) => item + unit);
  const requests = [...items(400), ...items(400)];
  const { arms: swept } = await sweep(model, requests, { arms: arms(5), measure });
  assert(calls.length > 1, "the items do not fit one call");
  assertEquals(calls.reduce((sum, call) => sum + call.requests.length, 0), 400 * 6);
  assertEquals(swept[3]!.values, requests.map(({ prompt }) => prompt[0]! + 3));
});

Deno.test("sweep() edits base and arms alike by `base`, and an item's own edits come before an arm's", async () => {
  const { model, calls } = linear((_, unit) => unit);
  const requests = items(2).map((request) => ({ ...request, edits: [zero(5)] }));
  const options = { arms: arms(2), measure, base: [zero(9)], tokenBudget: 99 };
  const { base, arms: swept } = await sweep(model, requests, options);
  assertEquals(calls[0]!.options, { edits: [zero(9)], tokenBudget: 99 });
  assertEquals(calls[0]!.requests[2]!.edits, [zero(5), zero(1)]);
  assertEquals([base, swept[1]!.values], [[14, 14], [15, 15]]);
});

Deno.test("sweep() tells recordings apart when arms patch the same units", async () => {
  const { model, calls } = linear(() => 0);
  const recording = (
    value: number,
  ) => ({ tap: TAP, positions: [0], values: Float32Array.of(value) } as const);
  const patch = (from: ReturnType<typeof recording>): Edit => ({ tap: TAP, units: [0], op: "set", from });
  const [one, two] = [recording(1), recording(2)];
  const patched = [one, two, one].map((from, i) => ({ name: String(i), edits: [patch(from)] }));
  await sweep(model, items(2), { arms: patched, measure: () => 1 });
  assertEquals(calls[0]!.requests.length, 2 * 3);
});

Deno.test("sweep() takes whole clusters in its intervals when items belong together", async () => {
  const { model } = linear((item) => item < 2 ? 1 : 2), clusters = ["a", "a", "b", "b"];
  const { arms: [arm] } = await sweep(model, items(4), { arms: arms(1), measure, clusters });
  assertEquals([arm!.effect!.n, arm!.effect!.clusters], [4, 2]);
});

/** Share of the true top that many races find, and of all item-arms that they compute. */
async function raceMany(
  runs: number,
  means: readonly number[],
  kind: { skewed?: boolean; predicted?: boolean },
) {
  let found = 0, spent = 0;
  const top = 4, count = 64;
  for (let seed = 0; seed < runs; seed++) {
    const table = draw(`${JSON.stringify(kind)} ${seed}`, means, kind);
    const { model } = linear((item, unit) => table[item]![unit]!);
    // A prediction that is half of each effect, and something else.
    const noise = draw(`noise ${seed}`, means.map(() => 0.1), { sd: 0.05 });
    const guess = table.map((row, item) =>
      Float64Array.from(row, (value, unit) => value / 2 + noise[item]![unit]!)
    );
    const predicted: UnitEffects = new Map([[TAP, guess]]);
    const race = { top, by: "magnitude", ...kind.predicted ? { predicted } : {} } as const;
    const result = await sweep(model, items(count), {
      arms: arms(means.length),
      measure,
      race,
      seed,
    });
    const names = result.arms.filter(({ status }) => status === "in").map((arm) => arm.name);
    assertEquals(names.length, top);
    const truth = topOf(table, top);
    found += names.filter((name) => truth.includes(name)).length / top;
    spent += result.arms.reduce((sum, { values }) => sum + values.length, 0) / (count * means.length);
  }
  return { found: found / runs, spent: spent / runs };
}

/** A race at the level 0.95 that finds this share on average over 100 seeds or more. */
const LEVEL = 0.95;
/** Three falls and a rise stand out from eight small effects. */
const CLEAR = [-1.2, 0.9, -1, -0.8, 0.35, -0.35, 0.3, -0.2, 0.1, 0.1, 0, 0];
/** No gap: what items are drawn decides which of them are the top. */
const CLOSE = [-0.5, 0.5, -0.5, 0.5, 0.45, -0.45, 0.45, -0.4, 0.4, 0.4, 0.35, 0.35];

Deno.test("a race finds the top and computes little when gaps are clear", async () => {
  const plain = await raceMany(100, CLEAR, {}), skewed = await raceMany(100, CLEAR, { skewed: true });
  const predicted = await raceMany(100, CLEAR, { predicted: true });

  for (const { found } of [plain, skewed, predicted]) assert(found >= LEVEL, `found ${found}`);
  assert(plain.spent < 0.2, `computed ${plain.spent.toFixed(2)} of all`);
  assert(predicted.spent < plain.spent / 1.3, `computed ${predicted.spent.toFixed(2)} of all`);
});

Deno.test("a race finds its share of the top when there is no gap", async () => {
  for (const kind of [{}, { skewed: true }, { predicted: true }]) {
    const { found, spent } = await raceMany(100, CLOSE, kind);

    assert(found >= LEVEL, `found ${found}`);
    assert(spent < 1, "some arms are dropped");
  }
});

Deno.test("decide() misses more than is allowed when it is told to accept more", () => {
  const missed = (misses: number) => {
    let count = 0;
    for (let seed = 0; seed < 100; seed++) {
      const table = draw(`close ${seed}`, CLOSE), top = topOf(table, 4);
      const runners = CLOSE.map((_, unit) => ({ effects: table.slice(0, 8).map((row) => row[unit]!) }));
      const { verdicts } = decide(runners, { top: 4, by: "magnitude", misses, total: 64 });
      count += verdicts.filter((verdict, unit) =>
        verdict !== "open" && (verdict === "in") !== top.includes(`unit ${unit}`)
      ).length;
    }
    return count / 100;
  };
  assert(missed(0.2) <= 0.2, `${missed(0.2)} missed`);
  assert(missed(8) > 1, `${missed(8)} missed`);
});

Deno.test("decide() ranks by size, fall or rise when all items are seen", () => {
  const runners = [1, -3, 2, -3, 0].map((mean) => ({ effects: [mean - 1, mean, mean + 1] }));
  const of = (by: "magnitude" | "decrease" | "increase", top: number) =>
    decide(runners, { top, by, misses: 0, total: 3 }).verdicts
      .flatMap((verdict, i) => verdict === "in" ? [i] : []);
  assertEquals(of("magnitude", 3), [1, 2, 3]);
  assertEquals(of("magnitude", 1), [1]);
  assertEquals(of("decrease", 2), [1, 3]);
  assertEquals(of("increase", 2), [0, 2]);
});

Deno.test("decide() takes the chance of an error from Student's t when two arms are left", () => {
  const differences = [1, 2, 4, 5], n = 4, total = 16;
  const runners = [{ effects: differences.map((value) => value + 7) }, { effects: differences.map(() => 7) }];
  // Mean 3, variance 10 / 3, a quarter of the items seen.
  const chance = studentTail(3 / Math.sqrt(10 / 3 / n * (1 - n / total)), n - 1);
  const at = (misses: number) => decide(runners, { top: 1, by: "increase", misses, total });
  // Once one arm is called in, the other is out without more ado.
  assertEquals(at(chance * 1.001).verdicts, ["in", "out"]);
  assertAlmostEquals(at(chance * 1.001).misses, chance, 1e-15);
  assertEquals(at(chance * 0.999), { verdicts: ["open", "open"], misses: 0 });
});

Deno.test("decide() corrects the items seen by what is predicted for all", () => {
  // Effects are twice what is predicted, and the items seen are not like the others, where the second arm is the stronger.
  const seen = [[4, 1], [5, 1.5], [6, 1], [5, 0.5]], noise = [0.01, -0.01, -0.01, 0.01];
  const runnerOf = (arm: number, mean: number) => ({
    effects: seen.map((row, i) => 2 * row[arm]! + (arm ? 0 : noise[i]!)),
    predicted: { seen: seen.map((row) => row[arm]!), mean },
  });
  const options = { top: 1, by: "increase", misses: 0.05, total: 100 } as const;
  assertEquals(decide([runnerOf(0, 2), runnerOf(1, 3)], options).verdicts, ["out", "in"]);
  assertEquals(decide([runnerOf(0, 5), runnerOf(1, 1)], options).verdicts, ["in", "out"]);
});

Deno.test("decide() does not tell an effect from its opposite when sizes count", () => {
  // Far apart as numbers, equal in size.
  const runners = [{ effects: [2, 2.1, 1.9, 2.05] }, { effects: [-2.1, -2, -1.95, -2.1] }];
  const of = (by: "magnitude" | "increase") =>
    decide(runners, { top: 1, by, misses: 0.1, total: 100 }).verdicts;
  assertEquals(of("magnitude"), ["open", "open"]);
  assertEquals(of("increase"), ["in", "out"]);
});

Deno.test("decide() leaves arms open when their differences are all equal", () => {
  const runners = [{ effects: [1, 1, 1, 1] }, { effects: [0, 0, 0, 0] }];
  const { verdicts } = decide(runners, { top: 1, by: "increase", misses: 0.5, total: 8 });
  assertEquals(verdicts, ["open", "open"]);
});

Deno.test("looksOf() grows by half and ends with all items", () => {
  assertEquals(looksOf(8, 64), [8, 12, 18, 27, 41, 64]);
  assertEquals(looksOf(8, 8), [8]);
  assertEquals(looksOf(8, 5), [5]);
});

Deno.test("a race ends when all is decided, and says what each arm was measured on", async () => {
  const table = draw("ends", [5, 4, 0, 0.1, -0.1, 0], { sd: 0.1 });
  const { model, calls } = linear((item, unit) => table[item]![unit]!);
  const seen: number[] = [];
  const race = { top: 2, by: "increase" } as const;
  const onProgress = ({ items }: { readonly items: number }) => void seen.push(items);
  const result = await sweep(model, items(64), { arms: arms(6), measure, race, onProgress });
  assertEquals(result.arms.map(({ status }) => status), ["in", "in", "out", "out", "out", "out"]);
  assertEquals([calls.length, seen, result.order.length, result.base.length], [1, [6], 6, 6]);
  assertEquals(result.arms[0]!.values, result.order.map((item) => table[item]![0]!));
  assertEquals(result.arms.map(({ effect }) => effect!.n), [6, 6, 6, 6, 6, 6]);
  assert(result.order.join() !== "0,1,2,3,4,5", "items come in random order");
});

Deno.test("a race goes on with the arms that are open, and with the same items for each", async () => {
  // Units 1 and 2 need all items; the others are clear at once.
  const table = draw("open", [9, 1, 1, 0, 0], { sd: 0.1, count: 20 })
    .map((row, item) => row.with(2, row[1]! + (item % 4 < 2 ? 0.1 : -0.1)));
  const { model, calls } = linear((item, unit) => table[item]![unit]!);
  const race = { top: 2, by: "increase" } as const;
  const { arms: swept, order } = await sweep(model, items(20), { arms: arms(5), measure, race });
  assertEquals(swept.map(({ values }) => values.length), [6, 20, 20, 6, 6]);
  assertEquals(calls.map(({ requests }) => requests.length), [6 * 6, 3 * 3, 5 * 3, 6 * 3]);
  assertEquals(swept[1]!.values, order.map((item) => table[item]![1]!));
  const names = swept.filter(({ status }) => status === "in").map((arm) => arm.name);
  assertEquals(names, topOf(table, 2));
});

Deno.test("a race leaves out what is predicted to be far behind when told how many to keep", async () => {
  const table = draw("screen", Array.from({ length: UNITS }, (_, unit) => unit / 10));
  const { model } = linear((item, unit) => table[item]![unit]!);
  const objective = { kind: "logprob", target: 0 } as const;
  const predicted = await predictAblation(model, items(64), { taps: [TAP], objective });
  assertEquals(predicted.get(TAP)!.map((each) => [...each]), table);
  const race = { top: 2, by: "magnitude", keep: 4, predicted } as const;
  const { arms: swept } = await sweep(model, items(64), { arms: arms(UNITS), measure, race });
  for (const arm of swept.slice(0, 8)) {
    assertEquals([arm.status, arm.values, arm.effect], ["screened", [], undefined]);
  }
  assertEquals(swept.slice(8).map(({ status }) => status), ["out", "out", "in", "in"]);
});

Deno.test("sweep() stops between batches when aborted", async () => {
  const { model, calls } = linear(() => 1), control = new AbortController();
  const onProgress = () => control.abort(new Error("enough"));
  const options = { arms: arms(1), measure, signal: control.signal, onProgress };
  await assertRejects(() => sweep(model, items(2000), options), Error, "enough");
  assertEquals(calls.length, 1);
});

Deno.test("sweep() refuses what does not suit before anything is computed", async () => {
  const { model, calls } = linear(() => 1);
  const good: SweepOptions = { arms: arms(4), measure }, by = "magnitude";
  const predicted: UnitEffects = new Map([[TAP, items(3).map(() => new Float64Array(UNITS))]]);
  const added: SweepArm = { name: "added", edits: [{ tap: TAP, units: [0], op: "add", value: 1 }] };
  const cases: readonly (readonly [Partial<SweepOptions>, string])[] = [
    [{ arms: [] }, "Cannot sweep: there are no arms, wanted one or more"],
    [
      { arms: [...arms(2), ...arms(1)] },
      'Cannot sweep: two arms are called "unit 0", wanted a name for each',
    ],
    [{ clusters: ["a"] }, "Cannot sweep: 1 clusters for 3 requests, wanted one each"],
    [{ level: 1 }, "Cannot sweep: level is 1, wanted a number in (0, 1)"],
    [
      { race: { top: 4, by } },
      "Cannot sweep: the race is for the top 4 of 4 arms, wanted a whole number in [1, 4)",
    ],
    [
      { race: { top: 1, by: "magntude" as typeof by } },
      'Cannot sweep: the race is by "magntude", wanted magnitude, decrease, increase',
    ],
    [
      { race: { top: 1, by, first: 2 } },
      "Cannot sweep: the race begins after 2 items, wanted a whole number from 3",
    ],
    [{ race: { top: 1, by, level: 95 } }, "Cannot sweep: level of the race is 95, wanted a number in (0, 1)"],
    [
      { race: { top: 2, by, keep: 1 } },
      "Cannot sweep: the race keeps 1 arms, wanted a whole number from 2, the arms to be found",
    ],
    [
      { race: { top: 2, by, keep: 3 } },
      "Cannot sweep: the race keeps 3 arms by no prediction, wanted predicted effects",
    ],
    [
      { arms: [...arms(2), added], race: { top: 1, by, predicted } },
      `Cannot predict the effect of arm "added": its edit of ${TAP} is no scaling of all positions by one number, wanted scalings`,
    ],
    [
      { race: { top: 1, by, predicted: new Map([[TAP, []]]) } },
      `Cannot predict the effect of arm "unit 0": 0 samples are predicted at ${TAP}, wanted 3, one a request`,
    ],
    [
      { race: { top: 1, by, predicted: new Map([[TAP, items(3).map(() => new Float64Array(2))]]) } },
      `Cannot predict the effect of arm "unit 2": the effect of unit 2 of ${TAP} is undefined, wanted a finite number`,
    ],
  ];
  for (const [change, message] of cases) {
    await refuses(() => sweep(model, items(3), { ...good, ...change }), message);
  }
  await refuses(() => sweep(model, items(1), good), "Cannot sweep: requests: 1, wanted two or more");
  assertEquals(calls.length, 0);
});

Deno.test("sweep() names item and arm when the measure is not finite", async () => {
  const { model } = linear((item, unit) => item === 1 && unit === 2 ? -Infinity : 1);
  await refuses(
    () => sweep(model, items(3), { arms: arms(4), measure }),
    'Cannot sweep: the measure of item 2 under arm "unit 2" is -Infinity, wanted a finite number',
  );
});
