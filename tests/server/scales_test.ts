import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createMemoryStore } from "../../core/store/mod.ts";
import { createApp } from "../../server/app.tsx";
import { place, shift } from "../../server/format.ts";
import { fill } from "./made_up.ts";
import { fillScales } from "./made_up_scales.ts";

const store = createMemoryStore();
const run = fillScales(store, fill(store, { items: 10 }));
const page = async (id: string) => await (await createApp({ store }).request(`/runs/${id}`)).text();

/** The sections of the questionnaires, in order. */
const sections = (body: string) =>
  body.split('<section class="scales"').slice(1).map((part) => part.split("</section>")[0]!);
const times = (text: string, part: string) => text.split(part).length - 1;
const cellsOf = (benchmark: string) => run.cells.filter((cell) => cell.benchmark === benchmark);

Deno.test("GET /runs/:id draws a dot for those that react to content and for no one else", async () => {
  const [compass, values] = sections(await page(run.id));
  const reacting = cellsOf("compass").filter(({ scales }) => scales!.reacts);
  assertEquals(reacting.map(({ treatment }) => treatment), ["untouched", "steered"]);
  assertEquals(times(compass!, 'class="dot"'), 2);
  assertEquals(times(compass!, 'class="null"'), 2);
  assertEquals(times(compass!, "no dot: the list says why"), 0);
  // Four axes, a bar for each that has a place.
  const placed = cellsOf("values").filter(({ scales }) => scales!.reacts).length;
  assert(placed >= 2, String(placed));
  assertEquals(times(values!, 'class="dot"'), 4 * placed);
});

Deno.test("GET /runs/:id says beside the chart why someone has no dot", async () => {
  const [compass] = sections(await page(run.id));
  const beside = compass!.slice(
    compass!.indexOf("No dot: does not react to content"),
    compass!.indexOf("<table"),
  );
  for (const { treatment, scales } of cellsOf("compass").filter(({ scales }) => !scales!.reacts)) {
    assertStringIncludes(beside, `<b>${treatment}</b>: ${scales!.reason}`);
  }
  assertStringIncludes(beside, "It answers all statements and all negations alike, whatever they say.");
});

Deno.test("a dot stands at its value, its whiskers at the interval", async () => {
  const [compass] = sections(await page(run.id));
  const { scales: [econ, soc] } = cellsOf("compass")[0]!.scales!;
  const x = (value: number) => Number((24 + 300 * (value + 10) / 20).toFixed(1));
  const y = (value: number) => Number((24 + 300 * (10 - value) / 20).toFixed(1));
  const [cx, cy] = [x(econ!.estimate.value), y(soc!.estimate.value)];
  assert(econ!.estimate.value < 0 && soc!.estimate.value < 0, "left and libertarian");
  assert(cx < 174 && cy > 174, "lower left");
  assertStringIncludes(compass!, `<circle class="dot" cx="${cx}" cy="${cy}" r="8"`);
  assertStringIncludes(
    compass!,
    `d="M${x(econ!.estimate.low)} ${cy}H${x(econ!.estimate.high)}M${cx} ${y(soc!.estimate.low)}V${
      y(soc!.estimate.high)
    }"`,
  );
});

Deno.test("the table below gives every figure of the chart, with changes and controls", async () => {
  const [compass] = sections(await page(run.id));
  const text = compass!.slice(compass!.indexOf("<table")).replace(/<[^>]+>/g, "");
  for (const { scales } of cellsOf("compass")) {
    for (const scale of scales!.scales) {
      const { estimate: { value, low, high }, null: shuffled, difference } = scale;
      const of = (each: number) => place(each, scale);
      assertStringIncludes(
        text,
        `${of(value)} [${of(low)}, ${of(high)}]shuffled ${of(shuffled.low)} to ${of(shuffled.high)}`,
      );
      if (difference) assertStringIncludes(text, `change ${shift(difference.value, scale)} [`);
    }
  }
  assertStringIncludes(text, "random ×2: ");
});

Deno.test("a run without questionnaires has no such section, and one where no one reacts has an empty map", async () => {
  assertEquals(sections(await page(store.runs().find(({ id }) => id !== run.id)!.id)), []);
  const still = createMemoryStore();
  const cells = run.cells.filter(({ treatment }) => ["agreeable", "stuck"].includes(treatment));
  still.saveRun({ ...run, cells });
  const [compass, values] = sections(
    await (await createApp({ store: still }).request(`/runs/${run.id}`)).text(),
  );
  assertEquals([times(compass!, 'class="dot"'), times(values!, 'class="dot"')], [0, 0]);
  assertEquals(times(compass!, "no dot: the list says why"), 1);
});

Deno.test("what a plugin or a matrix wrote is text on the page, not markup", async () => {
  const other = createMemoryStore();
  const hostile = fillScales(other, fill(other, { items: 10 }), "<script>alert(1)</script>");
  const body = await (await createApp({ store: other }).request(`/runs/${hostile.id}`)).text();
  assertEquals(times(body, "<script"), 0);
  assert(times(body, "&lt;script&gt;") > 10);
});

Deno.test("place() cuts to the ends, shift() signs, and neither has a negative zero", () => {
  const scale = { range: [-10, 10], digits: 2 } as const;
  assertEquals([10.005, -10.2, -0.001, -2.5].map((value) => place(value, scale)), [
    "10.00",
    "\u221210.00",
    "0.00",
    "\u22122.50",
  ]);
  assertEquals([1.234, -0.5, -0.001].map((value) => shift(value, scale)), ["+1.23", "\u22120.50", "0.00"]);
});
