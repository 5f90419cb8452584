/**
 * The sign-flip test of a difference over clusters (R. A. Fisher, "The Design of Experiments", 1935, section 21): if a treatment does nothing,
 * a cluster's change is as likely with the other sign. The p-values are shares of all 2^k sign patterns, counted where that can be done:
 *
 * - clusters that all changed by as much: binomial tails (with independent binary items this is McNemar's test);
 * - whole changes: the tails of a sum, from its characteristic function;
 * - up to 30 clusters that changed: the two halves' sums, sorted, and pairs of them counted (E. Horowitz and S. Sahni, J. ACM 21, 1974);
 *
 * else drawn from a seed, the observed pattern one of them (B. Phipson and G. Smyth, Stat. Appl. Genet. Mol. Biol. 9(1), 2010). Of more than 1,000
 * clusters, groups are flipped together: groups are formed by chance, their patterns are a subgroup of all, and the test keeps its level.
 */
import type { SignFlip } from "../estimate.ts";
import { createRandom } from "../random.ts";
import { binomialProbability } from "./distributions.ts";

/** Clusters up to which all patterns are counted whatever the changes are: 2 lists of 2^15 sums. */
const COUNTED = 30;
/** Terms that the tails of a whole sum may take, 0.2 s if all of them count. */
const STEPS = 1e7;
const GROUPS = 1000;

export interface SignFlipOptions {
  /** Name of the random stream, where patterns are drawn. */
  readonly seed: string | number;
  /** Patterns drawn; default 10,000. */
  readonly draws?: number | undefined;
}

/**
 * @param sums change of each cluster, summed over its items, in an order that does not depend on their signs' meaning
 *
 * @example
 * ```ts
 * import { signFlip } from "./sign_flip.ts";
 * // Of 2^4 patterns of 1, 2, 3, 4 one alone is as large as 10.
 * const { greater, p, exact } = signFlip([1, 2, 3, 4], { seed: 0 });
 * if (!(greater === 1 / 16 && p === 1 / 8 && exact)) throw new Error("unexpected p");
 * ```
 */
export function signFlip(sums: ArrayLike<number>, { seed, draws = 10_000 }: SignFlipOptions): SignFlip {
  if (!(Number.isInteger(draws) && draws > 0)) {
    throw new RangeError(`Cannot flip signs ${draws} times: wanted at least 1`);
  }
  const changed = Array.from(sums).filter((sum) => sum !== 0), sizes = changed.map(Math.abs);
  const total = changed.reduce((sum, each) => sum + each, 0);
  if (changed.length === 0) return { p: 1, greater: 1, less: 1, least: 1, exact: true };
  const range = sizes.reduce((sum, each) => sum + each, 0), observed = Math.abs(total);
  const m = sizes.length, least = 2 ** -m, even = sizes.every((size) => size === sizes[0]);
  if (even) return asymmetric(total, { ...equalTails(observed / sizes[0]!, m), least });
  if (sizes.every(Number.isInteger)) {
    const counts = [...Map.groupBy(sizes, (size) => size)].map(([size, { length: count }]) => ({
      size,
      count,
    }));
    if (counts.length * range <= STEPS) {
      return asymmetric(total, { ...wholeTails(observed, counts, range), least });
    }
  }
  if (m <= COUNTED) return asymmetric(total, { ...countedTails(observed, sizes, range), least });
  return drawn(changed, { total, seed, draws });
}

/** Chance of a sum of at least, and of more than, the observed one, both counted from 0 upwards. */
interface Tails {
  readonly atLeast: number;
  readonly above: number;
}

/** All patterns together are symmetric, so that one side says all. */
function asymmetric(total: number, { atLeast, above, least }: Tails & { readonly least: number }): SignFlip {
  const [along, against] = [atLeast, Math.min(1, 1 - above)];
  const p = total === 0 ? 1 : Math.min(1, 2 * atLeast);
  return total >= 0
    ? { p, greater: along, less: against, least, exact: true }
    : { p, greater: against, less: along, least, exact: true };
}

/** m changes of 1 whose sum is `observed`: (m + observed) / 2 of them rose. */
function equalTails(observed: number, m: number): Tails {
  const rises = Math.round((m + observed) / 2);
  let term = binomialProbability(rises, m, 0.5), above = 0;
  const own = term;
  // Each term is a multiple of the one before, the largest first, so that no small one is lost.
  for (let k = rises; k < m && term > 0; k++) above += term *= (m - k) / (k + 1);
  return { atLeast: own + above, above };
}

/**
 * Tails of a sum of whole numbers, from its characteristic function at as many places as there are sums, which is as exact as a table of them: the sum
 * of rises X = sum s_i B_i of fair coins B_i, of which 2 X - range is the sum of signed changes. It is tilted (F. Esscher, Skand. Aktuarietidskr.
 * 15, 1932), so that the observed sum is likely and no tail, however small, is lost in rounding:
 *
 *   P(X >= a) = exp(K(h) - h a) sum_{d = 0}^{range - a} exp(-h d) P_h(X = a + d),     K(h) = sum log((1 + exp(h s_i)) / 2)
 *   P_h(X = x) = 1/M sum_j exp(-i w_j x) prod_i (1 - p_i + p_i exp(i w_j s_i)),     w_j = 2 pi j / M, M = range + 1, p_i = 1 / (1 + exp(-h s_i))
 *
 * and the inner sum over d is a geometric series.
 */
