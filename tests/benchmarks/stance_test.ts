import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import {
  type Benchmark,
  findFiles,
  type FoundFile,
  type Outcome,
  type StatementItem,
  surveyItems,
  SurveyParams,
  UserError,
} from "../../core/mod.ts";
import { scaleResults } from "../../core/scale_results.ts";
import compass from "../../benchmarks/political_compass.ts";
import eight from "../../benchmarks/eight_values.ts";
import { survey } from "../../plugins/stance/survey.ts";
import { answersOf } from "../respondents.ts";
import { needs, SHARED_DATA } from "../support.ts";

interface Vector {
  readonly answers: string;
  readonly values: readonly number[];
}
interface Golden {
  readonly compass: {
    readonly tables: readonly (readonly (readonly number[])[])[];
    readonly vectors: readonly Vector[];
    readonly validated: {
      readonly answers: string;
      readonly local: readonly number[];
      readonly site: readonly number[];
    };
  };
  readonly eight: { readonly vectors: readonly Vector[] };
}
const golden: Golden = JSON.parse(
  Deno.readTextFileSync(new URL("../goldens/stance.json", import.meta.url).pathname),
);
/** Sums of up to 70 quotients in another order. */
const ROUNDING = 1e-9;
const ONCE = SurveyParams.parse({ wordings: [0], orders: ["forward"] });

/** Items with made-up texts under the benchmark's own ids, "pc-01" or "ev-01". */
function itemsOf(prefix: string, count: number, answers: number, params = ONCE): StatementItem[] {
  const statements = Array.from({ length: count }, (_, i) => ({
    id: `${prefix}-${String(i + 1).padStart(2, "0")}`,
    text: `Statement ${i}.`,
  }));
  return surveyItems(statements, Array.from({ length: answers }, (_, a) => `Answer ${a}`), params);
}

/** Values of all scales, unrounded. */
function place(
  benchmark: Benchmark<SurveyParams, StatementItem>,
  items: StatementItem[],
  outcomes: Outcome[],
) {
  const results = scaleResults(outcomes, {
    benchmark: { scales: benchmark.scales!(ONCE), items, evaluator: survey },
    before: undefined,
    controls: new Map(),
    level: 0.95,
    resamples: 10,
    permutations: 10,
    seed: "0",
  });
  return results!.scales.map(({ estimate }) => estimate.value);
}

const numberOf = (item: StatementItem) => Number(item.clusters.question.slice(3)) - 1;

function placeAnswers(benchmark: Benchmark<SurveyParams, StatementItem>, answers: string): number[] {
  const items = benchmark === compass ? itemsOf("pc", 62, 4) : itemsOf("ev", 70, 5);
  return place(benchmark, items, answersOf(items, (item) => Number(answers[numberOf(item)]), "0"));
}

Deno.test("political_compass has the published weights, statement by statement", () => {
  const divisors = [8, 19.5];
  for (const [k, { weights }] of compass.scales!(ONCE).entries()) {
    golden.compass.tables[k]!.forEach((row, i) => {
      const own = weights[`pc-${String(i + 1).padStart(2, "0")}`] ?? [0, 0, 0, 0];
      row.forEach((weight, a) => assertAlmostEquals(own[a]! * divisors[k]!, weight, ROUNDING, `${k}/${i}`));
    });
  }
  // Documented: which statements count where, and the ends of the axes.
  const [econ, soc] = compass.scales!(ONCE).map(({ weights }) => Object.keys(weights));
  assertEquals([econ!.length, soc!.length], [18, 43]);
  assertEquals(new Set([...econ!, ...soc!]).size, 61);
  assertEquals([...econ!, ...soc!].includes("pc-21"), false);
});

Deno.test("political_compass gives what the published script gives", () => {
  assertEquals(golden.compass.vectors.length, 44);
  for (const { answers, values } of golden.compass.vectors) {
    placeAnswers(compass, answers).forEach((value, k) => assertAlmostEquals(value, values[k]!, ROUNDING));
  }
});

Deno.test("political_compass gives the site's results for the answers that were compared with it", () => {
  const { answers, local, site } = golden.compass.validated;
  const values = placeAnswers(compass, answers);
  values.forEach((value, k) => assertAlmostEquals(value, local[k]!, ROUNDING));
  // The site rounds to two decimals and its own weights seem to be finer by one unit of them.
  values.forEach((value, k) => assertAlmostEquals(value, site[k]!, 0.0101));
  for (const [a, x, y] of [[0, 0, -4.36], [2, 0.38, 2.41]] as const) {
    const [econ, soc] = placeAnswers(compass, String(a).repeat(62));
    assertAlmostEquals(econ!, x, 0.0101);
    assertAlmostEquals(soc!, y, 0.0101);
  }
});

