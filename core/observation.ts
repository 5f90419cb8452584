/** Which observations and spans make sense, for scorers that are planned and backends that run them alike. */
import type { Objective, Observation, RunSample } from "./model.ts";

export const QUANTITIES = ["activation", "gradient", "product", "direct"] as const;
export const POOLS = ["none", "mean", "max", "last", "rms", "sum"] as const;
export const STRETCHES = ["all", "prompt", "completion"] as const;
export const PADDINGS = ["skip", "zero"] as const;

const CHOICES = { quantity: QUANTITIES, pool: POOLS, over: STRETCHES, padding: PADDINGS } satisfies Partial<
  Record<keyof Observation, readonly string[]>
>;
const KEYS: readonly string[] = ["tap", ...Object.keys(CHOICES)];
/** Sites that write into the residual. */
const WRITERS = ["embed", "attn.head", "attn.out", "mlp.out"];

/** What is wrong, and what would not be. */
export interface Fault {
  readonly state: string;
  readonly wanted: string;
}

/**
 * Why an observation cannot be made under an objective of this kind, or without one; undefined where it can. Whether there is such a tap only
 * the model knows. Observations of programs without types and of JSON are read as they are.
 */
export function faultOf(observation: Observation, objective?: Objective["kind"]): Fault | undefined {
  const { tap, quantity, pool, over = "all", padding = "skip" } = observation;
  const odd = Object.keys(observation).find((key) => !KEYS.includes(key));
  if (odd !== undefined) {
    return { state: `it has an unknown key ${JSON.stringify(odd)}`, wanted: KEYS.join(", ") };
  }
  for (const [name, value] of Object.entries({ quantity, pool, over, padding })) {
    const known: readonly string[] = CHOICES[name as keyof typeof CHOICES];
    if (!known.includes(value)) {
      return { state: `${name} is ${JSON.stringify(value)}`, wanted: known.join(", ") };
    }
  }
  if (quantity !== "activation" && objective === undefined) {
    return { state: "there is no objective", wanted: "one" };
  }
  if (pool === "last" && over === "completion") {
    return {
      state: 'pool "last" is the last token of the prompt',
      wanted: "another pool over the completion",
    };
  }
  if (quantity !== "direct") return undefined;
  if (objective !== "logitDifference") {
    return { state: `the objective is ${objective}`, wanted: "logitDifference" };
  }
  if (!WRITERS.includes(tap.replace(/^layers\.\d+\./, ""))) {
    return { state: "it does not write into the residual", wanted: WRITERS.join(", ") };
  }
  return pool === "last" ? undefined : { state: `pool is ${pool}`, wanted: '"last"' };
}

const SPANS = ["completion", "prompt", "all"] as const;
type Span = Extract<Objective, { kind: "crossEntropy" }>["span"];

/** Positions [from, to) of a sample's text that a cross-entropy is over; or what the sample has and should not have. */
export function spanOf(
  span: Span,
  { prompt, continuations = [] }: Pick<RunSample, "prompt" | "continuations">,
): readonly [from: number, to: number] | Fault {
  const count = continuations.length, end = prompt.length + (continuations[0]?.length ?? 0);
  if (typeof span === "string" ? !SPANS.includes(span) : !Array.isArray(span)) {
    return { state: `the span ${JSON.stringify(span)}`, wanted: `${SPANS.join(", ")} or [from, to)` };
  }
  if (count > 1 || (span === "completion" && count === 0)) {
    return { state: `${count} continuations`, wanted: span === "completion" ? "one" : "one at most" };
  }
  const named = { completion: [prompt.length, end], prompt: [1, prompt.length], all: [1, end] } as const;
  const [from, to] = typeof span === "string" ? named[span] : span;
  const fits = Number.isInteger(from) && Number.isInteger(to) && from >= 1 && from < to && to <= end;
  if (fits) return [from, to];
  return {
    state: `the span [${from}, ${to})`,
    wanted: `a stretch of one token or more in [1, ${end})`,
  };
}
