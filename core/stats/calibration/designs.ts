/**
 * The superpopulations whose true mean is known, and what an estimator makes of a sample of them. Clusters, their effects and their sizes are
 * drawn anew for every sample; intra-cluster correlation (ICC) is the share of an item's variance that its cluster's effect has.
 */
import type { Random } from "../../random.ts";
import type { Clustered } from "../cluster.ts";
import { drawBinomial } from "../distributions.ts";
import { changeInterval, levelInterval } from "../intervals.ts";
import type { Bounds } from "../proportions.ts";
import { seedsError } from "../seeds.ts";
import { drawGamma, drawNormal, drawShares } from "./draw.ts";

export interface Design {
  readonly title: string;
  readonly icc: number;
  /** Why coverage need not be 94 to 96 %, where it need not: it is shown for what it is. */
  readonly beyond?: Beyond;
  /** The interval that a sample of `clusters` clusters gives, moved so that the truth is 0. */
  sample(random: Random, clusters: number): Bounds;
}

/** What is not supported, and the reason. */
export const REASONS = {
  lattice:
    "Answers of so few independent units take few values, and at one share, such as 50 %, there is no interval between one that is " +
    "too narrow and the next, which is too wide; averaged over shares the interval is held above",
  rare:
    "Most samples of so few units show a share near 0 or 1, or a rare change, once or not at all, and say little of how clusters " +
    "differ: the bounds err on the wide side, and where whole clusters are alike on the narrow side too",
  unequal: "A few large clusters decide the mean, and the degrees of freedom for them are too few: too wide",
  skewed:
    "Effects of whole clusters are far from symmetric (exponential), and a mean of few is far from normal: too narrow, by about " +
    "1/4 of the squared skewness over the number of clusters (P. Hall, The Bootstrap and Edgeworth Expansion, 1992, section 2.6)",
  seeds:
    "Two or three seeds give the variance between seeds one or two degrees of freedom: where clusters are few the intervals err on the " +
    "wide side, and no formula tried does better without being too narrow elsewhere",
} as const;
export type Beyond = keyof typeof REASONS;

const LEVEL = 0.95;
type Sizes = (random: Random) => number;
const alone: Sizes = () => 1;
const even: Sizes = () => 8;
const mixed: Sizes = (random) => 4 + random.below(9);
/** Geometric from 1, 8 on average: most clusters have a few items, some dozens. */
const wild: Sizes = (random) => 1 + Math.floor(Math.log(1 - random.uniform()) / Math.log(1 - 1 / 8));

/** Every design, those that are held first. */
export function designs(): Design[] {
  const each = (iccs: readonly number[], of: (icc: number) => Design) => iccs.map(of);
  const all = [0, 0.1, 0.3, 0.6, 1], some = [0, 0.1, 0.3];
  return [
    ...each(all, (icc) => plain("mean, continuous", { icc })),
    ...each([0.3], (icc) => plain("mean, continuous, sizes equal", { icc, sizes: even })),
    ...each([0], (icc) => plain("mean, continuous, items alone", { icc, sizes: alone })),
    ...each(some, (icc) => share("share 50 %", { icc, p: 0.5 })),
    ...each(some, (icc) => share("share 70 %", { icc, p: 0.7 })),
    ...each([0], (icc) => share("share 30 to 70 %, items alone", { icc, p: [0.3, 0.7], sizes: alone })),
    ...each([0], (icc) => share("share 50 to 90 %, items alone", { icc, p: [0.5, 0.9], sizes: alone })),
    ...each(all, (icc) => paired("difference, continuous", { icc })),
    ...each(some, (icc) => moved("difference, 25 % rise, 25 % fall", { icc, rise: 0.25, fall: 0.25 })),
    ...each(some, (icc) => moved("difference, 10 % rise, 30 % fall", { icc, rise: 0.1, fall: 0.3 })),
    ...each([0.01, 0.1, 0.5], (effect) => crossed("mean, 5 seeds", { seeds: 5, effect })),
    ...each([0.6, 1], (icc) => share("share 50 %", { icc, p: 0.5, beyond: "lattice" })),
    ...each([0], (icc) => share("share 50 %, items alone", { icc, p: 0.5, sizes: alone, beyond: "lattice" })),
    ...each([0], (icc) => share("share 70 %, items alone", { icc, p: 0.7, sizes: alone, beyond: "lattice" })),
    ...each([0], (icc) =>
      moved("25 % rise, 25 % fall, items alone", {
        icc,
        rise: 0.25,
        fall: 0.25,
        sizes: alone,
        beyond: "lattice",
      })),
    ...each(
      [0.6, 1],
      (icc) => moved("difference, 25 % rise, 25 % fall", { icc, rise: 0.25, fall: 0.25, beyond: "lattice" }),
    ),
    ...each([0, 0.3], (icc) => share("share 90 %", { icc, p: 0.9, beyond: "rare" })),
    ...each(
      [0, 0.3],
      (icc) => moved("difference, 2 % rise, 2 % fall", { icc, rise: 0.02, fall: 0.02, beyond: "rare" }),
    ),
    ...each([0, 0.3], (icc) => moved("difference, 20 % fall", { icc, rise: 0, fall: 0.2, beyond: "rare" })),
    ...each([0, 0.3], (icc) => plain("mean, sizes very unequal", { icc, sizes: wild, beyond: "unequal" })),
    ...each([0.1, 1], (icc) => plain("mean, exponential", { icc, skewed: true, beyond: "skewed" })),
    ...each([0.1], (effect) => crossed("mean, 3 seeds", { seeds: 3, effect, beyond: "seeds" })),
    ...each([0.1], (effect) => crossed("mean, 2 seeds", { seeds: 2, effect, beyond: "seeds" })),
  ];
}

