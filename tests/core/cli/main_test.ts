/** The command line as a user meets it: a process with the permissions of deno.json's tasks. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";

const ROOT = new URL("../../../", import.meta.url).pathname;
const CONFIG = `${ROOT}deno.json`;
const FAKES = ["--plugin", `${ROOT}tests/fake_model.ts`, "--plugin", `${ROOT}tests/fake_benchmark.ts`];
const MATRIX = {
  version: 1,
  models: [{ use: "fake" }],
  benchmarks: [{ use: "riddles" }],
  treatments: [{
    name: "muted",
    steps: [{ edit: { use: "mute", units: "units.json" } }],
    controls: [{ use: "random", match: "tap", sets: 2 }],
  }],
};

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function task(folder: string, args: readonly string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", CONFIG, ...args],
    cwd: folder,
    // `deno task` inside `deno task` keeps the outer INIT_CWD.
    env: { INIT_CWD: folder, PLUMBLINE_RESULTS: "", NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function finish(child: Deno.ChildProcess): Promise<Outcome> {
  const { code, stdout, stderr } = await child.output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

const plumbline = (folder: string, ...args: string[]) => finish(task(folder, args));

async function inFolder(work: (folder: string) => Promise<void>, matrix: unknown = MATRIX): Promise<void> {
  // A space in the path, because permissions and shells must bear one.
  const folder = await Deno.makeTempDir({ prefix: "plumb line " });
  try {
    await Deno.writeTextFile(`${folder}/demo.json`, JSON.stringify(matrix));
    const units = [{ tap: "layers.0.mlp.gate", units: [1, 2] }, "mlp.gate_proj_0_5"];
    await Deno.writeTextFile(`${folder}/units.json`, JSON.stringify({ units }));
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** How whoever runs these tests calls Deno. */
const DENO = Deno.execPath().includes("_npx") ? `npx -y deno@${Deno.version.deno}` : "deno";