function wholeTails(observed: number, counts: readonly SizeCount[], range: number): Tails {
  const from = (observed + range) / 2, steps = range - from, M = range + 1;
  const m = counts.reduce((sum, { count }) => sum + count, 0);
  if (steps === 0) return { atLeast: 2 ** -m, above: 0 };
  const tilt = tiltTo(from, counts);
  const coins = counts.map(({ size, count }) => ({ size, count, p: 1 / (1 + Math.exp(-tilt * size)) }));
  const scale = Math.exp(
    coins.reduce((sum, { size, count, p }) => sum + count * (tilt * size - Math.log(2 * p)), -tilt * from),
  );
  let atLeast = 0, own = 0;
  for (let j = 0; 2 * j <= M; j++) {
    const w = 2 * Math.PI * j / M;
    let log = 0;
    for (const { size, count, p } of coins) {
      log += count / 2 * Math.log1p(-2 * p * (1 - p) * (1 - Math.cos(w * size)));
      // Where clusters are many, so it is soon at most places.
      if (log < NEGLIGIBLE) break;
    }
    if (log < NEGLIGIBLE) continue;
    const angle = coins.reduce(
      (sum, { size, count, p }) =>
        sum + count * Math.atan2(p * Math.sin(w * size), 1 - p + p * Math.cos(w * size)),
      -w * from,
    );
    const length = (j === 0 || 2 * j === M ? 1 : 2) * Math.exp(log);
    const { re, im } = series(tilt, w, steps);
    own += length * Math.cos(angle);
    atLeast += length * (Math.cos(angle) * re - Math.sin(angle) * im);
  }
  return { atLeast: scale * atLeast / M, above: scale * Math.max(0, atLeast - own) / M };
}

interface SizeCount {
  readonly size: number;
  /** Clusters that changed by it. */
  readonly count: number;
}

/** ln of what adds nothing to a float64 of order 1e-4. */
const NEGLIGIBLE = -50;

/** The h, from 0, under which the sum of rises is `from` on average; at most 40, which leaves none but the largest sums. */
function tiltTo(from: number, counts: readonly SizeCount[]): number {
  const mean = (h: number) =>
    counts.reduce((sum, { size, count }) => sum + count * size / (1 + Math.exp(-h * size)), 0);
  let low = 0, high = 40;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (mean(middle) < from) low = middle;
    else high = middle;
  }
  return low;
}

/** Sum of r^d for d from 0 to `steps`, r = exp(-tilt - i w). */
function series(tilt: number, w: number, steps: number): { readonly re: number; readonly im: number } {
  if (w === 0) {
    return { re: tilt === 0 ? steps + 1 : Math.expm1(-tilt * (steps + 1)) / Math.expm1(-tilt), im: 0 };
  }
  const one = Math.exp(-tilt), all = Math.exp(-tilt * (steps + 1));
  const [topRe, topIm] = [1 - all * Math.cos(w * (steps + 1)), all * Math.sin(w * (steps + 1))];
  const [re, im] = [1 - one * Math.cos(w), one * Math.sin(w)], square = re * re + im * im;
  return { re: (topRe * re + topIm * im) / square, im: (topIm * re - topRe * im) / square };
}

/** Sums within this share of the range are the same number. */
const ROUNDING = 1e-12;

function countedTails(observed: number, sizes: readonly number[], range: number): Tails {
  const half = sizes.length >> 1, left = patterns(sizes.slice(0, half)), right = patterns(sizes.slice(half));
  const patternsOver = 2 ** -sizes.length, rounding = ROUNDING * range;
  const share = (bound: number) => {
    let count = 0, j = right.length;
    // As sums on the left rise, ever smaller ones on the right suffice.
    for (const sum of left) {
      while (j > 0 && sum + right[j - 1]! >= bound) j--;
      count += right.length - j;
    }
    return count * patternsOver;
  };
  return { atLeast: share(observed - rounding), above: share(observed + rounding) };
}

/** All sums of +size and -size, ascending. */
function patterns(sizes: readonly number[]): Float64Array {
  const sums = new Float64Array(2 ** sizes.length);
  sizes.forEach((size, i) => {
    const filled = 2 ** i;
    for (let j = 0; j < filled; j++) {
      sums[filled + j] = sums[j]! + size;
      sums[j]! -= size;
    }
  });
  return sums.sort();
}

function drawn(
  changed: readonly number[],
  { total, seed, draws }: { readonly total: number; readonly seed: string | number; readonly draws: number },
): SignFlip {
  const random = createRandom(seed), order = random.shuffle(changed.toSorted((a, b) => a - b));
  const groups = new Float64Array(Math.min(GROUPS, order.length));
  order.forEach((change, i) => groups[i % groups.length]! += change);
  const eights = signedSums(groups), words = eights.length / 256;
  const rounding = ROUNDING * order.reduce((sum, change) => sum + Math.abs(change), 0);
  let up = 0, down = 0, far = 0;
  for (let draw = 0; draw < draws; draw++) {
    let sum = 0;
    // A byte of random bits decides the signs of eight groups.
    for (let e = 0, bits = 0; e < words; e++, bits >>>= 8) {
      if (e % 4 === 0) bits = random.next();
      sum += eights[256 * e + (bits & 255)]!;
    }
    if (sum >= total - rounding) up++;
    if (sum <= total + rounding) down++;
    if (Math.abs(sum) >= Math.abs(total) - rounding) far++;
  }
  const p = (count: number) => (1 + count) / (1 + draws);
  return { p: p(far), greater: p(up), less: p(down), least: p(0), exact: false };
}

/** 256 sums for every eight numbers: number i has a plus where bit i of the place is set; missing ones count as 0. */
function signedSums(numbers: Float64Array): Float64Array {
  const sums = new Float64Array(256 * Math.ceil(numbers.length / 8));
  for (let place = 0; place < sums.length; place++) {
    const first = 8 * (place >> 8);
    for (let i = 0; i < 8 && first + i < numbers.length; i++) {
      sums[place]! += place >> i & 1 ? numbers[first + i]! : -numbers[first + i]!;
    }
  }
  return sums;
}
