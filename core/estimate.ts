/** Never a bare number. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** Confidence level of [low, high], 0.95 unless said. */
  readonly level: number;
  /** Items. */
  readonly n: number;
  /** Independent groups of items. */
  readonly clusters: number;
  /** "bound": all clusters changed alike, and the interval says how many others could be different. */
  readonly method: "wilson" | "bootstrap" | "paired bootstrap" | "bound";
}

/** A paired change against the untouched model, in the metric's own unit. */
export interface Difference extends Estimate {
  /** Exact McNemar p, two-sided, for independent binary items only. */
  readonly mcnemar?: number;
  /** Items whose value rose and fell. */
  readonly rose: number;
  readonly fell: number;
}

/** A statistic over control sets: no interval, the sets are the spread. */
export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly sets: number;
}
