/** A scorer's passes, asked for and checked: whatever is wrong with them is said before anything is computed. */
import { z } from "zod";
import { faultText, UserError } from "./error.ts";
import type { Capability, Model, Observation } from "./model.ts";
import { faultOf, PADDINGS, POOLS, QUANTITIES, spanOf, STRETCHES } from "./observation.ts";
import { parseWith } from "./schema.ts";
import type { Pass, PassSample, Scorer, ScorerInput } from "./scorer.ts";

const Ids = z.custom<readonly number[]>(
  (value) => Array.isArray(value) && value.every((id) => Number.isInteger(id) && id >= 0),
  "wanted token ids",
);

const Sample = z.looseObject({
  id: z.string(),
  group: z.string(),
  prompt: Ids,
  continuations: z.array(Ids).optional(),
  edits: z.array(z.looseObject({ from: z.undefined("wanted edits that are plain JSON").optional() }))
    .optional(),
  target: z.int().optional(),
  against: z.int().optional(),
  answer: z.int().optional(),
});

/** Default of Pass.batch. */
export const BATCH = 16;

/** What may be asked of a pass; shared with scorers that are JSON. */
export const POOLING = {
  quantity: z.enum(QUANTITIES),
  pool: z.enum(POOLS).exclude(["none"]),
  over: z.enum(STRETCHES).default("all"),
  padding: z.enum(PADDINGS).default("skip"),
};
export const PASS_OPTIONS = {
  weight: z.enum(["none", "objective"]).default("none"),
  absolute: z.boolean().default(false),
  floor: z.number().optional(),
  batch: z.int().min(1).default(BATCH),
};

const Passes = z.array(z.strictObject({
  name: z.string().min(1),
  samples: z.array(Sample).min(1),
  objective: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.enum(["probability", "logprob", "logitDifference", "cloze"]) }),
    z.strictObject({
      kind: z.literal("crossEntropy"),
      span: z.union([z.enum(["completion", "prompt", "all"]), z.tuple([z.int(), z.int()])]),
    }),
  ]).optional(),
  observe: z.array(z.strictObject({ tap: z.string(), ...POOLING })).min(1),
  ...PASS_OPTIONS,
  squares: z.enum(["group", "pass"]).optional(),
}));

/** Asks a scorer, whose code may be the user's own. @throws {UserError} naming the scorer, in one line. */
export function ask<T>(
  { name }: Pick<Scorer, "name">,
  method: "passes" | "combine" | "errors",
  work: () => T,
): T {
  try {
    return work();
  } catch (cause) {
    const reason = cause instanceof UserError
      ? cause.message.replace(/^Cannot /, "cannot ")
      : `its ${method}() threw ${faultText(cause)}, wanted ${
        { passes: "passes", combine: "scores", errors: "standard errors" }[method]
      }`;
    throw new UserError(`Cannot score by ${name}: ${reason}`, { cause });
  }
}

/**
 * The passes of a scorer over these items.
 *
 * @throws {UserError} naming the scorer for a set without items, a pass or tap that stands twice, a tap that the model has not, and a
 * sample that does not suit its objective or the model.
 */
export function planPasses<Params>(scorer: Scorer<Params>, input: ScorerInput<Params>): readonly Pass[] {
  const refuse: Refuse = (state) => {
    throw new UserError(`Cannot score by ${scorer.name} on ${input.model.info.name}: ${state}`);
  };
  const empty = scorer.sets.find((set) => !input.items[set]?.length);
  if (empty !== undefined) refuse(`there are no items of the set ${JSON.stringify(empty)}, wanted some`);
  const passes = ask(scorer, "passes", () => scorer.passes(input));
  parseWith<unknown>(Passes, passes, `score by ${scorer.name}: its passes() cannot be read`);
  passes.forEach((pass, i) => {
    const place = `pass ${JSON.stringify(pass.name)}`;
    const within: Refuse = (state) => refuse(`${place} ${state}`);
    if (passes.findIndex(({ name }) => name === pass.name) !== i) within("stands twice, wanted once");
    checkObservations(pass, input.model, within);
    for (const sample of pass.samples) {
      checkSample(pass, sample, {
        model: input.model,
        refuse: (state) => refuse(`sample ${sample.id} of ${place} ${state}`),
      });
    }
  });
  return passes;
}

