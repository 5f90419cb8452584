/** The matrix file: which models meet which benchmarks under which treatments. Strict: an unknown key is an error. */
import { z } from "zod";
import { UserError } from "./error.ts";
import { canonicalJson } from "./hash.ts";
import { checkCurve, checkOpening, checkOrder, checkTraining } from "./matrix_checks.ts";
import { Control, Curve, group, Name, order, Params, Score, type ScoreSet, Tune } from "./matrix_controls.ts";
import { Gate, Hypothesis } from "./matrix_claims.ts";
import { SITES } from "./model.ts";
import { UNTOUCHED } from "./results.ts";
import { parseWith } from "./schema.ts";
import { parseJson, UnitEntriesSchema } from "./units.ts";

const Entry = z.strictObject({
  use: Name.describe("Name of a backend (models) or of a benchmark (benchmarks); `deno task ls` lists them"),
  name: Name.optional().describe("Name in tables"),
  params: Params.describe("Params of the entry, checked by its own schema"),
});

const BenchmarkEntry = Entry.extend({
  limit: z.int().min(1).optional().describe("Only its first so many items"),
  optional: z.boolean().default(false).describe(
    "Whether it is left out, and every hypothesis about it, where its data is not there",
  ),
});

const Edit = z.strictObject({
  use: Name.describe("Name of an intervention"),
  params: Params,
  units: z.union([Name, UnitEntriesSchema]).optional().describe(
    "Path of a units file, or the units themselves; without them those of the select before",
  ),
});

const topError = ({ input }: { readonly input: unknown }) =>
  `top is ${JSON.stringify(input)}, wanted a share in (0, 1) or a whole number of units from 1`;

export const Select = z.strictObject({
  top: z.number({ error: topError })
    .refine((top) => top > 0 && (top < 1 || Number.isInteger(top)), { error: topError })
    .describe("Share of the scored units in (0, 1), rounded down, or their number"),
  per: z.enum(["all", "tap", "site"]).default("all").describe(
    "Of what `top` is taken: all units together, those of each tap, or of each site over all layers",
  ),
  sites: z.array(z.enum(SITES)).min(1).optional().describe("Only units of these sites"),
  group,
  order,
  without: z.strictObject({
    group: Name.describe("The group whose scores count here"),
    top: z.number({ error: topError })
      .refine((top) => top > 0 && (top < 1 || Number.isInteger(top)), { error: topError })
      .describe("Share of the same units, or their number"),
  }).optional().describe(
    "Of those that `top` takes, units that also come first by another group are dropped; none takes their place",
  ),
  standout: z.strictObject({
    z: z.number().describe("Least distance from the mean, in population standard deviations"),
    among: Name.describe("Groups whose names begin so"),
  }).optional().describe(
    "Of those that `top` takes, units are dropped whose score in `group` does not stand out among those in several groups",
  ),
}).refine(({ group, standout }) => standout === undefined || group !== undefined, {
  error: "standout compares one group with others, wanted a group",
});

const Step = z.strictObject({
  score: Score.optional(),
  select: Select.optional(),
  edit: Edit.optional(),
  tune: Tune.optional(),
  open: z.record(z.string(), z.json()).refine((params) => Object.keys(params).length > 0, {
    error: "wanted one param at least",
  }).optional().describe(
    'Params of the backend with which the same model is opened in place of its own, such as {"precision": "int8"}',
  ),
}).refine((step) => Object.keys(step).length === 1, {
  error: "wanted one of score, select, edit, tune and open",
})
  .describe("Exactly one of score, select, edit, tune and open");

const Treatment = z.strictObject({
  name: Name,
  steps: z.array(Step).min(1),
  controls: z.array(Control).optional().describe(
    "Default: random ones of the same taps, important ones, matched damage, identity; of a training shuffled answers; of a model that is opened otherwise none, nothing being chosen there; [] for none",
  ),
  seeds: z.array(z.int()).min(1).optional().describe(
    "Of a training: how often, and from which seeds; default the matrix's seed alone. Intervals are over seeds and items both",
  ),
  curve: Curve.optional().describe("The treatment at other doses, and the area under its changes"),
});

/** The file as it is written, defaults left out. */
export const MatrixSchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1),
  seed: z.int().default(0).describe("Seed of the control sets and of the resampling"),
  name: Name.optional().describe("Name of the run; default the file's name"),
  allowLeakage: z.boolean().default(false).describe(
    "Whether items that made a treatment's units may be reported on; every output says so",
  ),
  data: Name.optional().describe(
    "Folder below which the benchmarks' data files are looked for, or `hf:datasets/org/name`",
  ),
  models: z.array(Entry).min(1),
  benchmarks: z.array(BenchmarkEntry).min(1),
  treatments: z.array(Treatment).default([]),
  gates: z.array(Gate).default([]).describe("What the untouched model has to know before it is treated"),
  hypotheses: z.array(Hypothesis).default([]).describe(
    "Claims to be judged; hashed before the first cell is computed",
  ),
});

