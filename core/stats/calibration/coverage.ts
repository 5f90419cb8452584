/** How often intervals hold the truth, by design and number of clusters. */
import { createRandom } from "../../random.ts";
import { type Bounds, clopperPearson } from "../proportions.ts";
import type { Design } from "./designs.ts";

export interface CoverageOptions {
  readonly clusters: readonly number[];
  /** Samples of a cell. */
  samples(clusters: number): number;
  readonly seed: number;
}

export interface Coverage {
  readonly clusters: number;
  /** Share of samples whose interval holds the truth. */
  readonly share: number;
  /** 95 % interval of that share (Clopper and Pearson's), for the finite number of samples. */
  readonly range: Bounds;
}

/** Coverage that is asked of a 95 % interval. */
export const WANTED: Bounds = { low: 0.94, high: 0.96 };

/**
 * A design at each number of clusters. Of over a hundred cells chance alone puts some where they are not; so a cell that is held and seems
 * missed is drawn again, with four times as many new samples, and these alone count.
 */
export function coverageOf(design: Design, { clusters, samples, seed }: CoverageOptions): Coverage[] {
  const draw = (k: number, name: string, all: number): Coverage => {
    const random = createRandom(`${seed}/calibrate/${design.title}/${design.icc}/${k}${name}`);
    let held = 0;
    for (let i = 0; i < all; i++) {
      const { low, high } = design.sample(random, k);
      // Bounds that are the truth, such as a share of 1/2 among two, may miss it by rounding.
      if (low <= 1e-12 && high >= -1e-12) held++;
    }
    return { clusters: k, share: held / all, range: clopperPearson(held, all) };
  };
  return clusters.map((k) => {
    const first = draw(k, "", samples(k));
    return design.beyond === undefined && rating(first) !== "as asked"
      ? draw(k, "/again", 4 * samples(k))
      : first;
  });
}

/** "short" or "wide" where chance alone does not explain a coverage outside what is asked, else "as asked". */
export function rating({ range }: Coverage): "short" | "wide" | "as asked" {
  return range.high < WANTED.low ? "short" : range.low > WANTED.high ? "wide" : "as asked";
}
