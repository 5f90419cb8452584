/**
 * A hub on loopback: the API, the contents with ETag, X-Linked-Etag, X-Linked-Size, X-Repo-Commit and ranges, and a second origin
 * where large files lie, to which the hub redirects. It keeps what it was asked for, and can be told to misbehave.
 *
 * Run as a script it serves the fables model as demo/planted, for goldens/make_hub_cache.py.
 */
import { createHash } from "node:crypto";

export interface StandInFile {
  bytes: Uint8Array<ArrayBuffer>;
  /** Whether it is a large file: named by its sha256 and kept at the second origin. */
  readonly large?: boolean;
}

export interface StandInRepo {
  /** Commits by branch or tag. */
  readonly refs: Record<string, string>;
  /** Files by path, by commit. */
  readonly commits: Record<string, Record<string, StandInFile>>;
  /** Whether only ACCESS opens it, and how the hub refuses. */
  readonly closed?: "gated" | "private";
}

export interface Asked {
  readonly origin: "hub" | "content";
  readonly method: string;
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
  /** Bytes of the body that went out. */
  sent: number;
}

/** How contents are sent from now on; each absent for as it should be. */
export interface Faults {
  /** Ends the connection after so many bytes of a body, this many times. */
  cut?: { readonly after: number; times: number };
  /** Sends everything whatever range is asked for. */
  ignoreRange?: boolean;
  /** Sends from another place than asked for, and says so. */
  shiftRange?: number;
  /** Sends other bytes of the same length. */
  swap?: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  /** Says this of the content in X-Linked-Etag, where a part is asked for. */
  etag?: string;
  /** Answers with this status, so many times. */
  status?: { readonly code: number; times: number };
  /** Milliseconds between pieces of 64 KiB. */
  delayMs?: number;
  /** Is silent after so many bytes. */
  silentAfter?: number;
}

/** The one token that the hub knows. */
export const ACCESS = "hf_let_me_in";

export interface StandInHub extends AsyncDisposable {
  readonly url: string;
  readonly asked: Asked[];
  faults: Faults;
  /** Bodies of contents that went out, in bytes. */
  sent(): number;
}

