import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../core/mod.ts";
import { serve } from "../../server/main.ts";

interface Served extends AsyncDisposable {
  readonly url: string;
}

async function start(resultsDir: string, port: number): Promise<Served> {
  const end = new AbortController();
  const listening = Promise.withResolvers<string>();
  const done = serve({
    resultsDir,
    port,
    signal: end.signal,
    log: (line) => listening.reject(new Error(line)),
    onListen: listening.resolve,
  });
  done.catch(listening.reject);
  return {
    url: await listening.promise,
    async [Symbol.asyncDispose]() {
      end.abort();
      await done;
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

Deno.test("serve() opens a fresh store, on loopback, and steps to the next port where one is taken", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const port = freePort();
    await using first = await start(`${dir}/results`, port);
    await using second = await start(`${dir}/results`, port);
    assertEquals(first.url, `http://127.0.0.1:${port}/`);
    assert(second.url !== first.url);
    for (const { url } of [first, second]) {
      assertStringIncludes(await (await fetch(url)).text(), "No run is stored here yet");
    }
    assert((await Deno.stat(`${dir}/results/plumbline.sqlite`)).isFile);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("serve() refuses a port that is none and a store that is something else", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await assertRejects(() => start(dir, 70_000), UserError, "wanted 1 to 65535");
    await Deno.writeTextFile(
      `${dir}/plumbline.sqlite`,
      "words, and enough of them to be read as a page ".repeat(40),
    );
    await assertRejects(() => start(dir, freePort()), UserError, "not a SQLite database");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
