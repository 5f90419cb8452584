/**
 * CULNIG: units whose gradient says that they carry what a model knows of cultures, and not the form of the question nor the country's name.
 *
 *     s[l,m,k](x) = max over tokens t of a[l,m,t,k] * dP / da[l,m,t,k]       P the probability of the right label's token, whole vocabulary
 *     w(x)        = P(x) * s(x);   of the control set max(w(x), 0)
 *     S(D)[k,c]   = sum of w over the samples of D about country c
 *     country/c   = S(items)[k,c] / N(items) - S(control)[k,c] / N(control)   N: all samples of the set, whatever country
 *     general     = sum over countries of country/c
 *     names/c     = S(names)[k,c] / N(names);   names = the sum over its countries
 *
 * These are the groups of its scores. What the paper selects by them is selection(), and a matrix writes it down
 * (benchmarks/matrices/culnig.json): of group "general" the first 1 % of all mlp.gate, and apart from them the first 0.2 % of all attn.q, k and
 * v, each `without` the first 1 % by "names"; for a country the first 0.3 % of gate, q, k and v by "country/c", without the first 1 % by
 * "names/c" (by "names" where these are not of that country), and `standout` by 0.5 among "country/".
 *
 * Their standard errors, with v the variance of w about the mean of its country, pooled over the countries of a set:
 *
 *     se(country/c)^2 = n_c(items) v(items) / N(items)^2 + n_c(control) v(control) / N(control)^2;   se(general)^2 = the sum over countries
 *
 * that is, as if w varied alike in all countries and every sample were independent; squares are kept over all countries, so that the
 * sums of a big model fit. Items and their control answer the same questions and go together, which makes this too large a little; a question
 * asked with several options makes it too small.
 *
 * Source: Yamamoto, Kumon, Bollegala and Yanaka, arXiv 2510.08284, and their program (github.com/ynklab/CULNIG, MIT). Units are called
 * country-associated: that silencing them lowers a score says nothing about where a culture is.
 *
 * Deviations: padding is left out; `paperCompat` counts padded positions as products of 0, as the program does with 16 samples in their order, so
 * that of a padded sample s is at least 0. mlp.up, which the program scores and nobody selects from, is left out unless `sites` names it. Ours:
 * objective "cloze", the log-probability of the right answer less the mean of the others', for models too small for letters; then w = s,
 * since there is no P to weigh by.
 */
import { z } from "zod";
import {
  defineScorer,
  type Pass,
  passObjective,
  type Pooled,
  sampleOf,
  type ScoredItem,
  type Site,
  SITES,
  type Tap,
  tapsAt,
  UserError,
  varianceWithin,
} from "../../core/mod.ts";

const params = z.strictObject({
  sites: z.array(z.enum(SITES)).min(1).default(["mlp.gate", "attn.q", "attn.k", "attn.v"]),
  /** The paper's, or ours. */
  objective: z.enum(["probability", "cloze"]).default("probability"),
  /** Padding as the authors' program has it. */
  paperCompat: z.boolean().default(false),
});

const ATTENTION: readonly Site[] = ["attn.q", "attn.k", "attn.v"];
/** Shares and the distance of the paper and its program: of MLP and of attention, of a country's, of names; z. */
const PAPER = { mlp: 0.01, attention: 0.002, country: 0.003, names: 0.01, z: 0.5 } as const;

