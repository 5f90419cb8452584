import { assertEquals, assertRejects } from "@std/assert";
import type { Engine } from "../../../plugins/onnx/engine.ts";
import { decodingOf, generate } from "../../../plugins/onnx/generate.ts";
import type { Session } from "../../../plugins/onnx/session/session.ts";
import type { Call } from "../../../plugins/onnx/session/door.ts";

/** An engine whose session gives token 3 to every row and remembers which caches it keeps. */
function stub({ failAt = Infinity, sessions = 1 } = {}) {
  const kept = new Set<number>();
  let calls = 0, asked = 0;
  const create = () => ({
    run({ feeds, past, fetch }: Call) {
      if (past && !kept.has(past.cache)) throw new Error("no such cache");
      if (++calls === failAt) return Promise.reject(new Error("the runtime failed"));
      kept.add(calls);
      const [batch, tokens] = feeds["ids"]!.dims as [number, number];
      const outputs = Object.fromEntries(fetch.map((name) => {
        if (name === "top") return [name, { data: new BigInt64Array(batch).fill(3n), dims: [batch] }];
        const dims = name === "logsumexp" ? [batch] : [batch, tokens, 2];
        return [name, { data: new Float32Array(dims.reduce((a, b) => a * b)), dims }];
      }));
      return Promise.resolve({ outputs, cache: calls });
    },
    drop: (cache: number) => Promise.resolve(void kept.delete(cache)),
  });
  const made = Array.from({ length: sessions }, create);
  const engine = {
    name: "stub",
    shape: {
      heads: 1,
      kvHeads: 1,
      headDim: 2,
      layers: 1,
      width: 2,
      context: 64,
      rotary: 0,
      attentions: [{ name: "" }],
    },
    rotary: [],
    taps: ["embed"],
    session: () => Promise.resolve(made[asked++ % made.length] as Partial<Session>),
  } as unknown as Engine;
  return { engine, kept };
}

function texts(target: Engine, source: Engine) {
  const patch = { source, units: [{ tap: "embed" as const, units: [1] }] };
  const decoding = decodingOf({ maxNewTokens: 5, batch: 2 }, { ends: [], patch });
  return generate(target, [[1], [1, 2], [1, 2, 3]], decoding);
}

Deno.test("generate() drops the caches of both models when it ends, when its reader stops and when a call fails", async () => {
  const target = stub(), source = stub();
  assertEquals((await Array.fromAsync(texts(target.engine, source.engine))).length, 3);
  assertEquals([target.kept.size, source.kept.size], [0, 0]);

  for await (const _ of texts(target.engine, source.engine)) break;
  assertEquals([target.kept.size, source.kept.size], [0, 0]);

  for (const failAt of [1, 3]) {
    const [failing, other] = [stub({ failAt }), stub()];
    await assertRejects(() => Array.fromAsync(texts(failing.engine, other.engine)), Error, "runtime failed");
    const failingSource = stub({ failAt });
    await assertRejects(
      () => Array.fromAsync(texts(target.engine, failingSource.engine)),
      Error,
      "runtime failed",
    );
    assertEquals([failing, other, target, failingSource].map(({ kept }) => kept.size), [0, 0, 0, 0]);
  }
});

Deno.test("generate() refuses to go on where the session that keeps its texts was closed meanwhile", async () => {
  const { engine } = stub({ sessions: 2 });
  await assertRejects(
    () => Array.fromAsync(texts(engine, stub().engine)),
    Error,
    "Cannot go on with stub: the session with its keys and values was closed",
  );
});
