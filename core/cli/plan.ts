/** `deno task plan`: what a matrix would take, from what the store has; computes and writes nothing. */
import type { RunStore } from "../store/store.ts";
import type { Arguments, Command } from "./command.ts";
import { MATRIX_FLAGS, MATRIX_NOTE, numbersOf, planOf } from "./prepare.ts";

export const command: Command = {
  name: "plan",
  summary: "say what a matrix would take: cells, tokens, time, memory, and what it could find",
  positionals: "[MATRIX]",
  maxPositionals: 1,
  flags: [
    ...MATRIX_FLAGS,
    {
      name: "rate",
      value: "N",
      about: "tokens a second, in place of what the store or the model's size says",
    },
  ],
  notes: [
    MATRIX_NOTE,
    "It takes what `eval` takes and reads the same store. Every number says whether it was measured, estimated or assumed.",
  ].join("\n"),
  run: runPlan,
};

async function runPlan(args: Arguments): Promise<number> {
  const { threads } = numbersOf(args), rate = args.integer("rate", 1);
  const env = await import("./environment.ts");
  using stop = env.stoppable();
  try {
    const plan = await planOf(args, env.makeContext(stop.signal, threads));
    using store = await storeToRead(env.storePath(env.resultsDir(args.value("results"))));
    const [{ forecast }, { forecastLines }] = await Promise.all([
      import("../forecast/mod.ts"),
      import("../forecast/print.ts"),
    ]);
    const { colour, width } = env.terminal();
    const found = forecast(plan, store, { threads, rate, platform: env.platform() });
    for (const line of forecastLines(found, { colour, width: Math.min(width, 99) })) console.log(line);
    return 0;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.error("Stopped: nothing was computed or written");
    return 130;
  }
}

/** The store there is, or an empty one. @throws {UserError} for a file that is no store. */
async function storeToRead(path: string): Promise<RunStore> {
  try {
    Deno.statSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return (await import("../store/memory.ts")).createMemoryStore();
  }
  return (await import("../store/sqlite.ts")).openSqliteStore(path, { readOnly: true });
}
