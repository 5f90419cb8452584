import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createMemoryStore } from "../../core/store/mod.ts";
import { createApp } from "../../server/app.tsx";
import { fill } from "./made_up.ts";

const store = createMemoryStore();
const made = fill(store, { items: 30 });
const labels = {
  labels: ["A", "B<i>"],
  n: 30,
  gold: [0.4, 0.6],
  chosen: [1, 0],
  given: [0.5, 0],
  distance: 0.6,
};
/** As a cell of questions in two orders is: the table's metric is of questions, the others of items. */
const cells = made.cells.map((cell) => {
  const [first, ...rest] = cell.metrics;
  const metric = { ...first!.metric, name: "consistent_acc", title: "Right in every order" };
  const joint = { metric, estimate: { ...first!.estimate, n: 15, clusters: 15 } };
  return cell.benchmark === "qnli"
    ? { ...cell, labels, primary: metric.name, metrics: [first!, ...rest, joint] }
    : cell;
});
store.saveRun({ ...made, cells });
const page = async (path = "") =>
  await (await createApp({ store }).request(`/runs/${made.id}${path}`)).text();
const cell = cells.find(({ benchmark, treatment }) => benchmark === "qnli" && treatment === "silenced")!;

Deno.test("a cell's page shows labels chosen beside the right ones, and tokens that spell none", async () => {
  const body = await page(`/cells/${cell.key}`);
  const table = body.slice(body.indexOf("Labels of 30 items"));
  assertStringIncludes(table, "60.0\u00a0% from the right ones");
  const rows = table.slice(0, table.indexOf("</table>")).split("<tr>").slice(2)
    .map((row) => row.replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ").trim());
  assertEquals(rows, ["A 40.0 % 100.0 % 50.0 %", "B&lt;i&gt; 60.0 % 0.0 % 0.0 %", "none of them 50.0 %"]);
  const other = cells.find(({ benchmark }) => benchmark === "fables")!;
  assert(!(await page(`/cells/${other.key}`)).includes("Labels of"));
});

Deno.test("a metric of questions sorts no items: those of the first metric of items stand in for it", async () => {
  const body = await page(`/cells/${cell.key}`);
  assertStringIncludes(body, "of 15 questions");
  assert(!body.includes("by=consistent_acc"), "no link to a view that it cannot give");
  assertStringIncludes(body, `by ${cell.metrics[0]!.metric.title}`);
  assertEquals(await page(`/cells/${cell.key}?by=consistent_acc`), body);
});

Deno.test("a run's page counts what its metric counts", async () => {
  const body = (await page()).replaceAll(/<[^>]*>/g, " ").replaceAll(/\s+/g, " ");
  assertStringIncludes(body, "n 15");
  assertStringIncludes(body, "n 30");
});
