/** `calibrate stats`: whether intervals cover and tests keep quiet as often as they say, on simulated data whose truth is known. */
import { estimateMean, pairedDifference } from "../mod.ts";
import { clopperPearson } from "../proportions.ts";
import { countAlarms, countControlAlarms } from "./alarms.ts";
import { type Coverage, coverageOf, rating, WANTED } from "./coverage.ts";
import { type Design, designs, REASONS } from "./designs.ts";

const CLUSTERS = [5, 6, 8, 16, 43, 300] as const;
/** At most this share of false alarms, and these seconds for 500,000 outcomes. */
const ALARMS = 0.055, SECONDS = 3;

export interface CalibrationOptions {
  /** Of the samples of a full run, in (0, 1]. */
  readonly share: number;
  readonly seed: number;
  /** Milliseconds of some clock. */
  now(): number;
  print(line: string): void;
}

/** Prints the figures of the statistics. @returns whether every figure asked is reached. */
export function calibrateStats(options: CalibrationOptions): boolean {
  const { share, seed, print } = options, start = options.now();
  const samples = (clusters: number) => Math.round(share * (clusters > 100 ? 4000 : 10_000));
  print("Coverage of 95 % intervals, in %, by number of clusters; 4 to 12 items each unless said");
  print(`Each cell ± half of its own 95 % range; ${samples(5)} samples, ${samples(300)} at 300 clusters`);
  print("A held cell that seems missed is drawn again, with four times the samples, and these alone count");
  print("");
  const all = designs(), held = all.filter(({ beyond }) => beyond === undefined);
  const figures = { clusters: CLUSTERS, samples, seed };
  const rows = (some: readonly Design[]) =>
    some.map((design) => {
      const cells = coverageOf(design, figures);
      print(rowText(design, cells));
      return { design, cells };
    });
  print(headText("Held to 94 to 96"));
  const cells = rows(held).flatMap((row) => row.cells);
  print("");
  print(headText("Beyond: shown, not held"));
  const beyond = rows(all.filter((design) => design.beyond !== undefined));
  print("");
  print("< too narrow, > too wide, by more than chance. What is not supported, and why:");
  for (const [name, reason] of Object.entries(REASONS)) {
    for (const line of reasonText(reason, beyond.filter(({ design }) => design.beyond === name))) print(line);
  }
  print("");
  const missed = cells.filter((cell) => rating(cell) !== "as asked");
  const inside = cells.filter((cell) => cell.share >= WANTED.low && cell.share <= WANTED.high).length;
  const covers = verdict(
    missed.length === 0,
    `coverage 94 to 96 %: ${inside} of ${cells.length} cells inside, ` +
      `${cells.length - inside - missed.length} outside by no more than chance, ${missed.length} missed`,
  );
  print(covers.text);
  const quiet = alarms(options), fast = speed(options);
  print(`Took ${((options.now() - start) / 1000).toFixed(0)} s`);
  return covers.reached && quiet && fast;
}

function headText(title: string): string {
  return `${title.padEnd(34)}${"ICC".padStart(4)} ${CLUSTERS.map((k) => String(k).padStart(7)).join(" ")}`;
}

function rowText({ title, icc }: Design, cells: readonly Coverage[]): string {
  const texts = cells.map((cell) => {
    const half = 50 * (cell.range.high - cell.range.low),
      mark = { short: "<", wide: ">", "as asked": " " }[rating(cell)];
    return `${(100 * cell.share).toFixed(1)}±${half.toFixed(1).replace(/^0/, "")}${mark}`.padStart(7);
  });
  return `${title.padEnd(34)}${String(icc).padStart(4)} ${texts.join(" ")}`;
}

interface Row {
  readonly design: Design;
  readonly cells: readonly Coverage[];
}

/** Characters of a line. */
const WIDTH = 100;

/** A reason and the cells that it is one for: those outside what is asked by more than chance, by number of clusters. */
function* reasonText(reason: string, rows: readonly Row[]): Generator<string> {
  const out = rows.flatMap(({ design: { title, icc }, cells }) => {
    const missed = cells.filter((cell) => rating(cell) !== "as asked");
    const texts = missed.map(({ clusters, share }) => `${clusters}: ${(100 * share).toFixed(1)}`);
    return texts.length > 0 ? [`${title}, ICC ${icc} (${texts.join(", ")})`] : [];
  });
  const text = `${reason}. ${out.length > 0 ? `Out of 94 to 96: ${out.join("; ")}` : "None out of 94 to 96"}`;
  let line = " -";
  for (const word of text.split(" ")) {
    if (line.length + word.length >= WIDTH) {
      yield line;
      line = "  ";
    }
    line += ` ${word}`;
  }
  yield line;
}

function verdict(reached: boolean, text: string): { readonly reached: boolean; readonly text: string } {
  return { reached, text: `${reached ? "reached" : "MISSED "}  ${text}` };
}

function alarms({ share, seed, print }: CalibrationOptions): boolean {
  const matrices = Math.round(1000 * share);
  const { primary, confirmatory, exploratory, differences, excluded } = countAlarms({ matrices, seed });
  const rate = (count: number, of: number) => {
    const { low, high } = clopperPearson(count, of), percent = (share: number) => (100 * share).toFixed(1);
    return `${percent(count / of)} % [${percent(low)}, ${percent(high)}]`;
  };
  // In a short form chance alone may exceed the figure; it is missed where it surely is.
  const isMissed = (count: number, of: number) =>
    share < 1 ? clopperPearson(count, of).low > ALARMS : count / of > ALARMS;
  const lines = [
    verdict(
      !isMissed(primary, matrices),
      `A/A matrices with a false primary effect: ${rate(primary, matrices)} of ${matrices}`,
    ),
    verdict(
      !isMissed(confirmatory, matrices),
      `  with one in the primary or secondary family: ${rate(confirmatory, matrices)}`,
    ),
    verdict(
      !isMissed(exploratory, matrices),
      `  with an exploratory one (all are false: their false discovery rate): ${rate(exploratory, matrices)}`,
    ),
  ];
  for (const { text } of lines) print(text);
  print(
    `         their ${differences} intervals of differences leave out 0: ${
      (100 * excluded / differences).toFixed(1)
    } %`,
  );
  const { treatments, found, drawn } = countControlAlarms({ matrices: 4 * matrices, seed });
  const control = verdict(
    !isMissed(found, treatments),
    `false alarms beside random control sets: ${rate(found, treatments)}, ` +
      `${(drawn / treatments).toFixed(0)} of 200 sets drawn on average`,
  );
  print(control.text);
  return control.reached && lines.every(({ reached }) => reached);
}

function speed({ now, print }: CalibrationOptions): boolean {
  const n = 500_000, clusters = Array.from({ length: n }, (_, i) => `question ${i % 300}`);
  const before = clusters.map((_, i) => Number(i % 7 < 4)),
    after = clusters.map((_, i) => Number(i % 11 < 6));
  const start = now(), options = { binary: true, clusters, seed: 0 };
  estimateMean(after, options);
  pairedDifference(before, after, options);
  const seconds = (now() - start) / 1000;
  const line = verdict(
    seconds < SECONDS,
    `500,000 outcomes, mean and difference: ${seconds.toFixed(2)} s, wanted under ${SECONDS}`,
  );
  print(line.text);
  return line.reached;
}
