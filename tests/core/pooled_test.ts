/** What the sums of a big model take, counted in a real table. */
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import type { Observation, Pass, Tap } from "../../core/mod.ts";
import { UserError, varianceWithin } from "../../core/mod.ts";
import { added, createPooled, NOTHING, type PassSums } from "../../core/pooled.ts";

/** Llama-3.1-8B at the sites that culnig scores. */
const LAYERS = 32, SITES = { "mlp.gate": 14336, "attn.q": 4096, "attn.k": 1024, "attn.v": 1024 };
/** Bytes. */
const WANTED = 250e6;

function passOf(groups: number, perGroup: number): Pass {
  return {
    name: "p",
    samples: Array.from({ length: groups * perGroup }, (_, i) => ({
      id: `${i}`,
      group: `g${i % groups}`,
      prompt: [1],
    })),
    observe: Array.from(
      { length: LAYERS },
      (_, layer) =>
        Object.keys(SITES).map((site): Observation => ({
          tap: `layers.${layer}.${site}` as Tap,
          quantity: "activation",
          pool: "max",
        })),
    ).flat(),
    squares: "pass",
  };
}

/** Every unit of a sample has the sample's number, that of the first as well its column. */
function addTo(sums: PassSums, pass: Pass): PassSums {
  const columns = pass.observe.map((_, o) => Object.values(SITES)[o % 4]!);
  const lists = new Map(
    Object.values(SITES).map((n) => [n, pass.samples.map((_, i) => new Float64Array(n).fill(i))]),
  );
  for (const list of lists.values()) list[0] = list[0]!.map((_, k) => k);
  const observed = pass.observe.map((observation, o) => ({
    observation,
    columns: columns[o]!,
    values: lists.get(columns[o]!)!,
  }));
  const result = { observed, objective: new Float64Array(), positions: [], tokens: pass.samples.length };
  return added(sums, { pass, chunk: pass.samples, result, place: "test" });
}

const bytesOf = ({ groups, squares }: PassSums) =>
  groups.reduce((sum, { values }) => sum + values.byteLength, squares?.byteLength ?? 0);

Deno.test("added() holds sums and squares of an 8B model for 40 groups in less than 250 MB, and no more for more chunks", () => {
  const passes = [16, 16, 8].map((groups) => passOf(groups, 1));
  const tables = passes.map((pass) => addTo(NOTHING, pass));
  const units = LAYERS * Object.values(SITES).reduce((a, b) => a + b, 0);
  const bytes = tables.reduce((sum, table) => sum + bytesOf(table), 0);
  assertEquals(units, 655_360);
  // Sums of every group, squares of every pass.
  assertEquals(bytes, 8 * units * (16 + 16 + 8 + 3));
  assert(bytes < WANTED, `${bytes} bytes`);
  const [before] = tables, after = addTo(before!, passes[0]!);
  assertEquals(after.chunks, 2);
  assert(after.squares === before!.squares, "the same squares");
  for (const [i, { values }] of after.groups.entries()) assert(values === before!.groups[i]!.values);
  const pooled = createPooled([passes[0]!], [after]), at = pooled.at("p", "g3", "layers.31.attn.v");
  assertEquals([at.n, at.sum[1023], at.sum.length], [2, 6, 1024]);
  // Twice 1² + ... + 15², and of the first sample twice its column squared.
  assertEquals(pooled.squares("p", "layers.31.attn.v")[5], 2 * (1240 + 25));
});

Deno.test("varianceWithin() pools squared distances to each group's own mean, however squares are kept", () => {
  // Sample 0 has its column, the others their number: groups { k, 4, 8 }, { 1, 5, 9 }, { 2, 6, 10 } and { 3, 7, 11 }.
  const full: Pass = { ...passOf(4, 3), squares: "group" }, lean = passOf(4, 3), tap: Tap = "layers.1.attn.k";
  const [a, b] = [full, lean].map((pass) =>
    varianceWithin(createPooled([pass], [addTo(NOTHING, pass)]), "p", tap)!
  );
  assertEquals(a, b);
  const spread = (list: readonly number[]) => {
    const mean = list.reduce((x, y) => x + y, 0) / list.length;
    return list.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  };
  for (const k of [0, 7, 1023]) {
    // A sum of a dozen squares below 1e6, less as much.
    assertAlmostEquals(a![k]!, (spread([k, 4, 8]) + 3 * spread([1, 5, 9])) / 8, 1e-8);
  }
  const one = passOf(4, 1);
  assertEquals(varianceWithin(createPooled([one], [addTo(NOTHING, one)]), "p", tap), undefined);
});

Deno.test("at() says that squares by group are not kept where a pass keeps them over all", () => {
  const pass = passOf(2, 1),
    at = createPooled([pass], [addTo(NOTHING, pass)]).at("p", "g1", "layers.0.attn.k");
  const wanted = "it keeps squares over all groups alone, wanted those by group";
  assertThrows(() => at.sumOfSquares, UserError, wanted);
  assertThrows(() => at.positive, UserError, wanted);
});
