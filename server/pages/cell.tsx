/** One cell: its metrics, and its items with those that flipped first. */
import {
  type CellResult,
  leakOf,
  type Metric,
  type MetricResult,
  provenanceNotes,
  type Results,
  type Sample,
  testOf,
} from "../../core/mod.ts";
import { count, probability, signed, signedInterval } from "../format.ts";
import { type ItemRow, PAGE_SIZE, type Show, SHOWS } from "../items.ts";
import { Controls, Curve, Seeds } from "./cell_arms.tsx";
import { ItemCard } from "./item.tsx";
import { Labels } from "./labels.tsx";
import { Layout } from "./layout.tsx";
import { axis, Bar, cellPath, Change, Hash, Leak, Level, NotReportable, runPath } from "./parts.tsx";

export interface CellPageProps {
  readonly results: Results;
  /** The cell, or for one set of a control the treated cell it stands beside. */
  readonly cell: CellResult;
  /** Key whose items are shown: the cell's own or a control set's. */
  readonly cellKey: string;
  /** "random 2" when a control set is shown. */
  readonly arm: string | undefined;
  readonly untouched: CellResult | undefined;
  /** The metric by whose values items fell or rose. */
  readonly metric: Metric;
  readonly show: Show;
  readonly counts: Readonly<Record<Show, number>>;
  /** From 1. */
  readonly page: number;
  readonly rows: readonly ItemRow[];
  readonly samples: ReadonlyMap<string, Sample>;
}

/** Metrics, controls, then 50 items a page. */
export function CellPage(props: CellPageProps) {
  const { results, cell, arm, metric, rows, samples } = props;
  const title = `${cell.treatment}${arm ? `, ${arm}` : ""} on ${cell.benchmark}`;
  return (
    <Layout
      title={`${title} · ${results.name} · Plumbline`}
      trail={[
        { href: runPath(results.id), text: results.name },
        ...(arm
          ? [{ href: cellPath(results.id, cell.key), text: `${cell.treatment} on ${cell.benchmark}` }]
          : []),
      ]}
      json={`/api/runs/${encodeURIComponent(results.id)}`}
    >
      <h1>
        {title} {!results.reportable && <NotReportable />} {leakOf(results, cell) !== undefined && <Leak />}
      </h1>
      <p class="meta">
        <span>{cell.model}</span>
        <span>
          <i>n</i> {count(props.counts.all)}
        </span>
        <span>
          cell <Hash value={props.cellKey} />
        </span>
      </p>
      {provenanceNotes(results, cell).map((note) => <p class="note">{note}.</p>)}
      {arm === undefined ? <Metrics {...props} /> : (
        <p class="note">
          {/^seed /.test(arm)
            ? "One seed of a training. Its level is part of the mean over seeds, and has no interval of its own."
            : "One set of a control. Its level is part of the control's range, and has no interval of its own."}
        </p>
      )}
      {arm === undefined && cell.seeds && <Seeds {...props} seeds={cell.seeds} />}
      {arm === undefined && cell.labels && <Labels shares={cell.labels} />}
      {arm === undefined && cell.controls.length > 0 && <Controls {...props} />}
      {arm === undefined && cell.curve && <Curve cell={cell} curve={cell.curve} />}
      <h2 id="items">Items</h2>
      <Filters {...props} />
      {rows.length === 0 && (
        <p class="note">
          {props.counts.all === 0 ? "The store holds no outcomes of this cell." : "No item is in this view."}
        </p>
      )}
      {rows.map((row) => <ItemCard row={row} sample={samples.get(row.id)} metric={metric} />)}
      <Pages {...props} />
    </Layout>
  );
}

