/** Small weight files made by hand, byte by byte, for tests of the readers. */

export interface MadeTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A safetensors file; `dtype` of each tensor is "F32" unless said. */
export function safetensors(tensors: readonly (MadeTensor & { readonly dtype?: string })[]): Uint8Array {
  let offset = 0;
  const header = Object.fromEntries(tensors.map(({ name, shape, bytes, dtype = "F32" }) => {
    const begin = offset;
    offset += bytes.length;
    return [name, { dtype, shape, data_offsets: [begin, offset] }];
  }));
  return withHeader(JSON.stringify(header), tensors.map(({ bytes }) => bytes));
}

/** A safetensors file with any text as its header. */
export function withHeader(header: string, data: readonly Uint8Array[]): Uint8Array {
  const json = new TextEncoder().encode(header);
  return concat([uint64(json.length), json, ...data]);
}

export type GgufEntry =
  | readonly ["string", string]
  | readonly ["uint32" | "float32", number]
  | readonly ["bool", boolean]
  | readonly ["strings", readonly string[]]
  | readonly ["int32s" | "float32s", readonly number[]];

export interface GgufSpec {
  readonly version?: number;
  readonly metadata: Readonly<Record<string, GgufEntry>>;
  /** `type` is ggml's number; shapes as rows, then columns. */
  readonly tensors: readonly (MadeTensor & { readonly type: number; readonly offset?: number })[];
}

/** A GGUF file with an alignment of 32. */
export function gguf({ version = 3, metadata, tensors }: GgufSpec): Uint8Array {
  const head: Uint8Array[] = [text("GGUF"), uint32(version), uint64(tensors.length)];
  head.push(uint64(Object.keys(metadata).length));
  for (const [key, entry] of Object.entries(metadata)) head.push(string(key), ...value(entry));
  const data: Uint8Array[] = [];
  let at = 0;
  for (const { name, shape, bytes, type, offset } of tensors) {
    head.push(
      string(name),
      uint32(shape.length),
      ...shape.toReversed().map(uint64),
      uint32(type),
      uint64(offset ?? at),
    );
    const padded = new Uint8Array(Math.ceil(bytes.length / 32) * 32);
    padded.set(bytes);
    data.push(padded);
    at += padded.length;
  }
  const length = head.reduce((sum, part) => sum + part.length, 0);
  return concat([...head, new Uint8Array((32 - (length % 32)) % 32), ...data]);
}

export function float32s(values: readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer);
}

function value(entry: GgufEntry): Uint8Array[] {
  switch (entry[0]) {
    case "uint32":
      return [uint32(4), uint32(entry[1])];
    case "float32":
      return [uint32(6), float32s([entry[1]])];
    case "bool":
      return [uint32(7), Uint8Array.of(entry[1] ? 1 : 0)];
    case "string":
      return [uint32(8), string(entry[1])];
    case "strings":
      return [uint32(9), uint32(8), uint64(entry[1].length), ...entry[1].map(string)];
    case "int32s":
      return [
        uint32(9),
        uint32(5),
        uint64(entry[1].length),
        new Uint8Array(Int32Array.from(entry[1]).buffer),
      ];
    case "float32s":
      return [uint32(9), uint32(6), uint64(entry[1].length), float32s(entry[1])];
  }
}

function string(content: string): Uint8Array {
  const bytes = text(content);
  return concat([uint64(bytes.length), bytes]);
}

function text(content: string): Uint8Array {
  return new TextEncoder().encode(content);
}

function uint32(n: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(n).buffer);
}

function uint64(n: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(n)).buffer);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
