import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../../../core/mod.ts";
import { openFile } from "../../../../plugins/onnx/weights/file.ts";
import { readSafetensors, writeSafetensorsHeader } from "../../../../plugins/onnx/weights/safetensors.ts";
import { concat, float32s, safetensors, withHeader } from "./make.ts";

const a = { name: "a", shape: [2, 3], bytes: float32s([1, 2, 3, 4, 5, 6]) };
const b = { name: "b", shape: [], bytes: float32s([7]) };

Deno.test("readSafetensors() finds each tensor's bytes, with a scalar, an empty tensor and a padded header", () => {
  const bytes = safetensors([a, b, { name: "none", shape: [0, 4], bytes: new Uint8Array() }]);
  const tensors = read(bytes);
  assertEquals(tensors.map(({ name, shape, length }) => ({ name, shape, length })), [
    { name: "a", shape: [2, 3], length: 24 },
    { name: "b", shape: [], length: 4 },
    { name: "none", shape: [0, 4], length: 0 },
  ]);
  const at = tensors[0]!.offset;
  assertEquals([...new Float32Array(bytes.slice(at, at + 24).buffer)], [1, 2, 3, 4, 5, 6]);
});

Deno.test("writeSafetensorsHeader() is read back, data on a multiple of 64 bytes", () => {
  const tensors = read(concat([writeSafetensorsHeader([a, b]), a.bytes, b.bytes]));
  assertEquals(tensors.map(({ name, shape }) => [name, shape]), [["a", [2, 3]], ["b", []]]);
  assertEquals(tensors[0]!.offset % 64, 0);
});

const entry = (begin: number, end: number, more = {}) => ({
  dtype: "F32",
  shape: [1],
  data_offsets: [begin, end],
  ...more,
});
const one = float32s([1]);

const broken: readonly [string, Uint8Array, string][] = [
  ["an empty file", new Uint8Array(), "it has 0 bytes, wanted a safetensors file"],
  ["a header longer than the file", safetensors([a]).slice(0, 20), "wanted a whole safetensors file"],
  ["data cut off", safetensors([a]).slice(0, -1), "Cannot read tensor a of"],
  ["bytes after the last tensor", concat([safetensors([a]), one]), "its tensors end at byte"],
  ["a header that is not JSON", withHeader("{nope", []), "it is not JSON"],
  ["a header that is a list", withHeader("[]", []), "not a JSON object"],
  [
    "an unknown dtype",
    file({ a: entry(0, 4, { dtype: "I64" }) }, [one]),
    "its dtype is I64, wanted F32, F16, BF16",
  ],
  ["a shape that is not whole", file({ a: entry(0, 4, { shape: [0.5] }) }, [one]), "its shape is [0.5]"],
  [
    "a size that is not the shape's",
    file({ a: entry(0, 4, { shape: [2] }) }, [one]),
    "it has 4 bytes, wanted 8 for [2] of F32",
  ],
  ["tensors that overlap", file({ a: entry(0, 4), b: entry(0, 4) }, [one]), "Cannot read tensor b of"],
  ["a hole", file({ a: entry(4, 8) }, [one, one]), "wanted"],
  [
    "a name twice",
    withHeader(`{"a":${JSON.stringify(entry(0, 4))},"a":${JSON.stringify(entry(0, 4))}}`, [one]),
    "a tensor is named twice",
  ],
];

for (const [what, bytes, message] of broken) {
  Deno.test(`readSafetensors() refuses ${what} in one line that names the file`, () => {
    const error = assertThrows(() => read(bytes), UserError, message) as UserError;
    assertStringIncludes(error.message, "model.safetensors");
    assertEquals(error.message.split("\n").length, 1);
  });
}

function file(header: Readonly<Record<string, unknown>>, data: readonly Uint8Array[]): Uint8Array {
  return withHeader(JSON.stringify(header), data);
}

function read(bytes: Uint8Array) {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeFileSync(`${folder}/model.safetensors`, bytes);
    using source = openFile(`${folder}/model.safetensors`);
    return readSafetensors(source);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
