/** run() beside PyTorch in float64 on tiny random models; how the figures were made: tests/goldens/README.md. */
import { assert, assertEquals } from "@std/assert";
import { type Edit, type Observation, type RunSample, SITES, type Tap } from "../../../core/mod.ts";
import { distinctTokens } from "../../../plugins/onnx/run/distinct.ts";
import {
  assertNear,
  type Case,
  caseOf,
  FAMILIES,
  folder,
  type Golden,
  goldenOf,
  MODELS,
  requestOf,
  type Rows,
  type Stored,
  TAP,
  tapsEdited,
} from "./gradients_golden.ts";
import { open } from "./open.ts";

/** Objectives are a few logits of float32, summed in float64. */
const OBJECTIVE = 1e-5;
/** float32 sums of the same numbers in another order, three layers deep and back. */
const BATCHES = 1e-5;

for (const name of [...MODELS, ...FAMILIES]) {
  const golden = goldenOf(name);
  let worst = 0;
  for (const place of golden.cases) {
    Deno.test(`run() gives PyTorch's objective, activations and gradients of ${name}: ${place.name}`, async () => {
      await using model = await open(folder(name), tapsEdited(place));
      const observe = place.taps.flatMap((tap) =>
        (["activation", "gradient"] as const).map((quantity): Observation => ({
          tap,
          quantity,
          pool: "none",
        }))
      );
      const result = await model.run(place.samples, requestOf(place, observe));
      assertEquals(result.positions, place.positions);
      assertEquals(result.tokens, place.positions.flat().length);
      place.objectives.forEach((value, i) =>
        assertNear([result.objective[i]!], [value], { place: `objective ${i}`, tolerance: OBJECTIVE })
      );
      assertEquals(result.observed.map(({ observation }) => observation), observe);
      for (const { observation: { tap, quantity }, values, columns } of result.observed) {
        place.samples.forEach((_, i) => {
          const expected = golden.rows(place, i, { tap, quantity: quantity as Stored });
          assert(expected || quantity === "activation", `${quantity} at ${tap} is not stored`);
          if (!expected) return;
          assertEquals(columns, expected.columns);
          const error = assertNear(values[i]!, expected.values, {
            place: `${quantity} at ${tap} of sample ${i}`,
            columns,
          });
          if (quantity === "gradient") worst = Math.max(worst, error);
        });
      }
    });
  }
  Deno.test(`gradients of ${name} at every tap are within ${TAP} of the largest there`, () => {
    console.log(`${name}: ${worst.toExponential(1)}`);
    assert(worst > 0 && worst < TAP);
  });
}

/** A quantity's raw numbers, from those stored. */
function rawOf(
  { golden, place, sample, headDim }: Placed,
  { tap, quantity }: Pick<Observation, "tap" | "quantity">,
): Rows {
  const stored = (quantity: Stored) => golden.rows(place, sample, { tap, quantity })!;
  const activation = stored("activation"), gradient = stored("gradient");
  if (quantity === "activation") return activation;
  if (quantity === "gradient") return gradient;
  const products = activation.values.map((value, i) => value * gradient.values[i]!);
  if (!tap.endsWith(".attn.head")) return { columns: activation.columns, values: products };
  const heads = Float64Array.from({ length: products.length / headDim }, (_, unit) => {
    let sum = 0;
    for (let j = 0; j < headDim; j++) sum += products[unit * headDim + j]!;
    return sum;
  });
  return { columns: activation.columns / headDim, values: heads };
}

interface Placed {
  readonly golden: Golden;
  readonly place: Case;
  readonly sample: number;
  readonly headDim: number;
}

const HEAD_DIM = { gqa: 8, biased: 12 };
const POOLS = ["mean", "max", "last", "rms", "sum"] as const;

/** Pools raw numbers as core/model.ts says, in float64; `batch` samples are padded together. */
function pooled(at: Placed, observation: Observation, batch: number): Float64Array {
  const { place, sample } = at, { over = "all", padding = "skip", pool } = observation;
  const raw = rawOf(at, observation), { columns } = raw;
  const tokensOf = (sample: number) =>
    place.positions[sample]!.map((_, row) => row).filter((row) =>
      over === "all" || (row < place.samples[sample]!.prompt.length) === (over === "prompt")
    );
  const own = tokensOf(sample), first = sample - sample % batch;
  const together = place.samples.map((_, i) => i).slice(first, first + batch);
  const padded = padding === "zero" ? Math.max(...together.map((i) => tokensOf(i).length)) : own.length;
  return Float64Array.from({ length: columns }, (_, column) => {
    const at = (row: number) => raw.values[row * columns + column]!;
    if (pool === "last") return at(place.samples[sample]!.prompt.length - 1);
    const numbers = [...own.map(at), ...Array<number>(padded - own.length).fill(0)];
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    if (pool === "max") return Math.max(...numbers);
    if (pool === "rms") return Math.sqrt(sum(numbers.map((value) => value ** 2)) / padded);
    return pool === "mean" ? sum(numbers) / padded : sum(numbers);
  });
}