export const culnig = defineScorer({
  name: "culnig",
  version: "1",
  title: "Country-associated units by gradients of the right answer's probability (CULNIG)",
  source: "arXiv 2510.08284",
  params,
  sets: ["items"],
  optionalSets: ["control", "names"],
  selection({ params, items: { names } }, group) {
    const pool = (wanted: readonly Site[]) => params.sites.filter((site) => wanted.includes(site));
    const isNamed = group !== undefined && names?.some((item) => item.group === group);
    const without = names &&
      { without: { group: isNamed ? `names/${group}` : "names", top: PAPER.names } };
    const pools = group === undefined
      ? [
        { top: PAPER.mlp, sites: pool(["mlp.gate"]), group: "general" },
        { top: PAPER.attention, sites: pool(ATTENTION), group: "general" },
      ]
      : [{
        top: PAPER.country,
        sites: pool(["mlp.gate", ...ATTENTION]),
        group: `country/${group}`,
        standout: { z: PAPER.z, among: "country/" },
      }];
    return pools.filter(({ sites }) => sites.length > 0).map((select) => ({ ...select, ...without }));
  },
  passes({ params: { sites, objective, paperCompat }, items, model }) {
    const pass = (name: string, of: readonly ScoredItem[]): Pass => ({
      name,
      samples: of.map((item) => sampleOf(item, { objective })),
      objective: passObjective(objective),
      observe: tapsAt(sites, model.info.layers).map((tap) => ({
        tap,
        quantity: "product",
        pool: "max",
        padding: paperCompat ? "zero" : "skip",
      })),
      ...(objective === "probability" && { weight: "objective" }),
      squares: "pass",
    });
    const { items: own = [], control, names } = items;
    return [
      pass("items", own),
      ...control ? [{ ...pass("control", control), floor: 0 }] : [],
      ...names ? [pass("names", names)] : [],
    ];
  },
  combine(pooled, { params: { sites }, items, model }) {
    const taps = tapsAt(sites, model.info.layers), countries = pooled.groups("items");
    const { control, names } = items;
    if (control) sameCountries(countries, pooled.groups("control"));
    const share = (pass: string, group: string, tap: Tap) => shareOf(pooled, { pass, group, tap });
    const byTap = (of: (tap: Tap) => Float64Array) => new Map(taps.map((tap) => [tap, of(tap)]));
    const country = new Map(
      countries.map((group) => [
        group,
        byTap((tap) => {
          const own = share("items", group, tap);
          if (!control) return own;
          const less = share("control", group, tap);
          return own.map((value, k) => value - less[k]!);
        }),
      ]),
    );
    const named = new Map(
      (names ? pooled.groups("names") : []).map((
        group,
      ) => [group, byTap((tap) => share("names", group, tap))]),
    );
    const total = (groups: ReadonlyMap<string, ReadonlyMap<Tap, Float64Array>>) =>
      byTap((tap) => summed([...groups.values()].map((scores) => scores.get(tap)!)));
    return new Map([
      ["general", total(country)],
      ...[...country].map(([group, scores]) => [`country/${group}`, scores] as const),
      ...names ? [["names", total(named)] as const] : [],
      ...[...named].map(([group, scores]) => [`names/${group}`, scores] as const),
    ]);
  },
  errors(pooled, { params: { sites }, items: { control, names }, model }) {
    const taps = tapsAt(sites, model.info.layers), all = control ? ["items", "control"] : ["items"];
    const variances = new Map(
      [...all, ...names ? ["names"] : []].map((pass) => [
        pass,
        new Map(taps.map((tap) => [tap, varianceWithin(pooled, pass, tap)])),
      ]),
    );
    if ([...variances.values()].some((byTap) => byTap.get(taps[0]!) === undefined)) return undefined;
    /** Of sums of a pass over so many of its samples, over the number of all. */
    const share = (pass: string, tap: Tap, n: number) => {
      const times = n / pooled.count(pass) ** 2;
      return variances.get(pass)!.get(tap)!.map((variance) => times * variance);
    };
    const errors = (passes: readonly string[], countOf: (pass: string) => number) =>
      new Map(
        taps.map((tap) => [
          tap,
          summed(passes.map((pass) => share(pass, tap, countOf(pass)))).map(Math.sqrt),
        ]),
      );
    const countIn = (group: string) => (pass: string) => pooled.at(pass, group, taps[0]!).n;
    return new Map([
      ["general", errors(all, pooled.count)],
      ...pooled.groups("items").map((group) => [`country/${group}`, errors(all, countIn(group))] as const),
      ...names ? [["names", errors(["names"], pooled.count)] as const] : [],
      ...(names ? pooled.groups("names") : []).map((group) =>
        [`names/${group}`, errors(["names"], countIn(group))] as const
      ),
    ]);
  },
});

/** A group's sum over the number of all samples of the pass. */
function shareOf(
  pooled: Pooled,
  { pass, group, tap }: { readonly pass: string; readonly group: string; readonly tap: Tap },
): Float64Array {
  const n = pooled.count(pass);
  return pooled.at(pass, group, tap).sum.map((sum) => sum / n);
}

function summed(lists: readonly Float64Array[]): Float64Array {
  const sum = lists[0]!.slice();
  for (const list of lists.slice(1)) list.forEach((value, k) => sum[k]! += value);
  return sum;
}

function sameCountries(items: readonly string[], control: readonly string[]): void {
  const missing = items.filter((group) => !control.includes(group));
  if (missing.length === 0) return;
  throw new UserError(
    `Cannot score by culnig: the control has no items of ${
      missing.join(", ")
    }, wanted the groups of the items`,
  );
}
