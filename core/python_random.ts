/**
 * Python's `random.Random` for whole seeds, bit for bit: what a published program drew from a seed is drawn here too.
 *
 * Source: M. Matsumoto and T. Nishimura, "Mersenne Twister", ACM TOMACS 8 (1998), MT19937 with init_by_array; CPython's random module for
 * what is made of the 32-bit numbers: a bounded number takes the top bits of one and draws again where they are too large, shuffle() swaps from
 * the end, sample() swaps within a pool where that is small and else keeps a set of what was taken.
 */
import { createHash } from "node:crypto";

const N = 624, M = 397;

export interface PythonRandom {
  /** `getrandbits(bits)`, bits from 1 to 32. */
  bits(bits: number): number;
  /** `_randbelow(n)`: whole, from 0 to n - 1. @throws {RangeError} unless n is whole, from 1 to 2^32 - 1. */
  below(n: number): number;
  /** `random()`: 53 bits, in [0, 1). */
  uniform(): number;
  /** `choice(list)`. @throws {RangeError} for an empty list. */
  choice<T>(list: readonly T[]): T;
  /** A copy of the list after `shuffle(list)`. */
  shuffle<T>(list: readonly T[]): T[];
  /** `sample(list, k)`. @throws {RangeError} unless k is whole, from 0 to the list's length. */
  sample<T>(list: readonly T[], k: number): T[];
}

/**
 * @param seed whole, from 0 to 2^53 - 1; Python takes the magnitude of its seed
 * @throws {RangeError} for another seed.
 *
 * @example
 * ```ts
 * import { pythonRandom } from "./python_random.ts";
 * if (pythonRandom(42).sample([...Array(15).keys()], 3).join() !== "10,1,0") throw new Error("unexpected draw");
 * ```
 */
export function pythonRandom(seed: number): PythonRandom {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new RangeError(`Cannot seed: the seed is ${seed}, wanted a whole number from 0 to 2^53 - 1`);
  }
  const word = twister(seed >= 2 ** 32 ? [seed % 2 ** 32, Math.floor(seed / 2 ** 32)] : [seed]);
  const bits = (count: number) => word() >>> (32 - count);
  const below = (n: number) => {
    if (!Number.isInteger(n) || n < 1 || n >= 2 ** 32) {
      throw new RangeError(`Cannot draw below ${n}: wanted a whole number from 1 to 2^32 - 1`);
    }
    const width = 32 - Math.clz32(n);
    for (;;) {
      const drawn = bits(width);
      if (drawn < n) return drawn;
    }
  };
  return {
    bits,
    below,
    uniform: () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53,
    choice: (list) => list[below(list.length)]!,
    shuffle(list) {
      const out = [...list];
      for (let i = out.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [out[i], out[j]] = [out[j]!, out[i]!];
      }
      return out;
    },
    sample(list, k) {
      const n = list.length;
      if (!Number.isInteger(k) || k < 0 || k > n) {
        throw new RangeError(`Cannot sample ${k} of ${n}: wanted a whole number from 0 to ${n}`);
      }
      // A set costs more than a small pool.
      const limit = 21 + (k > 5 ? 4 ** Math.ceil(Math.log(k * 3) / Math.log(4)) : 0);
      if (n <= limit) {
        const pool = [...list];
        return Array.from({ length: k }, (_, i) => {
          const j = below(n - i), taken = pool[j]!;
          pool[j] = pool[n - i - 1]!;
          return taken;
        });
      }
      const taken = new Set<number>();
      return Array.from({ length: k }, () => {
        let j = below(n);
        while (taken.has(j)) j = below(n);
        taken.add(j);
        return list[j]!;
      });
    },
  };
}

/**
 * Seeded by the first 8 hex digits of the MD5 of a text (as UTF-8), so that a text has the same draws wherever and in whatever order it comes up.
 *
 * @example
 * ```ts
 * import { pythonRandom, pythonRandomOf } from "./python_random.ts";
 * if (pythonRandomOf("abc").bits(32) !== pythonRandom(2416005272).bits(32)) throw new Error("another seed");
 * ```
 */
export function pythonRandomOf(text: string): PythonRandom {
  return pythonRandom(parseInt(createHash("md5").update(text).digest("hex").slice(0, 8), 16));
}

/** The generator's 32-bit numbers, seeded by words, the lowest first. */
function twister(key: readonly number[]): () => number {
  const state = new Uint32Array(N);
  state[0] = 19650218;
  const spread = (i: number, times: number) => {
    const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
    return Math.imul(before, times) >>> 0;
  };
  for (let i = 1; i < N; i++) state[i] = spread(i, 1812433253) + i;
  let i = 1;
  const step = () => {
    i++;
    if (i >= N) {
      state[0] = state[N - 1]!;
      i = 1;
    }
  };
  for (let j = 0, k = 0; k < Math.max(N, key.length); k++, j = (j + 1) % key.length) {
    state[i] = (state[i]! ^ spread(i, 1664525)) + key[j]! + j;
    step();
  }
  for (let k = 0; k < N - 1; k++) {
    state[i] = (state[i]! ^ spread(i, 1566083941)) - i;
    step();
  }
  state[0] = 0x80000000;
  let at = N;
  return () => {
    if (at >= N) {
      for (let k = 0; k < N; k++) {
        const joined = (state[k]! & 0x80000000) | (state[(k + 1) % N]! & 0x7fffffff);
        state[k] = state[(k + M) % N]! ^ (joined >>> 1) ^ (joined & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
}
