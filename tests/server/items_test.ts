import { assertEquals } from "@std/assert";
import type { Metric, Outcome, Sample } from "../../core/mod.ts";
import { belongs, listItems, viewItem } from "../../server/items.ts";

const METRIC: Metric = { name: "acc", title: "Accuracy", binary: true, higherIsBetter: true };

function outcomes(values: Readonly<Record<string, number>>): ReadonlyMap<string, Outcome> {
  return new Map(Object.entries(values).map(([item, acc]) => [item, { item, values: { acc }, detail: {} }]));
}

Deno.test("listItems() puts what fell first, then what rose, digits in order of number", () => {
  const before = outcomes({ "q-2": 1, "q-10": 1, "q-1": 0, "q-3": 1, "q-4": 0 });
  const after = outcomes({ "q-10": 0, "q-4": 0, "q-3": 1, "q-2": 0, "q-1": 1 });
  const rows = listItems(after, before, "acc");
  assertEquals(rows.map(({ id, change }) => `${id} ${change}`), [
    "q-2 fell",
    "q-10 fell",
    "q-1 rose",
    "q-3 same",
    "q-4 same",
  ]);
});

Deno.test("listItems() counts nothing as flipped without an untouched model, or where it lacks the item", () => {
  const after = outcomes({ a: 0, b: 1 });
  assertEquals(listItems(after, undefined, "acc").map(({ change }) => change), ["same", "same"]);
  assertEquals(listItems(after, outcomes({ a: 1 }), "acc").map(({ change }) => change), ["fell", "same"]);
});

Deno.test("belongs() calls wrong the worse of a binary metric's values, whichever that is", () => {
  const [zero, one] = listItems(outcomes({ a: 0, b: 1 }), undefined, "acc");
  if (!zero || !one) throw new Error("two rows went in");
  assertEquals([zero, one].map((row) => belongs(row, "wrong", METRIC)), [true, false]);
  const lower = { ...METRIC, higherIsBetter: false };
  assertEquals([zero, one].map((row) => belongs(row, "wrong", lower)), [false, true]);
  assertEquals(belongs(zero, "wrong", { ...METRIC, binary: false }), false);
});

const ROW = {
  id: "q",
  change: "fell" as const,
  before: { item: "q", values: {}, detail: { choice: "A", given: " A", logprobs: [-0.5, -1] } },
  after: { item: "q", values: {}, detail: { choice: "B", given: "no", logprobs: [-2, -0.25] } },
};
const SAMPLE: Sample = {
  doc_id: 0,
  doc: {},
  target: "A",
  arguments: { gen_args_0: { arg_0: "Q:", arg_1: " A" }, gen_args_1: { arg_0: "Q:", arg_1: " B" } },
  resps: [],
  filtered_resps: [],
  filter: "none",
  metrics: [],
};

Deno.test("viewItem() reads prompt, options, gold and choices by label or by index", () => {
  const byLabel = viewItem(ROW, SAMPLE);
  const byIndex = viewItem(
    { ...ROW, before: undefined, after: { ...ROW.after, detail: { ...ROW.after.detail, choice: 1 } } },
    { ...SAMPLE, target: 0, arguments: [["Q:", " A"], ["Q:", " B"]] },
  );
  assertEquals([byLabel.prompt, byLabel.gold, byLabel.choiceBefore, byLabel.choice], ["Q:", "A", "A", "B"]);
  assertEquals([byIndex.prompt, byIndex.gold, byIndex.choiceBefore, byIndex.choice], [
    "Q:",
    "A",
    undefined,
    "B",
  ]);
  assertEquals(byLabel.options[0], {
    label: "A",
    text: " A",
    before: -0.5,
    after: -2,
    gold: true,
    chosen: false,
    chosenBefore: true,
  });
  assertEquals(byIndex.options.map(({ gold, chosen }) => [gold, chosen]), [[true, false], [false, true]]);
});

Deno.test("viewItem() shows what was written, and makes no option of how it was asked for", () => {
  const detail = (given: string) => ({ given, found: null, finish: "stop" });
  const view = viewItem(
    {
      ...ROW,
      before: { item: "q", values: {}, detail: detail("Soup.") },
      after: { item: "q", values: {}, detail: detail("Tea.") },
    },
    { ...SAMPLE, target: ["soup"], arguments: { gen_args_0: { arg_0: "Q:", arg_1: { max_gen_toks: 64 } } } },
  );
  assertEquals([view.prompt, view.options, view.gold], ["Q:", [], '["soup"]']);
  assertEquals([view.givenBefore, view.given], ["Soup.", "Tea."]);
});

Deno.test("viewItem() shows what there is when the record is of another shape or absent", () => {
  const strange = { ...SAMPLE, arguments: "none", target: { deep: 1 } };
  assertEquals(viewItem(ROW, strange).prompt, undefined);
  assertEquals(viewItem(ROW, strange).gold, '{"deep":1}');
  assertEquals(viewItem(ROW, undefined).options.map(({ after }) => after), [-2, -0.25]);
});