function Metrics({ results, cell, cellKey: key, untouched, metric }: CellPageProps) {
  const before = (name: string) =>
    untouched?.metrics.find((each) => each.metric.name === name)?.estimate.value;
  const parts = cell.metrics.some((each) => each.parts);
  const differences = cell.metrics.some((each) => each.difference);
  return (
    <div class="scroll" tabindex={0} role="region" aria-labelledby="metrics">
      <table class="metrics">
        <caption id="metrics">
          <span>
            Metrics with {results.statistics.level * 100}&nbsp;% intervals{differences &&
              "; differences from the untouched model on the same items"}
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Metric</th>
            <th scope="col">Estimate</th>
            <th scope="col">
              <span class="hidden">As a bar</span>
            </th>
            {differences && <th scope="col">Difference</th>}
            {differences && (
              <th scope="col">
                <i>p</i>, two-sided
              </th>
            )}
            {parts && <th scope="col">Parts</th>}
            <th scope="col">Groups</th>
          </tr>
        </thead>
        <tbody>
          {cell.metrics.map((each) => (
            <tr class={each.metric.name === metric.name ? "current" : ""}>
              <th scope="row">
                {each.estimate.n === cell.n
                  ? <a href={itemsHref(results.id, key, { by: each.metric.name })}>{each.metric.title}</a>
                  : each.metric.title}
                <span class="sub">
                  <code>{each.metric.name}</code>
                  {each.metric.name === cell.primary && ", in the table"}
                  {!each.metric.higherIsBetter && ", lower is better"}
                  {each.estimate.n !== cell.n && `, of ${count(each.estimate.n)} questions`}
                </span>
              </th>
              <td>
                <Level estimate={each.estimate} metric={each.metric} />
              </td>
              <td>
                <Bar
                  result={each}
                  untouched={before(each.metric.name)}
                  controls={cell.controls}
                  range={axis([each], cell.controls)}
                />
              </td>
              {differences && (
                <td>
                  {each.difference && <Change difference={each.difference} binary={each.metric.binary} />}
                </td>
              )}
              {differences && <td class="number">{test(each)}</td>}
              {parts && <td>{partsOf(each)}</td>}
              <td class="number">{count(each.estimate.clusters)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function test({ difference }: MetricResult) {
  const shown = difference && testOf(difference);
  if (!shown) return <span class="soft">n/a</span>;
  return (
    <>
      {probability(shown.p)} <span class="sub">{shown.name}</span>
    </>
  );
}

function partsOf({ parts = {}, metric }: MetricResult) {
  return Object.entries(parts).map(([name, part]) => (
    <span class="item-of">
      {name} {signed(part.value, metric.binary)}{" "}
      <span class="interval">{signedInterval(part, metric.binary)}</span>
    </span>
  ));
}

const TITLES: Readonly<Record<Show, string>> = {
  all: "All",
  fell: "▼ Fell",
  rose: "▲ Rose",
  wrong: "✗ Wrong",
};

function Filters(props: CellPageProps) {
  const { results, cellKey: key, metric, show, counts, untouched, cell } = props;
  const compared = untouched !== undefined && untouched.key !== key;
  const shown = SHOWS.filter((each) => each === "all" || (each === "wrong" ? metric.binary : compared));
  return (
    <nav class="filters" aria-label="Which items">
      {shown.map((each) => (
        <a
          href={itemsHref(results.id, key, { show: each, by: by(cell, metric) })}
          aria-current={each === show ? "true" : undefined}
        >
          {TITLES[each]} <span class="number">{count(counts[each])}</span>
        </a>
      ))}
      <span class="soft">by {metric.title}{compared && show === "all" && ", flipped items first"}</span>
    </nav>
  );
}

function Pages({ results, cell, cellKey: key, metric, show, counts, page }: CellPageProps) {
  const last = Math.max(1, Math.ceil(counts[show] / PAGE_SIZE));
  if (last === 1) return null;
  const href = (to: number) => itemsHref(results.id, key, { show, by: by(cell, metric), page: to });
  return (
    <nav class="pages" aria-label="Pages of items">
      {page > 1 ? <a rel="prev" href={href(page - 1)}>← Previous</a> : <span class="soft">← Previous</span>}
      <span>Page {page} of {count(last)}</span>
      {page < last ? <a rel="next" href={href(page + 1)}>Next →</a> : <span class="soft">Next →</span>}
    </nav>
  );
}

function by(cell: CellResult, metric: Metric): string | undefined {
  return metric.name === cell.primary ? undefined : metric.name;
}

function itemsHref(
  run: string,
  key: string,
  query: { show?: Show; by?: string | undefined; page?: number },
): string {
  const params = new URLSearchParams();
  if (query.show && query.show !== "all") params.set("show", query.show);
  if (query.by) params.set("by", query.by);
  if (query.page && query.page > 1) params.set("page", String(query.page));
  return `${cellPath(run, key)}${params.size > 0 ? `?${params}` : ""}#items`;
}
