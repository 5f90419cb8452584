/** How fast a model computes, from what the store has of it, else from its size. */
import { isGradient, planPasses } from "../passes.ts";
import type { Plan } from "../plan.ts";
import type { ModelInfo } from "../model.ts";
import type { ModelRecord, Results } from "../results.ts";
import type { RunStore } from "../store/store.ts";

/** A number, and in words where it comes from. */
export interface Sourced {
  readonly value: number;
  /** "measured in run demo-1a2b3c4d", "assumed: ...", "estimated: ...". */
  readonly source: string;
}

/** Where the plan would run. */
export interface Here {
  /** 0 is the runtime's own choice. */
  readonly threads: number;
  /** Operating system and processor, as runs record it. */
  readonly platform: string;
  /** Tokens a second that the user gives in place of all else. */
  readonly rate?: number | undefined;
}

/** Floating-point operations a second that a model without any run is taken to reach: about what two cores with AVX-512 do. */
const OPERATIONS = 3e11;
/** The forward pass multiplies and adds once a parameter and token (J. Kaplan et al., arXiv 2001.08361, section 2.1). */
const OPERATIONS_A_PARAMETER = 2;
/** Beyond this the calls cost more than the products. */
const FASTEST = 20_000;
/** Below this, opening the model is a large part of a run. */
const SHORT_MS = 10_000;
/** Time of a token that is written, eight texts at once, in tokens that are scored. */
export const WRITING = 6;
/** Time of a forward and a backward pass through frozen weights, in forward passes. */
const BACKWARD = 2.5;

/** All runs that the store has, whole. */
export function runsIn(store: RunStore): Results[] {
  return store.runs().flatMap(({ id }) => store.run(id) ?? []);
}

/** Tokens a second without a backward pass, the median of the runs that come nearest to what is planned. */
export function rateOf({ info }: Pick<ModelRecord, "info">, runs: readonly Results[], here: Here): Sourced {
  if (here.rate !== undefined) return { value: here.rate, source: "given with --rate" };
  const found = computedOn(info.hash, runs).map(({ results, run }) => {
    const { scoring = { tokens: 0, elapsedMs: 0 }, written = 0 } = run;
    return {
      results,
      run,
      tokens: run.tokens - scoring.tokens + (WRITING - 1) * written,
      elapsedMs: run.elapsedMs - scoring.elapsedMs,
    };
  });
  return measuredRate(found, here) ?? assumedRate(info.parameters);
}

/**
 * Tokens a second of passes that go backward too: of runs in which all scoring did, else taken from the rate without.
 *
 * @param forward as rateOf() gives it
 */
export function gradientRateOf(
  { info }: Pick<ModelRecord, "info">,
  runs: readonly Results[],
  { forward, ...here }: Here & { readonly forward: Sourced },
): Sourced {
  const assumed = {
    value: forward.value / BACKWARD,
    source: `assumed: forward and backward take ${BACKWARD} times a forward pass`,
  };
  if (here.rate !== undefined) return assumed;
  const found = computedOn(info.hash, runs).flatMap(({ results, run }) =>
    run.scoring?.gradients ? [{ results, run, ...run.scoring }] : []
  );
  return measuredRate(found, here) ?? assumed;
}

interface Timed extends Computed {
  readonly tokens: number;
  readonly elapsedMs: number;
}

function measuredRate(timed: readonly Timed[], here: Here): Sourced | undefined {
  let found = timed.filter(({ tokens, elapsedMs }) => tokens > 0 && elapsedMs > 0);
  if (found.length === 0) return undefined;
  const caveats: string[] = [];
  /** Keeps those that hold, or says that none does. */
  const prefer = (holds: (each: Timed) => boolean, otherwise: string) => {
    const kept = found.filter(holds);
    if (kept.length === 0) caveats.push(otherwise);
    else found = kept;
  };
  prefer(({ run }) => run.platform === here.platform, "on another platform");
  prefer(({ results }) => isAlone(results), "with other models in it");
  prefer(({ run }) => run.threads === here.threads, "with other threads");
  prefer(({ elapsedMs }) => elapsedMs >= SHORT_MS, `of under ${SHORT_MS / 1000} s, opening included`);
  const value = median(found.map(({ tokens, elapsedMs }) => 1000 * tokens / elapsedMs));
  return {
    value,
    source: [`measured ${inRuns(found.map(({ results }) => results))}`, ...caveats].join(", "),
  };
}

function assumedRate(parameters: number): Sourced {
  const value = Math.min(FASTEST, OPERATIONS / (OPERATIONS_A_PARAMETER * parameters));
  const reason = value === FASTEST
    ? "where products cost less than calls"
    : `${OPERATIONS_A_PARAMETER} operations a parameter and token at ${OPERATIONS / 1e9} GFLOP/s`;
  return { value, source: `assumed, since the store has no run of this model: ${reason}` };
}

/** Results with the run that computed them. */
interface Computed {
  readonly results: Results;
  readonly run: Results["run"];
}

/** Runs that computed anything on a model with these weights. */
export function computedOn({ weights, config }: ModelInfo["hash"], runs: readonly Results[]): Computed[] {
  const isSame = ({ info: { hash } }: ModelRecord) => hash.weights === weights && hash.config === config;
  return runs.filter(({ models }) => models.some(isSame))
    .flatMap((results) => {
      const run = computingOf(results);
      return run ? [{ results, run }] : [];
    });
}

/** The record of the run that computed what there is; undefined where none is known. */
export function computingOf({ run }: Pick<Results, "run">): Results["run"] | undefined {
  return run.tokens > 0 ? run : run.measured;
}

/** Whether every pass of every scorer of a plan goes backward. */
export function scoresByGradients({ models }: Pick<Plan, "models">): boolean {
  return models.every(({ scores }) =>
    scores.every(({ score, input }) =>
      planPasses(score.scorer, input).every(({ observe }) => observe.some(isGradient))
    )
  );
}

export function isAlone({ models, treatments }: Results): boolean {
  return models.length === 1 && !treatments.some(({ opened }) => opened);
}

/** "in run a", "in runs a and b (median)", "in 5 runs (median; a, b, c and 2 more)". */
function inRuns(runs: readonly Results[]): string {
  const ids = runs.map(({ id }) => id);
  return ids.length === 1 ? `in run ${ids[0]}` : `in ${ids.length} runs (median of ${listed(ids)})`;
}

/** At most three names. */
export function listed(names: readonly string[]): string {
  if (names.length > 3) return `${names.slice(0, 3).join(", ")} and ${names.length - 3} more`;
  return [names.slice(0, -1).join(", "), names.at(-1)].filter((part) => part !== "").join(" and ");
}

/** Of one number or more; between the two in the middle of an even count. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), half = (sorted.length - 1) / 2;
  return (sorted[Math.floor(half)]! + sorted[Math.ceil(half)]!) / 2;
}
