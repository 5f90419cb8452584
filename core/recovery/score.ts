/** A scorer's scores of every unit for the groups of a target. */
import type { Item } from "../benchmark.ts";
import { UserError } from "../error.ts";
import type { Model } from "../model.ts";
import { loadBenchmark, requestsOf } from "../plan_benchmarks.ts";
import type { PassSums } from "../pooled.ts";
import { lookUp, type Registry } from "../registry.ts";
import { parseWith } from "../schema.ts";
import type { ScoredItem, Scorer, ScorerInput, UnitScores } from "../scorer.ts";
import { computeScores } from "../scoring.ts";
import type { Target } from "./truth.ts";

export interface TargetOptions {
  readonly scorer: Scorer;
  /** Of the scorer, resolved. */
  readonly params: unknown;
  readonly registry: Registry;
  readonly model: Model;
  /** Folder of the world's data. */
  readonly data: string;
  readonly seed: number;
  /** Sets that the scorer may have and is not to be given; default none. */
  readonly leftOut?: readonly string[];
}

/** The items of a target as the scorer is given them. */
export interface TargetItems {
  readonly input: ScorerInput<unknown>;
  /** Groups of the scorer's first set, by name; "all" alone where it looks at no items. */
  readonly groups: readonly string[];
  /** Sets whose items all have a group, as a matrix wants it of "groupBy". */
  readonly grouped: readonly string[];
}

/** Names of the sets that the scorer can do without and the target has. */
export function optionalSets({ optionalSets = [] }: Scorer, { sets }: Target): readonly string[] {
  return optionalSets.filter((name) => sets[name]);
}

/** @throws {UserError} where the target has no items for a set that the scorer needs. */
export function itemsOf(target: Target, options: TargetOptions): TargetItems {
  const { scorer, params, model, seed, leftOut = [] } = options;
  const wanted = [...scorer.sets, ...optionalSets(scorer, target)].filter((name) => !leftOut.includes(name));
  const loaded = wanted.map((name) => ({ name, ...loadSet(name, target, options) }));
  const groups = new Set(loaded[0]?.scored.map(({ group }) => group) ?? ["all"]);
  return {
    input: {
      params,
      model,
      seed,
      items: Object.fromEntries(loaded.map(({ name, scored }) => [name, scored])),
    },
    groups: [...groups].sort(),
    grouped: loaded.filter(({ items }) => items.every(({ clusters }) => clusters[target.groupBy]))
      .map(({ name }) => name),
  };
}

/**
 * Scores for the groups of the input.
 *
 * @param sums what passes gave, by their keys; kept there, so that a second call computes no pass again.
 * @throws {UserError} as computeScores().
 */
export async function scoreItems(
  { input }: TargetItems,
  { scorer, model, signal, sums }: Pick<TargetOptions, "scorer" | "model"> & {
    readonly signal: AbortSignal;
    readonly sums: Map<string, PassSums>;
  },
): Promise<UnitScores> {
  const { scores } = await computeScores(scorer, input, {
    model,
    signal,
    found: (key) => sums.get(key),
    commit: (key, each) => void sums.set(key, each),
  });
  return scores;
}

function loadSet(
  name: string,
  target: Target,
  { scorer, registry, model, data }: TargetOptions,
): { readonly items: readonly Item[]; readonly scored: readonly ScoredItem[] } {
  const set = target.sets[name];
  if (!set) {
    throw new UserError(
      `Cannot calibrate ${scorer.name}: it needs a set ${JSON.stringify(name)}, wanted one of ${
        Object.keys(target.sets).join(", ")
      } as the target ${target.name} has them`,
    );
  }
  const benchmark = lookUp(registry.benchmarks, set.use, "benchmark");
  const evaluator = lookUp(registry.evaluators, benchmark.evaluator, "evaluator");
  const params: unknown = parseWith(benchmark.params, set.params, `read params of benchmark ${set.use}`);
  const planned = loadBenchmark(benchmark, params, {
    label: name,
    evaluator,
    folder: data,
    limits: {},
  });
  const requests = requestsOf(planned, model);
  return {
    items: planned.items,
    scored: planned.items.map((item, i) => ({
      id: item.id,
      group: item.clusters[target.groupBy] ?? "all",
      prompt: requests[i]!.prompt,
      continuations: requests[i]!.continuations,
      gold: evaluator.gold?.(item),
    })),
  };
}
