import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Results, type RunStore, UserError } from "../../core/mod.ts";
import { createMemoryStore } from "../../core/store/mod.ts";
import { createApp } from "../../server/app.tsx";
import { fill } from "./made_up.ts";

const store = createMemoryStore();
const demo = fill(store, { items: 120 });
const older = fill(store, {
  items: 10,
  name: "older",
  reportable: false,
  startedAt: "2025-01-01T00:00:00.000Z",
  models: ["one", "two"],
});
const app = createApp({ store });

async function get(
  path: string,
  init?: RequestInit,
): Promise<{ status: number; body: string; headers: Headers }> {
  const response = await app.request(path, init);
  return { status: response.status, body: await response.text(), headers: response.headers };
}

function cellOf(results: Results, benchmark: string, treatment: string): Results["cells"][number] {
  const cell = results.cells.find((each) => each.benchmark === benchmark && each.treatment === treatment);
  if (!cell) throw new Error(`no cell ${benchmark}, ${treatment}`);
  return cell;
}

Deno.test("GET / lists the newest run first and marks the one under --limit", async () => {
  const { status, body } = await get("/");
  assertEquals(status, 200);
  assert(body.indexOf(demo.id) < body.indexOf(older.id), "newest first");
  assertEquals(body.split("not reportable").length - 1, 1);
  assert(body.startsWith('<!doctype html><html lang="en">'), body.slice(0, 60));
});

Deno.test("GET / of an empty store says which command fills it", async () => {
  const response = await createApp({ store: createMemoryStore() }).request("/");
  assertEquals(response.status, 200);
  assertStringIncludes(await response.text(), "deno task eval");
});

Deno.test("GET /runs/:id shows each cell's estimate, interval, signed difference, parts and controls", async () => {
  const { body } = await get(`/runs/${demo.id}`);
  const { metrics, controls } = cellOf(demo, "fables", "silenced");
  const acc = metrics[0];
  const random = controls[0]?.metrics.acc?.difference;
  assert(acc?.difference && acc.parts?.ability && random);
  const percent = (value: number) => (value * 100).toFixed(1).replace("-", "\u2212");
  const text = body.replace(/<[^>]+>/g, "");
  assertStringIncludes(text, `${percent(acc.estimate.value)}\u00a0% [${percent(acc.estimate.low)}, `);
  assertStringIncludes(text, `fell by${percent(acc.difference.value)} [${percent(acc.difference.low)}, `);
  assertStringIncludes(text, `ability${percent(acc.parts.ability.value)} `);
  assertStringIncludes(text, `random&nbsp;×3`.replace("&nbsp;", "\u00a0"));
  assertStringIncludes(text, `${percent(random.min)} to ${percent(random.max)}`);
  assertStringIncludes(text, `${acc.difference.fell} fell, ${acc.difference.rose} rose`);
});

Deno.test("GET /runs/:id has the untouched model first, a table for each model, and header scopes", async () => {
  const { body } = await get(`/runs/${older.id}`);
  assertEquals(body.split('class="heat"').length - 1, 2);
  const heads = [...body.matchAll(/<th scope="col">(\w+)/g)].map(([, head]) => head).slice(0, 5);
  assertEquals(heads, ["Benchmark", "untouched", "silenced", "halved", "amplified"]);
  assertEquals(/<th(?![^>]*scope=)/.test(body.replaceAll("<thead", "")), false);
  assertEquals(body.split("<table").length, body.split("<caption").length);
});

Deno.test("GET /runs/:id gives full hashes, the verdict on each data file, and a command that a shell can read", async () => {
  const { body } = await get(`/runs/${demo.id}`);
  for (const cell of demo.cells) assertStringIncludes(body, `<code>${cell.key}</code>`);
  for (const verdict of ["recorded", "✓ as expected", "≠ another version"]) {
    assertStringIncludes(body, verdict);
  }
  assertStringIncludes(body, "deno task eval &#39;my matrix.json&#39; --model fixtures/fables");
});

