/** `deno task merge`: a model with a trained delta, or an adapter in PEFT's layout, as a checkpoint of its own. */
import { UserError } from "../error.ts";
import type { Arguments, Command } from "./command.ts";

export const command: Command = {
  name: "merge",
  summary: "write a model with a trained delta as a checkpoint of its own",
  positionals: "MODEL DELTA OUT",
  maxPositionals: 3,
  flags: [],
  notes: [
    "MODEL is a checkpoint folder or a hf: name, DELTA the folder of a delta or of an adapter as PEFT saves it, OUT a folder",
    "that is not there yet. Weights are written in float32; a delta of another model is refused.",
  ].join("\n"),
  run,
};

async function run({ positionals }: Arguments): Promise<number> {
  const [model, delta, out] = positionals;
  if (model === undefined || delta === undefined || out === undefined) {
    throw new UserError(
      `Cannot run merge: it has ${positionals.length} of three arguments, wanted deno task merge MODEL DELTA OUT`,
    );
  }
  const [env, { loadRegistry }, { isHubName, locate }] = await Promise.all([
    import("./environment.ts"),
    import("../registry.ts"),
    import("./hub.ts"),
  ]);
  const target = env.userPath(out);
  if (Deno.permissions.querySync({ name: "write", path: target }).state !== "granted") {
    throw new UserError(
      `Cannot merge into ${target}: the task may write below ${env.userDir()} only, wanted a folder in it`,
    );
  }
  const registry = await loadRegistry(env.PROJECT);
  const path = isHubName(model) ? locate(model, "models").path : env.userPath(model);
  using stop = env.stoppable();
  const context = env.makeContext(stop.signal, 0);
  for (const entry of registry.backends.values()) {
    const backend = await entry.load();
    if (!backend.merge) continue;
    const paths = { delta: env.userPath(delta), out: target };
    const { folder, weights } = await backend.merge(entry.params.parse({ path }), paths, context);
    console.log(`Merged: ${folder}, weights ${weights}`);
    return 0;
  }
  throw new UserError("Cannot run merge: no backend here can merge, wanted one that trains");
}
