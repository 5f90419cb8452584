/** What the words of a recipe name: modules of low-rank updates, tensors of blocks. */
import { suggest, type Trained, UserError } from "../../../core/mod.ts";
import type { Architecture } from "../architectures/architecture.ts";
import type { Hyperparameters, ProjectionSite } from "../architectures/shape.ts";
import { modulesBySite } from "../weights/layout.ts";
import type { Checkpoint } from "../weights/types.ts";

interface Module {
  /** "model.layers.0.self_attn.q_proj" */
  readonly name: string;
  readonly layer: number | undefined;
  /** undefined for the output matrix. */
  readonly site: ProjectionSite | undefined;
  /** [out, in] */
  readonly shape: readonly [number, number];
}

/** Where words are read. */
export interface Meaning {
  readonly architecture: Architecture;
  readonly shape: Hyperparameters;
  /** "train demo" */
  readonly task: string;
}

/** Every projection, then the output matrix. */
export function modulesOf(architecture: Architecture, shape: Hyperparameters): Module[] {
  const sites = modulesBySite(architecture);
  return [
    ...Array.from({ length: shape.layers }, (_, layer) =>
      [...sites].map(([site, name]): Module => ({
        name: architecture.layer(layer) + name,
        layer,
        site,
        shape: shape.projections[site],
      }))).flat(),
    {
      name: architecture.unembed.replace(/\.weight$/, ""),
      layer: undefined,
      site: undefined,
      shape: [shape.vocab, shape.width],
    },
  ];
}

/** Modules that targets name, in the model's order. @throws {UserError} for a target that names none. */
export function modulesMeant(
  { targets, layers }: Pick<Extract<Trained, { kind: "lora" }>, "targets" | "layers">,
  { architecture, shape, task }: Meaning,
): Module[] {
  const modules = modulesOf(architecture, shape);
  const chosen = new Set<Module>();
  for (const target of targets) {
    const matching = modules.filter((module) =>
      isMeant(module, target) &&
      (layers === undefined || module.layer === undefined || layers.includes(module.layer))
    );
    if (matching.length === 0) {
      throw new UserError(
        `Cannot ${task}: LoRA target ${JSON.stringify(target)} matches no projection${
          layers && modules.some((module) => isMeant(module, target)) ? ` of layers ${layers.join(", ")}` : ""
        }${
          suggest(target, [
            ...modulesBySite(architecture).keys(),
            "unembed",
            "attn",
            "mlp",
            "all-linear",
            ...new Set(modules.map(lastName)),
          ])
        }`,
      );
    }
    for (const module of matching) chosen.add(module);
  }
  return modules.filter((module) => chosen.has(module));
}

/** A target as TrainRecipe says, or as PEFT matches names: whole, or after a dot. */
function isMeant(module: Module, target: string): boolean {
  if (target === "all-linear") return module.site !== undefined;
  const { name, layer, site } = module;
  const block = site?.split(".")[0];
  const names = [name, ...site ? [`layers.${layer}.${site}`, `layers.${layer}.${block}`] : ["unembed"]];
  return names.some((each) => each === target || each.endsWith(`.${target}`));
}

const lastName = ({ name }: Module) => name.split(".").at(-1)!;
/** Names of tensors that blocks name. @throws {UserError} for a block that names none. */
export function tensorsMeant(
  checkpoint: Pick<Checkpoint, "tensors" | "config">,
  blocks: readonly string[],
  { architecture, shape, task }: Meaning,
): Set<string> {
  const tied = checkpoint.config.tie_word_embeddings;
  const placed = blocksOf(checkpoint, { architecture, shape });
  const chosen = new Set<string>();
  for (const block of blocks) {
    const pattern = new RegExp(`^${block.replaceAll(".", "\\.").replaceAll("*", "\\d+")}(\\.|$)`);
    const matching = block === "all"
      ? [...placed.values()].flat()
      : [...placed].filter(([name]) => pattern.test(name)).flatMap(([, names]) => names);
    if (matching.length === 0) {
      const state = block === "unembed" && tied ? "; its output matrix is its embedding" : "";
      const known = new Set(
        [...placed.keys()].flatMap((name) =>
          name.split(".").map((_, i, parts) => parts.slice(0, i + 1).join("."))
        ),
      );
      throw new UserError(
        `Cannot ${task}: block ${JSON.stringify(block)} matches no weight${state}${
          suggest(block, ["all", ...known])
        }`,
      );
    }
    for (const name of matching) chosen.add(name);
  }
  return chosen;
}

/** Numbers that a recipe's parameters have. @throws {UserError} as planParameters(). */
export function countTrained(
  checkpoint: Pick<Checkpoint, "tensors" | "config">,
  trained: Trained,
  meaning: Meaning,
): number {
  if (trained.kind === "embedding") return meaning.shape.width;
  if (trained.kind === "lora") {
    return modulesMeant(trained, meaning).reduce(
      (sum, { shape: [rows, columns] }) => sum + trained.rank * (rows + columns),
      0,
    );
  }
  const names = tensorsMeant(checkpoint, trained.blocks, meaning);
  return [...names].reduce(
    (sum, name) => sum + checkpoint.tensors.get(name)!.shape.reduce((a, b) => a * b, 1),
    0,
  );
}

/** Names of tensors by block. */
function blocksOf(
  { tensors }: Pick<Checkpoint, "tensors">,
  { architecture, shape }: Pick<Meaning, "architecture" | "shape">,
): ReadonlyMap<string, readonly string[]> {
  const blocks = new Map<string, string[]>();
  const put = (block: string, names: readonly string[]) => {
    const there = names.filter((name) => tensors.has(name));
    if (there.length > 0) blocks.set(block, [...blocks.get(block) ?? [], ...there]);
  };
  const weightsOf = (name: string) => [`${name}.weight`, `${name}.bias`];
  put("embed", [architecture.embed]);
  put("positions", architecture.positions === undefined ? [] : [architecture.positions]);
  for (const { name, layer, site } of modulesOf(architecture, shape)) {
    put(site ? `layers.${layer}.${site}` : "unembed", weightsOf(name));
  }
  for (let layer = 0; layer < shape.layers; layer++) {
    const at = architecture.layer(layer);
    const { attentionNorm, attentionAfter, mlpNorm, mlpAfter, queryNorm, keyNorm } = architecture;
    put(
      `layers.${layer}.norms`,
      [attentionNorm, attentionAfter, mlpNorm, mlpAfter, queryNorm, keyNorm].flatMap((name) =>
        name === undefined ? [] : weightsOf(at + name)
      ),
    );
  }
  put("norm", weightsOf(architecture.finalNorm));
  return blocks;
}
