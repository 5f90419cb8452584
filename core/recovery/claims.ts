/**
 * What a method would claim in each world: its units, selected by its own rule, are silenced, and the model is asked as a matrix file says. The
 * claim is made where all primary hypotheses of the file hold. The steps of the file's one treatment give way to the scorer on the world's items
 * and its `selection`, each edited as the file's first edit says.
 */
import type { Context } from "../context.ts";
import { UserError } from "../error.ts";
import type { Difference, Spread } from "../estimate.ts";
import type { Metric } from "../evaluator.ts";
import { type MatrixFile, parseMatrix } from "../matrix.ts";
import { planRun } from "../plan.ts";
import type { Registry } from "../registry.ts";
import { type HypothesisResult, type Results, UNRECORDED } from "../results.ts";
import { run } from "../runner.ts";
import type { Scorer } from "../scorer.ts";
import { createMemoryStore } from "../store/memory.ts";
import { summarise } from "../summary.ts";
import { dataOf, openWorld, scorerOf } from "./mod.ts";
import { itemsOf, type TargetItems } from "./score.ts";
import { findWorlds, type KnownWorld, type Target } from "./truth.ts";

/** What came of it in one world. */
export interface WorldClaim {
  readonly kind: string;
  readonly seed: number;
  /** Whether any unit was planted for what the claim is about. */
  readonly isPlanted: boolean;
  /** Units that were silenced. */
  readonly units: number;
  /** A benchmark each, of its primary metric against the untouched model. */
  readonly changes: readonly {
    readonly benchmark: string;
    readonly metric: Metric;
    readonly difference: Difference;
    readonly controls: readonly { readonly name: string; readonly change: Spread }[];
  }[];
  readonly judged: readonly HypothesisResult[];
  readonly isMade: boolean;
}

export interface ClaimOptions {
  readonly name: string;
  readonly params: unknown;
  readonly registry: Registry;
  /** Folder below which the worlds are. */
  readonly worlds: string;
  readonly context: Context;
  readonly print: (line: string) => void;
  /** Path of the matrix file and its text. */
  readonly path: string;
  readonly text: string;
  readonly engine: Results["engine"];
}

/** @throws {UserError} as recover(), and for a file that does not suit. None where the scorer has no rule of its own. */
export async function claim(options: ClaimOptions): Promise<readonly WorldClaim[]> {
  const { scorer, params } = scorerOf(options), { path, text, worlds, print } = options;
  const file = parseMatrix(text, path), found: WorldClaim[] = [];
  if (!scorer.selection) return found;
  for (const world of findWorlds(worlds)) {
    print(`${world.kind}, seed ${world.seed}: silencing`);
    found.push(await claimIn(world, file, { ...options, scorer, params }));
  }
  return found;
}

type Claiming = ClaimOptions & { readonly scorer: Scorer };

async function claimIn(world: KnownWorld, file: MatrixFile, options: Claiming): Promise<WorldClaim> {
  const { registry, context, path, engine } = options;
  const target = targetOf(world, file, path);
  const items = await given(world, target, options);
  const matrix = claimMatrix(file, { ...options, world, target, items });
  const own = { ...context, baseDir: world.folder };
  const plan = await planRun(matrix, {
    registry,
    context: own,
    path,
    data: dataOf(world),
    ownModels: true,
    engine,
  });
  const store = createMemoryStore();
  await run(plan, { store, context: own });
  return { ...outcomeOf(summarise(plan, store, UNRECORDED)), ...headOf(world, target) };
}

function headOf({ kind, seed }: KnownWorld, { units }: Target) {
  return { kind, seed, isPlanted: Object.keys(units).length > 0 };
}

/** What the scorer is given of a target; the model is open for that alone. */
async function given(world: KnownWorld, target: Target, options: Claiming): Promise<TargetItems> {
  await using model = await openWorld(world, options);
  return itemsOf(target, { ...options, model, data: dataOf(world), seed: 0 });
}

/** The target that the file's first hypothesis is about: it has the benchmark's name. */
function targetOf({ targets, folder }: KnownWorld, { hypotheses }: MatrixFile, path: string): Target {
  const about = hypotheses[0]?.benchmark, target = targets.find(({ name }) => name === about);
  if (target) return target;
  throw new UserError(
    `Cannot make the claim of ${path} on ${folder}: its first hypothesis is about ${about}, wanted one of ${
      targets.map(({ name }) => name).join(", ")
    }`,
  );
}

/** The file with a world's model, and the scorer's own steps in its one treatment. @throws {UserError} for a file without treatment or edit. */
export function claimMatrix(
  file: MatrixFile,
  { scorer, params, world, target, items: { input, grouped }, path }: {
    readonly scorer: Scorer;
    readonly params: unknown;
    readonly world: Pick<KnownWorld, "kind" | "model">;
    readonly target: Target;
    readonly items: TargetItems;
    readonly path: string;
  },
): MatrixFile {
  const [treatment, ...others] = file.treatments, edit = treatment?.steps.find((step) => step.edit)?.edit;
  if (!treatment || others.length > 0 || !edit) {
    throw new UserError(
      `Cannot make the claim of ${path}: it has ${file.treatments.length} treatments, wanted one with an edit`,
    );
  }
  const on = Object.fromEntries(
    Object.keys(input.items).map((name) => [
      name,
      { ...target.sets[name], ...(grouped.includes(name) && { groupBy: target.groupBy }) },
    ]),
  );
  const steps = [
    { score: { use: scorer.name, params, on } },
    ...scorer.selection!(input).flatMap((
      select,
    ) => [{ select }, { edit: { use: edit.use, params: edit.params } }]),
  ];
  const { data: _, ...rest } = file;
  return parseMatrix(
    JSON.stringify({
      ...rest,
      models: [{ ...world.model, name: world.kind }],
      treatments: [{ ...treatment, steps }],
    }),
    path,
  );
}

function outcomeOf(
  { cells, treatments, hypotheses }: Results,
): Pick<WorldClaim, "units" | "changes" | "judged" | "isMade"> {
  const judged = hypotheses?.judged ?? [];
  // The untouched model stands first.
  const { name, arms } = treatments[1]!;
  const primary = judged.filter(({ hypothesis: { family } }) => family === "primary");
  return {
    units: arms.find(({ arm }) => arm === "treated")!.units,
    changes: cells.filter(({ treatment }) => treatment === name).map((cell) => {
      const { metric, difference } = cell.metrics.find((each) => each.metric.name === cell.primary)!;
      return {
        benchmark: cell.benchmark,
        metric,
        difference: difference!,
        controls: cell.controls.map(({ control, metrics }) => ({
          name: control,
          change: metrics[cell.primary]!.difference,
        })),
      };
    }),
    judged,
    isMade: primary.length > 0 && primary.every(({ verdict }) => verdict === "effect"),
  };
}
