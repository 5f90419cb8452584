/**
 * Sweeps: many edits over one set of items. Base and arms go to the model together, item by item, so that a backend may compute what they
 * share once; a race drops an arm once it is decided whether it belongs to the top.
 */
import { UserError } from "./error.ts";
import type { Estimate } from "./estimate.ts";
import type { Edit, Model, ScoreRequest, ScoreResult } from "./model.ts";
import { createRandom } from "./random.ts";
import { estimateChange } from "./stats/mod.ts";
import { createAnswers } from "./sweep_answers.ts";
import { decide, type Direction, DIRECTIONS, looksOf, type Runner, type Verdict } from "./sweep_race.ts";
import { predictArm, type UnitEffects } from "./sweep_screen.ts";

/** Edits under a name. */
export interface SweepArm {
  readonly name: string;
  readonly edits: readonly Edit[];
}

export interface RaceOptions {
  /** Arms to be found, at least 1 and fewer than there are. */
  readonly top: number;
  /** Of what the mean effect is to be large. */
  readonly by: Direction;
  /** Share, in (0, 1), of the arms that a sweep without a race would put at the top, to be found at least, in expectation; default 0.95. */
  readonly level?: number;
  /** Items before the first elimination, at least 3; default 6. */
  readonly first?: number;
  /** Effect of zeroing each unit, an entry a request, as predictAblation() gives it, where all arms scale units: what it explains of their
   * effects need not be measured. */
  readonly predicted?: UnitEffects;
  /** Arms that enter the race, by what is predicted, at least `top`; default all, since first-order predictions of early layers can be far
   * off. */
  readonly keep?: number;
}

export interface SweepProgress {
  /** Items done, of how many. */
  readonly items: number;
  readonly of: number;
  /** Arms that were computed on the last of them. */
  readonly arms: number;
}

export interface SweepOptions {
  readonly arms: readonly SweepArm[];
  /** A finite number of the answer to requests[index]. */
  readonly measure: (result: ScoreResult, index: number) => number;
  /** Edits of the run that arms are compared with, and of every arm, before its own; default none. */
  readonly base?: readonly Edit[];
  readonly race?: RaceOptions;
  /** With whom each item stands or falls, for the intervals; default each by itself. */
  readonly clusters?: readonly string[];
  /** Confidence level of the intervals; default 0.95. */
  readonly level?: number;
  /** Decides the order of items in a race; default 0. */
  readonly seed?: string | number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SweepProgress) => void;
  /** As ScoreOptions.tokenBudget. */
  readonly tokenBudget?: number;
}

export interface SweptArm {
  readonly name: string;
  /** "measured" without a race; else "in" the top or "out" of it, or "screened" out by its prediction. */
  readonly status: "measured" | "in" | "out" | "screened";
  /** The measure under the arm's edits, an item each: the first so many of SweepResult.order. */
  readonly values: readonly number[];
  /** Mean change of the measure from the base over these items, its interval by Student's t over clusters; undefined where there are none. An arm
   * that left a race early did so because it looked clear: its value leans away from the boundary. */
  readonly effect: Estimate | undefined;
}

export interface SweepResult {
  /** Positions in the list of requests, in the order in which they were computed; all of them, unless a race was decided before. */
  readonly order: readonly number[];
  /** The measure of the base, an item of `order` each. */
  readonly base: readonly number[];
  /** In the order given. */
  readonly arms: readonly SweptArm[];
  /** Tokens computed, as the model counts them. */
  readonly tokens: number;
}

/** Rows of one call: a few items with many arms, or many items with few. */
const ROWS = 1024;

/**
 * The effect of each arm's edits on a measure of the answers, item by item, against the base.
 *
 * Arms that do the same are computed once, an arm without edits is the base, and equal requests are answered once.
 *
 * @param requests two or more; edits of their own come before those of an arm
 * @throws {UserError} before anything is computed, for arms, items or a race that do not suit; and for a measure that is not finite.
 */
export async function sweep(
  model: Pick<Model, "score">,
  requests: readonly ScoreRequest[],
  options: SweepOptions,
): Promise<SweepResult> {
  check(requests, options);
  const { arms, race, seed = 0, signal, onProgress } = options, total = requests.length;
  const order = requests.map((_, index) => index);
  const course = race ? createCourse(race, { arms, total }) : undefined;
  refuseEarly(model, requests, options);
  const taken = race ? createRandom(`${seed}/sweep`).shuffle(order) : order;
  const answers = createAnswers(model, requests, options);
  const base: number[] = [], values = arms.map((): number[] => []);
  let open = course?.entered ?? [...arms.keys()], done = 0;
  for (const look of course?.looks ?? [total]) {
    const step = Math.ceil(ROWS / (open.length + 1));
    while (open.length > 0 && done < look) {
      signal?.throwIfAborted();
      const chunk = taken.slice(done, Math.min(look, done + step));
      const found = await answers.measure(chunk, open);
      base.push(...found.base);
      open.forEach((arm, i) => values[arm]!.push(...found.arms[i]!));
      done += chunk.length;
      onProgress?.({ items: done, of: total, arms: open.length });
    }
    if (course) open = course.look(open, taken.slice(0, done), (arm) => changesOf(values[arm]!, base));
  }
  return {
    order: taken.slice(0, done),
    base,
    arms: arms.map(({ name }, arm) => ({
      name,
      status: course?.status(arm) ?? "measured",
      values: values[arm]!,
      effect: effectOf(changesOf(values[arm]!, base), taken, options),
    })),
    tokens: answers.tokens(),
  };
}

