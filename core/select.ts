/** Units by their scores: those of a treatment, and those of a control that has scores of its own. */
import { UserError } from "./error.ts";
import type { SelectSpec } from "./matrix.ts";
import { SITES, type Tap, type Unit } from "./model.ts";
import { suggest } from "./nearest.ts";
import type { UnitScores } from "./scorer.ts";

/** Units that were selected. */
export interface Selected {
  /** By layer, site and index. */
  readonly units: readonly Unit[];
  /** Of each unit, in the same order. */
  readonly scores: readonly number[];
  /** Number of units that they were selected from. */
  readonly pool: number;
}

/**
 * The units that come first by score: the share `top` of a pool of N is floor(top * N) units. Of equal scores the earlier tap and the
 * lower index come first.
 *
 * @throws {UserError} for a group or site without scores, a score that is not finite, and where `top` is none or more than all.
 *
 * @example
 * ```ts
 * import { selectUnits } from "./select.ts";
 * const scores = new Map([["all", new Map([["layers.0.mlp.gate", Float64Array.of(1, 3, 2, 3)]] as const)]]);
 * const { units } = selectUnits(scores, { top: 0.5, per: "all", order: "highest" });
 * if (units.map(({ index }) => index).join() !== "1,3") throw new Error("the highest come first");
 * ```
 */
export function selectUnits(scores: UnitScores, select: SelectSpec): Selected {
  const selected = takeUnits(scores, select);
  if (selected.units.length > 0) return selected;
  const { top, per, without, standout } = select;
  if (without || standout) {
    throw new UserError(
      `Cannot select units: none is left of top ${top} by what "without" and "standout" drop, wanted one or more`,
    );
  }
  const most = Math.max(...poolsOf(scores, select).values().map(({ length }) => length)).toLocaleString("en");
  throw new UserError(
    `Cannot select units: top ${top} of ${most} units${
      per === "all" ? "" : ` of a ${per}`
    } is less than one unit, wanted one or more`,
  );
}

/** The same where none is an answer too. @throws {UserError} as selectUnits(), but for none. */
export function takeUnits(scores: UnitScores, select: SelectSpec): Selected {
  const { top, order } = select, pools = poolsOf(scores, select);
  const taken = [...pools].flatMap(([name, pool]) => {
    const count = countOf(top, pool.length);
    if (count > pool.length) {
      throw new UserError(
        `Cannot select units: top is ${top}, wanted at most ${
          pool.length.toLocaleString("en")
        }, the scored units${name && ` of ${name}`}`,
      );
    }
    return kept(ranked(pool, order).slice(0, count), { pool, scores, select });
  });
  taken.sort(compareUnits);
  return {
    units: taken.map(({ tap, index }) => ({ tap, index })),
    scores: taken.map(({ score }) => score),
    pool: pools.values().reduce((sum, { length }) => sum + length, 0),
  };
}

/** What `top` is taken of, by name; "" for all units together. @throws {UserError} where none has a score. */
function poolsOf(
  scores: UnitScores,
  { per, sites, group }: SelectSpec,
): ReadonlyMap<string, readonly ScoredUnit[]> {
  const all = scoredUnits(scores, group);
  const scored = sites ? all.filter(({ tap }) => (sites as readonly string[]).includes(siteOf(tap))) : all;
  if (scored.length === 0) {
    const known = [...new Set(all.map(({ tap }) => siteOf(tap)))].join(", ");
    throw new UserError(
      `Cannot select units: none at ${sites?.join(", ") ?? "any site"} has a score, wanted one of ${
        known || "those that the scorer looks at"
      }`,
    );
  }
  return Map.groupBy(scored, ({ tap }) => per === "all" ? "" : per === "tap" ? tap : siteOf(tap));
}

/** Units of each tap that a selection is taken from, taps in forward order. @throws {UserError} where none has a score. */
export function poolSizes(scores: UnitScores, select: SelectSpec): ReadonlyMap<Tap, number> {
  const byTap = Map.groupBy(poolsOf(scores, select).values().toArray().flat(), ({ tap }) => tap);
  return new Map(
    [...byTap].map(([tap, { length }]) => [tap, length] as const).sort(([a], [b]) => compareTaps(a, b)),
  );
}

interface ScoredUnit extends Unit {
  readonly score: number;
}

/** Of units that were taken of a pool those that nothing drops. */
function kept(taken: readonly ScoredUnit[], { pool, scores, select: { group, order, without, standout } }: {
  readonly pool: readonly ScoredUnit[];
  readonly scores: UnitScores;
  readonly select: SelectSpec;
}): ScoredUnit[] {
  const nameOf = ({ tap, index }: Unit) => `${tap}/${index}`;
  let left = [...taken];
  if (without) {
    const inPool = new Set(pool.map(nameOf));
    const others = scoredUnits(scores, without.group).filter((unit) => inPool.has(nameOf(unit)));
    const count = countOf(without.top, others.length);
    const first = new Set(ranked(others, order).slice(0, count).map(nameOf));
    left = left.filter((unit) => !first.has(nameOf(unit)));
  }
  if (standout) {
    const { z, among } = standout;
    const names = [...scores.keys()].filter((name) => name.startsWith(among));
    if (names.length < 2 || !names.includes(group!)) {
      throw new UserError(
        `Cannot select units: ${names.length} groups begin with ${JSON.stringify(among)}${
          names.length < 2 ? "" : `, ${JSON.stringify(group)} not among them`
        }, wanted that of the selection and others`,
      );
    }
    left = left.filter(({ tap, index, score }) => {
      const all = names.map((name) => scores.get(name)!.get(tap)![index]!);
      const mean = all.reduce((sum, each) => sum + each, 0) / all.length;
      const deviation = Math.sqrt(all.reduce((sum, each) => sum + (each - mean) ** 2, 0) / all.length);
      return (deviation === 0 ? 0 : (score - mean) / deviation) >= z;
    });
  }
  return left;
}

