/** The web pages over a store: reads only, no state of its own. */
import { type Context, Hono } from "hono";
import { etag } from "hono/etag";
import { secureHeaders } from "hono/secure-headers";
import {
  type CellResult,
  foundIn,
  isSeeded,
  type Metric,
  type Results,
  type RunStore,
  UNTOUCHED,
  UserError,
} from "../core/mod.ts";
import { belongs, listItems, PAGE_SIZE, type Show, SHOWS } from "./items.ts";
import { CellPage } from "./pages/cell.tsx";
import { MessagePage, type MessagePageProps } from "./pages/message.tsx";
import { RunPage } from "./pages/run.tsx";
import { RunsPage } from "./pages/runs.tsx";
import { UnitsPage } from "./pages/units.tsx";
import icon from "./static/icon.svg" with { type: "text" };
import style from "./static/style.css" with { type: "text" };

export interface AppOptions {
  readonly store: RunStore;
  /** Host names that requests may carry, without port; default those of loopback. A page of another site that points its own name
   * at this machine is refused. */
  readonly hosts?: readonly string[];
  /** A line for the person who runs the server; default none. */
  readonly log?: (line: string) => void;
}

const STATIC: Readonly<Record<string, readonly [type: string, body: string]>> = {
  "style.css": ["text/css; charset=utf-8", style],
  "icon.svg": ["image/svg+xml", icon],
};

/** The pages and the JSON beside them as one fetch handler.
 *
 * Routes: `/`, `/runs/:id`, `/runs/:id/units`, `/runs/:id/cells/:key?show=&by=&page=`, `/api/runs`, `/api/runs/:id`, `/static/*`. */
export function createApp({ store, hosts = ["127.0.0.1", "localhost"], log }: AppOptions): Hono {
  const app = new Hono();
  app.use(secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      styleSrc: ["'self'"],
      imgSrc: ["'self'"],
      formAction: ["'none'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
    // Loopback has no certificate; a browser must not remember to want one.
    strictTransportSecurity: false,
    xFrameOptions: "DENY",
  }));
  app.use(async (c, next) => {
    if (hosts.includes(new URL(c.req.url).hostname)) return await next();
    return c.text("This host name is not served here", 421);
  });
  app.use(etag());

  app.get("/", (c) => page(c, <RunsPage runs={store.runs()} />));
  app.get("/runs/:id", (c) => {
    const results = store.run(c.req.param("id"));
    return results ? page(c, <RunPage results={results} />) : missing(c, "run");
  });
  app.get("/runs/:id/units", (c) => {
    const results = store.run(c.req.param("id"));
    if (!results) return missing(c, "run");
    return foundIn(results).length > 0
      ? page(c, <UnitsPage results={results} />)
      : missing(c, "set of units");
  });
  app.get("/runs/:id/cells/:key", (c) => {
    const results = store.run(c.req.param("id"));
    return results ? cellPage(c, store, results) : missing(c, "run");
  });
  app.get("/api/runs", (c) => c.json(store.runs()));
  app.get("/api/runs/:id", (c) => {
    const results = store.run(c.req.param("id"));
    return results ? c.json(results) : c.json({ error: "No run of this id is stored" }, 404);
  });
  app.get("/static/:name", (c) => {
    const name = c.req.param("name");
    const file = Object.hasOwn(STATIC, name) ? STATIC[name] : undefined;
    if (!file) return missing(c, "file");
    return c.body(file[1], 200, { "content-type": file[0], "cache-control": "no-cache" });
  });

  app.notFound((c) => missing(c, "page"));
  app.onError((error, c) => {
    log?.(error instanceof UserError ? error.message : error.stack ?? String(error));
    const text = error instanceof UserError
      ? error.message
      : "A defect of Plumbline stopped this page; the terminal of the server has its stack.";
    return message(c, 500, { title: "The page could not be made", text });
  });
  return app;
}

type Page = ReturnType<typeof RunsPage>;

async function page(c: Context, content: Page, status: 200 | 404 | 500 = 200): Promise<Response> {
  return c.html(`<!doctype html>${await content}`, status);
}

function message(c: Context, status: 404 | 500, content: MessagePageProps): Promise<Response> {
  return page(c, <MessagePage {...content} />, status);
}

function missing(c: Context, what: string): Promise<Response> {
  return message(c, 404, { title: "Not found", text: `No ${what} of this address is stored here.` });
}

function cellPage(c: Context, store: RunStore, results: Results): Promise<Response> {
  const key = c.req.param("key") ?? "";
  const found = findCell(results, key);
  const metric = found && itemMetric(found.cell, c.req.query("by"));
  if (!found || !metric) return missing(c, "cell");
  const { cell, arm } = found;
  const untouched = results.cells.find((each) =>
    each.treatment === UNTOUCHED && each.model === cell.model && each.benchmark === cell.benchmark
  );
  const compared = untouched && untouched.key !== key ? untouched.key : undefined;
  const rows = listItems(
    store.outcomes(key),
    compared === undefined ? undefined : store.outcomes(compared),
    metric.name,
  );
  const view = (show: Show) => rows.filter((row) => belongs(row, show, metric));
  const views = { all: rows, fell: view("fell"), rose: view("rose"), wrong: view("wrong") };
  const show = SHOWS.find((each) => each === c.req.query("show")) ?? "all";
  const last = Math.max(1, Math.ceil(views[show].length / PAGE_SIZE));
  const at = Math.min(last, Math.max(1, Math.trunc(Number(c.req.query("page"))) || 1));
  const shown = views[show].slice((at - 1) * PAGE_SIZE, at * PAGE_SIZE);
  return page(
    c,
    <CellPage
      results={results}
      cell={cell}
      cellKey={key}
      arm={arm}
      untouched={untouched}
      metric={metric}
      show={show}
      counts={{
        all: rows.length,
        fell: views.fell.length,
        rose: views.rose.length,
        wrong: views.wrong.length,
      }}
      page={at}
      rows={shown}
      // A control set is asked what its treated cell is asked; its own log is not kept.
      samples={store.samples(cell.key, shown.map(({ id }) => id))}
    />,
  );
}

/** The metric by which items are sorted: the one asked for, the table's, or the first, of those that an item has. */
function itemMetric(cell: CellResult, name: string | undefined): Metric | undefined {
  const own = cell.metrics.filter(({ estimate }) => estimate.n === cell.n).map(({ metric }) => metric);
  return own.find((metric) => metric.name === name) ?? own.find((metric) => metric.name === cell.primary) ??
    own[0];
}

/** The cell of a key; for a set of a control, the treated cell and the set's name. */
function findCell(
  { cells, treatments }: Results,
  key: string,
): { readonly cell: CellResult; readonly arm: string | undefined } | undefined {
  const own = cells.find((cell) => cell.key === key);
  if (own) return { cell: own, arm: undefined };
  for (const cell of cells) {
    const { seeds = [] } = cell, seed = seeds.find((each) => each.key === key);
    if (seed) return { cell, arm: `seed ${seed.seed}` };
    for (const { control, keys } of cell.controls) {
      if (!keys.includes(key)) continue;
      if (isSeeded(keys, seeds)) return { cell, arm: `${control}, seed ${seeds[keys.indexOf(key)]!.seed}` };
      // Only drawn sets have numbers.
      const own = treatments.find(({ name }) => name === cell.treatment)?.arms.map(({ arm }) => arm) ?? [];
      return { cell, arm: own.includes(control) ? control : `${control} ${keys.indexOf(key) + 1}` };
    }
  }
  return undefined;
}
