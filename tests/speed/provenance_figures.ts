/** Time and memory of telling which of 1,000,000 short texts 10,000 reported items meet, 1 % of them planted: `deno run -A` this file. */
import process from "node:process";
import { meetings } from "../../core/provenance/meet.ts";
import { plantedSet, printed } from "../core/provenance/planted.ts";

export interface Figures {
  readonly printSeconds: number;
  readonly meetSeconds: number;
  /** Planted leaks, and how many of them were not found. */
  readonly leaks: number;
  readonly missed: number;
  readonly accused: number;
}

/** Texts have 20 words on average. @param now milliseconds, monotonic. */
export function figures(
  { made, reported }: { readonly made: number; readonly reported: number },
  now: () => number,
): Figures {
  const leaks = Math.floor(reported / 100);
  const set = plantedSet({ made, reported, leaks, seed: "figures" });
  const start = now();
  const prints = printed("made", set.made);
  const own = printed("reported", set.reported.map(({ text }) => text));
  const between = now();
  const met = meetings(own, prints);
  const end = now();
  const of = (isClean: boolean) =>
    set.reported.filter(({ name }, i) => (name === "clean") === isClean && met.has(i)).length;
  return {
    printSeconds: (between - start) / 1000,
    meetSeconds: (end - between) / 1000,
    leaks,
    missed: leaks - of(false),
    accused: of(true),
  };
}

if (import.meta.main) {
  const [made = 1_000_000, reported = 10_000] = Deno.args.map(Number);
  console.log(figures({ made, reported }, () => performance.now()));
  console.log(
    `peak memory ${(process.resourceUsage().maxRSS * 1024 / 1e9).toFixed(2)} GB, the made-up texts included`,
  );
}
