/**
 * One cache with Python's huggingface_hub: beside what it made (goldens/hub_cache.json), and, where PLUMBLINE_PYTHON names an
 * interpreter that has it (or python3 does), on the same folder in turn.
 */
import { assert, assertEquals } from "@std/assert";
import type { HubContext } from "../../../core/hub/client.ts";
import { fetchFiles, planFetch } from "../../../core/hub/fetch.ts";
import { locateHub } from "../../../core/hub/locate.ts";
import { parseHubName } from "../../../core/hub/name.ts";
import { DEMO_COMMIT, demoRepos, type StandInHub, startHub } from "./stand_in_hub.ts";

type Entry = { readonly link: string } | { readonly text: string } | { readonly size: number };

const golden: Readonly<Record<string, Readonly<Record<string, Entry>>>> = JSON.parse(
  Deno.readTextFileSync(new URL("../../goldens/hub_cache.json", import.meta.url)),
).repos;

const NAMES = ["hf:demo/planted", "hf:datasets/demo/fables"];
const PYTHON = Deno.env.get("PLUMBLINE_PYTHON") ?? "python3";

async function fetchAll(server: StandInHub, cache: string): Promise<void> {
  const hub: HubContext = {
    settings: { endpoint: server.url, cache, offline: false },
    fetch: (url, init) => fetch(url, init),
    sleep: () => Promise.resolve(),
    signal: new AbortController().signal,
    log: () => {},
  };
  for (const name of NAMES) await fetchFiles(await planFetch(parseHubName(name), hub), hub);
}

/** As make_hub_cache.py tells a folder. */
function entries(folder: string, below = ""): Record<string, Entry> {
  return Object.assign(
    {},
    ...[...Deno.readDirSync(`${folder}/${below}`)].map(({ name, isDirectory, isSymlink }) => {
      const path = `${below}${name}`;
      if (isDirectory) return entries(folder, `${path}/`);
      if (isSymlink) return { [path]: { link: Deno.readLinkSync(`${folder}/${path}`) } };
      return /^(refs|trees)\//.test(path)
        ? { [path]: { text: Deno.readTextFileSync(`${folder}/${path}`) } }
        : { [path]: { size: Deno.statSync(`${folder}/${path}`).size } };
    }),
  );
}

async function inCache(work: (server: StandInHub, cache: string) => Promise<void>): Promise<void> {
  const cache = await Deno.makeTempDir({ prefix: "plumb hub " });
  await using server = startHub(demoRepos());
  try {
    await work(server, cache);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

/** What a program prints, as JSON. */
async function python(program: string, args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await new Deno.Command(PYTHON, {
    args: ["-c", program, ...args],
    env: { HF_HUB_DISABLE_XET: "1", HF_HUB_DISABLE_TELEMETRY: "1", HF_HUB_DISABLE_PROGRESS_BARS: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

function hasPython(): boolean {
  try {
    return new Deno.Command(PYTHON, { args: ["-c", "import huggingface_hub"] }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test("the cache holds what huggingface_hub's does after the same downloads: blobs, links, refs and lists", () =>
  inCache(async (server, cache) => {
    await fetchAll(server, cache);
    for (const [repo, wanted] of Object.entries(golden)) {
      const given = entries(`${cache}/${repo}`);
      const lists = (all: Readonly<Record<string, Entry>>) =>
        Object.entries(all).map(([path, entry]) =>
          path.startsWith("trees/") && "text" in entry ? [path, JSON.parse(entry.text)] : [path, entry]
        ).sort();
      assertEquals(lists(given), lists(wanted));
    }
  }));

Deno.test({
  name: "huggingface_hub takes what was fetched for its own, without a network and without a warning",
  ignore: !hasPython(),
  fn: () =>
    inCache(async (server, cache) => {
      await fetchAll(server, cache);
      const asked = server.asked.length;
      const program = `
import json, sys
from huggingface_hub import scan_cache_dir, try_to_load_from_cache, snapshot_download, hf_hub_download
cache, endpoint = sys.argv[1:]
info = scan_cache_dir(cache)
files = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
print(json.dumps({
  "warnings": [str(warning) for warning in info.warnings],
  "repos": sorted([repo.repo_type, repo.repo_id, sorted(repo.refs), repo.nb_files] for repo in info.repos),
  "found": [isinstance(try_to_load_from_cache("demo/planted", name, cache_dir=cache), str) for name in files],
  "snapshot": snapshot_download("demo/planted", cache_dir=cache, local_files_only=True, allow_patterns=files),
  "data": snapshot_download("demo/fables", repo_type="dataset", cache_dir=cache, local_files_only=True, allow_patterns="data/*"),
  "online": hf_hub_download("demo/planted", "model.safetensors", cache_dir=cache, endpoint=endpoint, token=False),
}))`;
      const { online, ...result } = await python(program, [cache, server.url]) as Record<string, unknown>;
      const snapshot = `${cache}/models--demo--planted/snapshots/${DEMO_COMMIT}`;
      assertEquals(result, {
        warnings: [],
        repos: [["dataset", "demo/fables", ["main"], 6], ["model", "demo/planted", ["main"], 5]],
        found: [true, true, true, true, true],
        snapshot,
        data: `${cache}/datasets--demo--fables/snapshots/${DEMO_COMMIT}`,
      });
      assertEquals(online, `${snapshot}/model.safetensors`);
      const after = server.asked.slice(asked);
      assert(
        after.length > 0 && after.every(({ method, sent }) => method === "HEAD" && sent === 0),
        "asked, not sent",
      );
    }),
});

Deno.test({
  name: "what huggingface_hub downloaded is found and not received again",
  ignore: !hasPython(),
  fn: () =>
    inCache(async (server, cache) => {
      const program = `
import json, sys
from huggingface_hub import hf_hub_download
cache, endpoint = sys.argv[1:]
for name in ["config.json", "model.safetensors", "tokenizer.json"]:
    hf_hub_download("demo/planted", name, cache_dir=cache, endpoint=endpoint, token=False)
print(json.dumps(True))`;
      await python(program, [cache, server.url]);
      const options = { cache, kind: "models", command: "fetch" } as const;
      assertEquals(locateHub(NAMES[0]!, options).listed, false);
      const before = server.asked.length;
      await fetchAll(server, cache);
      const received = server.asked.slice(before).filter(({ sent }) => sent > 0).map(({ path }) => path);
      assertEquals(
        received.filter((path) => !path.startsWith("/datasets")).map((path) => path.split("/").at(-1)),
        [
          "generation_config.json",
          "tokenizer_config.json",
        ],
      );
      assertEquals(locateHub(NAMES[0]!, options).listed, true);
    }),
});
