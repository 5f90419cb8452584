/**
 * A scorer's scores of every unit for each group of a target, and for other dealings of the questions to groups.
 *
 * The passes run once, every question a group of its own. A group's values are sums over its samples, so those of a country are sums over its
 * questions, and those of any other dealing too.
 */
import { UserError } from "../error.ts";
import type { Item } from "../benchmark.ts";
import type { Model, Tap } from "../model.ts";
import { planPasses } from "../passes.ts";
import { loadBenchmark, requestsOf } from "../plan_benchmarks.ts";
import { createPooled, type PassSums } from "../pooled.ts";
import { createRandom } from "../random.ts";
import { lookUp, type Registry } from "../registry.ts";
import { parseWith } from "../schema.ts";
import type { Pass, ScoredItem, Scorer, ScorerInput, UnitScores } from "../scorer.ts";
import { computeScores } from "../scoring.ts";
import type { Target } from "./truth.ts";

export interface TargetScores {
  readonly groups: readonly string[];
  /** A unit a place of each list below. */
  readonly units: readonly { readonly tap: Tap; readonly index: number }[];
  /** [groups][units] */
  readonly observed: readonly Float64Array[];
  /** [shuffles][groups][units] */
  readonly shuffled: readonly (readonly Float64Array[])[];
}

export interface TargetOptions {
  readonly scorer: Scorer;
  readonly params: unknown;
  readonly registry: Registry;
  readonly model: Model;
  /** Folder of the world's data. */
  readonly data: string;
  readonly shuffles: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** @throws {UserError} where the target has no items for a set that the scorer needs, and as computeScores(). */
export async function scoreTarget(target: Target, options: TargetOptions): Promise<TargetScores> {
  const { scorer, params, model, shuffles, seed, signal } = options;
  const loaded = loadSets(target, options);
  const input: ScorerInput<unknown> = {
    params,
    model,
    seed,
    items: itemsOf(loaded, (item) => item.clusters.question),
  };
  const all: PassSums[] = [];
  const keys = new Map<string, number>();
  // Passes run one after the other; the sums committed last are those of all chunks.
  const passes = planPasses(scorer, input), tap = passes[0]?.observe[0]?.tap;
  const { scores } = await computeScores(
    tap === undefined ? scorer : { ...scorer, combine: () => nothing(tap, model) },
    input,
    {
      model,
      signal,
      commit(key, sums) {
        if (!keys.has(key)) keys.set(key, keys.size);
        all[keys.get(key)!] = sums;
      },
    },
  );
  if (all.length !== passes.length) {
    throw new UserError(
      `Cannot calibrate ${scorer.name}: two of its passes are the same, wanted different ones`,
    );
  }
  const groupOf = new Map(
    loaded.flatMap(({ items }) =>
      items.map((item): [string, string] => [item.clusters.question, item.clusters[target.groupBy] ?? "all"])
    ),
  );
  const own = target.sets[scorer.sets[0] ?? ""];
  const groups = own
    ? [...new Set(loaded[0]!.items.map((item) => groupOf.get(item.clusters.question)!))].sort()
    : ["all"];
  const under = (deal: ReadonlyMap<string, string>) => {
    if (passes.length === 0) return listsOf(scores, groups);
    const relabelled = passes.map((pass) => relabel(pass, deal));
    const dealt = itemsOf(loaded, (item) => deal.get(item.clusters.question)!);
    return listsOf(
      scorer.combine(createPooled(relabelled, all.map((sums) => regroup(sums, deal))), {
        ...input,
        items: dealt,
      }),
      groups,
    );
  };
  const { units, lists: observed } = under(groupOf);
  const shuffled = Array.from(
    { length: passes.length === 0 ? 0 : shuffles },
    (_, s) =>
      under(
        dealAnew(loaded.flatMap(({ items }) => items), {
          target,
          groupOf,
          seed: `${seed}/${target.name}/${s}`,
        }),
      ).lists,
  );
  return { groups, units, observed, shuffled };
}

/** In place of scores of single questions, which a scorer that compares sets cannot give. */
function nothing(tap: Tap, model: Model): UnitScores {
  return new Map([["all", new Map([[tap, new Float64Array(model.units(tap))]])]]);
}

interface LoadedSet {
  readonly name: string;
  readonly items: readonly Item[];
  readonly scored: readonly Omit<ScoredItem, "group">[];
}

function loadSets(target: Target, { scorer, registry, model, data }: TargetOptions): LoadedSet[] {
  return [...scorer.sets, ...scorer.optionalSets ?? []].flatMap((name): LoadedSet[] => {
    const set = target.sets[name];
    if (!set) {
      if (!scorer.sets.includes(name)) return [];
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
      limit: undefined,
    });
    const requests = requestsOf(planned, model);
    return [{
      name,
      items: planned.items,
      scored: planned.items.map((item, i) => ({
        id: item.id,
        prompt: requests[i]!.prompt,
        continuations: requests[i]!.continuations,
        gold: evaluator.gold?.(item),
      })),
    }];
  });
}

