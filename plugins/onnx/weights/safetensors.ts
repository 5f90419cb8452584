/**
 * The header of a safetensors file: 8 bytes little-endian length, that many bytes of JSON, then the data.
 *
 * Strict, as the format asks: tensors lie one after another without holes or overlaps up to the end of the file. Source:
 * the format's description in huggingface/safetensors.
 */
import { UserError } from "../../../core/mod.ts";
import { parseObject, type SourceFile } from "./file.ts";

/** Bytes a number of each dtype that can be read, and of those that a file of the cache may have. */
const DTYPE_BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };
const CACHE_BYTES: Readonly<Record<string, number>> = { F32: 4, I8: 1 };
/** The reference reader's limit. */
const HEADER_CAP = 100_000_000;

/** One tensor as a file stores it. */
export interface StoredTensor {
  readonly name: string;
  /** "F32", "BF16", "Q4_1" ... */
  readonly type: string;
  readonly shape: readonly number[];
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
}

/** Tensors in the order of their bytes. @throws {UserError} naming file and tensor when anything is not as the format says. */
export function readSafetensors(file: SourceFile): StoredTensor[] {
  return readTensors(file, DTYPE_BYTES);
}

/** The same of a file that was written here, which may have int8. */
export function readCached(file: SourceFile): StoredTensor[] {
  return readTensors(file, CACHE_BYTES);
}

function readTensors(file: SourceFile, bytes: Readonly<Record<string, number>>): StoredTensor[] {
  const text = readSafetensorsHeader(file);
  const header = parseObject(text, `the header of ${file.path}`);
  const entries = Object.entries(header).filter(([name]) => name !== "__metadata__");
  // JSON.parse keeps the last of two equal keys in silence.
  if ([...text.matchAll(/"data_offsets"\s*:\s*\[/g)].length !== entries.length) {
    throw new UserError(`Cannot read ${file.path}: a tensor is named twice, wanted each name once`);
  }
  const start = 8 + new TextEncoder().encode(text).length;
  const tensors = entries.map(([name, entry]) => readEntry({ file, start, name, bytes }, entry));
  tensors.sort((a, b) => a.offset - b.offset || a.length - b.length);
  checkLayout(file, start, tensors);
  return tensors;
}

/** The JSON of a header for tensors laid one after another, float32 where no type is said, padded so that data begin on a multiple of 64
 * bytes. */
export function writeSafetensorsHeader(
  tensors: readonly (Pick<StoredTensor, "name" | "shape"> & { readonly type?: string })[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const { name, shape, type = "F32" } of tensors) {
    const end = offset + CACHE_BYTES[type]! * product(shape);
    header[name] = { dtype: type, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(Math.ceil((8 + json.length) / 64) * 64).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(json, 8);
  return bytes;
}

/** Numbers in a tensor of this shape. */
export function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** The JSON text before the data. */
export function readSafetensorsHeader(file: SourceFile): string {
  const prefix = new Uint8Array(8);
  if (file.size < 8) {
    throw new UserError(`Cannot read ${file.path}: it has ${file.size} bytes, wanted a safetensors file`);
  }
  file.read(0, prefix);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > HEADER_CAP || 8 + Number(length) > file.size) {
    throw new UserError(
      `Cannot read ${file.path}: its header has ${length} bytes and the file ${file.size}, wanted a whole safetensors file with a header up to ${HEADER_CAP}`,
    );
  }
  const bytes = new Uint8Array(Number(length));
  file.read(8, bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new UserError(`Cannot read ${file.path}: its header is not UTF-8, wanted a safetensors file`, {
      cause,
    });
  }
}

function readEntry(
  { file, start, name, bytes }: {
    readonly file: SourceFile;
    readonly start: number;
    readonly name: string;
    readonly bytes: Readonly<Record<string, number>>;
  },
  entry: unknown,
): StoredTensor {
  const fail = (state: string, wanted: string) =>
    new UserError(`Cannot read tensor ${name} of ${file.path}: ${state}, wanted ${wanted}`);
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const size = typeof dtype === "string" ? bytes[dtype] : undefined;
  if (size === undefined) throw fail(`its dtype is ${dtype}`, Object.keys(bytes).join(", "));
  if (!isCounts(shape)) throw fail(`its shape is ${JSON.stringify(shape)}`, "a list of whole numbers");
  if (!isCounts(offsets) || offsets.length !== 2) {
    throw fail(`its data_offsets are ${JSON.stringify(offsets)}`, "two whole numbers");
  }
  const [begin, end] = offsets as [number, number];
  const length = product(shape) * size;
  if (end - begin !== length) {
    throw fail(`it has ${end - begin} bytes`, `${length} for [${shape.join(", ")}] of ${dtype}`);
  }
  if (start + end > file.size) {
    throw fail(`it ends at byte ${start + end} and the file at ${file.size}`, "a whole file");
  }
  return { name, type: dtype as string, shape, file: file.path, offset: start + begin, length };
}

function checkLayout(file: SourceFile, start: number, tensors: readonly StoredTensor[]): void {
  let next = start;
  for (const { name, offset, length } of tensors) {
    if (offset !== next) {
      throw new UserError(
        `Cannot read tensor ${name} of ${file.path}: it begins at byte ${offset}, wanted ${next}, where the one before ends`,
      );
    }
    next = offset + length;
  }
  if (next !== file.size) {
    throw new UserError(
      `Cannot read ${file.path}: its tensors end at byte ${next} and the file at ${file.size}, wanted the same`,
    );
  }
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}
