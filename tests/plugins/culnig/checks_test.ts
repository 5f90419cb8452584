/** CULNIG's checks: all pass on a trained world, and each can fail. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type Check, isPassed, type Model } from "../../../core/mod.ts";
import { ablation, checks } from "../../../plugins/culnig/checks.ts";
import { correlation, ranks, slopeOf, STEPS } from "../../../plugins/culnig/numbers.ts";
import { FABLES, open } from "../onnx/open.ts";

const PLANTED = new URL("../../../fixtures/worlds/seed-0/planted", import.meta.url).pathname;
const ROOT = new URL("../../../", import.meta.url).pathname;
const context = (model: Model) => ({
  model,
  seed: 0,
  signal: new AbortController().signal,
  read: (path: string) => Deno.readTextFile(`${ROOT}${path}`),
  open: (path: string) => open(`${ROOT}${path}`),
});
const named = (words: string) => checks.find(({ name }) => name.includes(words))!;

Deno.test("every check passes on the world planted", async () => {
  await using model = await open(PLANTED);
  assertEquals(checks.length, 6);
  for (const check of checks) {
    const found = await check.run(context(model));
    assert(isPassed(found), `${check.name}: ${found.value}`);
    assert(found.n >= 4, check.name);
  }
});

Deno.test("sums of products rank 200 units as silencing them does, Spearman above 0.8, where the model is straight enough", async () => {
  await using model = await open(FABLES);
  const found = await ablation.run(context(model));
  assertEquals(found.n, 200);
  assert(isPassed(found), `${found.value}`);
});

Deno.test("a wrong gradient, a logit that moves and a weight left out fail", async () => {
  await using model = await open(PLANTED);
  const run: Model["run"] = async (samples, request) => {
    const result = await model.run(samples, request);
    return {
      ...result,
      observed: result.observed.map((each) => ({
        ...each,
        values: each.values.map((list) => list.map((value) => 1.002 * value)),
      })),
    };
  };
  const logits: Model["logits"] = async (ids, options) => {
    const found = await model.logits(ids, options);
    if (options?.edits?.length) found[3]! += 1e-4;
    return found;
  };
  const failing = async (check: Check, part: Partial<Model>) =>
    !isPassed(await check.run(context({ ...model, ...part })));
  assert(await failing(named("slope of P"), { run }));
  assert(await failing(named("every logit"), { logits }));
  const once: Model["run"] = (samples, request) =>
    request?.objective?.kind === "logprob" ? run(samples, request) : model.run(samples, request);
  assert(await failing(named("gradient of log P"), { run: once }));
  const golden = JSON.parse(await Deno.readTextFile(`${ROOT}tests/goldens/culnig.json`));
  golden.single.selected.general[0] = "mlp.gate_proj_0_0";
  const moved = await named("same units").run({
    ...context(model),
    read: () => Promise.resolve(JSON.stringify(golden)),
  });
  assertEquals(moved.value, 2);
});

Deno.test("nothing passes that rests on nothing, or is no number", () => {
  const found = { value: 0, bound: 1, passes: "at most", n: 3, what: "" } as const;
  assert(isPassed(found));
  assert(!isPassed({ ...found, n: 0 }));
  assert(!isPassed({ ...found, value: NaN }));
  assert(!isPassed({ ...found, passes: "exactly" }));
});

Deno.test("slopeOf() finds the slope of a curve, and says how well it is known", () => {
  const differences = (f: (x: number) => number) => STEPS.map((step) => (f(step) - f(-step)) / 2);
  const exact = slopeOf(differences((x) => Math.sin(2 * x) + x * x));
  assertAlmostEquals(exact.slope, 2, 1e-6);
  assert(exact.error < 1e-5);
  const rough = slopeOf(differences((x) => Math.fround(1e4 + Math.sin(2 * x))));
  assert(Math.abs(rough.slope - 2) < 4 * rough.error && rough.error > 1e-4);
});

Deno.test("ranks() shares ranks of equal values, and correlation() of ranks is Spearman's", () => {
  assertEquals(ranks([3, 1, 3, 2]), [2.5, 0, 2.5, 1]);
  assertAlmostEquals(correlation(ranks([1, 5, 9]), ranks([10, 20, 1000])), 1, 1e-15);
  // Five pairs of which two neighbours are swapped: 1 - 6 * 2 / (5 * 24).
  assertAlmostEquals(correlation(ranks([1, 2, 3, 4, 5]), ranks([1, 3, 2, 4, 5])), 0.9, 1e-12);
});
