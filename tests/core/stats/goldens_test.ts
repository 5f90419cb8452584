/** Beside SciPy and statsmodels (tests/goldens/make_stats.py): closed forms within 1e-9 of them. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import { gather, meanError } from "../../../core/stats/cluster.ts";
import { benjaminiHochberg, holm } from "../../../core/stats/families.ts";
import { estimateMean, mcnemarExact, pairedDifference, wilson } from "../../../core/stats/mod.ts";
import { clopperPearson, scoreDifference } from "../../../core/stats/proportions.ts";
import { signFlip } from "../../../core/stats/sign_flip.ts";
import { incompleteBeta, normalTail } from "../../../core/stats/special.ts";
import {
  detectableShift,
  noncentralBelow,
  studentQuantile,
  studentUpper,
} from "../../../core/stats/student.ts";
import { equivalenceP, shiftedP } from "../../../core/stats/verdict.ts";

interface Tango {
  readonly rose: number;
  readonly fell: number;
  readonly n: number;
  readonly quantile: number;
  readonly low: number;
  readonly high: number;
}

interface Clusters {
  readonly values: number[];
  readonly clusters: number[];
  readonly error: number;
  readonly freedom?: number;
  readonly low: number;
  readonly high: number;
}

interface Golden {
  readonly distributions: Readonly<
    Record<"student" | "studentQuantile" | "noncentral" | "beta" | "normal", number[][]>
  >;
  readonly means: {
    readonly independent: { readonly values: number[]; readonly low: number; readonly high: number };
    readonly equal: Clusters;
    readonly unequal: Clusters;
  };
  readonly proportions: {
    readonly intervals: {
      readonly count: number;
      readonly n: number;
      readonly level: number;
      readonly wilson: number[];
      readonly exact: number[];
    }[];
    readonly mcnemar: number[][];
    readonly tango: Tango[];
  };
  readonly families: { readonly p: number[]; readonly holm: number[]; readonly bh: number[] }[];
  readonly power: number[][];
  readonly equivalence: {
    readonly before: number[];
    readonly after: number[];
    readonly margins: {
      readonly margin: number;
      readonly p: number;
      readonly above: number;
      readonly below: number;
    }[];
  };
  readonly signFlips: {
    readonly changes: number[];
    readonly p: number;
    readonly greater: number;
    readonly less: number;
  }[];
}

const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("../../goldens/stats.json", import.meta.url)),
);

/** What is asked of a closed form beside SciPy, relative to the number and to 1 where that is larger. */
const TOLERANCE = 1e-9;

function assertNear(actual: number, expected: number, what: string): void {
  assertAlmostEquals(actual, expected, TOLERANCE * Math.max(1, Math.abs(expected)), what);
}

/** Small tails too must have nine digits. */
function assertDigits(actual: number, expected: number, what: string): void {
  if (expected === 0) assertEquals(actual, 0, what);
  else assertAlmostEquals(actual / expected, 1, TOLERANCE, what);
}

const apart = (n: number) => Array.from({ length: n }, (_, i) => `item ${i}`);
const named = (clusters: readonly number[]) => clusters.map((cluster) => `cluster ${cluster}`);

Deno.test("distributions have SciPy's tails and quantiles to nine digits", () => {
  const { student, studentQuantile: quantiles, noncentral, beta, normal } = golden.distributions;
  for (const [t, freedom, p] of student) assertDigits(studentUpper(t!, freedom!), p!, `t ${t} ${freedom}`);
  for (const [tail, freedom, t] of quantiles) {
    assertDigits(studentQuantile(tail!, freedom!), t!, `quantile ${tail} ${freedom}`);
  }
  for (const [t, freedom, shift, p] of noncentral) {
    assertNear(noncentralBelow(t!, freedom!, shift!), p!, `noncentral ${t} ${freedom} ${shift}`);
  }
  for (const [a, b, x, p] of beta) {
    assertDigits(incompleteBeta(a!, b!, { x: x!, rest: 1 - x! }), p!, `beta ${a} ${b} ${x}`);
  }
  for (const [z, p] of normal) assertDigits(normalTail(z!), p!, `normal ${z}`);
});

