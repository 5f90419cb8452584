/** What every scorer owes, asked of each that the registry finds, at its default params, on the fake model. */
import { assert, assertEquals } from "@std/assert";
import type { Model, Pass, Pooled, Scorer, ScorerInput, UnitScores } from "../../core/mod.ts";
import { canonicalJson, UserError } from "../../core/mod.ts";
import { planPasses } from "../../core/passes.ts";
import { added, createPooled, NOTHING } from "../../core/pooled.ts";
import { loadRegistry } from "../../core/registry.ts";
import { computeScores, objectiveOf } from "../../core/scoring.ts";
import { fakeItems, openFake } from "../fake_items.ts";

const root = new URL("../../", import.meta.url).pathname;
const registry = await loadRegistry(root);
const scorers: readonly Scorer[] = [...registry.scorers.values()];

/** Items of each set in two groups, or in one; with answers of one token, or of three for a scorer that walks over answers. */
function inputFor(
  scorer: Scorer,
  model: Model,
  { optional = false, groups = ["a", "b"] } = {},
): ScorerInput<unknown> {
  const sets = [...scorer.sets, ...optional ? scorer.optionalSets ?? [] : []];
  const input = (answerTokens: number) => ({
    params: scorer.params.parse({}),
    items: Object.fromEntries(
      sets.map((set, i) => [set, frozen(fakeItems(20 + 3 * i, { from: 40 * i, groups, answerTokens }))]),
    ),
    model,
    seed: 0,
  });
  try {
    planPasses(scorer, input(1));
    return frozen(input(1), ["model"]);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return frozen(input(3), ["model"]);
  }
}

/** So that whoever writes into it throws. */
function frozen<T>(value: T, except: readonly string[] = []): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  for (const [key, member] of Object.entries(value)) if (!except.includes(key)) frozen(member);
  return Object.freeze(value);
}

async function pooledOf(passes: readonly Pass[], model: Model): Promise<Pooled> {
  const sums = await Promise.all(passes.map(async (pass) => {
    const { samples, objective, observe } = pass;
    const request = { observe, ...(objective && { objective: objectiveOf(objective, samples) }) };
    return added(NOTHING, { pass, chunk: samples, result: await model.run(samples, request), place: "test" });
  }));
  return createPooled(passes, sums);
}

Deno.test("the registry finds scorers in code and in JSON", () => {
  assertEquals(
    ["activation_contrast", "gradient_product", "head_attribution", "random"].filter((name) =>
      !registry.scorers.has(name)
    ),
    [],
  );
});

for (const scorer of scorers) {
  const { name } = scorer;

  Deno.test(`${name} says what it is, and takes its defaults and nothing unknown`, () => {
    for (const text of [name, scorer.version, scorer.title, scorer.source]) assert(text.trim() !== "");
    const defaults = scorer.params.parse({});
    // Resolved params are resolved: what is written out into the results can be read again.
    assertEquals(scorer.params.parse(defaults), defaults);
    canonicalJson(defaults);
    assert(!scorer.params.safeParse({ unknwon: 1 }).success);
    const sets = [...scorer.sets, ...scorer.optionalSets ?? []];
    assertEquals(new Set(sets).size, sets.length);
  });

  for (const optional of scorer.optionalSets?.length ? [false, true] : [false]) {
    const with_ = optional ? " with its optional sets" : "";

    Deno.test(`${name} plans the same passes every time and changes nothing it is given${with_}`, async () => {
      const input = inputFor(scorer, await openFake(), { optional });
      const passes = scorer.passes(input);
      assertEquals(canonicalJson(scorer.passes(input)), canonicalJson(passes));
      assertEquals(planPasses(scorer, input), passes);
      const used = new Set(passes.flatMap(({ samples }) => samples.map(({ id }) => id)));
      const given = Object.values(input.items).flat().map(({ id }) => id);
      assertEquals(given.filter((id) => !used.has(id)), [], "every item is looked at");
    });

    Deno.test(`${name} combines the same values into the same scores and changes none of them${with_}`, async () => {
      const model = await openFake(), input = inputFor(scorer, model, { optional });
      const passes = scorer.passes(input), pooled = await pooledOf(passes, model);
      const values = () =>
        passes.flatMap((pass) =>
          pooled.groups(pass.name).flatMap((group) =>
            pass.observe.map(({ tap }) => {
              const each = pooled.at(pass.name, group, tap), all = pooled.squares(pass.name, tap);
              if (pass.squares === "pass") return [each.n, ...each.sum, ...all];
              return [each.n, ...each.sum, ...each.sumOfSquares, ...each.positive, ...all];
            })
          )
        );
      const before = values(), first = scorer.combine(pooled, input), errors = scorer.errors?.(pooled, input);
      assertEquals(values(), before);
      assertEquals(scorer.combine(pooled, input), first);
      if (!errors) return;
      assertEquals(scorer.errors?.(pooled, input), errors);
      const places = (table: UnitScores) =>
        [...table].map(([group, byTap]) => [group, [...byTap].map(([tap, list]) => [tap, list.length])]);
      assertEquals(places(errors), places(first), "errors stand where the scores do");
      for (const list of [...errors.values()].flatMap((byTap) => [...byTap.values()])) {
        assert(list.every((error) => error >= 0));
      }
    });

    Deno.test(`${name} scores every unit of its taps, the same in every group of one${with_}`, async () => {
      const model = await openFake(), signal = new AbortController().signal;
      const input = inputFor(scorer, model, { optional });
      // computeScores() itself refuses scores of the wrong shape or not finite.
      const { scores } = await computeScores(scorer, input, { model, signal });
      assertEquals((await computeScores(scorer, input, { model, signal })).scores, scores);
      const taps = [...scores.values()].map((byTap) => [...byTap.keys()].join());
      assertEquals(new Set(taps).size, 1, "each group has the same taps");
      const renamed = ["x", "y"].map((group) => inputFor(scorer, model, { optional, groups: [group] }));
      const [x, y] = await Promise.all(
        renamed.map(async (
          input,
        ) => [...(await computeScores(scorer, input, { model, signal })).scores.values()]),
      );
      assertEquals(x, y, "a group's name decides no score");
    });
  }
}
