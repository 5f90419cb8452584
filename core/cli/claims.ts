/** `deno task claims`: the claims of a method's paper on a model, each with its evidence and a verdict, whichever way it comes out. */
import { join } from "node:path";
import type { MatrixFile } from "../matrix.ts";
import type { ClaimFigure, ClaimMatrix, ClaimResult, Proofs } from "../proof.ts";
import { UserError } from "../error.ts";
import { suggest } from "../nearest.ts";
import type { Results } from "../results.ts";
import type { RunStore } from "../store/store.ts";
import type { Arguments, Command } from "./command.ts";
import { MATRIX_FLAGS } from "./prepare.ts";
import { attributionOf, proofsOf } from "./checks.ts";

export const command: Command = {
  name: "claims",
  summary: "judge the claims of a method's paper on a model",
  positionals: "NAME",
  maxPositionals: 1,
  flags: [
    ...MATRIX_FLAGS,
    {
      name: "matrix",
      value: "NAME",
      multiple: true,
      about: "run this matrix of its claims only; may be given several times (all of them)",
    },
  ],
  notes: [
    "Matrices are those of benchmarks/matrices, run as `deno task eval` runs them: what the store has is not computed again.",
    "A verdict is a result: the exit code is 0 however claims come out.",
  ].join("\n"),
  run: runClaims,
};

async function runClaims(args: Arguments): Promise<number> {
  const env = await import("./environment.ts");
  const { plugin, proofs, registry } = await proofsOf(args, "judge the claims of");
  const [{ runMatrix }, { exportRun }] = await Promise.all([
    import("./run_matrix.ts"),
    import("../report/export.ts"),
  ]);
  // Minutes on a large model, before any bar moves.
  console.error(
    `${plugin.name}: its scores beside what silencing takes, on ${args.value("model") ?? "its own model"}`,
  );
  const checks = await attributionOf(proofs, { args, registry, matrix: chosen(proofs, args)[0]!.name });
  const found = new Map<string, Results>(), units = new Map<string, string>();
  for (const matrix of chosen(proofs, args)) {
    const given = unitsFor(matrix, units);
    if (given === undefined) {
      console.log(`${matrix.name}: not run, for no units were found for it`);
      continue;
    }
    console.error(`${matrix.name}: ${matrix.about}`);
    const code = await runMatrix(args, {
      command: "claims",
      path: join(env.PROJECT, "benchmarks/matrices", `${matrix.name}.json`),
      change: (file) => given === "" ? file : withUnits(file, given),
      async then(results, store, folder) {
        if (results.models.length > 1) {
          throw new UserError(
            `Cannot judge claims: ${matrix.name} has ${results.models.length} models, wanted one, by --model PATH`,
          );
        }
        await exportRun(store, results.id, folder);
        found.set(matrix.name, results);
        for (const { name } of results.treatments) {
          const path = await saveUnits(results, name, { store, folder });
          if (path) units.set(`${matrix.name}/${name}`, path);
        }
      },
    });
    if (code !== 0) return code;
  }
  const [first] = found.values();
  console.log(`Claims of ${plugin.name} (${plugin.source})${first ? ` on ${first.models[0]!.label}` : ""}`);
  for (const note of await notesOf(found)) console.log(note);
  for (const claim of proofs.claims) {
    const result = claim.judge(found, checks);
    for (const line of claimLines(claim, result)) console.log(line);
  }
  console.log(
    `\nResults: ${[...found.values()].map(({ id }) => id).join(", ")} in ${
      env.resultsDir(args.value("results"))
    }`,
  );
  return 0;
}

/** What every figure of a run is to be read with. */
async function notesOf(found: ReadonlyMap<string, Results>): Promise<string[]> {
  const [{ provenanceNotes }, { leftOutText }] = await Promise.all([
    import("../provenance/notes.ts"),
    import("../report/limitations.ts"),
  ]);
  return [...found].flatMap(([name, results]) =>
    [
      ...(results.reportable
        ? []
        : [`not reportable, only the first ${results.limit} items of each benchmark (--limit)`]),
      ...leftOutText(results),
      ...provenanceNotes(results),
    ].map((note) => `${name}: ${note}`)
  );
}

