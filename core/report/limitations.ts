/** What the numbers of a run cannot bear, each with its number; nothing is said that the results do not show. */
import { provenanceNotes } from "../provenance/notes.ts";
import { type CellResult, type MetricResult, type Results, UNTOUCHED } from "../results.ts";
import { gateTexts } from "./claims.ts";
import { count, counted, estimateText, figure } from "./format.ts";
import { primaryOf } from "./grid.ts";
import { levelText } from "./level.ts";
import { revisionOf } from "./methods.ts";

/** With fewer clusters the intervals rest on Student's t alone, and a smallest p is far from 0. */
export const FEW_CLUSTERS = 30;
/** Shares so near to 0 or 1 are not supported so well over few clusters (`deno task calibrate stats`). */
const EXTREME = 0.05;
/** The rank of a treatment among so many sets comes as low as p = 0.005. */
export const ENOUGH_SETS = 200;

/** Sentences of plain text without their period; one at least, since every run has few models. */
export function limitations(results: Results): string[] {
  return [
    ...(results.reportable
      ? []
      : [`Not reportable: only the first ${results.limit} items of each benchmark were used (--limit)`]),
    ...leftOutText(results),
    ...(results.reportable ? cutText(results) : []),
    ...gateTexts({ ...results, gates: (results.gates ?? []).filter(({ open }) => !open) }),
    ...provenanceNotes(results),
    ...(results.provenance === undefined
      ? [
        "The run is from before provenance was recorded: items may be reported on that made a treatment's units",
      ]
      : []),
    ...modelLimits(results),
    ...dataLimits(results),
    ...chanceLimits(results),
    ...clusterLimits(results),
    ...controlLimits(results),
    ...seedLimits(results),
    ...differenceLimits(results),
  ];
}

/** "normad and mrpc were left out, for their data was not there". */
export function leftOutText({ leftOut = [] }: Pick<Results, "leftOut">): string[] {
  if (leftOut.length === 0) return [];
  return [
    `${leftOut.join(", ")} ${leftOut.length === 1 ? "was" : "were"} left out, with every hypothesis about ${
      leftOut.length === 1 ? "it" : "them"
    }: the data was not there`,
  ];
}

/** "Of qnli only the first 2,000 of 21,852 items were asked". */
function cutText({ benchmarks }: Results): string[] {
  return benchmarks.filter(({ items }) => items.effective < items.original).map(({ label, items }) =>
    `Of ${label} only the first ${count(items.effective)} of ${count(items.original)} items were asked`
  );
}

function modelLimits({ models }: Results): string[] {
  const loose = models.filter((model) => revisionOf(model) === undefined);
  return [
    `${counted(models.length, "model")} ${
      models.length === 1 ? "was" : "were"
    } run: others may behave otherwise`,
    ...(loose.length > 0
      ? [
        `No revision is recorded of ${loose.map(({ label }) => label).join(", ")}: ${
          loose.length === 1 ? "its" : "their"
        } hashes alone say which weights these were`,
      ]
      : []),
  ];
}

function dataLimits({ benchmarks }: Results): string[] {
  return benchmarks.flatMap(({ label, files }) => {
    const other = files.filter(({ sha256, expected }) => expected !== null && expected !== sha256);
    return other.length > 0
      ? [
        `${counted(other.length, "data file")} of ${label} ${
          other.length === 1 ? "is" : "are"
        } of another version than the benchmark was written for: ${other.map(({ name }) => name).join(", ")}`,
      ]
      : [];
  });
}

/** Where guessing cannot be told from answering there is nothing that a treatment could take away. */
function chanceLimits({ cells, benchmarks }: Results): string[] {
  return cells.filter(({ treatment }) => treatment === UNTOUCHED).flatMap((cell) => {
    const chance = benchmarks.find(({ label }) => label === cell.benchmark)?.chance;
    const { metric, estimate } = primaryOf(cell) ?? {};
    if (chance === undefined || !metric?.binary || !estimate || estimate.low > chance) return [];
    const below = estimate.high < chance ? "below" : "not clearly above";
    return [
      `${cell.benchmark}: ${cell.model} untouched reaches ${
        estimateText(estimate, metric)
      } % ${metric.name}, ${below} the ${
        figure(chance, metric)
      } % of guessing: a fall is not to be seen there`,
    ];
  });
}

function clusterLimits({ cells }: Results): string[] {
  const few = new Map<string, number>(), extreme = new Set<string>();
  for (const cell of cells) {
    const { estimate, metric } = primaryOf(cell) ?? {};
    if (!estimate || estimate.clusters >= FEW_CLUSTERS) continue;
    few.set(cell.benchmark, estimate.clusters);
    if (metric?.binary && Math.abs(estimate.value - 0.5) > 0.5 - EXTREME) extreme.add(cell.benchmark);
  }
  if (few.size === 0) return [];
  const list = [...few].map(([benchmark, clusters]) => `${benchmark} (${clusters})`).join(", ");
  return [
    `Fewer than ${FEW_CLUSTERS} independent groups of items in ${list}: intervals over so few are wide, and hold where the groups are not too unlike`,
    ...(extreme.size > 0
      ? [
        `Near 0 or 100 % in ${
          [...extreme].join(", ")
        }: over so few groups such a share's interval covers more than it says, or less where whole groups are alike`,
      ]
      : []),
  ];
}

/** With fewer the intervals are wider than they say (`deno task calibrate stats`). */
const ENOUGH_SEEDS = 5;

