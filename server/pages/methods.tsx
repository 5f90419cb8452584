/** How a run's numbers were made: enough to make them again. */
import { type BenchmarkRecord, disagreementSentences, type Json, type Results } from "../../core/mod.ts";
import { count, shell } from "../format.ts";
import { Hash, Source } from "./parts.tsx";
import { Treatments } from "./treatments.tsx";
import { UnitsFound } from "./units_found.tsx";

/** Statistics, models, benchmarks, data files, treatments, engine and the command, each in a short table. */
export function Methods({ results }: { readonly results: Results }) {
  return (
    <section class="methods">
      <h2>Methods</h2>
      <Statistics results={results} />
      <Models results={results} />
      <Benchmarks benchmarks={results.benchmarks} />
      <Files benchmarks={results.benchmarks} />
      <Treatments treatments={results.treatments} />
      <UnitsFound results={results} />
      <h3>Reproduction</h3>
      <Engine results={results} />
      <pre tabindex={0}><code>{commandOf(results.run.command)}</code></pre>
      <FullHashes results={results} />
      <Record title="The matrix with every default" value={results.matrix} />
    </section>
  );
}

/** What to type: the record may hold the arguments alone. */
function commandOf(command: readonly string[]): string {
  return shell(command[0] === "deno" ? command : ["deno", "task", ...command]);
}

/** A value as JSON behind a summary. */
export function Record({ title, value }: { readonly title: string; readonly value: unknown }) {
  return (
    <details>
      <summary>{title}</summary>
      <pre tabindex={0}><code>{JSON.stringify(value, null, 2)}</code></pre>
    </details>
  );
}

function Statistics({ results }: { readonly results: Results }) {
  const { statistics, cells } = results;
  const methods = new Set(
    cells.flatMap((cell) =>
      cell.metrics.flatMap((each) => [each.estimate.method, each.difference?.method ?? []].flat())
    ),
  );
  return (
    <>
      <h3>Statistics</h3>
      <dl class="facts">
        <div>
          <dt>Level</dt>
          <dd>{statistics.level * 100}&nbsp;%</dd>
        </div>
        <div>
          <dt>Intervals</dt>
          <dd>{[...methods].join(", ")}</dd>
        </div>
        <div>
          <dt>Sign flips drawn, where not all are counted</dt>
          <dd>{count(statistics.resamples)}</dd>
        </div>
        <div>
          <dt>Seed</dt>
          <dd>{statistics.seed}</dd>
        </div>
      </dl>
    </>
  );
}

interface GridProps {
  readonly id: string;
  readonly caption: string;
  readonly heads: readonly string[];
  // The rows' own markup; each is a <tr> whose first cell is a row header.
  readonly children: unknown;
}

