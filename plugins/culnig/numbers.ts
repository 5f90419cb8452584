/** Arithmetic of the checks: slopes from differences, and rank correlation. */

/** Steps of central differences, each a root of two below the one before. */
export const STEPS: readonly number[] = Array.from({ length: 8 }, (_, i) => 2 ** (-2 - i / 2));

export interface Slope {
  readonly slope: number;
  /** Standard error, from what the fit leaves over: rounding, and curvature of higher order. */
  readonly error: number;
}

/**
 * The slope at 0 of a function whose differences (f(h) - f(-h)) / 2 at STEPS are given: least squares of s h + c h^3 + d h^5, since a float32
 * function is rough, and no single quotient is exact for both small steps and large ones.
 */
export function slopeOf(differences: readonly number[]): Slope {
  const scale = STEPS[0]!;
  const rows = STEPS.map((step) => [1, 3, 5].map((power) => (step / scale) ** power));
  const sum = (of: (row: readonly number[], i: number) => number) =>
    rows.reduce((total, row, i) => total + of(row, i), 0);
  // The normal equations beside the unit matrix: what is left on the right is the inverse.
  const table = [0, 1, 2].map((a) => [
    ...[0, 1, 2].map((b) => sum((row) => row[a]! * row[b]!)),
    ...[0, 1, 2].map((b) => Number(a === b)),
  ]);
  for (let pivot = 0; pivot < 3; pivot++) {
    table[pivot] = table[pivot]!.map((value) => value / table[pivot]![pivot]!);
    for (let other = 0; other < 3; other++) {
      const times = table[other]![pivot]!;
      if (other !== pivot) table[other] = table[other]!.map((value, k) => value - times * table[pivot]![k]!);
    }
  }
  const moments = [0, 1, 2].map((a) => sum((row, i) => row[a]! * differences[i]!));
  const fitted = [0, 1, 2].map((a) =>
    moments.reduce((total, value, b) => total + table[a]![3 + b]! * value, 0)
  );
  const left = sum((row, i) => (differences[i]! - row.reduce((f, x, a) => f + x * fitted[a]!, 0)) ** 2);
  const variance = left / (STEPS.length - 3);
  return { slope: fitted[0]! / scale, error: Math.sqrt(variance * table[0]![3]!) / scale };
}

/** Rank of each value from 0; equal values share their mean rank. */
export function ranks(values: readonly number[]): number[] {
  return values.map((value) => {
    const lower = values.filter((other) => other < value).length;
    return lower + (values.filter((other) => other === value).length - 1) / 2;
  });
}

/** Pearson's correlation. @returns NaN where one of the two is constant */
export function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const x = mean(a), y = mean(b);
  const sum = (of: (i: number) => number) => a.reduce((total, _, i) => total + of(i), 0);
  return sum((i) => (a[i]! - x) * (b[i]! - y)) /
    Math.sqrt(sum((i) => (a[i]! - x) ** 2) * sum((i) => (b[i]! - y) ** 2));
}
