/** Small pieces that several pages share. */
import type { ControlResult, Difference, Estimate, Metric, MetricResult } from "../../core/mod.ts";
import { interval, level, short, signed, signedInterval, unit } from "../format.ts";

/** Address of a run's page. */
export function runPath(id: string): string {
  return `/runs/${encodeURIComponent(id)}`;
}

/** Address of a cell's page. */
export function cellPath(run: string, key: string): string {
  return `${runPath(run)}/cells/${encodeURIComponent(key)}`;
}

/** Address of the page of a run's units. */
export function unitsPath(run: string): string {
  return `${runPath(run)}/units`;
}

export function NotReportable() {
  return <span class="badge" title="Run under --limit: its numbers must not be quoted">not reportable</span>;
}

export function Leak() {
  return (
    <span class="badge" title="Run with allowLeakage: items that made its units are among those reported on">
      leak
    </span>
  );
}

/** The first digits, the whole on hover; where the whole must be readable without a pointer it stands elsewhere on the page. */
export function Hash({ value }: { readonly value: string }) {
  return value === ""
    ? <span class="soft">none</span>
    : <code class="hash" title={value}>{short(value)}</code>;
}

/** Links web addresses and nothing else: a plugin's text must not become a script's. */
export function Source({ text }: { readonly text: string }) {
  const parts = text.split(/(https?:\/\/[^\s,;]+)/);
  return (
    <>
      {parts.map((part, at) =>
        at % 2 === 1 ? <a href={part} rel="noreferrer noopener">{part.replace(/^https?:\/\//, "")}</a> : part
      )}
    </>
  );
}

/** A level with its interval. */
export function Level({ estimate, metric }: { readonly estimate: Estimate; readonly metric: Metric }) {
  return (
    <>
      <span class="value">{level(estimate.value, metric.binary)}{unit(metric)}</span>{" "}
      <span class="interval">{interval(estimate, metric.binary)}</span>
    </>
  );
}

/** A difference with its arrow, its sign and its interval; a hollow mark when the interval covers 0. */
export function Change(
  { difference, binary }: { readonly difference: Difference; readonly binary: boolean },
) {
  const covers = difference.low <= 0 && difference.high >= 0;
  const [mark, said] = covers
    ? ["\u25cb", "no clear change,"]
    : difference.value < 0
    ? ["\u25bc", "fell by"]
    : ["\u25b2", "rose by"];
  return (
    <>
      <span class="mark-of" aria-hidden="true">{mark}</span>
      <span class="hidden">{said}</span>
      <span class="delta">{signed(difference.value, binary)}</span>{" "}
      <span class="interval">{signedInterval(difference, binary)}</span>
    </>
  );
}

export interface BarProps {
  readonly result: MetricResult;
  /** The untouched model's value, drawn as the line to compare with. */
  readonly untouched: number | undefined;
  readonly controls: readonly ControlResult[];
  /** Values at the left and the right end. */
  readonly range: readonly [number, number];
}

/** The estimate as a dot on its interval, over the range of the controls, beside the untouched model's value. The text beside it
 * says the same, so it is hidden from screen readers. */
export function Bar({ result, untouched, controls, range: [from, to] }: BarProps) {
  const x = (value: number) => Number((4 + 192 * (value - from) / (to - from || 1)).toFixed(1));
  const { value, low, high } = result.estimate;
  return (
    <svg class="bar" viewBox="0 0 200 14" aria-hidden="true" focusable="false">
      <path class="axis" d="M4 7H196M4 5v4M196 5v4" />
      {controls.map((control) => {
        const spread = control.metrics[result.metric.name]?.value;
        return spread &&
          (
            <rect
              class="controls"
              x={x(spread.min) - 1}
              y="1"
              width={x(spread.max) - x(spread.min) + 2}
              height="12"
            />
          );
      })}
      {untouched !== undefined && <path class="untouched" d={`M${x(untouched)} 0V14`} />}
      <path class="range" d={`M${x(low)} 7H${x(high)}M${x(low)} 4v6M${x(high)} 4v6`} />
      <circle class="dot" cx={x(value)} cy="7" r="3.2" />
    </svg>
  );
}

/** Ends of a row's axis: 0 to 1 for a proportion, else what its estimates and controls span. */
export function axis(
  results: readonly MetricResult[],
  controls: readonly ControlResult[],
): readonly [number, number] {
  const metric = results[0]?.metric;
  if (!metric || metric.binary) return [0, 1];
  const spreads = controls.flatMap((control) => control.metrics[metric.name]?.value ?? []);
  return [
    Math.min(...results.map((each) => each.estimate.low), ...spreads.map((each) => each.min)),
    Math.max(...results.map((each) => each.estimate.high), ...spreads.map((each) => each.max)),
  ];
}
