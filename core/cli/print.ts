/** What a run ends with: its files, its table, where they are. */
import { UserError } from "../error.ts";
import { exportRun } from "../report/export.ts";
import { table } from "../report/table.ts";
import type { RunStore } from "../store/store.ts";
import { quoted, resultsDir, taskCommand, terminal } from "./environment.ts";

/** Exports a run and prints its table on stdout. @throws {UserError} when the store has no such run. */
export async function printRun(store: RunStore, id: string, folder: string): Promise<void> {
  const path = await exportRun(store, id, folder);
  const results = store.run(id);
  if (results === undefined) {
    throw new UserError(`Cannot print run ${id}: it is not in the store, wanted one that is`);
  }
  for (const line of table(results, terminal())) console.log(line);
  const { computedCells, reusedCells, tokens, tokensPerSecond, elapsedMs, peakMemoryMb } = results.run;
  const rate = tokens > 0
    ? `, ${tokens.toLocaleString("en")} tokens in ${(elapsedMs / 1000).toFixed(1)} s (${
      tokensPerSecond.toLocaleString("en")
    }/s)`
    : "";
  console.log(
    `\nCells: ${computedCells} computed, ${reusedCells} found in the store${rate}, peak memory ${
      (peakMemoryMb / 1000).toFixed(2)
    } GB`,
  );
  console.log(`Results: ${path}`);
  const flag = folder === resultsDir(undefined) ? "" : ` --results ${quoted(folder)}`;
  console.log(`Open them: ${taskCommand("serve")}${flag}`);
}
