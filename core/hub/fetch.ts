/** Brings a name's files into the cache: first what there is to take, then the taking. */
import { UserError } from "../error.ts";
import {
  commitOf,
  type HubFile,
  isWhole,
  linkSnapshot,
  readListing,
  repoFolder,
  snapshotPath,
  writeListing,
  writeRef,
} from "./cache.ts";
import { type HubContext, listFiles, type Listing } from "./client.ts";
import { bytesKept, download } from "./download.ts";
import { findSnapshot, type Located } from "./locate.ts";
import { type HubName, hubText, isCommit, revisionOf } from "./name.ts";
import { hasIndex, INDEX, pickFiles } from "./pick.ts";

/** What fetching a name would take. */
export interface FetchPlan {
  readonly name: HubName;
  readonly commit: string;
  /** The repository's folder in the cache. */
  readonly folder: string;
  /** All files of the commit. */
  readonly listing: Listing;
  readonly files: readonly {
    readonly file: HubFile;
    /** Bytes of it that are there already. */
    readonly kept: number;
  }[];
  /** Bytes of all files, and of those that have to be received. */
  readonly bytes: number;
  readonly missing: number;
}

export interface FetchProgress {
  /** Bytes that are there of all files, those of earlier runs too. */
  readonly done: number;
  readonly total: number;
  /** Bytes received by this call. */
  readonly received: number;
  /** The file that is being received. */
  readonly path: string;
}

/**
 * What there is to take of a name. A commit whose files are all listed in the cache asks no network; for a branch or tag the
 * hub is asked what it is now.
 *
 * @throws {UserError} when the hub has nothing that can be evaluated, refuses it, or may not or cannot be asked.
 */
export function planFetch(name: HubName, hub: HubContext): Promise<FetchPlan> {
  return onDisk(name, hub, () => plan(name, hub));
}

async function plan(name: HubName, hub: HubContext): Promise<FetchPlan> {
  const folder = repoFolder(hub.settings.cache, name);
  const listing = keptListing(name, folder) ?? await askHub(name, hub);
  const { commit, files } = listing;
  const at = { name, commit, folder, hub };
  if (hasIndex(name, files)) await fetchFile(files.find(({ path }) => path === INDEX)!, at);
  const picked = pickFiles(name, files, () => Deno.readTextFileSync(snapshotPath(folder, commit, INDEX)));
  const planned = picked.map(({ file }) => ({ file, kept: keptOf(file, folder, commit) }));
  const bytes = planned.reduce((sum, { file }) => sum + file.size, 0);
  const missing = planned.reduce((sum, { file, kept }) => sum + file.size - kept, 0);
  return { name, commit, folder, listing, files: planned, bytes, missing };
}

/**
 * Takes what a plan names, file by file. A branch or tag comes to mean the new commit only when all of it is there.
 *
 * @throws {UserError} as download(), or when the disk has not enough room for what is missing.
 */
export function fetchFiles(
  plan: FetchPlan,
  hub: HubContext,
  onProgress: (progress: FetchProgress) => void = () => {},
): Promise<Located> {
  return onDisk(plan.name, hub, () => take(plan, hub, onProgress));
}

async function take(
  { name, commit, folder, listing, files, bytes, missing }: FetchPlan,
  hub: HubContext,
  onProgress: (progress: FetchProgress) => void,
): Promise<Located> {
  const free = missing > 0 ? hub.freeBytes?.(folder) : undefined;
  if (free !== undefined && free < missing) {
    throw new UserError(
      `Cannot fetch ${
        hubText(name)
      }: it needs ${missing} bytes and ${free} are free in ${folder}, wanted room for it`,
    );
  }
  keepListing(folder, listing);
  const sizes = new Map(files.map(({ file, kept }) => [file.path, kept]));
  let received = 0;
  for (const { file } of files) {
    await fetchFile(file, {
      name,
      commit,
      folder,
      hub,
      onBytes: (size, added) => {
        sizes.set(file.path, size);
        received += added;
        const done = [...sizes.values()].reduce((sum, each) => sum + each, 0);
        onProgress({ done, total: bytes, received, path: file.path });
      },
    });
  }
  writeRef(folder, revisionOf(name), commit);
  const found = findSnapshot({ ...name, revision: commit }, hub.settings.cache);
  if ("missing" in found) {
    throw new UserError(
      `Cannot keep ${
        hubText(name)
      }: ${found.missing} after it was fetched, wanted a cache that keeps what is written`,
    );
  }
  return found;
}

/** Of a cache that cannot be written, all files may be there all the same; if not, the first that is missing says so. */
function keepListing(folder: string, { commit, files, whole }: Listing): void {
  if (!whole) return;
  try {
    writeListing(folder, commit, files);
  } catch {
    return;
  }
}

/** A disk that is full, not there or not to be written is the user's to mend. */
async function onDisk<T>(
  name: HubName,
  { settings: { cache } }: HubContext,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    // The system's errors have a code, as ENOSPC; those that Deno makes of its own rules have none.
    const isDisk = cause instanceof Deno.errors.NotCapable ||
      cause instanceof Error && typeof (cause as { readonly code?: unknown }).code === "string";
    if (!isDisk) throw cause;
    throw new UserError(
      `Cannot keep ${
        hubText(name)
      } in ${cache}: ${cause.message}, wanted a folder that can be written, or HF_HUB_CACHE set to one`,
      { cause },
    );
  }
}

/** A commit's listing that is in the cache; of a branch or tag only where the network may not be asked. */
function keptListing(name: HubName, folder: string): Listing | undefined {
  const revision = revisionOf(name);
  if (!isCommit(revision)) return undefined;
  const files = readListing(folder, revision);
  return files === undefined ? undefined : { commit: revision, files, whole: true };
}

async function askHub(name: HubName, hub: HubContext): Promise<Listing> {
  const { offline, cache } = hub.settings;
  if (!offline) return await listFiles(name, hub);
  const folder = repoFolder(cache, name);
  const commit = commitOf(folder, revisionOf(name));
  const files = commit === undefined ? undefined : readListing(folder, commit);
  if (commit !== undefined && files !== undefined) return { commit, files, whole: true };
  throw new UserError(
    `Cannot fetch ${hubText(name)}: it is not in ${cache} and HF_HUB_OFFLINE is set, wanted HF_HUB_OFFLINE=0`,
  );
}

function keptOf(file: HubFile, folder: string, commit: string): number {
  return isWhole(snapshotPath(folder, commit, file.path), file.size) ? file.size : bytesKept(folder, file);
}

async function fetchFile(file: HubFile, at: Parameters<typeof download>[1]): Promise<void> {
  const { name, folder, commit, hub } = at;
  if (isWhole(snapshotPath(folder, commit, file.path), file.size)) return;
  if (hub.settings.offline && bytesKept(folder, file) < file.size) {
    throw new UserError(
      `Cannot fetch ${
        hubText(name)
      }: ${file.path} is not whole in ${folder} and HF_HUB_OFFLINE is set, wanted HF_HUB_OFFLINE=0`,
    );
  }
  await download(file, at);
  linkSnapshot(folder, commit, file);
}
