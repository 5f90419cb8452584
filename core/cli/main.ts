/** The command line: `main.ts COMMAND [arguments]`. Reads the name, loads that command's file alone, turns errors into exit codes. */
import { UserError } from "../error.ts";
import { suggest } from "../nearest.ts";
import { type Command, helpText, readArguments } from "./command.ts";

const COMMANDS: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  calibrate: () => import("./calibrate.ts"),
  checks: () => import("./checks.ts"),
  claims: () => import("./claims.ts"),
  eval: () => import("./eval.ts"),
  fetch: () => import("./fetch.ts"),
  ls: () => import("./ls.ts"),
  merge: () => import("./merge.ts"),
  plan: () => import("./plan.ts"),
  report: () => import("./report.ts"),
  serve: () => import("./serve.ts"),
};

/** Runs one command. @returns the exit code: 0, 1 for a defect, 2 for what the user can mend, 130 for Ctrl-C. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const [name = "", ...rest] = args;
    if (name === "" || name === "--help" || name === "-h") {
      console.log(await overview());
      return 0;
    }
    const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (load === undefined) {
      throw new UserError(
        `Cannot run ${JSON.stringify(name)}: there is no such command${suggest(name, Object.keys(COMMANDS))}`,
      );
    }
    const { command } = await load();
    const parsed = readArguments(command, rest);
    if (parsed.has("help")) {
      console.log(helpText(command));
      return 0;
    }
    return await command.run(parsed);
  } catch (error) {
    if (error instanceof UserError) {
      console.error(error.message.replaceAll(/\s*\n\s*/g, " "));
      return 2;
    }
    console.error(error);
    return 1;
  }
}

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map(async (load) => (await load()).command));
  const lines = commands.map((command) => `  ${command.name.padEnd(9)} ${command.summary}`);
  return ["deno task COMMAND [arguments]", "", ...lines, "", "deno task COMMAND --help says more."].join(
    "\n",
  );
}

if (import.meta.main) Deno.exit(await main(Deno.args));
