/** What stands beside a cell's own numbers: its seeds, its controls, its curve. */
import { areaText, type CellResult, type CurveResult, isSeeded } from "../../core/mod.ts";
import { count, level, signed, signedInterval } from "../format.ts";
import type { CellPageProps } from "./cell.tsx";
import { cellPath } from "./parts.tsx";

export function Seeds(
  { results, metric, seeds }: CellPageProps & { readonly seeds: NonNullable<CellResult["seeds"]> },
) {
  return (
    <section class="controls-of">
      <h2>Seeds</h2>
      <p class="note">
        Estimates are over {count(seeds.length)} seeds of the training; the items below are those under seed
        {" "}
        {seeds[0]?.seed}.
      </p>
      <p class="sets">
        {seeds.map(({ seed, key, values }) => (
          <a href={cellPath(results.id, key)}>
            seed {seed}: {level(values[metric.name] ?? NaN, metric.binary)}
          </a>
        ))}
      </p>
    </section>
  );
}

export function Controls({ results, cell, metric }: CellPageProps) {
  return (
    <section class="controls-of">
      <h2>Controls</h2>
      {cell.controls.map((control) => {
        const spread = control.metrics[metric.name]?.difference;
        return (
          <details open={control.keys.length <= 12}>
            <summary>
              {control.control}, {control.keys.length} {isSeeded(control.keys, cell.seeds) ? "seed" : "set"}
              {control.keys.length === 1 ? "" : "s"}
              {spread &&
                `: mean difference ${signed(spread.mean, metric.binary)}, from ${
                  signed(spread.min, metric.binary)
                } to ${signed(spread.max, metric.binary)} (${metric.title})`}
            </summary>
            <p class="sets">
              {control.keys.map((key, at) => (
                <a href={cellPath(results.id, key)}>
                  {isSeeded(control.keys, cell.seeds)
                    ? `${control.control}, seed ${cell.seeds?.[at]?.seed}`
                    : `${control.control} ${at + 1}`}
                </a>
              ))}
            </p>
          </details>
        );
      })}
    </section>
  );
}

export function Curve({ cell, curve }: { readonly cell: CellResult; readonly curve: CurveResult }) {
  const metric = cell.metrics.find((each) => each.metric.name === curve.metric)?.metric;
  if (!metric) return null;
  const change = (value: number) => signed(value, metric.binary);
  return (
    <section class="curve-of">
      <h2>Curve over {curve.over}</h2>
      <p class="note">{areaText({ cell, curve, metric })} ({metric.title})</p>
      <div class="scroll" tabindex={0} role="region" aria-label="Curve">
        <table class="metrics">
          <thead>
            <tr>
              <th>{curve.over === "units" ? "Units" : "Strength"}</th>
              <th>Difference</th>
              {curve.sets && <th>Random sets</th>}
            </tr>
          </thead>
          <tbody>
            {curve.points.map(({ dose, change: estimate, sets }) => (
              <tr>
                <td class="number">{dose}</td>
                <td>
                  {change(estimate.value)}{" "}
                  <span class="interval">{signedInterval(estimate, metric.binary)}</span>
                </td>
                {sets && <td>{change(sets.mean)}, from {change(sets.min)} to {change(sets.max)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
