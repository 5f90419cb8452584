/** What the commands that take a matrix have in common: their arguments, and the plan that these make. */
import { join } from "node:path";
import type { Context } from "../context.ts";
import { UserError } from "../error.ts";
import type { MatrixFile } from "../matrix.ts";
import { suggest } from "../nearest.ts";
import type { Plan } from "../plan.ts";
import type { Arguments, Flag } from "./command.ts";

/** In the order of the help. */
export const MATRIX_FLAGS: readonly Flag[] = [
  {
    name: "model",
    value: "PATH",
    about:
      "use this model instead of the matrix's: a checkpoint folder, a .gguf or .onnx file, or a hf: name",
  },
  {
    name: "data",
    value: "DIR",
    about: "look for the benchmarks' data files below this folder or hf:datasets/ name",
  },
  {
    name: "limit",
    value: "N",
    about: "only the first N items of each benchmark; the results are not reportable",
  },
  {
    name: "allow-leakage",
    about: "report on items that made a treatment's units as well; every output says so",
  },
  {
    name: "below-gate",
    value: "WORD",
    about: "stop or mark: what models below a gate of the matrix are in for (as the matrix says)",
  },
  { name: "results", value: "DIR", about: "folder of the store and the exported files (results)" },
  {
    name: "plugin",
    value: "PATH",
    multiple: true,
    about: "also load this plugin or benchmark; may be given several times",
  },
  { name: "device", value: "NAME", about: "where models are computed: cpu, webgpu or cuda (cpu)" },
  { name: "precision", value: "NAME", about: "of products by weights: float32, split or int8 (float32)" },
  { name: "threads", value: "N", about: "threads of the runtime (its own choice)" },
  { name: "tokens", value: "N", about: "padded tokens in a batch at most (2048)" },
];

export const MATRIX_NOTE =
  "Without MATRIX it is benchmarks/matrices/demo.json. Paths start in your folder; those in a matrix in the matrix's.";

/** The numbers among the flags. @throws {UserError} for one that is none, before anything is loaded. */
export function numbersOf(args: Arguments) {
  return {
    limit: args.integer("limit", 1),
    threads: args.integer("threads", 1) ?? 0,
    tokenBudget: args.integer("tokens", 1),
  };
}

export interface OwnMatrix {
  /** The matrix, in place of the one that the arguments name. */
  readonly path?: string;
  /** Of the matrix as it was read. */
  readonly change?: (matrix: MatrixFile) => MatrixFile;
}

/** Plans the matrix that the arguments name. @throws {UserError} as planRun(), and for a file that cannot be read. */
export async function planOf(args: Arguments, context: Context, own: OwnMatrix = {}): Promise<Plan> {
  const env = await import("./environment.ts");
  const [{ loadRegistry }, { parseMatrix }, { planRun }, { isHubName, locate }] = await Promise.all([
    import("../registry.ts"),
    import("../matrix.ts"),
    import("../plan.ts"),
    import("./hub.ts"),
  ]);
  const { change = (matrix) => matrix } = own;
  const path = own.path ??
    (args.positionals[0]
      ? env.userPath(args.positionals[0])
      : join(env.PROJECT, "benchmarks/matrices/demo.json"));
  const matrix = withFlags(change(parseMatrix(env.readUserFile(path, "matrix"), path)), args);
  const model = args.value("model");
  const data = args.value("data") ?? (isHubName(matrix.data ?? "") ? matrix.data : undefined);
  const registry = await loadRegistry(env.PROJECT, args.values("plugin").map(env.userPath));
  const { limit, tokenBudget } = numbersOf(args);
  const [device, precision] = [args.value("device"), args.value("precision")];
  const given = { ...(device !== undefined && { device }), ...(precision !== undefined && { precision }) };
  const models = model === undefined
    ? matrix.models
    : [{ use: matrix.models[0]!.use, params: { path: model } }];
  return await planRun(
    {
      ...matrix,
      models: models.map((each) => ({ ...each, params: { ...each.params as object, ...given } })),
    },
    {
      registry,
      context,
      path,
      data: data === undefined
        ? undefined
        : isHubName(data)
        ? locate(data, "datasets").path
        : env.userPath(data),
      locate: (name) => locate(name, "models"),
      ownModels: model !== undefined,
      limit,
      tokenBudget,
      engine: env.engine(),
    },
  );
}

const BELOW = ["stop", "mark"] as const;

/** The matrix as the flags would have it. @throws {UserError} for a word that is none. */
function withFlags(matrix: MatrixFile, args: Arguments): MatrixFile {
  const given = args.value("below-gate"), belowGate = BELOW.find((each) => each === given);
  if (given !== undefined && belowGate === undefined) {
    throw new UserError(
      `Cannot run ${matrix.name ?? "the matrix"}: --below-gate is ${JSON.stringify(given)}${
        suggest(given, BELOW)
      }`,
    );
  }
  return {
    ...matrix,
    ...(args.has("allow-leakage") && { allowLeakage: true }),
    ...(belowGate && { gates: matrix.gates.map((gate) => ({ ...gate, belowGate })) }),
  };
}
