/**
 * From quantised blocks to float32, bit for bit as gguf-py's `dequantize`.
 *
 * Sums and products are formed in float64 and rounded once, when stored. ggml rounds each step to float32, but a step never
 * rounds before the last: a float16 scale has 11 significant bits and integers up to 8 are multiplied to it, so that the
 * product stays within 24 bits (Q6_K: 25, and it is the last step). Layouts: ggml-common.h and gguf-py's quants.py in
 * ggml-org/llama.cpp.
 */

/** One storage type: blocks of `bytes` bytes that hold `numbers` numbers. */
export interface Codec {
  readonly numbers: number;
  readonly bytes: number;
  /** Widens whole blocks; `out` has room for `numbers` a block. The bytes begin on a multiple of 4. */
  decode(blocks: Uint8Array<ArrayBuffer>, out: Float32Array<ArrayBuffer>): void;
}

/** float32 of each of the 65,536 float16 numbers. */
const HALF = new Float32Array(new Float16Array(Uint16Array.from({ length: 65_536 }, (_, i) => i).buffer));

/** By the name that GGUF and safetensors use. */
export const CODECS: Readonly<Record<string, Codec>> = {
  F32: {
    numbers: 1,
    bytes: 4,
    decode: (blocks, out) => new Uint8Array(out.buffer, out.byteOffset).set(blocks),
  },
  F16: { numbers: 1, bytes: 2, decode: decodeF16 },
  BF16: { numbers: 1, bytes: 2, decode: decodeBF16 },
  Q8_0: byBlock(32, 34, (b, at, out, o) => {
    const d = half(b, at);
    for (let i = 0; i < 32; i++) out[o + i] = d * int8(b[at + 2 + i]!);
  }),
  Q4_0: byBlock(32, 18, (b, at, out, o) => {
    const d = half(b, at);
    for (let i = 0; i < 16; i++) {
      const q = b[at + 2 + i]!;
      out[o + i] = d * ((q & 15) - 8);
      out[o + 16 + i] = d * ((q >> 4) - 8);
    }
  }),
  Q4_1: byBlock(32, 20, (b, at, out, o) => {
    const d = half(b, at), m = half(b, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = b[at + 4 + i]!;
      out[o + i] = d * (q & 15) + m;
      out[o + 16 + i] = d * (q >> 4) + m;
    }
  }),
  Q5_0: byBlock(32, 22, (b, at, out, o) => {
    const d = half(b, at);
    for (let i = 0; i < 16; i++) {
      const q = b[at + 6 + i]!;
      out[o + i] = d * (((q & 15) | fifth(b, at + 2, i)) - 16);
      out[o + 16 + i] = d * (((q >> 4) | fifth(b, at + 2, i + 16)) - 16);
    }
  }),
  Q5_1: byBlock(32, 24, (b, at, out, o) => {
    const d = half(b, at), m = half(b, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = b[at + 8 + i]!;
      out[o + i] = d * ((q & 15) | fifth(b, at + 4, i)) + m;
      out[o + 16 + i] = d * ((q >> 4) | fifth(b, at + 4, i + 16)) + m;
    }
  }),
  Q4_K: byBlock(256, 144, (b, at, out, o) => {
    for (let group = 0; group < 8; group++) {
      const { d, m } = scaleAndMinimum(b, at, group);
      const q = at + 16 + 32 * (group >> 1), shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) out[o + 32 * group + i] = d * ((b[q + i]! >> shift) & 15) - m;
    }
  }),
  Q5_K: byBlock(256, 176, (b, at, out, o) => {
    for (let group = 0; group < 8; group++) {
      const { d, m } = scaleAndMinimum(b, at, group);
      const q = at + 48 + 32 * (group >> 1), shift = 4 * (group & 1);
      for (let i = 0; i < 32; i++) {
        const high = ((b[at + 16 + i]! >> group) & 1) << 4;
        out[o + 32 * group + i] = d * (((b[q + i]! >> shift) & 15) | high) - m;
      }
    }
  }),
  Q6_K: byBlock(256, 210, (b, at, out, o) => {
    const d = half(b, at + 208);
    for (let i = 0; i < 256; i++) {
      const part = i >> 7, row = (i >> 5) & 3, column = i & 31;
      const low = (b[at + 64 * part + 32 * (row & 1) + column]! >> (4 * (row >> 1))) & 15;
      const high = (b[at + 128 + 32 * part + column]! >> (2 * row)) & 3;
      out[o + i] = d * int8(b[at + 192 + (i >> 4)]!) * ((low | (high << 4)) - 32);
    }
  }),
};

type Block = (blocks: Uint8Array, at: number, out: Float32Array, o: number) => void;

function byBlock(numbers: number, bytes: number, block: Block): Codec {
  return {
    numbers,
    bytes,
    decode(blocks, out) {
      for (let at = 0, o = 0; at < blocks.length; at += bytes, o += numbers) block(blocks, at, out, o);
    },
  };
}

function decodeF16(blocks: Uint8Array<ArrayBuffer>, out: Float32Array<ArrayBuffer>): void {
  const halves = new Uint16Array(blocks.buffer, blocks.byteOffset, blocks.length / 2);
  for (let i = 0; i < halves.length; i++) out[i] = HALF[halves[i]!]!;
}

function decodeBF16(blocks: Uint8Array<ArrayBuffer>, out: Float32Array<ArrayBuffer>): void {
  const halves = new Uint16Array(blocks.buffer, blocks.byteOffset, blocks.length / 2);
  const bits = new Uint32Array(out.buffer, out.byteOffset, halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
}

function half(b: Uint8Array, at: number): number {
  return HALF[b[at]! | (b[at + 1]! << 8)]!;
}

function int8(byte: number): number {
  return (byte << 24) >> 24;
}

/** Bit 4 of number i, from the 32 bits at `at`. */
function fifth(b: Uint8Array, at: number, i: number): number {
  return ((b[at + (i >> 3)]! >> (i & 7)) & 1) << 4;
}

/** Scale and minimum of one of the eight groups of Q4_K and Q5_K, each 6 bits in the 12 bytes after the two float16. */
function scaleAndMinimum(
  b: Uint8Array,
  at: number,
  group: number,
): { readonly d: number; readonly m: number } {
  const s = at + 4, j = group & 3;
  const low = b[s + j]!, middle = b[s + 4 + j]!, high = b[s + 8 + j]!;
  const scale = group < 4 ? low & 63 : (high & 15) | ((low >> 2) & 48);
  const minimum = group < 4 ? middle & 63 : (high >> 4) | ((middle >> 2) & 48);
  return { d: half(b, at) * scale, m: half(b, at + 2) * minimum };
}
