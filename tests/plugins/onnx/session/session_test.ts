import { assert, assertEquals, assertRejects } from "@std/assert";
import { encode } from "../../../../plugins/onnx/graph/encode.ts";
import { createBuilder } from "../../../../plugins/onnx/graph/graph.ts";
import { openSession } from "../../../../plugins/onnx/session/session.ts";

function sumGraph(): Uint8Array {
  const b = createBuilder();
  const sides = ["a", "b"].map((name) => b.input(name, "float32", ["n"]));
  b.output(b.node("Add", "sum", sides));
  return encode(b.finish());
}

const vector = (...values: number[]) => ({ data: Float32Array.from(values), dims: [values.length] });

Deno.test("openSession() runs a graph in its Worker", async () => {
  await using session = await openSession(sumGraph(), { threads: 1, packed: true });
  const { outputs } = await session.run({ feeds: { a: vector(1, 2), b: vector(3, 4) }, fetch: ["sum"] });
  assertEquals([...outputs["sum"]!.data], [4, 6]);
});

Deno.test("run() rejects with the runtime's words when it refuses the feeds, and the session goes on", async () => {
  await using session = await openSession(sumGraph(), { threads: 1, packed: true });
  await assertRejects(
    () => session.run({ feeds: { a: vector(1, 2, 3), b: vector(1, 2) }, fetch: ["sum"] }),
    Error,
  );
  const { outputs } = await session.run({ feeds: { a: vector(1), b: vector(1) }, fetch: ["sum"] });
  assertEquals([...outputs["sum"]!.data], [2]);
});

Deno.test("openSession() rejects bytes that are no model", async () => {
  await assertRejects(() => openSession(new Uint8Array([1, 2, 3]), { threads: 1, packed: true }), Error);
});

Deno.test("run() lets go of its replies while the session stays open", async () => {
  const b = createBuilder(), x = b.input("x", "float32", ["n", 1]), y = b.input("y", "float32", [1, 1000]);
  b.output(b.node("Mul", "z", [x, y]));
  await using session = await openSession(encode(b.finish()), { threads: 1, packed: false });
  const column = (n: number) => new Float32Array(n).fill(1);
  const before = Deno.memoryUsage().external;
  for (let call = 0; call < 150; call++) {
    const feeds = { x: { data: column(1000), dims: [1000, 1] }, y: { data: column(1000), dims: [1, 1000] } };
    await session.run({ feeds, fetch: ["z"] });
  }
  // 600 MB of replies; what is not yet collected is a fraction of them.
  assert(Deno.memoryUsage().external - before < 300e6, "replies are kept");
});
