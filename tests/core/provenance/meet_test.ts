/** Planted leaks among clean items, and texts that must not meet. */
import { assert, assertEquals } from "@std/assert";
import { meetings } from "../../../core/provenance/meet.ts";
import { printOf } from "../../../core/provenance/print.ts";
import { figures } from "../../speed/provenance_figures.ts";
import { CHANGES, plantedSet, printed } from "./planted.ts";

/** The figure asked for: at most one clean item in a hundred is accused. */
const ACCUSED = 0.01;

function kinds(reported: readonly string[], made: readonly string[]) {
  const met = meetings(printed("reported", reported), printed("made", made));
  return reported.map((_, i) => met.get(i)?.kind);
}

for (const made of [1000, 20_000]) {
  Deno.test(`meetings() finds every leak planted in 1,000 items, ${made.toLocaleString("en")} having been used`, () => {
    const set = plantedSet({ made, reported: 1000, leaks: 300, seed: `planted ${made}` });
    const met = meetings(
      printed("reported", set.reported.map(({ text }) => text)),
      printed("made", set.made),
    );
    const missed = set.reported.flatMap(({ name, original, text }, i) => {
      if (name === "clean" || met.get(i)?.with === original) return [];
      return [`${name}: ${text}, of ${set.made[original]}`];
    });
    assertEquals(missed, []);
    for (const name of Object.keys(CHANGES)) {
      const wanted = ["exact", "re-cased", "re-punctuated"].includes(name) ? "exact" : "near";
      const found = set.reported.flatMap((each, i) => each.name === name ? [met.get(i)?.kind] : []);
      assertEquals([found.length, new Set(found)], [50, new Set([wanted])], name);
    }
    const accused = set.reported.filter(({ name }, i) => name === "clean" && met.has(i)).length;
    assert(accused <= ACCUSED * 700, `${accused} of 700 clean items are accused`);
  });
}

Deno.test("meetings() does not take a pattern for a paraphrase, but one of its questions asked again", () => {
  const ask = (land: string) => `What is the name of the capital city of ${land}?`;
  const made = ["Peru", "Spain", "Norway", "Ghana"].map(ask);
  const reported = [
    ...["Chile", "Italy", "Kenya"].map(ask),
    "What was the name of the capital city of Spain?",
  ];
  assertEquals(kinds(reported, made), [undefined, undefined, undefined, "near"]);
});

Deno.test("meetings() tells patterns of long texts apart by what is nearest", () => {
  const ask = (land: string) =>
    `Think of a family that lives on the coast of ${land} today: what would they most likely have for breakfast on a weekday?`;
  const made = ["Peru", "Spain", "Norway", "Ghana"].map(ask);
  const reported = [
    ...["Chile", "Italy", "Kenya"].map(ask),
    ask("Spain").replace("weekday", "working day"),
  ];
  assertEquals(kinds(reported, made), [undefined, undefined, undefined, "near"]);
});

Deno.test("meetings() counts wordings of one question as no pattern", () => {
  const texts = ["Who first swam across the wide strait?", "Who first rowed across the wide strait?"];
  const made = texts.map((text, i) => ({ benchmark: "b", id: `${i}`, question: "one", ...printOf(text) }));
  const reported = printed("other", ["Who first walked across the wide strait?"]);
  assertEquals(meetings(reported, made).get(0)?.kind, "near");
  const apart = made.map((item, i) => ({ ...item, question: `${i}` }));
  assertEquals(meetings(reported, apart).size, 0);
});

Deno.test("meetings() knows an item by its id, a question by its cluster, and compares short texts exactly", () => {
  const item = (id: string, question: string, text: string, benchmark = "b") => ({
    benchmark,
    id,
    question,
    ...printOf(text),
  });
  const made = [
    item("1", "q1", "a first text of some length"),
    item("2", "q2", "Name the sea"),
    item("3", "q3", ""),
  ];
  const met = meetings([
    item("1", "q1", "something else altogether, drawn by another seed"),
    item("4", "q1", "in other words, what was asked before"),
    item("5", "q5", "name the SEA!"),
    item("6", "q6", "name a sea"),
    item("7", "q7", ""),
    item("1", "q1", "an item of another benchmark", "other"),
  ], made);
  assertEquals([...met], [[0, { kind: "exact", with: 0 }], [2, { kind: "exact", with: 1 }], [1, {
    kind: "question",
    with: 0,
  }]]);
});

Deno.test("meetings() finds options in another order, and an item under each of its wordings", () => {
  const made = ["Where does one keep a boat? harbour, kitchen, desert, attic"];
  assertEquals(kinds(["Where does one keep a boat? attic, desert, harbour, kitchen"], made), ["near"]);
  assertEquals(kinds(["Where does one keep a boat? attic, desert, harbour, bedroom"], made), ["near"]);
  const [again] = printed("reported", made);
  const met = meetings([{ ...again!, id: "x/0" }, { ...again!, id: "x/1" }], printed("made", made));
  assertEquals([met.get(0)?.kind, met.get(1)?.kind], ["exact", "exact"]);
});

Deno.test("meetings() is the same whichever side is larger", () => {
  const set = plantedSet({ made: 60, reported: 400, leaks: 36, seed: "sides" });
  const texts = set.reported.map(({ text }) => text);
  const [one, other] = [printed("a", texts), printed("b", set.made)];
  const there = [...meetings(one, other)].map(([i, met]) => `${i} ${met.with} ${met.kind}`);
  const back = [...meetings(other, one)].map(([j, met]) => `${met.with} ${j} ${met.kind}`);
  assertEquals(there.length, 36);
  assertEquals(back.sort(), there.sort());
});

/** A million take 20 s (tests/speed/provenance_figures.ts): these take 2, and time that grew with the square of the items would take minutes. */
const LIMIT_SECONDS = 20;

Deno.test("meetings() tells what 1,000 items meet of 100,000 in seconds", () => {
  const { printSeconds, meetSeconds, leaks, missed, accused } = figures(
    { made: 100_000, reported: 1000 },
    () => performance.now(),
  );
  assertEquals([leaks, missed], [10, 0]);
  assert(accused <= ACCUSED * 1000, `${accused} accused`);
  assert(printSeconds + meetSeconds < LIMIT_SECONDS, `${printSeconds} and ${meetSeconds} s`);
});
