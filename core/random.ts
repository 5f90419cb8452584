/**
 * The only source of randomness: xoshiro128** of D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators",
 * ACM TOMS 47 (2021), its state the first 16 bytes of the sha256 of the seed.
 */
import { sha256 } from "./hash.ts";

/** A stream of random numbers, the same for the same seed on every machine. Not for secrets. */
export interface Random {
  /** Uniform integer in [0, 2^32). */
  next(): number;
  /** Uniform multiple of 2^-53 in [0, 1). */
  uniform(): number;
  /** Uniform integer in [0, n), without bias. @throws {RangeError} unless n is an integer in [1, 2^32]. */
  below(n: number): number;
  /** Fills `out` as below(n) would, call by call, but faster. @throws {RangeError} as below(). */
  fill(out: Uint32Array, n: number): void;
  /** k distinct integers of [0, n) in random order. @throws {RangeError} unless 0 <= k <= n <= 2^32, all integers. */
  sample(n: number, k: number): number[];
  /** A copy in random order. */
  shuffle<T>(xs: readonly T[]): T[];
}

const TWO_32 = 2 ** 32;
/** Up to here the product of n and a uint32 is exact in a float64. */
const SMALL = 2 ** 21;

/**
 * Starts the stream of a seed; 7 and "7" are the same seed. Independent streams come from longer seeds: "0/bootstrap/acc".
 *
 * @example
 * ```ts
 * import { createRandom } from "./random.ts";
 * const first = createRandom("0/control").sample(100, 3), second = createRandom("0/control").sample(100, 3);
 * if (first.join() !== second.join()) throw new Error("a seed is a stream");
 * ```
 */
export function createRandom(seed: string | number): Random {
  const digest = sha256(String(seed));
  const state = Int32Array.from({ length: 4 }, (_, i) => parseInt(digest.slice(8 * i, 8 * i + 8), 16));

  const below = (n: number): number => drawBelow(state, checked(n));
  const sample = (n: number, k: number): number[] => {
    if (!(Number.isInteger(n) && Number.isInteger(k) && k >= 0 && k <= n)) {
      throw new RangeError(`Cannot draw ${k} of ${n}: wanted integers with 0 <= k <= n`);
    }
    // Fisher and Yates on a list that is written down only where it was changed: O(k) for any n.
    const moved = new Map<number, number>();
    return Array.from({ length: k }, (_, i) => {
      const j = i + below(n - i);
      const drawn = moved.get(j) ?? j;
      moved.set(j, moved.get(i) ?? i);
      return drawn;
    });
  };

  return {
    next: () => step(state),
    uniform: () => ((step(state) >>> 5) * 2 ** 26 + (step(state) >>> 6)) / 2 ** 53,
    below,
    fill(out, n) {
      checked(n);
      for (let i = 0; i < out.length; i++) out[i] = drawBelow(state, n);
    },
    sample,
    shuffle: <T>(xs: readonly T[]) => sample(xs.length, xs.length).map((i) => xs[i] as T),
  };
}

/** The bare generator: one uint32, `state` (four words, not all zero) moved on. Exported for its published test vector. */
export function step(state: Int32Array): number {
  const s1 = state[1] as number;
  const x = Math.imul(s1, 5);
  const s2 = (state[2] as number) ^ (state[0] as number);
  const s3 = (state[3] as number) ^ s1;
  state[1] = s1 ^ s2;
  state[0] = (state[0] as number) ^ s3;
  state[2] = s2 ^ (s1 << 9);
  state[3] = (s3 << 11) | (s3 >>> 21);
  return Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
}

function drawBelow(state: Int32Array, n: number): number {
  if (n <= SMALL) {
    // Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019): the high word of x * n, unless the low word
    // is among the 2^32 mod n values that some results would have in excess. Several times faster than a remainder.
    for (;;) {
      const x = step(state);
      const low = Math.imul(x, n) >>> 0;
      if (low >= n || low >= TWO_32 % n) return ((x * n - low) / TWO_32) | 0;
    }
  }
  // Numbers from the last, incomplete multiple of n on would favour small remainders; they are drawn again.
  const limit = TWO_32 - TWO_32 % n;
  let x = step(state);
  while (x >= limit) x = step(state);
  return x % n;
}

function checked(n: number): number {
  if (Number.isInteger(n) && n >= 1 && n <= TWO_32) return n;
  throw new RangeError(`Cannot draw below ${n}: wanted an integer in [1, 2^32]`);
}