Deno.test("GET /runs/:id says how units were found", async () => {
  const own = createMemoryStore();
  const made = fill(own, { items: 12, name: "found" });
  const [first, ...rest] = made.treatments;
  const label = "fables <food>";
  const found = [{
    model: "tiny-llama",
    scorer: { name: "gradient_product", version: "1", title: "", source: "", params: {} },
    seed: 0,
    sets: {
      items: {
        ...made.benchmarks[0]!,
        label,
        items: { original: 96, effective: 96 },
        groupBy: null,
      },
    },
    select: { top: 2, per: "all", order: "highest" },
    pool: 1024,
    selected: 2,
    units: [{ tap: "layers.1.mlp.gate" as const, units: [3, 5] }],
    scores: {},
    key: "",
  }];
  own.saveRun({ ...made, treatments: [{ ...first!, found }, ...rest] });
  const response = await createApp({ store: own }).request(`/runs/${made.id}`);
  assertStringIncludes(
    await response.text(),
    "<h3>Units found</h3><p>silenced: 2 of 1,024 units by gradient_product on 96 items of fables &lt;food&gt;, " +
      "top 2; mlp.gate 2; layers 0 to 3: 0, 2, 0, 0</p>",
  );
  const { body } = await get(`/runs/${demo.id}`);
  assertEquals(body.includes("Units found"), false);
});

Deno.test("GET a cell shows flipped items first and filters and pages on the server", async () => {
  const cell = cellOf(demo, "fables", "silenced");
  const base = `/runs/${demo.id}/cells/${cell.key}`;
  const changes = (body: string) =>
    [...body.matchAll(/<article class="item (\w+)"/g)].map(([, change]) => change);
  const fell = cell.metrics[0]?.difference?.fell ?? 0;
  assert(fell > 50, "the made-up cell needs two pages of items that fell");
  assertEquals(changes((await get(base)).body), Array(50).fill("fell"));
  assertEquals(
    changes((await get(`${base}?show=fell&page=2`)).body),
    Array(Math.min(50, fell - 50)).fill("fell"),
  );
  const wrong = await get(`${base}?show=wrong&page=999`);
  const total = 120 - Math.round((cell.metrics[0]?.estimate.value ?? 0) * 120);
  assertEquals(changes(wrong.body).length, total % 50 || 50);
  assertEquals(changes((await get(`${base}?show=nonsense&page=-1`)).body).length, 50);
});

Deno.test("GET a cell shows prompt, spaces, log-probabilities before and after, and who was chosen", async () => {
  const cell = cellOf(demo, "fables", "silenced");
  const { body } = await get(`/runs/${demo.id}/cells/${cell.key}?show=fell`);
  const id = /<h3>(fables-\d+)<\/h3>/.exec(body)?.[1] ?? "";
  const after = store.outcomes(cell.key).get(id)?.detail.logprobs as readonly number[];
  const before = store.outcomes(cellOf(demo, "fables", "untouched").key).get(id)?.detail
    .logprobs as readonly number[];
  const article = body.slice(body.indexOf("<article"), body.indexOf("</article>"));
  for (const value of [...after, ...before]) {
    assertStringIncludes(article, value.toFixed(2).replace("-", "\u2212"));
  }
  assertStringIncludes(article, "In which drawer");
  assertMatch(article, /✓ gold, chosen before</);
  assertMatch(article, /chosen after</);
  assertStringIncludes(article, "␣");
});

Deno.test("GET a control set's cell borrows the prompts of its treated cell and links back to it", async () => {
  const cell = cellOf(demo, "fables", "silenced");
  const key = cell.controls[0]?.keys[1] ?? "";
  const { status, body } = await get(`/runs/${demo.id}/cells/${key}`);
  assertEquals(status, 200);
  assertStringIncludes(body, "silenced, random 2 on fables");
  assertStringIncludes(body, "In which drawer");
  assertStringIncludes(body, `/cells/${cell.key}`);
});

Deno.test("GET a cell by another metric counts flips by that metric and keeps it in the links", async () => {
  const cell = cellOf(demo, "fables", "silenced");
  const valid = cell.metrics.find(({ metric }) => metric.name === "valid");
  const { body } = await get(`/runs/${demo.id}/cells/${cell.key}?by=valid`);
  assertMatch(
    body,
    new RegExp(`show=fell&amp;by=valid[^>]*>▼ Fell <span class="number">${valid?.difference?.fell}<`),
  );
});

