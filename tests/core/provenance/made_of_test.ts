import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../../core/error.ts";
import type { ChoiceItem, Item } from "../../../core/benchmark.ts";
import {
  madeOf,
  madeOfKey,
  MadeOfSchema,
  printedItems,
  printItems,
  textOf,
} from "../../../core/provenance/made_of.ts";
import { parseWith } from "../../../core/schema.ts";

const item = (id: string, content?: string): Item => ({
  id,
  role: "report",
  clusters: { question: `q${id}` },
  ...(content !== undefined && { content }),
});
const chat: Item & Pick<ChoiceItem, "prompt"> = {
  ...item("3"),
  prompt: {
    kind: "chat",
    messages: [{ role: "system", content: "Be brief" }, { role: "user", content: "Why?" }],
  },
};

Deno.test("textOf() is the content, else the prompt's text, else nothing", () => {
  assertEquals(textOf(item("1", "own")), "own");
  assertEquals(textOf({ ...item("1"), prompt: { kind: "text", text: "asked" } }), "asked");
  assertEquals(textOf(chat), "Be brief\nWhy?");
  assertEquals(textOf(item("1")), "");
});

Deno.test("printedItems() gives back what madeOf() was given, through JSON", () => {
  const items = [item("1", "A first, 3.5 km long \u6771\u4eac"), item("2"), chat];
  const value = madeOf("b", items, "localise");
  assertEquals(
    printedItems(parseWith(MadeOfSchema, JSON.parse(JSON.stringify(value)), "read")),
    printItems("b", items),
  );
  assertEquals([value.hashes[1], value.words[1], value.role], ["", "", "localise"]);
  assertEquals(madeOfKey(value), madeOfKey(madeOf("b", items, "localise")));
  assert(madeOfKey(value) !== madeOfKey(madeOf("b", items, "tune")));
});

Deno.test("madeOf() takes about 200 bytes for a question of 30 words", () => {
  const text = Array.from({ length: 30 }, (_, i) => `word${i}`).join(" ");
  const value = madeOf(
    "b",
    Array.from({ length: 1000 }, (_, i) => item(`item-${1000 + i}`, `${text} ${i}`)),
    "tune",
  );
  const bytes = JSON.stringify(value).length;
  assert(bytes > 150_000 && bytes < 210_000, `${bytes}`);
});

Deno.test("MadeOfSchema refuses lists that do not fit, and text that is none of its own", () => {
  const value = madeOf("b", [item("1", "one two three")], "localise");
  const cases = [
    [{ ...value, ids: [] }, "wanted ids, hashes, questions and words of one length"],
    [{ ...value, hashes: ["xyz"] }, "wanted 16 hex digits or nothing at hashes[0]"],
    [{ ...value, words: ["AAA"] }, "wanted base64 of three bytes a word at words[0]"],
    [{ ...value, rôle: 1 }, "unknown key"],
  ] as const;
  for (const [wrong, message] of cases) {
    assertThrows(() => parseWith(MadeOfSchema, wrong, "read"), UserError, message);
  }
});
