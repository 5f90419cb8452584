/** `deno task merge`, as a user calls it. */
import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";

const ROOT = new URL("../../../", import.meta.url).pathname, GOLDENS = `${ROOT}tests/goldens`;

async function merge(cwd: string, ...args: string[]) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "--config", `${ROOT}deno.json`, "merge", ...args],
    cwd,
    env: { INIT_CWD: cwd, NO_COLOR: "1" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  return { code, out: text(stdout), error: text(stderr) };
}

Deno.test("merge writes a checkpoint, and says in one line why it does not", async () => {
  const cwd = Deno.makeTempDirSync(), model = `${GOLDENS}/gradients/gqa`, delta = `${GOLDENS}/training/peft`;
  const done = await merge(cwd, model, delta, "merged");
  assertEquals([done.code, done.error], [0, ""]);
  assert(done.out.startsWith(`Merged: ${join(cwd, "merged")}, weights `), done.out);
  assertEquals([...Deno.readDirSync(join(cwd, "merged"))].map(({ name }) => name).sort(), [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  for (
    const [args, part] of [
      [[model, delta], "Cannot run merge: it has 2 of three arguments"],
      [[model, delta, "merged"], "is there already, wanted a new folder"],
      [[`${GOLDENS}/gradients/biased`, delta, "other"], "wanted"],
      [[model, delta, "/elsewhere"], "Cannot merge into /elsewhere: the task may write below"],
    ] as const
  ) {
    const refused = await merge(cwd, ...args);
    assertEquals([refused.code, refused.error.split("\n").length], [2, 1], refused.error);
    assert(refused.error.includes(part), refused.error);
  }
  Deno.removeSync(cwd, { recursive: true });
});
