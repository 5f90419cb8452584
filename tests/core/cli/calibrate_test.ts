import { assertEquals, assertStringIncludes } from "@std/assert";
import { command } from "../../../core/cli/calibrate.ts";
import { helpText, readArguments } from "../../../core/cli/command.ts";
import { UserError } from "../../../core/error.ts";
import { calibrateStats } from "../../../core/stats/calibration/mod.ts";

const CONFIG = new URL("../../../deno.json", import.meta.url).pathname;

async function refusal(args: readonly string[]): Promise<string> {
  try {
    await command.run(readArguments(command, args));
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return "";
}

Deno.test("calibrate names what there is when the name is missing or misspelt", async () => {
  assertEquals(await refusal([]), "Cannot calibrate: there is no name, wanted stats, or a scorer");
  assertEquals(
    await refusal(["stat"]),
    'Cannot calibrate "stat": there is no such thing, did you mean "stats"',
  );
  assertStringIncludes(helpText(command), "NAME: stats");
});

Deno.test("calibrate stats prints a table of at most 100 columns and says whether each figure is reached", () => {
  const lines: string[] = [];
  let clock = 0;
  // A clock that stands still but for the last figure: what takes 4 s is missed.
  const reached = calibrateStats({
    share: 0.02,
    seed: 1,
    now: () => clock += lines.some((line) => line.includes("control sets")) ? 4000 : 0,
    print: (line) => lines.push(line),
  });
  assertEquals(reached, false);
  assertEquals(lines.filter((line) => line.length > 100), []);
  const marks = lines.filter((line) => /^(reached|MISSED)/.test(line));
  // Coverage, of so few samples, may be either.
  const [, ...rest] = marks.map((line) => line.slice(0, 7));
  assertEquals(rest, [...Array<string>(4).fill("reached"), "MISSED "]);
  assertStringIncludes(lines.join("\n"), "mean, continuous");
});

Deno.test("the calibrate task may do what it needs", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", CONFIG, "calibrate", "nothing"],
    env: { NO_COLOR: "1" },
    stdout: "null",
    stderr: "piped",
  }).output();
  assertEquals(code, 2);
  assertStringIncludes(new TextDecoder().decode(stderr), 'Cannot calibrate "nothing"');
});
