/** Training beside PyTorch and PEFT in float64. */
import { assert, assertEquals } from "@std/assert";
import { assertNear, folder } from "../gradients_golden.ts";
import { open } from "../open.ts";
import { assign, type Case, CASES, GOLDEN, tensorsOf, trainerOf } from "./training_golden.ts";

/** Loss and margins, relative, and gradients beside the largest of their tensor: what the issue allows. */
const ALLOWED = 1e-4;
/** Our distance from float64 after 20 updates, beside that of PyTorch in float32: rounding falls differently, twice is not unusual. */
const MULTIPLE = 3;

const near = (actual: number, expected: number, what: string, allowed = ALLOWED) =>
  assert(
    Math.abs(actual - expected) <= allowed * Math.max(1, Math.abs(expected)),
    `${what}: ${actual}, wanted ${expected}`,
  );

async function assertGradients(
  place: Case,
  at: "first" | "last",
  more: { readonly tokenBudget?: number } = {},
) {
  await using model = await open(folder(place.model));
  await using trainer = await trainerOf(model, place, more);
  if (at === "last") assign(trainer, tensorsOf(place, "final"));
  else assign(trainer, tensorsOf(place, "initial"));
  const { loss, margins, gradients } = await trainer.gradients(place.examples);
  near(loss, place[at].loss, "loss");
  assertEquals(margins.length, place[at].margins.length);
  margins.forEach((margin, i) => near(margin, place[at].margins[i]!, `margin ${i}`));
  const expected = tensorsOf(place, at);
  assertEquals([...gradients.keys()].sort(), [...expected.keys()].sort());
  for (const [name, { values }] of gradients) {
    // A row that is not read has a gradient of zero on both sides; A of LoRA has one while B is zero.
    assertNear(values, expected.get(name)!, { place: `${place.name}, ${name}`, tolerance: ALLOWED });
  }
}

for (const place of CASES) {
  Deno.test(`gradients() of ${place.name} are PyTorch's at the first and at the last weights`, async () => {
    await assertGradients(place, "first");
    await assertGradients(place, "last");
  });

  Deno.test(`run() of ${place.name} ends no further from float64 than PyTorch in float32, times ${MULTIPLE}`, async () => {
    await using model = await open(folder(place.model));
    await using trainer = await trainerOf(model, place);
    assign(trainer, tensorsOf(place, "initial"));
    let step = 0;
    for await (const { loss, learningRate, gradientNorm, margin } of trainer.run()) {
      const expected = place.steps[step++]!;
      near(loss, expected.loss, `loss of update ${step}`, MULTIPLE * place.float32.loss + 1e-6);
      near(learningRate, expected.rate, `rate of update ${step}`, 1e-12);
      near(gradientNorm, expected.norm, `norm of update ${step}`);
      if (expected.margin !== undefined) near(margin!, expected.margin, `margin of update ${step}`);
    }
    assertEquals(step, place.steps.length);
    const final = tensorsOf(place, "final");
    let squares = 0;
    for (const [name, { values }] of trainer.values()) {
      final.get(name)!.forEach((value, i) => squares += (values[i]! - value) ** 2);
    }
    const distance = Math.sqrt(squares), { distance: theirs } = place.float32;
    console.log(
      `${place.name}: ${distance.toExponential(1)} from float64, PyTorch in float32 ${
        theirs.toExponential(1)
      }`,
    );
    assert(distance <= MULTIPLE * theirs, `${distance} from float64, PyTorch in float32 ${theirs}`);
  });
}

for (const place of GOLDEN.families) {
  Deno.test(`gradients() of every weight of ${place.model} are PyTorch's, alone and together`, async () => {
    await using model = await open(folder(place.model));
    for (const tokenBudget of [1, 4096]) {
      await using trainer = await trainerOf(model, place, { tokenBudget });
      const { loss, gradients } = await trainer.gradients(place.examples);
      near(loss, place.first.loss, "loss");
      const expected = tensorsOf(place, "first");
      assertEquals([...gradients.keys()].sort(), [...expected.keys()].sort());
      const all = largest([...expected.values()].map(largest));
      for (const [name, { values }] of gradients) {
        const wanted = expected.get(name)!;
        // What is added to all keys alike changes nothing: biases of GPT-2's keys have a gradient of rounding alone.
        if (largest(wanted) < 1e-12 * all) assert(largest(values) < 1e-6 * all, name);
        else assertNear(values, wanted, { place: `${place.name}, ${name}`, tolerance: ALLOWED });
      }
    }
  });
}

const largest = (values: ArrayLike<number>) =>
  Array.from(values, Math.abs).reduce((a, b) => Math.max(a, b), 0);