/** Every pool over every stretch with either padding, at taps of one layer; sums cancel, hence the raw numbers' size is the measure. */
async function checkPools(name: typeof MODELS[number], which: string, batch?: number): Promise<void> {
  const golden = goldenOf(name), place = caseOf(golden, which);
  await using model = await open(folder(name), tapsEdited(place));
  const continued = place.samples.every(({ continuations = [] }) =>
    continuations.some((ids) => ids.length > 1)
  );
  const taps: Tap[] = ["embed", "layers.1.attn.head", "layers.1.mlp.gate", "layers.1.attn.k"];
  const observe = taps.flatMap((tap) =>
    (["activation", "gradient", "product"] as const).flatMap((quantity) =>
      POOLS.flatMap((pool) =>
        (["all", "prompt", ...(continued && pool !== "last" ? ["completion"] as const : [])] as const)
          .flatMap((
            over,
          ) =>
            (["skip", "zero"] as const).map((padding): Observation => ({
              tap,
              quantity,
              pool,
              over,
              padding,
            }))
          )
      )
    )
  );
  const request = requestOf(place, observe);
  const { observed } = await model.run(place.samples, { ...request, ...(batch ? { batch } : {}) });
  for (const { observation, values } of observed) {
    place.samples.forEach((_, sample) => {
      const at: Placed = { golden, place, sample, headDim: HEAD_DIM[name] };
      const expected = pooled(at, observation, batch ?? place.samples.length);
      assertNear(values[sample]!, expected, { place: `${JSON.stringify(observation)} of sample ${sample}` });
    });
  }
}

for (const name of MODELS) {
  Deno.test(`run() pools ${name} over tokens as sums over its raw numbers do, padding left out or zero`, async () => {
    await checkPools(name, "logprob");
    await checkPools(name, "probability");
  });
  Deno.test(`run() pools ${name} over prompts and over branches, with edits and without`, async () => {
    await checkPools(name, "cloze");
    await checkPools(name, "cloze, edited");
  });
}

Deno.test("run() pads `batch` samples together in the order given, however it computes them", async () => {
  await checkPools("gqa", "logprob", 2);
  await checkPools("gqa", "logprob", 3);
  await checkPools("gqa", "logprob", 1);
});

for (const name of MODELS) {
  Deno.test(`run() gives products of ${name} as activation times gradient, summed over a head's columns`, async () => {
    const golden = goldenOf(name), place = caseOf(golden, "logprob");
    await using model = await open(folder(name));
    const observe = place.taps.map((tap): Observation => ({ tap, quantity: "product", pool: "none" }));
    const { observed } = await model.run(place.samples, requestOf(place, observe));
    for (const { observation, values, columns } of observed) {
      assertEquals(columns, model.units(observation.tap));
      place.samples.forEach((_, sample) => {
        const { values: expected } = rawOf({ golden, place, sample, headDim: HEAD_DIM[name] }, observation);
        assertNear(values[sample]!, expected, { place: `product at ${observation.tap} of sample ${sample}` });
      });
    }
  });

  Deno.test(`run() of ${name} gives a batch of mixed lengths what it gives each sample alone`, async () => {
    const place = caseOf(goldenOf(name), "logprob");
    await using model = await open(folder(name));
    const observe = place.taps.flatMap((tap): Observation[] => [
      { tap, quantity: "gradient", pool: "none" },
      { tap, quantity: "product", pool: "max" },
    ]);
    const request = requestOf(place, observe);
    const together = await model.run(place.samples, request);
    const apart = await model.run(place.samples, { ...request, tokenBudget: 1 });
    for (const [i, sample] of place.samples.entries()) {
      const { target } = place.objective as { readonly target: readonly number[] };
      const alone = await model.run([sample], {
        ...request,
        objective: { kind: "logprob", target: target[i]! },
      });
      for (const { objective, observed } of [together, apart]) {
        assertNear([objective[i]!], alone.objective, { place: `objective ${i}`, tolerance: OBJECTIVE });
        observed.forEach(({ observation, values }, o) =>
          assertNear(values[i]!, alone.observed[o]!.values[0]!, {
            place: `${observation.quantity} at ${observation.tap} of sample ${i}`,
            tolerance: BATCHES,
          })
        );
      }
    }
  });
}

for (const name of MODELS) {
  Deno.test(`run() of ${name} gives samples that begin alike, under edits alike or not, what it gives each alone`, async () => {
    await using model = await open(folder(name));
    const begin = [5, 9, 2, 14, 3, 8, 1];
    const silence = (
      head: number,
    ): Edit[] => [{ tap: "layers.0.attn.head", units: [head], op: "scale", value: 0 }];
    const samples: RunSample[] = [[4], [4, 6, 7], [6], [6, 2], [4], []].map((end, i) => ({
      prompt: [...begin, ...end],
      edits: i < 2 ? [] : silence(i % 2),
    }));
    const targets = samples.map((_, i) => 3 + i);
    const taps: Tap[] = ["embed", "layers.0.resid_pre"];
    for (let layer = 0; layer < model.info.layers; layer++) {
      taps.push(...SITES.map((site): Tap => `layers.${layer}.${site}`));
    }
    const observe = taps.flatMap((tap): Observation[] => [
      { tap, quantity: "gradient", pool: "none" },
      { tap, quantity: "activation", pool: "none" },
      { tap, quantity: "product", pool: "max" },
    ]);
    const planned = samples.map(({ prompt, edits = [] }) => ({
      tokens: prompt.map((id, t) => ({ id, parent: t - 1, generated: false })),
      edits,
    }));
    // A text of 7 tokens for each of three kinds of edits; 3, 2 and 2 tokens after it.
    assertEquals(distinctTokens(planned).first.length, 28);
    const together = await model.run(samples, { objective: { kind: "logprob", target: targets }, observe });
    for (const [i, sample] of samples.entries()) {
      const alone = await model.run([sample], {
        objective: { kind: "logprob", target: targets[i]! },
        observe,
      });
      assertNear([together.objective[i]!], alone.objective, {
        place: `objective ${i}`,
        tolerance: OBJECTIVE,
      });
      together.observed.forEach(({ observation, values }, o) =>
        assertNear(values[i]!, alone.observed[o]!.values[0]!, {
          place: `${observation.quantity} at ${observation.tap} of sample ${i}`,
          tolerance: BATCHES,
        })
      );
    }
  });
}
