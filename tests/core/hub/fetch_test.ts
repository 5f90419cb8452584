/** Fetching beside a hub on loopback that redirects, cuts, lies and refuses. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../../core/error.ts";
import { commitOf, repoFolder } from "../../../core/hub/cache.ts";
import type { HubContext } from "../../../core/hub/client.ts";
import { fetchFiles, type FetchProgress, planFetch } from "../../../core/hub/fetch.ts";
import { locateHub } from "../../../core/hub/locate.ts";
import { parseHubName } from "../../../core/hub/name.ts";
import {
  ACCESS,
  sha256Of,
  type StandInFile,
  type StandInHub,
  type StandInRepo,
  startHub,
} from "./stand_in_hub.ts";

const [ONE, TWO] = ["1".repeat(40), "2".repeat(40)];
const BYTES = 3_000_000;
const NAME = "hf:org/model";

/** Bytes without a pattern, so that a shifted or repeated part is seen. */
function noise(length: number, seed: number): Uint8Array<ArrayBuffer> {
  let state = seed >>> 0;
  return Uint8Array.from({ length }, () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 >>> 0;
    return state >>> 24;
  });
}

const text = (content: string): StandInFile => ({ bytes: new TextEncoder().encode(content) });
const weights = (seed: number): StandInFile => ({ bytes: noise(BYTES, seed), large: true });

function repo(change: Partial<StandInRepo> = {}, file = weights(1)): StandInRepo {
  const files = { "config.json": text("{}"), "model.safetensors": file, "tokenizer.json": text("[]") };
  return { refs: { main: ONE }, commits: { [ONE]: files }, ...change };
}

interface World {
  readonly server: StandInHub;
  readonly cache: string;
  readonly log: string[];
  /** Pauses between tries that were asked for, ms. */
  readonly pauses: number[];
  hub(change?: Partial<HubContext>, settings?: Partial<HubContext["settings"]>): HubContext;
  fetch(name?: string, hub?: HubContext, onProgress?: (progress: FetchProgress) => void): Promise<string>;
  blob(file: StandInFile): string;
}

async function inWorld(
  repos: Readonly<Record<string, StandInRepo>>,
  work: (world: World) => Promise<void>,
): Promise<void> {
  const cache = await Deno.makeTempDir({ prefix: "plumb hub " });
  await using server = startHub(repos);
  const log: string[] = [];
  const pauses: number[] = [];
  const hub: World["hub"] = (change = {}, settings = {}) => ({
    settings: { endpoint: server.url, cache, offline: false, ...settings },
    fetch: (url, init) => fetch(url, init),
    // Real time only for the polls of a lock.
    sleep: async (milliseconds, signal) => {
      pauses.push(milliseconds);
      if (!signal.aborted) await new Promise((done) => setTimeout(done, milliseconds === 500 ? 20 : 0));
    },
    signal: new AbortController().signal,
    log: (line) => log.push(line),
    ...change,
  });
  try {
    await work({
      server,
      cache,
      log,
      pauses,
      hub,
      async fetch(name = NAME, context = hub(), onProgress) {
        const plan = await planFetch(parseHubName(name), context);
        return (await fetchFiles(plan, context, onProgress)).path;
      },
      blob: (file) => `${cache}/models--org--model/blobs/${sha256Of(file.bytes)}`,
    });
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

async function refusal(work: () => Promise<unknown>): Promise<string> {
  const { message } = await assertRejects(work, UserError) as UserError;
  assert(!message.includes("\n") && /^Cannot .*, wanted .*[^.]$/.test(message), message);
  return message;
}

const contents = (server: StandInHub) => server.asked.filter(({ path }) => path.includes("/resolve/"));

Deno.test("fetching makes blobs, relative links, a ref and a list, and a second time receives nothing", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, cache, server }) => {
    const path = await fetch();
    const folder = `${cache}/models--org--model`;
    assertEquals(path, `${folder}/snapshots/${ONE}`);
    assertEquals(Deno.readTextFileSync(`${folder}/refs/main`), ONE);
    const link = Deno.readLinkSync(`${path}/model.safetensors`);
    assertEquals(link, `../../blobs/${sha256Of(weights(1).bytes)}`);
    assertEquals(Deno.readFileSync(`${path}/model.safetensors`), weights(1).bytes);
    // git hash-object of "{}".
    assertEquals(
      Deno.readLinkSync(`${path}/config.json`),
      "../../blobs/9e26dfeeb6e641a33dae4961196235bdb965b21b",
    );
    assertEquals([...Deno.readDirSync(`${folder}/blobs`)].length, 3, "no part is left");
    const before = contents(server).length;
    assertEquals(await fetch(), path);
    assertEquals(contents(server).length, before);
  }));