/** What one seed, or few, cannot say. */
function seedLimits({ treatments, cells }: Results): string[] {
  const trained = treatments.filter((treatment) => treatment.trained).map(({ name }) => ({
    name,
    seeds: cells.find(({ treatment }) => treatment === name)?.seeds?.length ?? 1,
  }));
  const first = cells.filter(({ seeds, labels, scales }) => seeds && (labels || scales));
  const once = trained.filter(({ seeds }) => seeds === 1).map(({ name }) => name);
  const few = trained.filter(({ seeds }) => seeds > 1 && seeds < ENOUGH_SEEDS);
  return [
    ...(once.length > 0
      ? [`Trained once: ${once.join(", ")}; what another seed would give is in no interval`]
      : []),
    ...(first.length > 0
      ? [
        `Which labels were chosen, and places on scales, are under the first seed alone in ${
          first.map(({ treatment, benchmark }) => `${treatment} on ${benchmark}`).join(", ")
        }`,
      ]
      : []),
    ...(few.length > 0
      ? [
        `Fewer than ${ENOUGH_SEEDS} seeds of ${
          few.map(({ name, seeds }) => `${name} (${seeds})`).join(", ")
        }: intervals over so few are wider than they have to be`,
      ]
      : []),
  ];
}

/** Controls that tell a method's own effect from damage of any kind, by their use or the name of a scored one. */
const TELLING = ["important", "otherTask", "matchedDamage"];
/** Those of a training. */
const TELLING_OF_TRAINING = ["shuffled", "otherTask"];

function controlLimits({ cells, treatments }: Results): string[] {
  const specsOf = (treatment: string) => {
    const specs = treatments.find(({ name }) => name === treatment)?.controls;
    return (Array.isArray(specs) ? specs : []) as {
      readonly sets?: number;
      readonly use?: string;
      readonly name?: string;
    }[];
  };
  const sets = new Map<string, number>();
  for (const { treatment, controls } of cells) {
    for (const [i, { control, keys }] of controls.entries()) {
      const planned = specsOf(treatment)[i];
      // A control of one kind of units has one set; where drawing ended early p is what it is.
      if (planned?.use !== undefined && planned.sets === undefined) continue;
      sets.set(`${control} of ${treatment}`, planned?.sets ?? keys.length);
    }
  }
  const few = [...sets].filter(([, number]) => number < ENOUGH_SETS);
  const smallest = Math.min(...few.map(([, number]) => number));
  const without = treatments.filter(({ name, opened }) =>
    name !== UNTOUCHED && !opened &&
    cells.some(({ treatment, controls }) => treatment === name && controls.length === 0)
  );
  const generic = treatments.flatMap(({ name, trained, opened }) => {
    // No units are chosen there that others could stand for.
    if (opened) return [];
    // Behind a gate nothing was run of which something could be missing.
    if (!cells.some(({ treatment }) => treatment === name)) return [];
    if (name === UNTOUCHED || without.some((each) => each.name === name)) return [];
    const own = specsOf(name).map((spec) => spec.name ?? spec.use);
    const missing = (trained ? TELLING_OF_TRAINING : TELLING).filter((kind) => !own.includes(kind));
    return missing.length > 0 ? [`${name} (${missing.join(", ")})`] : [];
  });
  const isTrained = (name: string) =>
    treatments.some((treatment) => treatment.name === name && treatment.trained);
  const [bare, untested] = [false, true].map((trained) =>
    without.filter(({ name }) => isTrained(name) === trained).map(({ name }) => name)
  ) as [string[], string[]];
  return [
    ...(few.length > 0
      ? [
        `Fewer than ${ENOUGH_SETS} control sets in ${
          few.map(([name, number]) => `${name} (${number})`).join(", ")
        }: the range of so few says little of its ends, and among ${counted(smallest, "set")} a rank's p is ${
          (1 / (smallest + 1)).toFixed(3)
        } at least`,
      ]
      : []),
    ...(bare.length > 0
      ? [`No controls were drawn for ${bare.join(", ")}: what as many random units would do is not known`]
      : []),
    ...(untested.length > 0
      ? [
        `No controls were trained for ${
          untested.join(", ")
        }: what training does whatever it teaches is not known`,
      ]
      : []),
    ...(generic.length > 0
      ? [
        `Controls that tell a change from damage of any kind are missing for ${generic.join(", ")}`,
      ]
      : []),
  ];
}

function differenceLimits(results: Results): string[] {
  const changes = results.cells.flatMap((cell) => {
    const { difference } = primaryOf(cell) ?? {};
    return difference ? [{ cell, difference }] : [];
  });
  const still = changes.filter(({ difference: { rose, fell } }) => rose === 0 && fell === 0);
  const bounds = changes.filter(({ difference }) => difference.method === "bound");
  return [
    ...(still.length > 0
      ? [
        `${count(still.length)} of ${counted(changes.length, "primary difference")} ${
          still.length === 1 ? "is" : "are"
        } exactly 0, no item having changed (${
          placesText(still, results)
        }): that none changed is no proof of no effect, as the bound shows`,
      ]
      : []),
    ...(bounds.length > 0
      ? [
        `In ${count(bounds.length)} of ${
          counted(changes.length, "primary difference")
        } all clusters changed alike (${
          placesText(bounds, results)
        }): the interval is a bound from their number alone`,
      ]
      : []),
    ...(changes.length > 1
      ? [
        `${count(changes.length)} primary differences are shown, each with an interval at ${
          levelText(results)
        } of its own: about ${
          (changes.length * (1 - results.statistics.level)).toFixed(1)
        } of these intervals would miss by chance`,
      ]
      : []),
  ];
}

function placesText(
  all: readonly { readonly cell: CellResult; readonly difference: NonNullable<MetricResult["difference"]> }[],
  { models }: Results,
): string {
  return all.map(({ cell: { model, treatment, benchmark } }) =>
    `${treatment} on ${benchmark}${models.length > 1 ? ` with ${model}` : ""}`
  ).join(", ");
}
