/** A run whose units were found, made up so that every overlap can be counted by hand. */
import type { FoundRecord, Results, RunStore, Tap, TreatmentRecord } from "../../core/mod.ts";

export const GATE: Tap = "layers.1.mlp.gate";
export const LATE: Tap = "layers.3.mlp.gate";
export const QUERY: Tap = "layers.0.attn.q";

type Units = Readonly<Partial<Record<Tap, readonly number[]>>>;

/** A selection of a country's from 256 units of each tap. */
export function record(
  model: string,
  units: Units,
  { group = "country/Arveld", groupBy = "country", taps = [GATE, LATE] }: {
    readonly group?: string;
    readonly groupBy?: string | null;
    readonly taps?: readonly Tap[];
  } = {},
): FoundRecord {
  const places = Object.entries(units) as [Tap, readonly number[]][];
  const selected = places.reduce((sum, [, list]) => sum + list.length, 0);
  const items = {
    label: "worlds",
    name: "worlds",
    version: "1",
    title: "Worlds",
    licence: "CC0-1.0",
    source: "Plumbline",
    evaluator: { name: "multiple_choice", version: "1" },
    params: {},
    files: [],
    items: { original: 480, effective: 480 },
    itemsHash: "f821be528df7",
  };
  return {
    model,
    scorer: { name: "culnig", version: "1", title: "Country units", source: "arXiv", params: {} },
    seed: 0,
    sets: { items: { ...items, groupBy } },
    select: { top: selected, per: "all", order: "highest", group },
    pool: 256 * taps.length,
    taps: Object.fromEntries(taps.map((tap) => [tap, 256])),
    selected,
    units: places.map(([tap, list]) => ({ tap, units: list })),
    // The later a unit of its tap, the higher: the highest is the last of the last tap.
    scores: Object.fromEntries(
      places.map(([tap, list], t) => [tap, list.map((_, i) => (t + 1) * 0.1 + i / 1000)]),
    ),
    key: "5c0e5c0e5c0e5c0e",
  };
}

/** A treatment that finds units, and one that has them given. */
export function treatment(name: string, { found, given, controls = [] }: {
  readonly found?: readonly FoundRecord[];
  readonly given?: Units;
  readonly controls?: readonly { readonly name: string; readonly exclude: boolean; readonly units: Units }[];
}): TreatmentRecord {
  const armOf = (arm: string, units: Units) => ({
    treatment: name,
    arm,
    edits: (Object.entries(units) as [Tap, readonly number[]][])
      .map(([tap, list]) => ({ tap, units: list, op: "scale" as const, value: 0 })),
    units: Object.values(units).flat().length,
  });
  return {
    name,
    steps: [],
    controls: controls.map(({ name, exclude }) => ({ use: "scored", name, exclude })),
    arms: [
      ...given ? [armOf("treated", given)] : [],
      ...controls.map(({ name, units }) => armOf(name, units)),
    ],
    ...(found && { found }),
  };
}

export const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

/** Saves a run with two selections of a treatment, a second one, given units and two scored controls. */
export function fillUnits(store: RunStore, results: Results): Results {
  const model = results.models[0]!.label;
  const made: Results = {
    ...results,
    id: "units-0000abcd",
    name: "units",
    treatments: [
      treatment("Arveld <silenced>", {
        found: [
          record(model, { [GATE]: range(0, 30), [LATE]: range(0, 10) }),
          record(model, { [QUERY]: range(0, 3) }, { taps: [QUERY] }),
        ],
        controls: [
          { name: "important", exclude: true, units: { [GATE]: range(100, 130), [LATE]: range(100, 110) } },
          { name: "loud", exclude: false, units: { [GATE]: range(20, 50), [LATE]: range(5, 15) } },
        ],
      }),
      treatment("Brinmoor silenced", {
        found: [record(model, { [GATE]: range(24, 44) }, { group: "country/Brinmoor" })],
      }),
      treatment("planted", { given: { [GATE]: range(0, 8), "layers.2.mlp.up": range(0, 5) } }),
    ],
  };
  store.saveRun(made);
  return made;
}
