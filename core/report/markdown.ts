/** report.md: the table, every metric, and what it takes to make the numbers again. */
import type { CellResult, Results, SetRecord, TrainedRecord } from "../results.ts";
import { disagreementSentences } from "../disagreement.ts";
import { provenanceNotes } from "../provenance/notes.ts";
import { claimText, claimTitle, evidenceTexts, familiesText, gateTexts } from "./claims.ts";
import { areaText, curvedCells, curveHeading, curveRows, CURVES_NOTE } from "./curves.ts";
import { foundIn, foundName, foundText, unitsKind } from "./found.ts";
import { capital, countText, estimateText, metricText, pText, sizeText, spreadText } from "./format.ts";
import { gridsOf } from "./grid.ts";
import { legendText } from "./legend.ts";
import { labelledCells, labelRows, LABELS_NOTE } from "./labels.ts";
import { levelText } from "./level.ts";
import { limitations } from "./limitations.ts";
import { escape, rows } from "./markdown_rows.ts";
import { methodsText } from "./methods.ts";
import { editsText } from "./methods_treatments.ts";
import { testOf } from "./tests.ts";
import { OVERLAP_NOTE, overlapRows, placeRows } from "./unit_tables.ts";
import { acquiescenceText, scaledCells, SCALES_NOTE, scaleText, scaleTitle, verdictText } from "./scales.ts";

/** The whole file. Nothing that varies from run to run is in it. */
export function reportMarkdown(results: Results): string {
  const grids = gridsOf(results);
  const parts = [
    `# ${escape(results.name)}`,
    results.reportable
      ? ""
      : `**Not reportable: only the first ${results.limit} items of each benchmark were used (\`--limit\`).**`,
    ...[...gateTexts(results), ...provenanceNotes(results)].map((note) => `**${escape(note)}.**`),
    ...grids.flatMap((grid) => [
      `## Model ${escape(grid.model)}`,
      rows([
        ["Benchmark", "n", ...grid.columns],
        ...grid.rows.map((row) => [
          `${row.benchmark} (${row.metric})`,
          row.n,
          ...row.cells.map((cell) => cell.lines.map((line) => line.trim()).join("\n")),
        ]),
      ]),
    ]),
    `In each cell the level, below it what changed; ${
      escape(legendText(grids, { results, groups: "in brackets" }))
    }.`,
    ...claimsParts(results),
    ...curvesParts(results),
    ...scalesParts(results),
    ...(labelledCells(results).length > 0 ? ["## Labels", rows(labelRows(results)), `${LABELS_NOTE}.`] : []),
    ...unitsParts(results),
    "## Every metric",
    everyMetric(results),
    "## Methods",
    ...methodsText(results).map(escape),
    "## Limitations",
    limitations(results).map((each) => `- ${escape(each)}.`).join("\n"),
    "## Record",
    record(results),
  ];
  return parts.filter((part) => part !== "").join("\n\n") + "\n";
}

/** A row a hypothesis and model. */
function claimsParts(results: Results): string[] {
  const judged = results.hypotheses?.judged ?? [];
  if (judged.length === 0) return [];
  const lines = judged.map((each) => [
    claimTitle(each, results),
    claimText(each),
    each.verdict,
    evidenceTexts(each).join("\n"),
  ]);
  return [
    "## Hypotheses",
    rows([["Hypothesis", "Claim", "Verdict", "Evidence"], ...lines]),
    `Sha256 of the hypotheses: \`${results.hypotheses?.hash}\`. ${familiesText(results)}`,
  ];
}

/** A table a curve. */
function curvesParts(results: Results): string[] {
  const curves = curvedCells(results);
  if (curves.length === 0) return [];
  return [
    "## Curves",
    ...curves.flatMap((each) => [
      `${escape(curveHeading(each, results))}: ${areaText(each)}.`,
      rows(curveRows(each)),
    ]),
    `${capital(CURVES_NOTE)}.`,
  ];
}

/** A row a scale; what is said of the cell as a whole stands below its first. */
function scalesParts(results: Results): string[] {
  const cells = scaledCells(results);
  if (cells.length === 0) return [];
  const lines = cells.flatMap(({ model, benchmark, treatment, scales }) =>
    scales.scales.map((scale, i) => [
      model,
      benchmark,
      treatment,
      scaleTitle(scale),
      scaleText(scale).replaceAll("; ", "\n"),
      i === 0 ? `${verdictText(scales)}\n${acquiescenceText(scales)}.` : "",
    ])
  );
  return [
    "## Scales",
    rows([["Model", "Benchmark", "Treatment", "Axis", "Value", "Verdict"], ...lines]),
    `${capital(SCALES_NOTE)}.`,
  ];
}

