/**
 * Gates: what the untouched model has to reach on a benchmark before its units are looked for. Where it answers as anyone would by chance, there
 * is nothing that silencing could take away, and gradients of its answers are noise: what a treatment does to it is not identifiable. A gate
 * that stays shut stops the treatments behind it on that model ("stop", the default), or lets them run and says so ("mark").
 *
 * The level asked is compared with the estimate itself, as CULNIG's dossier has it (35 % on BLEnD), not with its interval.
 */
import { UserError } from "./error.ts";
import type { Estimate } from "./estimate.ts";
import type { Metric } from "./evaluator.ts";
import type { GateSpec, MatrixSpec } from "./matrix.ts";
import { measuresOf } from "./measures.ts";
import { suggest } from "./nearest.ts";
import type { Plan, PlannedCell, PlannedModel } from "./plan.ts";
import type { PlannedBenchmark } from "./plan_benchmarks.ts";
import { readingIn } from "./reading.ts";
import { LEVEL, UNTOUCHED } from "./results.ts";
import { run, type RunCounts, type RunOptions } from "./runner.ts";
import { estimateMean } from "./stats/mod.ts";
import type { RunStore } from "./store/store.ts";

/** A gate whose names have been looked up. */
export interface PlannedGate extends GateSpec {
  readonly metric: string;
  /** Names of the treatments behind it. */
  readonly treatments: string[];
}

/** What a model reached at a gate. */
export interface GateResult {
  readonly model: string;
  readonly benchmark: string;
  readonly metric: Metric;
  readonly atLeast: number;
  readonly belowGate: "stop" | "mark";
  readonly treatments: readonly string[];
  /** Of the untouched model. */
  readonly estimate: Estimate;
  /** Whether the estimate is at least what was asked. */
  readonly open: boolean;
}

/** @throws {UserError} for a name that the matrix does not have. */
export function planGates(
  { gates, treatments }: Pick<MatrixSpec, "gates" | "treatments">,
  { benchmarks, leftOut, task }: {
    readonly benchmarks: readonly PlannedBenchmark[];
    /** Labels of optional ones without data. */
    readonly leftOut: readonly string[];
    readonly task: string;
  },
): PlannedGate[] {
  const find = (kind: string, wanted: string, known: readonly string[]) => {
    if (known.includes(wanted)) return;
    throw new UserError(
      `Cannot ${task}: a gate names the ${kind} ${JSON.stringify(wanted)}${suggest(wanted, known)}`,
    );
  };
  const names = treatments.map(({ name }) => name);
  return gates.map((gate): PlannedGate => {
    if (leftOut.includes(gate.benchmark)) {
      throw new UserError(
        `Cannot ${task}: the data of ${gate.benchmark}, which a gate asks, is not there, wanted it or no gate`,
      );
    }
    find("benchmark", gate.benchmark, benchmarks.map(({ record }) => record.label));
    const benchmark = benchmarks.find(({ record }) => record.label === gate.benchmark)!;
    const metric = gate.metric ?? benchmark.primary;
    find("metric", metric, measuresOf(benchmark).map(({ metric }) => metric.name));
    for (const name of gate.treatments ?? []) find("treatment", name, names);
    return { ...gate, metric, treatments: gate.treatments ?? names };
  });
}

/**
 * Asks untouched models what the gates want, then runs what does not stay behind those that are shut.
 *
 * @returns the plan without that, and what was done in all. @throws as run().
 */
export async function runThroughGates(
  plan: Plan,
  options: RunOptions,
): Promise<{ readonly plan: Plan; readonly counts: RunCounts }> {
  const first = gatePlan(plan);
  if (first === undefined) return { plan, counts: await run(plan, options) };
  const asked = await run(first, options), open = behindGates(plan, gateResults(plan, options.store));
  const { scoring, ...counts } = await run(open, options);
  return {
    plan: open,
    counts: {
      computedCells: asked.computedCells + counts.computedCells,
      reusedCells: counts.reusedCells - asked.computedCells,
      tokens: asked.tokens + counts.tokens,
      written: asked.written + counts.written,
      elapsedMs: asked.elapsedMs + counts.elapsedMs,
      scoring,
    },
  };
}