/** A matrix as its file has it, every default of the schema written out. */
export type MatrixFile = z.output<typeof MatrixSchema>;
export type ControlEntry = z.output<typeof Control>;
export type TreatmentEntry = MatrixFile["treatments"][number];
/** A control with what stands for its defaults looked up (default_controls.ts): those that are scored are written so. */
export type ControlSpec =
  | Exclude<ControlEntry, { use: "important" | "otherTask" | "matchedDamage" }>
  | MatchedDamageSpec;
export type ScoredControlSpec = Extract<ControlSpec, { use: "scored" }>;
export type MatchedDamageSpec = Extract<ControlEntry, { use: "matchedDamage" }> & {
  readonly on: ScoreSetSpec;
};
export type TreatmentSpec = Omit<TreatmentEntry, "controls"> & { readonly controls: readonly ControlSpec[] };
/** A matrix with every default written out, those of its treatments' controls with them. */
export type MatrixSpec = Omit<MatrixFile, "treatments"> & { readonly treatments: readonly TreatmentSpec[] };
export type CurveSpec = z.output<typeof Curve>;
export type ScoreSetSpec = z.output<typeof ScoreSet>;
export type HypothesisSpec = MatrixSpec["hypotheses"][number];
export type GateSpec = z.output<typeof Gate>;
export type ScoreSpec = z.output<typeof Score>;
export type SampleSpec = NonNullable<ScoreSpec["sample"]>;
export type SelectSpec = z.output<typeof Select>;
/** As it is written, defaults left out. */
export type SelectEntry = z.input<typeof Select>;
export type TuneSpec = z.output<typeof Tune>;

/**
 * A matrix from its JSON text.
 *
 * @throws {UserError} naming the place of an unknown key, a wrong value, an entry or a treatment that stands twice, or steps that do
 * not follow from one another.
 */
export function parseMatrix(text: string, path: string): MatrixFile {
  const task = `read matrix ${path}`;
  const matrix = parseWith(MatrixSchema, parseJson(text, task), task);
  distinct(matrix.models, "model", task);
  distinct(matrix.benchmarks, "benchmark", task);
  const names = matrix.treatments.map((treatment) => treatment.name);
  for (const [i, name] of names.entries()) {
    if (name === UNTOUCHED) {
      throw new UserError(
        `Cannot ${task}: treatment "${UNTOUCHED}" is the unedited model, wanted another name`,
      );
    }
    if (names.indexOf(name) !== i) throw twice(task, `treatment ${JSON.stringify(name)}`);
  }
  for (const treatment of matrix.treatments) {
    checkTraining(treatment, task);
    checkOpening(treatment, task);
    checkOrder(treatment, task);
    checkCurve(treatment, task);
    const controls = treatment.controls ?? [];
    distinct(controls, `control of ${JSON.stringify(treatment.name)}`, task);
    const own = controls.flatMap((control) =>
      "name" in control ? [control.name] : control.use === "random" ? [] : [control.use]
    );
    const again = own.find((name, i) => own.indexOf(name) !== i);
    if (again !== undefined) {
      throw twice(task, `control ${JSON.stringify(again)} of ${JSON.stringify(treatment.name)}`);
    }
  }
  return matrix;
}

/** The published JSON Schema, as text. */
export function matrixJsonSchema(): string {
  return JSON.stringify(
    { title: "Plumbline matrix", ...z.toJSONSchema(MatrixSchema, { io: "input" }) },
    null,
    2,
  ) + "\n";
}

/** The error about something that stands twice where once is wanted. */
export function twice(task: string, what: string): UserError {
  return new UserError(`Cannot ${task}: ${what} stands twice, wanted once`);
}

/** Equal names are no way out: the cells would be the same. */
function distinct(
  entries: readonly { use: string; name?: string | undefined }[],
  kind: string,
  task: string,
): void {
  const keys = entries.map(({ name: _, ...entry }) =>
    canonicalJson({ ...JSON.parse(JSON.stringify(entry)) })
  );
  for (const [i, key] of keys.entries()) {
    if (keys.indexOf(key) !== i) throw twice(task, `${kind} ${JSON.stringify(entries[i]?.use)}`);
  }
}
