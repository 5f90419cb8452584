import { assert, assertEquals, assertThrows } from "@std/assert";
import rte from "../../benchmarks/rte.ts";
import { type ChoiceItem, findFiles, UserError } from "../../core/mod.ts";
import { parseWith } from "../../core/schema.ts";
import { needs, SHARED_DATA } from "../support.ts";

const lines = [
  { premise: 'The "Otter" sank.', hypothesis: "A ship sank.", label: "entailment", idx: 0 },
  { premise: 'The "Otter" sank.', hypothesis: "Nobody drowned.", label: "not_entailment", idx: 1 },
].map((row) => `${JSON.stringify(row)}\n`).join("");
const table = 'index\tsentence1\tsentence2\tlabel\n0\tThe "Otter" sank.\tA ship sank.\tentailment\n' +
  '1\tThe "Otter" sank.\tNobody drowned.\tnot_entailment\n';
const load = (params: unknown = {}, text = lines) =>
  rte.load({ dev: { key: "dev", path: "val", sha256: "", text } }, rte.params.parse(params));
const textOf = ({ prompt }: ChoiceItem) =>
  prompt.kind === "text" ? prompt.text : prompt.messages.map(({ content }) => content).join("\n");

Deno.test("rte under lm-eval asks in plain text; entailment is True", () => {
  const [first, second] = load();
  assertEquals(first!.prompt, {
    kind: "text",
    text: 'The "Otter" sank.\nQuestion: A ship sank. True or False?\nAnswer:',
  });
  assertEquals(first!.continuations, [" True", " False"]);
  assertEquals([first!.gold, second!.gold, first!.id, first!.target], [0, 1, "0", 0]);
  assertEquals(first!.doc, {
    sentence1: 'The "Otter" sank.',
    sentence2: "A ship sank.",
    label: 0,
    idx: 0,
  });
  assertEquals(first!.clusters, second!.clusters);
});

Deno.test("rte under culnig asks each pair under each template for the digit of its class", () => {
  const items = load({ protocol: "culnig", templates: [1, 3] });
  assertEquals(items.map(({ id }) => id), ["0/1", "0/3", "1/1", "1/3"]);
  assertEquals(items.map(({ gold, labels }) => labels[gold]), ["0", "0", "1", "1"]);
  for (const item of items) {
    assert(item.prompt.kind === "chat" && textOf(item).includes('The "Otter" sank.'));
    assertEquals([item.continuations, item.oneToken], [["0", "1"], true]);
  }
});

Deno.test("rte under answers_only leaves out the text and keeps the statement, in every wording", () => {
  for (const params of [{}, { protocol: "culnig" }]) {
    const usual = load(params), without = load({ ...params, ask: "answers_only" });
    assertEquals(without.length, usual.length);
    for (const [i, item] of without.entries()) {
      assert(!textOf(item).includes("Otter") && !/^(T|Text):/m.test(textOf(item)), textOf(item));
      assert(textOf(item).includes((item.doc as { readonly sentence2: string }).sentence2));
      assertEquals(item.id, `${usual[i]!.id}/answers_only`);
    }
  }
});

Deno.test("rte reads GLUE's table as it reads SuperGLUE's lines, and names the line of a label that is none", () => {
  assertEquals(load({ protocol: "culnig" }, table), load({ protocol: "culnig" }));
  const wanted = 'label is "neutral", wanted "entailment" or "not_entailment"';
  for (const [text, line] of [[lines, "val: line 2: "], [table, "val: line 3: "]] as const) {
    assertThrows(() => load({}, text.replace("not_entailment", "neutral")), UserError, line + wanted);
  }
});

Deno.test("rte reads a template as a list of one, and refuses what does not go together", () => {
  const read = (params: unknown) => JSON.stringify(parseWith(rte.params, params, "read it"));
  assertEquals(read({ protocol: "culnig", template: 2 }), read({ protocol: "culnig", templates: [2] }));
  assertEquals(read({ protocol: "culnig", chat: true, ask: "question" }), read({ protocol: "culnig" }));
  assertEquals(read({ chat: false }), read({}));
  for (const params of [{ template: 0 }, { templates: [0] }]) {
    assertThrows(() => read(params), UserError, 'template and templates belong to the protocol "culnig"');
  }
  assertThrows(
    () => read({ protocol: "culnig", template: 0, templates: [1] }),
    UserError,
    "template stands without templates at template",
  );
  assertThrows(() => read({ protocol: "culnig", template: 4 }), UserError, "at template");
});

Deno.test({
  name: "rte has GLUE's 277 pairs, 146 of them entailed",
  ...needs("shared"),
  fn() {
    const params = rte.params.parse({});
    const files = findFiles(SHARED_DATA, rte.files(params), rte);
    assertEquals(files.dev!.sha256, rte.files(params)[0]!.sha256);
    const items = rte.load(files, params);
    assertEquals([items.length, items.filter(({ gold }) => gold === 0).length], [277, 146]);
  },
});
