/** `deno task eval`: runs a matrix. */
import { join } from "node:path";
import type { Arguments, Command } from "./command.ts";

export const command: Command = {
  name: "eval",
  summary: "run a matrix of models, benchmarks and treatments and print its table",
  positionals: "[MATRIX]",
  maxPositionals: 1,
  flags: [
    {
      name: "model",
      value: "PATH",
      about: "use this model instead of the matrix's: a checkpoint folder, a .gguf file or a hf: name",
    },
    {
      name: "data",
      value: "DIR",
      about: "look for the benchmarks' data files below this folder or hf:datasets/ name",
    },
    {
      name: "limit",
      value: "N",
      about: "only the first N items of each benchmark; the results are not reportable",
    },
    {
      name: "allow-leakage",
      about: "report on items that made a treatment's units as well; every output says so",
    },
    { name: "results", value: "DIR", about: "folder of the store and the exported files (results)" },
    {
      name: "plugin",
      value: "PATH",
      multiple: true,
      about: "also load this plugin or benchmark; may be given several times",
    },
    { name: "threads", value: "N", about: "threads of the runtime (its own choice)" },
    { name: "tokens", value: "N", about: "padded tokens in a batch at most (2048)" },
  ],
  notes: [
    "Without MATRIX it runs benchmarks/matrices/demo.json. Paths start in your folder; those in a matrix in the matrix's.",
    "Names like hf:org/name[@revision] are looked up in the cache of Hugging Face; `deno task fetch` puts them there.",
    "Whatever was computed is kept: the same command goes on where it was stopped and computes nothing twice.",
  ].join("\n"),
  run: runEval,
};

async function runEval(args: Arguments): Promise<number> {
  const limit = args.integer("limit", 1);
  const threads = args.integer("threads", 1) ?? 0;
  const tokenBudget = args.integer("tokens", 1);
  const env = await import("./environment.ts");
  const [{ loadRegistry }, { parseMatrix }, { planRun }, { run }, { openSqliteStore }, { sealHypotheses }] =
    await Promise.all([
      import("../registry.ts"),
      import("../matrix.ts"),
      import("../plan.ts"),
      import("../runner.ts"),
      import("../store/sqlite.ts"),
      import("../hypotheses.ts"),
    ]);
  const startedAt = new Date().toISOString();
  const path = args.positionals[0]
    ? env.userPath(args.positionals[0])
    : join(env.PROJECT, "benchmarks/matrices/demo.json");
  const results = env.resultsDir(args.value("results"));
  env.checkWritable(results);
  const read = parseMatrix(env.readUserFile(path, "matrix"), path);
  const matrix = args.has("allow-leakage") ? { ...read, allowLeakage: true } : read;
  const model = args.value("model");
  const { isHubName, locate } = await import("./hub.ts");
  const given = args.value("data");
  const data = given ?? (isHubName(matrix.data ?? "") ? matrix.data : undefined);
  const registry = await loadRegistry(env.PROJECT, args.values("plugin").map(env.userPath));

  using stop = env.stoppable();
  const context = env.makeContext(stop.signal, threads);
  const { createProgressBar } = await import("./progress.ts");
  const bar = createProgressBar(env.progressOptions());
  try {
    const plan = await planRun(
      model === undefined
        ? matrix
        : { ...matrix, models: [{ use: matrix.models[0]!.use, params: { path: model } }] },
      {
        registry,
        context,
        path,
        data: data === undefined
          ? undefined
          : isHubName(data)
          ? locate(data, "datasets").path
          : env.userPath(data),
        locate: (name) => locate(name, "models"),
        ownModels: model !== undefined,
        limit,
        tokenBudget,
        engine: env.engine(),
      },
    );
    using store = openSqliteStore(env.storePath(results));
    const sealed = sealHypotheses(plan, store, startedAt);
    const counts = await run(plan, { store, context, onProgress: bar.update });
    bar.end();
    const { summarise } = await import("../summary.ts");
    store.saveRun(summarise(plan, store, {
      startedAt,
      finishedAt: new Date().toISOString(),
      ...counts,
      ...(sealed ? { sealed } : {}),
      elapsedMs: Math.round(counts.elapsedMs),
      tokensPerSecond: counts.elapsedMs > 0 ? Math.round(1000 * counts.tokens / counts.elapsedMs) : 0,
      peakMemoryMb: env.peakMemoryMb(),
      command: ["eval", ...args.raw],
      threads,
      platform: `${Deno.build.os} ${Deno.build.arch}`,
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
