import { assertEquals, assertThrows } from "@std/assert";
import { columnsOf, createMemoryStore, keepColumns } from "../../../core/store/mod.ts";

const items = ["b", "a", "c"].map((id) => ({ id }));

function storeOf(rows: Readonly<Record<string, Readonly<Record<string, number>>>>) {
  const store = createMemoryStore(), all = Object.entries(rows);
  store.openCell("k", {}, all.length);
  store.commit("k", all.map(([item, values]) => ({ item, values, detail: {} })));
  return store;
}

Deno.test("columnsOf() gives the metrics that all outcomes have, in the order of the items", () => {
  using store = storeOf({
    a: { acc: 1, nats: -2 },
    b: { acc: 0, nats: -3, rare: 1 },
    c: { nats: -4, acc: 1 },
  });
  assertEquals(
    [...columnsOf("k", items, store)].sort(),
    [["acc", Float64Array.of(0, 1, 1)], ["nats", Float64Array.of(-3, -2, -4)]],
  );
  // Of the first items alone, as under a limit.
  assertEquals(columnsOf("k", items.slice(0, 1), store).get("rare"), Float64Array.of(1));
});

Deno.test("columnsOf() throws when outcomes are missing", () => {
  using store = storeOf({ a: { acc: 1 } });
  assertThrows(() => columnsOf("k", items, store), Error, "2 outcomes are missing in cell k");
});

Deno.test("columnsOf() gives what keepColumns() kept without looking at outcomes, unless of other items", () => {
  using store = storeOf({ a: { acc: 1 }, b: { acc: 0 }, c: { acc: 1 } });
  const read = columnsOf("k", items, store);
  keepColumns("k", items, store);
  const blind = { ...store, each: () => [] };
  assertEquals(columnsOf("k", [...items], blind), read);
  // In another order, and some of them.
  assertThrows(() => columnsOf("k", items.toReversed(), blind), Error, "3 outcomes are missing");
  assertEquals(columnsOf("k", items.toReversed(), store).get("acc"), Float64Array.of(1, 1, 0));
  assertEquals(columnsOf("k", items.slice(0, 1), store).get("acc"), Float64Array.of(0));
});