export function Grid({ id, caption, heads, children }: GridProps) {
  return (
    <div class="scroll" tabindex={0} role="region" aria-labelledby={id}>
      <table>
        <caption id={id}>
          <span>{caption}</span>
        </caption>
        <thead>
          <tr>{heads.map((head) => <th scope="col">{head}</th>)}</tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function Models({ results }: { readonly results: Results }) {
  return (
    <>
      <Grid
        id="models"
        caption="Models"
        heads={[
          "Model",
          "Backend",
          "Architecture",
          "Parameters",
          "Layers",
          "Context",
          "Vocabulary",
          "Weights",
        ]}
      >
        {results.models.map(({ label, use, info }) => (
          <tr>
            <th scope="row">{label}</th>
            <td>{use}</td>
            <td>{info.architecture}</td>
            <td class="number">{count(info.parameters)}</td>
            <td class="number">{info.layers}</td>
            <td class="number">{count(info.contextLength)}</td>
            <td class="number">{count(info.vocab)}</td>
            <td>
              <Hash value={info.hash.weights} />
            </td>
          </tr>
        ))}
      </Grid>
      {disagreementSentences(results).map((sentence) => <p class="note">{sentence}</p>)}
    </>
  );
}

function Benchmarks({ benchmarks }: { readonly benchmarks: readonly BenchmarkRecord[] }) {
  return (
    <Grid
      id="benchmarks"
      caption="Benchmarks"
      heads={["Benchmark", "Version", "Params", "Evaluator", "Items used", "Licence", "Source", "Items"]}
    >
      {benchmarks.map((each) => (
        <tr>
          <th scope="row">{each.label}</th>
          <td>{each.version}</td>
          <td class="wrap">
            <Params value={each.params} />
          </td>
          <td>{each.evaluator.name} {each.evaluator.version}</td>
          <td class="number">{count(each.items.effective)} of {count(each.items.original)}</td>
          <td>{each.licence}</td>
          <td class="wrap source">
            <Source text={each.source} />
          </td>
          <td>
            <Hash value={each.itemsHash} />
          </td>
        </tr>
      ))}
    </Grid>
  );
}

function Params({ value }: { readonly value: Json }) {
  if (typeof value !== "object" || value === null) return <code>{JSON.stringify(value)}</code>;
  const entries = Object.entries(value);
  if (entries.length === 0) return <span class="soft">none</span>;
  return (
    <>
      {entries.map(([name, each]) => (
        <span class="item-of">
          {name} <code>{typeof each === "string" ? each : JSON.stringify(each)}</code>
        </span>
      ))}
    </>
  );
}

function Files({ benchmarks }: { readonly benchmarks: readonly BenchmarkRecord[] }) {
  const files = benchmarks.flatMap((each) => each.files.map((file) => ({ benchmark: each.label, ...file })));
  if (files.length === 0) return null;
  return (
    <Grid id="files" caption="Data files" heads={["File", "Benchmark", "Found", "Expected", "Verdict"]}>
      {files.map((file) => (
        <tr>
          <th scope="row">{file.name}</th>
          <td>{file.benchmark}</td>
          <td>
            <Hash value={file.sha256} />
          </td>
          <td>
            {file.expected === null ? <span class="soft">not declared</span> : <Hash value={file.expected} />}
          </td>
          <td>
            {file.expected === null
              ? "recorded"
              : file.expected === file.sha256
              ? "✓ as expected"
              : <strong class="warn">≠ another version</strong>}
          </td>
        </tr>
      ))}
    </Grid>
  );
}

function Engine({ results: { engine, run } }: { readonly results: Results }) {
  return (
    <dl class="facts">
      <div>
        <dt>Plumbline</dt>
        <dd>{engine.plumbline}</dd>
      </div>
      <div>
        <dt>Deno</dt>
        <dd>{engine.deno}</dd>
      </div>
      <div>
        <dt>Runtime</dt>
        <dd>{engine.runtime}</dd>
      </div>
      <div>
        <dt>Platform</dt>
        <dd>{run.platform}</dd>
      </div>
      <div>
        <dt>Threads</dt>
        <dd>{run.threads === 0 ? "chosen by the runtime" : run.threads}</dd>
      </div>
    </dl>
  );
}

function FullHashes({ results }: { readonly results: Results }) {
  const rows = [
    ...results.models.flatMap(({ label, info }) =>
      Object.entries(info.hash).map(([part, hash]) => [`${label}, ${part}`, hash] as const)
    ),
    ...results.benchmarks.flatMap((each) => [
      [`${each.label}, items used`, each.itemsHash] as const,
      ...each.files.map((file) => [`${each.label}, ${file.name}`, file.sha256] as const),
    ]),
    ...results.cells.map((cell) =>
      [`cell ${cell.model}, ${cell.benchmark}, ${cell.treatment}`, cell.key] as const
    ),
  ];
  return (
    <details>
      <summary>All hashes in full (SHA-256)</summary>
      <Grid id="hashes" caption="Hashes" heads={["Of", "SHA-256"]}>
        {rows.map(([name, hash]) => (
          <tr>
            <th scope="row">{name}</th>
            <td>{hash === "" ? <span class="soft">none</span> : <code>{hash}</code>}</td>
          </tr>
        ))}
      </Grid>
    </details>
  );
}
