/**
 * Widens weights to float32 once, into a safetensors file of the cache; some of them to int8 slices (slices.ts).
 *
 * Streams: memory stays at two buffers of a few MB whatever the model's size, of slices at one matrix. The file appears under its name only when it is
 * whole; a lock keeps two processes from writing it at once.
 */
import { join } from "node:path";
import { type Context, sha256, UserError } from "../../../core/mod.ts";
import { CODECS } from "./dequantize.ts";
import { CHUNK_BYTES, exists, openFile, type SourceFile, yieldTo } from "./file.ts";
import type { SourceTensor } from "./gguf_names.ts";
import { turnedRows } from "./layout.ts";
import { product, readCached, type StoredTensor, writeSafetensorsHeader } from "./safetensors.ts";
import { ARITHMETIC, scalesOf, type SlicedPrecision, sliceMatrix, SLICES, slicesOf } from "./slices.ts";

/** Raised whenever the same source would be widened to other bytes. */
const CONVERTER_VERSION = 1;

/** What becomes of sources. */
export interface Widening {
  /** Of all weights of the model, in hex. */
  readonly weightsHash: string;
  /** Names of matrices that become slices; default none. */
  readonly sliced?: ReadonlySet<string>;
  readonly precision?: SlicedPrecision;
}

/** A source and the tensors that are written of it. */
interface Written {
  readonly source: SourceTensor;
  readonly tensors: readonly (Pick<StoredTensor, "name" | "shape"> & { readonly type: "F32" | "I8" })[];
  /** Of slices, how many. */
  readonly count?: number;
}

/** Tensors of the widened file, made now if the cache does not have it.
 * @throws {UserError} on a full disk or a cache that cannot be written. */
export async function widen(
  given: readonly SourceTensor[],
  widening: Widening,
  context: Context,
): Promise<readonly StoredTensor[]> {
  const folder = join(context.cacheDir, "weights"), { weightsHash, precision } = widening;
  const version = precision
    ? `${CONVERTER_VERSION} ${precision} ${ARITHMETIC[precision]}`
    : `${CONVERTER_VERSION}`;
  const path = join(folder, `${sha256(`${weightsHash} ${version}`)}.safetensors`);
  const sources = given.map((source) => writtenOf(source, widening));
  const found = readWidened(path, sources);
  if (found) return found;
  try {
    Deno.mkdirSync(folder, { recursive: true });
    using lock = Deno.openSync(`${path}.lock`, { create: true, write: true });
    await lock.lock(true);
    return readWidened(path, sources) ?? await write(path, sources, { context, precision });
  } catch (cause) {
    const state = cannotWrite(cause);
    if (!state) throw cause;
    const wanted = `wanted ${megabytes(widenedBytes(sources))} in the cache`;
    throw new UserError(`Cannot widen weights into ${folder}: ${state}, ${wanted}`, { cause });
  }
}

function writtenOf(source: SourceTensor, { sliced, precision }: Widening): Written {
  const { name, shape } = source;
  if (!precision || !sliced?.has(name)) return { source, tensors: [{ name, shape, type: "F32" }] };
  const [out, inner] = shape as [number, number], count = SLICES[precision];
  return {
    source,
    count,
    tensors: [
      ...slicesOf(name, count).map((name) => ({ name, shape: [inner, out], type: "I8" as const })),
      { name: scalesOf(name), shape: [out], type: "F32" },
    ],
  };
}

async function write(
  path: string,
  sources: readonly Written[],
  { context, precision }: { readonly context: Context; readonly precision: SlicedPrecision | undefined },
): Promise<StoredTensor[]> {
  const stored = sources.reduce((sum, { source }) => sum + source.length, 0);
  const work = precision ? "Slicing" : "Widening",
    made = precision ? `for precision ${precision}` : "of float32";
  context.log(
    `${work} ${megabytes(stored)} of ${mainType(sources)} weights to ${
      megabytes(widenedBytes(sources))
    } ${made} in the cache, once`,
  );
  const partial = `${path}.tmp`;
  try {
    {
      using out = Deno.openSync(partial, { create: true, write: true, truncate: true });
      writeAll(out, writeSafetensorsHeader(sources.flatMap(({ tensors }) => tensors)));
      await writeTensors(out, sources, context.signal);
    }
    Deno.renameSync(partial, path);
  } catch (error) {
    if (exists(partial)) Deno.removeSync(partial);
    throw error;
  }
  const written = readWidened(path, sources);
  if (!written) throw new Error(`the widened file ${path} does not hold what was written`);
  return written;
}

