/** A forecast as lines for the terminal. */
import { countText } from "../report/format.ts";
import { leftOutText } from "../report/limitations.ts";
import { fold } from "../report/table.ts";
import { TEST } from "./detectable.ts";
import { mbText } from "./memory.ts";
import type { Detectable, Forecast, HypothesisForecast, ModelForecast } from "./mod.ts";
import { WRITING } from "./rates.ts";
import { capital, columns, durationText, indented, numberText, shortText } from "./text.ts";

export interface PrintOptions {
  /** Bold and dim text. */
  readonly colour: boolean;
  /** Characters a line may have; long names are cut to fit. */
  readonly width: number;
}

/** Lines of text without a line end. */
export function forecastLines(forecast: Forecast, { colour, width }: PrintOptions): string[] {
  const bold = (text: string) => colour ? `\x1b[1m${text}\x1b[22m` : text;
  const section = (title: string, lines: readonly string[]) =>
    lines.length > 0 ? ["", bold(title), ...lines] : [];
  const { models, benchmarks, hypotheses, gates, id, limit, trains } = forecast;
  const sentence = `Plan of run ${id}; nothing was computed or written${
    limit === null ? "" : `; only the first ${limit} items of each benchmark (--limit), not reportable`
  }`;
  return [
    ...fold(sentence, width),
    ...[...leftOutText(forecast), ...gates.map(gateText)].flatMap((note) => fold(note, width)),
    ...models.flatMap((model) => section(titleOf(model), cellsTable(model, width))),
    ...section("Time", timeLines(models, width)),
    ...section("Memory, at its peak", memoryLines(models, width)),
    ...section(
      `Smallest change that would be found (power ${100 * TEST.power} %, paired t test, two-sided, level ${
        100 * TEST.level
      } %)`,
      benchmarkLines(benchmarks, width),
    ),
    ...section(
      `Items that the hypotheses need (power ${100 * TEST.power} %)`,
      hypothesisLines(hypotheses, width),
    ),
    ...trains ? ["", ...fold("What a training's seeds vary by is in none of these.", width)] : [],
  ];
}

/** "Run only where the untouched model reaches 0.35 exact_match on blend, and counted whole here: general silenced". */
function gateText({ benchmark, metric, atLeast, treatments }: Forecast["gates"][number]): string {
  return `Run only where the untouched model reaches ${atLeast} ${metric} on ${benchmark}, and counted whole here: ${
    treatments.join(", ")
  }`;
}

function titleOf({ label, architecture, parameters }: ModelForecast): string {
  return `Model ${label} (${architecture}, ${countText(parameters)} parameters)`;
}

function cellsTable(model: ModelForecast, width: number): string[] {
  const { benchmarks, scoring, sharing, draws } = model;
  const total = (of: (each: ModelForecast["benchmarks"][number]) => number) =>
    benchmarks.reduce((sum, each) => sum + of(each), 0);
  const written = total((each) => each.written ?? 0);
  const rows = benchmarks.map((each) => [
    each.benchmark,
    ...[each.tokensPerCell, each.cells, each.complete, each.partial, each.partial + each.fresh, each.tokens]
      .map(numberText),
  ]);
  const all = [
    "all",
    "",
    ...[
      total(({ cells }) => cells),
      total(({ complete }) => complete),
      total(({ partial }) => partial),
      total(({ partial, fresh }) => partial + fresh),
      total(({ tokens }) => tokens),
    ].map(numberText),
  ];
  const head = ["Benchmark", "tokens a cell", "cells", "stored", "begun", "to compute", "tokens left"];
  return [
    ...columns([head, ...rows, ...(rows.length > 1 ? [all] : [])], width),
    ...scoring.flatMap((each) => indented(scoringText(each), width)),
    ...(draws && total(({ partial, fresh }) => partial + fresh) > 0
      ? indented(
        "Random sets are all counted; once it is decided how a treatment stands among them, no more are computed",
        width,
      )
      : []),
    ...indented(
      sharing
        ? "Tokens of the encoded prompts and answers, what prompts share counted once, as they are batched"
        : "Tokens of the encoded prompts and answers; the backend does not say what it shares, so nothing is",
      width,
    ),
    ...(written > 0
      ? indented(
        `At most ${
          numberText(written)
        } of them are written by the model one after another, each counted as long as ${WRITING} that are scored`,
        width,
      )
      : []),
  ];
}

function scoringText(
  { scorer, grows, trains, stored, samples, forwardTokens, gradientTokens }: ModelForecast["scoring"][number],
) {
  const parts = [
    ...(forwardTokens > 0 ? [`${numberText(forwardTokens)} tokens forward`] : []),
    ...(gradientTokens > 0 ? [`${numberText(gradientTokens)} tokens forward and backward`] : []),
  ];
  const state = stored
    ? "stored"
    : parts.length > 0
    ? `${parts.join(" and ")} to compute`
    : "no tokens to compute";
  if (grows) return `Sizes of the sets of ${scorer}: ${stored ? state : `about ${state}`}`;
  if (trains) {
    return `Training of ${scorer}: ${numberText(samples)} example${samples === 1 ? "" : "s"}, ${state}`;
  }
  return `Scores of units by ${scorer}: ${numberText(samples)} ${
    samples === 1 ? "sample" : "samples"
  }, ${state}`;
}

