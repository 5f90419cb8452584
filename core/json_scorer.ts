/**
 * Scorers without code: a JSON file that names passes and how their means combine, for what needs no more than that.
 *
 *   S[g, k] = sum over terms of times * mean over the samples of group g of v[k]
 *   "standardise":  S / pooled standard deviation of the terms' passes (0 where that is 0)
 *   "absolute":     then |S|
 */
import { z } from "zod";
import { sha256 } from "./hash.ts";
import type { Observation, Tap } from "./model.ts";
import { SITES } from "./model.ts";
import { faultOf } from "./observation.ts";
import { PASS_OPTIONS, POOLING } from "./passes.ts";
import { parseWith } from "./schema.ts";
import {
  deviationOf,
  groupIn,
  meanOf,
  type Pass,
  passObjective,
  type Pooled,
  ratio,
  sampleOf,
  type Scorer,
  type ScorerInput,
  scoresOf,
  tapsAt,
  type UnitScores,
} from "./scorer.ts";
import { parseJson, UnitGroupSchema } from "./units.ts";

const Name = z.string().min(1);

const PassSchema = z.strictObject({
  name: Name,
  set: Name.describe("Set of items that it walks over"),
  objective: z.enum(["probability", "logprob", "logitDifference", "cloze", "crossEntropy"]).optional(),
  sites: z.array(z.enum(SITES)).min(1).optional().describe("These sites of every layer"),
  taps: z.array(UnitGroupSchema.shape.tap).min(1).optional().describe("Or these places"),
  ...POOLING,
  ...PASS_OPTIONS,
}).refine(({ sites, taps }) => (sites === undefined) !== (taps === undefined), {
  message: 'wanted either "sites" or "taps"',
});

const ScorerSchema = z.strictObject({
  $schema: z.string().optional(),
  format: z.literal("scorer/1"),
  name: Name,
  version: Name,
  title: Name,
  source: Name,
  sets: z.array(Name).min(1),
  passes: z.array(PassSchema).min(1),
  combine: z.strictObject({
    terms: z.array(z.strictObject({ pass: Name, times: z.number().default(1) })).min(1),
    standardise: z.boolean().default(false),
    absolute: z.boolean().default(false),
  }),
}).superRefine(({ sets, passes, combine }, context) => {
  const refuse = (message: string, path: (string | number)[]) =>
    context.addIssue({ code: "custom", message, path });
  const named = (name: string) => passes.find((pass) => pass.name === name);
  const places = ({ sites = [], taps = [] }: PassSpec) =>
    JSON.stringify([[...sites].sort(), [...taps].sort()]);
  passes.forEach(({ set, objective, quantity, pool, over, padding, sites = [], taps = [] }, i) => {
    if (!sets.includes(set)) refuse(`wanted one of the sets ${sets.join(", ")}`, ["passes", i, "set"]);
    const hasHeads = [...sites, ...taps].some((place) => place.endsWith("attn.head"));
    if (hasHeads && (quantity === "activation" || quantity === "gradient")) {
      refuse(`at attn.head ${quantity}s are not one a head, wanted a product`, ["passes", i, "quantity"]);
    }
    for (const place of [...sites, ...taps]) {
      const fault = faultOf({ tap: place as Tap, quantity, pool, over, padding }, objective);
      if (fault) refuse(`no ${quantity} of ${place}: ${fault.state}, wanted ${fault.wanted}`, ["passes", i]);
    }
  });
  const first = named(combine.terms[0]!.pass);
  combine.terms.forEach(({ pass }, i) => {
    const found = named(pass), path = ["combine", "terms", i, "pass"];
    if (!found) refuse(`wanted one of the passes ${passes.map(({ name }) => name).join(", ")}`, path);
    else if (first && places(found) !== places(first)) {
      refuse("wanted the places of the first term's pass", path);
    }
  });
});
type ScorerSpec = z.output<typeof ScorerSchema>;
type PassSpec = ScorerSpec["passes"][number];

/**
 * A scorer from its JSON text. Its version is the file's, a dash, and the hash of its passes and of how they combine, so that a changed
 * file is another scorer.
 *
 * @throws {UserError} naming the place of an unknown key or a wrong value.
 *
 * @example
 * ```ts
 * import { parseScorer } from "./json_scorer.ts";
 * const scorer = parseScorer(
 *   JSON.stringify({
 *     format: "scorer/1",
 *     name: "busy_heads",
 *     version: "1",
 *     title: "Heads whose silence would cost the answer most, to first order",
 *     source: "an example",
 *     sets: ["items"],
 *     passes: [{ name: "effect", set: "items", objective: "logprob", sites: ["attn.head"], quantity: "product", pool: "sum" }],
 *     combine: { terms: [{ pass: "effect" }] },
 *   }),
 *   "busy_heads.json",
 * );
 * if (scorer.name !== "busy_heads") throw new Error("unexpected scorer");
 * ```
 */
export function parseScorer(text: string, path: string): Scorer<Record<string, never>> {
  const task = `read scorer ${path}`;
  const spec = parseWith(ScorerSchema, parseJson(text, task), task);
  const { name, title, source, sets, passes, combine } = spec;
  return {
    name,
    version: `${spec.version}-${sha256(JSON.stringify({ passes, combine })).slice(0, 8)}`,
    title,
    source,
    params: z.strictObject({}),
    sets,
    passes: (input) => passes.map((pass) => passOf(pass, input)),
    combine: (pooled, input) => combined(spec, pooled, input),
  };
}

function passOf(spec: PassSpec, { items, model }: ScorerInput<unknown>): Pass {
  const { name, set, objective, quantity, pool, over, padding, weight, absolute, floor, batch } = spec;
  const use = { over, ...(objective && { objective }) };
  return {
    name,
    samples: (items[set] ?? []).map((item) => sampleOf(item, use)),
    ...(objective && { objective: passObjective(objective) }),
    observe: placesOf(spec, model.info.layers).map((tap): Observation => ({
      tap,
      quantity,
      pool,
      over,
      padding,
    })),
    weight,
    absolute,
    ...(floor !== undefined && { floor }),
    batch,
  };
}

function placesOf({ sites = [], taps = [] }: PassSpec, layers: number): Tap[] {
  return [...tapsAt(sites, layers), ...taps as Tap[]];
}

/** Groups are those of the first term; another term's pass may have one group for all of them. */
function combined(
  { passes, combine }: ScorerSpec,
  pooled: Pooled,
  { model }: ScorerInput<unknown>,
): UnitScores {
  const { terms, standardise, absolute } = combine, first = terms[0]!.pass;
  const taps = placesOf(passes.find(({ name }) => name === first)!, model.info.layers);
  return scoresOf(pooled.groups(first), taps, (group, tap) => {
    const parts = terms.map(({ pass }) => pooled.at(pass, groupIn(pooled, pass, group), tap));
    const means = parts.map(meanOf), deviation = standardise ? deviationOf(parts) : undefined;
    return means[0]!.map((_, k) => {
      const sum = terms.reduce((sum, { times }, i) => sum + times * means[i]![k]!, 0);
      const score = deviation ? ratio(sum, deviation[k]!) : sum;
      return absolute ? Math.abs(score) : score;
    });
  });
}
