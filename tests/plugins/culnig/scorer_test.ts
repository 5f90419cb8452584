/** Scores and selected units beside those of CULNIG's published program, run on the same samples of a tiny random model (goldens/make_culnig.py). */
import { assert, assertEquals } from "@std/assert";
import type { ScoredItem, ScorerInput } from "../../../core/mod.ts";
import { gapOf, type Golden, keyOf, scoresOf, selectedIn } from "../../../plugins/culnig/agreement.ts";
import { culnig } from "../../../plugins/culnig/scorer.ts";
import { open } from "../onnx/open.ts";

const GOLDENS = new URL("../../goldens/", import.meta.url).pathname;
const golden: Golden = JSON.parse(Deno.readTextFileSync(`${GOLDENS}culnig.json`));

/** Sums of some dozens of float32 products; scores of one kind are compared with the largest among them, as gradients are. */
const RELATIVE = 1e-4;

for (const kind of ["padded", "single"] as const) {
  const what = kind === "padded"
    ? "paperCompat gives, in batches of 16 with padding as 0,"
    : "culnig gives, without padding,";

  Deno.test(`${what} the scores and the units of the published program`, async () => {
    await using model = await open(`${GOLDENS}gradients/gqa`);
    const scores = await scoresOf(golden, model, kind === "padded"), found = golden[kind];
    for (const [group, wanted] of Object.entries(found.scores)) {
      const own = [...scores.get(group)!].flatMap(([tap, values]) =>
        Array.from(values.keys(), (index) => keyOf({ tap, index }))
      );
      assertEquals(own.sort(), Object.keys(wanted).sort());
    }
    assert(gapOf(scores, found) <= RELATIVE, `${gapOf(scores, found)}`);
    for (const [name, wanted] of Object.entries(found.selected)) {
      assert(wanted.length > 20);
      assertEquals(selectedIn(scores, name, golden), wanted, name);
    }
  });
}

Deno.test("padding changes scores, so that paperCompat says something", () => {
  assert(JSON.stringify(golden.padded.scores) !== JSON.stringify(golden.single.scores));
});

Deno.test("culnig selects by the shares of the paper, as the matrices write them down", () => {
  const at = (country: string): ScoredItem => ({
    id: "x",
    group: country,
    prompt: [1],
    continuations: [[2]],
    gold: 0,
  });
  const select = (names: readonly string[] | undefined, group?: string, given: unknown = {}) =>
    culnig.selection!({
      params: culnig.params.parse(given),
      items: { items: [at("A"), at("B")], ...names && { names: names.map(at) } },
      model: {} as ScorerInput<unknown>["model"],
      seed: 0,
    }, group);
  for (const name of ["culnig", "worlds"]) {
    const matrix = JSON.parse(
      Deno.readTextFileSync(new URL(`../../../benchmarks/matrices/${name}.json`, import.meta.url)),
    );
    const steps: readonly { readonly select?: unknown }[] = matrix.treatments[0].steps;
    assertEquals(steps.flatMap((step) => step.select ? [step.select] : []), [...select(["A"])]);
  }
  const own = { top: 0.003, group: "country/A", standout: { z: 0.5, among: "country/" } };
  const pool = ["mlp.gate" as const, "attn.q" as const, "attn.k" as const, "attn.v" as const];
  assertEquals(select(undefined, "A"), [{ ...own, sites: pool }]);
  assertEquals(select(["A"], "A"), [
    { ...own, sites: pool, without: { group: "names/A", top: 0.01 } },
  ]);
  // Names that are not of countries are taken together.
  assertEquals(select(["all"], "A")[0]!.without, { group: "names", top: 0.01 });
  assertEquals(select(undefined, undefined, { sites: ["mlp.up", "mlp.gate"] }), [
    { top: 0.01, sites: ["mlp.gate"], group: "general" },
  ]);
  assertEquals(select(undefined, undefined, { sites: ["attn.head"] }), []);
});
