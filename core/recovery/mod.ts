/**
 * `deno task calibrate SCORER`: whether a scorer finds what was planted, on models whose truth is known.
 *
 * For each world and group (a country, a topic of politics), and where the method has a rule for it for all groups together:
 *
 * - AUROC of the scores;
 * - precision and recall of what the method selects by its own rule (the scorer's `selection`), at its own shares;
 * - the same where the rule's shares give way to the numbers that are planted; by a scorer without a rule, of as many of the highest.
 *
 * A rule that takes a share takes it wherever it is asked, also where nothing was planted: then all that it selects is false, and what keeps a
 * finding from being claimed is not the rule but the claim (claims.ts).
 *
 * In a world with decoys the same is done without the sets that the scorer can do without, so that it is seen what each is worth.
 */
import { dirname, join } from "node:path";
import type { Context } from "../context.ts";
import { Select, type SelectEntry } from "../matrix.ts";
import type { Model, Unit } from "../model.ts";
import type { PassSums } from "../pooled.ts";
import { lookUp, type Registry } from "../registry.ts";
import { parseWith } from "../schema.ts";
import type { Scorer, UnitScores } from "../scorer.ts";
import { siteOf, takeUnits } from "../select.ts";
import { auroc, detect, type Detection } from "./detection.ts";
import { itemsOf, optionalSets, scoreItems, type TargetItems } from "./score.ts";
import { findWorlds, type KnownWorld, type Target, unitName } from "./truth.ts";

/** What a scorer found of one group of one world, or of all of them together. */
export interface Recovery {
  readonly kind: string;
  readonly seed: number;
  readonly target: string;
  /** Undefined for all groups together. */
  readonly group: string | undefined;
  /** Sets that the scorer was not given. */
  readonly leftOut: readonly string[];
  /** Units planted among those that are scored. */
  readonly planted: number;
  /** Units that are scored. */
  readonly pool: number;
  readonly auroc: number | undefined;
  /** By the method's own rule; undefined where it has none. */
  readonly own: Detection | undefined;
  /** By the same rule with as many as are planted in place of its shares; undefined where nothing is planted. */
  readonly atPlanted: Detection | undefined;
}

export interface RecoveryOptions {
  readonly name: string;
  readonly params: unknown;
  readonly registry: Registry;
  /** Folder below which the worlds are. */
  readonly worlds: string;
  readonly seed: number;
  readonly context: Context;
  readonly print: (line: string) => void;
}

/** @throws {UserError} for an unknown scorer, wrong params, no worlds, and as the model and the scorer do. */
export async function recover(options: RecoveryOptions): Promise<readonly Recovery[]> {
  const { registry, worlds, context, print } = options;
  const { scorer, params } = scorerOf(options);
  const found: Recovery[] = [];
  for (const world of findWorlds(worlds)) {
    print(`${world.kind}, seed ${world.seed}: scoring`);
    await using model = await openWorld(world, { registry, context });
    for (const target of world.targets) {
      found.push(...await recoverTarget(target, { ...options, scorer, params, world, model }));
    }
  }
  return found;
}

/** @throws {UserError} for an unknown scorer, and wrong params. */
export function scorerOf({ name, params, registry }: Pick<RecoveryOptions, "name" | "params" | "registry">) {
  const scorer: Scorer = lookUp(registry.scorers, name, "scorer");
  return { scorer, params: parseWith<unknown>(scorer.params, params, `calibrate ${name}: its params`) };
}

/** A world's model, open for observing. */
export async function openWorld(
  { model, folder }: KnownWorld,
  { registry, context }: Pick<RecoveryOptions, "registry" | "context">,
): Promise<Model> {
  const backend = await lookUp(registry.backends, model.use, "backend").load();
  return await backend.open(model.params, { taps: [] }, { ...context, baseDir: folder });
}

/** Folder of a world's data. */
export const dataOf = ({ folder }: KnownWorld) => join(dirname(folder), "data");

interface Recovering extends RecoveryOptions {
  readonly scorer: Scorer;
  readonly world: KnownWorld;
  readonly model: Model;
}

async function recoverTarget(target: Target, options: Recovering): Promise<Recovery[]> {
  const { scorer, world, context: { signal } } = options;
  const sums = new Map<string, PassSums>(), found: Recovery[] = [];
  const hasDecoys = Object.keys(target.decoys).length > 0;
  for (const leftOut of hasDecoys ? subsets(optionalSets(scorer, target)) : [[]]) {
    const items = itemsOf(target, { ...options, data: dataOf(world), leftOut });
    const scores = await scoreItems(items, { ...options, signal, sums });
    for (const group of [...items.groups, ...scorer.selection ? [undefined] : []]) {
      const one = recoveryOf(group, { scores, items, target, scorer });
      if (one) found.push({ kind: world.kind, seed: world.seed, target: target.name, leftOut, ...one });
    }
  }
  return found;
}

/** Undefined for what was planted in units that the scorer does not look at: heads, for one of neurons. */
function recoveryOf(group: string | undefined, { scores, items: { input }, target, scorer }: {
  readonly scores: UnitScores;
  readonly items: TargetItems;
  readonly target: Target;
  readonly scorer: Scorer;
}): Omit<Recovery, "kind" | "seed" | "target" | "leftOut"> | undefined {
  const own = scorer.selection?.(input, group) ?? [];
  const scoredBy = own[0]?.group ?? nameIn(scores, group);
  const units = [...scores.get(scoredBy)!].flatMap(([tap, values]) =>
    Array.from(values, (score, index) => ({ tap, index, score }))
  );
  const names = units.map(unitName), scored = new Set(names);
  const of = (byGroup: Readonly<Record<string, readonly Unit[]>>) => {
    const all = group === undefined || group === "all" ? Object.values(byGroup).flat() : byGroup[group] ?? [];
    return new Set(all.map(unitName)).intersection(scored);
  };
  const meant = of(target.units), decoys = of(target.decoys);
  if (meant.size === 0 && Object.keys(target.units).length > 0) return undefined;
  const take = (rules: readonly SelectEntry[]) =>
    detect(rules.flatMap((rule) => takeUnits(scores, Select.parse(rule)).units.map(unitName)), {
      meant,
      decoys,
    });
  const plantedAt = ({ sites }: SelectEntry) =>
    units.filter((unit, i) =>
      meant.has(names[i]!) && (sites === undefined || sites.some((site) => site === siteOf(unit.tap)))
    ).length;
  const asPlanted = (own.length > 0 ? own : [{ top: 1, group: scoredBy }])
    .map((rule) => ({ ...rule, top: plantedAt(rule) })).filter(({ top }) => top > 0);
  return {
    group,
    planted: meant.size,
    pool: units.length,
    auroc: auroc(units.map(({ score }) => score), names.map((name) => Number(meant.has(name)))),
    own: own.length > 0 ? take(own) : undefined,
    atPlanted: meant.size > 0 ? take(asPlanted) : undefined,
  };
}

/** What the scores call a group: a scorer with groups of its own "country/Arveld", one that keeps none apart by one name for all. */
function nameIn(scores: UnitScores, group: string | undefined): string {
  const names = [...scores.keys()];
  return names.find((name) => name === group) ?? names.find((name) => name.endsWith(`/${group}`)) ??
    names[0]!;
}

/** Every subset, the empty one first. */
function subsets(names: readonly string[]): readonly (readonly string[])[] {
  return names.reduce<readonly (readonly string[])[]>(
    (all, name) => [...all, ...all.map((each) => [...each, name])],
    [[]],
  );
}
