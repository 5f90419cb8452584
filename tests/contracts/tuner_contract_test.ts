/** What every tuner owes, asked of each that the registry finds, at its default params, on the fake model. */
import { assert, assertEquals } from "@std/assert";
import { canonicalJson, type Tuner, type TunerInput } from "../../core/mod.ts";
import { loadRegistry } from "../../core/registry.ts";
import { resolveRecipe } from "../../core/train/recipe.ts";
import { fakeItems, openFake } from "../fake_items.ts";

const root = new URL("../../", import.meta.url).pathname;
const registry = await loadRegistry(root);
const tuners: readonly Tuner[] = [...registry.tuners.values()];

async function inputFor(tuner: Tuner): Promise<TunerInput<unknown>> {
  const sets = [...tuner.sets, ...tuner.optionalSets ?? []];
  return {
    params: tuner.params.parse({}),
    items: Object.fromEntries(
      sets.map((set, i) => [set, fakeItems(20, { from: 40 * i, groups: ["a"], answerTokens: 3 })]),
    ),
    model: await openFake(),
    seed: 0,
    ...(tuner.wantsUnits && { units: [{ tap: "layers.0.mlp.gate", index: 1 }] }),
  };
}

Deno.test("the registry finds tuners", () => {
  for (const name of ["culture_blocks", "fine_tune", "preference"]) assert(registry.tuners.has(name), name);
});

for (const tuner of tuners) {
  const { name } = tuner;

  Deno.test(`${name} says what it is, and takes its defaults and nothing unknown`, () => {
    for (const text of [name, tuner.version, tuner.title, tuner.source]) assert(text.trim() !== "");
    const defaults = tuner.params.parse({});
    assertEquals(tuner.params.parse(defaults), defaults);
    canonicalJson(JSON.parse(JSON.stringify(defaults)));
    assert(!tuner.params.safeParse({ unknwon: 1 }).success);
    assert(tuner.sets.length > 0);
  });

  Deno.test(`${name} plans the same training every time, of a whole recipe and of every item`, async () => {
    const input = await inputFor(tuner), { recipe, examples } = tuner.plan(input);
    assertEquals(tuner.plan(await inputFor(tuner)), { recipe, examples });
    resolveRecipe({ ...recipe, seed: 0 }, "test");
    const prompts = new Set(examples.map(({ prompt }) => prompt.join()));
    for (const { prompt } of Object.values(input.items).flat()) assert(prompts.has(prompt.join()));
  });

  Deno.test(`${name} teaches what is given as right, so that shuffled answers are another training`, async () => {
    const input = await inputFor(tuner);
    const moved = Object.fromEntries(
      Object.entries(input.items).map(([set, items]) => [
        set,
        items.map((item) => ({ ...item, gold: (item.gold! + 1) % item.continuations.length })),
      ]),
    );
    assert(
      canonicalJson(tuner.plan({ ...input, items: moved }).examples.map((each) => ({ ...each }))) !==
        canonicalJson(tuner.plan(input).examples.map((each) => ({ ...each }))),
    );
  });
}
