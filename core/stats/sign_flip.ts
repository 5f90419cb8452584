/**
 * The sign-flip test of a difference over clusters (R. A. Fisher, "The Design of Experiments", 1935, section 21): if a treatment does nothing,
 * a cluster's change is as likely with the other sign. The p-values are shares of all 2^k sign patterns, counted where that can be done:
 *
 * - clusters that all changed by as much: binomial tails (with independent binary items this is McNemar's test);
 * - whole changes: the distribution of a sum, cluster by cluster;
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
/** Steps that the distribution of a whole sum may take, some 50 ms. */
const STEPS = 2e7;
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
  if (sizes.every(Number.isInteger) && m * range <= STEPS) {
    return asymmetric(total, { ...wholeTails(observed, sizes, range), least });
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

/** The chance of each sum of rises, cluster by cluster; the sum of signed changes is twice that of the rises less the range. */
function wholeTails(observed: number, sizes: readonly number[], range: number): Tails {
  const chance = new Float64Array(range + 1);
  chance[0] = 1;
  let top = 0;
  for (const size of sizes.toSorted((a, b) => a - b)) {
    top += size;
    for (let sum = top; sum >= 0; sum--) {
      chance[sum] = (chance[sum]! + (sum >= size ? chance[sum - size]! : 0)) / 2;
    }
  }
  const from = (observed + range) / 2;
  let above = 0;
  for (let sum = range; sum > from; sum--) above += chance[sum]!;
  return { atLeast: above + chance[from]!, above };
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
  const rounding = ROUNDING * order.reduce((sum, change) => sum + Math.abs(change), 0);
  let up = 0, down = 0, far = 0;
  for (let draw = 0; draw < draws; draw++) {
    let sum = 0;
    for (let i = 0, bits = 0; i < groups.length; i++, bits >>>= 1) {
      if (i % 32 === 0) bits = random.next();
      sum += bits & 1 ? groups[i]! : -groups[i]!;
    }
    if (sum >= total - rounding) up++;
    if (sum <= total + rounding) down++;
    if (Math.abs(sum) >= Math.abs(total) - rounding) far++;
  }
  const p = (count: number) => (1 + count) / (1 + draws);
  return { p: p(far), greater: p(up), less: p(down), least: p(0), exact: false };
}
