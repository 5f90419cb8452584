/** Units drawn at random: sets as large as a treatment, and sequences in which a set grows. */
import { UserError } from "./error.ts";
import type { Tap, Unit } from "./model.ts";
import { createRandom, type Random } from "./random.ts";
import { compareTaps } from "./select.ts";

export interface ControlOptions {
  /** "tap": from each tap as many units as are treated there. "uniform": as many in all, every unit of the pool alike. */
  readonly match: "tap" | "uniform";
  /** Number of the control set, from 0; with the seed and the match it decides the draw. */
  readonly set: number;
  readonly seed: string | number;
  /** Number of units at a tap. */
  readonly unitsOf: (tap: Tap) => number;
  /** Taps to draw from under "uniform", in any order. */
  readonly pool: readonly Tap[];
  /** Treated units are not drawn. */
  readonly exclude: boolean;
}

/**
 * Draws one control set without replacement.
 *
 * @param treated units in any order; one named twice counts once.
 * @returns as many units, sorted by layer, site and index; the same for any order of `treated` and `pool`.
 * @throws {UserError} when too few units are left, or a treated one is not in its tap.
 *
 * @example
 * ```ts
 * import { drawControl } from "./draw.ts";
 * const treated = [{ tap: "layers.1.mlp.gate", index: 4 }] as const;
 * const options = { match: "tap", set: 0, seed: 0, unitsOf: () => 256, pool: [], exclude: true } as const;
 * const [unit] = drawControl(treated, options);
 * if (unit?.tap !== "layers.1.mlp.gate" || unit.index === 4) throw new Error("a matched unit is another one of the tap");
 * ```
 */
export function drawControl(treated: readonly Unit[], options: ControlOptions): Unit[] {
  const { match, set, seed, unitsOf, pool, exclude } = options;
  const byTap = Map.groupBy(treated, ({ tap }) => tap);
  const taken = new Map<Tap, number[]>();
  for (const tap of [...byTap.keys()].sort(compareTaps)) {
    const indices = [...new Set(byTap.get(tap)?.map(({ index }) => index))].sort((a, b) => a - b);
    const odd = indices.find((index) => !(Number.isInteger(index) && index >= 0 && index < unitsOf(tap)));
    if (odd !== undefined) {
      throw new UserError(
        `Cannot draw a control for unit ${odd} of ${tap}: no such unit, wanted 0 to ${unitsOf(tap) - 1}`,
      );
    }
    taken.set(tap, indices);
  }
  const draw = (taps: readonly Tap[], count: number, stream: string) =>
    drawUnits(count, {
      runs: taps.map((tap) => ({ tap, width: unitsOf(tap), taken: exclude ? taken.get(tap) ?? [] : [] })),
      random: createRandom(`${seed}/control/${stream}/${set}`),
    });
  if (match === "tap") return [...taken].flatMap(([tap, { length }]) => draw([tap], length, tap));
  const count = [...taken.values()].reduce((sum, { length }) => sum + length, 0);
  return draw([...new Set(pool)].sort(compareTaps), count, "uniform");
}

/**
 * All units that a control may take, in the order in which a set of it grows; the first so many are always a set of that size. Under "tap"
 * each tap's units come at the pace at which the treatment has units there, so that every beginning is matched as nearly as whole units can be.
 *
 * @param treated units in any order; one named twice counts once.
 */
export function drawSequence(treated: readonly Unit[], options: ControlOptions): Unit[] {
  const { match, set, seed, unitsOf, pool, exclude } = options;
  const taken = new Set(treated.map(({ tap, index }) => `${tap} ${index}`));
  const counts = [...Map.groupBy(treated, ({ tap }) => tap)].map(([tap, list]): [Tap, number] => [
    tap,
    new Set(list.map(({ index }) => index)).size,
  ]);
  // Refuses too few units, and treated ones that there are not.
  drawControl(treated, options);
  const shuffled = (taps: readonly Tap[], stream: string) => {
    const free = taps.flatMap((tap) =>
      Array.from({ length: unitsOf(tap) }, (_, index): Unit => ({ tap, index }))
    ).filter(({ tap, index }) => !exclude || !taken.has(`${tap} ${index}`));
    return createRandom(`${seed}/growth/${stream}/${set}`).sample(free.length, free.length)
      .map((i) => free[i]!);
  };
  if (match === "uniform") return shuffled([...new Set(pool)].sort(compareTaps), "uniform");
  return counts.sort(([a], [b]) => compareTaps(a, b))
    .flatMap(([tap, count]) => shuffled([tap], tap).map((unit, i) => ({ unit, at: (i + 1) / count })))
    .sort((a, b) => a.at - b.at)
    .map(({ unit }) => unit);
}

interface Run {
  readonly tap: Tap;
  readonly width: number;
  /** Indices that must not be drawn, ascending. */
  readonly taken: readonly number[];
}

/** `count` of the free units of all runs laid end to end. */
function drawUnits(
  count: number,
  { runs, random }: { readonly runs: readonly Run[]; readonly random: Random },
): Unit[] {
  const free = runs.reduce((sum, { width, taken }) => sum + width - taken.length, 0);
  if (count > free) {
    const from = runs.length === 1 ? runs[0]?.tap : `${runs.length} taps`;
    throw new UserError(
      `Cannot draw a control of ${count} units from ${from}: ${free} are free, wanted at least ${count} or other "controls" of the treatment`,
    );
  }
  const ranks = random.sample(free, count).sort((a, b) => a - b);
  const units: Unit[] = [];
  let start = 0;
  for (const { tap, width, taken } of runs) {
    const end = start + width - taken.length;
    let passed = 0;
    for (let rank = ranks[units.length]; rank !== undefined && rank < end; rank = ranks[units.length]) {
      // The rank counts free units only: every taken one before it pushes the index up.
      while ((taken[passed] ?? Infinity) <= rank - start + passed) passed++;
      units.push({ tap, index: rank - start + passed });
    }
    start = end;
  }
  return units;
}
