/**
 * The 70 statements of 8values, placed on its four axes.
 *
 * With m_i in -1 (strongly disagree), -1/2, 0 (neutral or unsure), 1/2, 1 (strongly agree) the answer to statement i and e_i its effect on an
 * axis: value = 100 (max + sum_i m_i e_i) / (2 max), max = sum_i |e_i|: the percentage of equality, peace, liberty and progress.
 * Source of formula and effects: github.com/8values/8values.github.io (MIT), quiz.html and questions.js at commit 3971ed8.
 *
 * Deviations: m_i is read from log-probabilities (evaluator "survey") and averaged over wordings and orders of the answers, or over the
 * answers' probabilities; no ideology is matched, which the quiz itself calls unfinished.
 *
 * The statements are read from the user's data at run time: questions.js as the quiz has it, or its array as questions.json. A file whose
 * effects are others than those below is refused, since its statements are then others too.
 */
import { z } from "zod";
import {
  defineBenchmark,
  type FoundFile,
  jsonDocument,
  type Scale,
  type StatementItem,
  surveyItems,
  SurveyParams,
  UserError,
} from "../core/mod.ts";

const ANSWERS = ["Strongly disagree", "Disagree", "Neutral or unsure", "Agree", "Strongly agree"];
const AXES = ["econ", "dipl", "govt", "scty"] as const;

/** By statement, in the quiz's order: effect of agreement on equality, peace, liberty and progress. */
const EFFECTS: readonly (readonly [econ: number, dipl: number, govt: number, scty: number])[] = [
  [10, 0, -5, 0],
  [10, 0, 0, 0],
  [-10, 0, 0, 0],
  [-10, 0, 0, 0],
  [10, 0, 0, 10],
  [5, 0, -10, 0],
  [10, 0, 0, 0],
  [-10, 0, 0, 0],
  [10, 0, 0, 0],
  [-10, 0, 0, -5],
  [10, 0, 0, 0],
  [-10, 0, 0, 0],
  [-10, 0, 0, 0],
  [10, 0, 0, 5],
  [10, 0, 0, 0],
  [0, -10, -5, 0],
  [0, -10, -10, 0],
  [-5, 10, 10, 5],
  [0, -10, -5, 0],
  [0, 10, 0, 0],
  [0, 10, 0, 0],
  [0, -10, -10, 0],
  [0, 10, 10, 0],
  [-5, -10, 0, 0],
  [0, -10, 0, 0],
  [0, 10, 0, 10],
  [0, 10, 5, 0],
  [0, 5, -5, 0],
  [0, -5, -10, -10],
  [0, -10, -5, 0],
  [0, -5, -10, -5],
  [0, 0, -10, 0],
  [0, 0, 10, 0],
  [0, 0, -10, 0],
  [0, 0, -10, 0],
  [0, 0, 10, 0],
  [0, -10, -10, -5],
  [0, 0, 10, 5],
  [0, 0, -10, 0],
  [0, 0, 10, 0],
  [0, -10, -10, 0],
  [0, 0, 10, 0],
  [5, 0, 0, 10],
  [0, 0, 0, 10],
  [0, 0, -5, -10],
  [0, 0, 0, 10],
  [0, 0, -10, -10],
  [5, 0, 0, 10],
  [0, 0, 0, 10],
  [0, 10, 0, 10],
  [0, 0, 0, -10],
  [0, 0, 0, -10],
  [0, 0, 0, 10],
  [0, 0, 0, 10],
  [0, 0, 10, 2],
  [0, 0, 10, 10],
  [0, 10, 5, 10],
  [0, 0, -5, -10],
  [0, 0, -5, -10],
  [0, 0, -10, -10],
  [0, 0, -10, 0],
  [10, 0, 0, 0],
  [0, 0, -10, -10],
  [0, 0, 0, -10],
  [0, 0, 0, -10],
  [0, 0, 0, 10],
  [0, 10, 10, 0],
  [0, 10, 0, 0],
  [10, 10, 10, 10],
  [-10, -10, -10, -10],
];

const Row = z.strictObject({
  question: z.string().min(1),
  effect: z.strictObject({ econ: z.number(), dipl: z.number(), govt: z.number(), scty: z.number() }),
});

export default defineBenchmark({
  name: "eight_values",
  version: "1",
  title: "8values",
  licence: "MIT",
  source: "https://github.com/8values/8values.github.io",
  params: SurveyParams,
  evaluator: "survey",
  metric: () => "agreement",
  files: () => [{ key: "questions", names: ["questions.js", "questions.json"] }],
  load: ({ questions }, params): StatementItem[] =>
    surveyItems(
      rowsOf(questions!).map(({ question }, i) => ({ id: idOf(i), text: question })),
      ANSWERS,
      params,
    ),
  scales: () => [
    scale("econ", "Economic", ["wealth", "equality"]),
    scale("dipl", "Diplomatic", ["might", "peace"]),
    scale("govt", "Civil", ["authority", "liberty"]),
    scale("scty", "Societal", ["tradition", "progress"]),
  ],
});

/** "ev-01" for statement 0. */
function idOf(i: number): string {
  return `ev-${String(i + 1).padStart(2, "0")}`;
}

function scale(name: typeof AXES[number], title: string, ends: Scale["ends"]): Scale {
  const effects = EFFECTS.map((row) => row[AXES.indexOf(name)] as number);
  const max = effects.reduce((sum, effect) => sum + Math.abs(effect), 0);
  const multiples = ANSWERS.map((_, level) => level / 2 - 1);
  return {
    name,
    title,
    ends,
    range: [0, 100],
    digits: 1,
    offset: 50,
    weights: Object.fromEntries(
      effects.flatMap((effect, i) =>
        effect === 0 ? [] : [[idOf(i), multiples.map((multiple) => 50 * multiple * effect / max)]]
      ),
    ),
  };
}

/** The statements in the quiz's order. @throws {UserError} for a file of another version. */
function rowsOf(file: FoundFile): readonly z.output<typeof Row>[] {
  const text = file.path.endsWith(".js")
    ? file.text.replace(/^[^[]*/, "").replace(/\]\s*;?\s*$/, "]")
    : file.text;
  const rows = jsonDocument({ ...file, text }, z.array(Row));
  if (rows.length !== EFFECTS.length) {
    throw new UserError(
      `Cannot read ${file.path}: it has ${rows.length} statements, wanted the ${EFFECTS.length} of 8values at commit 3971ed8`,
    );
  }
  for (const [i, { effect }] of rows.entries()) {
    const axis = AXES.find((name, k) => effect[name] !== EFFECTS[i]?.[k]);
    if (axis === undefined) continue;
    throw new UserError(
      `Cannot read ${file.path}: statement ${i + 1} has effect ${effect[axis]} on ${axis}, wanted ${
        EFFECTS[i]?.[AXES.indexOf(axis)]
      } as in 8values at commit 3971ed8`,
    );
  }
  return rows;
}
