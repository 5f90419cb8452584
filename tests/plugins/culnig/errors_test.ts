/** Standard errors of scores, by their formula and by what repeated samples come to. */
import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { createRandom, type ScoredItem, type Tap } from "../../../core/mod.ts";
import { computeScores } from "../../../core/scoring.ts";
import { culnig } from "../../../plugins/culnig/scorer.ts";
import { fakeItems, inputOf, openFake } from "../../fake_items.ts";
import { fakeRun } from "../../fake_run.ts";

const GATE: Tap = "layers.0.mlp.gate", COUNTRIES = ["a", "b", "c"];
/** Differences of sums of some dozens of squares near 1. */
const ORDER = 1e-9;

async function score(
  items: Readonly<Record<string, readonly ScoredItem[]>>,
  objective: "probability" | "cloze" = "probability",
) {
  const input = inputOf(await openFake(), culnig.params.parse({ sites: ["mlp.gate"], objective }), items);
  return computeScores(culnig, input, { model: input.model as Awaited<ReturnType<typeof openFake>>, signal });
}
const { signal } = new AbortController();

/** w of each sample at unit 2. */
function values(items: readonly ScoredItem[], floor: number): { group: string; w: number }[] {
  return items.map(({ group, prompt, continuations, gold }) => {
    const { observed, objective } = fakeRun([{ prompt }], {
      objective: { kind: "probability", target: continuations[gold!]![0]! },
      observe: [{ tap: GATE, quantity: "product", pool: "max" }],
    });
    return { group, w: Math.max(objective[0]! * observed[0]!.values[0]![2]!, floor) };
  });
}

/** Variance about the mean of the own country, of all countries together. */
function variance(all: readonly { readonly group: string; readonly w: number }[]): number {
  const groups = [...Map.groupBy(all, ({ group }) => group).values()];
  const squares = groups.map((list) => {
    const mean = list.reduce((sum, { w }) => sum + w, 0) / list.length;
    return list.reduce((sum, { w }) => sum + (w - mean) ** 2, 0);
  });
  return squares.reduce((a, b) => a + b, 0) / (all.length - groups.length);
}

Deno.test("culnig's standard errors are those of its formula", async () => {
  const items = fakeItems(40, { groups: COUNTRIES }),
    control = fakeItems(30, { from: 100, groups: COUNTRIES });
  const names = fakeItems(15, { from: 200, groups: ["a", "b"] });
  const { scores, errors } = await score({ items, control, names });
  assertEquals([...errors!.keys()], [...scores.keys()]);
  const at = (group: string) => errors!.get(group)!.get(GATE)![2]!;
  const own = variance(values(items, -Infinity)), other = variance(values(control, 0));
  assertAlmostEquals(at("general") ** 2, own / 40 + other / 30, ORDER);
  // Of a country 14 of 40 items and 10 of 30 controls.
  assertAlmostEquals(at("country/a") ** 2, 14 * own / 40 ** 2 + 10 * other / 30 ** 2, ORDER);
  const sum = COUNTRIES.reduce((sum, country) => sum + at(`country/${country}`) ** 2, 0);
  assertAlmostEquals(at("general") ** 2, sum, ORDER);
  const named = variance(values(names, -Infinity));
  assertAlmostEquals(at("names") ** 2, named / 15, ORDER);
  assertAlmostEquals(at("names/b") ** 2, 7 * named / 15 ** 2, ORDER);
  // One item a country says nothing of how items differ.
  assertEquals((await score({ items: fakeItems(3, { groups: COUNTRIES }) })).errors, undefined);
});

Deno.test("culnig's standard errors are the spread of its scores over samples of other items", async () => {
  const samples = 40, size = 30;
  const groups = new Map<string, { sum: number; squares: number; errors: number }[]>();
  // Neighbours have digits in common, which in the fake is a great deal: they are dealt to the samples, as many to each country.
  const [own, other] = [0, 5000].map((from) =>
    createRandom(from).shuffle(fakeItems(samples * size, { from }))
      .map((item, i) => ({ ...item, group: COUNTRIES[i % 3]! }))
  );
  // By "cloze", since a probability weighs all units of an item alike, and 32 units would be little more than one.
  for (let sample = 0; sample < samples; sample++) {
    const [items, control] = [own!, other!].map((all) => all.slice(sample * size, (sample + 1) * size));
    const { scores, errors } = await score({ items: items!, control: control! }, "cloze");
    for (const group of ["general", "country/b"]) {
      const [each, error] = [scores, errors!].map((table) =>
        [...table.get(group)!.values()].flatMap((values) => [...values])
      );
      const units = groups.get(group) ?? each!.map(() => ({ sum: 0, squares: 0, errors: 0 }));
      units.forEach((unit, k) => {
        unit.sum += each![k]!;
        unit.squares += each![k]! ** 2;
        unit.errors += error![k]! ** 2;
      });
      groups.set(group, units);
    }
  }
  for (const [group, units] of groups) {
    const ratios = units.map(({ sum, squares, errors }) =>
      (squares - sum ** 2 / samples) / (samples - 1) / (errors / samples)
    );
    const ratio = ratios.reduce((a, b) => a + b, 0) / units.length;
    // 32 units with 39 degrees of freedom each: a standard deviation of 0.04 were they normal.
    assert(Math.abs(ratio - 1) < 0.16, `${group}: ${ratio}`);
  }
});
