import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Tap, Unit } from "../../core/model.ts";
import type { SelectSpec } from "../../core/matrix.ts";
import { UserError } from "../../core/error.ts";
import { createRandom } from "../../core/random.ts";
import { type ControlOptions, drawControl } from "../../core/draw.ts";
import { selectUnits } from "../../core/select.ts";

const WIDTH = 12;
const GATE: Tap = "layers.0.mlp.gate";
const QUERY: Tap = "layers.0.attn.q";
const LATE: Tap = "layers.10.attn.v";
const EARLY: Tap = "layers.2.mlp.gate";
const POOL: readonly Tap[] = [LATE, GATE, EARLY, QUERY];
/** That of the forward pass. */
const ORDER: readonly Tap[] = [QUERY, GATE, EARLY, LATE];
const TREATED: readonly Unit[] = [
  { tap: LATE, index: 11 },
  { tap: GATE, index: 3 },
  { tap: EARLY, index: 0 },
  { tap: GATE, index: 0 },
  { tap: GATE, index: 7 },
];
const BASE: ControlOptions = {
  match: "tap",
  set: 0,
  seed: 0,
  unitsOf: () => WIDTH,
  pool: POOL,
  exclude: true,
};

const nameOf = ({ tap, index }: Unit) => `${tap} ${index}`;
const treatedNames = new Set(TREATED.map(nameOf));

Deno.test("drawControl() draws as many from each tap, none of them treated, when matched by tap", () => {
  for (let set = 0; set < 50; set++) {
    const drawn = drawControl(TREATED, { ...BASE, set });
    assertEquals(drawn.map(({ tap }) => tap), [GATE, GATE, GATE, EARLY, LATE]);
    assertEquals(new Set(drawn.map(nameOf)).size, TREATED.length);
    assert(drawn.every((unit) => !treatedNames.has(nameOf(unit)) && unit.index >= 0 && unit.index < WIDTH));
    const gate = drawn.slice(0, 3).map(({ index }) => index);
    assertEquals(gate, [...gate].sort((a, b) => a - b));
  }
});

Deno.test("drawControl() draws from all taps of the pool in the order of the forward pass when uniform", () => {
  const seen = new Set<Tap>();
  for (let set = 0; set < 50; set++) {
    const drawn = drawControl(TREATED, { ...BASE, match: "uniform", set });
    assertEquals(new Set(drawn.map(nameOf)).size, TREATED.length);
    assert(drawn.every((unit) => !treatedNames.has(nameOf(unit)) && unit.index >= 0 && unit.index < WIDTH));
    const places = drawn.map(({ tap, index }) => ORDER.indexOf(tap) * WIDTH + index);
    assertEquals(places, [...places].sort((a, b) => a - b));
    for (const { tap } of drawn) seen.add(tap);
  }
  assertEquals(seen.size, POOL.length);
});

Deno.test("drawControl() draws every free unit equally often when repeated", () => {
  const sets = 4000;
  for (const [exclude, free] of [[true, 43], [false, 48]] as const) {
    const counts = new Map<string, number>();
    for (let set = 0; set < sets; set++) {
      for (const unit of drawControl(TREATED, { ...BASE, match: "uniform", set, exclude })) {
        counts.set(nameOf(unit), (counts.get(nameOf(unit)) ?? 0) + 1);
      }
    }
    assertEquals(counts.size, free);
    const mean = sets * TREATED.length / free;
    const chi = [...counts.values()].reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
    /** The 0.9999 quantile of chi-square at 47 degrees of freedom; drawing without replacement makes it smaller still. */
    assert(chi < 91.1, `${chi}`);
  }
});

Deno.test("drawControl() takes all that is left when exactly enough remain", () => {
  const treated = Array.from({ length: 6 }, (_, i) => ({ tap: GATE, index: 2 * i }));
  const odd = Array.from({ length: 6 }, (_, i) => ({ tap: GATE, index: 2 * i + 1 }));
  assertEquals(drawControl(treated, BASE), odd);
  assertEquals(drawControl(treated, { ...BASE, match: "uniform", pool: [GATE, GATE] }), odd);
});

Deno.test("drawControl() gives the same set when seed and number are the same, whatever the order", () => {
  for (const match of ["tap", "uniform"] as const) {
    const options = { ...BASE, match };
    const drawn = drawControl(TREATED, options);
    assertEquals(drawControl([...TREATED].reverse(), { ...options, pool: [...POOL].reverse() }), drawn);
    assertEquals(drawControl([...TREATED, ...TREATED], options), drawn);
    assertNotEquals(drawControl(TREATED, { ...options, set: 1 }), drawn);
    assertNotEquals(drawControl(TREATED, { ...options, seed: 1 }), drawn);
  }
});

Deno.test("drawControl() draws nothing when nothing is treated", () => {
  assertEquals(drawControl([], BASE), []);
  assertEquals(drawControl([], { ...BASE, match: "uniform" }), []);
});

