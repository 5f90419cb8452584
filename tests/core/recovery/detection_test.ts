import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { auroc, called, highest, precision, recall } from "../../../core/recovery/detection.ts";

/** By its definition: the share of pairs that are the right way round, ties half. */
function pairs(scores: readonly number[], positive: readonly number[]): number {
  let [right, all] = [0, 0];
  scores.forEach((high, i) =>
    scores.forEach((low, j) => {
      if (positive[i] !== 1 || positive[j] !== 0) return;
      all++;
      right += high > low ? 1 : high === low ? 0.5 : 0;
    })
  );
  return right / all;
}

Deno.test("auroc() is the share of pairs in order, with ties and without", () => {
  const random = createRandom("auroc");
  for (const levels of [2, 3, 10, 1000]) {
    for (let trial = 0; trial < 20; trial++) {
      const n = 5 + random.below(60);
      const scores = Array.from({ length: n }, () => random.below(levels));
      const positive = Array.from({ length: n }, (_, i) => i === 0 ? 1 : i === 1 ? 0 : random.below(2));
      assertAlmostEquals(auroc(scores, positive)!, pairs(scores, positive), 1e-12);
    }
  }
});

Deno.test("auroc() knows what is known in closed form", () => {
  assertEquals(auroc([3, 2, 1], [1, 0, 0]), 1);
  assertEquals(auroc([1, 2, 3], [1, 0, 0]), 0);
  assertEquals(auroc([7, 7, 7, 7], [1, 0, 1, 0]), 0.5);
  assertEquals(auroc([1, 2], [1, 1]), undefined);
  assertEquals(auroc([1, 2], [0, 0]), undefined);
  // One positive at the k-th place from above of N: (N - k) / (N - 1).
  for (const k of [1, 4, 10]) {
    const scores = Array.from({ length: 10 }, (_, i) => -i);
    assertAlmostEquals(auroc(scores, scores.map((_, i) => Number(i === k - 1)))!, (10 - k) / 9, 1e-12);
  }
  // Turned upside down it is what is left to 1.
  const random = createRandom("turned"), scores = Array.from({ length: 50 }, random.uniform);
  const positive = scores.map(() => random.below(2));
  assertAlmostEquals(auroc(scores, positive)! + auroc(scores.map((x) => -x), positive)!, 1, 1e-12);
});

Deno.test("auroc() of binormal scores is the normal distribution at their distance over root 2", () => {
  const random = createRandom("binormal");
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
  const positive = Array.from({ length: 4000 }, (_, i) => i % 2);
  const scores = positive.map((each) => normal() + each);
  // Phi(1 / sqrt 2) = 0.7602499; Hanley and McNeil's error at 2,000 of each is 0.0075, four of them.
  assert(Math.abs(auroc(scores, positive)! - 0.7602499) < 0.03);
});

Deno.test("highest(), precision() and recall() count", () => {
  const positive = [1, 0, 1, 0, 1], best = highest([5, 4, 4, 9, 0], 3);
  assertEquals(best, [3, 0, 1]);
  assertEquals(precision(best, positive), 1 / 3);
  assertEquals(recall(best, positive), 1 / 3);
  assertEquals([precision([], positive), recall([], positive), recall([0], [0, 0])], [
    undefined,
    0,
    undefined,
  ]);
});

Deno.test("called() calls what no dealing makes, and by chance anything at all no more often than it says", () => {
  const units = 40, groups = 3, trials = 400;
  const random = createRandom("called");
  const draw = () =>
    Array.from({ length: groups }, () => Float64Array.from({ length: units }, random.uniform));
  let alarms = 0;
  for (let trial = 0; trial < trials; trial++) {
    const observed = draw(), shuffled = Array.from({ length: 39 }, draw);
    if (called(observed, shuffled).some((each) => each.length > 0)) alarms++;
    observed[1]![7] = 50;
    assert(called(observed, shuffled)[1]!.includes(7));
  }
  // The observed is one of 40 that are alike: 2 of 40 exceed the third largest. Four binomial errors either way.
  assert(Math.abs(alarms / trials - 0.05) < 4 * Math.sqrt(0.05 * 0.95 / trials), `${alarms} of ${trials}`);
});

Deno.test("called() calls nothing where no shuffle changes a score", () => {
  const same = () => [Float64Array.of(1, 2, 3)];
  assertEquals(called(same(), Array.from({ length: 39 }, same)), [[]]);
  assertEquals(called(same(), []), [[]]);
});