/** Lets the model look at every item and every arm, since most are asked for only later. Arms stand by the shortest text, in which a recording
 * must have its place. Nothing is computed: the answers are not read. */
function refuseEarly(
  model: Pick<Model, "score">,
  requests: readonly ScoreRequest[],
  { arms, base = [] }: SweepOptions,
): void {
  const length = ({ prompt, continuations }: ScoreRequest) =>
    prompt.length + Math.max(0, ...continuations.map((ids) => ids.length - 1));
  const shortest = requests.reduce((a, b) => length(b) < length(a) ? b : a);
  const armed = arms.map(({ edits }) => ({ ...shortest, edits: [...shortest.edits ?? [], ...edits] }));
  model.score([...requests, ...armed], { edits: base });
}

function changesOf(values: readonly number[], base: readonly number[]): number[] {
  return values.map((value, i) => value - base[i]!);
}

function effectOf(
  changes: readonly number[],
  order: readonly number[],
  { clusters, level, seed = 0 }: SweepOptions,
): Estimate | undefined {
  if (changes.length === 0) return undefined;
  const own = changes.map((_, i) => clusters?.[order[i]!] ?? String(order[i]));
  return estimateChange(changes, {
    binary: false,
    clusters: own,
    level,
    seed: `${seed}/sweep/interval`,
  });
}

interface Field {
  readonly arms: readonly SweepArm[];
  /** Items in all. */
  readonly total: number;
}

/** A race from the arms that enter it to its verdicts. */
function createCourse(race: RaceOptions, { arms, total }: Field) {
  const { top, by, level = 0.95, first = 6, keep = arms.length, predicted: effects } = race;
  const predicted = effects && arms.map((arm) => predictArm(arm, effects, total));
  const expected = predicted?.map((each) => each.reduce((sum, value) => sum + value, 0) / total);
  const strength = (arm: number) => {
    const effect = expected?.[arm] ?? 0;
    return by === "magnitude" ? Math.abs(effect) : by === "increase" ? effect : -effect;
  };
  const ranked = [...arms.keys()].toSorted((a, b) => strength(b) - strength(a) || a - b);
  const entered = ranked.slice(0, keep).sort((a, b) => a - b), verdicts = new Map<number, Verdict>();
  const looks = looksOf(first, total);
  let missable = (1 - level) * top;
  return {
    entered,
    looks,
    /** Arms that are still open after the items `seen`. */
    look(open: readonly number[], seen: readonly number[], effects: (arm: number) => readonly number[]) {
      const runners = open.map((arm): Runner => ({
        effects: effects(arm),
        ...predicted
          ? { predicted: { seen: seen.map((i) => predicted[arm]![i]!), mean: expected![arm]! } }
          : {},
      }));
      const left = top - [...verdicts.values()].filter((verdict) => verdict === "in").length;
      const ahead = looks.filter((look) => look >= seen.length && look < total).length;
      const found = decide(runners, { top: left, by, misses: missable / Math.max(1, ahead), total });
      missable -= found.misses;
      found.verdicts.forEach((verdict, i) => verdicts.set(open[i]!, verdict));
      return open.filter((arm) => verdicts.get(arm) === "open");
    },
    status: (arm: number) => verdicts.get(arm) === "in" ? "in" : verdicts.has(arm) ? "out" : "screened",
  } as const;
}

function check(
  requests: readonly ScoreRequest[],
  { arms, race, clusters, level = 0.95 }: SweepOptions,
): void {
  const refuse = (state: string, wanted: string) => {
    throw new UserError(`Cannot sweep: ${state}, wanted ${wanted}`);
  };
  if (requests.length < 2) refuse(`requests: ${requests.length}`, "two or more");
  if (arms.length === 0) refuse("there are no arms", "one or more");
  const names = new Set<string>();
  for (const { name } of arms) {
    if (names.has(name)) refuse(`two arms are called ${JSON.stringify(name)}`, "a name for each");
    names.add(name);
  }
  if (clusters && clusters.length !== requests.length) {
    refuse(`${clusters.length} clusters for ${requests.length} requests`, "one each");
  }
  if (!(level > 0 && level < 1)) refuse(`level is ${level}`, "a number in (0, 1)");
  if (!race) return;
  const { top, by, first = 6, level: sure = 0.95 } = race;
  if (!(Number.isInteger(top) && top >= 1 && top < arms.length)) {
    refuse(`the race is for the top ${top} of ${arms.length} arms`, `a whole number in [1, ${arms.length})`);
  }
  if (!DIRECTIONS.includes(by)) refuse(`the race is by ${JSON.stringify(by)}`, DIRECTIONS.join(", "));
  if (!(Number.isInteger(first) && first >= 3)) {
    refuse(`the race begins after ${first} items`, "a whole number from 3");
  }
  if (!(sure > 0 && sure < 1)) refuse(`level of the race is ${sure}`, "a number in (0, 1)");
  if (race.keep === undefined) return;
  if (!(Number.isInteger(race.keep) && race.keep >= top)) {
    refuse(`the race keeps ${race.keep} arms`, `a whole number from ${top}, the arms to be found`);
  }
  if (!race.predicted) refuse(`the race keeps ${race.keep} arms by no prediction`, "predicted effects");
}
