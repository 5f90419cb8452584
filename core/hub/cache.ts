/**
 * The folder that Python's huggingface_hub keeps downloads in, read and written as it does, so that nothing is downloaded twice:
 *
 *     models--org--name/blobs/<etag>            contents, named by their sha256 (large files) or by git's sha1 (all others)
 *     models--org--name/refs/<revision>         text: the commit that a branch or tag was when it was last asked for
 *     models--org--name/snapshots/<commit>/...  the repository's files, as relative links into blobs
 *     models--org--name/trees/<commit>.json     sizes and hashes of all files of a commit, those not downloaded too
 *
 * Layout as in huggingface_hub 2.4.0 (file_download.py, _tree_cache.py). Everything appears by a rename of what is complete.
 */
import { dirname, join, relative } from "node:path";
import { z } from "zod";
import { type HubName, isCommit, isSafePath } from "./name.ts";

/** One file of a repository at a commit. */
export interface HubFile {
  /** In the repository, with slashes. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** git's id: sha1, hex, of "blob <size>\0" and the content; of a large file that of the note git keeps in its place. */
  readonly blobId: string;
  /** Of the content, hex; of large files only. */
  readonly sha256?: string;
}

const Sha1 = z.string().regex(/^[0-9a-f]{40}$/);
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const Tree = z.object({
  format_version: z.literal(1),
  files: z.record(
    z.string().refine(isSafePath),
    z.object({
      size: z.int().min(0),
      blob_id: Sha1,
      lfs_sha256: Sha256.nullish(),
      lfs_size: z.int().min(0).nullish(),
    }),
  ),
});

/** The name of a file's blob, which is what the hub sends as its ETag. */
export function etagOf({ blobId, sha256 }: HubFile): string {
  return sha256 ?? blobId;
}

/** The folder of one repository below the root of the cache. */
export function repoFolder(root: string, { kind, repo }: HubName): string {
  return join(root, `${kind}--${repo.replace("/", "--")}`);
}

export function blobPath(folder: string, file: HubFile): string {
  return join(folder, "blobs", etagOf(file));
}

export function snapshotPath(folder: string, commit: string, path = ""): string {
  return join(folder, "snapshots", commit, path);
}

/** Whether a file is there, links followed, with the size that it should have. */
export function isWhole(path: string, size: number): boolean {
  const found = statIfAny(path);
  return found !== undefined && found.isFile && found.size === size;
}

/** The commit that a revision was when it was last asked for; a commit is itself. Undefined for what was never asked for. */
export function commitOf(folder: string, revision: string): string | undefined {
  if (isCommit(revision)) return revision;
  const commit = readIfAny(join(folder, "refs", revision))?.trim();
  return commit !== undefined && isCommit(commit) ? commit : undefined;
}

/** Notes what a branch or tag is now; nothing for a commit, nor where it stands there already (the cache may be read-only). */
export function writeRef(folder: string, revision: string, commit: string): void {
  if (isCommit(revision) || commitOf(folder, revision) === commit) return;
  writeWhole(join(folder, "refs", revision), commit);
}

/** All files of a commit, undefined where no list of them is kept or the list is not to be understood. */
export function readListing(folder: string, commit: string): HubFile[] | undefined {
  const text = readIfAny(join(folder, "trees", `${commit}.json`));
  if (text === undefined) return undefined;
  try {
    const { files } = Tree.parse(JSON.parse(text));
    return Object.entries(files).map(([path, { size, blob_id: blobId, lfs_sha256: sha256, lfs_size }]) => ({
      path,
      size: lfs_size ?? size,
      blobId,
      ...(sha256 ? { sha256 } : {}),
    }));
  } catch {
    return undefined;
  }
}

export function writeListing(folder: string, commit: string, files: readonly HubFile[]): void {
  if (readListing(folder, commit) !== undefined) return;
  const entries = files.toSorted((a, b) => a.path < b.path ? -1 : 1).map(({ path, size, blobId, sha256 }) =>
    [
      path,
      { size, blob_id: blobId, ...(sha256 === undefined ? {} : { lfs_sha256: sha256, lfs_size: size }) },
    ] as const
  );
  const text = JSON.stringify({ format_version: 1, files: Object.fromEntries(entries) }, null, 1);
  writeWhole(join(folder, "trees", `${commit}.json`), text);
}

/** What a snapshot holds where no list is kept: its files as they lie there. `blobId` is unknown and empty. */
export function scanSnapshot(folder: string, commit: string): HubFile[] {
  const enter = (below: string): HubFile[] =>
    [...Deno.readDirSync(snapshotPath(folder, commit, below))].flatMap(({ name }) => {
      const path = below === "" ? name : `${below}/${name}`;
      const found = statIfAny(snapshotPath(folder, commit, path));
      if (found?.isDirectory) return enter(path);
      return found?.isFile ? [{ path, size: found.size, blobId: "" }] : [];
    });
  return statIfAny(snapshotPath(folder, commit))?.isDirectory ? enter("") : [];
}

/**
 * Puts a blob that is whole into a snapshot: as a relative link; where links cannot be made, as a second name of the same
 * content; where that cannot be either, by moving it there. The disk never holds it twice.
 */
export function linkSnapshot(folder: string, commit: string, file: HubFile): void {
  const link = snapshotPath(folder, commit, file.path);
  if (isWhole(link, file.size)) return;
  const blob = blobPath(folder, file);
  Deno.mkdirSync(dirname(link), { recursive: true });
  const temporary = `${link}.${etagOf(file).slice(0, 8)}.tmp`;
  removeIfAny(temporary);
  try {
    Deno.symlinkSync(relative(dirname(link), blob), temporary);
  } catch {
    try {
      Deno.linkSync(blob, temporary);
    } catch {
      Deno.renameSync(blob, link);
      return;
    }
  }
  Deno.renameSync(temporary, link);
}

/** A file's text as it is now, undefined where there is none that can be read. */
export function readIfAny(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function statIfAny(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

function writeWhole(path: string, text: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true });
  const temporary = Deno.makeTempFileSync({ dir: dirname(path), prefix: ".", suffix: ".tmp" });
  Deno.writeTextFileSync(temporary, text);
  // Made for this process alone; what stands here is for whoever may read the folder.
  if (Deno.build.os !== "windows") Deno.chmodSync(temporary, 0o644);
  Deno.renameSync(temporary, path);
}

function removeIfAny(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
