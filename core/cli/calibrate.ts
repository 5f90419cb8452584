/** `deno task calibrate`: whether what Plumbline says of its own certainty is true, on data whose truth is known. */
import { UserError } from "../error.ts";
import { suggest } from "../nearest.ts";
import type { Arguments, Command } from "./command.ts";

/** One thing that can be calibrated. */
interface Calibration {
  readonly summary: string;
  /** @returns whether every figure asked is reached. */
  run(options: {
    /** Of the samples of a full run, in (0, 1]. */
    readonly share: number;
    readonly seed: number;
    now(): number;
    print(line: string): void;
  }): boolean | Promise<boolean>;
}

const CALIBRATIONS: Readonly<Record<string, Calibration>> = {
  stats: {
    summary: "coverage of intervals and false alarms of whole matrices, by simulation",
    run: async (options) => (await import("../stats/calibration/mod.ts")).calibrateStats(options),
  },
};

/** Any other name is a scorer's: whether it finds what was planted in models whose truth is known. */
async function calibrateScorer(name: string, args: Arguments): Promise<boolean> {
  const { loadRegistry } = await import("../registry.ts");
  const { engine, makeContext, PROJECT, readUserFile, stoppable, userPath } = await import(
    "./environment.ts"
  );
  const registry = await loadRegistry(PROJECT, args.values("plugin").map(userPath));
  if (!registry.scorers.has(name)) {
    const names = [...Object.keys(CALIBRATIONS), ...registry.scorers.keys()];
    throw new UserError(
      `Cannot calibrate ${JSON.stringify(name)}: there is no such thing${suggest(name, names)}`,
    );
  }
  const [{ recover }, { claim }, { claimLines, recoveryTable, wantedLines }] = await Promise.all([
    import("../recovery/mod.ts"),
    import("../recovery/claims.ts"),
    import("../recovery/table.ts"),
  ]);
  using stop = stoppable();
  const asked = {
    name,
    params: paramsOf(args.value("params")),
    registry,
    worlds: userPath(args.value("worlds") ?? `${PROJECT}/fixtures/worlds`),
    seed: args.integer("seed", 0) ?? 0,
    context: makeContext(stop.signal, 0),
    print: (line: string) => console.error(line),
  };
  const found = await recover(asked);
  for (const line of recoveryTable(found)) console.log(line);
  const path = `${PROJECT}/benchmarks/matrices/worlds.json`;
  const claims = args.has("quick")
    ? []
    : await claim({ ...asked, path, text: readUserFile(path, "matrix"), engine: engine() });
  for (const line of claimLines(claims)) console.log(line);
  const { lines, isReached } = wantedLines(found, claims);
  for (const line of lines) console.log(line);
  return isReached;
}

function paramsOf(text = "{}"): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UserError(`Cannot calibrate: --params is ${JSON.stringify(text)}, wanted a JSON object`, {
      cause,
    });
  }
}

export const command: Command = {
  name: "calibrate",
  summary: "check that intervals cover and tests keep quiet as often as they say",
  positionals: "NAME",
  maxPositionals: 1,
  flags: [
    {
      name: "quick",
      about: "a tenth of the samples, for a look; of a scorer what it finds, without the claim",
    },
    { name: "seed", value: "N", about: "another stream of random numbers (0)" },
    { name: "params", value: "JSON", about: "of a scorer (its defaults)" },
    { name: "worlds", value: "FOLDER", about: "models whose truth is known, for a scorer (fixtures/worlds)" },
    { name: "plugin", value: "PATH", multiple: true, about: "a further scorer's file or folder" },
  ],
  notes: [
    ...Object.entries(CALIBRATIONS).map(([name, { summary }]) => `NAME: ${name} (${summary})`),
    "     or a scorer: whether it finds what was planted in models whose truth is known",
    "Exit code 1 when a figure is missed.",
  ].join("\n"),
  async run(args) {
    const [name] = args.positionals, names = Object.keys(CALIBRATIONS);
    if (name === undefined) {
      throw new UserError(`Cannot calibrate: there is no name, wanted ${names.join(" or ")}, or a scorer`);
    }
    const calibration = Object.hasOwn(CALIBRATIONS, name) ? CALIBRATIONS[name] : undefined;
    if (!calibration) return await calibrateScorer(name, args) ? 0 : 1;
    const reached = await calibration.run({
      share: args.has("quick") ? 0.1 : 1,
      seed: args.integer("seed", 0) ?? 0,
      now: () => performance.now(),
      print: (line) => console.log(line),
    });
    return reached ? 0 : 1;
  },
};
