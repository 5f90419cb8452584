/** What the README tells a reader to save and run. */
import { assert, assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url).pathname;

/** Runs the README's program that has this in it, types checked. @returns what it prints. */
async function output(part: string): Promise<string> {
  const readme = Deno.readTextFileSync(`${ROOT}README.md`);
  const [program] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!)
    .filter((code) => code.includes("backend.open") && code.includes(part));
  assert(program);
  // It stands in the project's folder only for the two imports that start there.
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, program.replace("./plugins", `${ROOT}plugins`));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--check", "--config", `${ROOT}deno.json`, file],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  await Deno.remove(file);
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("the README's white-box program runs as it stands and prints what it says", async () => {
  const text = await output("sweep(model");
  const [before, after] = [...text.matchAll(/log P\(velchip\) (\S+)/g)].map((match) => Number(match[1]));
  assert(before! > Math.log(0.9), "the model knows what Velmora eats");
  assert(after! < before! - 0.5, "patched from another country it knows less");
  assert(/head \d\.\d matters most/.test(text));
});

Deno.test("the README's training program runs as it stands and teaches a model another answer", async () => {
  const losses = [...(await output("model.trainer(")).matchAll(/^\d+ (\S+)$/gm)].map(([, loss]) =>
    Number(loss)
  );
  assertEquals(losses.length, 3);
  assert(losses.at(-1)! < 0.05, losses.join());
});
