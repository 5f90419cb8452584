/** Places on scales as pictures: dot and interval over the range of shuffled answers. Whoever has no `mark` is not drawn. */
import type { CellResult, ScaleResult, ScalesResult } from "../../core/mod.ts";

/** A cell with scales; `mark` is the number of its dot. */
export interface Placed {
  readonly cell: CellResult;
  readonly name: string;
  readonly scales: ScalesResult;
  readonly mark: number | undefined;
}

/** "left \u221210". */
function end({ ends, range }: ScaleResult, at: 0 | 1): string {
  return `${ends[at]} ${String(range[at]).replace("-", "\u2212")}`;
}

const SIDE = 300, MARGIN = 24;

interface PlaneProps {
  readonly axes: readonly [ScaleResult, ScaleResult];
  readonly all: readonly Placed[];
}

/** First axis across, second up. The table below says the same, so it is hidden from screen readers. */
export function Plane({ axes: [across, up], all }: PlaneProps) {
  const at = (value: number, { range: [from, to] }: ScaleResult) =>
    Math.min(1, Math.max(0, (value - from) / (to - from)));
  const x = (value: number) => Number((MARGIN + SIDE * at(value, across)).toFixed(1));
  const y = (value: number) => Number((MARGIN + SIDE * (1 - at(value, up))).toFixed(1));
  const [left, right, top, bottom] = [MARGIN, MARGIN + SIDE, MARGIN, MARGIN + SIDE];
  const middle = MARGIN + SIDE / 2;
  const lines = [0.25, 0.75].map((share) => MARGIN + SIDE * share);
  const dots = all.filter(({ mark }) => mark !== undefined);
  const boxes = dots.map(({ scales: { scales: [a, b] } }) => ({
    x: x(a!.null.low),
    y: y(b!.null.high),
    width: Math.max(1, x(a!.null.high) - x(a!.null.low)).toFixed(1),
    height: Math.max(1, y(b!.null.low) - y(b!.null.high)).toFixed(1),
  }));
  return (
    <svg
      class="plane"
      viewBox={`0 0 ${SIDE + 2 * MARGIN} ${SIDE + 2 * MARGIN}`}
      aria-hidden="true"
      focusable="false"
    >
      <rect class="field" x={left} y={top} width={SIDE} height={SIDE} />
      <path
        class="grid"
        d={lines.map((line) => `M${left} ${line}H${right}M${line} ${top}V${bottom}`).join("")}
      />
      <path class="cross" d={`M${left} ${middle}H${right}M${middle} ${top}V${bottom}`} />
      <text x={middle} y={top - 8} text-anchor="middle">{end(up, 1)}</text>
      <text x={middle} y={bottom + 17} text-anchor="middle">{end(up, 0)}</text>
      <text x={-middle} y={left - 8} text-anchor="middle" transform="rotate(-90)">
        {end(across, 0)}
      </text>
      <text x={middle} y={-right - 8} text-anchor="middle" transform="rotate(90)">
        {end(across, 1)}
      </text>
      {/* One tint for all: shades that add up would look like a density. */}
      <g class="nulls">{boxes.map((box) => <rect {...box} />)}</g>
      {boxes.map((box) => <rect class="null" {...box} />)}
      {dots.map(({ scales: { scales: [a, b] }, mark }) => {
        const [cx, cy] = [x(a!.estimate.value), y(b!.estimate.value)];
        return (
          <>
            <path
              class="range"
              d={`M${x(a!.estimate.low)} ${cy}H${x(a!.estimate.high)}M${cx} ${y(b!.estimate.low)}V${
                y(b!.estimate.high)
              }`}
            />
            <circle class="dot" cx={cx} cy={cy} r="8" />
            <text class="mark-in" x={cx} y={cy + 4} text-anchor="middle">{mark}</text>
          </>
        );
      })}
      {dots.length === 0 && (
        <text class="none" x={middle} y={middle - 10} text-anchor="middle">no dot: the list says why</text>
      )}
    </svg>
  );
}

interface AxisProps {
  readonly axis: ScaleResult;
  readonly k: number;
  readonly all: readonly Placed[];
}

/** One axis with a bar for each that has a place. */
export function Axis({ axis, k, all }: AxisProps) {
  const { range: [from, to] } = axis;
  const x = (value: number) =>
    Number((4 + 292 * Math.min(1, Math.max(0, (value - from) / (to - from)))).toFixed(1));
  const dots = all.filter(({ mark }) => mark !== undefined);
  return (
    <div class="axis-of">
      <p>
        <span>{end(axis, 0)}</span>
        <b>{axis.title}</b>
        <span>{end(axis, 1)}</span>
      </p>
      {dots.length === 0 && (
        <svg viewBox="0 0 300 22" aria-hidden="true" focusable="false">
          <path class="cross" d="M4 11H296M4 7v8M150 7v8M296 7v8" />
        </svg>
      )}
      {dots.map(({ scales, mark }) => {
        const { estimate, null: shuffled } = scales.scales[k]!;
        return (
          <svg viewBox="0 0 300 22" aria-hidden="true" focusable="false">
            <rect
              class="null"
              x={x(shuffled.low)}
              y="2"
              width={Math.max(1, x(shuffled.high) - x(shuffled.low))}
              height="18"
            />
            <path class="cross" d="M4 11H296M4 7v8M150 7v8M296 7v8" />
            <path class="range" d={`M${x(estimate.low)} 11H${x(estimate.high)}`} />
            <circle class="dot" cx={x(estimate.value)} cy="11" r="8" />
            <text class="mark-in" x={x(estimate.value)} y="15" text-anchor="middle">{mark}</text>
          </svg>
        );
      })}
    </div>
  );
}
