/**
 * `deno task calibrate SCORER`: whether a scorer finds what was planted, on models whose truth is known.
 *
 * For each world and group (a country, a topic of politics): AUROC of the scores; precision of the k best, k planted (which is their recall
 * too); and the units that are called because dealing the questions to other groups hardly ever makes such a score (detection.ts), with their
 * precision and recall. Where nothing was planted, whatever is called is false.
 */
import { dirname, join } from "node:path";
import type { Context } from "../context.ts";
import type { Estimate } from "../estimate.ts";
import { lookUp, type Registry } from "../registry.ts";
import { parseWith } from "../schema.ts";
import { estimateMean } from "../stats/mod.ts";
import { auroc, called, highest, precision, recall } from "./detection.ts";
import { scoreTarget } from "./score.ts";
import { findWorlds, type KnownWorld, unitName } from "./truth.ts";

/** Dealings of questions to groups: enough for a 95 % quantile that five of them exceed. */
const SHUFFLES = 99;

/** What a scorer found of one group of one world. */
export interface Recovery {
  readonly kind: string;
  readonly seed: number;
  readonly target: string;
  readonly group: string;
  /** Units planted for the group among those that are scored. */
  readonly planted: number;
  /** Units that are scored. */
  readonly pool: number;
  readonly auroc: number | undefined;
  /** Of the `planted` highest scores. */
  readonly precisionAtPlanted: number | undefined;
  /** Units that chance does not explain, and how many of them are decoys. */
  readonly called: number;
  readonly decoys: number;
  /** Of those; undefined where none is called, or none planted. */
  readonly precision: number | undefined;
  readonly recall: number | undefined;
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
  const { name, registry, worlds } = options;
  const scorer = lookUp(registry.scorers, name, "scorer");
  const params: unknown = parseWith(scorer.params, options.params, `calibrate ${name}: its params`);
  const found: Recovery[] = [];
  for (const world of findWorlds(worlds)) {
    options.print(`${world.kind}, seed ${world.seed}`);
    found.push(...await recoverIn(world, { ...options, scorer, params }));
  }
  return found;
}

type Scored = RecoveryOptions & { readonly scorer: Parameters<typeof scoreTarget>[1]["scorer"] };

async function recoverIn(
  world: KnownWorld,
  { scorer, params, registry, seed, context }: Scored,
): Promise<Recovery[]> {
  const { kind, folder, targets } = world;
  const backend = await lookUp(registry.backends, world.model.use, "backend").load();
  await using model = await backend.open(world.model.params, { taps: [] }, { ...context, baseDir: folder });
  const data = join(dirname(folder), "data"), found: Recovery[] = [];
  for (const target of targets) {
    const scores = await scoreTarget(target, {
      scorer,
      params,
      registry,
      model,
      data,
      shuffles: SHUFFLES,
      seed,
      signal: context.signal,
    });
    const calls = called(scores.observed, scores.shuffled), names = scores.units.map(unitName);
    scores.groups.forEach((group, g) => {
      const mark = (units: Readonly<Record<string, readonly Parameters<typeof unitName>[0][]>>) => {
        const meant = new Set(
          (group === "all" ? Object.values(units).flat() : units[group] ?? []).map(unitName),
        );
        return Uint8Array.from(names, (name) => Number(meant.has(name)));
      };
      const positive = mark(target.units), decoy = mark(target.decoys);
      const planted = positive.reduce((sum, each) => sum + each, 0);
      // Planted in units that the scorer does not look at: heads, for one of neurons.
      if (planted === 0 && Object.keys(target.units).length > 0) return;
      const best = highest(scores.observed[g]!, planted);
      found.push({
        kind,
        seed: world.seed,
        target: target.name,
        group,
        planted,
        pool: names.length,
        auroc: auroc(scores.observed[g]!, positive),
        precisionAtPlanted: precision(best, positive),
        called: calls[g]!.length,
        decoys: calls[g]!.filter((k) => decoy[k] === 1).length,
        precision: planted === 0 ? undefined : precision(calls[g]!, positive),
        recall: recall(calls[g]!, positive),
      });
    });
  }
  return found;
}

/** The table: a line a kind of world and target, means over groups and seeds with 95 % intervals over these. */
export function recoveryTable(found: readonly Recovery[]): string[] {
  const lines = [
    "world        target       groups  planted    AUROC              P at planted  called  precision  recall  decoys",
  ];
  for (const own of Map.groupBy(found, ({ kind, target }) => `${kind}\n${target}`).values()) {
    const { kind, target } = own[0]!;
    const mean = (value: (each: Recovery) => number | undefined): Estimate | undefined => {
      const values = own.map(value).filter((each) => each !== undefined);
      return values.length === 0
        ? undefined
        : estimateMean(values, { binary: false, clusters: values.map((_, i) => String(i)), seed: 0 });
    };
    const plain = (estimate: Estimate | undefined, digits: number) =>
      estimate === undefined ? "-" : estimate.value.toFixed(digits);
    const area = mean((each) => each.auroc);
    const interval = area === undefined
      ? "-"
      : `${area.value.toFixed(3)} [${area.low.toFixed(3)}, ${area.high.toFixed(3)}]`;
    lines.push([
      kind.padEnd(12),
      target.padEnd(12),
      String(own.length).padStart(6),
      plain(mean((each) => each.planted), 1).padStart(8),
      `  ${interval.padEnd(20)}`,
      plain(mean((each) => each.precisionAtPlanted), 2).padStart(11),
      plain(mean((each) => each.called), 1).padStart(7),
      plain(mean((each) => each.precision), 2).padStart(10),
      plain(mean((each) => each.recall), 2).padStart(7),
      plain(mean((each) => each.decoys), 1).padStart(7),
    ].join(" "));
  }
  const none = found.filter(({ planted }) => planted === 0);
  if (none.length > 0) {
    const total = none.reduce((sum, each) => sum + each.called, 0);
    const groups = none.filter((each) => each.called > 0).length;
    lines.push(
      `Where nothing is planted: ${total} units called in ${groups} of ${none.length} groups, all of them false.`,
    );
  }
  return lines;
}
