import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { createRandom } from "../../../core/random.ts";
import { adjustFamilies, benjaminiHochberg, type Family, holm } from "../../../core/stats/families.ts";
import { studentTail } from "../../../core/stats/student.ts";
import { drawNormal } from "../../../core/stats/calibration/draw.ts";

Deno.test("holm() rejects as the procedure does step by step", () => {
  const random = createRandom("steps");
  for (let set = 0; set < 200; set++) {
    const ps = Array.from({ length: 1 + random.below(6) }, () => random.uniform() ** 3), alpha = 0.05;
    const sorted = ps.toSorted((a, b) => a - b);
    let rejected = 0;
    while (rejected < ps.length && sorted[rejected]! <= alpha / (ps.length - rejected)) rejected++;
    assertEquals(holm(ps).filter((p) => p <= alpha).length, rejected, `${ps}`);
  }
  assertEquals(holm([]), []);
  assertThrows(() => holm([0.1, 1.5]), RangeError, "1.5");
  assertThrows(() => benjaminiHochberg([NaN]), RangeError, "NaN");
});

const at = (family: Family, p: number) => ({ family, p });

Deno.test("adjustFamilies() opens the secondary family only when every primary hypothesis is rejected", () => {
  const [a, b, c, d, e] = adjustFamilies([
    at("secondary", 0.01),
    at("primary", 0.02),
    at("exploratory", 0.03),
    at("primary", 0.03),
    at("secondary", 0.6),
  ], 0.05);
  // Holm: 0.04 and 0.04 in the primary family, 0.02 and 0.6 in the secondary.
  assertEquals([b!.adjusted, d!.adjusted, e!.adjusted], [0.04, 0.04, 0.6]);
  assertEquals(a, { adjusted: 0.04, tested: true });
  assertEquals(c, { adjusted: 0.03, tested: true });
  const [shut] = adjustFamilies([at("secondary", 0.001), at("primary", 0.06), at("primary", 0.001)], 0.05);
  assertEquals(shut, { adjusted: 0.06, tested: false });
  const [alone] = adjustFamilies([at("secondary", 0.001)], 0.05);
  assertEquals(alone, { adjusted: 0.001, tested: true });
});

Deno.test("adjustFamilies() keeps false alarms of both confirmatory families at the level when the primaries are real", () => {
  // Two primaries far from 0, three true secondary hypotheses that depend on one another: all alarms are the secondary family's.
  const sets = 4000;
  let alarms = 0, opened = 0;
  for (let set = 0; set < sets; set++) {
    const random = createRandom(`gate ${set}`), common = drawNormal(random);
    const p = (shift: number) => {
      const z = shift + 0.6 * common + 0.8 * drawNormal(random);
      return z > 0 ? studentTail(z, Infinity) : 1 - studentTail(-z, Infinity);
    };
    const hypotheses = [
      at("primary", p(3)),
      at("primary", p(3)),
      ...[0, 0, 0].map(() => at("secondary", p(0))),
    ];
    const adjusted = adjustFamilies(hypotheses, 0.05);
    if (adjusted[2]!.tested) opened++;
    if (adjusted.slice(2).some((each) => each.adjusted <= 0.05)) alarms++;
  }
  assert(opened > sets / 2, "the gate is open in most sets");
  /** Four standard errors above 0.05. */
  assert(alarms / sets < 0.05 + 4 * Math.sqrt(0.05 * 0.95 / sets), `${alarms} of ${sets}`);
});

Deno.test("benjaminiHochberg() keeps the share of false discoveries at the level when half of 20 are real", () => {
  const sets = 2000;
  let share = 0;
  for (let set = 0; set < sets; set++) {
    const random = createRandom(`fdr ${set}`);
    const ps = Array.from({ length: 20 }, (_, i) => {
      const z = drawNormal(random) + (i < 10 ? 3 : 0);
      return z > 0 ? studentTail(z, Infinity) : 1 - studentTail(-z, Infinity);
    });
    const found = [...benjaminiHochberg(ps).keys()].filter((i) => benjaminiHochberg(ps)[i]! <= 0.1);
    share += found.filter((i) => i >= 10).length / Math.max(1, found.length);
  }
  // Independent tests: exactly the level times the share of true hypotheses, a half.
  assertAlmostEquals(share / sets, 0.05, 0.01);
});
