/**
 * Requests to a hub: addresses, token, redirects, and what its refusals mean in one line.
 *
 * Addresses and headers as huggingface_hub 2.4.0 has them (hf_api.py, file_download.py, utils/_http.py).
 */
import { z } from "zod";
import { UserError } from "../error.ts";
import type { HubFile } from "./cache.ts";
import { type HubName, hubText, isCommit, isSafePath, revisionOf } from "./name.ts";
import type { HubSettings } from "./settings.ts";

/** What asking a hub needs of the world. */
export interface HubContext {
  readonly settings: HubSettings;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** Resolves after so many milliseconds, at once when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  /** A line for people. */
  readonly log: (line: string) => void;
  /** Bytes free where a folder is or would be; undefined where that is not known. */
  readonly freeBytes?: (folder: string) => number | undefined;
  /** A connection that is silent for so many milliseconds counts as lost; default 30,000. */
  readonly stallMs?: number;
}

/** An answer, its redirects followed. */
export interface Answer {
  readonly response: Response;
  /** Of the hub itself, before any redirect, the content's hash: X-Linked-Etag, else ETag; without quotes. */
  readonly etag?: string;
}

/** Why a request came to nothing that may come to something later. */
export interface Failure {
  readonly state: string;
  /** How long the hub wants to be left alone. */
  readonly afterMs?: number;
}

/** The files of a repository at a commit. */
export interface Listing {
  readonly commit: string;
  readonly files: readonly HubFile[];
  /** Whether `files` are all there are. */
  readonly whole: boolean;
}

const MAX_REDIRECTS = 10;
const LISTING_TRIES = 3;
const STALL_MS = 30_000;
const MAX_AFTER_MS = 60_000;

const Info = z.object({
  sha: z.string().regex(/^[0-9a-f]{40}$/),
  siblings: z.array(z.object({
    rfilename: z.string(),
    size: z.int().min(0).nullish(),
    blobId: z.string().regex(/^[0-9a-f]{40}$/).nullish(),
    lfs: z.object({ size: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }).nullish(),
  })),
});

/**
 * The commit that a name's revision is now, and its files.
 *
 * @throws {UserError} when there is none, it is not to be seen, or the hub cannot be reached.
 */
export async function listFiles(name: HubName, hub: HubContext): Promise<Listing> {
  const { endpoint } = hub.settings;
  const revision = encodeURIComponent(revisionOf(name));
  const url = `${endpoint}/api/${name.kind}/${name.repo}/revision/${revision}?blobs=true`;
  let failure: Failure | undefined;
  for (let tries = 1; tries <= LISTING_TRIES; tries++) {
    if (failure !== undefined) await hub.sleep(pauseMs(tries - 1, failure), hub.signal);
    const result = await readJson(url, name, hub);
    if (!("state" in result)) return listingOf(result.json, name, hub);
    failure = result;
  }
  throw new UserError(`Cannot fetch ${hubText(name)}: ${failure?.state}, wanted ${endpoint} to answer`);
}

/** Address of a file's content. */
export function contentUrl(
  name: HubName,
  at: { readonly commit: string; readonly path: string },
  endpoint: string,
) {
  const prefix = name.kind === "datasets" ? "datasets/" : "";
  const path = at.path.split("/").map(encodeURIComponent).join("/");
  return `${endpoint}/${prefix}${name.repo}/resolve/${at.commit}/${path}`;
}

/** Milliseconds before another try, after so many failures in a row: 1, 2, 4 ... s, or what the hub asks for, a minute at most. */
export function pauseMs(failures: number, { afterMs }: Failure): number {
  return Math.min(MAX_AFTER_MS, afterMs ?? 1000 * 2 ** (failures - 1));
}

/** Time that a connection may be silent. */
export function stallMsOf({ stallMs = STALL_MS }: HubContext): number {
  return stallMs;
}

/**
 * One GET, redirects followed. The token goes to the endpoint's own origin and to no other: content lies with other hosts.
 *
 * @throws {UserError} for a refusal that another try will not change.
 */
export async function get(
  url: string,
  { name, hub, signal, headers = {} }: {
    readonly name: HubName;
    readonly hub: HubContext;
    readonly signal: AbortSignal;
    readonly headers?: Readonly<Record<string, string>>;
  },
): Promise<Answer | Failure> {
  const { endpoint, token } = hub.settings;
  const { origin } = new URL(endpoint);
  let etag: string | undefined;
  let at = new URL(url);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const own: Record<string, string> = token !== undefined && at.origin === origin
      ? { authorization: `Bearer ${token}` }
      : {};
    let response: Response;
    try {
      response = await hub.fetch(at.href, {
        headers: { "accept-encoding": "identity", ...headers, ...own },
        redirect: "manual",
        signal,
      });
    } catch (cause) {
      return failureOf(cause, at, hub);
    }
    if (at.origin === origin) etag ??= etagOf(response.headers);
    const next = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || response.status === 304 || next === null) {
      return await answerOf(response, { etag, at, name, hub });
    }
    await response.body?.cancel();
    at = redirected(at, next, name);
  }
  throw new UserError(
    `Cannot fetch ${hubText(name)}: ${url} leads in circles, wanted at most ${MAX_REDIRECTS} redirects`,
  );
}