Deno.test("eval runs a matrix in the user's folder, and report writes the same files again", () =>
  inFolder(async (folder) => {
    const first = await plumbline(folder, "eval", "demo.json", ...FAKES);
    assertEquals(first.code, 0, first.err);
    const [run = ""] = [...Deno.readDirSync(`${folder}/results`)].map((entry) => entry.name)
      .filter((name) => name.startsWith("demo-"));
    assertStringIncludes(
      first.out,
      `Results: ${folder}/results/${run}\nOpen them: ${DENO} task --config ${ROOT}deno.json serve\n`,
    );
    assertMatch(first.out, /riddles +24 +\d+\.\d \[/);
    assertStringIncludes(first.out, "Cells: 4 computed, 0 found");
    assertStringIncludes(first.err, "100 %  4 of 4 cells");
    const target = `${folder}/results/${run}`;
    const files = [...Deno.readDirSync(target)].map((entry) => entry.name).sort();
    assertEquals(files, [
      "cells.parquet",
      "differences.csv",
      "differences.svg",
      "items.parquet",
      "report.md",
      "results.json",
      "samples_riddles_muted.jsonl",
      "samples_riddles_untouched.jsonl",
      "table.tex",
    ]);
    const written = files.map((name) => Deno.readFileSync(`${target}/${name}`));
    await Deno.remove(target, { recursive: true });
    const again = await plumbline(folder, "report", run.slice(0, 6));
    assertEquals(again.code, 0, again.err);
    assertEquals(files.map((name) => Deno.readFileSync(`${target}/${name}`)), written);
  }));

Deno.test("eval run twice computes nothing again and gives results.json equal outside `run`", () =>
  inFolder(async (folder) => {
    const read = () => {
      const [run = ""] = [...Deno.readDirSync(`${folder}/results`)].map((entry) => entry.name)
        .filter((name) => name.startsWith("demo-"));
      return JSON.parse(Deno.readTextFileSync(`${folder}/results/${run}/results.json`));
    };
    await plumbline(folder, "eval", "demo.json", ...FAKES);
    const { run: firstRun, ...first } = read();
    const second = await plumbline(folder, "eval", `${folder}/demo.json`, "--threads", "1", ...FAKES);
    const { run: secondRun, ...again } = read();
    assertEquals(JSON.stringify(again), JSON.stringify(first));
    assertStringIncludes(second.out, "Cells: 0 computed, 4 found");
    assertEquals([firstRun.computedCells, secondRun.computedCells, secondRun.reusedCells], [4, 0, 4]);
    // What computing took stays known, however often nothing is computed.
    await plumbline(folder, "eval", "demo.json", ...FAKES);
    assertEquals([firstRun.measured, secondRun.measured, read().run.measured], [
      undefined,
      firstRun,
      firstRun,
    ]);
  }));

Deno.test("eval --limit says that the results are not reportable", () =>
  inFolder(async (folder) => {
    const { code, out } = await plumbline(folder, "eval", "demo.json", "--limit", "3", ...FAKES);
    assertEquals(code, 0);
    assertStringIncludes(out, "Not reportable: only the first 3 items of each benchmark (--limit)");
  }));

Deno.test("bad input is one line on stderr, exit code 2 and nothing written", () =>
  inFolder(async (folder) => {
    const write = (change: Record<string, unknown>) =>
      Deno.writeTextFile(`${folder}/bad.json`, JSON.stringify({ ...MATRIX, ...change }));
    const cases: [string[], string, Record<string, unknown>?][] = [
      [["eval", "--limitt", "3"], 'unknown flag "--limitt", did you mean "--limit"'],
      [["eval", "none.json"], "there is no such file"],
      [["eval", "bad.json"], 'unknown key "benchmarkz" at top level, did you mean "benchmarks"', {
        benchmarkz: [],
      }],
      [["eval", "bad.json", ...FAKES], 'did you mean "fake"', { models: [{ use: "fakes" }] }],
      [["eval", "bad.json", ...FAKES], "stands twice", {
        benchmarks: [{ use: "riddles" }, { use: "riddles" }],
      }],
      [["eval", "demo.json", "--plugin", "none.ts"], "there is no such file"],
      [["eval", "demo.json", "--results", "/elsewhere"], "the task may write below"],
      [["plan", "demo.json", "--rates", "3"], 'unknown flag "--rates", did you mean "--rate"'],
      [["plan", "none.json"], "there is no such file"],
      [["plan", "bad.json", ...FAKES], "stands twice"],
      [["plan", "demo.json", ...FAKES, "--limit", "0"], "wanted a whole number from 1"],
      [["report"], "there are none"],
      [["serve"], "there are none"],
    ];
    for (const [args, message, change] of cases) {
      if (change) await write(change);
      const { code, out, err } = await plumbline(folder, ...args);
      assertEquals([code, out], [2, ""], err);
      assertStringIncludes(err, message);
      assertMatch(err, /^Cannot [^\n]+\n$/);
    }
    assertEquals([...Deno.readDirSync(folder)].map((entry) => entry.name).sort(), [
      "bad.json",
      "demo.json",
      "units.json",
    ]);
  }));

Deno.test("plan of the demo leaves all to compute before eval and nothing after it, counts eval's tokens, writes nothing", () =>
  inFolder(async (folder) => {
    const args = [`${ROOT}benchmarks/matrices/demo.json`, "--limit", "8"];
    const fresh = await plumbline(folder, "plan", ...args);
    assertEquals([fresh.code, fresh.err], [0, ""]);
    assertEquals(exists(`${folder}/results`), false);
    const [planned = ""] = /\n {2}all +265 +0 +0 +265 +([\d,]+)\n/.exec(fresh.out)?.slice(1) ?? [];
    const done = await plumbline(folder, "eval", ...args);
    // Sets that come to be wanted no more are planned and not computed.
    const [cells, tokens] = /Cells: (\d+) computed, 0 found in the store, ([\d,]+) tokens/.exec(done.out)!
      .slice(1);
    const number = (text = "") => Number(text.replaceAll(",", ""));
    assert(
      number(cells) > 100 && number(cells) <= 265 && number(tokens) <= number(planned),
      `${cells}, ${tokens}`,
    );
    const files = () =>
      [...Deno.readDirSync(`${folder}/results`)].map(({ name }) => name).filter((name) =>
        !/-(wal|shm)$/.test(name)
      );
    const before = files();
    const after = await plumbline(folder, "plan", ...args);
    assertMatch(after.out, new RegExp(`\n {2}all +${cells} +${cells} +0 +0 +0\n`));
    assertStringIncludes(after.out, "planted: nothing to compute, all is stored");
    assertMatch(after.out, /measured in run demo-/);
    assertEquals(files(), before);
    assertEquals(after.out.split("\n").filter((line) => line.length > 99), []);
  }));

Deno.test("Ctrl-C ends eval with 130 and one line, keeps what was computed, and the same command goes on", () =>
  inFolder(async (folder) => {
    const args = ["eval", "demo.json", ...FAKES];
    const child = task(folder, args);
    await until(() => exists(`${folder}/results/plumbline.sqlite-wal`));
    await new Promise((done) => setTimeout(done, 300));
    child.kill("SIGINT");
    const { code, out, err } = await finish(child);
    assertEquals([code, out], [130, ""], err);
    assertMatch(err, /Stopped: what was computed is kept, the same command goes on from there\n$/);
    assertEquals([...Deno.readDirSync(`${folder}/results`)].some((entry) => entry.isDirectory), false);
    const again = await plumbline(folder, ...args);
    assertEquals(again.code, 0, again.err);
    const tokens = Number(/, ([\d,]+) tokens/.exec(again.out)?.[1]?.replace(",", ""));
    assertEquals(
      tokens > 0 && tokens < 4 * 24 * 10,
      true,
      `${tokens} tokens: some were kept, some left to do`,
    );
  }, { ...MATRIX, models: [{ use: "fake", params: { delayMs: 60 } }] }));

Deno.test("--help of every command says how to use it", async () => {
  for (const name of ["eval", "fetch", "ls", "plan", "report", "serve"]) {
    const { code, out } = await plumbline(ROOT, name, "--help");
    assertEquals(code, 0);
    assertStringIncludes(out, `deno task ${name}`);
  }
});

Deno.test("ls lists every plugin and benchmark", async () => {
  const { code, out } = await plumbline(ROOT, "ls", ...FAKES);
  assertEquals(code, 0);
  for (const name of ["onnx", "fables", "multiple_choice", "suppress", "riddles"]) {
    assertStringIncludes(out, `  ${name} `);
  }
});

async function until(ready: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !ready(); i++) await new Promise((done) => setTimeout(done, 50));
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).size >= 0;
  } catch {
    return false;
  }
}
