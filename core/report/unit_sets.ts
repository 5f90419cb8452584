/** The sets of units of a run: where in the model they are, and what they share beside what blindly drawn ones would. */
import { SITES, type Tap } from "../model.ts";
import { type Results, UNTOUCHED } from "../results.ts";
import { siteOf } from "../select.ts";
import { jaccard, type OverlapChance, overlapChance, type Stratum } from "../stats/overlap.ts";
import { type Found, foundIn, foundName } from "./found.ts";

/** A selection with a name of its own: "silenced", and "silenced (2)" for a treatment's second, as its file is numbered. */
export interface FoundSet extends Found {
  readonly name: string;
}

/** Every selection of the run, treatment by treatment. */
export function foundSets(results: Results): FoundSet[] {
  const all = foundIn(results).map((found) => ({ ...found, name: foundName(found, results) }));
  return all.map((found, i) => {
    const before = all.slice(0, i).filter(({ name }) => name === found.name).length;
    return before === 0 ? found : { ...found, name: `${found.name} (${before + 1})` };
  });
}

/** Units of one tap: how many were selected, of how many there are; `of` is absent where that was not kept. */
export interface Place {
  readonly selected: number;
  readonly of?: number;
}

/** Where units are: the sites that were looked at, and layer by layer a place each; undefined where a layer has none. */
export interface Places {
  readonly sites: readonly string[];
  readonly layers: readonly (readonly (Place | undefined)[])[];
}

/** Layer by layer; "embed", which is in none, stands with layer 0. */
export function placesOf({ record: { units, taps = {} }, model }: Found): Places {
  const counts = new Map(units.map(({ tap, units }) => [tap as string, units.length]));
  const all = new Set([...Object.keys(taps), ...counts.keys()]);
  const here = new Set([...all].map((tap) => siteOf(tap as Tap)));
  const sites = ["embed", ...SITES].filter((site) => here.has(site));
  const layers = Array.from(
    { length: model.info.layers },
    (_, layer) =>
      sites.map((site): Place | undefined => {
        const tap = site !== "embed" ? `layers.${layer}.${site}` : layer === 0 ? site : "";
        if (!all.has(tap)) return undefined;
        const of = taps[tap];
        return { selected: counts.get(tap) ?? 0, ...(of !== undefined && { of }) };
      }),
  );
  return { sites, layers };
}

/** Two sets on one model, looked at in the taps that both could have been of. */
export interface Overlap {
  readonly one: string;
  readonly other: string;
  /** Units of each there, and of both. */
  readonly sizes: readonly [number, number];
  readonly shared: number;
  /** Shared units over those of either set, in [0, 1]. */
  readonly jaccard: number;
  /** Units and taps there. */
  readonly pool: { readonly units: number; readonly taps: number };
  /** Chance among sets drawn from all these units, and among sets with as many in each tap; absent where the one set was chosen from what the other left. */
  readonly chance?: { readonly uniform: OverlapChance; readonly byTap: OverlapChance };
}

/**
 * Every pair of sets that were found; and of each such set with those of treatments whose units were given, and with its own scored controls.
 * Pairs that have no tap in common are left out, and runs of before the pool of a selection was kept have none.
 */
export function overlapsOf(results: Results): Overlap[] {
  const sets = foundSets(results).flatMap((found, i, all) => {
    const others = [...all.slice(i + 1).map(setOf), ...givenSets(results), ...controlSets(found, results)];
    return others.map((other) => [setOf(found), other] as const);
  });
  return sets.flatMap(([one, other]) => one.model === other.model ? overlapOf(one, other) ?? [] : []);
}

interface UnitSet {
  readonly model: string;
  readonly name: string;
  readonly units: ReadonlyMap<string, ReadonlySet<number>>;
  /** Units of each tap that it was selected from; undefined where it may have units anywhere. */
  readonly taps: ReadonlyMap<string, number> | undefined;
  /** Whether units of the set that it stands beside were not to be taken. */
  readonly isApart: boolean;
}

function setOf({ name, model, record: { units, taps = {} } }: FoundSet): UnitSet {
  return {
    name,
    model: model.label,
    units: byTap(units),
    taps: new Map(Object.entries(taps)),
    isApart: false,
  };
}

/** The units of treatments that name theirs, once a model. */
function givenSets({ treatments, models }: Results): UnitSet[] {
  return treatments.filter(({ name, found, trained }) => name !== UNTOUCHED && !found && !trained)
    .flatMap(({ name, arms }) =>
      models.flatMap(({ label: model }): UnitSet[] => {
        const own = arms.find(({ arm, model: its = model }) => arm === "treated" && its === model);
        return own && own.units > 0
          ? [{ name, model, units: byTap(own.edits), taps: undefined, isApart: false }]
          : [];
      })
    );
}

interface ScoredControl {
  readonly use: string;
  readonly name: string;
  readonly exclude: boolean;
}

/** The scored controls of a treatment on the set's model. */
function controlSets({ treatment, model: { label: model } }: FoundSet, { treatments }: Results): UnitSet[] {
  const { controls, arms } = treatments.find(({ name }) => name === treatment)!;
  const scored = (controls as unknown as readonly ScoredControl[]).filter(({ use }) => use === "scored");
  return scored.flatMap(({ name, exclude }): UnitSet[] => {
    const own = arms.find(({ arm, model: its = model }) => arm === name && its === model);
    return own
      ? [{
        name: `its control ${name}`,
        model,
        units: byTap(own.edits),
        taps: undefined,
        isApart: exclude,
      }]
      : [];
  });
}

/** Units may be edited twice at a tap. */
function byTap(
  groups: readonly { readonly tap: Tap; readonly units: readonly number[] }[],
): UnitSet["units"] {
  return new Map(
    [...Map.groupBy(groups, ({ tap }) => tap as string)].map(([tap, some]) => [
      tap,
      new Set(some.flatMap(({ units }) => units)),
    ]),
  );
}

function overlapOf(one: UnitSet, other: UnitSet): Overlap | undefined {
  const common = [...one.taps ?? []].filter(([tap]) => other.taps?.has(tap) ?? true);
  const count = (set: UnitSet, tap: string) => set.units.get(tap)?.size ?? 0;
  const strata = common.map(([tap, pool]): Stratum => ({
    pool,
    one: count(one, tap),
    other: count(other, tap),
  }));
  const whole = strata.reduce((sum, each) => ({
    pool: sum.pool + each.pool,
    one: sum.one + each.one,
    other: sum.other + each.other,
  }), { pool: 0, one: 0, other: 0 });
  if (whole.one === 0 || whole.other === 0) return undefined;
  const shared = common.reduce((sum, [tap]) => {
    const mine = one.units.get(tap);
    return sum + (mine ? other.units.get(tap)?.intersection(mine).size ?? 0 : 0);
  }, 0);
  return {
    one: one.name,
    other: other.name,
    sizes: [whole.one, whole.other],
    shared,
    jaccard: jaccard(shared, whole.one, whole.other),
    pool: { units: whole.pool, taps: common.length },
    ...(!other.isApart && {
      chance: { uniform: overlapChance(shared, [whole]), byTap: overlapChance(shared, strata) },
    }),
  };
}
