/** The user's machine as the commands see it: folders, terminal, project. */
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Context } from "../context.ts";
import { UserError } from "../error.ts";
import type { Results } from "../results.ts";
import type { ProgressOptions } from "./progress.ts";

const SAME_PRESS_MS = 500;

/** Root of Plumbline itself. */
export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The user's own folder: `deno task` changes to the project's and leaves word of where it was called. */
export function userDir(): string {
  return Deno.env.get("INIT_CWD") || Deno.cwd();
}

/** How the user calls Deno: through npx where it is not installed. */
export function denoCommand(): string {
  return Deno.execPath().includes("_npx") ? `npx -y deno@${Deno.version.deno}` : "deno";
}

/** The command line of a task, from the folder that the user is in. */
export function taskCommand(task: string): string {
  const elsewhere = relative(PROJECT, userDir()).startsWith("..")
    ? ` --config ${quoted(join(PROJECT, "deno.json"))}`
    : "";
  return `${denoCommand()} task${elsewhere} ${task}`;
}

/** A path as a shell takes it. */
export function quoted(path: string): string {
  return /\s/.test(path) ? JSON.stringify(path) : path;
}

/** The most memory this process has held, 1e6 bytes; mapped weights that were read count. */
export function peakMemoryMb(): number {
  return Math.round(process.resourceUsage().maxRSS * 1024 / 1e6);
}

/** Operating system and processor, as runs record it. */
export function platform(): string {
  return `${Deno.build.os} ${Deno.build.arch}`;
}

/** A path of the command line, absolute. */
export function userPath(path: string): string {
  return resolve(userDir(), path);
}

/** $PLUMBLINE_CACHE, else `plumbline` in the XDG cache. */
export function cacheDir(): string {
  const own = Deno.env.get("PLUMBLINE_CACHE");
  if (own) return userPath(own);
  const xdg = Deno.env.get("XDG_CACHE_HOME");
  return xdg
    ? join(userPath(xdg), "plumbline")
    : join(Deno.env.get("HOME") || userDir(), ".cache", "plumbline");
}

/** Folder of the store and of the exported runs: --results, else $PLUMBLINE_RESULTS, else `results` in the user's folder. */
export function resultsDir(flag: string | undefined): string {
  return userPath(flag ?? (Deno.env.get("PLUMBLINE_RESULTS") || "results"));
}

/** Path of the store in a results folder. */
export function storePath(results: string): string {
  return join(results, "plumbline.sqlite");
}

/** @throws {UserError} when this process was not given leave to write there. */
export function checkWritable(folder: string): void {
  if (Deno.permissions.querySync({ name: "write", path: folder }).state === "granted") return;
  throw new UserError(
    `Cannot write results to ${folder}: the task may write below ${userDir()} only, wanted a folder in it or ` +
      `PLUMBLINE_RESULTS=${folder} in the environment`,
  );
}

/** @throws {UserError} when there is no store yet. */
export function checkStore(results: string): void {
  try {
    Deno.statSync(storePath(results));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(
      `Cannot read results in ${results}: there are none, wanted a run of "deno task eval" first`,
    );
  }
}

/** Aborted by Ctrl-C; a second one ends the process at once. */
export function stoppable(): { readonly signal: AbortSignal } & Disposable {
  const stop = new AbortController();
  let stoppedAt = Infinity;
  const onInterrupt = () => {
    // A terminal and `deno task` both hand on the same Ctrl-C: only one that comes later means "at once".
    if (performance.now() - stoppedAt > SAME_PRESS_MS) Deno.exit(130);
    stoppedAt = Math.min(stoppedAt, performance.now());
    stop.abort();
  };
  Deno.addSignalListener("SIGINT", onInterrupt);
  return { signal: stop.signal, [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", onInterrupt) };
}

/** Stderr as a progress bar writes to it. */
export function progressOptions(): ProgressOptions {
  const tty = Deno.stderr.isTerminal();
  return {
    tty,
    width: tty ? Deno.consoleSize().columns : 0,
    write: (text) => Deno.stderr.writeSync(new TextEncoder().encode(text)),
    now: () => performance.now(),
  };
}

export function makeContext(signal: AbortSignal, threads: number): Context {
  return {
    cacheDir: cacheDir(),
    baseDir: userDir(),
    signal,
    log: (line) => console.error(line),
    now: () => performance.now(),
    threads,
  };
}

/** Versions that stand in the results; the runtime's is its pin in deno.json. */
export function engine(): Results["engine"] {
  const config = JSON.parse(Deno.readTextFileSync(join(PROJECT, "deno.json"))) as {
    readonly version: string;
    readonly imports: Readonly<Record<string, string>>;
  };
  const runtime = (config.imports["onnxruntime-node"] ?? "").replace(/^npm:/, "").replace("@", " ");
  return { plumbline: config.version, deno: Deno.version.deno, runtime };
}

/** Whether stdout takes bold and dim text, and how long its lines may be. */
export function terminal(): { readonly colour: boolean; readonly width: number } {
  const tty = Deno.stdout.isTerminal();
  return {
    colour: tty && !Deno.env.get("NO_COLOR"),
    width: tty ? Math.max(60, Deno.consoleSize().columns) : 100,
  };
}

/** Text of a file the user named. @throws {UserError} when it cannot be read. */
export function readUserFile(path: string, what: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const state = error instanceof Deno.errors.NotFound ? "there is no such file" : (error as Error).message;
    throw new UserError(`Cannot read ${what} ${path}: ${state}, wanted a file that can be read`, {
      cause: error,
    });
  }
}
