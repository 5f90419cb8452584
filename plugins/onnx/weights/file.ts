/** Reading of weight files: whole reads at an offset, errors a user understands, hashes that are computed once. */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { type Context, UserError } from "../../../core/mod.ts";

/** Bytes read at a time: large enough for the disk, small enough to keep memory flat. */
export const CHUNK_BYTES = 4 << 20;

/** An open file with its size. */
export interface SourceFile extends Disposable {
  /** Absolute, links resolved. */
  readonly path: string;
  readonly size: number;
  /** Fills `into` from `offset`. @throws {UserError} at the end of the file. */
  read(offset: number, into: Uint8Array): void;
}

/** Opens a file for reading. @throws {UserError} when it is missing or not a file. */
export function openFile(path: string): SourceFile {
  const file = orUserError(path, () => Deno.openSync(path));
  const { size, isFile } = file.statSync();
  if (!isFile) {
    file.close();
    throw new UserError(`Cannot read ${path}: it is not a file, wanted a weight file`);
  }
  return {
    path: Deno.realPathSync(path),
    size,
    read(offset, into) {
      file.seekSync(offset, Deno.SeekMode.Start);
      for (let done = 0; done < into.length;) {
        const got = file.readSync(into.subarray(done));
        if (got === null) {
          throw new UserError(
            `Cannot read ${path}: it ends at byte ${size}, wanted ${offset + into.length} bytes`,
          );
        }
        done += got;
      }
    },
    [Symbol.dispose]: () => file.close(),
  };
}

/** Text of a small file. @throws {UserError} when it is missing or unreadable. */
export function readText(path: string): string {
  return orUserError(path, () => Deno.readTextFileSync(path));
}

/** Text of a small file, undefined when there is none. */
export function readTextIfAny(path: string): string | undefined {
  return exists(path) ? readText(path) : undefined;
}

/** What a model at a path is called: as its file or folder, and a hub's snapshot, whose folder is called as its commit, as the repository. */
export function nameAt(path: string): string {
  const [, repo] = /--([^/\\]+)[/\\]snapshots[/\\][0-9a-f]{40}$/.exec(path) ?? [];
  return repo ?? basename(path);
}

/** Whether something is at the path. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}

/** Parses a JSON object. @throws {UserError} naming the file. */
export function parseObject(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
  } catch (cause) {
    throw new UserError(`Cannot read ${path}: it is not JSON, wanted a JSON object`, { cause });
  }
  throw new UserError(`Cannot read ${path}: it is not a JSON object, wanted one`);
}

/** sha256 of a file in hex, remembered in the cache by path, inode, size and both times. A copy can keep its time of modification; the
 * time of its inode's change is the system's own, so that a file that was swapped is read again. */
export async function hashFile(path: string, context: Context): Promise<string> {
  using file = openFile(path);
  const { dev, ino, mtime, ctime } = Deno.statSync(file.path);
  const stamp = [file.path, file.size, dev, ino, mtime?.getTime(), ctime?.getTime()].join("\n");
  const memo = join(context.cacheDir, "hashes", createHash("sha256").update(stamp).digest("hex"));
  if (ctime !== null && ino !== null && exists(memo) && isLater(memo, ctime)) {
    const known = readTextIfAny(memo);
    if (known !== undefined && /^[0-9a-f]{64}$/.test(known)) return known;
  }
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let offset = 0; offset < file.size; offset += chunk.length) {
    await yieldTo(context.signal);
    const part = chunk.subarray(0, Math.min(chunk.length, file.size - offset));
    file.read(offset, part);
    hash.update(part);
  }
  const hex = hash.digest("hex");
  remember(memo, hex);
  return hex;
}

/** Whether a memo was written so long after a file changed that the file cannot have changed again since without showing: times of
 * change are told in whole seconds. */
function isLater(memo: string, ctime: Date): boolean {
  const written = Deno.lstatSync(memo).mtime;
  return written !== null && written.getTime() >= ctime.getTime() + 2000;
}

/** Lets timers and signals through between blocking steps. @throws the signal's reason. */
export async function yieldTo(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  signal.throwIfAborted();
}

function remember(memo: string, hex: string): void {
  try {
    Deno.mkdirSync(join(memo, ".."), { recursive: true });
    Deno.writeTextFileSync(memo, hex);
  } catch {
    // A cache that cannot be written costs a second at the next start and nothing else.
  }
}

function orUserError<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const state = cause instanceof Deno.errors.NotFound
      ? "there is no such file"
      : cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable
      ? "permission is denied"
      : cause instanceof Deno.errors.IsADirectory
      ? "it is a folder"
      : undefined;
    if (state === undefined) throw cause;
    throw new UserError(`Cannot read ${path}: ${state}, wanted a readable file`, { cause });
  }
}
