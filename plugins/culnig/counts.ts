/** Checks that need no model: selection on a table whose counts are reckoned by hand, and the draws of Python's generator. */
import {
  type Check,
  pythonRandom,
  pythonRandomOf,
  selectUnits,
  type Tap,
  type UnitScores,
} from "../../core/mod.ts";

/**
 * Dossier 1.12 (4): a table whose counts are reckoned by hand. 1,000 gates and 500 of q, k and v in two layers; the scores fall with the index, so
 * that the first of each pool are known.
 */
export const selection: Check = {
  name: "selection counts as the paper does, names removed and z filtered",
  source: "CULNIG 1.5",
  run() {
    const table = (of: (tap: string, k: number) => number) =>
      new Map<Tap, Float64Array>(
        [0, 1].flatMap((layer) =>
          ([["mlp.gate", 500], ["attn.q", 150], ["attn.k", 50], ["attn.v", 50]] as const).map(
            ([site, size]) => {
              const tap: Tap = `layers.${layer}.${site}`;
              return [tap, Float64Array.from({ length: size }, (_, k) => of(tap, k))] as const;
            },
          )
        ),
      );
    // Layer 1 comes first, then layer 0; within a tap the lower index.
    const falling = table((tap, k) => (tap.startsWith("layers.1") ? 2000 : 1000) - k);
    const scores: UnitScores = new Map([
      ["general", falling],
      // Of the gates the ten that come first by names are layer 1's 5 to 14: five of the ten selected.
      ["names", table((tap, k) => tap === "layers.1.mlp.gate" && k >= 5 && k < 15 ? 100 - k : -k)],
      ["country/a", falling],
      ["country/b", table((tap, k) => falling.get(tap as Tap)![k]! - (k % 2))],
      ["names/a", table((_, k) => -k)],
    ]);
    const take = { per: "all", order: "highest" } as const;
    const general = selectUnits(scores, {
      ...take,
      top: 0.01,
      sites: ["mlp.gate"],
      group: "general",
      without: { group: "names", top: 0.01 },
    });
    const attention = selectUnits(scores, {
      ...take,
      top: 0.002,
      sites: ["attn.q", "attn.k", "attn.v"],
      group: "general",
    });
    // The first two of layer 1's four taps; those with an even index have b's score too: deviation 0, z = 0.
    const specific = selectUnits(scores, {
      ...take,
      top: 8,
      group: "country/a",
      standout: { z: 0.5, among: "country/" },
    });
    const found = [
      [general.units.map(({ index }) => index).join() === "0,1,2,3,4", general.pool === 1000],
      [attention.units.length === Math.floor(0.002 * 500), attention.pool === 500],
      // Of indices 0 and 1 of four taps those with odd index stand out, by z = 1.
      [specific.units.length === 4, specific.units.every(({ index }) => index === 1)],
    ].flat();
    return {
      value: found.filter((right) => !right).length,
      bound: 0,
      passes: "exactly",
      n: found.length,
      what: "counts that are not those reckoned by hand",
    };
  },
};

/** Draws of Python's generator, which order options and seed sets as the authors' program does. */
export const draws: Check = {
  name: "seeded draws are Python's",
  source: "CPython's random: sample, shuffle, and the seed from an MD5",
  run() {
    const found = [
      pythonRandom(42).sample(Array.from({ length: 15 }, (_, i) => i), 3).join() === "10,1,0",
      pythonRandom(42).shuffle([1, 2, 3]).join() === "2,1,3",
      pythonRandom(7).shuffle(["A", "B", "C", "D"]).join() === "D,B,A,C",
      pythonRandomOf("abc").bits(32) === pythonRandom(2416005272).bits(32),
      pythonRandom(0).sample(Array.from({ length: 700_000 }, (_, i) => i), 8000).slice(0, 5).join() ===
        "403958,441001,42450,271493,536110",
    ];
    return {
      value: found.filter((right) => !right).length,
      bound: 0,
      passes: "exactly",
      n: found.length,
      what: "draws that are not Python's",
    };
  },
};
