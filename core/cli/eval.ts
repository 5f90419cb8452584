/** `deno task eval`: runs a matrix. */
import type { Arguments, Command } from "./command.ts";
import { MATRIX_FLAGS, MATRIX_NOTE, numbersOf, planOf } from "./prepare.ts";

export const command: Command = {
  name: "eval",
  summary: "run a matrix of models, benchmarks and treatments and print its table",
  positionals: "[MATRIX]",
  maxPositionals: 1,
  flags: MATRIX_FLAGS,
  notes: [
    MATRIX_NOTE,
    "Names like hf:org/name[@revision] are looked up in the cache of Hugging Face; `deno task fetch` puts them there.",
    "Whatever was computed is kept: the same command goes on where it was stopped and computes nothing twice.",
  ].join("\n"),
  run: runEval,
};

async function runEval(args: Arguments): Promise<number> {
  const { threads } = numbersOf(args);
  const env = await import("./environment.ts");
  const [{ run }, { openSqliteStore }, { sealHypotheses }, { computingOf, scoresByGradients }] = await Promise
    .all([
      import("../runner.ts"),
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
    const plan = await planOf(args, context);
    using store = openSqliteStore(env.storePath(results));
    const sealed = sealHypotheses(plan, store, startedAt);
    const { scoring, ...counts } = await run(plan, { store, context, onProgress: bar.update });
    bar.end();
    const { summarise } = await import("../summary.ts");
    // What computing took is known once only: a run that finds all in the store must not replace it by nothing.
    const before = counts.tokens === 0 ? store.run(plan.id) : undefined;
    const measured = before && computingOf(before);
    store.saveRun(summarise(plan, store, {
      startedAt,
      finishedAt: new Date().toISOString(),
      ...counts,
      ...(sealed ? { sealed } : {}),
      ...(measured ? { measured } : {}),
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
      command: ["eval", ...args.raw],
      threads,
      platform: env.platform(),
    }));
    const { printRun } = await import("./print.ts");
    await printRun(store, plan.id, results);
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
