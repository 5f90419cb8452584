/** How the numbers of a run were made, as sentences for a paper. All of it is in the results; nothing varies from run to run. */
import type { Estimate } from "../estimate.ts";
import type { Json } from "../evaluator.ts";
import {
  type BenchmarkRecord,
  type CellResult,
  type GrownRecord,
  type ModelRecord,
  type Results,
  UNTOUCHED,
} from "../results.ts";
import { foundIn, foundName, foundText } from "./found.ts";
import { countText, figure } from "./format.ts";
import { primaryOf } from "./grid.ts";
import { levelText } from "./level.ts";

/** Hashes are cut to so many digits in prose; whole they stand in the record. */
const SHORT = 12;

/** Paragraphs of plain text: models, data, treatments, statistics. */
export function methodsText(results: Results): string[] {
  return [
    [...modelSentences(results)],
    [...results.benchmarks.map((each) => benchmarkSentence(each, results)), ...roleSentences(results)],
    treatmentSentences(results),
    statisticsSentences(results),
  ].map((sentences) => sentences.join(" ")).filter((paragraph) => paragraph !== "");
}

function modelSentences({ models, engine, id, tokenBudget }: Results): string[] {
  return [
    ...models.map((model) => {
      const { label, use, version, info } = model;
      const template = info.hash.chatTemplate;
      return `Model ${label} is a ${info.architecture} of ${countText(info.parameters)} parameters in ${
        counted(info.layers, "layer")
      }, ${revisionText(model)}, weights sha256 ${short(info.hash.weights)}, tokenizer ${
        short(info.hash.tokenizer)
      }, ${
        template === "" ? "without a chat template" : `chat template ${short(template)}`
      }, run by ${use} ${version}.`;
    }),
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
    `${name}, sha256 ${short(sha256)}${
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
    ? "none of them matches, exactly or nearly, an item that is known to have made a treatment's units"
    : `${
      met.map(({ benchmark, treatment, exact, near }) =>
        `${count(exact + near)} of ${benchmark} match items that made the units of ${treatment}`
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

function treatmentSentences(results: Results): string[] {
  const treated = results.treatments.filter(({ name }) => name !== UNTOUCHED);
  const found = foundIn(results);
  return treated.flatMap(({ name, arms, controls }) => {
    const mine = arms.filter(({ arm }) => arm === "treated");
    const units = [...new Set(mine.map((arm) => count(arm.units)))].join(" or ");
    const how = found.filter(({ treatment }) => treatment === name);
    return [
      `Treatment ${name} edits ${units} ${units === "1" ? "unit" : "units"}: ${
        editsText(mine[0]?.edits ?? [])
      }.`,
      ...(how.length === 0
        ? [`Its units are those that the matrix names.`]
        : how.map((each) =>
          `Units of ${foundName(each, results)}: ${
            foundText(each)
          }; scorer version ${each.record.scorer.version}, seed ${each.record.seed}.`
        )),
      controlsSentence(results, name, controls),
    ];
  });
}

interface ControlRecord {
  readonly use?: string;
  readonly match?: string;
  readonly sets?: number;
  readonly stopAt?: number;
  readonly exclude?: boolean;
  readonly pool?: Json;
  readonly text?: string;
  readonly score?: { readonly use?: string };
}

function controlsSentence({ cells, treatments }: Results, treatment: string, specs: Json): string {
  const of = cells.filter((cell) => cell.treatment === treatment);
  const labels = of[0]?.controls ?? [];
  if (labels.length === 0) return "It has no controls.";
  const list = Array.isArray(specs) ? specs as readonly ControlRecord[] : [];
  const grown = treatments.find(({ name }) => name === treatment)?.grown ?? [];
  const texts = labels.map(({ control }, i) => {
    const spec = list[i] ?? {};
    const drawn = of.map((cell) => cell.controls.find((each) => each.control === control)?.keys.length ?? 0);
    const [least, most] = [Math.min(...drawn), Math.max(...drawn)];
    const sets = least === most ? counted(most, "set") : `${least} to ${counted(most, "set")}`;
    switch (spec.use) {
      case "scored":
        return `${control}, the units that come first by ${
          spec.score?.use ?? "a score of their own"
        }, as many${spec.match === "tap" ? " in each tap" : ""} as are treated${left(spec)}`;
      case "identity":
        return `${control}, the treated units scaled by 1, which left every outcome as it was`;
      case "prompt":
        return `${control}, no edit, with ${JSON.stringify(spec.text)} before every prompt`;
      case "matchedDamage":
        return `${control}, ${sets} of units drawn at random${where(spec)}${
          left(spec)
        }, each grown until it cost as much as the treatment${
          grown.filter((each) => each.control === control).map((each) => `; ${grownText(each)}`).join("")
        }`;
      default:
        return `${control}, ${sets} of as many units drawn at random${where(spec)}${left(spec)}${
          spec.sets !== undefined && most < spec.sets || least < most
            ? `, up to ${spec.sets}, drawing ended for each benchmark once ${spec.stopAt} of them were as extreme as the treatment on either side`
            : ""
        }`;
    }
  });
  return `Its ${texts.length === 1 ? "control is" : "controls are"} ${texts.join("; and ")}.`;
}

/** "on plain_texts (loss) the treatment cost +0.210 and they +0.201 to +0.219, with 96 to 300 units". */
function grownText({ texts, metric, wanted, sets }: GrownRecord): string {
  const range = (values: readonly number[], text: (value: number) => string) => {
    const [from, to] = [Math.min(...values), Math.max(...values)].map(text);
    return from === to ? from : `${from} to ${to}`;
  };
  const cost = (value: number) => `${value < 0 ? "" : "+"}${value.toFixed(3)}`;
  return `on ${texts.label} (${metric}) the treatment cost ${cost(wanted)} and they ${
    range(sets.map((set) => set.cost), cost)
  }, with ${range(sets.map(({ units }) => units), count)} units`;
}

function where({ match, pool }: ControlRecord): string {
  if (match === "tap") return ", as many in each tap as are treated";
  if (pool !== undefined) return `, anywhere in ${JSON.stringify(pool)}`;
  return match === "uniform" ? ", anywhere in the same sites of all layers" : "";
}

function left({ exclude }: ControlRecord): string {
  return exclude === undefined ? "" : exclude ? ", treated units left out" : ", treated units among them";
}

/** What was done where: "scale 0 at 3 taps (layers.1.mlp.gate to layers.3.mlp.gate)". */
export function editsText(edits: Results["treatments"][number]["arms"][number]["edits"]): string {
  const ops = Map.groupBy(edits, ({ op, value }) => `${op} ${typeof value === "number" ? value : "by unit"}`);
  return [...ops].map(([op, list]) => {
    const taps = [...new Set(list.map(({ tap }) => tap))];
    return taps.length === 1
      ? `${op} at ${taps[0]}`
      : `${op} at ${taps.length} taps (${taps[0]} to ${taps.at(-1)})`;
  }).join(", ");
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

/** "topic food, part all". */
function paramsText(params: Json): string {
  if (typeof params !== "object" || params === null) return "";
  return Object.entries(params).map(([name, value]) =>
    `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`
  ).join(", ");
}

const short = (hash: string) => hash.slice(0, SHORT);
const lower = (text: string) => `${text[0]?.toLowerCase() ?? ""}${text.slice(1)}`;
const counted = (number: number, noun: string) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const count = (number: number) => number.toLocaleString("en");
