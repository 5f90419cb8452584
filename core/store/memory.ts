/** A store that ends with the process: for tests, and for runs that nothing shall remember. */
import type { Outcome, Sample } from "../evaluator.ts";
import type { Results } from "../results.ts";
import { encode, summarise } from "./encode.ts";
import type { Numbers, RunStore, RunSummary } from "./store.ts";

interface Cell {
  readonly items: number;
  readonly outcomes: Map<string, string>;
  complete: boolean;
}

/** Behaves as the SQLite store does; records are kept as JSON text too, so that no caller holds what another may change. */
export function createMemoryStore(): RunStore {
  const cells = new Map<string, Cell>();
  const samples = new Map<string, ReadonlyMap<string, string>>();
  const numbers = new Map<string, Numbers>();
  const runs = new Map<string, { readonly summary: RunSummary; readonly json: string }>();
  const cellOf = (key: string): Cell => {
    const cell = cells.get(key);
    if (cell === undefined) throw new Error(`Cannot write to cell ${key}: it was not opened`);
    return cell;
  };
  return {
    openCell(key, spec, items) {
      encode(spec);
      if (!cells.has(key)) cells.set(key, { items, outcomes: new Map(), complete: false });
    },
    outcomes: (key) => decode<Outcome>(cells.get(key)?.outcomes),
    each: (key) => decode<Outcome>(cells.get(key)?.outcomes).values(),
    isComplete: (key) => cells.get(key)?.complete ?? false,
    commit(key, outcomes) {
      const cell = cellOf(key);
      for (const [item, json] of outcomes.map((outcome) => [outcome.item, encode(outcome)] as const)) {
        if (!cell.outcomes.has(item)) cell.outcomes.set(item, json);
      }
    },
    closeCell(key) {
      const cell = cellOf(key);
      if (cell.outcomes.size !== cell.items) {
        throw new Error(
          `Cannot close cell ${key}: it has ${cell.outcomes.size} outcomes, wanted ${cell.items}`,
        );
      }
      cell.complete = true;
    },
    saveSamples(key, list) {
      cellOf(key);
      samples.set(key, new Map([...list].map(([item, sample]) => [item, encode(sample)])));
    },
    samples: (key) => decode<Sample>(samples.get(key)),
    numbers(key) {
      const found = numbers.get(key);
      return found && copy(found);
    },
    saveNumbers: (key, value) => void numbers.set(key, copy(value)),
    dropNumbers: (key) => void numbers.delete(key),
    saveRun(results) {
      runs.set(results.id, { summary: summarise(results), json: encode(results) });
    },
    runs: () => [...runs.values()].map(({ summary }) => summary).sort(newestFirst),
    run(id) {
      const json = runs.get(id)?.json;
      return json === undefined ? undefined : JSON.parse(json) as Results;
    },
    [Symbol.dispose]() {},
  };
}

function decode<T>(texts: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, T> {
  return new Map([...texts].map(([item, json]) => [item, JSON.parse(json) as T]));
}

function copy({ about, arrays }: Numbers): Numbers {
  return { about: JSON.parse(encode(about)), arrays: arrays.map((array) => array.slice()) };
}

function newestFirst(a: RunSummary, b: RunSummary): number {
  if (a.startedAt !== b.startedAt) return a.startedAt < b.startedAt ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}
