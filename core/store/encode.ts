/** What every store does to a record before keeping it. */
import type { Results } from "../results.ts";
import type { RunSummary } from "./store.ts";

/**
 * JSON text that reads back as it was: member order kept, numbers to the last bit of a float64.
 *
 * @throws {TypeError} for a number that is not finite, which JSON would turn into null unasked.
 */
export function encode(value: unknown): string {
  return JSON.stringify(value, (key, entry) => {
    if (typeof entry === "number" && !Number.isFinite(entry)) {
      throw new TypeError(`Cannot store ${key}: it is ${entry}, wanted a finite number`);
    }
    return entry;
  });
}

/** The line of a run in a list of runs. */
export function summarise(
  { id, name, reportable, run, models, benchmarks, treatments }: Results,
): RunSummary {
  return {
    id,
    name,
    reportable,
    startedAt: run.startedAt,
    finishedAt: run.finishedAt,
    models: models.map(({ label }) => label),
    benchmarks: benchmarks.map(({ label }) => label),
    treatments: treatments.map((treatment) => treatment.name),
  };
}
