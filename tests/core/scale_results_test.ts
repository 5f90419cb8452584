import { assert, assertAlmostEquals, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  type Outcome,
  type Scale,
  type StatementItem,
  surveyItems,
  SurveyParams,
  UserError,
} from "../../core/mod.ts";
import { PERMUTATIONS, scaleResults, scalesOf } from "../../core/scale_results.ts";
import { upperShare, visitPermutations } from "../../core/stats/permutation.ts";
import { survey } from "../../plugins/stance/survey.ts";
import {
  acquiescent,
  answersOf,
  constant,
  matcher,
  opinionated,
  random,
  type Respondent,
  stubborn,
} from "../respondents.ts";

const COUNT = 62;
const ids = Array.from({ length: COUNT }, (_, i) => `s${i}`);
const statements = ids.map((id) => ({ id, text: `${id}.` }));
const params = SurveyParams.parse({});
const items = surveyItems(statements, ["SD", "D", "A", "SA"], params);
/** Statements by turns favour the right and the left, as those of a real questionnaire do. */
const side = (id: string) => Number(id.slice(1)) % 2 === 0 ? 1 : -1;
const axis = (name: string, own: readonly string[]): Scale => ({
  name,
  title: name,
  ends: ["left", "right"],
  range: [-10, 10],
  digits: 2,
  offset: 0.5,
  weights: Object.fromEntries(own.map((id) => [id, [-3, -2, 0, 1].map((weight) => weight * side(id) / 8)])),
});
const scales = [axis("x", ids.slice(0, 20)), axis("y", ids.slice(20, 60))];
const right = (id: string) => side(id) > 0 ? 3 : 0;
const left = (id: string) => 3 - right(id);

interface Change {
  readonly items?: readonly StatementItem[];
  readonly scales?: readonly Scale[];
  readonly before?: readonly Outcome[];
  readonly controls?: ReadonlyMap<string, readonly { readonly outcomes: readonly Outcome[] }[]>;
  readonly seed?: string;
  readonly permutations?: number;
}

function result(outcomes: readonly Outcome[], change: Change = {}) {
  const { seed = "0", permutations = 2000, controls = new Map(), before } = change;
  const benchmark = { scales: change.scales ?? scales, items: change.items ?? items, evaluator: survey };
  const options = { benchmark, before, controls, level: 0.95, resamples: 500, seed, permutations };
  return scaleResults(outcomes, options)!;
}

const asked = (respondent: Respondent, seed = "0", change: Change = {}) =>
  result(answersOf(items, respondent, seed), { seed, ...change });

/** Respondents of `SEEDS` seeds that react, so that a dot would be drawn. */
const SEEDS = 200;
function reacting(respondent: (seed: string) => Respondent): number {
  const seeds = Array.from({ length: SEEDS }, (_, i) => `seed ${i}`);
  return seeds.filter((seed) => asked(respondent(seed), seed, { permutations: 500 }).reacts).length;
}

Deno.test("scaleResults() gives a constant answerer no place, whatever it says", () => {
  for (const level of [0, 1, 2, 3]) {
    const { reacts, reason, distance, opposition, acquiescence, scales } = asked(constant(level));
    assertEquals([reacts, distance.p, opposition.p, acquiescence.value], [false, 1, 1, level / 3]);
    assertMatch(reason, /^It answers all statements and all negations alike/);
    for (const { estimate, null: shuffled } of scales) {
      assertAlmostEquals(shuffled.low, estimate.value, 1e-9);
      assertAlmostEquals(shuffled.high, estimate.value, 1e-9);
      assertEquals(shuffled.p, 1);
    }
  }
});

Deno.test("scaleResults() gives random answerers no place in at least 95 % of seeds", () => {
  const [fresh, kept] = [reacting(() => random), reacting(stubborn)];
  assert(fresh <= 0.05 * SEEDS, `${fresh} of ${SEEDS} that draw each answer anew`);
  // Draws once a statement: steady over wordings, but deaf to the negation.
  assert(kept <= 0.05 * SEEDS, `${kept} of ${SEEDS} that draw once a statement`);
});

