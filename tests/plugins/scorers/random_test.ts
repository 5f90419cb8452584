import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { computeScores } from "../../../core/scoring.ts";
import { random as scorer } from "../../../plugins/scorers/random.ts";
import { inputOf, openFake } from "../../fake_items.ts";

async function scoresOf(params: object, seed = 7) {
  const model = await openFake();
  const input = { ...inputOf(model, scorer.params.parse(params)), seed };
  return (await computeScores(scorer, input, { model, signal: new AbortController().signal })).scores.get(
    "all",
  )!;
}

Deno.test("random draws a number in [0, 1) a unit, no two the same, from the seed alone", async () => {
  const scores = await scoresOf({});
  const all = [...scores.values()].flatMap((values) => [...values]);
  assertEquals(all.length, 2 * (16 + 16 + 8 + 8));
  assert(all.every((value) => value >= 0 && value < 1));
  assertEquals(new Set(all).size, all.length);
  assertEquals(await scoresOf({}), scores);
  assertNotEquals(await scoresOf({}, 8), scores);
});

Deno.test("random gives a tap the same scores whatever other sites are drawn", async () => {
  const few = await scoresOf({ sites: ["attn.head"] }),
    many = await scoresOf({ sites: ["mlp.gate", "attn.head"] });
  assertEquals(few.get("layers.1.attn.head"), many.get("layers.1.attn.head"));
  assertEquals([...few.keys()], ["layers.0.attn.head", "layers.1.attn.head"]);
});
