/** What a treatment, or a control of it, was made of must not be what it is reported on. */
import type { Item } from "./benchmark.ts";
import { UserError } from "./error.ts";
import type { PlannedBenchmark } from "./plan_benchmarks.ts";
import type { PlannedTreatment } from "./plan_treatments.ts";
import { madeOfKey, printedItems, printItems, textOf } from "./provenance/made_of.ts";
import { meetings, type PrintedItem } from "./provenance/meet.ts";
import { meetingText, reservedText } from "./provenance/notes.ts";
import type { MeetingRecord, ModelRecord, ProvenanceRecord } from "./results.ts";

export interface ProvenanceOptions {
  /** For messages: what could not be done. */
  readonly task: string;
  readonly allowLeakage: boolean;
}

const EXAMPLES = 3;
/** Characters of a text in a message. */
const SHORT = 60;

/**
 * Compares the items of each benchmark with those that made the units of each treatment and of its scored controls.
 *
 * @throws {UserError} where any are the same or nearly so, or a reported item is one that its benchmark keeps for something else, unless
 * `allowLeakage`.
 */
export function planProvenance(
  treatments: readonly PlannedTreatment[],
  benchmarks: readonly PlannedBenchmark[],
  { task, allowLeakage }: ProvenanceOptions,
): ProvenanceRecord {
  const reserved = benchmarks.map(({ record: { label }, items }) => ({
    benchmark: label,
    items: items.filter(({ role }) => role !== "report").length,
  })).filter(({ items }) => items > 0);
  const subjects = treatments.flatMap(subjectsOf);
  // Those that select from the same scores are made of the same, and compared once.
  const keys = subjects.map(({ madeOf }) => madeOf.flatMap((each) => each ? madeOfKey(each) : []).join());
  const made = new Map(
    subjects.map(({ madeOf }, i) => [keys[i]!, madeOf.flatMap((each) => each ? printedItems(each) : [])]),
  );
  made.delete("");
  const met = made.size === 0 ? [] : benchmarks.flatMap(({ record, items }) => {
    const reported = printItems(record.name, items);
    const records = new Map(
      [...made].map(([key, each]) => [key, meetingRecord({ items, reported, made: each })]),
    );
    return subjects.flatMap(({ madeOf: _, ...subject }, i): MeetingRecord[] => {
      const found = records.get(keys[i]!);
      return found ? [{ ...subject, benchmark: record.label, ...found }] : [];
    });
  });
  const leaks = met.filter(({ exact, near }) => exact + near > 0);
  if (!allowLeakage && (reserved.length > 0 || leaks.length > 0)) {
    const states = [
      ...reserved.map(reservedText),
      ...leaks.map((leak, i) => meetingText(leak, { examples: i === 0 })),
    ];
    throw new UserError(
      `Cannot ${task}: ${
        states.join("; ")
      }; wanted other items on one side, or "allowLeakage": true in the matrix ` +
        `(--allow-leakage), which every output then says`,
    );
  }
  const unknown = treatments.filter(({ madeOf }) => madeOf.includes(undefined)).map(({ name }) => name);
  return { allowLeakage, meetings: met, unknown, reserved };
}

/** Treatments whose units files say that they were found on other weights than those of a model that they are run on. */
export function foundElsewhere(
  treatments: readonly Pick<PlannedTreatment, "name" | "foundOn">[],
  models: readonly { readonly record: Pick<ModelRecord, "label" | "info"> }[],
): Pick<ProvenanceRecord, "elsewhere"> {
  const elsewhere = treatments.flatMap(({ name, foundOn }) =>
    models.flatMap(({ record: { label, info } }) => {
      const foreign = foundOn.filter(({ weights }) => weights !== info.hash.weights);
      return [...new Set(foreign.map((each) => each.label))]
        .map((found) => ({ treatment: name, model: label, found }));
    })
  );
  return elsewhere.length > 0 ? { elsewhere } : {};
}

/**
 * A treatment, and each of its scored controls. A control fitted to the reported items flatters a claim that the treatment does less than it
 * ("greater", a guard) and belittles the opposite one: neither number is what it says.
 */
function subjectsOf({ name, madeOf, controlScores, controlTunes, tune }: PlannedTreatment) {
  const trained = tune && { trained: true as const };
  return [
    { treatment: name, ...trained, madeOf },
    ...[...controlScores, ...controlTunes].map(([control, { sets }]) => ({
      treatment: name,
      control,
      ...trained,
      madeOf: Object.values(sets).map((set) => set.madeOf),
    })),
  ];
}

/** Undefined where nothing is met. */
function meetingRecord(
  { items, reported, made }: {
    readonly items: readonly Item[];
    readonly reported: readonly PrintedItem[];
    readonly made: readonly PrintedItem[];
  },
): Omit<MeetingRecord, "treatment" | "control" | "benchmark" | "trained"> | undefined {
  const met = [...meetings(reported, made)];
  if (met.length === 0) return undefined;
  const of = (kind: string) => met.filter(([, each]) => each.kind === kind).toSorted(([a], [b]) => a - b);
  const [exact, near] = [of("exact"), of("near")];
  return {
    items: items.length,
    exact: exact.length,
    near: near.length,
    question: of("question").length,
    examples: [...exact, ...near].slice(0, EXAMPLES).map(([i, { kind, with: j }]) => ({
      kind: kind === "exact" ? "exact" : "near",
      item: items[i]!.id,
      text: short(textOf(items[i]!)),
      made: made[j]!.id,
      of: made[j]!.benchmark,
    })),
  };
}

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length <= SHORT ? line : `${[...line].slice(0, SHORT).join("")}...`;
}