/** Where found units are, and what their sets share. */
function unitsParts(results: Results): string[] {
  const places = placeRows(results), overlaps = overlapRows(results);
  if (places.length === 0) return [];
  const kind = unitsKind(foundIn(results).map(({ record }) => record));
  return [
    `## ${capital(kind)}`,
    "Units selected, layer by layer.",
    rows(places),
    ...(overlaps.length === 0
      ? []
      : ["What sets share, beside what chance would.", rows(overlaps), `${OVERLAP_NOTE}.`]),
  ];
}

/** A column that no cell has anything in is left out. */
function everyMetric({ cells }: Results): string {
  const head = [
    "Model",
    "Benchmark",
    "Treatment",
    "Metric",
    "n (groups)",
    "Level",
    "Difference",
    "Parts",
    "Rose / fell",
    "p, sign flip",
    "p, t over seeds",
    "p, McNemar",
    "Controls: difference",
  ];
  const lines = cells.flatMap((cell) =>
    cell.metrics.map(({ metric, estimate, difference, parts }) => [
      cell.model,
      cell.benchmark,
      cell.treatment,
      metricText(metric),
      sizeText(estimate),
      estimateText(estimate, metric),
      difference ? estimateText(difference, metric, true) : "",
      Object.entries(parts ?? {}).map(([part, each]) => `${part} ${estimateText(each, metric, true)}`).join(
        ", ",
      ),
      difference ? `${difference.rose} / ${difference.fell}` : "",
      difference?.signFlip === undefined ? "" : pText(difference.signFlip.p),
      difference?.method === "seeds t" ? pText(testOf(difference)!.p) : "",
      difference?.mcnemar === undefined ? "" : pText(difference.mcnemar),
      controlText(cell, metric.name),
    ])
  );
  const kept = head.map((_, column) => lines.some((line) => line[column] !== ""));
  return rows([head, ...lines].map((line) => line.filter((_, column) => kept[column])));
}

function controlText(cell: CellResult, name: string): string {
  const metric = cell.metrics.find((each) => each.metric.name === name)?.metric;
  if (!metric) return "";
  return cell.controls.flatMap(({ control, metrics }) => {
    const spreads = metrics[name];
    return spreads ? [`${control}: ${spreadText(spreads.difference, metric, true)}`] : [];
  }).join("\n");
}

function record(results: Results): string {
  const { id, engine, models, benchmarks, treatments, tokenBudget } = results;
  const isSeeded = results.cells.some(({ seeds }) => seeds);
  return [
    `- Run \`${id}\`: Plumbline ${engine.plumbline}, Deno ${engine.deno}, ${engine.runtime}.`,
    `- Intervals: ${
      levelText(results)
    }. Proportions: Wilson; paired differences of proportions: Tango's score interval; other metrics: Student's t. Where items ` +
    `share a question, each with the error (CR2) and the degrees of freedom of these clusters. Where all clusters are alike, Wilson counts one as ` +
    `an observation; where all changed alike, an exact bound on the share of others.` +
    (isSeeded ? " Under several seeds of a training: Student's t over seeds and clusters." : ""),
    ...testsRecord(results),
    ...models.map(({ label, use, info }) =>
      `- Model ${escape(label)} (${use}): ${info.architecture}, ${
        countText(info.parameters)
      } parameters, ${info.layers} layers; sha256 of ` +
      `weights \`${info.hash.weights}\`, tokenizer \`${info.hash.tokenizer}\`, chat template \`${
        info.hash.chatTemplate || "none"
      }\`, ` +
      `config \`${info.hash.config}\`.`
    ),
    ...disagreementSentences(results).map((sentence) => `- ${escape(sentence)}`),
    ...benchmarks.map((each) =>
      `- Benchmark ${escape(each.label)}: ${escape(each.title)}, version ${each.version}, licence ${
        escape(each.licence)
      }, source ${each.source}; ` +
      `evaluator ${each.evaluator.name} ${each.evaluator.version}; params \`${
        JSON.stringify(each.params)
      }\`; ` +
      `${each.items.effective} of ${each.items.original} items, sha256 \`${each.itemsHash}\`` +
      each.files.map((file) => `; ${escape(file.name)} sha256 \`${file.sha256}\`${hashNote(file)}`).join("") +
      "."
    ),
    ...treatments.filter(({ arms }) => arms.some((arm) => arm.units > 0)).map(({ name, arms, controls }) =>
      `- Treatment ${escape(name)}: ${
        [...new Set(arms.filter((arm) => arm.arm === "treated").map((arm) => arm.units))].join(" or ")
      } ` +
      `units edited, ${arms.filter((arm) => arm.arm !== "treated").length} control sets; ${
        editsText(arms.find(({ arm }) => arm === "treated")?.edits ?? [])
      }; ` +
      `controls \`${JSON.stringify(controls)}\`.`
    ),
    ...treatments.flatMap(({ name, controls, opened = [] }) =>
      opened.map((each) =>
        `- Treatment ${escape(name)} opens ${escape(each.model)} as ${escape(each.opened.label)}: params \`${
          JSON.stringify(each.opened.params)
        }\`, config \`${each.opened.info.hash.config}\`; controls \`${JSON.stringify(controls)}\`.`
      )
    ),
    ...treatments.flatMap(({ name, controls, trained = [] }) =>
      trained.length === 0 ? [] : [
        `- Treatment ${escape(name)} trains; controls \`${JSON.stringify(controls)}\`.`,
        ...trained.map((each) => trainedRecord(name, each)),
      ]
    ),
    ...foundIn(results).map((found) => {
      const { scorer, seed, sets, key } = found.record;
      const items = setsRecord(sets);
      return `- Units of ${escape(foundName(found, results))}: ${escape(foundText(found))}. Scorer ${
        escape(scorer.name)
      } ${scorer.version} (${escape(scorer.source)}), params \`${JSON.stringify(scorer.params)}\`, ` +
        `seed ${seed}${items.join("")}; scores \`${key}\`.`;
    }),
    `- Metrics: ${metricsText(results)}.${partsText(results)}`,
    `- Batches of at most ${tokenBudget} padded tokens.`,
  ].join("\n");
}

