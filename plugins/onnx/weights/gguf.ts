/**
 * The header of a GGUF file, versions 2 and 3, little-endian: metadata, then names, shapes, types and offsets of tensors.
 *
 * Source: the format's description in ggml (docs/gguf.md).
 */
import { UserError } from "../../../core/mod.ts";
import { CODECS } from "./dequantize.ts";
import type { SourceFile } from "./file.ts";
import { product, type StoredTensor } from "./safetensors.ts";

export type GgufValue = number | boolean | string | readonly GgufValue[];
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

export interface Gguf {
  readonly metadata: GgufMetadata;
  /** Shapes as rows, then columns: the reverse of the file's order. */
  readonly tensors: readonly StoredTensor[];
}

/** Names of the tensor types by their number in ggml; those without a codec are here for the message. */
const TYPES: Readonly<Record<number, string>> = {
  0: "F32",
  1: "F16",
  2: "Q4_0",
  3: "Q4_1",
  6: "Q5_0",
  7: "Q5_1",
  8: "Q8_0",
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  12: "Q4_K",
  13: "Q5_K",
  14: "Q6_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  30: "BF16",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
};

/** First bytes read in one go: holds the vocabulary of most models. */
const FIRST_BYTES = 16 << 20;
/** No header is longer; a broken length is not to fill the memory. */
const HEADER_CAP = 1 << 30;

/** @throws {UserError} naming file and tensor when anything is not as the format says. */
export function readGguf(file: SourceFile): Gguf {
  // Lengths inside the header decide its size, so read on with twice the bytes when it is longer than what was read.
  const most = Math.min(HEADER_CAP, file.size);
  for (let bytes = Math.min(FIRST_BYTES, most);; bytes = Math.min(bytes * 2, most)) {
    const head = new Uint8Array(bytes);
    file.read(0, head);
    try {
      return parse(file, createCursor(head));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (bytes === most) {
        throw new UserError(
          `Cannot read ${file.path}: its header is cut off or broken, wanted a whole GGUF file`,
          {
            cause: error,
          },
        );
      }
    }
  }
}

function parse(file: SourceFile, cursor: Cursor): Gguf {
  const magic = cursor.uint32(), version = cursor.uint32();
  if (magic !== 0x46554747) {
    throw new UserError(`Cannot read ${file.path}: it is not a GGUF file, wanted one, or a model folder`);
  }
  if (version !== 2 && version !== 3) {
    const wanted = "wanted 2 or 3, little-endian";
    throw new UserError(`Cannot read ${file.path}: its GGUF version is ${version}, ${wanted}`);
  }
  const tensorCount = cursor.count(), metadataCount = cursor.count();
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < metadataCount; i++) {
    metadata.set(cursor.string(), readValue(cursor, cursor.uint32(), file));
  }
  const infos = Array.from({ length: tensorCount }, () => readInfo(cursor));
  const alignment = Number(metadata.get("general.alignment") ?? 32);
  const start = Math.ceil(cursor.position() / alignment) * alignment;
  return { metadata, tensors: checkTensors({ file, start, alignment }, infos) };
}

interface Info {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly offset: number;
}

function readInfo(cursor: Cursor): Info {
  const name = cursor.string();
  const dimensions = cursor.uint32();
  if (dimensions > 4) throw new RangeError(`${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => cursor.count()).reverse();
  return { name, shape, type: cursor.uint32(), offset: cursor.count() };
}

function checkTensors(
  { file, start, alignment }: { file: SourceFile; start: number; alignment: number },
  infos: readonly Info[],
): StoredTensor[] {
  const seen = new Set<string>();
  let next = 0;
  return infos.toSorted((a, b) => a.offset - b.offset).map(({ name, shape, type: id, offset }) => {
    const fail = (state: string, wanted: string) =>
      new UserError(`Cannot read tensor ${name} of ${file.path}: ${state}, wanted ${wanted}`);
    const type = TYPES[id] ?? `number ${id}`;
    const codec = CODECS[type];
    if (!codec) throw fail(`its type is ${type}`, `one of ${Object.keys(CODECS).join(", ")}`);
    if (seen.has(name)) throw fail("it is there twice", "each name once");
    seen.add(name);
    if ((shape.at(-1) ?? 1) % codec.numbers !== 0) {
      throw fail(`its rows have ${shape.at(-1)} numbers`, `a multiple of ${codec.numbers} for ${type}`);
    }
    const length = (product(shape) / codec.numbers) * codec.bytes;
    if (offset % alignment !== 0 || offset < next) {
      throw fail(`it begins at byte ${offset} of the data`, `a multiple of ${alignment} from ${next}`);
    }
    next = offset + length;
    if (start + next > file.size) {
      throw fail(`it ends at byte ${start + next} and the file at ${file.size}`, "a whole file");
    }
    return { name, type, shape, file: file.path, offset: start + offset, length };
  });
}

interface Cursor {
  position(): number;
  uint32(): number;
  /** A uint64 that fits a number. */
  count(): number;
  string(): string;
  /** The next bytes. @throws {RangeError} past the end of what was read. */
  take(bytes: number): DataView;
}

function createCursor(bytes: Uint8Array): Cursor {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let at = 0;
  const skip = (length: number): number => {
    if (!(length <= bytes.length - at)) throw new RangeError(`${length} bytes at ${at}`);
    at += length;
    return at - length;
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = () => Number(view.getBigUint64(skip(8), true));
  return {
    position: () => at,
    uint32: () => view.getUint32(skip(4), true),
    count,
    string() {
      const length = count(), begin = skip(length);
      return decoder.decode(bytes.subarray(begin, begin + length));
    },
    take: (length) => new DataView(bytes.buffer, bytes.byteOffset + skip(length), length),
  };
}

/** Readers of scalar metadata by type number: bytes, and how to read them. */
const SCALARS: Readonly<Record<number, readonly [number, (view: DataView) => number | boolean]>> = {
  0: [1, (view) => view.getUint8(0)],
  1: [1, (view) => view.getInt8(0)],
  2: [2, (view) => view.getUint16(0, true)],
  3: [2, (view) => view.getInt16(0, true)],
  4: [4, (view) => view.getUint32(0, true)],
  5: [4, (view) => view.getInt32(0, true)],
  6: [4, (view) => shortest(view.getFloat32(0, true))],
  7: [1, (view) => view.getUint8(0) !== 0],
  10: [8, (view) => Number(view.getBigUint64(0, true))],
  11: [8, (view) => Number(view.getBigInt64(0, true))],
  12: [8, (view) => view.getFloat64(0, true)],
};
const STRING = 8, ARRAY = 9;

function readValue(cursor: Cursor, type: number, file: SourceFile): GgufValue {
  if (type === STRING) return cursor.string();
  if (type === ARRAY) {
    const element = cursor.uint32(), length = cursor.count();
    const values: GgufValue[] = [];
    for (let i = 0; i < length; i++) values.push(readValue(cursor, element, file));
    return values;
  }
  const scalar = SCALARS[type];
  if (!scalar) throw new UserError(`Cannot read ${file.path}: a metadata type is ${type}, wanted 0 to 12`);
  return scalar[1](cursor.take(scalar[0]));
}

/** The shortest decimal with the same float32: what config.json said before it was stored as float32 (1e-5, not 9.99999974e-6). */
function shortest(value: number): number {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}
