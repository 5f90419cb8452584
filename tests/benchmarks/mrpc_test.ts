import { assert, assertEquals, assertThrows } from "@std/assert";
import mrpc from "../../benchmarks/mrpc.ts";
import { type ChoiceItem, UserError } from "../../core/mod.ts";
import { parseWith } from "../../core/schema.ts";
import { MADE_UP } from "./made_up.ts";

const load = (params: Record<string, unknown> = {}, text: string = MADE_UP["msr_paraphrase_test.txt"]) => {
  const parsed = mrpc.params.parse(params);
  return mrpc.load({ [parsed.split]: { key: parsed.split, path: "msr.txt", sha256: "", text } }, parsed);
};
const textOf = ({ prompt }: ChoiceItem) =>
  prompt.kind === "text" ? prompt.text : prompt.messages.map(({ content }) => content).join("\n");

Deno.test("mrpc asks for 1 where two sentences say the same, under four wordings, with plain quotation marks", () => {
  const items = load();
  assertEquals(items.length, 3 * 4);
  assertEquals(items.slice(0, 4).map(({ id }) => id), [0, 1, 2, 3].map((t) => `101-102/${t}`));
  assertEquals(items.map(({ gold, labels }) => labels[gold]), [..."1111", ..."0000", ..."1111"]);
  for (const item of items.slice(0, 4)) {
    assert(textOf(item).includes('The ferry was late , " again " .'), textOf(item));
    assert(textOf(item).includes("Once more the ferry did not come in time ."));
    assertEquals([item.continuations, item.oneToken, item.prompt.kind], [["0", "1"], true, "chat"]);
    assertEquals(item.clusters, { question: "101-102" });
  }
  assert(textOf(items[8]!).includes('Nobody saw the "fox go.'), "a quotation mark that is not closed");
});

Deno.test("mrpc under answers_only leaves out the first sentence, in every wording", () => {
  const usual = load();
  for (const [i, item] of load({ ask: "answers_only" }).entries()) {
    const { "#1 String": first, "#2 String": second } = item.doc as Record<string, string>;
    assert(!textOf(item).includes(first!.slice(0, 12)) && textOf(item).includes(second!), textOf(item));
    assert(!/^(First|Sentence A|1\.):? ?$/m.test(textOf(item)), textOf(item));
    assertEquals([item.id, item.gold], [`${usual[i]!.id}/answers_only`, usual[i]!.gold]);
  }
});

Deno.test("mrpc finds test and development set under names of their own and refuses a table without labels", () => {
  const names = (split: string) => mrpc.files(mrpc.params.parse({ split })).flatMap(({ names }) => names);
  assertEquals(names("test").filter((name) => names("dev").includes(name)), []);
  assertEquals(load({ split: "dev" }), load());
  assertThrows(
    () => load({}, "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\ta\tb\n"),
    UserError,
    "msr.txt: line 1 has no column Quality",
  );
  assertThrows(
    () => load({}, MADE_UP["msr_paraphrase_test.txt"].replace("\n0", "\n2")),
    UserError,
    'msr.txt: line 3: Quality is "2", wanted "0" or "1"',
  );
});

Deno.test("mrpc reads a template as a list of one and none as all", () => {
  const read = (params: unknown) => JSON.stringify(parseWith(mrpc.params, params, "read it"));
  assertEquals(read({ template: 2 }), read({ templates: [2] }));
  assertEquals(read({}), read({ templates: [0, 1, 2, 3] }));
  assertThrows(() => read({ templates: [1, 1] }), UserError, "wanted different templates at templates");
  assertThrows(() => read({ template: 1, templates: [1] }), UserError, "template stands without templates");
  assertThrows(() => read({ orders: "cyclic" }), UserError, 'unknown key "orders"');
});
