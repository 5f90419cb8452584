/**
 * CULNIG's claims, and how each is judged here: what the paper says, by matrices whose hypotheses were written before anything was computed.
 *
 * The rules of judging are ours (the paper has no intervals but for one bootstrap). A claim "holds" where its interval says so, "does not hold"
 * where the interval says the opposite, else it is "not shown"; "not identifiable" where the model knows too little of cultures to lose any, and
 * "not measured" without the data.
 *
 * Source: Yamamoto et al., arXiv 2510.08284: suppression of culture-general neurons, their location, culture-specific neurons, training.
 */
import {
  type Claim,
  type ClaimMatrix,
  type ClaimResult,
  type ClaimVerdict,
  isPassed,
  type Results,
  wilson,
} from "../../core/mod.ts";
import {
  apart,
  byHypotheses,
  changeOf,
  figure,
  GENERAL,
  hasCell,
  knowing,
  percent,
  setsOf,
  sum,
  within,
  worst,
} from "./judging.ts";

export const matrices: readonly ClaimMatrix[] = [
  { name: "culnig", about: "culture-general units silenced and enhanced, beside every control" },
  {
    name: "culnig_ablation",
    about: "without the control set, without the names filter, MLP or attention alone",
  },
  { name: "culnig_specific", about: "units of eight countries, accuracy in sixteen" },
  {
    name: "culnig_training",
    about: "a language task trained where culture-general units are, and where they are not",
    unitsOf: { matrix: "culnig", treatment: GENERAL },
  },
];

const TARGETS = ["China", "Indonesia", "Iran", "Mexico", "South_Korea", "Spain", "UK", "US"];

export const claims: readonly Claim[] = [
  {
    number: 1,
    text: "A score is what it says: the slope of P, and what silencing takes",
    source: "1.2; ours: relative error of slopes at most 0.001, Spearman with silencing above 0.8",
    needs: [],
    judge(_, checks) {
      return {
        verdict: checks.length > 0 && checks.every(isPassed) ? "holds" : "does not hold",
        figures: checks.map(({ what, value, n, passes, bound }) => ({
          what,
          value,
          n,
          unit: "",
          control: `wanted ${passes} ${bound}`,
        })),
        reason: "on random tokens of this model",
      };
    },
  },
  {
    number: 2,
    text:
      "Few units make the general set: at most 1 % of gates and 0.2 % of q, k, v, of which 80 % or more are left by the names filter",
    source: "1.5; the paper's sets are 86 to 99 % of these",
    needs: ["culnig"],
    judge: (found) =>
      within(found, "culnig", GENERAL, (results) => {
        const sets = setsOf(results, GENERAL);
        const most = sets.map(({ pool, select }) =>
          Math.floor((select as { readonly top: number }).top * pool)
        );
        const selected = sum(sets.map(({ selected }) => selected)),
          all = sum(most),
          pool = sum(sets.map(({ pool }) => pool));
        return {
          verdict: selected <= all && selected >= 0.8 * all && selected < 0.01 * pool
            ? "holds"
            : "does not hold",
          figures: [{
            what: "units selected",
            value: selected,
            n: pool,
            unit: "units",
            control: `${all} before the filter`,
          }],
          reason: `${percent(selected / all)} of what the shares take, ${
            percent(selected / pool)
          } of the pool`,
        };
      }),
  },
  {
    number: 3,
    text: "Silencing the general set lowers what is known of cultures, more than random units do",
    source: "Table: BLEnD falls by 26 to 30 points, under random units by 0.7",
    needs: ["culnig"],
    judge: (found) =>
      byHypotheses(found, "culnig", [
        "culture falls more than under random units",
        "culture falls more than under units that matter for any text",
        "culture falls more than under units of another task",
      ]),
  },
  {
    number: 4,
    text: "It lowers benchmarks that no unit was found by, more than random units do",
    source: "Table: CulturalBench falls by 16 to 34 points, NormAd by 6.5 to 10",
    needs: ["culnig"],
    judge: (found) =>
      byHypotheses(found, "culnig", [
        "CulturalBench falls more than under random units",
        "NormAd falls more than under random units",
      ]),
  },
  {
    number: 5,
    text: "Language tasks lose at most a third of what culture loses",
    source: "Table: QNLI and MRPC, but for Llama-3.1-8B; common sense falls by 5 points and stands apart",
    needs: ["culnig"],
    judge: (found) =>
      within(found, "culnig", GENERAL, (results) => {
        const culture = changeOf(results, "blend", GENERAL);
        const tasks = ["qnli", "mrpc", "rte"].filter((label) => hasCell(results, label, GENERAL));
        const verdicts = tasks.map((task): ClaimVerdict => {
          const lost = changeOf(results, task, GENERAL);
          // The most that the task may have lost beside the least that culture has, and the other way round.
          if (-lost.low <= -culture.high / 3) return "holds";
          return -lost.high > -culture.low / 3 ? "does not hold" : "not shown";
        });
        return {
          verdict: worst(verdicts),
          figures: ["blend", ...tasks].map((label) => figure(results, label, GENERAL)),
          reason: "by the ends of the intervals",
        };
      }),
  },
  {
    number: 6,
    text:
      "Both filters are worth having: without the control set language loses more, without the names filter country names do",
    source: "1.4; the paper's own figures are not known",
    needs: ["culnig_ablation"],
    judge: (found) =>
      within(found, "culnig_ablation", GENERAL, (results) => {
        const cases = [
          ["without the control set", "qnli"],
          ["without the control set", "commonsense_qa"],
          ["without the names filter", "country_rc"],
        ] as const;
        return {
          verdict: worst(
            cases.map(([without, label]) =>
              apart(changeOf(results, label, GENERAL), changeOf(results, label, without))
            ),
          ),
          figures: cases.flatMap((
            [without, label],
          ) => [figure(results, label, GENERAL), figure(results, label, without)]),
          reason: "each pair as if of different items, so that only a clear difference counts",
        };
      }),
  },
  {
    number: 7,
    text: "Most of the gates selected are in the first half of the layers",
    source: "the paper: shallow to middle layers in all six models",
    needs: ["culnig"],
    judge: (found) =>
      within(found, "culnig", GENERAL, (results) => {
        const { layers } = results.models[0]!.info;
        const gates = setsOf(results, GENERAL).flatMap(({ units }) => units).filter(({ tap }) =>
          tap.endsWith("mlp.gate")
        );
        const count = (some: typeof gates) => sum(some.map(({ units }) => units.length));
        const n = count(gates),
          early = count(gates.filter(({ tap }) => Number(tap.split(".")[1]) < layers / 2));
        if (n === 0) return { verdict: "not measured", figures: [], reason: "no gate is selected" };
        const { low, high } = wilson(early, n);
        return {
          verdict: low > 0.6 ? "holds" : high < 0.6 ? "does not hold" : "not shown",
          figures: [{
            what: `gates in layers 0 to ${Math.ceil(layers / 2) - 1}`,
            value: 100 * early / n,
            low: 100 * low,
            high: 100 * high,
            n,
            unit: "%",
            control: "60 % wanted, 50 % by chance",
          }],
          reason: "Wilson's interval over units",
        };
      }),
  },
  {
    number: 8,
    text: "MLP units alone lower culture more than attention units alone",
    source: "the paper: attention matters less in all six models",
    needs: ["culnig_ablation"],
    judge: (found) =>
      within(found, "culnig_ablation", "MLP alone", (results) => ({
        verdict: apart(
          changeOf(results, "blend", "attention alone"),
          changeOf(results, "blend", "MLP alone"),
        ),
        figures: ["MLP alone", "attention alone"].map((name) => figure(results, "blend", name)),
        reason: "as if of different items",
      })),
  },
  {
    number: 9,
    text: "Silencing a country's units lowers that country most",
    source: "the paper: mean rank 1.17 for Mexico over six models, its mask hits Spain next",
    needs: ["culnig_specific"],
    judge: (found) => knowing(found, () => within(found, "culnig_specific", "Mexico silenced", specific)),
  },
  {
    number: 10,
    text:
      "Training a language task where the units are erodes culture more than training it where they are not",
    source: "1.9; the paper states the direction",
    needs: ["culnig_training"],
    judge: (found) =>
      knowing(found, () =>
        byHypotheses(found, "culnig_training", [
          "culture falls more than when empty blocks are trained",
          "training it teaches it",
        ])),
  },
];

