/** Where answers to questionnaires lie: a map for two axes, bars for any other number; who does not react to content has no dot. */
import type { Results, ScaleResult } from "../../core/mod.ts";
import { count, place, probability, shift } from "../format.ts";
import { cellPath } from "./parts.tsx";
import { Axis, type Placed, Plane } from "./scale_charts.tsx";

/** A section a benchmark that has scales; nothing where there is none. */
export function Scales({ results }: { readonly results: Results }) {
  return (
    <>
      {results.benchmarks.map((benchmark, at) => {
        const all = placedOf(results, benchmark.label);
        const axes = all[0]?.scales.scales ?? [];
        if (axes.length === 0) return null;
        return (
          <section class="scales" aria-labelledby={`scales-${at}`}>
            <h2 id={`scales-${at}`}>
              {benchmark.title}
              {benchmark.label !== benchmark.title && <span class="sub">{benchmark.label}</span>}
            </h2>
            <div class="chart">
              <figure>
                {axes.length === 2 ? <Plane axes={[axes[0]!, axes[1]!]} all={all} /> : (
                  axes.map((axis, k) => <Axis axis={axis} k={k} all={all} />)
                )}
              </figure>
              <Beside all={all} />
            </div>
            <Figures results={results} axes={axes} all={all} id={`figures-${at}`} />
            <Reading level={results.statistics.level} all={all} plane={axes.length === 2} />
          </section>
        );
      })}
    </>
  );
}

function placedOf({ cells, models }: Results, benchmark: string): readonly Placed[] {
  let dots = 0;
  return cells.filter((cell) => cell.benchmark === benchmark).flatMap((cell): Placed[] => {
    const { scales, model, treatment } = cell;
    if (scales === undefined) return [];
    const name = models.length > 1 ? `${model}, ${treatment}` : treatment;
    return [{ cell, name, scales, mark: scales.reacts ? ++dots : undefined }];
  });
}

/** Whose dots these are, and who has none and why. */
function Beside({ all }: { readonly all: readonly Placed[] }) {
  const [dots, others] = [all.filter(({ mark }) => mark), all.filter(({ mark }) => !mark)];
  return (
    <div class="beside">
      {dots.length > 0 && (
        <>
          <h3>Dots</h3>
          <ol>
            {dots.map(({ name, scales: { reason, distance } }) => (
              <li>
                <b>{name}</b>: {reason} Its place against shuffled answers: <P value={distance.p} />
                {distance.p > 0.05 && ", not to be told from them"}.
              </li>
            ))}
          </ol>
        </>
      )}
      {others.length > 0 && (
        <>
          <h3>No dot: does not react to content</h3>
          <ul>
            {others.map(({ name, scales: { reason } }) => (
              <li>
                <b>{name}</b>: {reason}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

/** "p = 0.031", "p < 0.001". */
function P({ value }: { readonly value: number }) {
  const text = probability(value);
  return (
    <>
      <i>p</i> {text.startsWith("<") ? text : `= ${text}`}
    </>
  );
}

interface FiguresProps {
  readonly results: Results;
  readonly axes: readonly ScaleResult[];
  readonly all: readonly Placed[];
  readonly id: string;
}

function Figures({ results, axes, all, id }: FiguresProps) {
  return (
    <div class="scroll" tabindex={0} role="region" aria-labelledby={id}>
      <table class="figures">
        <caption id={id}>
          <span>
            Values with{" "}
            {results.statistics.level * 100}&nbsp;% intervals over statements; below them, the range of the
            model's own answers shuffled over the statements
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col">Dot</th>
            <th scope="col">{results.models.length > 1 ? "Model and treatment" : "Treatment"}</th>
            {axes.map(({ title }) => <th scope="col">{title}</th>)}
            <th scope="col">Agreement</th>
          </tr>
        </thead>
        <tbody>
          {all.map(({ cell, name, scales, mark }) => (
            <tr class={mark ? "" : "unplaced"}>
              <td>{mark ?? <span class="soft">none</span>}</td>
              <th scope="row">
                <a href={cellPath(results.id, cell.key)}>{name}</a>
              </th>
              {scales.scales.map((scale) => (
                <td>
                  <Value scale={scale} />
                </td>
              ))}
              <td>
                <span class="value">{scales.acquiescence.value.toFixed(2)}</span>{" "}
                <span class="interval">
                  [{scales.acquiescence.low.toFixed(2)}, {scales.acquiescence.high.toFixed(2)}]
                </span>
                <span class="sub">
                  opposite sides {count(scales.pairs.opposite)} of {count(scales.pairs.all)}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Value({ scale }: { readonly scale: ScaleResult }) {
  const { estimate, null: shuffled, difference, controls } = scale;
  const shown = (value: number) => place(value, scale);
  return (
    <>
      <span class="value">{shown(estimate.value)}</span>{" "}
      <span class="interval">[{shown(estimate.low)}, {shown(estimate.high)}]</span>
      <span class="sub">
        shuffled {shown(shuffled.low)} to {shown(shuffled.high)}, <P value={shuffled.p} />
      </span>
      {difference && (
        <span class="sub">
          change {shift(difference.value, scale)} [{shift(difference.low, scale)},{" "}
          {shift(difference.high, scale)}]
        </span>
      )}
      {Object.entries(controls).map(([name, { difference: spread }]) => (
        <span class="sub">
          {name} ×{spread.sets}: {shift(spread.mean, scale)}, {shift(spread.min, scale)} to{" "}
          {shift(spread.max, scale)}
        </span>
      ))}
    </>
  );
}

interface ReadingProps {
  readonly level: number;
  readonly all: readonly Placed[];
  readonly plane: boolean;
}

function Reading({ level, all, plane }: ReadingProps) {
  const rule = all[0]?.scales.rule;
  return (
    <p class="reading">
      Dot and {plane ? "cross" : "whisker"}: value and interval. Shaded: where{" "}
      {level * 100}&nbsp;% of shuffled answers lie, the model's own dealt to the statements at random; a dot
      in it has the place of its answer habits. Agreement: the mean with a statement and with its negation,
      from 0 to 1; at 0.5 they balance, at 1 the model agrees with everything. A model has a dot where it
      reacts to content: its answers to negations oppose those to their own statements more than shuffled ones
      (p ≤ {rule?.level}, {count(rule?.permutations ?? 0)}{" "}
      permutations), and it takes opposite sides on more statements than the same side. Negations are made by
      words in front of a statement.
    </p>
  );
}