/** Those that --matrix names, with what their units come from. @throws {UserError} for a matrix that is none of the plugin's. */
function chosen({ matrices }: Proofs, args: Arguments): readonly ClaimMatrix[] {
  const names = args.values("matrix"), known = matrices.map(({ name }) => name);
  const odd = names.find((name) => !known.includes(name));
  if (odd !== undefined) {
    throw new UserError(`Cannot judge claims: --matrix is ${JSON.stringify(odd)}${suggest(odd, known)}`);
  }
  if (names.length === 0) return matrices;
  const sources = matrices.filter(({ name }) => names.includes(name)).flatMap(({ unitsOf }) =>
    unitsOf?.matrix ?? []
  );
  return matrices.filter(({ name }) => names.includes(name) || sources.includes(name));
}

/** Path of the units that the matrix is about: "" where it wants none, undefined where they were not found. */
function unitsFor({ unitsOf }: ClaimMatrix, units: ReadonlyMap<string, string>): string | undefined {
  return unitsOf === undefined ? "" : units.get(`${unitsOf.matrix}/${unitsOf.treatment}`);
}

/** The matrix with other units in its tune steps and in the controls that train. */
function withUnits(matrix: MatrixFile, units: string): MatrixFile {
  return {
    ...matrix,
    treatments: matrix.treatments.map((treatment) => ({
      ...treatment,
      steps: treatment.steps.map((step) => step.tune ? { ...step, tune: { ...step.tune, units } } : step),
      ...(treatment.controls && {
        controls: treatment.controls.map((control) =>
          control.use === "tuned" ? { ...control, tune: { ...control.tune, units } } : control
        ),
      }),
    })),
  };
}

/** All units of a treatment in one file, with what made them. @returns its path; undefined where it found none. */
async function saveUnits(
  results: Results,
  treatment: string,
  { store, folder }: { readonly store: RunStore; readonly folder: string },
): Promise<string | undefined> {
  const [{ foundIn, unitsFile }, { safeName }, { prettyJson }] = await Promise.all([
    import("../report/found.ts"),
    import("../plan.ts"),
    import("../report/json.ts"),
  ]);
  const sets = foundIn(results).filter((each) => each.treatment === treatment);
  if (sets.length === 0) return undefined;
  const sources = { madeOf: (key: string) => store.numbers(key)?.about, scores: () => undefined };
  const files = sets.map((set) =>
    unitsFile(set, results, sources) as {
      readonly units: readonly unknown[];
      readonly madeOf?: readonly unknown[];
      readonly model: unknown;
    }
  );
  const path = join(folder, results.id, `all_units_${safeName(treatment)}.json`);
  await Deno.writeTextFile(
    path,
    prettyJson({
      about: `All units of ${treatment}, found by ${sets.length} selections`,
      units: files.flatMap(({ units }) => units),
      ...(files.every(({ madeOf }) => madeOf) && { madeOf: files.flatMap(({ madeOf = [] }) => madeOf) }),
      // The runs of claims have one model.
      model: files[0]!.model,
    }) + "\n",
  );
  return path;
}

function claimLines(
  { number, text, source }: Proofs["claims"][number],
  { verdict, figures, reason }: ClaimResult,
): string[] {
  return [
    "",
    `${String(number).padStart(2)}  ${verdict.toUpperCase()}: ${text}`,
    ...figures.map((each) => `      ${figureText(each)}`),
    `      ${reason} (${source})`,
  ];
}

/** "blend, general silenced: -27.5 points [-31.0, -24.2], n = 3,290; random -0.6 (39 sets)". */
export function figureText({ what, value, low, high, n, unit, control }: ClaimFigure): string {
  const plain = (number: number) =>
    Number.isInteger(number)
      ? number.toLocaleString("en")
      : unit === ""
      ? String(Number(number.toPrecision(3)))
      : number.toFixed(1);
  const interval = low === undefined || high === undefined ? "" : ` [${plain(low)}, ${plain(high)}]`;
  return `${what}: ${plain(value)}${unit && ` ${unit}`}${interval}, n = ${n.toLocaleString("en")}${
    control ? `; ${control}` : ""
  }`;
}