/** Rank of each country's own fall among the eight targets, 1 the largest; and Mexico's mask on Spain. */
function specific(results: Results): ClaimResult {
  const falls = (mask: string) =>
    new Map(
      results.cells.filter(({ treatment }) => treatment === `${mask} silenced`).map((cell) => [
        cell.benchmark,
        -changeOf(results, cell.benchmark, `${mask} silenced`).value,
      ]),
    );
  const ranks = TARGETS.map((country) => {
    const all = falls(country), own = all.get(country) ?? 0;
    const others = TARGETS.filter((each) => each !== country).map((each) => all.get(each) ?? 0);
    // Ties share their mean rank.
    return 1 + others.filter((fall) => fall > own).length + others.filter((fall) => fall === own).length / 2;
  });
  const mean = sum(ranks) / ranks.length;
  const deviation = Math.sqrt(sum(ranks.map((rank) => (rank - mean) ** 2)) / (ranks.length - 1));
  // Student's t with 7 degrees of freedom, two-sided 95 %.
  const half = 2.3646 * deviation / Math.sqrt(ranks.length);
  const mexico = falls("Mexico"), spain = mexico.get("Spain") ?? 0;
  const others = [...mexico].filter(([name]) => name !== "Spain" && name !== "Mexico").map(([, fall]) =>
    fall
  );
  return {
    verdict: mean + half <= 2 ? "holds" : mean - half > 2 ? "does not hold" : "not shown",
    figures: [
      {
        what: "mean rank of the own country",
        value: mean,
        low: mean - half,
        high: mean + half,
        n: ranks.length,
        unit: "of 8",
        control: "2 wanted, 4.5 by chance",
      },
      {
        ...figure(results, "Spain", "Mexico silenced"),
        control: `${sum(others) / others.length * 100 > 0 ? "-" : "+"}${
          Math.abs(100 * sum(others) / others.length).toFixed(1)
        } in ${others.length} other countries${
          spain > sum(others) / others.length ? "" : ", no less than in Spain"
        }`,
      },
    ],
    reason: "t over the eight countries",
  };
}
