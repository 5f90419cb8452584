/** `deno task checks`: formulas, identities and agreement with other programs that a plugin has to show. */
import { resolve } from "node:path";
import { UserError } from "../error.ts";
import { parseMatrix } from "../matrix.ts";
import { suggest } from "../nearest.ts";
import type { Plugin } from "../plugin.ts";
import { type Check, type CheckContext, type CheckResult, isPassed, type Proofs } from "../proof.ts";
import { loadRegistry, lookUp, type Registry } from "../registry.ts";
import type { Arguments, Command } from "./command.ts";
import { makeContext, PROJECT, readUserFile, stoppable, userPath } from "./environment.ts";
import { isHubName, locate } from "./hub.ts";

export const command: Command = {
  name: "checks",
  summary: "check a method's formulas and identities on a model",
  positionals: "NAME",
  maxPositionals: 1,
  flags: [
    {
      name: "model",
      value: "PATH",
      about: "on this model: a checkpoint folder, a .gguf or .onnx file, or a hf: name (the world `planted`)",
    },
    { name: "seed", value: "N", about: "other texts and units (0)" },
    { name: "plugin", value: "PATH", multiple: true, about: "also load this plugin" },
  ],
  notes: "Texts are random tokens: no data is needed. Exit code 1 when a check fails.",
  async run(args) {
    const { plugin, proofs: { checks }, registry } = await proofsOf(args, "check");
    const path = pathOf(args.value("model")) ?? `${PROJECT}/fixtures/worlds/seed-0/planted`;
    return await onModel(registry, path, async (context) => {
      const { model } = context;
      console.log(`${plugin.name} on ${model.info.name}`);
      let failed = 0;
      for (const check of checks) {
        const found = await check.run({ ...context, seed: args.integer("seed", 0) ?? 0 });
        if (!isPassed(found)) failed++;
        for (const line of checkLines(check, found)) console.log(line);
      }
      console.log(`${checks.length - failed} of ${checks.length} checks passed`);
      return failed === 0 ? 0 : 1;
    });
  },
};

function checkLines({ name, source }: Check, found: CheckResult): string[] {
  const { what, value, bound, passes, n } = found;
  const figure = (number: number) =>
    Number.isInteger(number) ? String(number) : String(Number(number.toPrecision(3)));
  return [
    `${isPassed(found) ? "passed" : "FAILED"}  ${name}`,
    `        ${what} ${figure(value)}, wanted ${passes} ${figure(bound)}, n = ${
      n.toLocaleString("en")
    } (${source})`,
  ];
}

/** The plugin that the arguments name, and what it shows. @throws {UserError} for one that shows nothing. */
export async function proofsOf(args: Arguments, task: string): Promise<{
  readonly plugin: Plugin;
  readonly proofs: Proofs;
  readonly registry: Registry;
}> {
  const registry = await loadRegistry(PROJECT, args.values("plugin").map(userPath));
  const able = registry.plugins.filter(({ proofs }) => proofs), names = able.map(({ name }) => name);
  const [name = ""] = args.positionals, plugin = able.find((each) => each.name === name);
  if (plugin) return { plugin, proofs: await plugin.proofs!(), registry };
  throw new UserError(
    name === ""
      ? `Cannot ${task} a method: there is no name, wanted ${names.join(" or ")}`
      : `Cannot ${task} ${JSON.stringify(name)}: no plugin of that name has any${suggest(name, names)}`,
  );
}

/** What claims are judged by beside results, on the model that --model names, or that of a matrix. */
export async function attributionOf(
  { attribution }: Proofs,
  { args, registry, matrix }: {
    readonly args: Arguments;
    readonly registry: Registry;
    /** Name of a matrix of benchmarks/matrices, where its paths start. */
    readonly matrix: string;
  },
): Promise<CheckResult[]> {
  const folder = `${PROJECT}/benchmarks/matrices`, file = `${folder}/${matrix}.json`;
  const [entry] = parseMatrix(readUserFile(file, "matrix"), file).models;
  const own = (entry!.params as { readonly path?: string }).path ?? "";
  const path = pathOf(args.value("model")) ?? (isHubName(own) ? pathOf(own)! : resolve(folder, own));
  return await onModel(registry, path, async (context) => {
    const found: CheckResult[] = [];
    for (const check of attribution) found.push(await check.run({ ...context, seed: 0 }));
    return found;
  });
}

function pathOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  return isHubName(given) ? locate(given, "models").path : userPath(given);
}

async function onModel<T>(
  registry: Registry,
  path: string,
  work: (context: Omit<CheckContext, "seed">) => Promise<T>,
): Promise<T> {
  using stop = stoppable();
  const backend = await lookUp(registry.backends, "onnx", "backend").load();
  const open = (path: string) => backend.open({ path }, { taps: [] }, makeContext(stop.signal, 0));
  await using model = await open(path);
  return await work({
    model,
    signal: stop.signal,
    read: (path) => Deno.readTextFile(`${PROJECT}/${path}`),
    open: (path) => open(`${PROJECT}/${path}`),
  });
}
