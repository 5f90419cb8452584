/** Numbers as people read them, the same on the terminal and in report.md. */
import type { Estimate, Spread } from "../estimate.ts";
import type { Json, Metric } from "../evaluator.ts";

/** "61.0" for 0.61 of a proportion, "-1.234" for another metric. `signed` adds the plus and a true minus sign is not used. */
export function figure(value: number, metric: Metric, signed = false): string {
  const text = metric.binary ? (100 * value).toFixed(1) : value.toFixed(3);
  const clean = /^-0\.?0*$/.test(text) ? text.slice(1) : text;
  return signed && !clean.startsWith("-") ? `+${clean}` : clean;
}

/** "61.0 [57.1, 65.2]". */
export function estimateText(estimate: Estimate, metric: Metric, signed = false): string {
  const { value, low, high } = estimate;
  return `${figure(value, metric, signed)} [${figure(low, metric, signed)}, ${figure(high, metric, signed)}]`;
}

/** "60.2 (58.0 to 62.5)": mean and range, in other brackets than an interval because it is none; "60.2" for a single set. */
export function spreadText({ mean, min, max, sets }: Spread, metric: Metric, signed = false): string {
  if (sets === 1) return figure(mean, metric, signed);
  return `${figure(mean, metric, signed)} (${figure(min, metric, signed)} to ${figure(max, metric, signed)})`;
}

/** "exact_match, %" or "gold_logprob". */
export function metricText(metric: Metric): string {
  return metric.binary ? `${metric.name}, %` : metric.name;
}

/** Items, and in brackets their independent groups where these are fewer: "96 (24)". */
export function sizeText({ n, clusters }: Estimate): string {
  return clusters < n ? `${n} (${clusters})` : String(n);
}

/** Two-sided p: "p = 0.031", "p < 0.001". */
export function pText(p: number): string {
  return p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`;
}

/** "1.2 M", "134.5 M", "7 k". */
export function countText(count: number): string {
  const [divisor, unit] = count >= 1e9
    ? [1e9, " G"]
    : count >= 1e6
    ? [1e6, " M"]
    : count >= 1e3
    ? [1e3, " k"]
    : [1, ""];
  return `${Number((count / divisor).toPrecision(4))}${unit}`;
}

/** Hashes are cut to so many digits in prose; whole they stand in the record. */
const SHORT = 12;

export const shortHash = (hash: string) => hash.slice(0, SHORT);

/** "topic food, part all". */
export function paramsText(params: Json): string {
  if (typeof params !== "object" || params === null) return "";
  return Object.entries(params).map(([name, value]) =>
    `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`
  ).join(", ");
}

/** "1 set", "1,200 sets". */
export const counted = (number: number, noun: string) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** "1,200". */
export const count = (number: number) => number.toLocaleString("en");

/** With a capital letter first. */
export const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
