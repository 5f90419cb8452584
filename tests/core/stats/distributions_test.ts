import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { binomialProbability, drawBinomial, normalQuantile } from "../../../core/stats/distributions.ts";

/** A few units in the last place of the quantiles, which the series and Newton's step may lose. */
const QUANTILE_TOLERANCE = 1e-13;
/** Relative; logarithms of factorials of thousands are near 4e4, and exp() turns their rounding into this. */
const PROBABILITY_TOLERANCE = 1e-10;

Deno.test("normalQuantile() equals scipy's when p is in the middle or in a tail", () => {
  // scipy.stats.norm.ppf(p)
  const expected: readonly (readonly [number, number])[] = [
    [0.5, 0],
    [0.75, 0.6744897501960817],
    [0.975, 1.959963984540054],
    [0.995, 2.5758293035489004],
    [0.9999, 3.719016485455709],
    [0.025, -1.9599639845400545],
  ];
  for (const [p, x] of expected) {
    assertAlmostEquals(normalQuantile(p), x, QUANTILE_TOLERANCE * (1 + 10 * Math.abs(x)));
  }
  for (const p of [0, 1, -1, NaN]) assertThrows(() => normalQuantile(p), RangeError);
});

Deno.test("binomialProbability() equals scipy's when n is small or in the thousands", () => {
  // scipy.stats.binom.pmf(k, n, p)
  const expected: readonly (readonly [number, number, number, number])[] = [
    [0, 5, 0.3, 0.16807],
    [410, 1066, 0.5, 9.135667120653044e-15],
    [2500, 5463, 0.45, 0.005707508611253686],
    [31, 32, 0.9, 0.12208653583262273],
  ];
  for (const [k, n, p, mass] of expected) {
    assertAlmostEquals(binomialProbability(k, n, p) / mass, 1, PROBABILITY_TOLERANCE);
  }
});

Deno.test("drawBinomial() draws each number as often as its probability says when repeated", () => {
  const draws = 50_000;
  for (const [n, p] of [[8, 0.3], [40, 0.97], [1000, 0.004]] as const) {
    const random = createRandom(`binomial ${n}`);
    const counts = Array<number>(n + 1).fill(0);
    for (let i = 0; i < draws; i++) counts[drawBinomial(n, p, random)]! += 1;
    counts.forEach((count, k) => {
      const mass = binomialProbability(k, n, p);
      /** Five standard deviations of the count, and room for one where less than one is expected. */
      const tolerance = 5 * Math.sqrt(draws * mass * (1 - mass)) + 1;
      assertAlmostEquals(count, draws * mass, tolerance);
    });
  }
});

Deno.test("drawBinomial() has the distribution's mean and variance when n is in the thousands", () => {
  const random = createRandom("moments");
  const [n, p, draws] = [5463, 0.2, 20_000];
  const xs = Array.from({ length: draws }, () => drawBinomial(n, p, random));
  const mean = xs.reduce((a, b) => a + b) / draws;
  const variance = xs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws;
  const expected = n * p * (1 - p);
  /** Five standard errors of the mean and, with kurtosis 3, of the variance. */
  assertAlmostEquals(mean, n * p, 5 * Math.sqrt(expected / draws));
  assertAlmostEquals(variance, expected, 5 * expected * Math.sqrt(2 / draws));
});

Deno.test("drawBinomial() draws the only number there is when p is 0 or 1 or n is 0", () => {
  const random = createRandom(0);
  assertEquals([drawBinomial(9, 0, random), drawBinomial(9, 1, random), drawBinomial(0, 0.5, random)], [
    0,
    9,
    0,
  ]);
  const xs = Array.from({ length: 1000 }, () => drawBinomial(1, 0.5, random));
  assert(xs.every((x) => x === 0 || x === 1));
});
