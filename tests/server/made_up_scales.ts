/** Questionnaires that never were asked: respondents of a known mind, placed by the real statistics. */
import type { BenchmarkRecord, CellResult, Results, RunStore, Scale } from "../../core/mod.ts";
import { sha256, surveyItems, SurveyParams } from "../../core/mod.ts";
import { scaleResults } from "../../core/scale_results.ts";
import { estimateMean } from "../../core/stats/mod.ts";
import { survey } from "../../plugins/stance/survey.ts";
import { acquiescent, answersOf, constant, opinionated, random, type Respondent } from "../respondents.ts";

const ids = Array.from({ length: 40 }, (_, i) => `s${i}`);
const side = (id: string, by: number) => Math.floor(Number(id.slice(1)) / by) % 2 === 0 ? 1 : -1;
const items = surveyItems(
  ids.map((id) => ({ id, text: `Made up: ${id}.` })),
  ["Strongly disagree", "Disagree", "Agree", "Strongly agree"],
  SurveyParams.parse({ wordings: [0] }),
);

function axis(title: string, ends: Scale["ends"], k: number, of: number): Scale {
  const own = ids.filter((_, i) => i % of === k);
  const [range, digits, offset] = of === 2 ? [[-10, 10], 2, 0.4] as const : [[0, 100], 1, 50] as const;
  const size = (range[1] - range[0]) / 2 / own.length;
  return {
    name: title.toLowerCase(),
    title,
    ends,
    range,
    digits,
    offset,
    weights: Object.fromEntries(
      own.map((id) => [id, [-1, -0.6, 0.4, 1].map((weight) => weight * size * side(id, of))]),
    ),
  };
}

const SCALES: Readonly<Record<string, readonly Scale[]>> = {
  compass: [
    axis("Economic", ["left", "right"], 0, 2),
    axis("Social", ["libertarian", "authoritarian"], 1, 2),
  ],
  values: [
    axis("Economic", ["wealth", "equality"], 0, 4),
    axis("Diplomatic", ["might", "peace"], 1, 4),
    axis("Civil", ["authority", "liberty"], 2, 4),
    axis("Societal", ["tradition", "progress"], 3, 4),
  ],
};

/** Of the map's first axis, and of the second. */
const mind = (first: 1 | -1, second: 1 | -1, of: number) => (id: string) =>
  side(id, of) * (Number(id.slice(1)) % 2 === 0 ? first : second) > 0 ? 3 : 0;

const RESPONDENTS = (of: number): Readonly<Record<string, Respondent>> => ({
  untouched: opinionated(mind(-1, -1, of), 0.3),
  steered: opinionated(mind(1, -1, of), 0.35),
  guessing: random,
  agreeable: acquiescent(0.1),
  stuck: constant(3),
});

/** A cell a respondent; "compass" has two axes, "values" four. */
export function scaledCellsOf(
  benchmark: "compass" | "values",
  model = "tiny-llama",
  hostile = "",
): CellResult[] {
  const scales = SCALES[benchmark]!, respondents = Object.entries(RESPONDENTS(scales.length));
  const outcomes = respondents.map(([name, respondent]) => answersOf(items, respondent, `${model}/${name}`));
  const shared = {
    benchmark: { scales, items, evaluator: survey },
    level: 0.95,
    resamples: 300,
    permutations: 2000,
  };
  const metric = { ...survey.metrics[0]! };
  return respondents.map(([treatment], i): CellResult => {
    const before = i === 0 ? undefined : outcomes[0]!;
    const controls = new Map(
      i === 1 ? [["random", [{ outcomes: outcomes[0]! }, { outcomes: outcomes[2]! }]]] : [],
    );
    const made = scaleResults(outcomes[i]!, { ...shared, before, controls, seed: treatment })!;
    return {
      model,
      benchmark: hostile + benchmark,
      treatment: i === 0 ? treatment : hostile + treatment,
      key: sha256(`${model}/${benchmark}/${treatment}`),
      n: items.length,
      primary: metric.name,
      metrics: [{
        metric,
        estimate: estimateMean(outcomes[i]!.map(({ values }) => values.agreement!), {
          binary: false,
          clusters: items.map((item) => item.clusters.question),
          seed: 0,
          resamples: 100,
        }),
      }],
      controls: [],
      scales: { ...made, reason: hostile + made.reason },
    };
  });
}

export function surveyRecord(benchmark: "compass" | "values", hostile = ""): BenchmarkRecord {
  return {
    label: hostile + benchmark,
    name: benchmark,
    version: "1",
    title: `${hostile}Made-up ${benchmark}`,
    licence: "CC0-1.0",
    source: "Plumbline",
    evaluator: { name: survey.name, version: survey.version },
    params: {},
    files: [],
    items: { original: items.length, effective: items.length },
    itemsHash: sha256(benchmark),
  };
}

/** Saves a run of both questionnaires. */
export function fillScales(store: RunStore, made: Results, hostile = ""): Results {
  const kinds = ["compass", "values"] as const;
  const results: Results = {
    ...made,
    id: `scales-${made.id}`,
    name: `${hostile}stances`,
    benchmarks: kinds.map((kind) => surveyRecord(kind, hostile)),
    cells: made.models.flatMap(({ label }) => kinds.flatMap((kind) => scaledCellsOf(kind, label, hostile))),
  };
  store.saveRun(results);
  return results;
}
