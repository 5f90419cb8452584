/** The list of runs. */
import type { RunSummary } from "../../core/mod.ts";
import { minute } from "../format.ts";
import { Layout } from "./layout.tsx";
import { NotReportable, runPath } from "./parts.tsx";

/** Newest first; without any run, what to type. */
export function RunsPage({ runs }: { readonly runs: readonly RunSummary[] }) {
  const sorted = runs.toSorted((a, b) => b.startedAt.localeCompare(a.startedAt));
  return (
    <Layout title="Runs · Plumbline" json="/api/runs">
      <h1>Runs</h1>
      {sorted.length === 0 ? <Empty /> : <Table runs={sorted} />}
    </Layout>
  );
}

function Empty() {
  return (
    <section class="empty">
      <p>No run is stored here yet. The demo takes under a minute:</p>
      <pre><code>deno task eval</code></pre>
      <p>Then load this page again. A matrix of your own, on a model of your own:</p>
      <pre><code>deno task eval MATRIX.json --model PATH --data DIR</code></pre>
    </section>
  );
}

function Table({ runs }: { readonly runs: readonly RunSummary[] }) {
  return (
    <div class="scroll" tabindex={0} role="region" aria-labelledby="runs">
      <table class="runs">
        <caption id="runs">
          <span>{runs.length} {runs.length === 1 ? "run" : "runs"}, newest first</span>
        </caption>
        <thead>
          <tr>
            {["Run", "Started", "Models", "Benchmarks", "Treatments"].map((head) => (
              <th scope="col">{head}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr>
              <th scope="row">
                <a href={runPath(run.id)}>{run.name}</a> {!run.reportable && <NotReportable />}
                <code class="sub">{run.id}</code>
              </th>
              <td class="when">
                <time datetime={run.startedAt}>{minute(run.startedAt)}</time>
              </td>
              {[run.models, run.benchmarks, run.treatments].map((names) => (
                <td>{names.map((name) => <span class="item-of">{name}</span>)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
