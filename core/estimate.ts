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
  /**
   * How [low, high] was made. Independent items: "wilson" (proportions), "score" (Tango's, differences of proportions), "t". Items in
   * clusters: the same with the clusters' error and degrees of freedom, "cluster wilson", "cluster score", "cluster t". Several seeds:
   * "seeds t". Two changes of different items against each other: "mover". "bound": all clusters changed alike, and the interval says how many others could be different; "constant": all values are
   * equal and without limits, so nothing can be said.
   */
  readonly method:
    | "wilson"
    | "score"
    | "t"
    | "cluster wilson"
    | "cluster score"
    | "cluster t"
    | "seeds t"
    | "mover"
    | "bound"
    | "constant";
  /** Standard error; absent where the values do not vary. */
  readonly error?: number;
  /** Degrees of freedom of the error. */
  readonly freedom?: number;
}

/** A paired change against the untouched model, in the metric's own unit. */
export interface Difference extends Estimate {
  /** Exact McNemar p, two-sided, for independent binary items only. */
  readonly mcnemar?: number;
  /** Chances of such a difference if the signs of the clusters' changes were chance. */
  readonly signFlip?: SignFlip;
  /** The smallest difference that a two-sided t test at 5 % finds with 80 % power; absent where the values do not vary. */
  readonly detectable?: number;
  /** Items whose value rose and fell. */
  readonly rose: number;
  readonly fell: number;
}

/** p-values of the sign-flip test over clusters. */
export interface SignFlip {
  /** Two-sided. */
  readonly p: number;
  /** Against a rise, and against a fall. */
  readonly greater: number;
  readonly less: number;
  /** The smallest one-sided p that could have come out. */
  readonly least: number;
  /** Whether all flips were counted, or drawn. */
  readonly exact: boolean;
}

/** A statistic over control sets: no interval, the sets are the spread. */
export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly sets: number;
}
