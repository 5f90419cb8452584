import { assert, assertEquals, assertThrows } from "@std/assert";
import normad from "../../benchmarks/normad.ts";
import { type ChoiceItem, UserError } from "../../core/mod.ts";
import { MADE_UP } from "./made_up.ts";

const TEXT = MADE_UP["normad_etiquette_final_data.csv"];
const load = (params: Record<string, unknown> = {}, text: string = TEXT) =>
  normad.load(
    { stories: { key: "stories", path: "eti.csv", sha256: "", text } },
    normad.params.parse(params),
  );
const textOf = ({ prompt }: ChoiceItem) =>
  prompt.kind === "text" ? prompt.text : prompt.messages.map(({ content }) => content).join("\n");
interface Doc {
  readonly Country: string;
  readonly story: string;
  readonly options: readonly string[];
}
const docOf = ({ doc }: ChoiceItem) => doc as Doc;
const list = (options: readonly string[]) => options.map((answer, i) => `${i + 1}: ${answer}`).join(", ");

/**
 * What 1, 2 and 3 mean. CPython 3.11.7, with the wording's text as it stands in the source, its placeholders unfilled:
 *
 *     digits = [1, 2, 3]
 *     random.Random(int(hashlib.md5(f"{ID}_{wording}".encode()).hexdigest()[:8], 16)).shuffle(digits)
 *     sorted(zip(digits, ["yes", "no", "neutral"]))
 */
const GOLDEN = {
  "1/0": ["neutral", "yes", "no"],
  "2/1": ["no", "neutral", "yes"],
  "3/2": ["no", "neutral", "yes"],
};

Deno.test("normad deals the digits to yes, no and neutral as Python's random does, and gold is the right one's", () => {
  const items = load();
  assertEquals(items.length, 3 * 4);
  for (const [id, options] of Object.entries(GOLDEN)) {
    assertEquals(docOf(items.find((item) => item.id === id)!).options, options, id);
  }
  items.forEach((item, i) => {
    const { options, story, Country } = docOf(item);
    assertEquals(options[item.gold], ["yes", "no", "neutral"][Math.floor(i / 4)]);
    for (const part of [Country, story, list(options)]) assert(textOf(item).includes(part), textOf(item));
    assertEquals([item.continuations, item.oneToken, item.prompt.kind], [[..."123"], true, "chat"]);
  });
  assert(textOf(items[0]!).includes("Ann rang twice. Nobody minded."), "a story on one line");
});

Deno.test("normad names countries as BLEnD's files do, and every wording of a story as one question", () => {
  assertEquals(
    load({ templates: [0, 2] }).map(({ id, clusters }) => [id, clusters.question, clusters.country]),
    [
      ["1/0", "1", "US"],
      ["1/2", "1", "US"],
      ["2/0", "2", "South_Korea"],
      ["2/2", "2", "South_Korea"],
      ["3/0", "3", "Papua_New_Guinea"],
      ["3/2", "3", "Papua_New_Guinea"],
    ],
  );
});

Deno.test("normad leaves out country and story, turns the meanings of the digits, and asks in plain text", () => {
  const usual = load(), bare = load({ ask: "answers_only" }), cyclic = load({ orders: "cyclic" });
  const plain = load({ chat: false });
  assertEquals([bare.length, cyclic.length, plain.length], [12, 36, 12]);
  usual.forEach((item, i) => {
    const { options, story, Country } = docOf(item), text = textOf(bare[i]!);
    for (const part of [Country, story, "Story:", "Country:", "Place:"]) assert(!text.includes(part), text);
    assert(text.includes(list(options)), text);
    assertEquals([bare[i]!.id, bare[i]!.content], [`${item.id}/answers_only`, item.content]);
    const turned = cyclic.slice(3 * i, 3 * i + 3);
    assertEquals(turned[0]!.prompt, item.prompt);
    assertEquals(turned.map(({ gold }) => gold).sort(), [0, 1, 2]);
    for (const each of turned) assertEquals(docOf(each).options[each.gold], options[item.gold]);
    assertEquals(plain[i]!.continuations, [" 1", " 2", " 3"]);
  });
});

Deno.test("normad names line and column of a label that is none", () => {
  assertThrows(
    () => load({}, TEXT.replace("x,neutral", "x,maybe")),
    UserError,
    'Gold Label is "maybe", wanted "yes" or "no" or "neutral"',
  );
});