function itemsOf(
  loaded: readonly LoadedSet[],
  groupOf: (item: Item) => string,
): ScorerInput<unknown>["items"] {
  return Object.fromEntries(
    loaded.map((
      { name, items, scored },
    ) => [name, scored.map((each, i) => ({ ...each, group: groupOf(items[i]!) }))]),
  );
}

function relabel(pass: Pass, deal: ReadonlyMap<string, string>): Pass {
  return { ...pass, samples: pass.samples.map((sample) => ({ ...sample, group: deal.get(sample.group)! })) };
}

function regroup(sums: PassSums, deal: ReadonlyMap<string, string>): PassSums {
  const groups = new Map<string, { group: string; n: number; values: Float64Array }>();
  for (const { group: question, n, values } of sums.groups) {
    const group = deal.get(question)!, into = groups.get(group);
    if (!into) groups.set(group, { group, n, values: values.slice() });
    else {
      into.n += n;
      for (let i = 0; i < values.length; i++) into.values[i]! += values[i]!;
    }
  }
  return { ...sums, groups: [...groups.values()] };
}

/** The groups dealt to the questions at random, within questions that differ by their group alone. */
function dealAnew(items: readonly Item[], { target, groupOf, seed }: {
  readonly target: Target;
  readonly groupOf: ReadonlyMap<string, string>;
  readonly seed: string;
}): ReadonlyMap<string, string> {
  const random = createRandom(`recovery/${seed}`);
  // What has no group keeps to itself.
  const stratum = new Map(items.map((item) => {
    const { question } = item.clusters, within = item.clusters[target.within ?? ""] ?? "";
    return [question, `${item.clusters[target.groupBy] === undefined}/${within}`];
  }));
  const dealt = new Map<string, string>();
  for (const questions of Map.groupBy(stratum.keys(), (question) => stratum.get(question)!).values()) {
    const labels = random.shuffle(questions.map((question) => groupOf.get(question)!));
    questions.forEach((question, i) => dealt.set(question, labels[i]!));
  }
  return dealt;
}

/** Scores as one list a group, which a scorer with groups of its own calls "country/Arveld"; one that keeps no groups apart has the same for all. */
function listsOf(scores: UnitScores, groups: readonly string[]) {
  const nameOf = (group: string) => scores.keys().find((name) => name.endsWith(`/${group}`)) ?? "";
  const byTap = (group: string) => scores.get(group) ?? scores.get(nameOf(group)) ?? [...scores.values()][0]!;
  const first = byTap(groups[0]!);
  return {
    units: [...first].flatMap(([tap, values]) => Array.from(values, (_, index) => ({ tap, index }))),
    lists: groups.map((group) =>
      Float64Array.from([...byTap(group).values()].flatMap((values) => [...values]))
    ),
  };
}
