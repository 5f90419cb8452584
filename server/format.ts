/** How numbers, dates, hashes and commands are written on the pages. Pure; the sign is always spelt, never left to colour. */
import type { Difference, Estimate, Metric, ScaleResult } from "../core/mod.ts";

const MINUS = "\u2212";

/** A metric's level without its unit: percent with one decimal for a proportion, else three decimals. */
export function level(value: number, binary: boolean): string {
  return (binary ? (value * 100).toFixed(1) : value.toFixed(3)).replace(/^-/, MINUS);
}

/** A signed change: percentage points with one decimal for a proportion, else three decimals; zero has no sign. */
export function signed(value: number, binary: boolean): string {
  const text = level(Math.abs(value), binary);
  if (Number(text) === 0) return text;
  return (value < 0 ? MINUS : "+") + text;
}

/** "[low, high]" of a level. */
export function interval(estimate: Estimate, binary: boolean): string {
  return `[${level(estimate.low, binary)}, ${level(estimate.high, binary)}]`;
}

/** "[low, high]" of a change, signed. */
export function signedInterval(estimate: Estimate, binary: boolean): string {
  return `[${signed(estimate.low, binary)}, ${signed(estimate.high, binary)}]`;
}

/** "%" for a proportion, nothing otherwise. */
export function unit(metric: Metric): string {
  return metric.binary ? "\u00a0%" : "";
}

/** A p-value, exact down to 0.001. */
export function probability(p: number): string {
  return p < 0.001 ? "< 0.001" : p.toFixed(3);
}

/** A natural-logarithm probability with two decimals. */
export function logprob(value: number): string {
  return value.toFixed(2).replace(/^-/, MINUS);
}

/** A unit's score, in its scorer's own unit: three digits, "4.07e−5" where it is small. */
export function score(value: number): string {
  return value.toPrecision(3).replaceAll("-", MINUS);
}

/** A whole number in groups of three, separated by narrow spaces. */
export function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** "2026-01-31 14:05 UTC" of an ISO time; any other text as it stands. */
export function minute(iso: string): string {
  const parts = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)\S*Z$/.exec(iso);
  return parts ? `${parts[1]} ${parts[2]} UTC` : iso;
}

/** Milliseconds for people: "850 ms", "12.4 s", "3 min 20 s". */
export function duration(elapsedMs: number): string {
  if (elapsedMs < 1000) return `${Math.round(elapsedMs)} ms`;
  if (elapsedMs < 60_000) return `${(elapsedMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(elapsedMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** First 12 digits of a hash. */
export function short(hash: string): string {
  return hash.slice(0, 12);
}

/** A command line that a POSIX shell reads back as the same arguments. */
export function shell(command: readonly string[]): string {
  return command.map((part) => /^[\w@%+=:,./-]+$/.test(part) ? part : `'${part.replaceAll("'", `'\\''`)}'`)
    .join(" ");
}

/** Lower bounds of the four steps of the colour scale, as shares of the scale's unit (1 is a proportion's full range). */
export const STEPS = [0, 0.05, 0.15, 0.3] as const;

/**
 * Colour class of a difference: "fell-1" to "fell-4", "rose-1" to "rose-4", or "level" when its interval covers 0.
 *
 * @param scale Size of a change that counts as 1: 1 for a proportion.
 */
export function tint(difference: Difference, scale: number): string {
  if (difference.low <= 0 && difference.high >= 0) return "level";
  const share = Math.abs(difference.value) / (scale || 1);
  return `${difference.value < 0 ? "fell" : "rose"}-${STEPS.filter((step) => share >= step).length}`;
}

/** A value on a scale, cut to its ends, with its decimals. */
export function place(
  value: number,
  { range: [from, to], digits }: Pick<ScaleResult, "range" | "digits">,
): string {
  const text = Math.min(to, Math.max(from, value)).toFixed(digits);
  return Number(text) === 0 ? text.replace(/^-/, "") : text.replace(/^-/, MINUS);
}

/** A signed change on a scale; zero has no sign. */
export function shift(value: number, { digits }: Pick<ScaleResult, "digits">): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : (value < 0 ? MINUS : "+") + text;
}