/** One training, whole. */
function trainedRecord(
  treatment: string,
  { model, arm, tuner, seed, answers, sets, examples, leftOut, steps, finalLoss, delta, key }: TrainedRecord,
): string {
  return `- Training ${escape(treatment)} (${escape(arm)}) of ${escape(model)}: ${
    escape(tuner.name)
  } ${tuner.version} (${escape(tuner.source)}), params \`${
    JSON.stringify(tuner.params)
  }\`, seed ${seed}, ${answers} answers${
    setsRecord(sets).join("")
  }; ${examples} examples, ${leftOut} left out, ${steps} updates, last loss ${
    finalLoss ?? "unknown"
  }; delta \`${delta}\`, key \`${key}\`.`;
}

/** Items of each set, as records end. */
function setsRecord(sets: Readonly<Record<string, SetRecord>>): string[] {
  return Object.entries(sets).map(([name, set]) =>
    `; ${name}: ${escape(set.name)} ${set.version}, params \`${JSON.stringify(set.params)}\`, ` +
    `${set.items.effective} of ${set.items.original} items, sha256 \`${set.itemsHash}\``
  );
}

function testsRecord({ cells, statistics: { resamples, seed } }: Results): string[] {
  const changes = cells.flatMap((cell) => cell.metrics.flatMap(({ difference }) => difference ?? []));
  if (changes.length === 0) return [];
  const isExact = changes.some(({ mcnemar }) => mcnemar !== undefined);
  return [
    `- p-values: two-sided. Sign flip: over clusters, all patterns of signs, or ${
      resamples.toLocaleString("en")
    } draws where that is too many, seed ${seed}.${
      isExact ? " McNemar: exact, independent items only; shown in place of the sign flip where it is." : ""
    }`,
  ];
}

function metricsText({ cells }: Results): string {
  const titles = new Map(
    cells.flatMap((cell) => cell.metrics.map(({ metric }) => [metric.name, metric.title])),
  );
  return [...titles].map(([name, title]) => `${escape(name)}: ${escape(title.toLowerCase())}`).join("; ");
}

function partsText({ cells }: Results): string {
  const isSplit = cells.some((cell) => cell.metrics.some(({ parts }) => parts?.validity && parts.ability));
  return isSplit
    ? " Parts: validity: the part of a difference from giving one of the answers at all; ability: the part from giving the right one; " +
      "they sum to the difference."
    : "";
}

function hashNote({ sha256, expected }: Results["benchmarks"][number]["files"][number]): string {
  return expected === null || expected === sha256 ? "" : ` (the benchmark was written for \`${expected}\`)`;
}
