/**
 * Controls that a matrix leaves to Plumbline, written out: those of a treatment that names none, and what `important`, `otherTask` and
 * `matchedDamage` stand for. Texts that have to do with no treatment come from the benchmark that is `neutral`, what matters for them from
 * the scorer that is `generic`.
 */
import { dirname } from "node:path";
import type { Benchmark } from "./benchmark.ts";
import { UserError } from "./error.ts";
import type { ControlEntry, ControlSpec, MatrixFile, MatrixSpec, TreatmentEntry } from "./matrix.ts";
import { SITES } from "./model.ts";
import { lookUp, type Registry } from "./registry.ts";
import { parseWith } from "./schema.ts";
import type { Scorer } from "./scorer.ts";
import { siteOf } from "./select.ts";
import { readUnits, unitsOf } from "./units.ts";

export interface DefaultsOptions {
  readonly registry: Registry;
  /** Path of the matrix file. */
  readonly path: string;
}

/** The matrix with every control written out. @throws {UserError} for a control that nothing here can stand for. */
export function withControls(matrix: MatrixFile, options: DefaultsOptions): MatrixSpec {
  const treatments = matrix.treatments.map((treatment) => {
    const entries = treatment.controls ?? defaultControls(treatment, matrix, options);
    return { ...treatment, controls: entries.map((entry) => written(entry, { ...options, treatment })) };
  });
  return { ...matrix, treatments };
}

/**
 * What a treatment is compared with where the matrix says nothing: all kinds that need no choice of a task or a text. A matrix that reports on
 * the plain texts has to choose others for `important`, which would otherwise be made of what it is reported on.
 */
function defaultControls(
  treatment: TreatmentEntry,
  { benchmarks }: MatrixFile,
  options: DefaultsOptions,
): ControlEntry[] {
  const neutral = neutralOf(options.registry), scorer = genericOf(options.registry);
  const isReported = benchmarks.some(({ use }) => use === neutral?.name);
  if (treatment.steps.some(({ tune }) => tune)) return [{ use: "shuffled" }];
  if (treatment.steps.some(({ open }) => open)) return [];
  const sites = sitesOf(treatment, options);
  return [
    { use: "random", match: "tap", sets: 200, stopAt: 10, exclude: false },
    ...neutral && !isReported && scorer && sites.every((site) => isSite(site))
      ? [{ use: "important" } as const]
      : [],
    ...neutral ? [{ use: "matchedDamage", match: "tap", sets: 5, within: 0.05, exclude: true } as const] : [],
    { use: "identity" },
  ];
}

function written(
  entry: ControlEntry,
  options: DefaultsOptions & { readonly treatment: TreatmentEntry },
): ControlSpec {
  const { registry, treatment } = options;
  const task = `read treatment ${JSON.stringify(treatment.name)}: control ${JSON.stringify(entry.use)}`;
  const texts = () => {
    const neutral = neutralOf(registry);
    if (neutral) return { use: neutral.name, params: {} };
    throw new UserError(`Cannot ${task}: no benchmark here has plain texts, wanted them under "on"`);
  };
  const scored = { use: "scored", match: "tap", select: { order: "highest" }, exclude: true } as const;
  switch (entry.use) {
    case "important": {
      const scorer = genericOf(registry);
      if (!scorer) throw new UserError(`Cannot ${task}: no scorer here says how, wanted a scored control`);
      const sites = sitesOf(treatment, options).filter(isSite);
      if (sites.length === 0) {
        throw new UserError(
          `Cannot ${task}: the treatment has no units at ${SITES.join(", ")}, wanted some there`,
        );
      }
      const [set = "items"] = scorer.sets;
      const params = scorer.generic!(sites) as ControlParams;
      return {
        ...scored,
        name: entry.use,
        score: { use: scorer.name, params, on: { [set]: entry.on ?? texts() } },
      };
    }
    case "otherTask": {
      const [tune] = treatment.steps.flatMap((step) => step.tune ? [step.tune] : []);
      if (tune) {
        const on = Object.fromEntries(
          Object.entries(entry.on).map(([name, { groupBy, ...set }]) => {
            if (groupBy === undefined) return [name, set];
            throw new UserError(
              `Cannot ${task}: its set ${JSON.stringify(name)} has groupBy, wanted none where it trains`,
            );
          }),
        );
        return { use: "tuned", name: entry.use, tune: { ...tune, on } };
      }
      const [step] = treatment.steps.flatMap(({ score }) => score ? [score] : []);
      const [select] = treatment.steps.flatMap((step) => step.select ? [step.select] : []);
      if (!step || !select) {
        throw new UserError(
          `Cannot ${task}: the treatment names its units, wanted one that scores, or a scored control`,
        );
      }
      const { order } = select;
      // A group is of the treatment's own items, so that the other task's count all together.
      return { ...scored, name: entry.use, select: { order }, ...{ score: { ...step, on: entry.on } } };
    }
    case "matchedDamage":
      return { ...entry, on: entry.on ?? texts() };
    default:
      return entry;
  }
}

type ControlParams = Extract<ControlSpec, { use: "scored" }>["score"]["params"];

/** Sites of the units that a treatment edits, or of those that it selects from. @throws {UserError} for a broken units file. */
function sitesOf({ name, steps }: TreatmentEntry, { registry, path }: DefaultsOptions): string[] {
  const task = `read treatment ${JSON.stringify(name)}`;
  let scored: readonly string[] = [];
  const sites = steps.flatMap(({ score, select, edit }): readonly string[] => {
    if (score) {
      const scorer: Scorer = lookUp(registry.scorers, score.use, "scorer");
      const params: unknown = parseWith(
        scorer.params,
        score.params,
        `${task}: params of scorer ${score.use}`,
      );
      const own = (params as { readonly sites?: unknown } | undefined)?.sites;
      scored = Array.isArray(own) ? own.filter(isSite) : [];
    }
    if (select) return select.sites ?? scored;
    if (edit?.units === undefined) return [];
    const units = typeof edit.units === "string"
      ? readUnits(edit.units, dirname(path)).units
      : unitsOf(edit.units, task);
    return units.map(({ tap }) => siteOf(tap));
  });
  return [...new Set(sites)];
}

function isSite(site: unknown): site is string {
  return (SITES as readonly unknown[]).includes(site);
}

function neutralOf({ benchmarks }: Registry): Benchmark | undefined {
  return [...benchmarks.values()].find(({ neutral }) => neutral);
}

function genericOf({ scorers }: Registry): Scorer | undefined {
  return [...scorers.values()].find(({ generic }) => generic);
}
