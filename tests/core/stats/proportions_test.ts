import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { mcnemarExact, wilson } from "../../../core/stats/mod.ts";

/** The formula is a dozen float64 operations on numbers near 1. */
const WILSON_TOLERANCE = 1e-14;
/** Published figures have four decimals. */
const PUBLISHED_TOLERANCE = 5e-5;
/** Relative; see binomialProbability(). */
const MCNEMAR_TOLERANCE = 1e-10;

Deno.test("wilson() equals the published intervals when n is moderate", () => {
  // R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Stat. Med. 17 (1998), table I, method 3.
  const published: readonly (readonly [number, number, number, number])[] = [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ];
  for (const [successes, n, low, high] of published) {
    const interval = wilson(successes, n);
    assertAlmostEquals(interval.low, low, PUBLISHED_TOLERANCE);
    assertAlmostEquals(interval.high, high, PUBLISHED_TOLERANCE);
  }
});

Deno.test("wilson() equals scipy's interval when level, n or the end of the range vary", () => {
  // scipy.stats.binomtest(k, n).proportion_ci(level, method="wilson")
  const expected: readonly (readonly [number, number, number, number, number])[] = [
    [0, 10, 0.95, 0, 0.27753279986288926],
    [1, 10, 0.95, 0.017876213095072896, 0.4041500267952385],
    [3277, 5463, 0.95, 0.5867961123387522, 0.6127706774095918],
    [20, 20, 0.95, 0.8388748419471808, 1],
    [81, 263, 0.99, 0.24013690268760768, 0.3852825023182298],
    [7, 12, 0.5, 0.48601720020425687, 0.6745617005669653],
  ];
  for (const [successes, n, level, low, high] of expected) {
    const interval = wilson(successes, n, level);
    assertAlmostEquals(interval.low, low, WILSON_TOLERANCE);
    assertAlmostEquals(interval.high, high, WILSON_TOLERANCE);
  }
});

Deno.test("wilson() throws when there is no such proportion", () => {
  for (const [successes, n] of [[0, 0], [-1, 5], [6, 5], [0.5, 5], [NaN, 5]] as const) {
    assertThrows(() => wilson(successes, n), RangeError);
  }
  assertThrows(() => wilson(1, 2, 1), RangeError);
});

Deno.test("mcnemarExact() equals scipy's binomial test when few or thousands changed", () => {
  // scipy.stats.binomtest(rose, rose + fell, 0.5).pvalue
  const expected: readonly (readonly [number, number, number])[] = [
    [5, 0, 0.0625],
    [1, 9, 0.021484375],
    [7, 7, 1],
    [10, 25, 0.016673847800120715],
    [410, 656, 4.809550899513521e-14],
    [1500, 1700, 0.00043334035939974455],
    [3000, 2000, 1.3002310005205326e-45],
    [2731, 2732, 1],
  ];
  for (const [rose, fell, p] of expected) {
    assertAlmostEquals(mcnemarExact(rose, fell) / p, 1, MCNEMAR_TOLERANCE);
    assertEquals(mcnemarExact(fell, rose), mcnemarExact(rose, fell));
  }
});

Deno.test("mcnemarExact() is 1 when nothing changed and throws when a count is none", () => {
  assertEquals(mcnemarExact(0, 0), 1);
  for (const [rose, fell] of [[-1, 3], [0.5, 1], [NaN, 1]] as const) {
    assertThrows(() => mcnemarExact(rose, fell), RangeError);
  }
});
