/** What `deno task calibrate SCORER` prints, and whether it is what was wanted. */
import { figure, spreadText } from "../report/format.ts";
import { estimateMean } from "../stats/mod.ts";
import type { WorldClaim } from "./claims.ts";
import type { Detection } from "./detection.ts";
import type { Recovery } from "./mod.ts";

/** The kind of world in which everything that is asked for is in units of its own, and nothing else is near it. */
const PLANTED = "planted";
/** On it: of as many units as are planted. */
const WANTED = 0.8;
/** Share of worlds in which a claim may be made where it is false. */
const FALSE_CLAIMS = 0.05;

const COLUMNS = [
  ["world", -11],
  ["target", -11],
  ["of", -5],
  ["without", -14],
  ["n", 3],
  ["planted", 7],
  ["AUROC", -20],
  ["units", 5],
  ["P", 4],
  ["R", 4],
  ["decoys", 6],
  ["P", 4],
  ["R", 4],
  ["decoys", 6],
] as const;

/** A cell a column; a negative width is that of text, which begins at the left. */
const row = (cells: readonly string[]) =>
  cells.map((cell, i) => {
    const width = COLUMNS[i]![1];
    return width < 0 ? cell.padEnd(-width) : cell.padStart(width);
  }).join(" ").trimEnd();

/** The table: a line a kind of world, target and what was left out; means over groups and seeds, of AUROC with a 95 % interval over these. */
export function recoveryTable(found: readonly Recovery[]): string[] {
  const head = row(COLUMNS.map(([name]) => name));
  const widthOf = (from: number, to: number) =>
    COLUMNS.slice(from, to).reduce((sum, [, width]) => sum + Math.abs(width) + 1, -1);
  const above = `${" ".repeat(widthOf(0, 7) + 1)}${"by its own rule".padStart(widthOf(7, 11))} ${
    "as many as planted".padStart(widthOf(11, 14))
  }`;
  const lines = [...linesOf(found).values()].map((own) => {
    const { kind, target, group, leftOut } = own[0]!, area = meanOf(own, (each) => each.auroc);
    return row([
      kind,
      target,
      group === undefined ? "all" : "each",
      leftOut.join(", "),
      String(own.length),
      plain(own, (each) => each.planted, 1),
      area === undefined
        ? "-"
        : area.n === 1
        ? area.value.toFixed(3)
        : `${area.value.toFixed(3)} [${area.low.toFixed(3)}, ${area.high.toFixed(3)}]`,
      plain(own, (each) => each.own?.selected, 1),
      ...detection(own, (each) => each.own),
      ...detection(own, (each) => each.atPlanted),
    ]);
  });
  return [above, head, ...lines, ...falseOnes(found)];
}

const linesOf = (found: readonly Recovery[]) =>
  Map.groupBy(
    found,
    ({ kind, target, group, leftOut }) => JSON.stringify([kind, target, group === undefined, leftOut]),
  );

function meanOf(own: readonly Recovery[], value: (each: Recovery) => number | undefined) {
  const values = own.map(value).filter((each) => each !== undefined);
  if (values.length === 0) return undefined;
  return estimateMean(values, { binary: false, clusters: values.map((_, i) => String(i)), seed: 0 });
}

const plain = (own: readonly Recovery[], value: (each: Recovery) => number | undefined, digits: number) =>
  meanOf(own, value)?.value.toFixed(digits) ?? "-";

function detection(own: readonly Recovery[], of: (each: Recovery) => Detection | undefined): string[] {
  return [
    plain(own, (each) => of(each)?.precision, 2),
    plain(own, (each) => of(each)?.recall, 2),
    plain(own, (each) => of(each)?.decoys, 1),
  ];
}

/** Of what is selected where nothing is planted. */
function falseOnes(found: readonly Recovery[]): string[] {
  const none = found.filter(({ planted, group, own }) => planted === 0 && group !== undefined && own);
  if (none.length === 0) return [];
  const total = none.reduce((sum, { own }) => sum + own!.selected, 0);
  return [
    `Where nothing is planted: ${total} units selected for ${none.length} groups, all of them false. A share is always`,
    "taken of something, so that units are selected shows nothing.",
  ];
}

/** The claim in each world, and in how many of each kind it is made. */
export function claimLines(claims: readonly WorldClaim[]): string[] {
  const sign = (value: number, { metric }: WorldClaim["changes"][number]) => figure(value, metric, true);
  return [...Map.groupBy(claims, ({ kind }) => kind)].flatMap(([kind, own]) => [
    ...own.flatMap(({ seed, units, changes, judged }) => [
      `${kind}, seed ${seed}: ${units} units silenced`,
      ...changes.map((each) => {
        const { low, high, value } = each.difference;
        const controls = each.controls.map(({ name, change }) =>
          `${name} ${spreadText(change, each.metric, true)}`
        );
        return `  ${
          [
            `${each.benchmark} ${sign(value, each)} [${sign(low, each)}, ${sign(high, each)}]`,
            ...controls,
          ].join("; ")
        }`;
      }),
      ...judged.map(({ hypothesis: { name }, verdict, adjusted }) =>
        `  ${name}: ${verdict}, adjusted p ${adjusted < 0.001 ? "< 0.001" : `= ${adjusted.toFixed(3)}`}`
      ),
    ]),
    `${kind}: the claim is made in ${own.filter(({ isMade }) => isMade).length} of ${own.length} seeds`,
  ]);
}

/** A line a figure that is wanted, and whether all are reached. */
export function wantedLines(found: readonly Recovery[], claims: readonly WorldClaim[]) {
  const mark = (isReached: boolean, text: string) => ({ isReached, text });
  const planted = found.filter(({ kind, leftOut }) => kind === PLANTED && leftOut.length === 0);
  const recovered = [...linesOf(planted).values()].map((own) => {
    const { target, group } = own[0]!;
    const least = Math.min(
      ...(["precision", "recall"] as const).map((what) =>
        meanOf(own, ({ atPlanted }) => atPlanted?.[what])?.value ?? 0
      ),
    );
    const scope = group === undefined ? "all groups together" : "each group";
    return mark(
      least >= WANTED,
      `${PLANTED}, ${target}, ${scope}: precision and recall of as many as are planted ${
        least.toFixed(2)
      }, wanted ${WANTED}`,
    );
  });
  const empty = claims.filter(({ isPlanted }) => !isPlanted);
  const claimed = [...Map.groupBy(empty, ({ kind }) => kind)].map(([kind, own]) => {
    const made = own.filter(({ isMade }) => isMade).length;
    return mark(
      made <= FALSE_CLAIMS * own.length,
      `${kind}: the claim is made in ${made} of ${own.length} seeds, wanted at most ${100 * FALSE_CLAIMS} %`,
    );
  });
  const all = [...recovered, ...claimed];
  return {
    lines: all.map(({ isReached, text }) => `${isReached ? "reached" : "MISSED "}  ${text}`),
    isReached: all.every(({ isReached }) => isReached),
  };
}
