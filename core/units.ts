/**
 * Lists of units, from a matrix or a file.
 *
 * A units file is JSON: `{"units": [{"tap": "layers.1.mlp.gate", "units": [3, 7]}, {"tap": "layers.2.attn.head", "index": 0}]}`. An
 * entry may also be a key of module, layer and neuron as programs for Hugging Face models write them, "mlp.gate_proj_13_4021". Other members
 * of the file ("notes", "source") are for people, but for "madeOf": the items that the units were found by, and
 * "model": the one that they were found on. A bare list of entries is read as well.
 */
import { resolve } from "node:path";
import { z } from "zod";
import { UserError } from "./error.ts";
import { SITES, type Tap, type Unit } from "./model.ts";
import { suggest } from "./nearest.ts";
import { type MadeOf, MadeOfSchema } from "./provenance/made_of.ts";
import { parseWith } from "./schema.ts";

const TAP = new RegExp(
  `^(embed|layers\\.(0|[1-9]\\d*)\\.(${SITES.map((site) => site.replace(".", "\\.")).join("|")}))$`,
);
const Index = z.int().min(0);

/** An entry of a units list: one unit by `index`, or several by `units`. */
export const UnitGroupSchema = z.strictObject({
  tap: z.string().regex(TAP, `wanted "embed" or "layers.N.SITE" with SITE one of ${SITES.join(", ")}`),
  index: Index.optional(),
  units: z.array(Index).min(1).optional(),
}).refine((group) => (group.index === undefined) !== (group.units === undefined), {
  message: 'wanted either "index" or "units"',
});
export type UnitGroup = z.output<typeof UnitGroupSchema>;

/** A list of entries, in a file or in a matrix. */
export const UnitEntriesSchema = z.array(z.union([z.string(), UnitGroupSchema])).min(1);
const File = z.union([
  z.looseObject({
    units: UnitEntriesSchema,
    madeOf: z.array(MadeOfSchema).optional(),
    // Files that people write may say it otherwise: then it is not known.
    model: z.looseObject({ label: z.string(), hash: z.looseObject({ weights: z.string() }) })
      .optional().catch(undefined),
  }),
  UnitEntriesSchema,
]);

const MODULES: Readonly<Record<string, string>> = {
  "self_attn.q_proj": "attn.q",
  "self_attn.k_proj": "attn.k",
  "self_attn.v_proj": "attn.v",
  "self_attn.o_proj": "attn.out",
  "mlp.gate_proj": "mlp.gate",
  "mlp.up_proj": "mlp.up",
  "mlp.down_proj": "mlp.out",
};

/** Units in the order in which they stand. @throws {UserError} when one stands twice. */
export function unitsOf(entries: readonly (string | UnitGroup)[], task: string): Unit[] {
  const groups = entries.map((entry) => typeof entry === "string" ? fromKey(entry, task) : entry);
  const units = groups.flatMap((group) =>
    (group.units ?? [group.index ?? 0]).map((index): Unit => ({ tap: group.tap as Tap, index }))
  );
  const seen = new Set<string>();
  for (const { tap, index } of units) {
    if (seen.has(`${tap} ${index}`)) {
      throw new UserError(`Cannot ${task}: unit ${index} of ${tap} stands twice, wanted once`);
    }
    seen.add(`${tap} ${index}`);
  }
  return units;
}

export interface UnitsFile {
  readonly units: readonly Unit[];
  /** What they were found by: nothing, where they were not found but made up; undefined where that is not said. */
  readonly madeOf: readonly MadeOf[] | undefined;
  /** What they were found on; undefined where that is not said. */
  readonly foundOn: FoundOn | undefined;
}

/** The model of a units file: its label in that run, and the sha256 of its weights. */
export interface FoundOn {
  readonly label: string;
  readonly weights: string;
}

/** Units and what made them, from a file's text. @throws {UserError} for what is not a units file. */
export function readUnitsFile(text: string, path: string): UnitsFile {
  const task = `read units ${path}`;
  const file = parseWith(File, parseJson(text, task), task);
  return Array.isArray(file) ? { units: unitsOf(file, task), madeOf: undefined, foundOn: undefined } : {
    units: unitsOf(file.units, task),
    madeOf: file.madeOf,
    foundOn: file.model && { label: file.model.label, weights: file.model.hash.weights },
  };
}

/** Units of a matrix: a list, or the path of a units file, which starts in `folder`. @throws {UserError} for what is neither. */
export function unitsGiven(
  given: string | readonly (string | UnitGroup)[],
  folder: string,
  task: string,
): UnitsFile {
  return typeof given === "string"
    ? readUnits(given, folder)
    : { units: unitsOf(given, task), madeOf: undefined, foundOn: undefined };
}

/** Units and what made them, from a file; a path starts in `folder`. @throws {UserError} for what is not a units file. */
export function readUnits(path: string, folder: string): UnitsFile {
  const place = resolve(folder, path);
  try {
    return readUnitsFile(Deno.readTextFileSync(place), place);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Cannot read units ${place}: ${(error as Error).message}`, { cause: error });
  }
}

/** The units of a file's text. @throws {UserError} for what is not a units file. */
export function parseUnitsFile(text: string, path: string): readonly Unit[] {
  return readUnitsFile(text, path).units;
}

/** JSON text as a value. @throws {UserError} with the parser's reason. */
export function parseJson(text: string, task: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, "")); // some editors write a byte order mark
  } catch (error) {
    throw new UserError(`Cannot ${task}: ${(error as Error).message}, wanted JSON`, { cause: error });
  }
}

/** Read from the right, because names of modules hold underscores. */
function fromKey(key: string, task: string): UnitGroup {
  const [, module, layer, index] = /^(.+)_(\d+)_(\d+)$/.exec(key) ?? [];
  const site = MODULES[module ?? ""];
  if (site === undefined) {
    const near = module === undefined ? ", wanted MODULE_LAYER_INDEX" : suggest(module, Object.keys(MODULES));
    throw new UserError(`Cannot ${task}: ${JSON.stringify(key)} names no unit${near}`);
  }
  return { tap: `layers.${Number(layer)}.${site}`, index: Number(index) };
}
