/** Where a `hf:` name lies on this machine. Never asks a network. */
import { UserError } from "../error.ts";
import {
  commitOf,
  type HubFile,
  isWhole,
  readIfAny,
  readListing,
  repoFolder,
  scanSnapshot,
  snapshotPath,
} from "./cache.ts";
import { hubLabel, type HubName, hubText, isHubName, parseHubName, revisionOf } from "./name.ts";
import { INDEX, pickFiles } from "./pick.ts";

/** Files of a repository on this machine. */
export interface Located {
  /** The folder of the snapshot, or of a model's one file its path; absolute where the cache is. */
  readonly path: string;
  /** The same name with the commit as its revision. */
  readonly pinned: string;
  /** What a table calls it. */
  readonly label: string;
  /** Whether a list of the commit's files is kept, so that it is known that none is missing. */
  readonly listed: boolean;
}

export interface LocateOptions {
  /** Root of the cache. */
  readonly cache: string;
  readonly kind: HubName["kind"];
  /** The command that fetches a name, for the message: "deno task fetch". */
  readonly command: string;
}

/**
 * The snapshot of a name, which must be whole.
 *
 * @throws {UserError} naming what is missing and the command that fetches it.
 */
export function locateHub(text: string, { cache, kind, command }: LocateOptions): Located {
  const name = parseHubName(text);
  if (name.kind !== kind) {
    const [state, wanted] = kind === "models"
      ? ["a data set", "a model: hf:org/name"]
      : ["a model", "a data set: hf:datasets/org/name"];
    throw new UserError(`Cannot open ${text}: it names ${state}, wanted ${wanted}`);
  }
  const found = findSnapshot(name, cache);
  if ("missing" in found) {
    throw new UserError(`Cannot open ${text}: ${found.missing}, wanted it fetched first: ${command} ${text}`);
  }
  return found;
}

/** Params of a model of which some may be `hf:` names. */
export interface LocatedParams {
  /** With the places on this machine in the names' stead. */
  readonly here: Readonly<Record<string, unknown>>;
  /** With the names pinned to their commits: what a record of them says. */
  readonly pinned: Readonly<Record<string, unknown>>;
  /** What a table calls the first of them; absent where there are none. */
  readonly label?: string;
}

/** Puts places in the stead of the params that are `hf:` names. @throws {UserError} as `locate`, or without one for any such name. */
export function locateParams(
  params: Readonly<Record<string, unknown>>,
  locate: ((name: string) => Located) | undefined,
): LocatedParams {
  const found = Object.entries(params).flatMap(([key, value]) => {
    if (typeof value !== "string" || !isHubName(value)) return [];
    if (locate === undefined) {
      throw new UserError(`Cannot open ${value}: no hub is known here, wanted a path`);
    }
    return [[key, locate(value)] as const];
  });
  const replaced = (part: "path" | "pinned") => ({
    ...params,
    ...Object.fromEntries(found.map(([key, each]) => [key, each[part]])),
  });
  const label = found[0]?.[1].label;
  return { here: replaced("path"), pinned: replaced("pinned"), ...(label === undefined ? {} : { label }) };
}

/** The snapshot of a name, or what is missing of it. @throws {UserError} when it has nothing that can be evaluated. */
export function findSnapshot(name: HubName, cache: string): Located | { readonly missing: string } {
  const folder = repoFolder(cache, name);
  const commit = commitOf(folder, revisionOf(name));
  const listing = commit === undefined ? undefined : readListing(folder, commit);
  const files = commit === undefined ? [] : listing ?? scanSnapshot(folder, commit);
  if (commit === undefined || files.length === 0) return { missing: `it is not in ${cache}` };
  const missing = listing === undefined
    ? missingOfUnlisted(name, { folder, commit, files })
    : missingOf(name, { folder, commit, files });
  if (missing !== undefined) return { missing: `${missing} is not whole in ${folder}` };
  return {
    path: snapshotPath(folder, commit, name.kind === "models" ? name.path : undefined),
    pinned: hubText(name, commit),
    label: hubLabel(name),
    listed: listing !== undefined,
  };
}

interface Snapshot {
  readonly folder: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** As missingOf(): what is there may be a part, so that having nothing to evaluate says nothing about the repository. */
function missingOfUnlisted(name: HubName, snapshot: Snapshot): string | undefined {
  try {
    return missingOf(name, snapshot);
  } catch (error) {
    if (error instanceof UserError) return "the snapshot";
    throw error;
  }
}

/** The first needed file that is not there, if any. */
function missingOf(name: HubName, { folder, commit, files }: Snapshot): string | undefined {
  const index = readIfAny(snapshotPath(folder, commit, INDEX));
  if (index === undefined && files.some(({ path }) => path === INDEX) && name.path === undefined) {
    return INDEX;
  }
  const picked = pickFiles(name, files, () => index ?? "");
  return picked.find(({ file, needed }) =>
    needed && !isWhole(snapshotPath(folder, commit, file.path), file.size)
  )
    ?.file.path;
}