Deno.test("the token goes to the hub and to no other origin", () =>
  inWorld({ "models/org/model": repo({ closed: "gated" }) }, async ({ fetch, hub, server }) => {
    await fetch(NAME, hub({}, { token: ACCESS }));
    const [own, other] = [true, false].map((own) =>
      server.asked.filter(({ origin }) => (origin === "hub") === own)
    );
    assert(other!.length > 0 && other!.every(({ authorization }) => authorization === null));
    assert(own!.every(({ authorization }) => authorization === `Bearer ${ACCESS}`));
  }));

Deno.test("a connection that is cut goes on at the byte where it ended, and each byte is received once", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, hub, server, log, pauses }) => {
    server.faults = { cut: { after: 700_000, times: 4 } };
    let received = 0;
    const path = await fetch(NAME, hub(), (progress) => received = progress.received);
    assertEquals(Deno.readFileSync(`${path}/model.safetensors`), weights(1).bytes);
    assertEquals(received, BYTES + 4);
    const ranges = server.asked.filter(({ origin }) => origin === "content").map(({ range }) => range);
    assert(ranges.length > 1 && ranges[0] === null);
    assert(
      ranges.slice(1).every((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]) > 0),
      ranges.join(),
    );
    assert(log.every((line) => line.startsWith("Note: the connection to ")), log.join("\n"));
    assert(pauses.every((ms) => ms >= 1000));
  }));

Deno.test("a fetch that is stopped keeps what came, and the next goes on there with the progress of both", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, hub, server, blob }) => {
    server.faults = { delayMs: 1 };
    const stop = new AbortController();
    const stopped = fetch(NAME, hub({ signal: stop.signal }), ({ done }) => {
      if (done > BYTES / 3) stop.abort();
    });
    await assertRejects(() => stopped, DOMException);
    const { size } = Deno.statSync(`${blob(weights(1))}.incomplete`);
    assert(size > BYTES / 3 && size < BYTES);
    server.asked.length = 0;
    server.faults = {};
    const seen: FetchProgress[] = [];
    await fetch(NAME, hub(), (progress) => void seen.push(progress));
    assertEquals(server.asked.find(({ origin }) => origin === "content")?.range, `bytes=${size}-`);
    assertEquals(server.sent(), BYTES - size + 2, "the rest and tokenizer.json");
    const { done, total, received } = seen.at(-1)!;
    assertEquals([done, total, received], [BYTES + 4, BYTES + 4, BYTES - size + 2]);
  }));

Deno.test("a server that ignores ranges or answers another range makes it begin anew, and the file comes out right", async () => {
  for (
    const faults of [{ ignoreRange: true }, { shiftRange: 5 }, { shiftRange: -5 }, { etag: "f".repeat(64) }]
  ) {
    await inWorld({ "models/org/model": repo() }, async ({ fetch, server }) => {
      server.faults = { ...faults, cut: { after: 1_500_000, times: 3 } };
      const path = await fetch();
      assertEquals(Deno.readFileSync(`${path}/model.safetensors`), weights(1).bytes, JSON.stringify(faults));
      assert(server.sent() > BYTES, "some was sent twice");
    });
  }
});

