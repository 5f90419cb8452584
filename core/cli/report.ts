/** `deno task report`: writes the files of a run again, from the store, and prints its table. */
import { UserError } from "../error.ts";
import { suggest } from "../nearest.ts";
import type { Command } from "./command.ts";

export const command: Command = {
  name: "report",
  summary: "write the files of a run again from the store and print its table",
  positionals: "[RUN]",
  maxPositionals: 1,
  flags: [
    { name: "results", value: "DIR", about: "folder of the store and the exported files (results)" },
    { name: "list", about: "print the runs in the store instead" },
  ],
  notes: "RUN is a run's id or its beginning; without it, the run that was started last.",
  async run(args) {
    const env = await import("./environment.ts");
    const results = env.resultsDir(args.value("results"));
    env.checkStore(results);
    env.checkWritable(results);
    const { openSqliteStore } = await import("../store/sqlite.ts");
    using store = openSqliteStore(env.storePath(results));
    const runs = [...store.runs()].sort((a, b) => a.startedAt < b.startedAt ? 1 : -1);
    if (args.has("list")) {
      for (const run of runs) {
        console.log(`${run.id}  ${run.startedAt}${run.reportable ? "" : "  not reportable"}`);
      }
      return 0;
    }
    const wanted = args.positionals[0] ?? "";
    const found = runs.find((run) => run.id === wanted) ?? runs.find((run) => run.id.startsWith(wanted));
    if (found === undefined) {
      throw new UserError(
        `Cannot report run ${JSON.stringify(wanted)}: it is not in ${env.storePath(results)}${
          suggest(wanted, runs.map((run) => run.id))
        }`,
      );
    }
    const { printRun } = await import("./print.ts");
    await printRun(store, found.id, results);
    return 0;
  },
};