/** Of a plan what decides its gates: the untouched model on their benchmarks. Undefined without gates. */
function gatePlan(plan: Plan): Plan | undefined {
  if (plan.gates.length === 0) return undefined;
  const asked = new Set(plan.gates.map(({ benchmark }) => benchmark));
  const models = new Map(plan.models.map((model) => [model, without(model, plan, () => true)]));
  return {
    ...plan,
    treatments: [],
    models: [...models.values()],
    cells: plan.cells
      .filter(({ arm, benchmark }) => arm.treatment === UNTOUCHED && asked.has(benchmark.record.label))
      .map((cell) => ({ ...cell, model: models.get(cell.model)! })),
    hypotheses: { list: [], hash: undefined },
  };
}

/** @throws when the cells of gatePlan() are not complete in the store. */
export function gateResults(plan: Plan, store: RunStore): GateResult[] {
  return plan.models.flatMap((model) =>
    plan.gates.map(({ benchmark, metric, atLeast, belowGate, treatments }): GateResult => {
      const cell = plan.cells.find((each) =>
        each.model === model && each.benchmark.record.label === benchmark && each.arm.treatment === UNTOUCHED
      )!;
      const reading = readingIn(store, cell);
      const measure = measuresOf(cell.benchmark, reading).find((each) => each.metric.name === metric)!;
      const estimate = estimateMean(measure.values(reading), {
        binary: measure.metric.binary,
        clusters: measure.clusters,
        level: LEVEL,
        seed: `${plan.matrix.seed}/gate/${cell.key}`,
      });
      return {
        model: model.record.label,
        benchmark,
        metric: measure.metric,
        atLeast,
        belowGate,
        treatments,
        estimate,
        open: estimate.value >= atLeast,
      };
    })
  );
}

/** Treatments of a model that run though a gate of theirs is shut. */
export function markedOn(model: string, found: readonly GateResult[]): ReadonlySet<string> {
  return new Set(
    found.filter((each) => each.model === model && !each.open && each.belowGate === "mark")
      .flatMap(({ treatments }) => treatments),
  );
}

/** The plan without what stands behind gates that stayed shut and stop. */
function behindGates(plan: Plan, found: readonly GateResult[]): Plan {
  const models = new Map(plan.models.map((model) => {
    const shut = new Set(
      found.filter((each) => each.model === model.record.label && !each.open && each.belowGate === "stop")
        .flatMap(({ treatments }) => treatments),
    );
    return [model, shut.size === 0 ? model : without(model, plan, (name) => shut.has(name))];
  }));
  return {
    ...plan,
    models: [...models.values()],
    cells: plan.cells.filter(({ model, arm }) => !models.get(model)!.shut?.has(arm.treatment))
      .map((cell): PlannedCell => ({ ...cell, model: models.get(cell.model)! })),
  };
}

/** A model without some treatments, and without what only they need. */
function without(
  model: PlannedModel,
  { treatments }: Plan,
  isShut: (treatment: string) => boolean,
): PlannedModel {
  const left = treatments.filter(({ name }) => !isShut(name));
  const arms = model.arms.filter(({ treatment }) => treatment === UNTOUCHED || !isShut(treatment));
  const scores = new Set(
    left.flatMap(({ selections, controlScores }) => [
      ...selections.map(({ score }) => score),
      ...controlScores.values(),
    ]),
  );
  const trainings = new Set(arms.map(({ training }) => training));
  return {
    ...model,
    arms,
    scores: model.scores.filter(({ score }) => scores.has(score)),
    growths: model.growths.filter(({ treatment }) => left.includes(treatment)),
    trainings: model.trainings.filter(({ training }) => trainings.has(training)),
    shut: new Set(treatments.map(({ name }) => name).filter(isShut)),
  };
}
