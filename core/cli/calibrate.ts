/** `deno task calibrate`: whether what Plumbline says of its own certainty is true, on data whose truth is known. */
import { UserError } from "../error.ts";
import { suggest } from "../nearest.ts";
import type { Command } from "./command.ts";

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

export const command: Command = {
  name: "calibrate",
  summary: "check that intervals cover and tests keep quiet as often as they say",
  positionals: "NAME",
  maxPositionals: 1,
  flags: [
    { name: "quick", about: "a tenth of the samples, for a look" },
    { name: "seed", value: "N", about: "another stream of random numbers (0)" },
  ],
  notes: [
    ...Object.entries(CALIBRATIONS).map(([name, { summary }]) => `NAME: ${name} (${summary})`),
    "Exit code 1 when a figure is missed.",
  ].join("\n"),
  async run(args) {
    const [name] = args.positionals, names = Object.keys(CALIBRATIONS);
    if (name === undefined) {
      throw new UserError(`Cannot calibrate: there is no name, wanted ${names.join(" or ")}`);
    }
    const calibration = Object.hasOwn(CALIBRATIONS, name) ? CALIBRATIONS[name] : undefined;
    if (!calibration) {
      throw new UserError(
        `Cannot calibrate ${JSON.stringify(name)}: there is no such thing${suggest(name, names)}`,
      );
    }
    const reached = await calibration.run({
      share: args.has("quick") ? 0.1 : 1,
      seed: args.integer("seed", 0) ?? 0,
      now: () => performance.now(),
      print: (line) => console.log(line),
    });
    return reached ? 0 : 1;
  },
};