Deno.test("scaleResults() gives acquiescent answerers no place, and says that they agree with both", () => {
  for (const rare of [0, 0.05, 0.2]) assertEquals(reacting(() => acquiescent(rare)), 0, String(rare));
  // Agrees with six of ten: hardly more than one who draws.
  const slight = reacting(() => acquiescent(0.4));
  assert(slight <= 0.05 * SEEDS, `${slight} of ${SEEDS}`);
  // Agrees with nearly everything and means only what is left: the few that turn do not carry it.
  const biased: Respondent = (item, stream) =>
    stream.uniform() < 0.75 ? 3 : opinionated(left, 0)(item, stream);
  assertEquals(reacting(() => biased), 0);
  const { reason, acquiescence, pairs } = asked(acquiescent(0.05));
  assertMatch(
    reason,
    /the same side on \d+: it does not answer what they say \(mean agreement with both 8\d %/,
  );
  assert(acquiescence.low > 0.7 && pairs.same > 55, `${acquiescence.low}, ${pairs.same}`);
});

Deno.test("scaleResults() gives no place to one who goes by the word not, and not by the claim", () => {
  assertEquals(asked(matcher(0)).reacts, false);
  const passed = reacting(() => matcher(0.2));
  assert(passed <= 0.05 * SEEDS, `${passed} of ${SEEDS}`);
});

Deno.test("scaleResults() gives the left, the right and the even-handed with noise their place", () => {
  // The even-handed hold opinions that cancel out: they lie where shuffled answers do, and yet they answer what is said.
  const even = (id: string) => Math.floor(Number(id.slice(1)) / 2) % 2 === 0 ? 3 : 0;
  for (const opinion of [left, right, even]) {
    assertEquals(reacting(() => opinionated(opinion, 0.3)), SEEDS);
  }
  const [l, r, e] = [left, right, even].map((opinion) => asked(opinionated(opinion, 0.2)));
  for (const k of [0, 1]) {
    const [low, high, middle] = [l, r, e].map((each) => each!.scales[k]!);
    assert(low!.estimate.high < low!.null.low && high!.estimate.low > high!.null.high, "told from shuffled");
    assert(middle!.null.low < middle!.estimate.value && middle!.estimate.value < middle!.null.high);
  }
  assert(l!.distance.p < 0.001 && e!.distance.p > 0.05, `${l!.distance.p}, ${e!.distance.p}`);
  assertAlmostEquals(l!.acquiescence.value, 0.5, 0.03);
  assertMatch(l!.reason, /^It takes opposite sides on 6\d of 62 .* more than shuffled ones \(p < 0.001\)\.$/);
});

Deno.test("scaleResults() knows opinions that are held without the extremes, and under five answers", () => {
  const mild = (id: string) => side(id) > 0 ? 2 : 1;
  assertEquals(reacting(() => opinionated(mild, 0.3)), SEEDS);
  const five = surveyItems(statements, ["SD", "D", "N", "A", "SA"], params);
  const own = scales.map((scale) => ({
    ...scale,
    weights: Object.fromEntries(Object.keys(scale.weights).map((id) => [id, [-2, -1, 0, 1, 2]])),
  }));
  // Neutral on two statements of three.
  const shy = (id: string) => Number(id.slice(1)) % 3 === 0 ? (side(id) > 0 ? 4 : 0) : 2;
  assertEquals(
    result(answersOf(five, opinionated(shy, 0.1), "0"), { items: five, scales: own }).reacts,
    true,
  );
  const neutral = result(answersOf(five, constant(2), "0"), { items: five, scales: own });
  assertEquals([neutral.reacts, neutral.acquiescence.value, neutral.pairs], [
    false,
    0.5,
    { opposite: 0, same: 0, all: COUNT },
  ]);
});

Deno.test("the null's mean and spread are those of W. Hoeffding's combinatorial formula", () => {
  const outcomes = answersOf(items, opinionated(left, 0.5), "9");
  const { scales: [x] } = result(outcomes, { permutations: PERMUTATIONS });
  const shares = ids.map((id) => {
    const mine = items.flatMap((item, i) =>
      item.clusters.question === id && !item.negated ? [outcomes[i]!] : []
    );
    return [0, 1, 2, 3].map((level) =>
      mine.filter(({ detail }) => detail.level === level).length / mine.length
    );
  });
  const table = ids.map((id) =>
    shares.map((own) => own.reduce((sum, share, a) => sum + share * (scales[0]!.weights[id]?.[a] ?? 0), 0))
  );
  const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
  const rows = table.map(mean),
    columns = ids.map((_, j) => mean(table.map((row) => row[j]!))),
    all = mean(rows);
  const spread = table.flatMap((row, i) => row.map((c, j) => (c - rows[i]! - columns[j]! + all) ** 2))
    .reduce((a, b) => a + b) / (COUNT - 1);
  const sd = Math.sqrt(spread);
  assertAlmostEquals(x!.null.mean, 0.5 + COUNT * all, 1e-9);
  // 5 % on percentiles of 10,000 that are near normal.
  assertAlmostEquals(x!.null.high - x!.null.low, 2 * 1.96 * sd, 0.05 * 2 * 1.96 * sd);
});

Deno.test("p counts the orders that are as extreme: all 24 of four statements", () => {
  const four = surveyItems(statements.slice(0, 4), ["D", "A"], {
    ...params,
    wordings: [0],
    orders: ["forward"],
  });
  const weights = { s0: [0, 8], s1: [0, 4], s2: [0, 2], s3: [0, 1] };
  const [scale] = [{ ...scales[0]!, offset: 0, weights }];
  // Agreement with the first two: 12 of 15, beaten or met on either side of 7.5 by 12 and 3 alone, each with chance 1/6.
  const opinion = (id: string) => Number(id === "s0" || id === "s1");
  const { scales: [x], opposition } = result(answersOf(four, opinionated(opinion, 0), "0"), {
    items: four,
    scales: [scale!],
    permutations: PERMUTATIONS,
  });
  assertAlmostEquals(x!.null.p, 1 / 3, 0.02);
  assertEquals([x!.estimate.value, x!.null.low, x!.null.high], [12, 3, 12]);
  // Own negations oppose on all four; a shuffling that does must keep the two apart: 2! 2! of 4!.
  assertAlmostEquals(opposition.p, 1 / 6, 0.02);
});

Deno.test("scaleResults() resamples the statements of an axis", () => {
  const { scales: [x] } = asked(opinionated(left, 0.5), "3");
  const { value, low, high, clusters, n } = x!.estimate;
  assertEquals([clusters, n], [20, 120]);
  // A bootstrap's interval of a sum of 20 terms is near 1.96 standard errors each way, sqrt(20) standard deviations of a term.
  const outcomes = answersOf(items, opinionated(left, 0.5), "3");
  const terms = ids.slice(0, 20).map((id) => {
    const mine = items.flatMap((item, i) =>
      item.clusters.question === id && !item.negated ? [outcomes[i]!] : []
    );
    return mine.reduce((sum, { detail }) => sum + scales[0]!.weights[id]![detail.level as number]!, 0) /
      mine.length;
  });
  const mean = terms.reduce((a, b) => a + b) / 20;
  const sd = Math.sqrt(terms.reduce((sum, term) => sum + (term - mean) ** 2, 0) / 20) * Math.sqrt(20);
  assertAlmostEquals(value, 0.5 + 20 * mean, 1e-9);
  assertAlmostEquals((high - low) / (2 * 1.96 * sd), 1, 0.15);
});

Deno.test("scaleResults() pairs a treated model with the untouched one and with its controls", () => {
  const before = answersOf(items, opinionated(left, 0.2), "0");
  const after = answersOf(items, opinionated(right, 0.2), "0");
  const controls = new Map([["random", [{ outcomes: before }, { outcomes: after }]]]);
  const [untouched, treated, same] = [
    result(before),
    result(after, { before, controls }),
    result(before, { before }),
  ];
  treated.scales.forEach(({ estimate, difference, controls }, k) => {
    const change = estimate.value - untouched.scales[k]!.estimate.value;
    assertAlmostEquals(difference!.value, change, 1e-9);
    assert(difference!.low > 0 && difference!.high > difference!.low);
    const { value, difference: spread } = controls.random!;
    assertEquals([value.min, value.max, value.sets], [
      untouched.scales[k]!.estimate.value,
      estimate.value,
      2,
    ]);
    assertAlmostEquals(spread.mean, change / 2, 1e-9);
  });
  assertEquals(same.scales.map(({ difference }) => [difference!.low, difference!.high]), [[0, 0], [0, 0]]);
  assertEquals(untouched.scales[0]!.difference, undefined);
});

Deno.test("scaleResults() of part of the items says that nothing is known", () => {
  const few = items.slice(0, 1);
  const part = result(answersOf(few, random, "0"), { items: few });
  assertEquals([part.reacts, part.acquiescence.n], [false, 0]);
  assertMatch(part.reason, /No statement was asked both/);
  assertEquals(part.scales.map(({ estimate }) => [estimate.n, estimate.clusters]), [[1, 1], [0, 0]]);
});

Deno.test("scaleResults() gives the same for the same seed", () => {
  const outcomes = answersOf(items, opinionated(left, 0.4), "0");
  assertEquals(result(outcomes), result(outcomes));
});

Deno.test("scaleResults() refuses weights for other levels than a statement has", () => {
  const wrong = [{ ...scales[0]!, weights: { s0: [1, 2, 3] } }];
  assertThrows(
    () => result(answersOf(items, random, "0"), { scales: wrong }),
    UserError,
    "Cannot place the answers on x: statement s0 has 4 levels, wanted 3",
  );
});

Deno.test("scalesOf() refuses a benchmark whose evaluator gives no answers", () => {
  const benchmark = { name: "b", scales: () => scales } as unknown as Parameters<typeof scalesOf>[0];
  const { answer: _, ...deaf } = survey;
  assertThrows(() => scalesOf(benchmark, deaf, {}), UserError, "its evaluator survey has no answer()");
  assertEquals(scalesOf(benchmark, survey, {}).length, 2);
});

Deno.test("visitPermutations() draws every order equally often", () => {
  const counts = new Map<string, number>();
  visitPermutations(4, (order) => {
    const key = order.join("");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }, { seed: "orders", permutations: 24_000 });
  assertEquals(counts.size, 24);
  // chi-squared with 23 degrees of freedom: 49.7 is passed in one of a thousand seeds.
  const chi = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert(chi < 49.7, String(chi));
});

Deno.test("upperShare() counts the data among the permutations and forgives rounding", () => {
  assertEquals(upperShare(Float64Array.of(1, 2, 3), 2), 3 / 4);
  assertEquals(upperShare(Float64Array.of(1, 2, 3), 4), 1 / 4);
  assertEquals(upperShare(Float64Array.of(0.1 + 0.2), 0.3 + 1e-12), 1);
});
