/**
 * One file into the cache: resumed, hashed as it comes, and only given its name when its hash is right.
 *
 * What is not whole lies in `<etag>.incomplete` beside the blobs. It is the same file in every run, so that the next one goes
 * on where this one was stopped, however it was stopped; a lock that ends with its process keeps two from writing at once.
 */
import { createHash, type Hash } from "node:crypto";
import { dirname } from "node:path";
import { UserError } from "../error.ts";
import { blobPath, etagOf, type HubFile, isWhole } from "./cache.ts";
import { contentUrl, type Failure, failureOf, get, type HubContext, pauseMs, stallMsOf } from "./client.ts";
import { type HubName, hubText } from "./name.ts";

export interface DownloadOptions {
  readonly name: HubName;
  readonly commit: string;
  /** The repository's folder in the cache. */
  readonly folder: string;
  readonly hub: HubContext;
  /** Called with the bytes that the file has now, each time they change; `received` of them came in this call. */
  readonly onBytes?: (size: number, received: number) => void;
}

/** Failures in a row after which it is given up; a failure after this many new bytes is the first of a new row. */
const MAX_FAILURES = 5;
const PROGRESS_BYTES = 1 << 20;
const CHUNK_BYTES = 4 << 20;
const LOCK_POLL_MS = 500;

/** Path of what there is of a file that is not whole. */
export function incompletePath(folder: string, file: HubFile): string {
  return `${blobPath(folder, file)}.incomplete`;
}

/** Bytes of a file that need not be received: all of a blob, or those of an earlier try. */
export function bytesKept(folder: string, file: HubFile): number {
  if (isWhole(blobPath(folder, file), file.size)) return file.size;
  try {
    const { size } = Deno.statSync(incompletePath(folder, file));
    return size > file.size ? 0 : size;
  } catch {
    return 0;
  }
}

/**
 * Makes the blob of a file, unless it is there.
 *
 * @throws {UserError} when the hub refuses it, cannot be reached any more, or sends something else than it lists.
 * @throws the signal's reason when stopped; what was received is kept.
 */
export async function download(file: HubFile, options: DownloadOptions): Promise<void> {
  const { folder } = options;
  const blob = blobPath(folder, file);
  Deno.mkdirSync(dirname(blob), { recursive: true });
  for (;;) {
    if (isWhole(blob, file.size)) return;
    using part = await openPart(file, options);
    // Who held the lock before may have made the blob of it, or taken it away.
    if (!part.isCurrent()) continue;
    await fill(part, file, options);
    part.finish(blob);
    return;
  }
}

interface Part extends Disposable {
  /** Bytes that are there and hashed. */
  readonly size: number;
  isCurrent(): boolean;
  /** Hashes what is there from earlier. */
  resume(): Promise<void>;
  append(bytes: Uint8Array): void;
  clear(): void;
  discard(): void;
  hex(): string;
  /** Gives it its name. */
  finish(blob: string): void;
}

async function openPart(file: HubFile, { folder, hub }: DownloadOptions): Promise<Part> {
  const path = incompletePath(folder, file);
  const handle = Deno.openSync(path, { read: true, write: true, create: true });
  try {
    await lock(handle, file, hub);
  } catch (error) {
    handle.close();
    throw error;
  }
  let hash = newHash(file);
  let size = 0;
  return {
    get size() {
      return size;
    },
    isCurrent() {
      try {
        return Deno.statSync(path).ino === handle.statSync().ino;
      } catch {
        return false;
      }
    },
    async resume() {
      const chunk = new Uint8Array(CHUNK_BYTES);
      for (let got: number | null; (got = handle.readSync(chunk)) !== null;) {
        hash.update(chunk.subarray(0, got));
        size += got;
        await new Promise((resolve) => setTimeout(resolve, 0));
        hub.signal.throwIfAborted();
      }
    },
    append(bytes) {
      hash.update(bytes);
      for (let done = 0; done < bytes.length;) done += handle.writeSync(bytes.subarray(done));
      size += bytes.length;
    },
    clear() {
      handle.truncateSync(0);
      handle.seekSync(0, Deno.SeekMode.Start);
      [hash, size] = [newHash(file), 0];
    },
    discard: () => Deno.removeSync(path),
    hex: () => hash.copy().digest("hex"),
    finish(blob) {
      // A name must never outlive the content, not even where the power fails.
      handle.syncDataSync();
      Deno.renameSync(path, blob);
    },
    [Symbol.dispose]: () => handle.close(),
  };
}

/** sha256 of the content, or what git names it by. */
function newHash({ sha256, size }: HubFile): Hash {
  return sha256 === undefined ? createHash("sha1").update(`blob ${size}\0`) : createHash("sha256");
}

async function lock(handle: Deno.FsFile, file: HubFile, hub: HubContext): Promise<void> {
  for (let waited = false;; waited = true) {
    if (await isLocked(handle)) return;
    if (!waited) hub.log(`Another program is downloading ${file.path}, waiting for it`);
    await hub.sleep(LOCK_POLL_MS, hub.signal);
    hub.signal.throwIfAborted();
  }
}

