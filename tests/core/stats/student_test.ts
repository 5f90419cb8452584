import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { detectableShift, studentQuantile, studentTail, studentUpper } from "../../../core/stats/student.ts";

/** Some roundings of numbers near 1, from which the tail is taken as the rest. */
const TOLERANCE = 1e-14;
/** Relative, of a tail of 1e-6 that Newton's last step reached. */
const QUANTILE_TOLERANCE = 1e-10;

Deno.test("studentTail() equals scipy's when t is small or far out", () => {
  // scipy.stats.t.sf(t, freedom)
  const expected: readonly (readonly [number, number, number])[] = [
    [0, 3, 0.5],
    [1, 1, 0.25],
    [2.5, 5, 0.02724504967118813],
    [9, 2, 0.006060830046393435],
    [4, 10, 0.0012591663123683473],
    [14, 7, 1.1231011244565075e-6],
    [6, 30, 6.971384383602382e-7],
    [0.3, 62, 0.38259035059570695],
  ];
  for (const [t, freedom, tail] of expected) assertAlmostEquals(studentTail(t, freedom), tail, TOLERANCE);
});

Deno.test("studentTail() refuses what is no upper tail or no number of degrees of freedom", () => {
  for (const [t, freedom] of [[-1, 5], [NaN, 5], [1, 0], [1, NaN]] as const) {
    assertThrows(() => studentTail(t, freedom), RangeError);
  }
});

Deno.test("studentQuantile() undoes studentUpper() when degrees of freedom are few, broken or many", () => {
  for (const freedom of [1, 1.4, 2, 3.5, 12, 299.5, 1e6, Infinity]) {
    for (const tail of [1e-6, 0.001, 0.025, 0.3, 0.5]) {
      const t = studentQuantile(tail, freedom);
      assertAlmostEquals(studentUpper(t, freedom) / tail, 1, QUANTILE_TOLERANCE, `${freedom} ${tail}`);
      assertAlmostEquals(studentUpper(-t, freedom), 1 - tail, QUANTILE_TOLERANCE * tail);
    }
  }
  for (const [tail, freedom] of [[0, 3], [0.6, 3], [0.1, 0], [NaN, 3]] as const) {
    assertThrows(() => studentQuantile(tail, freedom), RangeError);
  }
});

Deno.test("detectableShift() is Infinity where so few degrees of freedom find nothing at such a level", () => {
  assertEquals(detectableShift(1, { alpha: 0.001 }), Infinity);
  // 12.7 is the critical value, and the numerator varies little beside the denominator: 12.7 times the 90 % point of a normal.
  assertAlmostEquals(detectableShift(1) / (12.706204736174705 * 1.2815515655446004), 1, 0.01);
  for (const options of [{ alpha: 0 }, { power: 1 }, { alpha: 0.9 }, { power: NaN }]) {
    assertThrows(() => detectableShift(5, options), RangeError);
  }
});