Deno.test("drawControl() throws one line when too few units remain or a unit does not exist", () => {
  const seven = Array.from({ length: 7 }, (_, index) => ({ tap: GATE, index }));
  assertThrows(
    () => drawControl(seven, BASE),
    UserError,
    "7 units from layers.0.mlp.gate: 5 are free, wanted at least 7",
  );
  assertEquals(drawControl(seven, { ...BASE, exclude: false }).length, 7);
  assertThrows(() => drawControl([{ tap: GATE, index: WIDTH }], BASE), UserError, "wanted 0 to 11");
  assertThrows(() => drawControl(seven, { ...BASE, match: "uniform", pool: [] }), UserError, "0 are free");
});

type Select = Parameters<typeof selectUnits>[1];

const select = (change: Partial<Select> = {}): Select => ({
  top: 2,
  per: "all",
  order: "highest",
  ...change,
});
const one = (...taps: readonly (readonly [Tap, readonly number[]])[]) =>
  new Map(taps.map(([tap, values]) => [tap, Float64Array.from(values)]));
const SCORES = new Map([
  // Taps against their order: the result's order is not the map's.
  ["all", one([LATE, [5, 0, -9]], [GATE, [1, 5, 5]], [EARLY, [7, -1, 2]])],
]);

const names = (change: Partial<Select>, scores = SCORES) =>
  selectUnits(scores, select(change)).units.map(nameOf);

Deno.test("selectUnits() takes the highest, the lowest or those farthest from 0, in order of taps and indices", () => {
  assertEquals(names({ top: 1 }), [`${EARLY} 0`]);
  assertEquals(names({ top: 2, order: "lowest" }), [`${EARLY} 1`, `${LATE} 2`]);
  assertEquals(names({ top: 2, order: "magnitude" }), [`${EARLY} 0`, `${LATE} 2`]);
  assertEquals(selectUnits(SCORES, select({ top: 2, order: "magnitude" })), {
    units: [{ tap: EARLY, index: 0 }, { tap: LATE, index: 2 }],
    scores: [7, -9],
    pool: 9,
  });
});

Deno.test("selectUnits() breaks ties by tap and then by index", () => {
  // 7 is taken first; of the three scores of 5 those of the gate of layer 0 come before that of layer 10.
  assertEquals(names({ top: 2 }), [`${GATE} 1`, `${EARLY} 0`]);
  assertEquals(names({ top: 3 }), [`${GATE} 1`, `${GATE} 2`, `${EARLY} 0`]);
});

Deno.test("selectUnits() rounds a share down, of all units, of each tap or of each site", () => {
  assertEquals(names({ top: 0.5 }), [`${GATE} 1`, `${GATE} 2`, `${EARLY} 0`, `${LATE} 0`]);
  assertEquals(names({ top: 0.34, per: "tap" }), [`${GATE} 1`, `${EARLY} 0`, `${LATE} 0`]);
  // Six gates and three values.
  assertEquals(names({ top: 0.84, per: "site", order: "lowest" }), [
    ...[0, 1, 2].map((index) => `${GATE} ${index}`),
    ...[1, 2].map((index) => `${EARLY} ${index}`),
    ...[1, 2].map((index) => `${LATE} ${index}`),
  ]);
  assertEquals(names({ per: "site" }), [`${GATE} 1`, `${EARLY} 0`, `${LATE} 0`, `${LATE} 1`]);
  assertEquals(names({ per: "site", sites: ["mlp.gate"] }), [`${GATE} 1`, `${EARLY} 0`]);
  assertEquals(selectUnits(SCORES, select({ sites: ["mlp.gate"] })).pool, 6);
});

Deno.test("selectUnits() takes 29 of 100 units as the share 0.29 of them, though the product falls short in binary", () => {
  const hundred = new Map([["all", one([GATE, Array.from({ length: 100 }, (_, i) => i)])]]);
  for (const [top, count] of [[0.29, 29], [0.57, 57], [0.289, 28]] as const) {
    assertEquals(names({ top }, hundred).length, count);
  }
});

Deno.test("selectUnits() sums over groups or takes one of them", () => {
  const groups = new Map([["a", one([GATE, [1, 0, 4]])], ["b", one([GATE, [1, 5, 0]])]]);
  assertEquals(names({ top: 1 }, groups), [`${GATE} 1`]);
  assertEquals(names({ top: 1, group: "a" }, groups), [`${GATE} 2`]);
  assertThrows(
    () => names({ group: "c" }, groups),
    UserError,
    'Cannot select units: no scores of group "c", known are "a", "b"',
  );
});

