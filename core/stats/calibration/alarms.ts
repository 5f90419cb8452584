/**
 * How often whole matrices in which no treatment does anything end with an effect: the path from items to verdicts, on four benchmarks of 8, 24 and
 * 43 clusters and of 100 independent items, two metrics each and two treatments beside one untouched model.
 */
import { createRandom, type Random } from "../../random.ts";
import { pairedDifference } from "../mod.ts";
import { isAsExtreme, sequentialP } from "../sequential.ts";
import { type Evidence, judge, type Judgement } from "../verdict.ts";
import { drawNormal, drawShares } from "./draw.ts";

const ICC = 0.3, ACCURACY = 0.6;
/** Share of answers that a treatment redraws. */
const REDRAWN = 0.3;
const BENCHMARKS = [8, 24, 43, 100] as const;

export interface Alarms {
  readonly matrices: number;
  /** Matrices with an effect in the primary family, in it or the secondary, in the exploratory one. */
  readonly primary: number;
  readonly confirmatory: number;
  readonly exploratory: number;
  /** Differences, and those whose 95 % interval leaves out 0. */
  readonly differences: number;
  readonly excluded: number;
}

export interface AlarmOptions {
  readonly matrices: number;
  readonly seed: number;
}

/** Simulates A/A matrices and counts their false alarms. */
export function countAlarms({ matrices, seed }: AlarmOptions): Alarms {
  let primary = 0, confirmatory = 0, exploratory = 0, differences = 0, excluded = 0;
  for (let matrix = 0; matrix < matrices; matrix++) {
    const evidence = nullMatrix(`${seed}/calibrate/matrix ${matrix}`), judgements = judge(evidence);
    const found = (family: string) =>
      judgements.some(({ verdict }: Judgement, i) =>
        verdict === "effect" && evidence[i]!.hypothesis.family === family
      );
    const first = found("primary");
    if (first) primary++;
    if (first || found("secondary")) confirmatory++;
    if (found("exploratory")) exploratory++;
    differences += evidence.length;
    excluded += evidence.filter(({ difference: { low, high } }) => low > 0 || high < 0).length;
  }
  return { matrices, primary, confirmatory, exploratory, differences, excluded };
}

/** Accuracy on three benchmarks is primary, log-probability on them secondary, the fourth benchmark exploratory. */
function nullMatrix(seed: string): Evidence[] {
  return BENCHMARKS.flatMap((count, b) => {
    const random = createRandom(`${seed}/${count}`), benchmark = createBenchmark(count, random);
    const untouched = benchmark.answer();
    return ["first", "second"].flatMap((treatment, t) => {
      const treated = benchmark.answer(untouched);
      return (["acc", "nats"] as const).map((metric): Evidence => ({
        difference: pairedDifference(untouched[metric], treated[metric], {
          binary: metric === "acc",
          clusters: benchmark.clusters,
          seed: `${seed}/${count}/${treatment}/${metric}`,
        }),
        hypothesis: {
          name: `${treatment} ${count} ${metric}`,
          treatment,
          control: "untouched",
          benchmark: String(count),
          metric,
          direction: (["either", "less", "greater"] as const)[(b + t) % 3]!,
          ...(metric === "acc" ? { margin: 0.1 } : {}),
          family: count === 100 ? "exploratory" : metric === "acc" ? "primary" : "secondary",
        },
      }));
    });
  });
}

interface Answers {
  readonly acc: readonly number[];
  readonly nats: readonly number[];
}

/** A benchmark's items, and answers of a model or, given another's, of one that differs from it by chance alone. */
function createBenchmark(count: number, random: Random) {
  const sizes = Array.from({ length: count }, () => count === 100 ? 1 : 4 + random.below(5));
  const rates = sizes.map(() => drawShares([ACCURACY, 1 - ACCURACY], ICC, random)[0]!);
  const own = sizes.flatMap((size, c) => Array.from({ length: size }, () => c));
  const base = own.map(() => drawNormal(random));
  return {
    clusters: own.map((c) => `question ${c}`),
    answer(other?: Answers): Answers {
      // A treatment moves whole clusters, with a mean of 0.
      const shifts = sizes.map(() => Math.sqrt(ICC) * drawNormal(random));
      return {
        acc: own.map((c, i) =>
          other && random.uniform() >= REDRAWN ? other.acc[i]! : Number(random.uniform() < rates[c]!)
        ),
        nats: own.map((c, i) => base[i]! + shifts[c]! + Math.sqrt(1 - ICC) * drawNormal(random)),
      };
    },
  };
}

export interface ControlAlarms {
  readonly treatments: number;
  /** With p of at most 0.05. */
  readonly found: number;
  /** Control sets drawn in all. */
  readonly drawn: number;
}

/** Treatments that are one more random set each, beside up to 200 control sets drawn until it is decided. */
export function countControlAlarms({ matrices, seed }: AlarmOptions): ControlAlarms {
  let found = 0, drawn = 0;
  for (let i = 0; i < matrices; i++) {
    const random = createRandom(`${seed}/calibrate/control ${i}`), treated = drawNormal(random);
    const isExtreme: boolean[] = [];
    let state = sequentialP(isExtreme);
    while (!state.decided) {
      isExtreme.push(isAsExtreme(drawNormal(random), treated, "either"));
      state = sequentialP(isExtreme);
    }
    if (state.p <= 0.05) found++;
    drawn += state.drawn;
  }
  return { treatments: matrices, found, drawn };
}
