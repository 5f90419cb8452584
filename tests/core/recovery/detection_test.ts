import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { auroc, detect } from "../../../core/recovery/detection.ts";

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

Deno.test("detect() counts each unit once, and says nothing of shares of none", () => {
  const meant = new Set(["a", "b", "c", "d"]), decoys = new Set(["x", "y"]);
  assertEquals(detect(["a", "x", "b", "a", "z"], { meant, decoys }), {
    selected: 4,
    decoys: 1,
    precision: 2 / 4,
    recall: 2 / 4,
  });
  const none = { selected: 0, decoys: 0, precision: undefined };
  assertEquals(detect([], { meant, decoys }), { ...none, recall: 0 });
  assertEquals(detect([], { meant: new Set(), decoys }), { ...none, recall: undefined });
  assertEquals(detect(["a"], { meant: new Set(), decoys }).precision, 0);
});
