import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import {
  type Edit,
  predictAblation,
  record,
  type ScoreRequest,
  setFrom,
  sweep,
  type SweepArm,
  type SweepOptions,
  type Tap,
  UserError,
} from "../../../core/mod.ts";
import { FABLES, open } from "./open.ts";

/** Sums of float32 products in another order, where rows are batched otherwise, move a log-probability by a few 1e-6. */
const BATCH_TOLERANCE = 1e-5;
/** Relative to the largest; a step of 2^-7 in float32 leaves about 1e-3 of curvature and rounding. */
const SLOPE_TOLERANCE = 5e-3, STEP = 2 ** -7;

const HEADS: readonly Tap[] = ["layers.0.attn.head", "layers.1.attn.head"], NEURONS: Tap = "layers.1.mlp.act";

async function openFables() {
  const model = await open(FABLES, [...HEADS, NEURONS]);
  const requests = [0, 1, 2, 3].map((item): ScoreRequest => ({
    prompt: Array.from({ length: 9 + 3 * item }, (_, i) => 20 + (i * 7 + 13 * item) % 150),
    continuations: [[5, 6, 7], [8, 9], [5, 3]],
  }));
  const heads = HEADS.flatMap((tap) =>
    Array.from({ length: model.units(tap) }, (_, unit): SweepArm => ({
      name: `${tap} ${unit}`,
      edits: [scaled(tap, unit, 0)],
    }))
  );
  /** The measure of every item under the same edits. */
  const measured = async (edits: readonly Edit[]) => {
    const values: number[] = [];
    for await (const { indices, results } of model.score(requests, { edits })) {
      indices.forEach((index, i) => values[index] = measure(results[i]!, index));
    }
    return values;
  };
  const close = () => model[Symbol.asyncDispose]();
  return { model, requests, heads, measured, [Symbol.asyncDispose]: close };
}

const scaled = (tap: Tap, unit: number, value: number): Edit => ({ tap, units: [unit], op: "scale", value });
const neurons = [0, 3, 17].map((unit): SweepArm => ({
  name: `${NEURONS} ${unit}`,
  edits: [{ tap: NEURONS, units: [unit], op: "add", value: 2 }],
}));
const measure: SweepOptions["measure"] = ({ logprobs: [gold, ...others] }) =>
  gold! - others.reduce((sum, value) => sum + value, 0) / others.length;

Deno.test("sweep() equals a score() call an arm when every head and some neurons are edited", async () => {
  await using fables = await openFables();
  const { model, requests, heads, measured } = fables;
  const arms = [...heads, ...neurons], swept = await sweep(model, requests, { arms, measure });
  const plain = await measured([]);
  plain.forEach((value, i) => assertAlmostEquals(swept.base[i]!, value, BATCH_TOLERANCE));
  let largest = 0;
  for (const [i, { edits }] of arms.entries()) {
    const alone = await measured(edits);
    alone.forEach((value, item) => {
      assertAlmostEquals(swept.arms[i]!.values[item]!, value, BATCH_TOLERANCE);
      largest = Math.max(largest, Math.abs(value - plain[item]!));
    });
  }
  assert(largest > 100 * BATCH_TOLERANCE, `edits change the measure by ${largest} at most`);
});

Deno.test("sweep() gives what one score() call of its rows gives, to the bit", async () => {
  await using fables = await openFables();
  const { model, requests, heads } = fables;
  const { base, arms } = await sweep(model, requests, { arms: heads, measure });
  const rows = requests.flatMap((request) =>
    [[], ...heads.map(({ edits }) => edits)].map((edits) => ({ ...request, edits }))
  );
  const values: number[] = [];
  for await (const { indices, results } of model.score(rows)) {
    indices.forEach((index, i) => values[index] = measure(results[i]!, index));
  }
  const width = heads.length + 1;
  assertEquals(base, requests.map((_, item) => values[item * width]!));
  arms.forEach((arm, i) =>
    assertEquals(arm.values, requests.map((_, item) => values[item * width + i + 1]!))
  );
});

Deno.test("sweep() refuses an item or an arm that is asked for late before anything is computed", async () => {
  await using fables = await openFables();
  const { model, requests, heads } = fables;
  const many = Array.from({ length: 200 }, () => requests).flat(), tap = HEADS[0]!;
  const onProgress = () => assert(false, "an item was computed");
  const refuses = (items: readonly ScoreRequest[], arms: readonly SweepArm[], message: string) =>
    assertRejects(() => sweep(model, items, { arms, measure, onProgress }), UserError, message);
  await refuses(
    [...many, { prompt: [], continuations: [[5]] }],
    heads,
    "Cannot run prompt 801 on fables: it has no tokens",
  );
  await refuses(
    [...many, { id: "last", prompt: [5, 197], continuations: [[5]] }],
    heads,
    "Cannot run item last on fables: token id 197",
  );
  // The last text alone is too short for what was recorded.
  const [recorded] = await record(model, [requests[0]!].map(({ prompt }) => ({ prompt })), [tap]);
  const patch = { name: "patch", edits: setFrom([{ tap, index: 0 }], recorded!) };
  await refuses(
    [...many, { prompt: [5], continuations: [[5]] }],
    [...heads, patch],
    "wanted positions of a text of 1 tokens",
  );
});

Deno.test("a race over all heads finds what an exact sweep puts first when all items are needed", async () => {
  await using fables = await openFables();
  const { model, requests, heads } = fables;
  const exact = await sweep(model, requests, { arms: heads, measure });
  const size = (arm: (typeof exact.arms)[number]) => Math.abs(arm.effect!.value);
  const first = exact.arms.toSorted((a, b) => size(b) - size(a)).slice(0, 2).map(({ name }) => name);
  const race = { top: 2, by: "magnitude", first: requests.length } as const;
  const raced = await sweep(model, requests, { arms: heads, measure, race });
  assertEquals(
    raced.arms.filter(({ status }) => status === "in").map(({ name }) => name).sort(),
    first.sort(),
  );
});

Deno.test("predictAblation() is the slope of the measure as a unit is scaled down", async () => {
  await using fables = await openFables();
  const { model, requests, measured } = fables;
  const taps = [...HEADS, NEURONS], objective = { kind: "cloze", answer: 0 } as const;
  const predicted = await predictAblation(model, requests, { taps, objective });
  const places = taps.flatMap((tap) => [0, 1].map((unit) => ({ tap, unit })));
  const largest = Math.max(
    ...places.flatMap(({ tap, unit }) => predicted.get(tap)!.map((each) => Math.abs(each[unit]!))),
  );
  for (const { tap, unit } of places) {
    const less = await measured([scaled(tap, unit, 1 - STEP)]),
      more = await measured([scaled(tap, unit, 1 + STEP)]);
    requests.forEach((_, item) => {
      const slope = (less[item]! - more[item]!) / (2 * STEP);
      assertAlmostEquals(predicted.get(tap)![item]![unit]!, slope, SLOPE_TOLERANCE * largest);
    });
  }
});
