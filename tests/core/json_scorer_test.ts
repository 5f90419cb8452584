import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertNotEquals,
  assertRejects,
  assertThrows,
} from "@std/assert";
import type { Scorer, UnitScores } from "../../core/mod.ts";
import { UserError } from "../../core/mod.ts";
import { parseScorer } from "../../core/json_scorer.ts";
import { loadRegistry } from "../../core/registry.ts";
import { computeScores } from "../../core/scoring.ts";
import { activationContrast } from "../../plugins/scorers/activation_contrast.ts";
import { gradientProduct } from "../../plugins/scorers/gradient_product.ts";
import { fakeItems, inputOf, openFake } from "../fake_items.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const signal = new AbortController().signal;
const CONTRAST = {
  format: "scorer/1",
  name: "contrast",
  version: "1",
  title: "A contrast",
  source: "tests",
  sets: ["positive", "negative"],
  passes: ["positive", "negative"].map((set) => ({
    name: set,
    set,
    sites: ["mlp.act", "attn.q"],
    quantity: "activation",
    pool: "mean",
    over: "prompt",
  })),
  combine: { terms: [{ pass: "positive" }, { pass: "negative", times: -1 }], standardise: true },
};
const ITEMS = {
  positive: fakeItems(70, { groups: ["a", "b"] }),
  negative: fakeItems(30, { from: 100 }),
};

const parse = (spec: unknown) => parseScorer(JSON.stringify(spec), "s.json");

async function scores<P>(
  scorer: Scorer<P>,
  params: unknown,
  items: Parameters<typeof inputOf>[2],
): Promise<UnitScores> {
  const model = await openFake();
  return (await computeScores(scorer, inputOf(model, scorer.params.parse(params), items), { model, signal }))
    .scores;
}

Deno.test("parseScorer() gives the same numbers as the scorer in code", async () => {
  for (const standardise of [true, false]) {
    const json = parse({ ...CONTRAST, combine: { ...CONTRAST.combine, standardise } });
    const params = { sites: ["mlp.act", "attn.q"], standardise };
    const found = await scores(json, {}, ITEMS);
    assertEquals(found, await scores(activationContrast, params, ITEMS));
    assertEquals([...found.keys()], ["a", "b"]);
  }
  const effect = (name: string, set: string, rest: object = {}) => ({
    name,
    set,
    objective: "probability",
    sites: ["mlp.gate", "attn.head"],
    quantity: "product",
    pool: "max",
    padding: "zero",
    weight: "objective",
    ...rest,
  });
  const json = parse({
    ...CONTRAST,
    sets: ["items", "control"],
    passes: [effect("items", "items"), effect("control", "control", { floor: 0 })],
    combine: { terms: [{ pass: "items" }, { pass: "control", times: -1 }] },
  });
  const params = { sites: ["mlp.gate", "attn.head"], padding: "zero", weight: "objective" };
  const items = { items: ITEMS.positive, control: ITEMS.negative };
  assertEquals(await scores(json, {}, items), await scores(gradientProduct, params, items));
});

Deno.test("parseScorer() sums terms, then takes the sign away", async () => {
  const tap = "layers.1.mlp.act" as const;
  const of = async (combine: object) =>
    [...(await scores(parse({ ...CONTRAST, combine }), {}, ITEMS)).values()].map((byTap) => byTap.get(tap)!);
  const [p] = await of({ terms: [{ pass: "positive" }] }), [n] = await of({ terms: [{ pass: "negative" }] });
  const terms = [{ pass: "positive", times: 2 }, { pass: "negative", times: 0.5 }];
  const [mixed] = await of({ terms }), [size] = await of({ terms, absolute: true });
  mixed!.forEach((value, k) => assertAlmostEquals(value, 2 * p![k]! + 0.5 * n![k]!, 1e-15));
  assert(mixed!.some((value) => value < 0));
  assertEquals(size, mixed!.map(Math.abs));
});

Deno.test("parseScorer() gives a file another version when what it computes changes", () => {
  const { version } = parse(CONTRAST);
  assertEquals(version.replace(/-[0-9a-f]{8}$/, ""), "1");
  assertEquals(parse({ ...CONTRAST, title: "Another" }).version, version);
  assertNotEquals(parse({ ...CONTRAST, combine: { ...CONTRAST.combine, absolute: true } }).version, version);
});

Deno.test("parseScorer() names the place of what is wrong", () => {
  const [first] = CONTRAST.passes;
  const pass = (rest: object) => ({ ...CONTRAST, passes: [{ ...first, ...rest }, CONTRAST.passes[1]] });
  const cases: [unknown, string][] = [
    [{ ...CONTRAST, sts: [] }, 'unknown key "sts" at top level, did you mean "sets"'],
    [{ ...CONTRAST, format: "scorer/2" }, 'expected "scorer/1" at format'],
    [pass({ flor: 0 }), 'unknown key "flor" at passes[0], did you mean "floor"'],
    [pass({ pool: "none" }), "at passes[0].pool"],
    [pass({ taps: ["layers.0.mlp.act"] }), 'wanted either "sites" or "taps" at passes[0]'],
    [pass({ sites: undefined }), 'wanted either "sites" or "taps" at passes[0]'],
    [pass({ sites: undefined, taps: ["layers.0.mlp"] }), "at passes[0].taps[0]"],
    [pass({ set: "items" }), "wanted one of the sets positive, negative at passes[0].set"],
    [
      pass({ quantity: "product" }),
      "no product of mlp.act: there is no objective, wanted one at passes[0]",
    ],
    [
      pass({ quantity: "direct", objective: "logitDifference", pool: "last" }),
      "no direct of mlp.act: it does not write into the residual, wanted embed",
    ],
    [pass({ sites: ["attn.head"] }), "not one a head, wanted a product at passes[0].quantity"],
    [pass({ sites: ["mlp.out"] }), "wanted the places of the first term's pass at combine.terms[1].pass"],
    [
      { ...CONTRAST, combine: { terms: [{ pass: "positiv" }] } },
      "wanted one of the passes positive, negative at combine.terms[0].pass",
    ],
  ];
  for (const [spec, wanted] of cases) {
    const error = assertThrows(() => parse(spec), UserError) as UserError;
    assert(
      error.message.startsWith("Cannot read scorer s.json: ") && error.message.includes(wanted),
      error.message,
    );
  }
  assertThrows(() => parseScorer("{", "s.json"), UserError, "Cannot read scorer s.json: ");
});

Deno.test("loadRegistry() finds a scorer by its JSON, in a plugin's folder and by its path", async () => {
  const { scorers, plugins } = await loadRegistry(ROOT);
  assertEquals(scorers.get("head_attribution")?.sets, ["items"]);
  assert(plugins.some(({ name }) => name === "head_attribution"));
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/mine`);
    for (const path of [`${folder}/contrast.json`, `${folder}/mine/scorer.json`]) {
      await Deno.writeTextFile(path, JSON.stringify(CONTRAST));
    }
    for (const path of [`${folder}/contrast.json`, `${folder}/mine`]) {
      const registry = await loadRegistry(ROOT, [path]);
      assertEquals(registry.scorers.get("contrast")?.title, "A contrast");
    }
    const twice = [`${folder}/contrast.json`, `${folder}/mine`];
    await assertRejects(() => loadRegistry(ROOT, twice), UserError, "the name is taken");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
