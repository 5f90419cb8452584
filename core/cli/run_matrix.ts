/** Runs a matrix from the command line: plan, gates, cells, results kept in the store. */
import type { MatrixFile } from "../matrix.ts";
import type { Results } from "../results.ts";
import type { RunStore } from "../store/store.ts";
import type { Arguments } from "./command.ts";
import { numbersOf, planOf } from "./prepare.ts";

export interface MatrixRun {
  /** Name of the command, for the record. */
  readonly command: string;
  /** The matrix, in place of the one that the arguments name. */
  readonly path?: string;
  /** Of the matrix as it was read. */
  readonly change?: (matrix: MatrixFile) => MatrixFile;
  /** With the results, while the store is open. */
  readonly then: (results: Results, store: RunStore, folder: string) => Promise<void>;
}

/** @returns the exit code: 0, or 130 where it was stopped. @throws {UserError} as planRun() and run(). */
export async function runMatrix(args: Arguments, { command, then, ...matrix }: MatrixRun): Promise<number> {
  const { threads } = numbersOf(args);
  const env = await import("./environment.ts");
  const [
    { runThroughGates },
    { openSqliteStore },
    { sealHypotheses },
    { computingOf, scoresByGradients },
  ] = await Promise
    .all([
      import("../gate.ts"),
      import("../store/sqlite.ts"),
      import("../hypotheses.ts"),
      import("../forecast/rates.ts"),
    ]);
  const startedAt = new Date().toISOString();
  const results = env.resultsDir(args.value("results"));
  env.checkWritable(results);

  using stop = env.stoppable();
  const context = env.makeContext(stop.signal, threads);
  const { createProgressBar } = await import("./progress.ts");
  const bar = createProgressBar(env.progressOptions());
  try {
    const planned = await planOf(args, context, matrix);
    using store = openSqliteStore(env.storePath(results));
    const sealed = sealHypotheses(planned, store, startedAt);
    const { plan, counts: { scoring, written, ...counts } } = await runThroughGates(planned, {
      store,
      context,
      onProgress: bar.update,
    });
    bar.end();
    const { summarise } = await import("../summary.ts");
    // What computing took is known once only: a run that finds all in the store must not replace it by nothing.
    const before = counts.tokens === 0 ? store.run(plan.id) : undefined;
    const measured = before && computingOf(before);
    const found = summarise(plan, store, {
      startedAt,
      finishedAt: new Date().toISOString(),
      ...counts,
      ...(sealed ? { sealed } : {}),
      ...(measured ? { measured } : {}),
      ...(written > 0 ? { written } : {}),
      ...(scoring.tokens > 0
        ? {
          scoring: {
            tokens: scoring.tokens,
            elapsedMs: Math.round(scoring.elapsedMs),
            gradients: scoresByGradients(plan),
          },
        }
        : {}),
      elapsedMs: Math.round(counts.elapsedMs),
      tokensPerSecond: counts.elapsedMs > 0 ? Math.round(1000 * counts.tokens / counts.elapsedMs) : 0,
      peakMemoryMb: env.peakMemoryMb(),
      command: [command, ...args.raw],
      threads,
      platform: env.platform(),
    });
    store.saveRun(found);
    await then(found, store, results);
    return 0;
  } catch (error) {
    bar.end();
    if (!stop.signal.aborted) throw error;
    console.error(
      `Stopped: what was computed is kept, the same command goes on from there`,
    );
    return 130;
  }
}
