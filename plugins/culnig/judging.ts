/** How claims are judged by the results of matrices: intervals, sealed hypotheses, gates. */
import type {
  ClaimFigure,
  ClaimResult,
  ClaimVerdict,
  Difference,
  HypothesisResult,
  Results,
} from "../../core/mod.ts";

/** The treatment that most claims are about. */
export const GENERAL = "general silenced";

export type Found = ReadonlyMap<string, Results>;

/** The judgement, or why there is none: the matrix was not run, or a gate kept the treatment from the model. */
export function within(
  found: Found,
  matrix: string,
  treatment: string,
  judge: (results: Results) => ClaimResult,
): ClaimResult {
  const results = found.get(matrix);
  if (!results) return { verdict: "not measured", figures: [], reason: `${matrix} was not run` };
  const shut = (results.gates ?? []).find((gate) => !gate.open && gate.treatments.includes(treatment));
  if (shut) {
    const { value, low, high, n } = shut.estimate;
    const gate: ClaimFigure = {
      what: `${shut.benchmark}, untouched`,
      value: 100 * value,
      low: 100 * low,
      high: 100 * high,
      n,
      unit: "%",
      control: `${100 * shut.atLeast} wanted`,
    };
    const figures = shut.belowGate === "mark" ? judge(results).figures : [];
    return {
      verdict: "not identifiable",
      figures: [gate, ...figures],
      reason: "the untouched model knows too little to lose any",
    };
  }
  return judge(results);
}

/** A claim of another matrix, about a model that knows enough of cultures by the gate of the first. */
export function knowing(found: Found, judge: () => ClaimResult): ClaimResult {
  return found.has("culnig") ? within(found, "culnig", GENERAL, judge) : judge();
}

/** A claim that hypotheses of its matrix make: all of those that were judged have to hold. */
export function byHypotheses(found: Found, matrix: string, names: readonly string[]): ClaimResult {
  const treatment = matrix === "culnig" ? GENERAL : "trained where culture is";
  return within(found, matrix, treatment, ({ hypotheses }) => {
    const judged = names.flatMap((name) =>
      hypotheses?.judged.find(({ hypothesis }) => hypothesis.name === name) ?? []
    );
    if (judged.length === 0) {
      return { verdict: "not measured", figures: [], reason: "its data was not there" };
    }
    return {
      verdict: worst(judged.map(verdictOf)),
      figures: judged.map((each): ClaimFigure => ({
        what: `${each.hypothesis.benchmark}: ${each.hypothesis.name}`,
        ...points(each.difference),
        control: `against ${each.hypothesis.control}${
          each.sets ? `, ${each.sets.count} sets` : ""
        }, adjusted p ${Number(each.adjusted.toPrecision(2))}: ${each.verdict}`,
      })),
      reason: `${judged.length} sealed hypothes${
        judged.length === 1 ? "is" : "es"
      }, corrected for their family`,
    };
  });
}

function verdictOf({ verdict, difference, hypothesis: { direction } }: HypothesisResult): ClaimVerdict {
  if (verdict === "effect" || verdict === "not worse") return "holds";
  if (verdict === "not identifiable") return verdict;
  const isOpposite = direction === "less"
    ? difference.low > 0
    : direction === "greater" && difference.high < 0;
  return isOpposite || verdict === "equivalent" ? "does not hold" : "not shown";
}

/** Whether the second change is surely lower than the first, the two taken as independent. */
export function apart(first: Difference, second: Difference): ClaimVerdict {
  const gap = second.value - first.value;
  const reach = (a: number, b: number) => Math.hypot(a, b);
  if (gap + reach(second.high - second.value, first.value - first.low) < 0) return "holds";
  return gap - reach(second.value - second.low, first.high - first.value) > 0 ? "does not hold" : "not shown";
}

/** Of several verdicts the one that decides. */
export function worst(verdicts: readonly ClaimVerdict[]): ClaimVerdict {
  const order = ["does not hold", "not identifiable", "not shown", "holds"] as const;
  return order.find((each) => verdicts.includes(each)) ?? "not measured";
}

export function setsOf({ treatments }: Results, treatment: string) {
  return treatments.find(({ name }) => name === treatment)?.found ?? [];
}

export function hasCell({ cells }: Results, benchmark: string, treatment: string): boolean {
  return cells.some((cell) => cell.benchmark === benchmark && cell.treatment === treatment);
}

export function changeOf({ cells }: Results, benchmark: string, treatment: string): Difference {
  const cell = cells.find((each) => each.benchmark === benchmark && each.treatment === treatment);
  const difference = cell?.metrics.find(({ metric }) => metric.name === cell.primary)?.difference;
  if (difference) return difference;
  throw new Error(`no cell of ${benchmark} under ${treatment}`);
}

/** A cell's change beside those of its controls. */
export function figure(results: Results, benchmark: string, treatment: string): ClaimFigure {
  const cell = results.cells.find((each) => each.benchmark === benchmark && each.treatment === treatment)!;
  const controls = cell.controls.filter(({ control }) => control !== "identity").map(
    ({ control, metrics }) => {
      const { mean, sets } = metrics[cell.primary]!.difference;
      return `${control} ${(100 * mean).toFixed(1)}${sets > 1 ? ` (${sets} sets)` : ""}`;
    },
  );
  return {
    what: `${benchmark}, ${treatment}`,
    ...points(changeOf(results, benchmark, treatment)),
    ...(controls.length > 0 && { control: controls.join(", ") }),
  };
}

function points({ value, low, high, n }: Difference) {
  return { value: 100 * value, low: 100 * low, high: 100 * high, n, unit: "points" };
}

export const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
export const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
