import { assert, assertEquals, assertThrows } from "@std/assert";
import { z } from "zod";
import {
  armId,
  AskParam,
  type ChoiceItem,
  CountryParam,
  createRandom,
  derangement,
  inOrders,
  labelPrompt,
  OrdersParam,
  promptOf,
  UserError,
} from "../../core/mod.ts";
import { plain } from "../../core/plan_benchmarks.ts";
import { paramsText, parseWith } from "../../core/schema.ts";

const schema = z.strictObject({ orders: OrdersParam, ask: AskParam, country: CountryParam });
const read = (value: unknown) => plain(parseWith(schema, value, "read it"));

/** Each option as it is shown, so that texts can be followed. */
const make = (
  { options, gold }: { readonly options: readonly string[]; readonly gold: number },
): ChoiceItem => ({
  id: "q",
  role: "report",
  clusters: { question: "q" },
  content: "q",
  prompt: { kind: "text", text: options.join(",") },
  continuations: ["A", "B", "C"],
  labels: ["A", "B", "C"],
  gold,
  doc: options,
});

Deno.test("params as usual leave no trace, so that keys of before they existed stay", () => {
  assertEquals(read({}), {});
  assertEquals(read({ orders: "given", ask: "question", country: "own" }), {});
  assertEquals(read({ orders: "cyclic", ask: "answers_only", country: "swapped" }), {
    orders: "cyclic",
    ask: "answers_only",
    country: "swapped",
  });
});

Deno.test("params of a confound name the nearest known value, or all of them", () => {
  assertThrows(
    () => read({ orders: "cyclical" }),
    UserError,
    'unknown value "cyclical" at orders, did you mean "cyclic"',
  );
  assertThrows(() => read({ ask: 3 }), UserError, 'wanted one of "question", "answers_only" at ask');
});

Deno.test("inOrders() moves the texts past the letters, and gold follows its text to each place once", () => {
  const texts = ["x", "right", "y"];
  const items = inOrders({ options: texts, gold: 1 }, "cyclic", make);
  assertEquals(items.map(({ id }) => id), ["q#0", "q#1", "q#2"]);
  assertEquals(items.map(({ doc }) => doc), [["x", "right", "y"], ["right", "y", "x"], ["y", "x", "right"]]);
  for (const { doc, gold, labels, rotationOf, clusters } of items) {
    assertEquals((doc as string[])[gold], "right");
    assertEquals([labels.join(""), rotationOf, clusters.question], ["ABC", "q", "q"]);
  }
  assertEquals(items.map(({ gold }) => gold).sort(), [0, 1, 2]);
});

Deno.test("inOrders() gives the item as it stands where no orders are asked for", () => {
  const items = inOrders({ options: ["x", "right", "y"], gold: 1 }, undefined, make);
  assertEquals(items, [make({ options: ["x", "right", "y"], gold: 1 })]);
});

Deno.test("promptOf() leaves out the question with its name, and no hole where it stood", () => {
  const render = (question: string) => `Pick one.\n\nQ: ${question}\n\nOptions:\nA. x\n\nAnswer:`;
  assertEquals(promptOf(render, "Why?", "answers_only"), "Pick one.\n\nOptions:\nA. x\n\nAnswer:");
  assertEquals(promptOf(render, "Why?", undefined), render("Why?"));
  // A question of two lines goes whole, and one that has a word of the options takes none of them along.
  assertEquals(promptOf((q) => `${q}\nA. x`, "Why\nx?", "answers_only"), "A. x");
});

Deno.test("armId() tells every arm from every other", () => {
  const arms = [undefined, "answers_only" as const].flatMap((ask) =>
    [undefined, "swapped" as const].flatMap((country) =>
      [undefined, true, false].map((chat) => armId("q", { ask, country, chat }))
    )
  );
  assertEquals(new Set(arms).size, 12);
  assertEquals(arms[0], "q");
});

Deno.test("labelPrompt() asks for bare labels in a conversation and for labels after a space in a text", () => {
  const chat = labelPrompt("A. x", ["A", "B"], true);
  assertEquals(chat, {
    prompt: { kind: "chat", messages: [{ role: "user", content: "A. x" }] },
    continuations: ["A", "B"],
  });
  assertEquals(labelPrompt("A. x", ["A", "B"], false), {
    prompt: { kind: "text", text: "A. x\nAnswer:" },
    continuations: [" A", " B"],
  });
  assertEquals(labelPrompt("Write it:", ["A", "B"], false).prompt, { kind: "text", text: "Write it:" });
});

Deno.test("derangement() leaves nothing in its place, is the seed's, and reaches every one", () => {
  for (const seed of Array.from({ length: 200 }, (_, i) => i)) {
    const drawn = derangement(16, createRandom(seed));
    assert(drawn.every((to, from) => to !== from));
    assertEquals([...drawn].sort((a, b) => a - b), Array.from({ length: 16 }, (_, i) => i));
    assertEquals(drawn, derangement(16, createRandom(seed)));
  }
  // There are 9 derangements of 4; 400 draws miss one of them once in 10^19.
  const seen = new Set(
    Array.from({ length: 400 }, (_, i) => derangement(4, createRandom(`four/${i}`)).join()),
  );
  assertEquals(seen.size, 9);
  assertThrows(() => derangement(1, createRandom(0)), UserError, "there are 1, wanted two or more");
});

Deno.test("paramsText() names params and the words that each may be, through transforms", () => {
  const own = z.strictObject({ seed: z.int().default(0), chat: z.boolean().optional(), orders: OrdersParam })
    .transform((params) => params);
  assertEquals(paramsText(own), "seed, chat (true, false), orders (given, cyclic)");
  assertEquals(paramsText(z.strictObject({})), "");
});
