/** `deno task fetch`: brings models and data sets from a hub into the cache that the Python client uses too. */
import { UserError } from "../error.ts";
import type { FetchPlan, FetchProgress } from "../hub/fetch.ts";
import { hubText, parseHubName, revisionOf } from "../hub/name.ts";
import type { Command } from "./command.ts";
import { clock, createBar } from "./progress.ts";

export const command: Command = {
  name: "fetch",
  summary: "download models and data sets of a hub, once, for eval to use without a network",
  positionals: "HF_NAME...",
  maxPositionals: Infinity,
  flags: [{
    name: "list",
    about: "print what would be taken, and take nothing but the index of sharded weights",
  }],
  notes: [
    "A HF_NAME is hf:org/name, hf:org/name/FILE.gguf, hf:org/name/onnx/FILE.onnx, hf:datasets/org/name or",
    "hf:datasets/org/name/PATH, each with @revision (a branch, a tag or a commit) or without.",
    "Stop it whenever you like: the same command goes on from there.",
    "It reads HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE as Python's huggingface_hub does.",
  ].join("\n"),
  async run({ positionals, has }) {
    const [env, { hubSettings }, { planFetch, fetchFiles }] = await Promise.all([
      import("./environment.ts"),
      import("../hub/settings.ts"),
      import("../hub/fetch.ts"),
    ]);
    if (positionals.length === 0) {
      throw new UserError("Cannot run fetch: it has no name, wanted deno task fetch hf:org/name");
    }
    const names = positionals.map(parseHubName);
    const settings = hubSettings((name) => Deno.env.get(name), env.userDir());
    using stop = env.stoppable();
    for (const name of names) {
      let startedAt = performance.now();
      let received = 0;
      const bar = createBar<FetchProgress>(
        (progress) => transferView(progress, performance.now() - startedAt),
        env.progressOptions(),
      );
      const log = (line: string) => {
        bar.end();
        console.error(line);
      };
      try {
        const hub = { settings, fetch, sleep, signal: stop.signal, log, freeBytes: await freeBytes() };
        const plan = await planFetch(name, hub);
        for (const line of planLines(plan)) console.log(line);
        if (has("list")) continue;
        startedAt = performance.now();
        const { path, pinned } = await fetchFiles(plan, hub, (progress) => {
          received = progress.received;
          bar.update(progress);
        });
        bar.end();
        for (
          const line of endLines(plan, { path, pinned, received, elapsedMs: performance.now() - startedAt })
        ) {
          console.log(line);
        }
        const flag = name.kind === "models" ? "--model" : "--data";
        const again = positionals[names.indexOf(name)];
        console.log(`Go on: ${env.taskCommand("eval")} MATRIX.json ${flag} ${again}`);
      } catch (error) {
        bar.end();
        if (!stop.signal.aborted) throw error;
        console.error("Stopped: what was received is kept, the same command goes on from there");
        return 130;
      }
    }
    return 0;
  },
};

/** " 45 %  123 of 270 MB  12.3 MB/s  0:12 left  model.safetensors". */
export function transferView({ done, total, received, path }: FetchProgress, elapsedMs: number) {
  const share = total > 0 ? done / total : 1;
  const rate = elapsedMs > 0 ? received / elapsedMs : 0;
  const left = rate > 0 ? clock((total - done) / rate) : "?";
  const text = `${String(Math.floor(100 * share)).padStart(3)} %  ${bytesText(done)} of ${
    bytesText(total)
  }  ${bytesText(1000 * rate)}/s  ${left} left  ${path}`;
  return { share, text, last: done === total };
}

/** Bytes for people, three digits: "861 B", "1.78 MB" (1e6 bytes). */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  // 999.5 would be written as 1000.
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  const digits = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** What there is, what of it is there already, and where it goes. */
function planLines({ name, commit, folder, files, bytes, missing }: FetchPlan): string[] {
  const width = Math.max(...files.map(({ file }) => file.path.length));
  return [
    `${hubText(name)}: revision ${revisionOf(name)} is commit ${commit}`,
    ...files.map(({ file, kept }) => {
      const state = kept === file.size ? "  there" : kept > 0 ? `  ${bytesText(kept)} there` : "";
      return `  ${file.path.padEnd(width)}  ${bytesText(file.size).padStart(7)}${state}`;
    }),
    `To receive: ${bytesText(missing)} of ${bytesText(bytes)}, into ${folder}`,
  ];
}

function endLines(
  { files }: FetchPlan,
  { path, pinned, received, elapsedMs }: {
    readonly path: string;
    readonly pinned: string;
    readonly received: number;
    readonly elapsedMs: number;
  },
): string[] {
  const rate = elapsedMs > 0
    ? ` in ${(elapsedMs / 1000).toFixed(1)} s (${bytesText(1000 * received / elapsedMs)}/s)`
    : "";
  return [
    received > 0
      ? `Received ${bytesText(received)}${rate}; ${files.length} ${
        files.length === 1 ? "file" : "files"
      }, each with the hash that is listed`
      : "Nothing was left to receive",
    `Snapshot: ${path}`,
    `Pinned: ${pinned}`,
  ];
}

/** Free bytes where a folder is or will be, as far as the system says. */
async function freeBytes(): Promise<(folder: string) => number | undefined> {
  const [{ statfsSync }, { dirname }] = await Promise.all([import("node:fs"), import("node:path")]);
  return (folder) => {
    for (let at = folder;; at = dirname(at)) {
      try {
        const { bavail, bsize } = statfsSync(at);
        return Number(bavail) * Number(bsize);
      } catch (error) {
        if ((error as { readonly code?: string }).code !== "ENOENT" || at === dirname(at)) return undefined;
      }
    }
  };
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