Deno.test("what an earlier run left is thrown away when the whole has another hash, and received anew", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, server, blob }) => {
    const part = `${blob(weights(1))}.incomplete`;
    for (const left of [noise(1000, 9), noise(BYTES, 9), noise(BYTES + 7, 9)]) {
      await Deno.mkdir(part.slice(0, part.lastIndexOf("/")), { recursive: true });
      await Deno.writeFile(part, left);
      const path = await fetch();
      assertEquals(Deno.readFileSync(`${path}/model.safetensors`), weights(1).bytes);
      await Deno.remove(`${path}/model.safetensors`);
      await Deno.remove(blob(weights(1)));
    }
    assert(server.sent() >= 3 * BYTES);
    // All of it was there but for its name: nothing is asked for.
    await Deno.writeFile(part, weights(1).bytes);
    const before = contents(server).length;
    await fetch();
    assertEquals(contents(server).length, before);
  }));

Deno.test("content that is not what the hub lists is refused, and nothing of it stays", async () => {
  const swaps: ((bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>)[] = [
    (bytes) => bytes.map((byte, i) => i === bytes.length - 1 ? byte ^ 1 : byte),
    (bytes) => new Uint8Array([...bytes.subarray(0, 100_000), ...bytes]),
  ];
  for (const swap of swaps) {
    await inWorld({ "models/org/model": repo() }, async ({ fetch, server, cache }) => {
      server.faults = { swap };
      const message = await refusal(() => fetch());
      assertStringIncludes(message, "as the hub lists it");
      assertEquals([...Deno.readDirSync(`${cache}/models--org--model/blobs`)], []);
      assertEquals(commitOf(`${cache}/models--org--model`, "main"), undefined);
    });
  }
});

Deno.test("a server that fails is asked a few times with growing pauses, and no more", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, server, pauses, hub }) => {
    server.faults = { status: { code: 503, times: 2 } };
    await fetch();
    assertEquals(pauses, [1000, 2000]);
    pauses.length = 0;
    server.faults = { status: { code: 500, times: Infinity } };
    const other = await Deno.makeTempDir();
    const message = await refusal(() => fetch(NAME, hub({}, { cache: other })));
    await Deno.remove(other, { recursive: true });
    assertStringIncludes(message, "answers 500, wanted config.json; the same command goes on at byte 0");
    assertEquals(pauses, [1000, 2000, 4000, 8000, 16000]);
  }));

Deno.test("a connection that falls silent counts as lost", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, server, hub, log }) => {
    server.faults = { silentAfter: 100_000 };
    const heal = (line: string) => {
      log.push(line);
      server.faults = {};
    };
    await fetch(NAME, hub({ stallMs: 200, log: heal }));
    assert(log.length === 1 && log[0]!.includes("silent for too long"), log.join("\n"));
  }));

Deno.test("a hub that cannot be reached is said in one line", () =>
  inWorld({}, async ({ fetch, hub, pauses }) => {
    const message = await refusal(() => fetch(NAME, hub({}, { endpoint: "http://127.0.0.1:9" })));
    assertStringIncludes(message, "the connection to 127.0.0.1:9 failed");
    assertEquals(pauses, [1000, 2000]);
  }));

