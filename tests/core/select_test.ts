import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { Tap, Unit } from "../../core/model.ts";
import { UserError } from "../../core/error.ts";
import { type ControlOptions, drawControl } from "../../core/select.ts";

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