/** A connection that was lost or never came about. @throws what was thrown when the user stopped it, or Deno refuses it. */
export function failureOf(cause: unknown, at: URL, { signal }: HubContext): Failure {
  signal.throwIfAborted();
  if (cause instanceof Deno.errors.NotCapable) {
    throw new UserError(`Cannot reach ${at.host}: this task may not, wanted "deno task fetch"`, { cause });
  }
  const { message } = cause as Error;
  return { state: `the connection to ${at.host} failed (${oneLine(message)})` };
}

function redirected(from: URL, location: string, name: HubName): URL {
  const to = URL.parse(location, from);
  const state = to === null || !/^https?:$/.test(to.protocol)
    ? `${from.host} leads to ${JSON.stringify(oneLine(location))}`
    : from.protocol === "https:" && to.protocol === "http:"
    ? `${from.host} leads to ${to.host} without encryption`
    : undefined;
  if (to !== null && state === undefined) return to;
  throw new UserError(`Cannot fetch ${hubText(name)}: ${state}, wanted an https address`);
}

function etagOf(headers: Headers): string | undefined {
  const text = headers.get("x-linked-etag") ?? headers.get("etag") ?? undefined;
  return text?.replace(/^W\//, "").replaceAll('"', "");
}

interface Place {
  readonly etag: string | undefined;
  readonly at: URL;
  readonly name: HubName;
  readonly hub: HubContext;
}

async function answerOf(response: Response, { etag, at, name, hub }: Place): Promise<Answer | Failure> {
  const { status, headers } = response;
  if (response.ok || status === 416) return { response, ...(etag === undefined ? {} : { etag }) };
  await response.body?.cancel();
  if (status >= 500 || status === 408 || status === 429) {
    const after = Number(headers.get("retry-after") ?? NaN);
    return { state: `${at.host} answers ${status}`, ...(after >= 0 ? { afterMs: after * 1000 } : {}) };
  }
  const [state, wanted] = refusalOf(status, headers, { name, hub });
  throw new UserError(`Cannot fetch ${hubText(name)}: ${state}, wanted ${wanted}`);
}

/** What a status means, and what to do. A hub hides what may not be seen: 401 and 404 may both mean "private". */
function refusalOf(
  status: number,
  headers: Headers,
  { name, hub: { settings } }: Pick<Place, "name" | "hub">,
): [string, string] {
  const code = headers.get("x-error-code");
  const said = oneLine(headers.get("x-error-message") ?? "");
  const page = `${settings.endpoint}/${name.kind === "datasets" ? "datasets/" : ""}${name.repo}`;
  const what = name.kind === "models" ? "model" : "data set";
  const token = settings.token === undefined ? "none was sent" : "the one sent has none";
  if (code === "GatedRepo") {
    return [
      `the ${what} is gated (${status})`,
      `leave asked for at ${page} and a token that has it in HF_TOKEN (${token})`,
    ];
  }
  if (code === "RevisionNotFound") {
    return [
      `it has no revision ${JSON.stringify(revisionOf(name))} (${status})`,
      "a branch, a tag or a commit",
    ];
  }
  if (code === "EntryNotFound") return [`a file of it is not there (${status})`, "it to be as it was listed"];
  if (status === 401 && settings.token !== undefined && code !== "RepoNotFound") {
    return ["the hub does not take the token (401)", "a valid one in HF_TOKEN"];
  }
  if (status === 401 || status === 403 || status === 404) {
    return [
      `${settings.endpoint} shows no such ${what} (${status})`,
      `another name, or for a private one a token with access in HF_TOKEN (${token})`,
    ];
  }
  return [`the hub answers ${status}${said === "" ? "" : ` (${said})`}`, "its content"];
}

async function readJson(
  url: string,
  name: HubName,
  hub: HubContext,
): Promise<{ readonly json: unknown } | Failure> {
  const signal = AbortSignal.any([hub.signal, AbortSignal.timeout(stallMsOf(hub))]);
  const answer = await get(url, { name, hub, signal });
  if ("state" in answer) return answer;
  try {
    return { json: await answer.response.json() };
  } catch (cause) {
    if (cause instanceof SyntaxError) return { state: `${new URL(url).host} answers no JSON` };
    return failureOf(cause, new URL(url), hub);
  }
}

function listingOf(json: unknown, name: HubName, { settings }: HubContext): Listing {
  const { data } = Info.safeParse(json);
  if (data === undefined) {
    throw new UserError(
      `Cannot fetch ${
        hubText(name)
      }: ${settings.endpoint} lists no files with sizes and hashes, wanted a hub`,
    );
  }
  const revision = revisionOf(name);
  if (isCommit(revision) && data.sha !== revision) {
    throw new UserError(
      `Cannot fetch ${hubText(name)}: the hub answers with commit ${data.sha}, wanted ${revision}`,
    );
  }
  const files = data.siblings.flatMap(({ rfilename: path, size, blobId, lfs }): HubFile[] => {
    const bytes = lfs?.size ?? size ?? undefined;
    if (!isSafePath(path) || !blobId || bytes === undefined) return [];
    return [{ path, size: bytes, blobId, ...(lfs ? { sha256: lfs.sha256 } : {}) }];
  });
  return { commit: data.sha, files, whole: files.length === data.siblings.length };
}

/** What a server said, fit to be printed. */
function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim().slice(0, 200);
}
