/** Commands that compute nothing answer at once: warm starts through the tasks as a user types them. */
import { refuseNoise } from "./quiet.ts";

await refuseNoise();

for (const args of [["ls"], ["eval", "--help"]]) {
  Deno.bench(`deno task ${args.join(" ")}`, async () => {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "-q", ...args],
      stdout: "null",
    }).output();
    if (!success) throw new Error(`deno task ${args.join(" ")} failed`);
  });
}