function timeLines(models: readonly ModelForecast[], width: number): string[] {
  const total = models.reduce((sum, { seconds }) => sum + seconds, 0);
  return [
    ...models.flatMap(({ label, seconds, forwardTokens, gradientTokens, rate, gradientRate }) => {
      const forward = `${numberText(forwardTokens)} tokens at ${
        numberText(rate.value)
      } a second (${rate.source})`;
      const backward = `${numberText(gradientTokens)} tokens at ${
        numberText(gradientRate.value)
      } a second forward and backward (${gradientRate.source})`;
      const work = [...(forwardTokens > 0 ? [forward] : []), ...(gradientTokens > 0 ? [backward] : [])];
      if (work.length === 0) return indented(`${label}: nothing to compute, all is stored`, width);
      return indented(`${label}: ${durationText(seconds)} for ${work.join(" and ")}`, width);
    }),
    ...(models.length > 1 ? indented(`all: ${durationText(total)}`, width) : []),
  ];
}

function memoryLines(models: readonly ModelForecast[], width: number): string[] {
  return models.filter(({ forwardTokens, gradientTokens }) => forwardTokens + gradientTokens > 0)
    .flatMap(({ label, memoryMb }) =>
      indented(`${label}: ${mbText(memoryMb.value)} (${memoryMb.source})`, width)
    );
}

function benchmarkLines(benchmarks: readonly Detectable[], width: number): string[] {
  const head = ["Benchmark", "items", "clusters", "change"];
  const rows = benchmarks.map(({ benchmark, items, clusters, metric, unit, change }) => [
    benchmark,
    numberText(items),
    numberText(clusters),
    change === undefined
      ? "none: fewer than two clusters"
      : unit === "proportion"
      ? `${(100 * change.value).toFixed(1)} points of ${metric}`
      : `${change.value.toFixed(2)} standard deviations of a change of ${metric}`,
  ]);
  const sourced = benchmarks.flatMap(({ benchmark, change }) =>
    change ? [{ name: benchmark, source: change.source }] : []
  );
  return [...columns([head, ...rows], width, true), ...sourceLines(sourced, width)];
}

/** Each source once, with the names that it holds for where these are not all. */
function sourceLines(
  all: readonly { readonly name: string; readonly source: string }[],
  width: number,
): string[] {
  const sourced = all.filter(({ source }) => source !== "");
  const bySource = Map.groupBy(sourced, ({ source }) => source);
  return [...bySource].flatMap(([source, group]) =>
    indented(
      group.length === sourced.length
        ? capital(source)
        : `${group.map(({ name }) => name).join(", ")}: ${source}`,
      width,
    )
  );
}

function hypothesisLines(hypotheses: readonly HypothesisForecast[], width: number): string[] {
  if (hypotheses.length === 0) return [];
  const rows = hypotheses.map(({ name, metric, margin, items, clusters, needed, ...rest }) => [
    name,
    margin === undefined ? "none" : metric.binary ? changeText(margin, metric) : shortText(margin),
    sizeText({ items, clusters }),
    needed === undefined ? "" : sizeText(needed),
    verdictText({ items, needed, metric, ...rest }),
  ]);
  const guards = hypotheses.some(({ guard }) => guard), effects = hypotheses.some(({ guard }) => !guard);
  const levels = [...Map.groupBy(hypotheses, ({ family }) => family)].map(([family, [first]]) =>
    `${family} ${shortText(100 * first!.alpha)} %`
  );
  const notes = [
    "In brackets the clusters; t test over clusters, one-sided unless either direction counts" +
    (effects ? "; an effect is to be found where it is as large as its margin" : "") +
    (guards ? "; a guard is to be shown where nothing changes" : ""),
    `Level: ${
      shortText(100 * (1 - TEST.level))
    } % over the number of hypotheses of the family on all models, the strictest step of its correction: ${
      levels.join(", ")
    }`,
    ...hypotheses.filter(({ sets }) => sets && sets.count < sets.needed).map(({ name, sets, alpha }) =>
      `${name}: among ${sets!.count} control sets no p is as small as ${shortText(alpha)}, it takes ${
        numberText(sets!.needed)
      } sets`
    ),
  ];
  return [
    ...columns([["Hypothesis", "margin", "items", "needed", "verdict"], ...rows], width, true),
    ...notes.flatMap((note) => indented(note, width)),
    ...sourceLines(hypotheses, width),
  ];
}

function verdictText(
  { items, needed, change, unknown, metric, sets }:
    & Pick<
      HypothesisForecast,
      "items" | "change" | "unknown" | "metric" | "sets"
    >
    & { readonly needed: HypothesisForecast["needed"] },
): string {
  const few = sets && sets.count < sets.needed ? ["sets"] : [];
  if (needed) {
    const all = [...(items < needed.items ? ["items"] : []), ...few];
    return all.length === 0 ? "enough" : `too few ${all.join(" and ")}`;
  }
  const found = change === undefined
    ? `unknown: ${unknown}`
    : change.unit === "sd"
    ? `finds ${change.value.toFixed(2)} standard deviations`
    : `finds ${changeText(change.value, metric)}`;
  return [found, ...few.map((each) => `too few ${each}`)].join(", ");
}

/** "12.3 points", "0.25 gold_logprob". */
function changeText(value: number, { binary, name }: HypothesisForecast["metric"]): string {
  return binary ? `${shortText(100 * value)} points` : `${shortText(value)} ${name}`;
}

/** "1,580 (395)"; a number alone where items are independent. */
function sizeText({ items, clusters }: { readonly items: number; readonly clusters: number }): string {
  return clusters < items ? `${numberText(items)} (${numberText(clusters)})` : numberText(items);
}
