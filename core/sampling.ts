/**
 * A scoring of a sample in place of all items: the order in which items are visited, how many are seen between two looks, and when they are enough.
 *
 *   place of an item = (its rank among those of its group, in an order drawn by the seed and its id) / (their number)
 *   looks after least, 5/4 least, 25/16 least ... and `most` samples of every pass
 *   overlap = mean over draws of |A and B| / max(|A|, |B|)     A the units selected by the scores s, B those by s + e sqrt(1 - f) z
 *
 * Items are visited by place, so every beginning has each group in its share of the whole, one item at least. What asks the same question, the
 * same id, or that id and "/" and something, has one rank in all sets: a control is asked what the items ask.
 *
 * e is the standard error of a score, z standard normal for each unit and group, f the smallest share of its samples that any pass has
 * seen: the scores of all samples lie about those of some with that much less of an error, and with none once all were seen. The overlap is so
 * the share of the units that would be selected by all samples too, `without` and `standout` included, by the parametric bootstrap
 * (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 6.5). Scoring stops when it is `stable` for every select of the step.
 *
 * Approximations: scores of noise and signal are spread wider than the signal alone, which makes the overlap a little too high where errors are
 * as large as the spread of the scores; errors count as independent among units, and questions in several wordings as several samples.
 */
import { UserError } from "./error.ts";
import { sha256 } from "./hash.ts";
import type { SampleSpec, SelectSpec } from "./matrix.ts";
import type { Tap } from "./model.ts";
import { createRandom, type Random } from "./random.ts";
import type { Pass, ScoredItem, UnitScores } from "./scorer.ts";
import { takeUnits } from "./select.ts";

/** What a score step sees of its items, and the selects that follow it. */
export interface Sampling extends SampleSpec {
  readonly selects: readonly SelectSpec[];
}

/** What a sampled scoring came to. */
export interface SamplingRecord {
  /** Samples seen of each pass, and of how many. */
  readonly passes: readonly { readonly name: string; readonly samples: number; readonly of: number }[];
  /** Of the least stable select, in [0, 1]; null where there are no standard errors, or nothing is selected by a number of its own. */
  readonly overlap: number | null;
  /** What ended it: the overlap, the number of samples, or that all were seen. */
  readonly stopped: "stable" | "most" | "all";
}

const GROWTH = 1.25;
/** How often scores are redrawn for a look: until so many units were selected again, so that chance moves the overlap by a hundredth or two. */
const DRAWN_UNITS = 4000, DRAWS = { least: 4, most: 16 };

/** The items of each set in the order in which they are visited. */
export function inSampleOrder<T extends Pick<ScoredItem, "id" | "group">>(
  sets: Readonly<Record<string, readonly T[]>>,
  seed: number,
): Record<string, readonly T[]> {
  const ids = new Set(Object.values(sets).flatMap((items) => items.map(({ id }) => id)));
  const draw = (text: string) => sha256(`sample/${seed}/${text}`);
  return Object.fromEntries(
    Object.entries(sets).map(([name, items]) => {
      const placed = [...Map.groupBy(items, ({ group }) => group)].flatMap(([group, members]) => {
        const turn = draw(group);
        return members.map((item) => ({ item, drawn: draw(questionOf(item.id, ids)) }))
          .sort((a, b) => compare(a.drawn, b.drawn))
          .map(({ item }, rank) => ({ item, place: rank / members.length, turn }));
      });
      placed.sort((a, b) => a.place - b.place || compare(a.turn, b.turn));
      return [name, placed.map(({ item }) => item)];
    }),
  );
}

/** The shortest id that this one begins with, up to a "/". */
function questionOf(id: string, ids: ReadonlySet<string>): string {
  for (let end = id.indexOf("/"); end >= 0; end = id.indexOf("/", end + 1)) {
    if (ids.has(id.slice(0, end))) return id.slice(0, end);
  }
  return id;
}

const compare = (a: string, b: string) => a < b ? -1 : a > b ? 1 : 0;

/** @throws {UserError} where the first look would come before each group of a set has an item. */
export function checkLeast(
  { least, most, stable }: SampleSpec,
  sets: Readonly<Record<string, readonly Pick<ScoredItem, "group">[]>>,
  task: string,
): void {
  const first = stable === undefined ? most : least;
  for (const [name, items] of Object.entries(sets)) {
    const groups = new Set(items.map(({ group }) => group)).size;
    if (first >= groups) continue;
    throw new UserError(
      `Cannot ${task}: ${
        stable === undefined ? "most" : "least"
      } is ${first}, wanted at least ${groups}, the groups of the set ${JSON.stringify(name)}`,
    );
  }
}

