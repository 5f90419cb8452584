/** Which units a scorer will score, before anything is computed. */
import { createPooled, type PassSums } from "./pooled.ts";
import type { Pass, Scorer, ScorerInput, UnitScores } from "./scorer.ts";

/**
 * 0 for every unit that a scorer will score: combine() is pure and its taps follow from the passes, so sums of 0 show them. Undefined where
 * it wants real sums.
 */
export function outlineOf(
  scorer: Scorer,
  input: ScorerInput<unknown>,
  passes: readonly Pass[],
): UnitScores | undefined {
  const sums = passes.map(({ samples, observe }): PassSums => {
    const columns = observe.map(({ tap }) => input.model.units(tap));
    const values = new Float64Array(3 * columns.reduce((sum, n) => sum + n, 0));
    const groups = [...Map.groupBy(samples, ({ group }) => group)];
    return {
      chunks: 0,
      tokens: 0,
      columns,
      groups: groups.map(([group, { length }]) => ({ group, n: length, values })),
    };
  });
  try {
    const scores = scorer.combine(createPooled(passes, sums), input);
    return new Map(
      [...scores].map(([group, byTap]) => [
        group,
        new Map([...byTap].map(([tap, { length }]) => [tap, new Float64Array(length)])),
      ]),
    );
  } catch {
    // What is wrong with a scorer's own code is said of real sums.
    return undefined;
  }
}