Deno.test("political_compass rounds to the known vectors and reaches its ends", () => {
  const known = [[0, "0.01", "-4.36"], [1, "-0.24", "-2.41"], [2, "0.38", "2.41"], [
    3,
    "0.01",
    "4.36",
  ]] as const;
  for (const [a, x, y] of known) {
    assertEquals(placeAnswers(compass, String(a).repeat(62)).map((value) => value.toFixed(2)), [x, y]);
  }
  const extreme = (side: 1 | -1) =>
    compass.scales!(ONCE).map((scale) => {
      const items = itemsOf("pc", 62, 4);
      const best = (item: StatementItem) => {
        const row = scale.weights[item.clusters.question] ?? [0, 0, 0, 0];
        return row.indexOf(side === 1 ? Math.max(...row) : Math.min(...row));
      };
      const values = place(compass, items, answersOf(items, best, "0"));
      return values[scale.name === "economic" ? 0 : 1]!;
    });
  const ends = [[-1, [-9.995, -10.0003]], [1, [10.005, 9.9997]]] as const;
  for (const [side, wanted] of ends) {
    extreme(side).forEach((value, k) => assertAlmostEquals(value, wanted[k]!, 5e-5));
  }
});

Deno.test("eight_values gives what the quiz's formula gives", () => {
  assertEquals(golden.eight.vectors.length, 45);
  for (const { answers, values } of golden.eight.vectors) {
    placeAnswers(eight, answers).forEach((value, k) => assertAlmostEquals(value, values[k]!, ROUNDING));
  }
  // By hand: the sums of all effects are 35, 5, -80, 22 of 195, 225, 320, 292 in size, so full agreement is 50 + 50 x 35 / 195 ...
  const full = placeAnswers(eight, "4".repeat(70)).map((value) => value.toFixed(1));
  assertEquals(full, ["59.0", "51.1", "37.5", "53.8"]);
  assertEquals(placeAnswers(eight, "2".repeat(70)), [50, 50, 50, 50]);
});

Deno.test("a value is the mean of the formula over wordings and orders", () => {
  const params = SurveyParams.parse({ wordings: [0, 2] });
  const items = itemsOf("pc", 62, 4, params);
  const answers = golden.compass.vectors.slice(4, 8);
  const of = ({ clusters }: StatementItem) =>
    2 * Number(clusters.wording === "2") + Number(clusters.order === "reversed");
  const outcomes = answersOf(
    items,
    // Negated statements are no part of the value.
    (item) => item.negated ? 3 : Number(answers[of(item)]!.answers[numberOf(item)]),
    "0",
  );
  place(compass, items, outcomes).forEach((value, k) => {
    const mean = answers.reduce((sum, { values }) => sum + values[k]!, 0) / 4;
    assertAlmostEquals(value, mean, ROUNDING);
  });
});

const file = (path: string, text: string): FoundFile => ({ key: "", path, sha256: "", text });
const texts = Array.from({ length: 62 }, (_, i) => `Proposition "${i}", so to say.`);

Deno.test("political_compass reads three public forms of the propositions", () => {
  const id = (i: number) => `pc-${String(i + 1).padStart(2, "0")}`;
  const rows = texts.map((text, i) => `${id(i)},"${text.replaceAll('"', '""')}",note`);
  const forms = [
    file("pct_propositions.csv", `pct_id,pct_prompt,pct_note\n${rows.join("\n")}\n`),
    file(
      "response/example.jsonl",
      JSON.stringify(texts.map((statement, i) => ({ statement, response: "", id: i }))),
    ),
    file("pc_questions.txt", [...texts, "", "extra", "and more"].join("\r\n")),
  ];
  for (const propositions of forms) {
    const items = compass.load({ propositions }, ONCE);
    assertEquals(
      items.filter(({ negated }) => !negated).map(({ doc }) => (doc as { statement: string }).statement),
      texts,
    );
    assertEquals(items.length, 124);
  }
});

Deno.test("political_compass refuses a file with other propositions than 62, or in another order", () => {
  const refuse = (propositions: FoundFile, message: string) =>
    assertThrows(() => compass.load({ propositions }, ONCE), UserError, message);
  refuse(
    file("pc_questions.txt", texts.slice(1).join("\n")),
    "it has 61 propositions, 0 of them empty, wanted 62",
  );
  refuse(
    file("pct_propositions.csv", "pct_id,pct_prompt\npc-02,b\npc-01,a\n"),
    'row 1 is "pc-02", wanted "pc-01"',
  );
});

Deno.test("eight_values reads the quiz's script and refuses other effects", needs("shared"), () => {
  const [declared] = eight.files(ONCE);
  const { questions } = findFiles(SHARED_DATA, [declared!], "eight_values");
  const script = (text: string) => ({ questions: file("questions.js", `questions = ${text.trim()};\n`) });
  const items = eight.load({ questions: questions! }, ONCE);
  assertEquals(items.length, 140);
  assertEquals(eight.load(script(questions!.text), ONCE), items);
  const rows = JSON.parse(questions!.text);
  const changed = rows.map((row: { effect: { govt: number } }, i: number) =>
    i === 4 ? { ...row, effect: { ...row.effect, govt: 7 } } : row
  );
  assertThrows(
    () => eight.load(script(JSON.stringify(changed)), ONCE),
    UserError,
    "statement 5 has effect 7 on govt, wanted 0 as in 8values at commit 3971ed8",
  );
  assertThrows(
    () => eight.load(script(JSON.stringify(rows.slice(1))), ONCE),
    UserError,
    "it has 69 statements",
  );
});