/** What designs have in common. */
interface Common {
  readonly icc: number;
  readonly sizes?: Sizes;
  readonly beyond?: Beyond;
}

const around = ({ low, high }: Bounds, truth: number): Bounds => ({ low: low - truth, high: high - truth });

function plain(
  title: string,
  { icc, sizes = mixed, skewed = false, ...rest }: Common & { skewed?: boolean },
): Design {
  return {
    title,
    icc,
    ...rest,
    sample: (random, k) =>
      levelInterval(continuous(k, { icc, sizes, skewed, random }), { binary: false, level: LEVEL }),
  };
}

/** Before and after have cluster effects of their own. */
function paired(title: string, { icc, sizes = mixed, ...rest }: Common): Design {
  return {
    title,
    icc,
    ...rest,
    sample(random, k) {
      const before = continuous(k, { icc, sizes, random });
      const after = before.sizes.map((size) => sumOf(size, { icc, random }));
      const data = { ...before, sums: after.map((sum, g) => sum - before.sums[g]!) };
      return changeInterval(data, { binary: false, level: LEVEL });
    },
  };
}

/** @param options `p`: the share, or between which two it is drawn anew for each sample, since at one share so few answers take few values: L.
 * Brown, T. Cai and A. DasGupta, "Interval Estimation for a Binomial Proportion", Stat. Science 16 (2001), who average coverage as this does. */
function share(
  title: string,
  { icc, p: given, sizes = mixed, ...rest }: Common & { readonly p: number | readonly [number, number] },
): Design {
  const [least, most] = typeof given === "number" ? [given, given] : given;
  return {
    title,
    icc,
    ...rest,
    sample(random, k) {
      const p = least === most ? least : least + (most - least) * random.uniform();
      const all = Float64Array.from({ length: k }, () => sizes(random));
      const sums = all.map((size) => drawBinomial(size, drawShares([p, 1 - p], icc, random)[0]!, random));
      const rose = total(sums), n = total(all);
      const data = { ...EMPTY, n, sums, sizes: all, min: Number(rose === n), max: Number(rose > 0), rose };
      return around(levelInterval(data, { binary: true, level: LEVEL }), p);
    },
  };
}

function moved(
  title: string,
  { icc, rise, fall, sizes = mixed, ...rest }: Common & { readonly rise: number; readonly fall: number },
): Design {
  return {
    title,
    icc,
    ...rest,
    sample(random, k) {
      const all = Float64Array.from({ length: k }, () => sizes(random));
      let rose = 0, fell = 0;
      const sums = all.map((size) => {
        const [up = 0, down = 0] = drawShares([rise, fall, 1 - rise - fall], icc, random);
        const rises = drawBinomial(size, up, random);
        const falls = up >= 1 ? 0 : drawBinomial(size - rises, Math.min(1, down / (1 - up)), random);
        rose += rises;
        fell += falls;
        return rises - falls;
      });
      const data = { ...EMPTY, n: total(all), sums, sizes: all, min: -1, max: 1, rose, fell };
      return around(changeInterval(data, { binary: true, level: LEVEL }), rise - fall);
    },
  };
}

/** Seeds with an effect of the given variance, clusters 0.3, both together a third of the seeds'; items 0.3 that all seeds share, and 0.7 anew. */
function crossed(
  title: string,
  { seeds, effect, ...rest }: { seeds: number; effect: number } & Pick<Design, "beyond">,
): Design {
  return {
    title: `${title} of variance ${effect}`,
    icc: 0.3,
    ...rest,
    sample(random, k) {
      const sizes = Float64Array.from({ length: k }, () => mixed(random)), n = total(sizes);
      const shared = sizes.map((size) =>
        size * Math.sqrt(0.3) * drawNormal(random) + Math.sqrt(0.3 * size) * drawNormal(random)
      );
      const sums = Array.from({ length: seeds }, () => {
        const own = Math.sqrt(effect) * drawNormal(random);
        return sizes.map((size, c) =>
          shared[c]! + size * (own + Math.sqrt(effect / 3) * drawNormal(random)) +
          Math.sqrt(0.7 * size) * drawNormal(random)
        );
      });
      const { value, margin } = seedsError({ n, sizes, sums }, LEVEL);
      return { low: value - margin, high: value + margin };
    },
  };
}

const EMPTY: Omit<Clustered, "n" | "sums" | "sizes"> = {
  values: new Float64Array(),
  min: -Infinity,
  max: Infinity,
  rose: 0,
  fell: 0,
  whole: true,
};

interface Continuous {
  readonly icc: number;
  readonly skewed?: boolean;
  readonly random: Random;
}

function continuous(k: number, { sizes, ...rest }: Continuous & { readonly sizes: Sizes }): Clustered {
  const all = Float64Array.from({ length: k }, () => sizes(rest.random));
  return { ...EMPTY, n: total(all), sizes: all, sums: all.map((size) => sumOf(size, rest)), whole: false };
}

/** Sum of a cluster's items: mean 0, variance 1 an item, normal or (skewed) exponential in both effects. */
function sumOf(size: number, { icc, skewed, random }: Continuous): number {
  const [cluster, items] = skewed
    ? [drawGamma(1, random) - 1, drawGamma(size, random) - size]
    : [drawNormal(random), Math.sqrt(size) * drawNormal(random)];
  return size * Math.sqrt(icc) * cluster + Math.sqrt(1 - icc) * items;
}

function total(numbers: Float64Array): number {
  return numbers.reduce((sum, each) => sum + each, 0);
}
