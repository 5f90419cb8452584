/** One run: its matrix as a heat map, and how the numbers were made. */
import {
  type CellResult,
  gateTexts,
  hasLeak,
  leakOf,
  leftOutText,
  type MetricResult,
  provenanceNotes,
  type Results,
  UNTOUCHED,
} from "../../core/mod.ts";
import { count, duration, level, minute, signed, signedInterval, STEPS, tint } from "../format.ts";
import { Claims } from "./claims.tsx";
import { Layout } from "./layout.tsx";
import { Methods } from "./methods.tsx";
import { operations } from "./treatments.tsx";
import { axis, Bar, cellPath, Change, Leak, Level, NotReportable } from "./parts.tsx";
import { Scales } from "./scales.tsx";

/** A table for each model, the scale that colours them, then the methods. */
export function RunPage({ results }: { readonly results: Results }) {
  // What computing took, of the run that did it where this one found all in the store.
  const { run } = results, computed = run.measured ?? run;
  return (
    <Layout title={`${results.name} · Plumbline`} json={`/api/runs/${encodeURIComponent(results.id)}`}>
      <h1>{results.name} {!results.reportable && <NotReportable />} {hasLeak(results) && <Leak />}</h1>
      <p class="meta">
        <time datetime={run.startedAt}>{minute(run.startedAt)}</time>
        <span>{duration(run.elapsedMs)}</span>
        <span>{run.computedCells} cells computed, {run.reusedCells} reused</span>
        <span>{count(computed.tokens)} tokens, {count(computed.tokensPerSecond)} a second</span>
        <code>{results.id}</code>
      </p>
      {!results.reportable && (
        <p class="note">
          Run under{" "}
          <code>--limit{results.limit === null ? "" : ` ${results.limit}`}</code>: a look at the machinery, on
          part of the data. These numbers must not be quoted.
        </p>
      )}
      {[...leftOutText(results), ...gateTexts(results), ...provenanceNotes(results)].map((note) => (
        <p class="note">{note}.</p>
      ))}
      {results.models.map((model, at) => (
        <HeatMap
          results={results}
          model={model.label}
          id={`model-${at}`}
        />
      ))}
      <Legend results={results} />
      <Claims results={results} />
      <Scales results={results} />
      <Methods results={results} />
    </Layout>
  );
}

interface HeatMapProps {
  readonly results: Results;
  readonly model: string;
  readonly id: string;
}

