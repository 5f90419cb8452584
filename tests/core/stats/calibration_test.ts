/** A short form of `deno task calibrate stats`; the tolerances are those of its few samples. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createRandom, type Random } from "../../../core/random.ts";
import { countAlarms, countControlAlarms } from "../../../core/stats/calibration/alarms.ts";
import { coverageOf, rating } from "../../../core/stats/calibration/coverage.ts";
import { type Design, designs } from "../../../core/stats/calibration/designs.ts";
import { drawGamma, drawNormal, drawShares } from "../../../core/stats/calibration/draw.ts";

function moments(draw: (random: Random) => number, draws = 100_000) {
  const random = createRandom("moments");
  let sum = 0, squares = 0;
  for (let i = 0; i < draws; i++) {
    const x = draw(random);
    sum += x;
    squares += x * x;
  }
  const mean = sum / draws;
  return { mean, variance: squares / draws - mean * mean };
}

/** Five standard errors of a mean of 100,000 with variance 4, the largest below, and of variances of like size. */
const MOMENT_TOLERANCE = 0.05;

Deno.test("draws have the mean and variance of their distributions", () => {
  const normal = moments(drawNormal);
  assertAlmostEquals(normal.mean, 0, MOMENT_TOLERANCE);
  assertAlmostEquals(normal.variance, 1, MOMENT_TOLERANCE);
  for (const shape of [0.3, 1, 4]) {
    const gamma = moments((random) => drawGamma(shape, random));
    assertAlmostEquals(gamma.mean, shape, MOMENT_TOLERANCE);
    assertAlmostEquals(gamma.variance, shape, 3 * MOMENT_TOLERANCE);
  }
  for (const icc of [0, 0.1, 0.6, 1]) {
    const shares = moments((random) => drawShares([0.2, 0.5, 0.3], icc, random)[0]!, 20_000);
    assertAlmostEquals(shares.mean, 0.2, MOMENT_TOLERANCE);
    // The ICC is the share of an item's variance that lies between clusters.
    assertAlmostEquals(shares.variance, icc * 0.2 * 0.8, MOMENT_TOLERANCE / 5);
  }
  assertEquals(drawShares([1, 0], 0.5, createRandom(0)), [1, 0]);
});

Deno.test("intervals cover the truth of every held design about as often as they say, in a short form", () => {
  const held = designs().filter(({ beyond }) => beyond === undefined);
  const wrong = held.flatMap((design) =>
    coverageOf(design, { clusters: [5, 16, 43], samples: () => 500, seed: 0 })
      // Four standard errors of 500 samples beyond 94 and 96 %: among 78 cells chance does not get there.
      .filter(({ share }) => share < 0.94 - 4 * 0.0106 || share > 0.96 + 4 * 0.0088)
      .map(({ clusters, share }) => `${design.title} ${design.icc} ${clusters}: ${share}`)
  );
  assertEquals(wrong, []);
  assert(held.length >= 20);
});

Deno.test("coverageOf() tells intervals that are too narrow and too wide from those that are not", () => {
  // Normal means with known error, an interval of so many standard errors; 1.96 cover 95 %.
  const of = (width: number): Design => ({
    title: "known",
    icc: 0,
    sample(random) {
      const value = drawNormal(random);
      return { low: value - width, high: value + width };
    },
  });
  const rate = (width: number) =>
    rating(coverageOf(of(width), { clusters: [5], samples: () => 4000, seed: 0 })[0]!);
  assertEquals([1.6, 1.96, 2.4].map(rate), ["short", "as asked", "wide"]);
});

Deno.test("A/A matrices and exchangeable control sets have few false alarms, in a short form", () => {
  const { primary, confirmatory, exploratory, differences, matrices } = countAlarms({
    matrices: 100,
    seed: 0,
  });
  /** Four standard errors above 5 % of 100. */
  const most = 5 + 4 * Math.sqrt(5 * 0.95);
  assert(Math.max(primary, confirmatory, exploratory) <= most, `${primary} ${confirmatory} ${exploratory}`);
  assertEquals([matrices, differences], [100, 1600]);
  const { treatments, found, drawn } = countControlAlarms({ matrices: 400, seed: 0 });
  assertAlmostEquals(found / treatments, 0.05, 4 * Math.sqrt(0.05 * 0.95 / treatments));
  assert(drawn / treatments < 60, "most are stopped early");
});
