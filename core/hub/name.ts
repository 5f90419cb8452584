/** Names of repositories on a hub: `hf:org/name[/FILE.gguf][@revision]`, or a path to a FILE.onnx, and `hf:datasets/org/name[/PATH][@revision]` for data. */
import { UserError } from "../error.ts";

/** What a `hf:` name says. */
export interface HubName {
  readonly kind: "models" | "datasets";
  /** "org/name". */
  readonly repo: string;
  /** Of a model one .gguf or .onnx file; of a data set the file or folder that alone is wanted. Absent for all that is of use. */
  readonly path?: string;
  /** Branch, tag or commit; absent for the branch main. */
  readonly revision?: string;
}

const PREFIX = "hf:";
const DEFAULT_REVISION = "main";
const WANTED =
  "wanted hf:org/name, hf:org/name/FILE.gguf, hf:org/name/onnx/FILE.onnx or hf:datasets/org/name, each with @revision or without";

/** Whether a path that a user gave is a name on a hub; nothing else of it is checked. */
export function isHubName(text: string): boolean {
  return text.startsWith(PREFIX);
}

/**
 * The parts of a name. Which names a repository may have is the hub's rule: letters, digits, dot, dash and underscore, no
 * dash or dot at an end, no two of them in a row where that would make names of folders ambiguous.
 *
 * @throws {UserError} for anything that is no such name.
 *
 * @example
 * ```ts
 * import { parseHubName } from "./name.ts";
 * const { repo, path, revision } = parseHubName("hf:org/name/small.gguf@v1.0");
 * if (repo !== "org/name" || path !== "small.gguf" || revision !== "v1.0") throw new Error("unexpected parts");
 * ```
 */
export function parseHubName(text: string): HubName {
  const refuse = (state: string): never => {
    throw new UserError(`Cannot read ${JSON.stringify(text)}: ${state}, ${WANTED}`);
  };
  if (!isHubName(text)) return refuse("it does not begin with hf:");
  const at = text.indexOf("@");
  const revision = at < 0 ? undefined : text.slice(at + 1);
  const parts = text.slice(PREFIX.length, at < 0 ? undefined : at).split("/");
  if (revision !== undefined && !isRevision(revision)) {
    return refuse(`${JSON.stringify(revision)} is no name of a revision`);
  }
  const kind = parts[0] === "datasets" ? "datasets" : "models";
  const [org = "", name = "", ...rest] = kind === "datasets" ? parts.slice(1) : parts;
  if (!isPart(org) || !isPart(name)) return refuse("it names no repository");
  const path = rest.join("/");
  if (rest.length > 0 && !isSafePath(path)) {
    return refuse(`${JSON.stringify(path)} is no path in a repository`);
  }
  if (kind === "models" && rest.length > 0 && !/\.(gguf|onnx)$/.test(path)) {
    return refuse(`${JSON.stringify(path)} is not a .gguf or .onnx file`);
  }
  return {
    kind,
    repo: `${org}/${name}`,
    ...(rest.length > 0 ? { path } : {}),
    ...(revision === undefined ? {} : { revision }),
  };
}

/** The name as it is written, with another revision where one is given. */
export function hubText({ kind, repo, path, revision }: HubName, at: string | undefined = revision): string {
  const prefix = kind === "datasets" ? "datasets/" : "";
  return `${PREFIX}${prefix}${repo}${path === undefined ? "" : `/${path}`}${
    at === undefined ? "" : `@${at}`
  }`;
}

/** The revision that is meant. */
export function revisionOf({ revision = DEFAULT_REVISION }: HubName): string {
  return revision;
}

/** Whether a revision is a whole commit id, which never comes to mean anything else. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** What a table calls it: the file's or the repository's own name, and the revision where it was given. Exports are called alike in every
 * repository, so that they are called by repository and path. */
export function hubLabel({ repo, path, revision }: HubName): string {
  const last = (text: string) => text.split("/").at(-1)!;
  const own = path?.endsWith(".onnx") ? `${last(repo)}/${path}` : last(path ?? repo);
  if (revision === undefined) return own;
  return `${own}@${isCommit(revision) ? revision.slice(0, 8) : revision}`;
}

/** Whether a path stays below the folder that it is put in, on any system, and can be printed. */
export function isSafePath(path: string): boolean {
  const parts = path.split("/");
  // deno-lint-ignore no-control-regex
  const odd = Deno.build.os === "windows" ? /[\x00-\x1f\x7f\\:]/ : /[\x00-\x1f\x7f\\]/;
  return !odd.test(path) && parts.every((part) => part !== "" && part !== "." && part !== "..");
}

function isPart(text: string): boolean {
  return /^[A-Za-z0-9_]([\w.-]*[A-Za-z0-9_])?$/.test(text) && !/--|\.\./.test(text) &&
    !text.endsWith(".git") &&
    text.length <= 96;
}

function isRevision(text: string): boolean {
  return text.split("/").every((part) =>
    /^[\w+=,-][\w.+=,-]*$/.test(part) && !part.includes("..") && !part.endsWith(".lock")
  );
}
