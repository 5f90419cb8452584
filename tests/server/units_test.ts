/** The page of a run's units. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { createMemoryStore } from "../../core/store/mod.ts";
import { createApp } from "../../server/app.tsx";
import { fill } from "./made_up.ts";
import { fillUnits } from "./made_up_units.ts";

const store = createMemoryStore();
const plain = fill(store, { items: 10 });
const made = fillUnits(store, plain);
const app = createApp({ store });

async function get(
  path: string,
): Promise<{ readonly status: number; readonly body: string; readonly text: string }> {
  const response = await app.request(path);
  const body = await response.text();
  return {
    status: response.status,
    body,
    text: body.replaceAll(/<[^>]+>/g, " ").replaceAll(/[\s\u00a0]+/g, " "),
  };
}

Deno.test("GET a run with units found links to their page, and one without has no such page", async () => {
  const { body, text } = await get(`/runs/${made.id}`);
  assertStringIncludes(body, `href="/runs/${made.id}/units"`);
  assertStringIncludes(text, "Country-associated units found");
  assertEquals((await get(`/runs/${plain.id}`)).body.includes("/units"), false);
  assertEquals((await get(`/runs/${plain.id}/units`)).status, 404);
  assertEquals((await get("/runs/none/units")).status, 404);
});

Deno.test("GET units names each set, its group and its share, and links to the set", async () => {
  const { status, body, text } = await get(`/runs/${made.id}/units`);
  assertEquals(status, 200);
  assertStringIncludes(text, "Country-associated units of units");
  assertStringIncludes(text, "Brinmoor silenced tiny-llama culnig 1 country/Brinmoor 20 512 3.9 %");
  const links = [...body.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id).filter((id) => id !== "main");
  assertEquals(links, ["set-1", "set-2", "set-3"]);
  for (const id of links) assertStringIncludes(body, `<section class="unit-set" id="${id}"`);
});

Deno.test("GET units shows counts and shares of layers by sites, and the highest scores first", async () => {
  const { body, text } = await get(`/runs/${made.id}/units`);
  const set = body.slice(body.indexOf('id="set-1"'), body.indexOf('id="set-2"'));
  assertStringIncludes(set.replaceAll(/<[^>]+>/g, ""), "30 of 256, 11.7\u00a0%");
  assertEquals([...set.matchAll(/<rect width="([\d.]+)"/g)].map(([, width]) => width), ["100.0", "33.3"]);
  const rows = [
    ...set.matchAll(/<tr><td class="number">(\d)<\/td><td>([^<]+)<\/td>.*?<td class="number">(\d+)/g),
  ];
  assertEquals(rows.length, 20);
  assertEquals(
    rows[0]?.slice(1),
    ["3", "mlp.gate", "9"],
    "the highest score is the last unit of the last tap",
  );
  assertEquals(rows[10]?.slice(1), ["1", "mlp.gate", "29"]);
  assertStringIncludes(text, "The first 20 of 40, by score");
  assertStringIncludes(text, "All 3, by score");
});

Deno.test("GET units gives shared units beside chance, and none where a control leaves the set's out", async () => {
  const { text } = await get(`/runs/${made.id}/units`);
  assertStringIncludes(
    text,
    "&lt;silenced&gt; and Brinmoor silenced 40 and 20 512 in 2 taps 6 0.111 1.6, 0.027 0.003 2.3, 0.041 0.019",
  );
  assertStringIncludes(text, "its control important 40 and 40 512 in 2 taps 0 0.000 left out by design");
  assertStringIncludes(text, "(hypergeometric)");
});

Deno.test("GET units escapes names and has scopes, captions and no style of its own", async () => {
  const { body } = await get(`/runs/${made.id}/units`);
  assertEquals(body.includes("<silenced>"), false);
  assertEquals(/<th(?![^>]*scope=)/.test(body.replaceAll("<thead", "")), false);
  assertEquals(body.split("<table").length, body.split("<caption").length);
  assertEquals(/ style=/.test(body), false);
  const ids = [...body.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  assertEquals(new Set(ids).size, ids.length);
});
