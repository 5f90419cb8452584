/** How far a run is, on stderr: one redrawn line on a terminal, else a line now and then. */
import type { Progress } from "../runner.ts";

export interface ProgressBar {
  update(progress: Progress): void;
  /** Leaves the terminal clean. */
  end(): void;
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

export function createProgressBar({ tty, width, write, now }: ProgressOptions): ProgressBar {
  let shown = -Infinity;
  let open = false;
  return {
    update(progress) {
      const { done, total } = progress.scoring ?? progress.cells;
      const last = done === total;
      if (now() - shown < (tty ? REDRAW_MS : LINE_MS) && !last) return;
      shown = now();
      open = tty;
      write(tty ? `\r\x1b[K${fit(bar(progress), width - 4)}` : `${line(progress)}\n`);
    },
    end() {
      if (open) write("\r\x1b[K");
      open = false;
    },
  };
}

function bar(progress: Progress): string {
  const { done, total } = progress.scoring ?? progress.items;
  const full = Math.floor(BAR * done / Math.max(1, total));
  return `[${"#".repeat(full)}${"-".repeat(BAR - full)}] ${line(progress)}`;
}

/** " 45 %  123 of 200 cells  1,234 tok/s  0:12 left  fables / silenced"; " 45 %  scoring units: 48 of 96 samples ..." before. */
function line({ items, cells, tokens, elapsedMs, current, scoring }: Progress): string {
  const rate = elapsedMs > 0 ? Math.round(1000 * tokens / elapsedMs).toLocaleString("en") : "0";
  if (scoring) {
    const { done, total } = scoring;
    const share = Math.floor(100 * done / Math.max(1, total));
    return `${String(share).padStart(3)} %  scoring units: ${done} of ${total} ${
      total === 1 ? "sample" : "samples"
    }  ${rate} tok/s  ${current}`;
  }
  const share = Math.floor(100 * items.done / Math.max(1, items.total));
  const computed = items.done - items.found;
  const left = computed > 0 ? clock(elapsedMs * (items.total - items.done) / computed) : "?";
  return `${
    String(share).padStart(3)
  } %  ${cells.done} of ${cells.total} cells  ${rate} tok/s  ${left} left  ${current}`;
}

function clock(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (part: number) => String(part).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 3))}...`;
}
