import { assertEquals } from "@std/assert";
import { CODECS } from "../../../../plugins/onnx/weights/dequantize.ts";
import { readGolden } from "./golden.ts";

type Golden = Readonly<Record<string, { readonly blocks: string; readonly float32: string }>>;

const golden = readGolden<Golden>("gguf/blocks.json");

Deno.test("CODECS has a golden for every type", () => {
  assertEquals(Object.keys(CODECS).toSorted(), Object.keys(golden).toSorted());
});

for (const [type, { blocks, float32 }] of Object.entries(golden)) {
  Deno.test(`decode() equals gguf-py bit for bit for ${type} on random and extreme blocks`, () => {
    const bytes = Uint8Array.fromBase64(blocks),
      wanted = new Uint32Array(Uint8Array.fromBase64(float32).buffer);
    const codec = CODECS[type]!;
    const out = new Float32Array((bytes.length / codec.bytes) * codec.numbers);
    codec.decode(bytes, out);
    assertEquals([...new Uint32Array(out.buffer)], [...wanted]);
  });
}
