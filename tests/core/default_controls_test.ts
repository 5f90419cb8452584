/** Controls that a matrix leaves to Plumbline. */
import { assertEquals, assertThrows } from "@std/assert";
import plainTexts from "../../benchmarks/plain_texts.ts";
import { withControls } from "../../core/default_controls.ts";
import { UserError } from "../../core/error.ts";
import { parseMatrix } from "../../core/matrix.ts";
import { underPrompt } from "../../core/plan_benchmarks.ts";
import type { PlannedBenchmark } from "../../core/plan_benchmarks.ts";
import { withPrefix } from "../../core/prompt.ts";
import { createRegistry } from "../../core/registry.ts";
import scorers from "../../plugins/scorers/mod.ts";
import text from "../../plugins/text/mod.ts";

const RICH = createRegistry([scorers, text], [plainTexts]), POOR = createRegistry([], []);
const SCORE = { use: "gradient_product", params: { sites: ["attn.q"] }, on: { items: { use: "riddles" } } };
const FOUND = [{ score: SCORE }, { select: { top: 3, group: "a", order: "lowest" } }, {
  edit: { use: "mute" },
}];
const GIVEN = [{ edit: { use: "mute", units: [{ tap: "layers.0.mlp.gate", index: 1 }] } }];

function controlsOf(treatment: Record<string, unknown>, registry = RICH, benchmark = "b") {
  const json = {
    version: 1,
    models: [{ use: "m" }],
    benchmarks: [{ use: benchmark }],
    treatments: [{ name: "t", ...treatment }],
  };
  const matrix = parseMatrix(JSON.stringify(json), "/m/m.json");
  return withControls(matrix, { registry, path: "/m/m.json" }).treatments[0]!.controls;
}

Deno.test("a treatment without controls gets every kind that needs no choice", () => {
  for (const [steps, site] of [[GIVEN, "mlp.gate"], [FOUND, "attn.q"]] as const) {
    const [random, important, grown, identity, ...more] = controlsOf({ steps });
    assertEquals(random, { use: "random", match: "tap", sets: 200, stopAt: 10, exclude: false });
    assertEquals(important, {
      use: "scored",
      name: "important",
      match: "tap",
      select: { order: "highest" },
      exclude: true,
      score: {
        use: "gradient_product",
        params: { sites: [site], objective: "crossEntropy", pool: "mean", absolute: true },
        on: { items: { use: "plain_texts", params: {} } },
      },
    });
    assertEquals(grown!.use, "matchedDamage");
    assertEquals(identity, { use: "identity" });
    assertEquals(more, []);
  }
  assertEquals(controlsOf({ steps: GIVEN, controls: [] }), []);
  // Units made of the plain texts are not reported on by these.
  assertEquals(controlsOf({ steps: GIVEN }, RICH, "plain_texts").map(({ use }) => use), [
    "random",
    "matchedDamage",
    "identity",
  ]);
  assertEquals(controlsOf({ steps: GIVEN }, POOR).map(({ use }) => use), ["random", "identity"]);
});

Deno.test("otherTask is the treatment's own score and order on other items, of all groups", () => {
  const on = { items: { use: "riddles", params: { first: 3 } } };
  const [other] = controlsOf({ steps: FOUND, controls: [{ use: "otherTask", on }] });
  assertEquals(other, {
    use: "scored",
    name: "otherTask",
    match: "tap",
    select: { order: "lowest" },
    exclude: true,
    score: { ...SCORE, on },
  });
});

Deno.test("controls that nothing here can stand for are refused by name", () => {
  const cases: [Record<string, unknown>, string][] = [
    [{ steps: GIVEN, controls: [{ use: "important" }] }, "no scorer here says how"],
    [
      { steps: GIVEN, controls: [{ use: "matchedDamage" }] },
      'no benchmark here has plain texts, wanted them under "on"',
    ],
    [{ steps: GIVEN, controls: [{ use: "otherTask", on: {} }] }, "the treatment names its units"],
  ];
  for (const [treatment, message] of cases) {
    assertThrows(() => controlsOf(treatment, POOR), UserError, message);
  }
  const embedded = [{ edit: { use: "mute", units: [{ tap: "embed", index: 1 }] } }];
  assertThrows(
    () => controlsOf({ steps: embedded, controls: [{ use: "important" }] }),
    UserError,
    "the treatment has no units at",
  );
  assertEquals(controlsOf({ steps: embedded }).map(({ use }) => use), [
    "random",
    "matchedDamage",
    "identity",
  ]);
});

Deno.test("a text stands before the prompt, and in a conversation before the user's first message", () => {
  assertEquals(withPrefix({ kind: "text", text: "Q" }, "Please."), { kind: "text", text: "Please.\n\nQ" });
  const messages = [
    { role: "system", content: "S" },
    { role: "user", content: "Q" },
    { role: "assistant", content: "A" },
    { role: "user", content: "R" },
  ] as const;
  const prompt = withPrefix({ kind: "chat", messages, prefill: "P" }, "Please.");
  const after = prompt.kind === "chat" ? prompt.messages : [];
  assertEquals(after.map(({ content }) => content), ["S", "Please.\n\nQ", "A", "R"]);
  const benchmark = { record: { label: "b" }, items: [{ id: "1" }] } as unknown as PlannedBenchmark;
  assertThrows(() => underPrompt(benchmark, "x"), UserError, "item 1 has none");
});
