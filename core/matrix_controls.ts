/** What a matrix file says of a treatment's scores, controls and curve. Strict: an unknown key is an error. */
import { z } from "zod";
import { SITES } from "./model.ts";
import { UNTOUCHED } from "./results.ts";
import { UnitEntriesSchema } from "./units.ts";

export const Name = z.string().min(1);
/** What other arms are called: "random 3", "random (tap)". */
const TAKEN = new RegExp(
  `^(${UNTOUCHED}|treated|identity|matchedDamage|random(\\s.*)?|(units|strength|seed)\\s.*|shuffled(,\\s.*)?)$`,
);
export const Params = z.record(z.string(), z.json()).default({});

export const ScoreSet = z.strictObject({
  use: Name.describe("Name of a benchmark"),
  params: Params.describe("Params of the benchmark"),
  limit: z.int().min(1).optional().describe("Only its first so many items"),
  groupBy: Name.optional().describe(
    "Kind of cluster of the items by which scores are kept apart; default all are one group",
  ),
});

export const Sample = z.strictObject({
  least: z.int().min(2).default(200).describe("Samples of each set before the units are first looked at"),
  most: z.int().min(2).describe("Samples of each set at most"),
  stable: z.number().gt(0).lte(1).optional().describe(
    "Scoring ends once so large a share of the selected units is expected to be selected by all items too; default it goes on to `most`, as that of a control does",
  ),
}).refine(({ least, most, stable }) => stable === undefined || least <= most, {
  error: 'wanted "least" to be at most "most"',
});

export const Score = z.strictObject({
  use: Name.describe("Name of a scorer; `deno task ls` lists them"),
  params: Params.describe("Params of the scorer, checked by its own schema"),
  on: z.record(Name, ScoreSet).default({}).describe("Items of each set that the scorer names"),
  sample: Sample.optional().describe(
    "Only so many of the items, drawn by the seed, each group in its share of them; default all",
  ),
});

export const Tune = z.strictObject({
  use: Name.describe("Name of a tuner; `deno task ls` lists them"),
  params: Params.describe("Params of the tuner, checked by its own schema"),
  on: z.record(Name, ScoreSet.omit({ groupBy: true })).default({}).describe(
    "Items of each set that the tuner names",
  ),
  units: z.union([Name, UnitEntriesSchema]).optional().describe(
    "Path of a units file, or the units themselves, for a tuner that wants any",
  ),
});

export const group = Name.optional().describe("The group whose scores count; default the sum over all");
export const order = z.enum(["highest", "lowest", "magnitude"]).default("highest").describe(
  "Which come first: the highest scores, the lowest, or those farthest from 0",
);

const exclude = z.boolean().default(true).describe("Whether the treated units are left out");

const Random = z.strictObject({
  use: z.literal("random").describe("Units drawn at random, as many as the treatment edits"),
  match: z.enum(["tap", "uniform"]).describe(
    "As many in each tap as the treatment has, or anywhere in the pool",
  ),
  sets: z.int().min(1).default(200).describe("How often to draw at most"),
  stopAt: z.int().min(1).default(10).describe(
    "Drawing ends, for each benchmark, once so many sets were as extreme as the treatment: then p is that number over those drawn",
  ),
  // Only then is the treatment one more such draw: without its units the others are less spread, and p is too small.
  exclude: z.boolean().default(false).describe(
    "Whether the treated units are left out; then p is too small, the more so the larger the share of a tap that is treated",
  ),
  pool: z.array(z.enum(SITES)).min(1).optional().describe(
    "Sites of every layer to draw from under match uniform; default those of the treated units",
  ),
});

const ownName = Name.refine((name) => !TAKEN.test(name), {
  error: ({ input }) => `the name ${JSON.stringify(input)} is that of another arm, wanted another`,
});

const Scored = z.strictObject({
  use: z.literal("scored").describe(
    "Units that come first by a score of their own, as many as the treatment edits",
  ),
  name: ownName.describe("Name in tables and for hypotheses"),
  score: Score,
  select: z.strictObject({ group, order }).default({ order: "highest" }).describe(
    "Which units come first; their number is the treatment's",
  ),
  match: z.enum(["tap", "count"]).describe(
    "As many of each tap as the treatment has there, or as many in all among its sites",
  ),
  exclude,
});

const Identity = z.strictObject({
  use: z.literal("identity").describe(
    "The treatment's units scaled by 1; a run in which that changes anything is stopped",
  ),
});

const Important = z.strictObject({
  use: z.literal("important").describe(
    "Units that matter for any text, by |activation x gradient|: a scored control",
  ),
  on: ScoreSet.optional().describe("The texts; default those of Plumbline"),
});

const OtherTask = z.strictObject({
  use: z.literal("otherTask").describe(
    "Units that the treatment's own scorer finds on another task, or what its own tuner trains on one",
  ),
  on: z.record(Name, ScoreSet).describe("Items of each set that the scorer or tuner names"),
});

const MatchedDamage = z.strictObject({
  use: z.literal("matchedDamage").describe(
    "Units drawn at random, so many that they cost as much on plain text as the treatment",
  ),
  match: z.enum(["tap", "uniform"]).default("tap").describe(
    "In each tap in the proportion that the treatment has, or anywhere in the pool",
  ),
  sets: z.int().min(1).default(5).describe("How often to draw"),
  on: ScoreSet.optional().describe("What the cost is measured on; default texts of Plumbline"),
  metric: Name.optional().describe("What costs; default the one that tables show"),
  within: z.number().gt(0).lt(1).default(0.05).describe(
    "How near the cost has to come, as a share of the treatment's",
  ),
  exclude,
  pool: z.array(z.enum(SITES)).min(1).optional().describe(
    "Sites of every layer to draw from under match uniform; default those of the treated units",
  ),
});

const PromptOnly = z.strictObject({
  use: z.literal("prompt").describe("No edit: a text before every prompt, what asking for the change does"),
  name: ownName.default("prompt only").describe("Name in tables and for hypotheses"),
  text: z.string().min(1).describe(
    "Stands before the prompt and an empty line, in a conversation before the first message of the user",
  ),
});

const Shuffled = z.strictObject({
  use: z.literal("shuffled").describe(
    "The same training with any of its answers as an item's right one: what training does whatever it teaches",
  ),
});

const Tuned = z.strictObject({
  use: z.literal("tuned").describe("A training of its own, as often as the treatment's"),
  name: ownName.describe("Name in tables and for hypotheses"),
  tune: Tune,
});

export const Control = z.discriminatedUnion("use", [
  Random,
  Scored,
  Important,
  OtherTask,
  MatchedDamage,
  PromptOnly,
  Identity,
  Shuffled,
  Tuned,
]);

const doseError = ({ input }: { readonly input: unknown }) =>
  `${JSON.stringify(input)} is no dose, wanted a number above 0`;

export const Curve = z.strictObject({
  over: z.enum(["units", "strength"]).describe(
    "units: as many of the treatment's list, or shares in (0, 1) or numbers in the place of `top`; strength: times the edit's change",
  ),
  at: z.array(z.number({ error: doseError }).gt(0, { error: doseError })).min(1).describe(
    "Doses; no dose is a point of its own, where nothing changes",
  ),
  scale: z.enum(["linear", "log"]).default("linear").describe(
    "What the area is taken on; log begins at the first dose",
  ),
  sets: z.int().min(0).default(10).describe("Random sets of the same taps that are drawn at every dose"),
});
