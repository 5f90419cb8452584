/** Parts of which the lines of a forecast are made. */
import { fold } from "../report/table.ts";

const GAP = "  ";
/** Shortest name that is left of a long one. */
const NAME = 16;

/** At most three digits that count. */
export function shortText(value: number): string {
  return String(Number(value.toPrecision(3)));
}

/** A name and numbers, these to the right; with `text` the last column is text. The name gives way where a line would be too long. */
export function columns(rows: readonly (readonly string[])[], width: number, text = false): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const rest = widths.slice(1).reduce((sum, each) => sum + each + GAP.length, GAP.length);
  const name = Math.min(widths[0] ?? 0, Math.max(NAME, width - rest));
  return rows.map((row) =>
    GAP +
    row.map((cell, i) =>
      i === 0
        ? cut(cell, name).padEnd(name)
        : text && i === row.length - 1
        ? cell
        : cell.padStart(widths[i] ?? 0)
    ).join(GAP)
  );
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 3)}...`;
}

export function indented(text: string, width: number): string[] {
  return fold(text, width - 2 * GAP.length).map((line, i) => `${GAP.repeat(i === 0 ? 1 : 2)}${line}`);
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function numberText(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** "under a second", "12 s", "4 min", "3.2 h", "2.1 days". */
export function durationText(seconds: number): string {
  if (seconds < 1) return "under a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 48 ? `${hours.toFixed(1)} h` : `${(hours / 24).toFixed(1)} days`;
}