const PIECE = 64 << 10;

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** git's id of a file's content. */
export function gitId(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

function noteOf({ bytes }: StandInFile): Uint8Array {
  return new TextEncoder().encode(
    `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256Of(bytes)}\nsize ${bytes.length}\n`,
  );
}

export function etagOf(file: StandInFile): string {
  return file.large ? sha256Of(file.bytes) : gitId(file.bytes);
}

/** @param repos by kind and name: "models/org/name". */
export function startHub(repos: Readonly<Record<string, StandInRepo>>, port = 0): StandInHub {
  const asked: Asked[] = [];
  const hub: { faults: Faults } = { faults: {} };
  const note = (origin: Asked["origin"], request: Request): Asked => {
    const entry: Asked = {
      origin,
      method: request.method,
      path: new URL(request.url).pathname,
      range: request.headers.get("range"),
      authorization: request.headers.get("authorization"),
      sent: 0,
    };
    asked.push(entry);
    return entry;
  };
  const stop = new AbortController();
  const serve = (handler: (request: Request) => Response, on = 0) =>
    Deno.serve({
      port: on,
      hostname: "127.0.0.1",
      onListen() {},
      onError: () => new Response(null, { status: 500 }),
      signal: stop.signal,
    }, handler);

  const content = serve((request) => {
    const entry = note("content", request);
    const wanted = entry.path.slice(1);
    const files = Object.values(repos).flatMap(({ commits }) =>
      Object.values(commits).flatMap(Object.values)
    );
    const file = files.find((each) => sha256Of(each.bytes) === wanted);
    if (file === undefined) return new Response(null, { status: 404 });
    return send(file.bytes, entry, hub.faults, { etag: '"of-the-content-host"' });
  });
  const main = serve((request) => {
    const entry = note("hub", request);
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/api/")) return api(pathname, entry, repos);
    const [, prefix = "", repo = "", commit = "", path = ""] =
      /^\/(datasets\/)?([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/.exec(pathname) ?? [];
    const kind = prefix === "" ? "models" : "datasets";
    const found = repos[`${kind}/${repo}`];
    const refused = refusalOf(found, entry);
    if (found === undefined || refused) return refused!;
    const file = found.commits[found.refs[commit] ?? commit]?.[decodeURIComponent(path)];
    if (file === undefined) return refusal(404, "EntryNotFound");
    const sha = found.refs[commit] ?? commit;
    const etag = entry.range !== null && hub.faults.etag || etagOf(file);
    if (!file.large) return send(file.bytes, entry, hub.faults, { etag: `"${etag}"`, "x-repo-commit": sha });
    return new Response(null, {
      status: 302,
      headers: {
        location: `http://localhost:${content.addr.port}/${sha256Of(file.bytes)}`,
        etag: '"of-the-redirect"',
        "x-linked-etag": `"${etag}"`,
        "x-linked-size": String(file.bytes.length),
        "x-repo-commit": sha,
      },
    });
  }, port);
  return {
    url: `http://127.0.0.1:${main.addr.port}`,
    asked,
    get faults() {
      return hub.faults;
    },
    set faults(faults) {
      hub.faults = faults;
    },
    sent: () => asked.reduce((sum, { sent }) => sum + sent, 0),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([main.finished, content.finished]);
    },
  };
}

function refusal(status: number, code?: string): Response {
  return new Response(null, { status, headers: code === undefined ? {} : { "x-error-code": code } });
}

function refusalOf(repo: StandInRepo | undefined, { authorization }: Asked): Response | undefined {
  const known = authorization === `Bearer ${ACCESS}`;
  if (repo?.closed === "gated" && !known) return refusal(authorization === null ? 401 : 403, "GatedRepo");
  if (authorization !== null && !known) return refusal(401);
  // A hub does not say whether what may not be seen is there.
  if (repo === undefined || (repo.closed === "private" && !known)) {
    return refusal(known ? 404 : 401, "RepoNotFound");
  }
  return undefined;
}

function api(pathname: string, entry: Asked, repos: Readonly<Record<string, StandInRepo>>): Response {
  const [, key = "", kind, revision = ""] =
    /^\/api\/([a-z]+\/[^/]+\/[^/]+)\/(revision|tree)\/([^/]+)$/.exec(pathname) ?? [];
  const repo = repos[key];
  const refused = refusalOf(repo, entry);
  if (repo === undefined || refused) return refused!;
  const asked = decodeURIComponent(revision);
  const commit = repo.refs[asked] ?? asked;
  const files = repo.commits[commit];
  if (files === undefined) return refusal(404, "RevisionNotFound");
  const rows = Object.entries(files).map(([path, file]) => {
    const size = file.bytes.length;
    if (!file.large) return { path, size, oid: gitId(file.bytes) };
    const note = noteOf(file);
    return {
      path,
      size,
      oid: gitId(note),
      lfs: { oid: sha256Of(file.bytes), size, pointerSize: note.length },
    };
  });
  if (kind === "tree") return Response.json(rows.map((row) => ({ type: "file", ...row })));
  return Response.json({
    id: key.slice(key.indexOf("/") + 1),
    sha: commit,
    siblings: rows.map(({ path, size, oid, lfs }) => ({
      rfilename: path,
      size,
      blobId: oid,
      ...(lfs ? { lfs: { sha256: lfs.oid, size, pointerSize: lfs.pointerSize } } : {}),
    })),
  });
}

function send(
  right: Uint8Array<ArrayBuffer>,
  entry: Asked,
  faults: Faults,
  headers: Readonly<Record<string, string>>,
): Response {
  if (entry.method === "HEAD") {
    return new Response(null, { headers: { ...headers, "content-length": String(right.length) } });
  }
  if (faults.status && faults.status.times-- > 0) return new Response(null, { status: faults.status.code });
  const bytes = faults.swap?.(right) ?? right;
  const asked = /^bytes=(\d+)-$/.exec(entry.range ?? "")?.[1];
  const start = asked === undefined || faults.ignoreRange ? 0 : Number(asked) + (faults.shiftRange ?? 0);
  if (start >= bytes.length && start > 0) return new Response(null, { status: 416 });
  const cut = faults.cut && faults.cut.times-- > 0 ? faults.cut.after : Infinity;
  const partial = asked !== undefined && !faults.ignoreRange;
  return new Response(bodyOf(bytes.subarray(start), entry, { ...faults, cut }), {
    status: partial ? 206 : 200,
    headers: {
      ...headers,
      "content-length": String(bytes.length - start),
      "accept-ranges": "bytes",
      ...(partial ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {}),
    },
  });
}

function bodyOf(
  bytes: Uint8Array<ArrayBuffer>,
  entry: Asked,
  { cut, delayMs = 0, silentAfter = Infinity }: Omit<Faults, "cut"> & { readonly cut: number },
): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      if (at >= silentAfter) return await new Promise<void>((end) => setTimeout(end, 5000));
      if (delayMs > 0) await new Promise((end) => setTimeout(end, delayMs));
      if (at >= cut) return controller.error(new Error("cut"));
      const piece = bytes.slice(at, Math.min(at + PIECE, cut));
      if (piece.length > 0) controller.enqueue(piece);
      at += piece.length;
      entry.sent += piece.length;
      if (at >= bytes.length) controller.close();
    },
  }, { highWaterMark: 0 });
}

const FABLES = new URL("../../../fixtures/fables/", import.meta.url).pathname;
export const DEMO_COMMIT = "d".repeat(40);

/** The fables model as a hub would have it, and its data; with files that are of no use to an evaluation. */
export function demoRepos(): Record<string, StandInRepo> {
  const read = (name: string): StandInFile => ({ bytes: Deno.readFileSync(FABLES + name) });
  const text = (content: string): StandInFile => ({ bytes: new TextEncoder().encode(content) });
  const model = {
    ".gitattributes": text("*.safetensors filter=lfs\n"),
    "README.md": text("# Planted\n"),
    "config.json": read("config.json"),
    "generation_config.json": text('{"_from_model_config": true}\n'),
    "model.safetensors": { ...read("model.safetensors"), large: true },
    "onnx/model.onnx": { bytes: new Uint8Array(4096), large: true },
    "pytorch_model.bin": { bytes: new Uint8Array(2048), large: true },
    "tokenizer.json": read("tokenizer.json"),
    "tokenizer_config.json": read("tokenizer_config.json"),
  };
  const topics = ["festival", "food", "opposites", "sport", "work"];
  const data = {
    "README.md": text("# Fables, CC0-1.0\n"),
    "loader.py": text("raise SystemExit\n"),
    ...Object.fromEntries(
      topics.map((topic) => [`data/fables_${topic}.jsonl`, read(`data/fables_${topic}.jsonl`)]),
    ),
  };
  return {
    "models/demo/planted": { refs: { main: DEMO_COMMIT }, commits: { [DEMO_COMMIT]: model } },
    "datasets/demo/fables": { refs: { main: DEMO_COMMIT }, commits: { [DEMO_COMMIT]: data } },
  };
}

if (import.meta.main) console.log(startHub(demoRepos(), 8765).url);