/** Units that a share of a pool is. 0.29 * 100 is a hair below 29 in binary: a share that comes to a whole number means that number. */
function countOf(top: number, size: number): number {
  return top < 1 ? Math.floor(top * size * (1 + 1e-12)) : top;
}

/** Those that come first; the sort is stable, so equals stay in the order of taps and indices. */
function ranked(pool: readonly ScoredUnit[], order: SelectSpec["order"]): ScoredUnit[] {
  const rank = { highest: -1, lowest: 1, magnitude: -1 }[order];
  const size = (score: number) => order === "magnitude" ? Math.abs(score) : score;
  return pool.toSorted((a, b) => rank * (size(a.score) - size(b.score)));
}

/** Every unit with its score in `group`, or the sum over all groups; taps in forward order. */
function scoredUnits(scores: UnitScores, group: string | undefined): ScoredUnit[] {
  const own = group === undefined ? undefined : scores.get(group);
  if (group !== undefined && own === undefined) {
    throw new UserError(
      `Cannot select units: no scores of group ${JSON.stringify(group)}${suggest(group, scores.keys())}`,
    );
  }
  const groups = own ? [own] : [...scores.values()];
  const taps = [...new Set(groups.flatMap((byTap) => [...byTap.keys()]))].sort(compareTaps);
  return taps.flatMap((tap) => {
    const lists = groups.flatMap((byTap) => byTap.get(tap) ?? []);
    return Array.from(lists[0] ?? [], (_, index): ScoredUnit => {
      const score = lists.reduce((sum, list) => sum + (list[index] ?? NaN), 0);
      if (!Number.isFinite(score)) {
        throw new UserError(
          `Cannot select units: the score of unit ${index} of ${tap} is ${score}, wanted a finite number`,
        );
      }
      return { tap, index, score };
    });
  });
}

/** "mlp.gate" of "layers.3.mlp.gate"; "embed" is its own. */
export function siteOf(tap: Tap): string {
  return tap.replace(/^layers\.\d+\./, "");
}

export interface RankOptions extends Pick<SelectSpec, "group" | "order"> {
  /** "tap": the first of each tap, as many as are treated there. "count": the first of all, as many as are treated. */
  readonly match: "tap" | "count";
  readonly scores: UnitScores;
  /** Treated units are not chosen. */
  readonly exclude: boolean;
  /** Of the control, for messages. */
  readonly name: string;
  /** Those of which "count" takes units; default those of the treated ones. */
  readonly sites?: readonly string[];
}

/**
 * Chooses as many units as are treated by scores that the treatment has nothing to do with. Of equal scores the earlier tap and the lower
 * index come first.
 *
 * @param treated units in any order; one named twice counts once.
 * @returns units sorted by layer, site and index.
 * @throws {UserError} when too few scored units are left, and for a group without scores.
 *
 * @example
 * ```ts
 * import { rankControl } from "./select.ts";
 * const scores = new Map([["all", new Map([["layers.0.mlp.gate", Float64Array.of(1, 3, 2)]] as const)]]);
 * const options = { match: "tap", scores, exclude: true, order: "highest", name: "important" } as const;
 * const [unit] = rankControl([{ tap: "layers.0.mlp.gate", index: 1 }], options);
 * if (unit?.index !== 2) throw new Error("the highest is treated, so the second comes first");
 * ```
 */
export function rankControl(treated: readonly Unit[], options: RankOptions): Unit[] {
  const { match, scores, exclude, group, order, name } = options;
  const taken = new Map(treated.map((unit) => [`${unit.tap} ${unit.index}`, unit]));
  const free = scoredUnits(scores, group).filter(({ tap, index }) =>
    !exclude || !taken.has(`${tap} ${index}`)
  );
  const sites = options.sites ?? [...new Set(treated.map(({ tap }) => siteOf(tap)))];
  const byTap = Map.groupBy(free, ({ tap }) => tap);
  const wanted = match === "tap"
    ? [...Map.groupBy(taken.values(), ({ tap }) => tap)].map(([tap, { length }]) => ({
      place: tap as string,
      count: length,
      pool: byTap.get(tap) ?? [],
    }))
    : [{
      place: sites.join(", "),
      count: taken.size,
      pool: free.filter(({ tap }) => sites.includes(siteOf(tap))),
    }];
  return wanted.flatMap(({ place, count, pool }) => {
    if (count <= pool.length) return ranked(pool, order).slice(0, count);
    const units = `${count} unit${count === 1 ? "" : "s"}`;
    throw new UserError(
      `Cannot choose ${units} of ${place} for control ${
        JSON.stringify(name)
      }: ${pool.length} of those scored are free, wanted at least ${count} or other "controls" of the treatment`,
    );
  }).map(({ tap, index }): Unit => ({ tap, index })).sort(compareUnits);
}

/** By layer, site and index. */
export function compareUnits(a: Unit, b: Unit): number {
  return compareTaps(a.tap, b.tap) || a.index - b.index;
}

/** By layer, then by site in the order of the forward pass; "embed" first. */
export function compareTaps(a: Tap, b: Tap): number {
  const place = (tap: Tap): readonly [number, number] => {
    const [, layer, site] = /^layers\.(\d+)\.(.+)$/.exec(tap) ?? [];
    return layer === undefined ? [-1, 0] : [Number(layer), (SITES as readonly string[]).indexOf(site ?? "")];
  };
  const [layerA, siteA] = place(a);
  const [layerB, siteB] = place(b);
  return layerA - layerB || siteA - siteB;
}
