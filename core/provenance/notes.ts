/** What every output says of items that made a treatment and are reported on. */
import type { MeetingRecord, ProvenanceRecord, Results } from "../results.ts";

/**
 * "96 of 96 items of fables_food made the units of food found, 90 exactly and 6 nearly: ..."
 *
 * @param options Whether examples follow.
 */
export function meetingText(
  { benchmark, items, exact, near, examples, trained, ...whose }: MeetingRecord,
  options: { readonly examples: boolean },
): string {
  const state = `${count(exact + near)} of ${count(items)} items of ${benchmark} are among those that ${
    trained ? "trained" : "made the units of"
  } ${ownerText(whose)}, ${count(exact)} exactly and ${count(near)} nearly`;
  if (!options.examples || examples.length === 0) return state;
  const said = examples.map(({ kind, item, text, made, of }) =>
    `${item} is ${kind === "exact" ? "" : "nearly "}${made} of ${of}${
      text === "" ? "" : ` (${JSON.stringify(text)})`
    }`
  );
  return `${state}, such as ${said.join(", ")}`;
}

/** "48 items of blend are kept to localise or to tune". */
export function reservedText({ benchmark, items }: ProvenanceRecord["reserved"][number]): string {
  return `${counted(items, "item")} of ${benchmark} ${
    items === 1 ? "is" : "are"
  } kept by the benchmark to localise or to tune`;
}

/** Whose units they are: "found", or the control "important" of "found". */
function ownerText({ treatment, control }: Pick<MeetingRecord, "treatment" | "control">): string {
  const name = JSON.stringify(treatment);
  return control === undefined ? name : `the control ${JSON.stringify(control)} of ${name}`;
}

/** Short, for a single cell: "leak: 96 of 96 items made it"; undefined where there is none. */
export function leakOf(
  { provenance }: Pick<Results, "provenance">,
  { treatment, benchmark, control }: Pick<MeetingRecord, "treatment" | "benchmark" | "control">,
): string | undefined {
  const met = provenance?.meetings.find((each) =>
    each.treatment === treatment && each.benchmark === benchmark && each.control === control
  );
  return met && met.exact + met.near > 0
    ? `leak: ${count(met.exact + met.near)} of ${counted(met.items, "item")} made it`
    : undefined;
}

/** Whether any number of the run is of items that must not be reported on. */
export function hasLeak({ provenance }: Pick<Results, "provenance">): boolean {
  return provenance !== undefined &&
    (provenance.reserved.length > 0 || provenance.meetings.some(({ exact, near }) => exact + near > 0));
}

/**
 * What the run says of provenance, a sentence without its period each; none where all is known and apart.
 *
 * @param cell Only what concerns this one, where it is given.
 */
export function provenanceNotes(
  { provenance }: Pick<Results, "provenance">,
  cell?: Pick<MeetingRecord, "treatment" | "benchmark">,
): string[] {
  if (provenance === undefined) return [];
  const { allowLeakage } = provenance;
  const isHere = (named: Partial<Pick<MeetingRecord, "treatment" | "benchmark">>) =>
    cell === undefined ||
    [[named.treatment, cell.treatment], [named.benchmark, cell.benchmark]].every(([a, b]) =>
      a === undefined || a === b
    );
  const meetings = provenance.meetings.filter(isHere), reserved = provenance.reserved.filter(isHere);
  const unknown = provenance.unknown.filter((treatment) => isHere({ treatment }));
  const elsewhere = (provenance.elsewhere ?? []).filter(isHere);
  const leaks = meetings.filter(({ exact, near }) => exact + near > 0);
  return [
    ...leaks.map((leak) =>
      `Leakage allowed: ${meetingText(leak, { examples: true })}; these numbers flatter it`
    ),
    ...reserved.map((each) => `Leakage allowed: ${reservedText(each)}`),
    ...(allowLeakage && !hasLeak({ provenance })
      ? ["Leakage allowed (allowLeakage), and none was found"]
      : []),
    ...meetings.filter(({ question }) => question > 0).map((
      { benchmark, items, question, trained, ...whose },
    ) =>
      `${count(question)} of ${count(items)} items of ${benchmark} ask in other words what ${
        trained ? `${ownerText(whose)} was trained on` : `the units of ${ownerText(whose)} were found by`
      }`
    ),
    ...(unknown.length > 0
      ? [
        `Provenance unknown: the units of ${
          unknown.map((name) => JSON.stringify(name)).join(", ")
        } do not say which items made them, so items may be reported on that did`,
      ]
      : []),
    ...elsewhere.map(({ treatment, model, found }) =>
      `The units of ${
        JSON.stringify(treatment)
      } were found on other weights (${found}) than those of ${model}`
    ),
  ];
}

const counted = (number: number, noun: string) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const count = (number: number) => number.toLocaleString("en");