/** Samples of each pass that were seen at each look, ascending. */
export function looksOf({ least, most, stable }: SampleSpec): readonly number[] {
  const looks: number[] = [];
  if (stable !== undefined) {
    for (let look = least; look < most; look = Math.ceil(GROWTH * look)) looks.push(look);
  }
  return [...looks, most];
}

/** The passes with no more than the samples that are seen at most. */
export function capped(
  passes: readonly Pass[],
  sample: Pick<SampleSpec, "most"> | undefined,
): readonly Pass[] {
  return sample ? passes.map((pass) => ({ ...pass, samples: pass.samples.slice(0, sample.most) })) : passes;
}

export interface LookOptions {
  readonly sampling: Sampling;
  readonly scores: UnitScores;
  readonly errors: UnitScores | undefined;
  readonly passes: SamplingRecord["passes"];
  /** Whether no more is to be seen. */
  readonly isLast: boolean;
  readonly seed: number;
}

/** What a look at the scores says; undefined where more samples are to be seen. */
export function lookAt(
  { sampling: { stable, selects }, scores, errors, passes, isLast, seed }: LookOptions,
): SamplingRecord | undefined {
  const left = 1 - Math.min(1, ...passes.map(({ samples, of }) => samples / of));
  const isSelected = selects.length > 0 && (errors !== undefined || left === 0);
  const overlap = isSelected
    ? Math.min(...selects.map((select) => expectedOverlap(scores, errors, { select, left, seed })))
    : null;
  if (left === 0) return { passes, overlap, stopped: "all" };
  if (stable !== undefined && overlap !== null && overlap >= stable) {
    return { passes, overlap, stopped: "stable" };
  }
  return isLast ? { passes, overlap, stopped: "most" } : undefined;
}

export interface OverlapOptions {
  readonly select: SelectSpec;
  /** Share of the samples that were not seen, in [0, 1]. */
  readonly left: number;
  readonly seed: number;
}

/** Expected share of the selected units that all samples would select too, in [0, 1]; 0 where nothing is selected. */
export function expectedOverlap(
  scores: UnitScores,
  errors: UnitScores | undefined,
  { select, left, seed }: OverlapOptions,
): number {
  const own = namesOf(select, scores);
  if (left === 0 || !errors) return own.size > 0 ? 1 : 0;
  const random = createRandom(`${seed}/sample`);
  const draws = Math.min(DRAWS.most, Math.max(DRAWS.least, Math.ceil(DRAWN_UNITS / own.size)));
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    const drawn = namesOf(select, redrawn(scores, errors, { select, times: Math.sqrt(left), random }));
    const size = Math.max(own.size, drawn.size);
    if (size > 0) sum += own.intersection(drawn).size / size;
  }
  return sum / draws;
}

function namesOf(select: SelectSpec, scores: UnitScores): Set<string> {
  return new Set(takeUnits(scores, select).units.map(({ tap, index }) => `${tap}/${index}`));
}

/** The groups that a select reads, each score moved by its error. */
function redrawn(
  scores: UnitScores,
  errors: UnitScores,
  { select: { group, without, standout }, times, random }: {
    readonly select: SelectSpec;
    readonly times: number;
    readonly random: Random;
  },
): UnitScores {
  const isRead = (name: string) =>
    group === undefined || name === group || name === without?.group ||
    (standout !== undefined && name.startsWith(standout.among));
  const normal = normals(random);
  return new Map(
    [...scores].filter(([name]) => isRead(name)).map(([name, byTap]) => [
      name,
      new Map([...byTap].map(([tap, values]): [Tap, Float64Array] => {
        const error = errors.get(name)!.get(tap)!;
        return [tap, values.map((value, k) => value + times * error[k]! * normal())];
      })),
    ]),
  );
}

/** Standard normal numbers, in pairs: Box and Muller, A Note on the Generation of Random Normal Deviates, 1958. */
function normals(random: Random): () => number {
  let kept: number | undefined;
  return () => {
    if (kept !== undefined) {
      const value = kept;
      kept = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform())), angle = 2 * Math.PI * random.uniform();
    kept = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}
