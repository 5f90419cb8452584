import { assertAlmostEquals, assertThrows } from "@std/assert";
import { studentTail } from "../../../core/stats/student.ts";

/** Some roundings of numbers near 1, from which the tail is taken as the rest. */
const TOLERANCE = 1e-14;

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

Deno.test("studentTail() refuses what is no upper tail or no whole number of degrees of freedom", () => {
  for (const [t, freedom] of [[-1, 5], [NaN, 5], [1, 0], [1, 1.5]] as const) {
    assertThrows(() => studentTail(t, freedom), RangeError);
  }
});