Deno.test("estimateMean() has statsmodels' t interval when values are independent", () => {
  const { values, low, high } = golden.means.independent;
  const estimate = estimateMean(values, { binary: false, clusters: apart(values.length), seed: 0 });
  assertNear(estimate.low, low, "low");
  assertNear(estimate.high, high, "high");
  assertEquals(estimate.method, "t");
});

Deno.test("estimateMean() has statsmodels' cluster-robust interval when clusters are of equal size, and CR2's when not", () => {
  const { equal, unequal } = golden.means;
  for (const { values, clusters, error, freedom = 5, low, high } of [equal, unequal]) {
    const found = meanError(gather(values, named(clusters)));
    assertNear(found.error, error, "error");
    assertNear(found.freedom, freedom, "degrees of freedom");
    const estimate = estimateMean(values, { binary: false, clusters: named(clusters), seed: 0 });
    assertNear(estimate.low, low, "low");
    assertNear(estimate.high, high, "high");
    assertEquals(estimate.method, "cluster t");
  }
});

Deno.test("wilson(), clopperPearson(), mcnemarExact() are statsmodels'", () => {
  for (const { count, n, level, wilson: score, exact } of golden.proportions.intervals) {
    const [a, b] = [wilson(count, n, level), clopperPearson(count, n, level)];
    [a.low, a.high].forEach((bound, i) => assertNear(bound, score[i]!, `Wilson ${count} ${n}`));
    [b.low, b.high].forEach((bound, i) => assertNear(bound, exact[i]!, `Clopper and Pearson ${count} ${n}`));
  }
  for (const [rose, fell, p] of golden.proportions.mcnemar) {
    assertDigits(mcnemarExact(rose!, fell!), p!, `McNemar ${rose} ${fell}`);
  }
});

Deno.test("scoreDifference() solves Tango's score equations", () => {
  for (const { rose, fell, n, quantile, low, high } of golden.proportions.tango) {
    const bounds = scoreDifference({ rose: rose / n, fell: fell / n, n }, quantile);
    assertNear(bounds.low, low, `low of ${rose} and ${fell} in ${n}`);
    assertNear(bounds.high, high, `high of ${rose} and ${fell} in ${n}`);
  }
});

Deno.test("holm() and benjaminiHochberg() are statsmodels'", () => {
  for (const { p, holm: first, bh } of golden.families) {
    holm(p).forEach((adjusted, i) => assertNear(adjusted, first[i]!, `Holm ${p}`));
    benjaminiHochberg(p).forEach((adjusted, i) => assertNear(adjusted, bh[i]!, `BH ${p}`));
  }
});

Deno.test("detectableShift() has the power asked by statsmodels' noncentral t", () => {
  for (const [freedom, alpha, power, sides, shift] of golden.power) {
    const found = detectableShift(freedom!, { alpha: alpha!, power: power!, sides: sides as 1 | 2 });
    assertNear(found, shift!, `${freedom} degrees at ${alpha}`);
  }
});

Deno.test("equivalenceP() is statsmodels' TOST of paired values", () => {
  const { before, after, margins } = golden.equivalence;
  const options = { binary: false, clusters: apart(before.length), seed: 0 };
  const difference = pairedDifference(before, after, options);
  for (const { margin, p, above, below } of margins) {
    assertNear(equivalenceP(difference, margin), p, `both sides at ${margin}`);
    assertNear(shiftedP(difference, -margin, "above"), above, `above -${margin}`);
    assertNear(shiftedP(difference, margin, "below"), below, `below ${margin}`);
  }
});

Deno.test("signFlip() is SciPy's exact permutation test", () => {
  for (const { changes, p, greater, less } of golden.signFlips) {
    const found = signFlip(changes, { seed: 0 });
    assertNear(found.p, p, `two-sided ${changes}`);
    assertNear(found.greater, greater, `greater ${changes}`);
    assertNear(found.less, less, `less ${changes}`);
    assertEquals(found.exact, true);
  }
});
