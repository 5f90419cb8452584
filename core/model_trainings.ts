/** What the trainings of a plan come to on one model: recipe, examples, tokens and keys. */
import { faultText, UserError } from "./error.ts";
import type { Json } from "./evaluator.ts";
import { canonicalJson, sha256 } from "./hash.ts";
import type { Inspected } from "./memory.ts";
import type { PlannedArm } from "./plan_arms.ts";
import { plain } from "./plan_benchmarks.ts";
import { scoredItems } from "./plan_scores.ts";
import type { Training } from "./plan_tunes.ts";
import { createRandom } from "./random.ts";
import type { ScoredItem } from "./scorer.ts";
import { resolveRecipe } from "./train/recipe.ts";
import type { TrainOptions } from "./trainer.ts";
import type { Tuner, Tuning } from "./tuner.ts";

/** A training on one model. */
export interface ModelTraining {
  readonly training: Training;
  /** For progress and messages: "taught, seed 1". */
  readonly name: string;
  /** Recipe and examples; made when called. */
  options(): Pick<TrainOptions, "examples" | "madeOf"> & Tuning["recipe"] & { readonly seed: number };
  readonly examples: number;
  /** Tokens of all examples, times the number of times that they are gone through; of pairs also once forward, for the model as it was. */
  readonly tokens: number;
  readonly forwardTokens: number;
  /** sha256 of recipe and examples. */
  readonly content: string;
  /** sha256 of all that decides what is trained. */
  readonly key: string;
}

export interface ModelTrainingOptions {
  readonly model: Inspected;
  /** What decides a model's numbers: engine, backend, hashes. */
  readonly spec: { readonly [key: string]: Json };
}

/**
 * Every training of a model's arms, each once.
 *
 * @throws {UserError} for items that do not suit the model or the tuner, or that have no answers to shuffle.
 */
export function modelTrainings(arms: readonly PlannedArm[], options: ModelTrainingOptions): ModelTraining[] {
  const trainings = arms.flatMap((arm) => arm.training ? [modelTraining(arm, arm.training, options)] : []);
  const own = arms.filter((arm) => arm.training);
  own.forEach(({ treatment, control, training }, i) => {
    if (control === undefined) return;
    const same = own.findIndex((arm, j) =>
      arm.treatment === treatment && arm.control === undefined && arm.training!.seed === training!.seed &&
      trainings[j]!.content === trainings[i]!.content
    );
    if (same < 0) return;
    throw new UserError(
      `Cannot train ${options.model.info.name} under ${
        JSON.stringify(treatment)
      }: its control ${control} is the same training, recipe and examples, wanted another`,
    );
  });
  return trainings;
}

/** The arms with what is trained in their cells' specs: another recipe, or other examples, are other cells whatever a tuner calls itself. */
export function withTrainings(
  arms: readonly PlannedArm[],
  trainings: readonly ModelTraining[],
): PlannedArm[] {
  return arms.map((arm) => {
    const own = trainings.find(({ training }) => training === arm.training);
    return own ? { ...arm, done: { ...arm.done, trained: own.content } } : arm;
  });
}

