/** How far a run is, on stderr: one redrawn line on a terminal, else a line now and then. */
import type { Progress } from "../runner.ts";

export interface Bar<T> {
  update(progress: T): void;
  /** Leaves the terminal clean. */
  end(): void;
}

export type ProgressBar = Bar<Progress>;

/** What is shown of a state. */
export interface View {
  /** Drawn as a bar where there is a terminal, in [0, 1]. */
  readonly share: number;
  readonly text: string;
  /** Whether it is the end, which is shown however soon it comes. */
  readonly last: boolean;
}

export interface ProgressOptions {
  readonly tty: boolean;
  /** Characters of a line on a terminal. */
  readonly width: number;
  readonly write: (text: string) => void;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

const REDRAW_MS = 100;
const LINE_MS = 10_000;
const BAR = 24;

export function createProgressBar(options: ProgressOptions): ProgressBar {
  return createBar((progress) => {
    const { done, total } = progress.scoring ?? progress.items;
    const counted = progress.scoring ?? progress.cells;
    return {
      share: done / Math.max(1, total),
      text: line(progress),
      last: counted.done === counted.total,
    };
  }, options);
}

/** A bar over anything that has a view. */
export function createBar<T>(
  viewOf: (progress: T) => View,
  { tty, width, write, now }: ProgressOptions,
): Bar<T> {
  let shown = -Infinity;
  let open = false;
  return {
    update(progress) {
      const view = viewOf(progress);
      if (now() - shown < (tty ? REDRAW_MS : LINE_MS) && !view.last) return;
      shown = now();
      open = tty;
      write(tty ? `\r\x1b[K${fit(bar(view), width - 4)}` : `${view.text}\n`);
    },
    end() {
      if (open) write("\r\x1b[K");
      open = false;
    },
  };
}

function bar({ share, text }: View): string {
  const full = Math.floor(BAR * share);
  return `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ${text}`;
}

/** " 45 %  123 of 200 cells  1,234 tok/s  0:12 left  fables / silenced"; " 45 %  scoring units: 48 of 96 samples ...", or " 45 %
 * training: 48 of 96 updates ...", before. */
function line({ items, cells, tokens, elapsedMs, current, scoring }: Progress): string {
  const rate = elapsedMs > 0 ? Math.round(1000 * tokens / elapsedMs).toLocaleString("en") : "0";
  if (scoring) {
    const { done, total, isTraining = false } = scoring;
    const [doing, one] = isTraining ? ["training", "update"] : ["scoring units", "sample"];
    const share = Math.floor(100 * done / Math.max(1, total));
    return `${String(share).padStart(3)} %  ${doing}: ${done} of ${total} ${one}${
      total === 1 ? "" : "s"
    }  ${rate} tok/s  ${current}`;
  }
  const share = Math.floor(100 * items.done / Math.max(1, items.total));
  const computed = items.done - items.found;
  const left = computed > 0 ? clock(elapsedMs * (items.total - items.done) / computed) : "?";
  return `${
    String(share).padStart(3)
  } %  ${cells.done} of ${cells.total} cells  ${rate} tok/s  ${left} left  ${current}`;
}

/** "0:06", "1:02:03"; a part of a second counts as one. */
export function clock(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (part: number) => String(part).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 3))}...`;
}
