/** What a command is, how its arguments are read and its help is written. Light: `--help` loads nothing else. */
import { parseArgs } from "node:util";
import { UserError } from "../error.ts";
import { suggest } from "../nearest.ts";

export interface Flag {
  readonly name: string;
  /** Name of its value in the help; absent for a switch. */
  readonly value?: string;
  /** Whether it may be given several times. */
  readonly multiple?: boolean;
  readonly about: string;
}

export interface Command {
  readonly name: string;
  /** Half a line for the list of commands. */
  readonly summary: string;
  /** After the name, for the usage line: "[MATRIX]". */
  readonly positionals: string;
  /** How many positionals may be given. */
  readonly maxPositionals: number;
  readonly flags: readonly Flag[];
  /** More for `--help`, after the flags. */
  readonly notes?: string;
  /** @returns the exit code. */
  run(args: Arguments): Promise<number>;
}

export interface Arguments {
  readonly positionals: readonly string[];
  /** As they were given, for the record. */
  readonly raw: readonly string[];
  /** The value of a flag, the last where it was given twice. */
  value(flag: string): string | undefined;
  values(flag: string): readonly string[];
  has(flag: string): boolean;
  /** A whole number. @throws {UserError} for anything else, or one below `min`. */
  integer(flag: string, min: number): number | undefined;
}

const HELP: Flag = { name: "help", about: "print this help" };

/** @throws {UserError} for an unknown flag, a missing value or too many arguments. */
export function readArguments(command: Command, raw: readonly string[]): Arguments {
  const flags = [...command.flags, HELP];
  const { tokens } = parseArgs({
    args: [...raw],
    options: Object.fromEntries(
      flags.map((flag) => [flag.name, { type: flag.value ? "string" as const : "boolean" as const }]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const given = new Map<string, string[]>();
  const positionals: string[] = [];
  const task = `run ${command.name}`;
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const flag = flags.find((each) => each.name === (token.name === "h" ? "help" : token.name));
    if (flag === undefined) {
      const near = suggest(token.name, flags.map((each) => each.name)).replace(/"([^"]+)"/g, '"--$1"');
      throw new UserError(`Cannot ${task}: unknown flag "${token.rawName}"${near}`);
    }
    if (flag.value !== undefined && (token.value === undefined || token.value === "")) {
      throw new UserError(`Cannot ${task}: --${flag.name} has no value, wanted --${flag.name} ${flag.value}`);
    }
    if (flag.value === undefined && token.value !== undefined) {
      throw new UserError(`Cannot ${task}: --${flag.name} has a value, wanted none`);
    }
    given.set(flag.name, [...given.get(flag.name) ?? [], token.value ?? ""]);
  }
  if (positionals.length > command.maxPositionals) {
    const extra = JSON.stringify(positionals[command.maxPositionals]);
    throw new UserError(`Cannot ${task}: ${extra} is one argument too many, wanted ${usage(command)}`);
  }
  const value = (flag: string) => given.get(flag)?.at(-1);
  return {
    positionals,
    raw,
    value,
    values: (flag) => given.get(flag) ?? [],
    has: (flag) => given.has(flag),
    integer(flag, min) {
      const text = value(flag);
      if (text === undefined) return undefined;
      const number = Number(text);
      if (Number.isSafeInteger(number) && number >= min) return number;
      throw new UserError(
        `Cannot ${task}: --${flag} is ${JSON.stringify(text)}, wanted a whole number from ${min}`,
      );
    },
  };
}

/** The text of `--help`. */
export function helpText(command: Command): string {
  const rows = [...command.flags, HELP].map((
    flag,
  ) => [`--${flag.name}${flag.value ? ` ${flag.value}` : ""}`, flag.about]);
  const width = Math.max(...rows.map(([left = ""]) => left.length));
  return [
    `${usage(command)}`,
    "",
    `${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`,
    "",
    ...rows.map(([left = "", right]) => `  ${left.padEnd(width)}  ${right}`),
    ...(command.notes ? ["", command.notes] : []),
  ].join("\n");
}

function usage({ name, positionals }: Command): string {
  return ["deno task", name, positionals, "[flags]"].filter((part) => part !== "").join(" ");
}
