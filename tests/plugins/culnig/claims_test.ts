/** CULNIG's claims, judged by results that were made up so that each verdict comes out. */
import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { CheckResult, ClaimResult, Difference, Results } from "../../../core/mod.ts";
import { claims, matrices } from "../../../plugins/culnig/claims.ts";

const GENERAL = "general silenced";
const change = (value: number, half: number): Difference => ({
  value,
  low: value - half,
  high: value + half,
  level: 0.95,
  n: 100,
  clusters: 50,
  method: "cluster score",
  rose: 0,
  fell: 0,
});
const METRIC = { name: "exact_match", title: "", binary: true, higherIsBetter: true };

type Cells = readonly (readonly [benchmark: string, treatment: string, value: number, half: number])[];

function results(cells: Cells, more: Partial<Results> = {}): Results {
  return {
    models: [{ label: "m", info: { layers: 10 } }],
    treatments: [],
    cells: cells.map(([benchmark, treatment, value, half]) => ({
      benchmark,
      treatment,
      primary: "exact_match",
      metrics: [{ metric: METRIC, difference: change(value, half) }],
      controls: [{ control: "random", metrics: { exact_match: { difference: { mean: -0.004, sets: 39 } } } }],
    })),
    ...more,
  } as unknown as Results;
}

const judge = (
  number: number,
  name: string,
  own: Results,
  checks: readonly CheckResult[] = [],
): ClaimResult => claims.find((claim) => claim.number === number)!.judge(new Map([[name, own]]), checks);

Deno.test("there are ten claims, each by matrices that there are", () => {
  assertEquals(claims.map(({ number }) => number), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  const names = matrices.map(({ name }) => name);
  for (const { needs } of claims) for (const name of needs) assertEquals(names.includes(name), true);
  for (const name of names) {
    Deno.statSync(new URL(`../../../benchmarks/matrices/${name}.json`, import.meta.url));
  }
});

Deno.test("what was not run is not measured, and below its gate not identifiable, with the gate's figure", () => {
  for (const { number, judge } of claims) {
    if (number > 1) assertEquals(judge(new Map(), []).verdict, "not measured");
  }
  const gates = [{
    benchmark: "blend",
    atLeast: 0.35,
    belowGate: "stop",
    treatments: [GENERAL],
    estimate: change(0.25, 0.05),
    open: false,
  }] as unknown as NonNullable<Results["gates"]>;
  for (const number of [2, 3, 5, 7]) {
    const { verdict, figures } = judge(number, "culnig", results([], { gates }));
    assertEquals([verdict, figures.length, figures[0]!.value], ["not identifiable", 1, 25]);
  }
});

Deno.test("the first claim is that of its checks", () => {
  const found: CheckResult = { value: 0.9, bound: 0.8, passes: "at least", n: 200, what: "rank" };
  assertEquals(judge(1, "culnig", results([]), [found]).verdict, "holds");
  assertEquals(judge(1, "culnig", results([]), [found, { ...found, value: 0.7 }]).verdict, "does not hold");
  assertEquals(judge(1, "culnig", results([])).verdict, "does not hold");
});

Deno.test("language loses at most a third, by the ends of the intervals", () => {
  const of = (lost: number, half: number) =>
    judge(5, "culnig", results([["blend", GENERAL, -0.3, 0.03], ["qnli", GENERAL, -lost, half]])).verdict;
  assertEquals(of(0.02, 0.02), "holds");
  assertEquals(of(0.09, 0.03), "not shown");
  assertEquals(of(0.2, 0.03), "does not hold");
});

Deno.test("a filter is worth having where its loss without it is surely larger, on every task", () => {
  const [control, names] = ["without the control set", "without the names filter"];
  const of = (qnli: number, names_: number) =>
    judge(
      6,
      "culnig_ablation",
      results([
        ["qnli", GENERAL, -0.02, 0.02],
        ["qnli", control!, qnli, 0.02],
        ["commonsense_qa", GENERAL, -0.05, 0.02],
        ["commonsense_qa", control!, -0.2, 0.02],
        ["country_rc", GENERAL, -0.01, 0.02],
        ["country_rc", names!, names_, 0.02],
      ]),
    ).verdict;
  assertEquals(of(-0.1, -0.1), "holds");
  assertEquals(of(-0.04, -0.1), "not shown");
  assertEquals(of(-0.1, 0.1), "does not hold");
});

Deno.test("gates are counted in the first half of the layers, with Wilson's interval", () => {
  const found = (early: number, late: number) =>
    ({
      treatments: [{
        name: GENERAL,
        found: [{
          pool: 1000,
          selected: early + late,
          select: { top: 0.1 },
          units: [
            { tap: "layers.4.mlp.gate", units: Array.from({ length: early }, (_, i) => i) },
            { tap: "layers.5.mlp.gate", units: Array.from({ length: late }, (_, i) => i) },
            { tap: "layers.5.attn.q", units: [1, 2, 3] },
          ],
        }],
      }],
    }) as unknown as Partial<Results>;
  const of = (early: number, late: number) => judge(7, "culnig", results([], found(early, late)));
  assertEquals(of(90, 10).verdict, "holds");
  assertEquals(of(65, 35).verdict, "not shown");
  assertEquals(of(30, 70).verdict, "does not hold");
  const [figure] = of(90, 10).figures;
  assertEquals([figure!.value, figure!.n], [90, 100]);
  assertEquals(judge(2, "culnig", results([], found(90, 5))).verdict, "does not hold"); // 9.5 % of the pool
});

Deno.test("a country's own fall is ranked among the eight, ties sharing their mean rank", () => {
  const names = ["China", "Indonesia", "Iran", "Mexico", "South_Korea", "Spain", "UK", "US", "Algeria"];
  const own = (depth: (mask: string, country: string) => number) =>
    judge(
      9,
      "culnig_specific",
      results(
        names.slice(0, 8).flatMap((mask) =>
          names.map((country) => [country, `${mask} silenced`, -depth(mask, country), 0.1] as const)
        ),
      ),
    );
  const sharp = own((mask, country) =>
    mask === country ? 0.4 : mask === "Mexico" && country === "Spain" ? 0.2 : 0.05
  );
  assertEquals([sharp.verdict, sharp.figures[0]!.value], ["holds", 1]);
  const flat = own(() => 0.1);
  assertAlmostEquals(flat.figures[0]!.value, 4.5);
  assertEquals(flat.verdict, "does not hold");
});

Deno.test("sealed hypotheses decide, all that were judged", () => {
  const judged = (verdicts: readonly string[]) =>
    results([], {
      hypotheses: {
        hash: "",
        judged: verdicts.map((verdict, i) => ({
          verdict,
          adjusted: 0.01,
          difference: change(-0.2, 0.1),
          metric: METRIC,
          hypothesis: {
            name: [
              "culture falls more than under random units",
              "culture falls more than under units that matter for any text",
            ][i],
            benchmark: "blend",
            control: "random (tap)",
            direction: "less",
          },
        })),
      } as unknown as NonNullable<Results["hypotheses"]>,
    });
  assertEquals(judge(3, "culnig", judged(["effect", "effect"])).verdict, "holds");
  assertEquals(judge(3, "culnig", judged(["effect", "inconclusive"])).verdict, "not shown");
  assertEquals(judge(3, "culnig", judged([])).verdict, "not measured");
});
