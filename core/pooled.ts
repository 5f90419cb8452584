/** Sums over the samples of a pass, by group and observation, in float64. */
import { UserError } from "./error.ts";
import type { RunResult, Tap } from "./model.ts";
import type { Pass, PassSample, Pooled, PooledValues } from "./scorer.ts";

/** Sums over the first chunks of a pass. The arrays are those that the next chunk is added to: whoever keeps them copies them. */
export interface PassSums {
  /** How many chunks. */
  readonly chunks: number;
  /** Tokens computed for them. */
  readonly tokens: number;
  /** Number of columns of each observation. */
  readonly columns: readonly number[];
  readonly groups: readonly GroupSums[];
  /** Of each observation in turn, over all groups, where the pass keeps its squares so. */
  readonly squares?: Float64Array;
}

export interface GroupSums {
  readonly group: string;
  /** Number of samples. */
  readonly n: number;
  /** Of each observation in turn: sums, sums of squares, numbers of samples above 0, [3, columns] each; sums alone, [1, columns], where the
   * pass keeps its squares over all groups. */
  readonly values: Float64Array;
}

/** Rows of a group's values at one observation. */
const rowsOf = ({ squares }: Pick<Pass, "squares">): 1 | 3 => squares === "pass" ? 1 : 3;

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

/**
 * The sums with a chunk's samples added, in the arrays that they had: a table of all units of a big model is not held twice.
 *
 * @throws {UserError} naming sample, tap and column of a value that is not finite; the sums are then of no use.
 */
export function added(sums: PassSums, { pass, chunk, result, place }: Chunk): PassSums {
  const columns = result.observed.map((each) => each.columns);
  const width = columns.reduce((sum, n) => sum + n, 0), rows = rowsOf(pass);
  const squares = rows === 1 ? sums.squares ?? new Float64Array(width) : undefined;
  const groups = new Map(sums.groups.map((each) => [each.group, each]));
  for (const [group, members] of Map.groupBy(chunk.map((_, i) => i), (i) => chunk[i]!.group)) {
    const before = groups.get(group);
    const values = before?.values ?? new Float64Array(rows * width);
    for (const i of members) {
      let start = 0;
      result.observed.forEach((observed, o) => {
        const size = columns[o]!, from = rows * start;
        const part = (row: number) => values.subarray(from + row * size, from + (row + 1) * size);
        const into = squares
          ? { sum: part(0), squares: squares.subarray(start, start + size) }
          : { sum: part(0), squares: part(1), positive: part(2) };
        start += size;
        const valueAt = valuesOf(pass, observed.values[i]!, result.objective[i]);
        const odd = addTo(into, valueAt);
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
    ...(squares && { squares }),
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

interface Into {
  readonly sum: Float64Array;
  readonly squares: Float64Array;
  readonly positive?: Float64Array;
}

/** @returns the first column whose value is not finite, if any. */
function addTo(
  { sum, squares, positive }: Into,
  valueAt: (column: number) => number,
): number | undefined {
  for (let k = 0; k < sum.length; k++) {
    const value = valueAt(k);
    if (!Number.isFinite(value)) return k;
    sum[k]! += value;
    squares[k]! += value * value;
    if (positive && value > 0) positive[k]! += 1;
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
  const refuse = (name: string, state: string): never => {
    throw new UserError(`Cannot find what pass ${JSON.stringify(name)} gave: ${state}`);
  };
  /** Columns of an observation, from `start` in a row of all. */
  const placeOf = (name: string, tap: Tap) => {
    const { pass, sums: { columns } } = find(name);
    const o = pass.observe.findIndex((observation) => observation.tap === tap);
    if (o < 0) refuse(name, `it does not observe ${tap}`);
    return { size: columns[o]!, start: columns.slice(0, o).reduce((sum, n) => sum + n, 0) };
  };
  return {
    at(name: string, group: string, tap: Tap): PooledValues {
      const { pass, sums: { groups } } = find(name), { size, start } = placeOf(name, tap);
      const rows = rowsOf(pass),
        found = groups.find((each) => each.group === group) ??
          refuse(name, `it has no group ${JSON.stringify(group)}`);
      const part = (row: number) => {
        if (row >= rows) refuse(name, "it keeps squares over all groups alone, wanted those by group");
        const from = rows * start + row * size;
        return found.values.subarray(from, from + size);
      };
      return {
        n: found.n,
        sum: part(0),
        get sumOfSquares() {
          return part(1);
        },
        get positive() {
          return part(2);
        },
      };
    },
    squares(name: string, tap: Tap): Float64Array {
      const { pass, sums } = find(name), { size, start } = placeOf(name, tap);
      if (pass.squares === "pass") return sums.squares!.subarray(start, start + size);
      const squares = new Float64Array(size);
      for (const { values } of sums.groups) {
        for (let k = 0; k < size; k++) squares[k]! += values[3 * start + size + k]!;
      }
      return squares;
    },
    groups: (name) => [...new Set(find(name).pass.samples.map(({ group }) => group))],
    count: (name) => find(name).pass.samples.length,
  };
}
