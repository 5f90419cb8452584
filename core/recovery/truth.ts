/** truth.json: beside a model whose knowledge was planted, which units carry what, and which items ask for it. */
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../error.ts";
import type { Tap, Unit } from "../model.ts";
import { parseWith } from "../schema.ts";

const UnitSchema = z.looseObject({ tap: z.string().transform((tap) => tap as Tap), index: z.int().min(0) });
const UnitsByGroup = z.record(z.string(), z.array(UnitSchema)).default({});

const Target = z.strictObject({
  /** For tables: "culture". */
  name: z.string().min(1),
  /** The cluster whose value is an item's group: "country". */
  groupBy: z.string().min(1),
  /** The cluster within which questions differ by their group alone; for readers, nothing here goes by it. */
  within: z.string().optional(),
  /** Benchmarks by the sets that scorers name; the data is in the folder `data` beside the model's. */
  sets: z.record(
    z.string(),
    z.strictObject({ use: z.string().min(1), params: z.record(z.string(), z.json()).default({}) }),
  ),
  /** By group the units that carry it; none in a world where nothing was planted. */
  units: UnitsByGroup,
  /** Units that fire on the group's items and carry something else too, which a method should not call. */
  decoys: UnitsByGroup,
});

const Truth = z.looseObject({
  kind: z.string().min(1),
  seed: z.int().min(0),
  model: z.strictObject({ use: z.string().min(1), params: z.record(z.string(), z.json()) }),
  targets: z.array(Target),
});
export type Target = z.output<typeof Target>;
export type Truth = z.output<typeof Truth>;

/** A model with its truth. */
export interface KnownWorld extends Truth {
  /** Folder of the model, absolute. */
  readonly folder: string;
}

/** Every folder with a truth.json below `root`, by path. @throws {UserError} where there is none, or one that cannot be read. */
export function findWorlds(root: string): KnownWorld[] {
  const folders = walk(root);
  if (folders.length === 0) {
    throw new UserError(`Cannot calibrate on ${root}: no truth.json is below it, wanted a folder of worlds`);
  }
  return folders.map((folder) => {
    const path = join(folder, "truth.json");
    let value: unknown;
    try {
      value = JSON.parse(Deno.readTextFileSync(path));
    } catch (cause) {
      throw new UserError(`Cannot read ${path}: ${(cause as Error).message}, wanted JSON`, { cause });
    }
    return { ...parseWith(Truth, value, `read ${path}`), folder };
  });
}

function walk(folder: string): string[] {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
  } catch {
    return [];
  }
  const own = entries.some(({ name, isFile }) => isFile && name === "truth.json") ? [folder] : [];
  return [
    ...own,
    ...entries.filter(({ isDirectory }) => isDirectory).flatMap(({ name }) => walk(join(folder, name))),
  ];
}

/** A neuron is the same unit at gate, up and act. */
export function unitName({ tap, index }: Unit): string {
  return `${tap.replace(/\.mlp\.(gate|up|act)$/, ".mlp")}/${index}`;
}
