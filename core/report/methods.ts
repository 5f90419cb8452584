/** How the numbers of a run were made, as sentences for a paper. All of it is in the results; nothing varies from run to run. */
import { disagreementSentences } from "../disagreement.ts";
import type { Estimate } from "../estimate.ts";
import type { BenchmarkRecord, CellResult, ModelRecord, Results } from "../results.ts";
import { count, counted, countText, figure, paramsText, shortHash } from "./format.ts";
import { primaryOf } from "./grid.ts";
import { levelText } from "./level.ts";
import { treatmentSentences } from "./methods_treatments.ts";

/** Paragraphs of plain text: models, data, treatments, statistics. */
export function methodsText(results: Results): string[] {
  return [
    [...modelSentences(results)],
    [...results.benchmarks.map((each) => benchmarkSentence(each, results)), ...roleSentences(results)],
    treatmentSentences(results),
    statisticsSentences(results),
  ].map((sentences) => sentences.join(" ")).filter((paragraph) => paragraph !== "");
}

function modelSentences(results: Results): string[] {
  const { models, engine, id, tokenBudget } = results;
  return [
    ...models.map((model) => {
      const { label, use, version, info } = model;
      const template = info.hash.chatTemplate;
      return `Model ${label} is a ${info.architecture} of ${countText(info.parameters)} parameters in ${
        counted(info.layers, "layer")
      }, ${revisionText(model)}, weights sha256 ${shortHash(info.hash.weights)}, tokenizer ${
        shortHash(info.hash.tokenizer)
      }, ${
        template === "" ? "without a chat template" : `chat template ${shortHash(template)}`
      }, run by ${use} ${version}.`;
    }),
    ...disagreementSentences(results),
    `The run ${id} was made with Plumbline ${engine.plumbline} on Deno ${engine.deno} and ${engine.runtime}, in batches of at most ${
      count(tokenBudget)
    } padded tokens.`,
  ];
}

/** The commit that a hub's name stands for; a folder on a disk has none. */
export function revisionOf({ params }: Pick<ModelRecord, "params">): string | undefined {
  return /@([0-9a-f]{40})\b/.exec(JSON.stringify(params))?.[1];
}

function revisionText(model: ModelRecord): string {
  const revision = revisionOf(model);
  return revision === undefined ? "read from a folder without a revision" : `revision ${revision}`;
}

function benchmarkSentence(each: BenchmarkRecord, { cells }: Results): string {
  const { label, title, version, licence, source, evaluator, params, files, items } = each;
  const estimate = cells.filter((cell) => cell.benchmark === label).map(primaryOf).find((metric) => metric)
    ?.estimate;
  const groups = estimate && estimate.clusters < estimate.n
    ? ` in ${counted(estimate.clusters, "independent group")}`
    : "";
  const data = files.map(({ name, sha256, expected }) =>
    `${name}, sha256 ${shortHash(sha256)}${
      expected !== null && expected !== sha256 ? ", not the version expected" : ""
    }`
  );
  const settings = paramsText(params);
  return `Benchmark ${label} (${title}, version ${version}, licence ${licence}, source ${source}${
    data.length > 0 ? `; data: ${data.join("; ")}` : ""
  }) gave ${count(items.effective)} of its ${counted(items.original, "item")}${groups}${
    settings === "" ? "" : `, with ${settings}`
  }, evaluated by ${evaluator.name} ${evaluator.version}${primaryText(cells, label)}.`;
}

function primaryText(cells: readonly CellResult[], label: string): string {
  const metric = cells.filter((cell) => cell.benchmark === label).map(primaryOf).find((each) => each)?.metric;
  return metric ? `; its primary metric is ${metric.name}, ${lower(metric.title)}` : "";
}

