/** Hypotheses and their verdicts as people read them, the same on the terminal, in report.md and on the page. */
import type { HypothesisResult, Results } from "../results.ts";
import { estimateText, figure, pText } from "./format.ts";

/** "primary, on model demo: food falls". */
export function claimTitle(
  { hypothesis: { name, family, guard }, model }: HypothesisResult,
  results: Results,
): string {
  const kind = guard ? `${family} guard` : family;
  return results.models.length > 1 ? `${name} (${kind}, ${model})` : `${name} (${kind})`;
}

/** What is claimed: "exact_match of fables_food under food silenced, less than under random (20 sets)". */
export function claimText({ hypothesis, metric, sets }: HypothesisResult): string {
  const { treatment, control, benchmark, direction, margin, guard, beyond } = hypothesis;
  if (beyond !== undefined) {
    const way = {
      less: "falls further than",
      greater: "rises further than",
      either: "changes otherwise than",
    };
    const by = margin === undefined ? "" : `, margin ${unit(margin, metric)}`;
    return `${metric.name} of ${benchmark} under ${treatment} ${way[direction]} on ${beyond}${by}`;
  }
  const against = sets ? `${control} (${sets.count} sets)` : control;
  const by = margin === undefined ? "" : ` by ${unit(margin, metric)}`;
  const way = guard
    ? `does not ${direction === "greater" ? "fall" : "rise"}${by} against`
    : direction === "less"
    ? "is lower than under"
    : direction === "greater"
    ? "is higher than under"
    : "differs from";
  const within = !guard && margin !== undefined ? `, margin ${unit(margin, metric)}` : "";
  return `${metric.name} of ${benchmark} under ${treatment} ${way} ${against}${within}`;
}

/** What a verdict rests on: "diff -69.8 [-83.3, -54.2]", "p = 0.048 (sign flip), adjusted 0.048", "over sets p = 0.048". */
export function evidenceTexts(result: HypothesisResult): string[] {
  const { hypothesis: { guard }, verdict, difference, metric, p, adjusted, tested, sets, reason, headroom } =
    result;
  return [
    `diff ${estimateText(difference, metric, true)}`,
    tested
      ? `${pText(p)} (${testText(result)}), adjusted ${pText(adjusted).replace("p ", "").replace("= ", "")}`
      : "not tested",
    // A guard is a test over items alone.
    ...(sets && !guard ? [`over sets ${pText(sets.p)}`] : []),
    ...(headroom ? [`headroom ${estimateText(headroom, metric, true)}`] : []),
    ...(verdict === "effect" || verdict === "not worse" ? [] : [reasonIn(result, reason)]),
  ];
}

/** Which test a hypothesis' p is of. */
function testText({ hypothesis: { guard, direction }, sets, difference }: HypothesisResult): string {
  if (guard) return "non-inferiority";
  const name = sets
    ? "the larger of sign flip and sets"
    : difference.signFlip
    ? "sign flip"
    : difference.method === "mover"
    ? "two independent changes"
    : difference.method === "seeds t"
    ? "t over seeds and items"
    : "bound, no item having changed otherwise than others";
  return direction === "either" ? name : `${name}, one-sided`;
}

/** How the families that there are were corrected, in sentences. */
export function familiesText({ hypotheses }: Pick<Results, "hypotheses">): string {
  const judged = hypotheses?.judged ?? [], families = new Set(judged.map((each) => each.hypothesis.family));
  const isDrawn = judged.some(({ sets, hypothesis: { guard } }) => sets && !guard);
  return [
    ...(families.has("primary") ? ["Primary hypotheses are corrected by Holm's procedure."] : []),
    ...(families.has("secondary")
      ? ["Secondary hypotheses are tested, by Holm's procedure, only if all primary ones hold."]
      : []),
    ...(families.has("exploratory")
      ? ["Exploratory hypotheses are corrected by Benjamini and Hochberg's procedure."]
      : []),
    ...(isDrawn
      ? [
        "Against a control whose sets are drawn, p is the larger of two: over the control's sets, and over clusters of items.",
      ]
      : []),
  ].join(" ");
}

/** When the hypotheses were sealed; undefined where there are none. */
export function sealText({ hypotheses, run: { sealed } }: Results): string | undefined {
  if (!hypotheses) return undefined;
  const hash = `sha256 ${hypotheses.hash.slice(0, 12)}`;
  if (!sealed) return `Hypotheses ${hash}, not sealed`;
  return sealed.cells === 0
    ? `Hypotheses ${hash}, sealed before the first of ${sealed.of} cells was computed`
    : `Hypotheses ${hash}, first seen when ${sealed.cells} of ${sealed.of} cells had been computed: not sealed before the data`;
}

/**
 * What models reached at the gates, a sentence without its period each: "exact_match of blend untouched is 24.1 [20.1, 28.6] on smol, 35 or more
 * was asked: not identifiable, and general silenced was not run".
 */
export function gateTexts({ gates = [], models }: Pick<Results, "gates" | "models">): string[] {
  return gates.map(({ model, benchmark, metric, atLeast, belowGate, treatments, estimate, open }) => {
    const on = models.length > 1 ? ` on ${model}` : "";
    const what = `${metric.name} of ${benchmark} untouched is ${estimateText(estimate, metric)}${on}, ${
      figure(atLeast, metric)
    } or more was asked`;
    const names = treatments.join(", "), were = treatments.length === 1 ? "was" : "were";
    if (open) return `${what}: identifiable`;
    return `${what}: not identifiable, and ${names} ${were} ${
      belowGate === "stop" ? "not run" : "run all the same, so their figures show no more than noise may"
    }`;
  });
}

/** The smallest effect stands in the reason as a plain number; percent where the metric is in percent. */
function reasonIn({ detectable, metric }: HypothesisResult, reason: string): string {
  return detectable === undefined
    ? reason
    : reason.replace(String(Number(detectable.toPrecision(3))), unit(detectable, metric));
}

function unit(value: number, metric: HypothesisResult["metric"]): string {
  return metric.binary ? `${figure(value, metric)} points` : figure(value, metric);
}
