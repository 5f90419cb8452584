/** `deno task eval`: runs a matrix. */
import type { Command } from "./command.ts";
import { MATRIX_FLAGS, MATRIX_NOTE } from "./prepare.ts";

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
  async run(args) {
    const [{ runMatrix }, { printRun }] = await Promise.all([
      import("./run_matrix.ts"),
      import("./print.ts"),
    ]);
    return await runMatrix(args, {
      command: "eval",
      then: ({ id }, store, folder) => printRun(store, id, folder),
    });
  },
};
