import { assertEquals, assertNotEquals } from "@std/assert";
import { printOf } from "../../../core/provenance/print.ts";

const same = (a: string, b: string) => assertEquals(printOf(a), printOf(b), `${a} / ${b}`);
const other = (a: string, b: string) => assertNotEquals(printOf(a).hash, printOf(b).hash, `${a} / ${b}`);

Deno.test("printOf() is the same under another case, punctuation, white space and spelling of one character", () => {
  same("Where is the Café?", "  where\tIS the\ncafe\u0301 !");
  same("It's \u201Cfine\u201D, isn\u2019t it", "its fine isnt it");
  same("\uFF21\uFF22\uFF23 \uFB01ne", "abc fine");
  same("1,000 things", "1000 things".replace("1000", "1, 000"));
  assertEquals(printOf("e-mail").hash, printOf("email").hash);
  assertEquals(printOf("well-known fact").hash, printOf("Well known fact.").hash);
});

Deno.test("printOf() is another for another word, number, sign or order", () => {
  other("3.5 km", "35 km");
  other("12:30", "1230");
  other("3 + 5", "3 - 5");
  other("3 - 5", "3 5");
  other("5 degrees", "-5 degrees");
  other("dog bites man", "man bites dog");
  other("a < b", "a > b");
  other("price in $", "price in €");
  same("covid-19 cases", "covid 19 cases");
});

Deno.test("printOf() cuts words where the script has spaces, and characters where it has none", () => {
  assertEquals(printOf("Don't stop, it is 3.5 km!").words.length, 6);
  assertEquals(printOf("東京はどこ").words.length, 5);
  assertEquals(printOf("서울은 어디").words.length, 2);
  assertEquals(printOf("\u{20000}\u{20001}").words.length, 2);
  assertEquals(printOf(" ?! ... ").words.length, 0);
  assertEquals(printOf("...").hash, "");
});