/** Whether the lock is ours, or the file system knows no locks. */
async function isLocked(handle: Deno.FsFile): Promise<boolean> {
  try {
    return await handle.tryLock(true);
  } catch {
    return true;
  }
}

/** Receives what is missing until the hash is right. */
async function fill(part: Part, file: HubFile, options: DownloadOptions): Promise<void> {
  const { name, onBytes } = options;
  await part.resume();
  // A part of another length cannot be the beginning of this file.
  if (part.size > file.size) part.clear();
  onBytes?.(part.size, 0);
  for (let resumed = part.size > 0;; resumed = false) {
    const restarted = await receive(part, file, options);
    if (part.size === file.size && part.hex() === etagOf(file)) return;
    const [state, wanted] = part.size === file.size
      ? [`the hash of what came as ${file.path} is ${part.hex()}`, etagOf(file)]
      : [`more came as ${file.path} than it should have`, `${file.size} bytes`];
    part.clear();
    onBytes?.(0, 0);
    // What an earlier run left may be at fault: once more, all of it.
    if (resumed && !restarted) continue;
    part.discard();
    throw new UserError(`Cannot fetch ${hubText(name)}: ${state}, wanted ${wanted} as the hub lists it`);
  }
}

/** Receives until all is there or more than that came. @returns whether it began anew on the way. */
async function receive(part: Part, file: HubFile, options: DownloadOptions): Promise<boolean> {
  const { name, hub } = options;
  let failures = 0;
  let restarted = false;
  while (part.size < file.size) {
    const before = part.size;
    const result = await attempt(part, file, options);
    if (result === "done") break;
    if (result === "restart") {
      // Only a server that goes on from the wrong place, twice, comes here twice.
      if (restarted) {
        throw new UserError(
          `Cannot fetch ${hubText(name)}: ${file.path} changes while it is sent, wanted it whole`,
        );
      }
      restarted = true;
      part.clear();
      options.onBytes?.(0, 0);
      continue;
    }
    failures = part.size - before >= PROGRESS_BYTES ? 1 : failures + 1;
    if (failures > MAX_FAILURES) {
      throw new UserError(
        `Cannot fetch ${
          hubText(name)
        }: ${result.state}, wanted ${file.path}; the same command goes on at byte ${part.size}`,
      );
    }
    hub.log(`Note: ${result.state}, going on with ${file.path} at byte ${part.size}`);
    await hub.sleep(pauseMs(failures, result), hub.signal);
    hub.signal.throwIfAborted();
  }
  return restarted;
}

type Outcome = "done" | "restart" | Failure;

/** One request: from where the part ends, or all where it is empty. */
async function attempt(part: Part, file: HubFile, options: DownloadOptions): Promise<Outcome> {
  const { name, commit, hub } = options;
  const stalled = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waitOn = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stalled.abort(new Error("it was silent for too long")), stallMsOf(hub));
  };
  const url = contentUrl(name, { commit, path: file.path }, hub.settings.endpoint);
  try {
    waitOn();
    const answer = await get(url, {
      name,
      hub,
      signal: AbortSignal.any([hub.signal, stalled.signal]),
      ...(part.size > 0 ? { headers: { range: `bytes=${part.size}-` } } : {}),
    });
    if ("state" in answer) return answer;
    const { response, etag } = answer;
    if (!goesOn(response, etag, { part, file })) {
      await response.body?.cancel();
      return "restart";
    }
    if (part.size > 0 && response.status === 200) {
      // The server sends all of it, whatever was asked for.
      part.clear();
      options.onBytes?.(0, 0);
    }
    return await receiveBody(response, part, { file, options, url: new URL(url), waitOn });
  } finally {
    clearTimeout(timer);
  }
}

/** Whether an answer is the file that is listed, and if it is a part, the one that was asked for. */
function goesOn(
  { status, headers }: Response,
  etag: string | undefined,
  { part, file }: { readonly part: Part; readonly file: HubFile },
): boolean {
  if (status === 416) return false;
  if (part.size === 0) return true;
  // A hash that is not the one listed; an ETag that is no hash says nothing.
  if (etag !== undefined && /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(etag) && etag !== etagOf(file)) return false;
  if (status !== 206) return true;
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
  return Number(start) === part.size && (total === "*" || Number(total) === file.size);
}

interface Receiving {
  readonly file: HubFile;
  readonly options: DownloadOptions;
  readonly url: URL;
  readonly waitOn: () => void;
}

async function receiveBody(
  response: Response,
  part: Part,
  { file, options: { hub, onBytes }, url, waitOn }: Receiving,
): Promise<Outcome> {
  const reader = response.body?.getReader();
  if (reader === undefined) return { state: `${url.host} sends nothing` };
  try {
    for (;;) {
      waitOn();
      let next: ReadableStreamReadResult<Uint8Array>;
      try {
        next = await reader.read();
      } catch (cause) {
        return failureOf(cause, url, hub);
      }
      if (next.done) break;
      part.append(next.value);
      onBytes?.(part.size, next.value.length);
      // More than there should be is another file: the hash will say so, and no more of it is wanted.
      if (part.size > file.size) break;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  return part.size < file.size ? { state: `the connection to ${url.host} ended early` } : "done";
}