async function writeTensors(
  out: Deno.FsFile,
  sources: readonly Written[],
  signal: AbortSignal,
): Promise<void> {
  using files = new DisposableStack();
  const open = new Map<string, SourceFile>();
  for (const { source, count } of sources) {
    const file = open.get(source.file) ?? files.use(openFile(source.file));
    open.set(source.file, file);
    for (const numbers of count ? slicedParts(source, file, count) : readFloats(source, file)) {
      await yieldTo(signal);
      writeAll(out, new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
    }
  }
}

/** A matrix' slices, then their scales. */
function* slicedParts(source: SourceTensor, file: SourceFile, count: number) {
  const values = new Float32Array(product(source.shape));
  let at = 0;
  for (const part of readFloats(source, file)) {
    values.set(part, at);
    at += part.length;
  }
  const { slices, scales } = sliceMatrix(values, source.shape as [number, number], count);
  yield* slices;
  yield scales;
}

/** The tensor's numbers in Hugging Face's order, a chunk at a time; a chunk is valid until the next one is asked for. */
export function* readFloats(source: SourceTensor, file: SourceFile): Generator<Float32Array<ArrayBuffer>> {
  if (source.turned) {
    yield turnedFloats(source, file);
    return;
  }
  const codec = CODECS[source.type]!;
  const { unitBytes, order } = unitsOf(source);
  const chunkBytes = Math.max(1, Math.floor(CHUNK_BYTES / unitBytes)) * unitBytes;
  const raw = new Uint8Array(Math.min(chunkBytes, source.length));
  const floats = new Float32Array((raw.length / codec.bytes) * codec.numbers);
  for (let at = 0; at < source.length; at += raw.length) {
    const bytes = raw.subarray(0, Math.min(raw.length, source.length - at));
    file.read(source.offset + at, bytes);
    const numbers = floats.subarray(0, (bytes.length / codec.bytes) * codec.numbers);
    codec.decode(order ? reorder(bytes, unitBytes, order) : bytes, numbers);
    if (source.add !== undefined) { for (let i = 0; i < numbers.length; i++) numbers[i]! += source.add; }
    yield numbers;
  }
}

/** Its rows stand far apart in the file, so it is read as a whole. */
function turnedFloats(
  { turned, shape, ...stored }: SourceTensor,
  file: SourceFile,
): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(product(shape) / shape[0]! * turned!.of);
  let at = 0;
  for (const part of readFloats({ ...stored, shape: [numbers.length] }, file)) {
    numbers.set(part, at);
    at += part.length;
  }
  return turnedRows(numbers, shape, turned!);
}

/** What must not be cut in two (a block, or a whole head), and in which order a head's rows are taken. */
function unitsOf(source: SourceTensor): { readonly unitBytes: number; readonly order?: readonly number[] } {
  const { interleavedHeads: heads, shape, length, type, name, file } = source;
  if (heads === undefined) return { unitBytes: CODECS[type]!.bytes };
  const rows = shape[0]! / heads;
  if (!Number.isInteger(rows / 2) || !Number.isInteger(length / heads / rows / CODECS[type]!.bytes)) {
    const wanted = `wanted ${heads} heads with an even number of rows`;
    throw new UserError(
      `Cannot read tensor ${name} of ${file}: its shape is [${shape.join(", ")}], ${wanted}`,
    );
  }
  return {
    unitBytes: length / heads,
    order: Array.from({ length: rows }, (_, row) => 2 * (row % (rows / 2)) + Math.floor(row / (rows / 2))),
  };
}

/** Within each unit, row i becomes what row order[i] was. */
function reorder(bytes: Uint8Array, unitBytes: number, order: readonly number[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length);
  const rowBytes = unitBytes / order.length;
  for (let unit = 0; unit < bytes.length; unit += unitBytes) {
    order.forEach((from, to) => {
      const begin = unit + from * rowBytes;
      result.set(bytes.subarray(begin, begin + rowBytes), unit + to * rowBytes);
    });
  }
  return result;
}

/** Tensors of a widened file that is there and whole. */
function readWidened(path: string, sources: readonly Written[]): StoredTensor[] | undefined {
  if (!exists(path)) return undefined;
  try {
    using file = openFile(path);
    const tensors = readCached(file), wanted = sources.flatMap((source) => source.tensors);
    const shapes = new Map(tensors.map(({ name, shape, type }) => [name, `${type} ${shape.join()}`]));
    const same = wanted.length === tensors.length &&
      wanted.every(({ name, shape, type }) => shapes.get(name) === `${type} ${shape.join()}`);
    return same ? tensors : undefined;
  } catch (error) {
    if (error instanceof UserError) return undefined; // A broken file of the cache is made anew.
    throw error;
  }
}

function writeAll(out: Deno.FsFile, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length;) done += out.writeSync(bytes.subarray(done));
}

function cannotWrite(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ("code" in error && error.code === "ENOSPC") return "the disk is full";
  if (/os error (28|112)\b/.test(error.message)) return "the disk is full"; // ENOSPC, and its Windows counterpart
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "permission is denied";
  }
  return undefined;
}

function widenedBytes(sources: readonly Written[]): number {
  return sources.flatMap(({ tensors }) => tensors)
    .reduce((sum, { shape, type }) => sum + (type === "I8" ? 1 : 4) * product(shape), 0);
}

/** The type that holds most bytes. */
function mainType(sources: readonly Written[]): string {
  const bytes = new Map<string, number>();
  for (const { source: { type, length } } of sources) bytes.set(type, (bytes.get(type) ?? 0) + length);
  return [...bytes].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? "no";
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