Deno.test("what may not be seen or is not there is one line that says HF_TOKEN or the name", () =>
  inWorld({
    "models/org/gated": repo({ closed: "gated" }),
    "models/org/private": repo({ closed: "private" }),
    "models/org/model": repo(),
  }, async ({ fetch, hub, server }) => {
    const token = (token: string) => hub({}, { token });
    const cases: [string, HubContext, string[]][] = [
      ["hf:org/gated", hub(), [
        "the model is gated (401)",
        `${server.url}/org/gated`,
        "HF_TOKEN (none was sent)",
      ]],
      ["hf:org/gated", token("hf_no"), ["the model is gated (403)", "HF_TOKEN (the one sent has none)"]],
      ["hf:org/private", hub(), ["shows no such model (401)", "another name", "HF_TOKEN (none was sent)"]],
      ["hf:org/none", token(ACCESS), ["shows no such model (404)", "HF_TOKEN (the one sent has none)"]],
      ["hf:datasets/org/none", hub(), ["shows no such data set (401)"]],
      ["hf:org/model", token("hf_no"), ["does not take the token (401)", "HF_TOKEN"]],
      ["hf:org/model@v9", hub(), ['it has no revision "v9" (404)', "a branch, a tag or a commit"]],
    ];
    for (const [name, context, words] of cases) {
      const message = await refusal(() => fetch(name, context));
      for (const word of words) assertStringIncludes(message, word);
      assertEquals(message.includes("hf_no"), false, "a token is never printed");
    }
    assertEquals(contents(server), []);
  }));

Deno.test("a redirect to no address or in circles is refused", () =>
  inWorld({}, async ({ fetch, hub }) => {
    const leading = (location: string) =>
      hub({ fetch: () => Promise.resolve(new Response(null, { status: 302, headers: { location } })) }, {
        endpoint: "https://hub.test",
      });
    assertStringIncludes(
      await refusal(() => fetch(NAME, leading("file:///etc/passwd"))),
      "wanted an https address",
    );
    assertStringIncludes(
      await refusal(() => fetch(NAME, leading("http://hub.test/x"))),
      "without encryption",
    );
    assertStringIncludes(await refusal(() => fetch(NAME, leading("/again"))), "leads in circles");
  }));

Deno.test("a branch that moves is fetched again: the same contents are not, and the old commit stays", async () => {
  const refs = { main: ONE };
  const moved = repo({ refs });
  const files = { ...moved.commits[ONE]!, "config.json": text('{"a": 1}') };
  await inWorld(
    { "models/org/model": { ...moved, commits: { ...moved.commits, [TWO]: files } } },
    async (world) => {
      const { fetch, cache, server } = world;
      const first = await fetch();
      refs.main = TWO;
      const before = server.sent();
      const second = await fetch();
      assertEquals(server.sent() - before, 8);
      assertEquals([first, second].map((path) => Deno.readTextFileSync(`${path}/config.json`)), [
        "{}",
        '{"a": 1}',
      ]);
      assertEquals(commitOf(repoFolder(cache, parseHubName(NAME)), "main"), TWO);
      // A commit whose files are all there asks nothing.
      const asked = server.asked.length;
      assertEquals(await fetch(`${NAME}@${ONE}`), first);
      assertEquals(server.asked.length, asked);
    },
  );
});

Deno.test("locateHub() finds what is whole without a network, and says what is missing and the command", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, cache, hub, blob }) => {
    const options = { cache, kind: "models", command: "deno task fetch" } as const;
    const message = () => refusal(() => Promise.resolve().then(() => locateHub(NAME, options)));
    assertEquals(
      await message(),
      `Cannot open ${NAME}: it is not in ${cache}, wanted it fetched first: deno task fetch ${NAME}`,
    );
    const path = await fetch();
    assertEquals(locateHub(NAME, options), { path, pinned: `${NAME}@${ONE}`, label: "model", listed: true });
    assertEquals(await fetch(NAME, hub({}, { offline: true, endpoint: "http://127.0.0.1:9" })), path);
    // Python before 2.4 keeps no list.
    await Deno.remove(`${cache}/models--org--model/trees`, { recursive: true });
    assertEquals(locateHub(NAME, options).listed, false);
    await fetch();
    await Deno.truncate(blob(weights(1)), 10);
    assertStringIncludes(await message(), "model.safetensors is not whole in");
    const offline = hub({}, { offline: true });
    assertStringIncludes(await refusal(() => fetch(NAME, offline)), "HF_HUB_OFFLINE is set");
    await fetch();
    assertEquals(locateHub(NAME, options).path, path);
    const data = await refusal(() =>
      Promise.resolve().then(() => locateHub(NAME, { ...options, kind: "datasets" }))
    );
    assertStringIncludes(data, "it names a model, wanted a data set");
  }));