/** @throws {UserError} naming what the passes need and the model cannot. */
export function checkCapabilities(
  { name }: Pick<Scorer, "name">,
  passes: readonly Pass[],
  model: Pick<Model, "info" | "can">,
): void {
  const wants: Readonly<Partial<Record<Capability, boolean>>> = {
    observe: passes.length > 0,
    gradient: passes.some(({ observe }) => observe.some(isGradient)),
    edit: passes.some(({ samples }) => samples.some(({ edits = [] }) => edits.length > 0)),
  };
  for (const [capability, isWanted] of Object.entries(wants)) {
    if (!isWanted || model.can.has(capability as Capability)) continue;
    throw new UserError(
      `Cannot score by ${name} on ${model.info.name}: it needs ${capability}, wanted a model that can`,
    );
  }
}

type Refuse = (state: string) => never;

/** Whether a backward pass is needed. */
export const isGradient = ({ quantity }: Observation) => quantity === "gradient" || quantity === "product";

function checkObservations({ observe, objective, weight }: Pass, model: Units, refuse: Refuse): void {
  const seen = new Set<string>();
  for (const observation of observe) {
    const { tap, quantity } = observation, fault = faultOf(observation, objective?.kind);
    if (seen.has(tap)) refuse(`observes ${tap} twice, wanted each tap once a pass`);
    seen.add(tap);
    if (fault) refuse(`cannot observe ${quantity} at ${tap}: ${fault.state}, wanted ${fault.wanted}`);
    try {
      model.units(tap);
    } catch (cause) {
      if (!(cause instanceof UserError)) throw cause;
      refuse(`observes ${tap}, which does not exist: ${cause.message.replace(/^Cannot /, "cannot ")}`);
    }
  }
  if (weight === "objective" && !objective) refuse("is weighted by an objective that it lacks, wanted one");
}

type Units = Pick<Model, "units">;

function checkSample(
  { objective, observe }: Pass,
  { prompt, continuations = [], target, against, answer }: PassSample,
  { model: { info }, refuse }: { readonly model: Pick<Model, "info">; readonly refuse: Refuse },
): void {
  if (prompt.length === 0 || continuations.some((ids) => ids.length === 0)) {
    refuse("has an empty prompt or continuation, wanted one token or more");
  }
  const longest = Math.max(1, ...continuations.map((ids) => ids.length));
  const tokens = prompt.length + longest - 1;
  if (tokens > info.contextLength) {
    refuse(`is ${tokens} tokens, wanted at most the context length of ${info.contextLength}`);
  }
  const strange = [prompt, ...continuations].flat().find((id) => id >= info.vocab);
  if (strange !== undefined) refuse(`has the token id ${strange}, wanted one in [0, ${info.vocab})`);
  if (longest < 2 && observe.some(({ over }) => over === "completion")) {
    refuse("runs no token of a continuation, wanted one of two tokens or more to pool over");
  }
  const inside = (name: string, value: number | undefined, size: number) => {
    if (value !== undefined && value >= 0 && value < size) return;
    refuse(`has the ${name} ${value ?? "undefined"}, wanted a whole number in [0, ${size})`);
  };
  switch (objective?.kind) {
    case "logitDifference":
      inside("contrast", against, info.vocab);
      /* falls through */
    case "probability":
    case "logprob":
      return inside("target", target, info.vocab);
    case "cloze":
      if (continuations.length < 2) refuse(`has ${continuations.length} continuations, wanted two or more`);
      return inside("answer", answer, continuations.length);
    case "crossEntropy": {
      const span = spanOf(objective.span, { prompt, continuations });
      if ("state" in span) refuse(`has ${span.state}, wanted ${span.wanted}`);
    }
  }
}
