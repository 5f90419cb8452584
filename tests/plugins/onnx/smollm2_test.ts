/** Invariances on the real model; its figures beside other programs are in goldens_test.ts. */
import { assert, assertEquals } from "@std/assert";
import {
  type Edit,
  type Model,
  type ScoreRequest,
  type ScoreResult,
  SITES,
  type Tap,
} from "../../../core/mod.ts";
import { createRandom } from "../../../core/random.ts";
import { needs, REAL_MODEL } from "../../support.ts";
import { open } from "./open.ts";

/** What the issue allows between batch sizes. */
const BATCHES = 1e-4;
/** Two options nearer than this may change places when sums are taken in another order. */
const TIE = 2e-4;

/** 32 questions of 20 to 120 tokens with four one-token answers. */
function questions(model: Model): ScoreRequest[] {
  const random = createRandom("smollm2");
  const words = [
    "river",
    "stone",
    "teacher",
    "window",
    "garden",
    "letter",
    "summer",
    "blue",
    "runs",
    "over",
    "under",
    "the",
  ];
  return Array.from({ length: 32 }, () => {
    const text = Array.from({ length: 15 + random.below(100) }, () => words[random.below(words.length)]).join(
      " ",
    );
    const prompt = model.tokenizer.encode(`Question: ${text}?\nAnswer:`);
    return { prompt, continuations: [" A", " B", " C", " D"].map((label) => model.tokenizer.encode(label)) };
  });
}

async function scoreAll(
  model: Model,
  requests: readonly ScoreRequest[],
  tokenBudget: number,
): Promise<ScoreResult[]> {
  const results: ScoreResult[] = [];
  for await (const batch of model.score(requests, { tokenBudget })) {
    batch.indices.forEach((index, i) => results[index] = batch.results[i]!);
  }
  return results;
}

Deno.test({
  name: "score() of SmolLM2 gives the same choices and log-probabilities at batch 1 and batch 32",
  ...needs("model"),
  async fn() {
    await using model = await open(REAL_MODEL);
    const requests = questions(model);
    const one = await scoreAll(model, requests, 1), many = await scoreAll(model, requests, 32 * 128);
    requests.forEach((_, i) => {
      const a = one[i]!.logprobs, b = many[i]!.logprobs;
      a.forEach((logprob, o) => assert(Math.abs(logprob - b[o]!) < BATCHES, `item ${i}, option ${o}`));
      const [best, second] = a.toSorted((x, y) => y - x) as [number, number];
      const choice = (logprobs: readonly number[]) => logprobs.indexOf(Math.max(...logprobs));
      if (best - second > TIE) assertEquals(choice(a), choice(b));
    });
  },
});

Deno.test({
  name: "logits() of SmolLM2 are bit-identical under a scale of 1 at every tap and without edit inputs",
  ...needs("model"),
  async fn() {
    const taps: Tap[] = ["embed"];
    for (let layer = 0; layer < 30; layer++) {
      taps.push(...SITES.map((site): Tap => `layers.${layer}.${site}`));
    }
    const ids = questionsIds();
    const plain = await logitsOf([], ids, []);
    const edited = await logitsOf(
      taps,
      ids,
      taps.map((tap): Edit => ({ tap, units: [0, 1, 2], op: "scale", value: 1 })),
    );
    assertEquals(plain.length, edited.length);
    assert(plain.every((logit, i) => logit === edited[i]));
  },
});

Deno.test({
  name:
    "score() of SmolLM2 is bit-identical under a scale of 1 at every tap and without, where one row of logits is read",
  ...needs("model"),
  async fn() {
    // Without edits there, the last layer is drawn for that row alone.
    const taps: Tap[] = Array.from(
      { length: 30 },
      (_, layer) => SITES.map((site): Tap => `layers.${layer}.${site}`),
    ).flat();
    const edits = taps.map((tap): Edit => ({ tap, units: [0, 1, 2], op: "scale", value: 1 }));
    const requests = [{ prompt: questionsIds(), continuations: [[330], [331]] }];
    const scores = async (taps: readonly Tap[], edits: readonly Edit[]) => {
      await using model = await open(REAL_MODEL, taps);
      return (await Array.fromAsync(model.score(requests, { edits })))[0]!.results;
    };
    assertEquals(await scores([], []), await scores(taps, edits));
  },
});

const questionsIds = () => Array.from({ length: 40 }, (_, i) => 500 + 37 * i);

async function logitsOf(
  taps: readonly Tap[],
  ids: readonly number[],
  edits: readonly Edit[],
): Promise<Float32Array> {
  await using model = await open(REAL_MODEL, taps);
  return await model.logits(ids, { edits });
}
