import { assertAlmostEquals, assertThrows } from "@std/assert";
import { studentQuantile } from "../../../core/stats/student.ts";

Deno.test("studentQuantile() equals scipy's when p is in the middle or far out", () => {
  // scipy.stats.t.isf(p, df), and the relative error that the difference 1 - P leaves at such a p.
  const expected: readonly (readonly [number, number, number, number])[] = [
    [0.25, 1, 1.0000000000000002, 1e-12],
    [0.025, 5, 2.5705818356363155, 1e-12],
    [1e-3, 10, 4.143700494046589, 1e-12],
    [1e-6, 7, 14.241469651981445, 1e-9],
    [1e-6, 30, 5.871117120418882, 1e-9],
    [1e-8, 12, 12.98409809086107, 1e-7],
    [1e-10, 63, 7.572170429998732, 1e-5],
  ];
  for (const [p, df, t, tolerance] of expected) {
    assertAlmostEquals(studentQuantile(p, df) / t, 1, tolerance);
  }
});

Deno.test("studentQuantile() refuses what is no upper tail or no whole number of degrees of freedom", () => {
  for (const [p, df] of [[0, 5], [0.6, 5], [0.1, 0], [0.1, 1.5]] as const) {
    assertThrows(() => studentQuantile(p, df), RangeError);
  }
});