Deno.test("selectUnits() finds what a sort of all units by score finds", () => {
  const random = createRandom("select");
  // Few distinct values, so that many are equal.
  const values = Array.from({ length: 500 }, () => random.below(40));
  const scores = new Map([["all", one([GATE, values.slice(0, 200)], [EARLY, values.slice(200)])]]);
  const all = values.map((score, i) => ({
    score,
    name: i < 200 ? `${GATE} ${i}` : `${EARLY} ${i - 200}`,
    rank: values.filter((other, j) => other > score || (other === score && j < i)).length,
  }));
  for (const top of [1, 7, 0.1, 0.299, 500]) {
    const count = top < 1 ? Math.floor(500 * top) : top;
    assertEquals(names({ top }, scores), all.filter(({ rank }) => rank < count).map(({ name }) => name));
  }
});

Deno.test("selectUnits() refuses what selects none, too many, or nothing that was scored", () => {
  const cases: [Partial<Select>, string][] = [
    [{ top: 10 }, "top is 10, wanted at most 9, the scored units"],
    [{ top: 4, per: "tap" }, "top is 4, wanted at most 3, the scored units of layers."],
    [{ top: 0.1 }, "top 0.1 of 9 units is less than one unit, wanted one or more"],
    [{ top: 0.1, per: "tap" }, "top 0.1 of 3 units of a tap is less than one unit"],
    [{ sites: ["mlp.up"] }, "none at mlp.up has a score, wanted one of "],
  ];
  for (const [change, message] of cases) {
    assertThrows(() => names(change), UserError, `Cannot select units: ${message}`);
  }
  assertThrows(
    () => names({}, new Map([["all", one([GATE, [1, NaN]])]])),
    UserError,
    `the score of unit 1 of ${GATE} is NaN, wanted a finite number`,
  );
});

/** Ten units of two taps; group a is what is selected by. */
const TABLE = new Map([
  ["country/a", tapsOf([9, 8, 7, 6, 5], [4, 3, 2, 1, 0])],
  ["country/b", tapsOf([9, 0, 0, 9, 0], [0, 0, 0, 0, 0])],
  ["country/c", tapsOf([9, 0, 9, 0, 0], [0, 0, 0, 0, 0])],
  ["names", tapsOf([0, 9, 0, 0, 8], [0, 0, 7, 0, 0])],
]);

function tapsOf(first: readonly number[], second: readonly number[]): ReadonlyMap<Tap, Float64Array> {
  return new Map([["layers.0.mlp.gate", Float64Array.from(first)], [
    "layers.1.mlp.gate",
    Float64Array.from(second),
  ]]);
}

Deno.test("selectUnits() drops what comes first by another group too, and fills no place", () => {
  const select = { top: 0.5, per: "all", order: "highest", group: "country/a" } as const;
  const indices = (more: Partial<SelectSpec>) =>
    selectUnits(TABLE, { ...select, ...more }).units.map(({ tap, index }) => `${tap[7]}.${index}`).join(" ");
  assertEquals(indices({}), "0.0 0.1 0.2 0.3 0.4");
  // floor(0.2 * 10) = 2 by names: 0.1 and 0.4
  assertEquals(indices({ without: { group: "names", top: 0.2 } }), "0.0 0.2 0.3");
  assertEquals(indices({ without: { group: "names", top: 1 } }), "0.0 0.2 0.3 0.4");
  // Of each tap floor(0.5 * 5) = 2 are taken, and floor(0.2 * 5) = 1 by names is dropped of each.
  assertEquals(indices({ per: "tap", without: { group: "names", top: 0.2 } }), "0.0 1.0 1.1");
});

Deno.test("selectUnits() drops what does not stand out among groups, by population standard deviations", () => {
  const select = { top: 5, per: "all", order: "highest", group: "country/a" } as const;
  const z = (values: readonly number[]) => {
    const mean = values.reduce((a, b) => a + b) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
    return deviation === 0 ? 0 : (values[0]! - mean) / deviation;
  };
  const rows = [[9, 9, 9], [8, 0, 0], [7, 0, 9], [6, 9, 0], [5, 0, 0]];
  for (const least of [0, 0.4, 1.2]) {
    const wanted = rows.flatMap((row, i) => z(row) >= least ? [i] : []);
    const { units } = selectUnits(TABLE, { ...select, standout: { z: least, among: "country/" } });
    assertEquals(units.map(({ index }) => index), wanted, String(least));
  }
  for (
    const [change, state] of [
      [
        { standout: { z: 0, among: "land/" } },
        '0 groups begin with "land/", wanted that of the selection and others',
      ],
      [{ standout: { z: 0, among: "country/" }, group: "names" }, '"names" not among them'],
      [{ standout: { z: 9, among: "country/" } }, "none is left of top 5"],
      [{ without: { group: "nams", top: 1 } }, 'no scores of group "nams", did you mean "names"'],
    ] as const
  ) assertThrows(() => selectUnits(TABLE, { ...select, ...change }), UserError, state);
});