Deno.test("every text of a hostile run is escaped, in text and in attributes", async () => {
  const hostile = `"><script>alert(1)</script><img src=x onerror='alert(2)'>/../&amp;`;
  const bad = createMemoryStore();
  const results = fill(bad, { items: 12, hostile });
  const served = createApp({ store: bad });
  const cells = results.cells.map((cell) => `/runs/${encodeURIComponent(results.id)}/cells/${cell.key}`);
  for (const path of ["/", `/runs/${encodeURIComponent(results.id)}`, ...cells]) {
    const response = await served.request(path);
    assertEquals(response.status, 200, path);
    const body = await response.text();
    assertStringIncludes(body, "&lt;script&gt;");
    assertEquals(/<script|<img|href="(?!\/|#|https?:)/i.test(body), false, path);
    // Whatever opens a tag is one of ours.
    const tags = new Set([...body.matchAll(/<([a-z][a-z0-9]*)/gi)].map(([, tag]) => tag));
    assertEquals(tags.has("script") || tags.has("img"), false);
  }
});

Deno.test("a source that is no web address does not become a link", async () => {
  const bad = createMemoryStore();
  const results = fill(bad, { items: 12 });
  const benchmarks = results.benchmarks.map((each) => ({ ...each, source: "javascript:alert(1)" }));
  bad.saveRun({ ...results, benchmarks });
  const body = await (await createApp({ store: bad }).request(`/runs/${results.id}`)).text();
  assertEquals(body.includes('href="javascript:'), false);
  assertStringIncludes(body, "javascript:alert(1)");
});

Deno.test("GET /api gives the store's own records", async () => {
  assertEquals(JSON.parse((await get("/api/runs")).body), store.runs());
  assertEquals(JSON.parse((await get(`/api/runs/${demo.id}`)).body), store.run(demo.id));
  const none = await get("/api/runs/none");
  assertEquals([none.status, JSON.parse(none.body).error], [404, "No run of this id is stored"]);
});

Deno.test("an unknown address is a 404 in the same frame, and no address reads a file", async () => {
  const paths = [
    "/nowhere",
    "/runs/none",
    `/runs/${demo.id}/cells/none`,
    "/static/none",
    "/static/..%2fapp.tsx",
    "/static/%2e%2e/app.tsx",
    "/static/__proto__",
    "/static/constructor",
  ];
  for (const path of paths) {
    const { status, body } = await get(path);
    assertEquals(status, 404, path);
    assertStringIncludes(body, 'class="top"');
  }
});

Deno.test("an error gives what the user can mend, and hides the stack of a defect", async () => {
  const broken = (error: Error): RunStore => ({
    ...store,
    runs() {
      throw error;
    },
  });
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const mendable = await createApp({
    store: broken(new UserError("Cannot read results: torn, wanted whole")),
    log,
  })
    .request("/");
  assertEquals(mendable.status, 500);
  assertStringIncludes(await mendable.text(), "Cannot read results: torn, wanted whole");
  const defect = await createApp({ store: broken(new Error("secret")), log }).request("/");
  assertEquals([defect.status, (await defect.text()).includes("secret")], [500, false]);
  assertEquals(lines.length, 2);
  assertStringIncludes(lines[1] ?? "", "secret");
});

Deno.test("every answer forbids scripts, frames and outside content, and another host's name is refused", async () => {
  for (const path of ["/", `/runs/${demo.id}`, "/api/runs", "/nowhere"]) {
    const { headers } = await get(path);
    const policy = headers.get("content-security-policy") ?? "";
    assertMatch(policy, /default-src 'none'/);
    assertMatch(policy, /frame-ancestors 'none'/);
    assertEquals(/script-src|unsafe|https?:|\*/.test(policy), false, policy);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
  }
  assertEquals((await get("http://evil.example/")).status, 421);
});

Deno.test("a page that did not change is answered 304 to its ETag", async () => {
  const { headers } = await get("/");
  const etag = headers.get("etag");
  assert(etag);
  assertEquals((await get("/", { headers: { "if-none-match": etag } })).status, 304);
});

Deno.test("GET a cell of 20,000 items shows one page of them, counts all and reaches the last", async () => {
  const big = createMemoryStore();
  const results = fill(big, { items: 20_000 });
  const served = createApp({ store: big });
  const cell = cellOf(results, "fables", "silenced");
  const page = async (query: string) => {
    const response = await served.request(`/runs/${results.id}/cells/${cell.key}?${query}`);
    assertEquals(response.status, 200);
    return await response.text();
  };
  const articles = (body: string) => body.split('<article class="item fell"').length - 1;
  const { fell } = cell.metrics[0]!.difference!;
  const first = await page("show=fell");
  assertEquals(articles(first), 50);
  // Whatever sign sets the thousands apart.
  const counted = /▼ Fell <span class="number">([^<]*)</.exec(first)?.[1]?.replace(/\D/g, "");
  assertEquals(Number(counted), fell);
  assertEquals(articles(await page(`show=fell&page=${Math.ceil(fell / 50)}`)), fell % 50 || 50);
});
