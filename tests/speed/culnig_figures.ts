/**
 * How long CULNIG's table takes on SmolLM2: 300 prompts of each of four benchmarks under 23 arms (untouched, silenced, enhanced, ten uniform and ten
 * matched random sets), units scored on at most 1,500 samples a set. Wanted: under 90 minutes on two cores; broken off, it goes on.
 *
 *     deno run -A tests/speed/culnig_figures.ts DATA [RESULTS]
 */
import { REAL_MODEL } from "../support.ts";

const root = new URL("../../", import.meta.url).pathname;
const [data = "", results = await Deno.makeTempDir()] = Deno.args;
const start = performance.now();
const { code } = await new Deno.Command(Deno.execPath(), {
  args: [
    ...["task", "--quiet", "eval", "benchmarks/matrices/culnig_small.json"],
    ...["--model", REAL_MODEL, "--data", data, "--results", results, "--threads", "2"],
  ],
  cwd: root,
  env: { PLUMBLINE_RESULTS: results },
}).spawn().status;
const minutes = (performance.now() - start) / 60_000;
console.log(
  `${minutes.toFixed(1)} minutes, wanted under 90: ${code === 0 && minutes < 90 ? "reached" : "MISSED"}`,
);
Deno.exit(code);
