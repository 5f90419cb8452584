/** What the runtime can do at all: one 4096-wide float32 product by a constant matrix, packed, which is its best case. */
import { encode } from "../../plugins/onnx/graph/encode.ts";
import { createBuilder } from "../../plugins/onnx/graph/graph.ts";
import { openSession, type Session } from "../../plugins/onnx/session/session.ts";

const WIDTH = 4096, PRODUCTS = 4;
const matrix = () => new Float32Array(WIDTH * WIDTH).fill(1 / WIDTH);

/** A graph that multiplies PRODUCTS times and lets one number out. */
export async function openProduct(): Promise<Session> {
  const file = await Deno.makeTempFile();
  await Deno.writeFile(file, new Uint8Array(matrix().buffer));
  const b = createBuilder();
  const weight = b.weight({ name: "w", shape: [WIDTH, WIDTH], file, offset: 0, length: 4 * WIDTH ** 2 });
  const last = Array.from({ length: PRODUCTS }, (_, i) => `product.${i}`)
    .reduce(
      (left, name) => b.node("FusedMatMul", name, [left, weight]),
      b.input("a", "float32", [WIDTH, WIDTH]),
    );
  b.output(b.node("ReduceMax", "largest", [last, b.ints([0, 1])], { keepdims: 0n }));
  const session = await openSession(encode(b.finish()), { threads: 2, packed: true });
  await Deno.remove(file);
  return session;
}

/** Floating-point operations a second, in 1e9; several products in a call, so that handing over the matrix hardly counts. */
export async function productRate(session: Session): Promise<number> {
  const feeds = { a: { data: matrix(), dims: [WIDTH, WIDTH] } };
  const start = performance.now();
  await session.run({ feeds, fetch: ["largest"] });
  return PRODUCTS * 2 * WIDTH ** 3 / (performance.now() - start) / 1e6;
}
