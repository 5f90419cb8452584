/** `deno task serve`: the pages over a store. */
import type { Command } from "./command.ts";

export const command: Command = {
  name: "serve",
  summary: "show runs, their matrices and their items in a browser, on this machine only",
  positionals: "",
  maxPositionals: 0,
  flags: [
    { name: "results", value: "DIR", about: "folder of the store (results)" },
    { name: "port", value: "N", about: "first port to try (8080)" },
  ],
  notes: "Ctrl-C ends it.",
  async run(args) {
    const port = args.integer("port", 1) ?? 8080;
    const env = await import("./environment.ts");
    const results = env.resultsDir(args.value("results"));
    env.checkStore(results);
    env.checkWritable(results);
    // Only this command needs the server, and core stands without it.
    const { serve } = await import("../../server/main.ts");
    const end = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => end.abort());
    await serve({
      resultsDir: results,
      port,
      signal: end.signal,
      log: (line) => console.error(line),
      onListen: (url) => console.log(`Plumbline is at ${url} (Ctrl-C ends it)`),
    });
    return 0;
  },
};