function modelTraining(
  { treatment, arm }: PlannedArm,
  training: Training,
  { model, spec }: ModelTrainingOptions,
): ModelTraining {
  const { tune, answers, seed } = training, { tuner, params, sets, units } = tune;
  const name = `${treatment}${arm === "treated" ? `, seed ${seed}` : `: ${arm}`}`;
  const task = `train ${model.info.name} under ${JSON.stringify(treatment)}`;
  const items = () =>
    Object.fromEntries(
      Object.entries(sets).map(([set, own]) => {
        const all = scoredItems(own, model);
        return [set, answers === "right" ? all : shuffled(all, { set: own.record.label, seed })];
      }),
    );
  if (model.can && !model.can.has("train")) {
    throw new UserError(`Cannot ${task}: it does not train as it is opened, wanted it in its reference way`);
  }
  const plan = (): Tuning => {
    try {
      return checked(
        tuner.plan({ params, items: items(), model, seed, ...(units && { units: units.units }) }),
        tuner,
      );
    } catch (cause) {
      const reason = cause instanceof UserError
        ? cause.message.replace(/^Cannot /, "cannot ")
        : `tuner ${tuner.name} threw ${faultText(cause)}, wanted a recipe and examples`;
      throw new UserError(`Cannot ${task}: ${reason}`, { cause });
    }
  };
  const { recipe, examples } = plan();
  if (examples.length === 0) throw new UserError(`Cannot ${task}: there are no examples, wanted some`);
  const resolved = resolveRecipe({ ...recipe, seed }, `${task}: recipe of ${tuner.name}`);
  const { batch, epochs = 1, steps, maxTokens = model.info.contextLength, overlong, objective } = resolved;
  const rounds = steps === undefined ? epochs : steps * batch / examples.length;
  const longest = examples.map((each) =>
    each.prompt.length +
    ("completion" in each ? each.completion.length : Math.max(each.chosen.length, each.rejected.length))
  );
  const tooLong = longest.filter((length) => length > maxTokens);
  if (overlong === "refuse" && tooLong.length > 0) {
    throw new UserError(
      `Cannot ${task}: ${tooLong.length} of ${examples.length} examples are longer than ${maxTokens} tokens, up to ${
        Math.max(...tooLong)
      }, wanted "overlong": "leaveOut" or shorter ones`,
    );
  }
  // A pair is one tree, its prompt computed once.
  const lengths = examples.map((each) =>
    each.prompt.length +
    ("completion" in each ? each.completion.length : each.chosen.length + each.rejected.length)
  );
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const content = sha256(canonicalJson(plain({ recipe, examples })));
  return {
    training,
    name,
    examples: examples.length,
    tokens: Math.round(rounds * tokens),
    forwardTokens: objective.kind === "dpo" ? tokens : 0,
    content,
    options: () => {
      const { recipe, examples } = plan();
      return { ...recipe, examples, seed, madeOf: Object.values(sets).map((set) => set.madeOf) };
    },
    key: sha256(canonicalJson(plain({ ...spec, tune: tune.spec, answers, seed, content }))),
  };
}

/** A tuner may be the user's own code. @throws {UserError} naming the first example that is none. */
function checked(tuning: Tuning, { name }: Pick<Tuner, "name">): Tuning {
  const { recipe, examples } = (tuning ?? {}) as Partial<Tuning>;
  if (recipe === undefined || !Array.isArray(examples)) {
    throw new UserError(
      `Cannot use tuner ${name}: its plan() gave no recipe and list of examples, wanted both`,
    );
  }
  const isList = (list: unknown) => Array.isArray(list) && list.length > 0;
  const odd = examples.findIndex(({ prompt, completion, chosen, rejected }) =>
    !isList(prompt) || !(isList(completion) || (isList(chosen) && isList(rejected)))
  );
  if (odd >= 0) {
    throw new UserError(
      `Cannot use tuner ${name}: its example ${
        odd + 1
      } has no prompt or no answer, wanted token ids as prompt and completion, or as prompt, chosen and rejected`,
    );
  }
  return tuning;
}

/** The items with any of their answers as the right one. @throws {UserError} where there is nothing to shuffle. */
function shuffled(
  items: readonly ScoredItem[],
  { set, seed }: { readonly set: string; readonly seed: number },
): ScoredItem[] {
  const random = createRandom(`${seed}/shuffled answers/${set}`);
  return items.map((item) => {
    const { id, gold, continuations } = item;
    if (gold !== undefined && continuations.length > 1) {
      return { ...item, gold: random.below(continuations.length) };
    }
    throw new UserError(
      `Cannot shuffle answers: item ${id} of ${set} has no right one among several, wanted another control than shuffled`,
    );
  });
}