function roleSentences({ provenance }: Results): string[] {
  if (provenance === undefined) return [];
  const { reserved, meetings, unknown, allowLeakage } = provenance;
  const met = meetings.filter(({ exact, near }) => exact + near > 0);
  const apart = met.length === 0
    ? "none of them matches, exactly or nearly, an item that is known to have made or trained a treatment"
    : `${
      met.map(({ benchmark, treatment, exact, near, trained }) =>
        `${count(exact + near)} of ${benchmark} match items that ${
          trained ? "trained" : "made the units of"
        } ${treatment}`
      ).join(", ")
    }, which was allowed`;
  const kept = reserved.length === 0
    ? "No item reported on is kept by its benchmark to localise or to tune"
    : `${
      reserved.map(({ benchmark, items }) => `${counted(items, "item")} of ${benchmark}`).join(", ")
    } reported on ${
      reserved.length === 1 && reserved[0]?.items === 1 ? "is" : "are"
    } kept by the benchmark to localise or to tune${allowLeakage ? ", which was allowed" : ""}`;
  return [
    `${kept}; ${apart}${
      unknown.length > 0 ? `; what made the units of ${unknown.join(", ")} is not known` : ""
    }.`,
  ];
}

const METHODS: Readonly<Record<Estimate["method"], string>> = {
  wilson: "Wilson's score interval for a proportion of independent items, or of clusters that are all alike",
  score: "Tango's score interval for a paired difference of proportions",
  t: "Student's t",
  "cluster wilson":
    "Wilson's score interval with the effective number of items and Student's quantile, over clusters",
  "cluster score":
    "Tango's score interval with the effective number of pairs and Student's quantile, over clusters",
  "cluster t": "Student's t with the error (CR2) and the degrees of freedom of the clusters",
  "seeds t": "Student's t over seeds and clusters both",
  mover: "recovered from the intervals of two changes of different items (Zou and Donner)",
  bound: "an exact bound on the share of clusters that behave otherwise, where all clusters changed alike",
  constant: "none, all values being equal",
};

function statisticsSentences(results: Results): string[] {
  const { statistics, cells } = results;
  const metrics = cells.flatMap((cell) => cell.metrics);
  const used = (estimates: readonly (Estimate | undefined)[]) => {
    const counts = Map.groupBy(estimates.flatMap((each) => each ? [each.method] : []), (method) => method);
    return [...counts].map(([method, all]) => `${METHODS[method]} (${count(all.length)})`).join("; ");
  };
  const changes = metrics.map(({ difference }) => difference);
  const tests = changes.filter((difference) => difference?.mcnemar !== undefined).length;
  const flips = changes.filter((difference) => difference?.signFlip).length - tests;
  return [
    `Intervals are at ${levelText(results)}; a sign-flip test whose patterns are too many to count draws ${
      count(statistics.resamples)
    } of them, seed ${statistics.seed}.`,
    `Intervals of levels, with their number: ${used(metrics.map(({ estimate }) => estimate))}.`,
    ...(changes.some((each) => each)
      ? [`Differences are from the untouched model on the same items; their intervals: ${used(changes)}.`]
      : []),
    ...(tests > 0
      ? [
        `McNemar's exact test, two-sided, accompanies the ${
          count(tests)
        } of them on independent binary items.`,
      ]
      : []),
    ...(flips > 0
      ? [
        `The sign-flip test over groups of items, two-sided, accompanies the ${tests > 0 ? "other " : ""}${
          count(flips)
        }.`,
      ]
      : []),
    ...precisionSentences(results),
    ...(results.reportable ? [] : [
      `Only the first ${results.limit} items of each benchmark were used, so that no number may be quoted.`,
    ]),
  ];
}

/** What a difference would have to be to stand clear of its own interval: half the width of the intervals, smallest to largest. */
function precisionSentences({ cells }: Results): string[] {
  const widths = Map.groupBy(
    cells.flatMap((cell) => {
      const { metric, difference } = primaryOf(cell) ?? {};
      return metric && difference ? [{ metric, half: (difference.high - difference.low) / 2 }] : [];
    }),
    ({ metric }) => metric.binary ? "percentage points" : `of ${metric.name}`,
  );
  return [...widths].map(([unit, all]) => {
    const halves = all.map(({ half }) => half), metric = all[0]!.metric;
    const [from, to] = [Math.min(...halves), Math.max(...halves)].map((half) => figure(half, metric));
    return `Half the width of the intervals of primary differences is ${
      from === to ? to : `${from} to ${to}`
    } ${unit}.`;
  });
}

const lower = (text: string) => `${text[0]?.toLowerCase() ?? ""}${text.slice(1)}`;