Deno.test("paths that would leave the cache, and listings that are none, are not followed", async () => {
  const files = { ...repo().commits[ONE]!, "../../../../escaped.json": text("x"), "/abs.json": text("x") };
  await inWorld({
    "datasets/org/model": { refs: { main: ONE }, commits: { [ONE]: { ...files, "a.json": text("1") } } },
  }, async (world) => {
    const path = await world.fetch("hf:datasets/org/model");
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), [
      "a.json",
      "config.json",
      "tokenizer.json",
    ]);
    const answering = (body: unknown) => world.hub({ fetch: () => Promise.resolve(Response.json(body)) });
    for (const body of [{}, [], { sha: "../x", siblings: [] }, { sha: ONE, siblings: [{ rfilename: 3 }] }]) {
      assertStringIncludes(await refusal(() => world.fetch(NAME, answering(body))), "lists no files");
    }
    const other = answering({ sha: TWO, siblings: [] });
    assertStringIncludes(
      await refusal(() => world.fetch(`${NAME}@${ONE}`, other)),
      `commit ${TWO}, wanted ${ONE}`,
    );
  });
});

Deno.test("two fetches at once receive a file once, and a full disk is told before", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, server, hub, log }) => {
    const full = await refusal(() => fetch(NAME, hub({ freeBytes: () => BYTES })));
    assertStringIncludes(full, `it needs ${BYTES + 4} bytes and ${BYTES} are free`);
    server.faults = { delayMs: 2 };
    const paths = await Promise.all([fetch(), fetch()]);
    assertEquals(paths[0], paths[1]);
    assertEquals(server.sent(), BYTES + 4);
    assert(log.some((line) => line.includes("Another program is downloading")), log.join("\n"));
  }));

Deno.test("an index is read first: its shards are taken, and one .gguf file is taken alone", () => {
  const shards = [1, 2].map((i) => `model-0000${i}-of-00002.safetensors`);
  const files = {
    "config.json": text("{}"),
    "consolidated.safetensors": weights(5),
    [shards[0]!]: weights(6),
    [shards[1]!]: weights(7),
    "model.safetensors.index.json": text(JSON.stringify({ weight_map: { a: shards[0], b: shards[1] } })),
    "sub/x.gguf": weights(8),
  };
  return inWorld(
    { "models/org/model": { refs: { main: ONE }, commits: { [ONE]: files } } },
    async ({ fetch, hub }) => {
      const plan = await planFetch(parseHubName(NAME), hub());
      assertEquals(plan.files.map(({ file }) => file.path), [
        "config.json",
        ...shards,
        "model.safetensors.index.json",
      ]);
      const path = await fetch();
      assertEquals(Deno.readFileSync(`${path}/${shards[1]}`), weights(7).bytes);
      const gguf = await fetch(`${NAME}/sub/x.gguf`);
      assertEquals(Deno.readFileSync(gguf), weights(8).bytes);
      assert(gguf.endsWith("/sub/x.gguf"));
      assertEquals(Deno.readLinkSync(gguf).startsWith("../../../blobs/"), true);
    },
  );
});

Deno.test("a cache that cannot be written is one line; one that has everything and cannot be written serves", () =>
  inWorld({ "models/org/model": repo() }, async ({ fetch, hub, cache }) => {
    await Deno.writeTextFile(`${cache}/taken`, "");
    const message = await refusal(() => fetch(NAME, hub({}, { cache: `${cache}/taken` })));
    assertStringIncludes(message, `in ${cache}/taken: `);
    assertStringIncludes(message, "HF_HUB_CACHE");
    const path = await fetch();
    const trees = `${cache}/models--org--model/trees`;
    await Deno.remove(trees, { recursive: true });
    // Where the list should be put there is a file: it cannot be, whoever runs the test.
    await Deno.writeTextFile(trees, "");
    assertEquals(await fetch(), path);
  }));
