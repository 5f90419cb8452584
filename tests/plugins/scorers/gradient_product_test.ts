import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import type { Objective, RunSample, ScoredItem, Tap } from "../../../core/mod.ts";
import { UserError } from "../../../core/mod.ts";
import { computeScores } from "../../../core/scoring.ts";
import { gradientProduct as scorer } from "../../../plugins/scorers/gradient_product.ts";
import { fakeItems, inputOf, openFake } from "../../fake_items.ts";
import { fakeRun } from "../../fake_run.ts";

const GATE: Tap = "layers.0.mlp.gate";
/** Float64 sums in another order. */
const TOLERANCE = 1e-12;
const items = fakeItems(40, { groups: ["a", "b", "b"] }), control = fakeItems(25, { from: 50 });

async function scoresOf(params: object, sets: Record<string, readonly ScoredItem[]>) {
  const model = await openFake();
  const input = inputOf(model, scorer.params.parse(params), sets);
  return (await computeScores(scorer, input, { model, signal: new AbortController().signal })).scores;
}

/** The formula of each item at column k, computed alone. */
function productsOf(of: readonly ScoredItem[], k: number): { v: number; f: number }[] {
  return of.map(({ prompt, continuations, gold }) => {
    const target = continuations[gold!]![0]!;
    const { observed, objective } = fakeRun([{ prompt }], {
      objective: { kind: "probability", target },
      observe: [{ tap: GATE, quantity: "product", pool: "max" }],
    });
    return { v: observed[0]!.values[0]![k]!, f: objective[0]! };
  });
}

const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;

Deno.test("gradient_product is the mean product, less that of the control above 0", async () => {
  const alone = await scoresOf({}, { items });
  const weighted = await scoresOf({ weight: "objective" }, { items, control });
  const absolute = await scoresOf({ absolute: true }, { items });
  for (const group of ["a", "b"]) {
    for (let k = 0; k < 16; k++) {
      const own = productsOf(items.filter((item) => item.group === group), k), other = productsOf(control, k);
      const floored = mean(other.map(({ v, f }) => Math.max(f * v, 0)));
      const at = (scores: typeof alone) => scores.get(group)!.get(GATE)![k]!;
      assertAlmostEquals(at(alone), mean(own.map(({ v }) => v)), TOLERANCE);
      assertAlmostEquals(at(weighted), mean(own.map(({ v, f }) => f * v)) - floored, TOLERANCE);
      assertAlmostEquals(at(absolute), mean(own.map(({ v }) => Math.abs(v))), TOLERANCE);
    }
  }
});

Deno.test("gradient_product finds the unit that the answers of its items hang on", async () => {
  // Items 5, 21, 37, ... all plant unit 5 of layer 0's gate, with a product of 3 where no other reaches 1.
  const planted = [5, 21, 37].flatMap((from) => fakeItems(1, { from }));
  const scores = await scoresOf({}, { items: planted });
  const all = [...scores.get("all")!].flatMap(([tap, values]) =>
    [...values].map((value, k) => ({ tap, k, value }))
  );
  assertEquals(all.sort((a, b) => b.value - a.value)[0], { tap: GATE, k: 5, value: 3 });
  assertEquals(scores.get("all")!.size, 8);
});

Deno.test("gradient_product asks the model for the objective that its params name", async () => {
  const model = await openFake();
  const [short, long] = fakeItems(2);
  // The longer prompt is run first.
  const [first, second] = [long!, short!].map(({ id, prompt }) => ({ id, prompt })) as [RunSample, RunSample];
  const answered = (...answers: number[][][]) =>
    [first, second].map((sample, i): RunSample => ({ ...sample, continuations: answers[i]! }));
  const both = [[65], [66]];
  const wanted: Record<string, [Objective, readonly RunSample[]]> = {
    probability: [{ kind: "probability", target: [66, 65] }, [first, second]],
    logprob: [{ kind: "logprob", target: [66, 65] }, [first, second]],
    logitDifference: [{ kind: "logitDifference", target: [66, 65], against: [65, 66] }, [first, second]],
    cloze: [{ kind: "cloze", answer: [1, 0] }, answered(both, both)],
    crossEntropy: [{ kind: "crossEntropy", span: "completion" }, answered([[66]], [[65]])],
  };
  for (const [objective, expected] of Object.entries(wanted)) {
    const input = inputOf(model, scorer.params.parse({ objective }), { items: [short!, long!] });
    const seen: unknown[] = [];
    const run: typeof model.run = (samples, request) => {
      seen.push([request?.objective, samples]);
      return model.run(samples, request);
    };
    await computeScores(scorer, input, { model: { ...model, run }, signal: new AbortController().signal });
    assertEquals(seen, [expected]);
  }
});

Deno.test("gradient_product names the item whose answer is not one token", async () => {
  const long = fakeItems(2, { answerTokens: 2 });
  await assertRejects(
    () => scoresOf({}, { items: long }),
    UserError,
    "Cannot score by gradient_product: cannot use item 0 for probability: an answer is 2 tokens, wanted one token",
  );
  assert(await scoresOf({ objective: "crossEntropy" }, { items: long }));
});