function HeatMap({ results, model, id }: HeatMapProps) {
  const cells = results.cells.filter((cell) => cell.model === model);
  const treatments = columns(results, cells);
  const benchmarks = [
    ...new Set([...results.benchmarks.map(({ label }) => label), ...cells.map((c) => c.benchmark)]),
  ]
    .filter((label) => cells.some((cell) => cell.benchmark === label));
  if (cells.length === 0) return <p class="note">No cell of {model} is in this run.</p>;
  return (
    <div class="scroll" tabindex={0} role="region" aria-labelledby={id}>
      <table class="heat">
        <caption id={id}>
          <span>
            {model}: estimate with its{" "}
            {results.statistics.level * 100}&nbsp;% interval, and the paired difference from the untouched
            model
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Benchmark</th>
            {treatments.map((treatment) => (
              <th scope="col">
                {treatment}
                <Doing results={results} model={model} treatment={treatment} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {benchmarks.map((label) => (
            <Row
              results={results}
              label={label}
              treatments={treatments}
              cells={cells.filter((cell) => cell.benchmark === label)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Under a treatment's name, what its own arm does to how many units, or how often it is trained by what. */
function Doing({ results, model, treatment }: Omit<HeatMapProps, "id"> & { readonly treatment: string }) {
  if (treatment === UNTOUCHED) return <span class="sub">no edits</span>;
  const { arms = [], trained = [] } = results.treatments.find(({ name }) => name === treatment) ?? {};
  const own = trained.filter((each) => each.model === model && /^(treated|seed .*)$/.test(each.arm));
  if (own.length > 0) {
    return (
      <span class="sub">
        trained by {own[0]?.tuner.name}, {own.length} {own.length === 1 ? "seed" : "seeds"}
      </span>
    );
  }
  const arm = arms.find((each) => each.arm === "treated" && (each.model ?? model) === model);
  if (!arm || arm.edits.length === 0) return null;
  return (
    <span class="sub">{count(arm.units)} {arm.units === 1 ? "unit" : "units"}, {operations(arm.edits)}</span>
  );
}

/** Treatments that have cells, the untouched model first, the rest in the order of the matrix. */
function columns(results: Results, cells: readonly CellResult[]): readonly string[] {
  const present = new Set(cells.map((cell) => cell.treatment));
  const order = [UNTOUCHED, ...results.treatments.map(({ name }) => name), ...present];
  return [...new Set(order)].filter((name) => present.has(name));
}

interface RowProps {
  readonly results: Results;
  readonly label: string;
  readonly treatments: readonly string[];
  readonly cells: readonly CellResult[];
}

function Row({ results, label, treatments, cells }: RowProps) {
  const primaries = cells.flatMap((cell) => primary(cell) ?? []);
  const range = axis(primaries, cells.flatMap((cell) => cell.controls));
  const untouched = cells.find((cell) => cell.treatment === UNTOUCHED);
  const changes = primaries.map((each) => Math.abs(each.difference?.value ?? 0));
  const record = results.benchmarks.find((each) => each.label === label);
  const metric = primaries[0]?.metric;
  return (
    <tr>
      <th scope="row">
        {label}
        {record && record.title !== label && <span class="sub">{record.title}</span>}
        {metric && <span class="sub">{metric.title}{metric.higherIsBetter ? "" : ", lower is better"}</span>}
      </th>
      {treatments.map((treatment) => {
        const cell = cells.find((each) => each.treatment === treatment);
        return cell
          ? (
            <Cell
              href={cellPath(results.id, cell.key)}
              cell={cell}
              leak={leakOf(results, cell)}
              range={range}
              scale={metric?.binary ? 1 : Math.max(...changes)}
              untouched={untouched && primary(untouched)?.estimate.value}
            />
          )
          : <td class="cell missing">not run</td>;
      })}
    </tr>
  );
}

/** The result that a table shows. */
export function primary(cell: CellResult): MetricResult | undefined {
  return cell.metrics.find((each) => each.metric.name === cell.primary) ?? cell.metrics[0];
}

interface CellProps {
  readonly href: string;
  readonly cell: CellResult;
  /** That its items made what it shows. */
  readonly leak: string | undefined;
  readonly range: readonly [number, number];
  /** Size of a change at the end of the colour scale. */
  readonly scale: number;
  readonly untouched: number | undefined;
}

function Cell({ href, cell, leak, range, scale, untouched }: CellProps) {
  const result = primary(cell);
  if (!result) return <td class="cell missing">no metric</td>;
  const { metric, estimate, difference, parts = {} } = result;
  const { binary } = metric;
  return (
    <td class={`cell ${difference ? tint(difference, scale) : "base"}`}>
      <a href={href} aria-label={`Items of ${cell.treatment} on ${cell.benchmark}`}>
        <Level estimate={estimate} metric={metric} />
      </a>
      <Bar result={result} untouched={untouched} controls={cell.controls} range={range} />
      {difference && (
        <div class="change">
          <Change difference={difference} binary={binary} />
        </div>
      )}
      {(Object.keys(parts).length > 0 || cell.controls.length > 0) && (
        <dl>
          {Object.entries(parts).map(([name, part]) => (
            <div>
              <dt>{name}</dt>
              <dd>
                {signed(part.value, binary)} <span class="interval">{signedInterval(part, binary)}</span>
              </dd>
            </div>
          ))}
          {cell.controls.map((control) => {
            const spread = control.metrics[metric.name]?.difference;
            return spread && (
              <div>
                <dt>{control.control}&nbsp;×{spread.sets}</dt>
                <dd>
                  {signed(spread.mean, binary)}{" "}
                  <span class="interval">{signed(spread.min, binary)} to {signed(spread.max, binary)}</span>
                </dd>
              </div>
            );
          })}
        </dl>
      )}
      {leak !== undefined && <strong class="warn">{leak}</strong>}
      <div class="n">
        <i>n</i> {count(estimate.n)}
        {estimate.clusters < estimate.n && ` in ${count(estimate.clusters)} groups`}
        {difference && `, ${count(difference.fell)} fell, ${count(difference.rose)} rose`}
      </div>
    </td>
  );
}

function Legend({ results }: { readonly results: Results }) {
  const bounds = STEPS.map((step, at) => {
    const next = STEPS[at + 1];
    const from = level(step, true).replace(/\.0$/, "");
    return next === undefined ? `\u2265 ${from}` : `${from}\u2013${level(next, true).replace(/\.0$/, "")}`;
  });
  const binary = results.cells.every((cell) => primary(cell)?.metric.binary ?? true);
  return (
    <section class="legend" aria-label="How to read the table">
      <ol class="scale">
        {bounds.toReversed().map((text, at) => <li class={`fell-${STEPS.length - at}`}>▼ {text}</li>)}
        <li class="level">○ covers 0</li>
        {bounds.map((text, at) => <li class={`rose-${at + 1}`}>▲ {text}</li>)}
      </ol>
      <p>
        Differences are in percentage points{binary
          ? ""
          : " for proportions, else in the metric's own unit, coloured by their share of the row's largest"}.
        A cell is coloured only where the interval of its paired difference leaves 0 out. In a bar: dot and
        whisker, the estimate and its interval; dashed line, the untouched model; band, the range of the
        control sets. Controls are given as their mean and range of differences.
      </p>
    </section>
  );
}
