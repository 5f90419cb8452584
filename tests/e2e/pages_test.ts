/** The pages in Debian's Chromium: what the server's own tests cannot see. */
import { assert, assertEquals } from "@std/assert";
import type { Browser, Page } from "playwright-core";
import { createMemoryStore } from "../../core/store/mod.ts";
import { createApp } from "../../server/app.tsx";
import { fill } from "../server/made_up.ts";
import { fillScales } from "../server/made_up_scales.ts";
import { fillUnits } from "../server/made_up_units.ts";
import { needs } from "../support.ts";

const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
/** WCAG 2.2 AA for text of normal size; large text may have less, which no text here makes use of. */
const CONTRAST = 4.5;

interface Site {
  readonly browser: Browser;
  readonly base: string;
  readonly paths: readonly string[];
}

/** A browser and a server that holds one run of two models, another under --limit, one of questionnaires, one with units found, and nothing at /?empty. */
async function withSite(work: (site: Site) => Promise<void>): Promise<void> {
  const { chromium } = await import("playwright-core");
  const store = createMemoryStore();
  const results = fill(store, { items: 60, models: ["SmolLM2-135M-Instruct", "stories260K"] });
  fill(store, { items: 10, name: "a look", reportable: false });
  const stances = fillScales(store, results);
  const units = fillUnits(store, results);
  const [app, empty] = [createApp({ store }), createApp({ store: createMemoryStore() })];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => new URL(request.url).searchParams.has("empty") ? empty.fetch(request) : app.fetch(request),
  );
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    const key = results.cells.find((cell) => cell.treatment === "silenced")?.key ?? "";
    const run = `/runs/${results.id}`;
    const cells = [key, results.cells[0]?.key].map((each) => `${run}/cells/${each}`);
    const paths = ["/", "/?empty", run, ...cells, `/runs/${stances.id}`, `/runs/${units.id}/units`];
    await work({ browser, base: `http://127.0.0.1:${server.addr.port}`, paths });
  } finally {
    await browser.close();
    await server.shutdown();
  }
}

/** Evaluates source text: the page's own globals are not those of this file. */
function ask<T>(page: Page, source: string): Promise<T> {
  return page.evaluate(source);
}

Deno.test(
  "pages load without a console message or an outside request",
  needs("chromium"),
  () =>
    withSite(async ({ browser, base, paths }) => {
      const page = await browser.newPage();
      const [messages, outside, failed]: [string[], string[], string[]] = [[], [], []];
      page.on("console", (message) => messages.push(message.text()));
      page.on("pageerror", (error) => messages.push(String(error)));
      page.on("request", (request) => request.url().startsWith(base) || outside.push(request.url()));
      page.on("response", (response) => response.status() < 400 || failed.push(response.url()));
      for (const path of paths) {
        await page.goto(base + path);
        assert(
          await ask<boolean>(page, "getComputedStyle(document.body).maxWidth !== 'none'"),
          "the style applies",
        );
      }
      assertEquals([messages, outside, failed], [[], [], []]);
    }),
);

Deno.test(
  "text has AA contrast in light and dark, also inside every colour of the heat map",
  needs("chromium"),
  () =>
    withSite(async ({ browser, base, paths }) => {
      const papers = new Set<string>();
      for (const colorScheme of ["light", "dark"] as const) {
        const page = await browser.newPage({ colorScheme });
        for (const path of [...paths, "/nowhere"]) {
          await page.goto(base + path);
          await ask(page, ALL_TINTS);
          const { faint, seen } = await ask<{ faint: string[]; seen: number }>(
            page,
            `(${CONTRASTS})(${CONTRAST})`,
          );
          assert(seen >= 5, `${path} has text`);
          assertEquals(faint, [], `${path}, ${colorScheme}`);
        }
        papers.add(await ask<string>(page, "getComputedStyle(document.documentElement).backgroundColor"));
      }
      assertEquals(papers.size, 2);
    }),
);

/** Copies of one coloured cell in each of the classes, since a made-up run need not reach them all. */
const ALL_TINTS =
  `for (const cell of [...document.querySelectorAll(".heat tbody tr td:last-child")].slice(0, 1))
  for (const side of ["fell", "rose"]) for (const step of [1, 2, 3, 4]) {
    const copy = cell.cloneNode(true);
    copy.className = "cell " + side + "-" + step;
    cell.after(copy);
  }`;

/** Every text with too little contrast to the nearest opaque background, by WCAG's relative luminance. */
const CONTRASTS = `(limit) => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = (element) => {
    const found = channels(getComputedStyle(element).backgroundColor);
    return found[3] === 0 && element.parentElement ? paper(element.parentElement) : found;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  let seen = 0;
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim();
    if (!text) continue;
    seen++;
    const element = walker.currentNode.parentElement;
    const [a, b] = [luminance(channels(getComputedStyle(element).color)), luminance(paper(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < limit) faint.push(text.slice(0, 30) + " " + element.className + " " + ratio.toFixed(2));
  }
  return { faint, seen };
}`;

Deno.test(
  "a narrow page does not scroll sideways; its tables do, inside themselves",
  needs("chromium"),
  () =>
    withSite(async ({ browser, base, paths }) => {
      const page = await browser.newPage({ viewport: { width: 360, height: 740 } });
      for (const path of paths) {
        await page.goto(base + path);
        const over = await ask<number>(
          page,
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        assertEquals(over, 0, path);
      }
      await page.goto(base + paths[2]);
      const inside = await ask<number>(
        page,
        "(() => { const box = document.querySelector('.scroll'); box.scrollLeft = 1e6; return box.scrollLeft; })()",
      );
      assert(inside > 100, "the heat map is wider than a telephone");
      const head = await ask<number>(
        page,
        "document.querySelector('.heat tbody th').getBoundingClientRect().left",
      );
      assert(head >= 0, "row headers stay in sight");
    }),
);

Deno.test(
  "a reader without JavaScript goes from the runs to an item's record",
  needs("chromium"),
  () =>
    withSite(async ({ browser, base }) => {
      const context = await browser.newContext({ javaScriptEnabled: false });
      const page = await context.newPage();
      await page.goto(base);
      await page.click("text=demo >> nth=0");
      await page.click("a[aria-label='Items of silenced on fables'] >> nth=0");
      await page.click(".filters a >> nth=1");
      assert(page.url().includes("show=fell"), page.url());
      await page.click("article summary >> nth=0");
      assert(await page.isVisible("article details pre >> nth=0"));
      await context.close();
    }),
);

Deno.test(
  "the keyboard reaches content, links and tables, and shows where it is",
  needs("chromium"),
  () =>
    withSite(async ({ browser, base, paths }) => {
      const page = await browser.newPage();
      await page.goto(base + paths[2]);
      const reached: string[] = [];
      for (let step = 0; step < 6; step++) {
        await page.keyboard.press("Tab");
        reached.push(
          await ask<string>(page, "document.activeElement.className || document.activeElement.tagName"),
        );
        const width = await ask<string>(page, "getComputedStyle(document.activeElement).outlineWidth");
        assertEquals(width, "2px", reached.at(-1));
      }
      for (const wanted of ["skip", "mark", "json", "scroll"]) {
        assert(reached.includes(wanted), `${wanted} in ${reached}`);
      }
    }),
);
