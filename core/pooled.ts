/** Sums over the samples of a pass, by group and observation, in float64. */
import { UserError } from "./error.ts";
import type { RunResult, Tap } from "./model.ts";
import type { Pass, PassSample, Pooled, PooledValues } from "./scorer.ts";

/** Sums over the first chunks of a pass. Never changed once given, so it may be kept as it is. */
export interface PassSums {
  /** How many chunks. */
  readonly chunks: number;
  /** Tokens computed for them. */
  readonly tokens: number;
  /** Number of columns of each observation. */
  readonly columns: readonly number[];
  readonly groups: readonly GroupSums[];
}

export interface GroupSums {
  readonly group: string;
  /** Number of samples. */
  readonly n: number;
  /** Of each observation in turn: sums, sums of squares, numbers of samples above 0; [3, columns] each. */
  readonly values: Float64Array;
}

/** Sums before the first chunk. */
export const NOTHING: PassSums = { chunks: 0, tokens: 0, columns: [], groups: [] };

/** A chunk of a pass and what the model gave for it. */
export interface Chunk {
  readonly pass: Pass;
  readonly chunk: readonly PassSample[];
  readonly result: RunResult;
  /** For messages: what could not be done. */
  readonly place: string;
}

/** The sums with a chunk's samples added. @throws {UserError} naming sample, tap and column of a value that is not finite. */
export function added(sums: PassSums, { pass, chunk, result, place }: Chunk): PassSums {
  const columns = result.observed.map((each) => each.columns);
  const groups = new Map(sums.groups.map((each) => [each.group, each]));
  for (const [group, members] of Map.groupBy(chunk.map((_, i) => i), (i) => chunk[i]!.group)) {
    const before = groups.get(group);
    const values = before?.values.slice() ?? new Float64Array(3 * columns.reduce((sum, n) => sum + n, 0));
    for (const i of members) {
      let start = 0;
      result.observed.forEach((observed, o) => {
        const valueAt = valuesOf(pass, observed.values[i]!, result.objective[i]);
        const odd = addTo(values.subarray(start, start += 3 * columns[o]!), valueAt);
        if (odd === undefined) return;
        throw new UserError(
          `Cannot ${place}: sample ${chunk[i]!.id} gives ${valueAt(odd)} at column ${odd} of ${
            pass.observe[o]!.tap
          }, wanted a finite number`,
        );
      });
    }
    groups.set(group, { group, n: (before?.n ?? 0) + members.length, values });
  }
  return {
    chunks: sums.chunks + 1,
    tokens: sums.tokens + result.tokens,
    columns,
    groups: [...groups.values()],
  };
}

/** A sample's values as they are summed, by column. */
function valuesOf(
  { weight, absolute, floor = -Infinity }: Pass,
  values: Float32Array | Float64Array,
  objective: number | undefined,
): (column: number) => number {
  const times = weight === "objective" ? objective! : 1;
  return (column) => {
    const value = times * values[column]!;
    return Math.max(absolute ? Math.abs(value) : value, floor);
  };
}

/** @returns the first column whose value is not finite, if any. */
function addTo(sums: Float64Array, valueAt: (column: number) => number): number | undefined {
  const columns = sums.length / 3;
  for (let k = 0; k < columns; k++) {
    const value = valueAt(k);
    if (!Number.isFinite(value)) return k;
    sums[k]! += value;
    sums[columns + k]! += value * value;
    if (value > 0) sums[2 * columns + k]! += 1;
  }
  return undefined;
}

/** What combine() asks; passes and their sums in the same order. */
export function createPooled(passes: readonly Pass[], all: readonly PassSums[]): Pooled {
  const find = (name: string) => {
    const i = passes.findIndex((pass) => pass.name === name), pass = passes[i], sums = all[i];
    if (pass && sums) return { pass, sums };
    throw new UserError(
      `Cannot find what pass ${JSON.stringify(name)} gave: there is none of that name, wanted one of ${
        passes.map((pass) => pass.name).join(", ") || "none"
      }`,
    );
  };
  return {
    at(name: string, group: string, tap: Tap): PooledValues {
      const { pass: { observe }, sums: { groups, columns } } = find(name);
      const o = observe.findIndex((observation) => observation.tap === tap);
      const found = groups.find((each) => each.group === group);
      if (o < 0 || !found) {
        const state = o < 0 ? `it does not observe ${tap}` : `it has no group ${JSON.stringify(group)}`;
        throw new UserError(`Cannot find what pass ${JSON.stringify(name)} gave: ${state}`);
      }
      const size = columns[o]!, start = 3 * columns.slice(0, o).reduce((sum, n) => sum + n, 0);
      const part = (which: number) => found.values.subarray(start + which * size, start + (which + 1) * size);
      return { n: found.n, sum: part(0), sumOfSquares: part(1), positive: part(2) };
    },
    groups: (name) => [...new Set(find(name).pass.samples.map(({ group }) => group))],
    count: (name) => find(name).pass.samples.length,
  };
}
