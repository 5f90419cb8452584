/**
 * How units were found, in words and as a file that another matrix can take. Units whose items were told apart by country are called
 * country-associated and never a country's: that silencing them lowers a score says nothing about where a country is.
 */
import type { Json } from "../evaluator.ts";
import { SITES } from "../model.ts";
import type { FoundRecord, Results } from "../results.ts";
import type { SamplingRecord } from "../sampling.ts";
import type { UnitScores } from "../scorer.ts";
import { siteOf } from "../select.ts";
import { count, counted } from "./format.ts";

export interface Found {
  readonly treatment: string;
  readonly record: FoundRecord;
  readonly model: Results["models"][number];
}

/** Every selection of the run, treatment by treatment. */
export function foundIn({ treatments, models }: Results): Found[] {
  return treatments.flatMap(({ name, found = [] }) =>
    found.flatMap((record): Found[] => {
      const model = models.find(({ label }) => label === record.model);
      return model ? [{ treatment: name, record, model }] : [];
    })
  );
}

/** Whose units they are: the treatment, and the model where there are several. */
export function foundName({ treatment, model }: Found, { models }: Results): string {
  return models.length > 1 ? `${treatment} on ${model.label}` : treatment;
}

/** "country-associated units", by what the items of all these were told apart; "units" where by nothing, or not all by the same. */
export function unitsKind(records: readonly Pick<FoundRecord, "sets">[]): string {
  const [first, ...others] = new Set(
    records.flatMap(({ sets }) => {
      const kinds = new Set(Object.values(sets).flatMap(({ groupBy }) => groupBy ?? []));
      return kinds.size === 0 ? [null] : [...kinds];
    }),
  );
  return first && others.length === 0 ? `${first}-associated units` : "units";
}

/** What a units file takes from the store, by the keys in a record. */
export interface UnitsSources {
  /** The items of a set; where the store has one of them not, the file says nothing of its provenance. */
  readonly madeOf: (key: string) => Json | undefined;
  /** The scores of all units; where the store has them not, the file has the selection's own alone. */
  readonly scores: (key: string) => UnitScores | undefined;
}

/** A units file, with what made it. Where scores are kept apart by groups it has each unit's of every one. */
export function unitsFile(found: Found, { id }: Results, { madeOf, scores }: UnitsSources): unknown {
  const { treatment, record, model } = found;
  const made = Object.values(record.sets).map((set) =>
    set.madeOf === undefined ? undefined : madeOf(set.madeOf)
  );
  const all = scores(record.key);
  return {
    ...record,
    ...(all && all.size > 1 && { scoresByGroup: scoresByGroup(record, all) }),
    ...(made.every((each) => each !== undefined) && { madeOf: made }),
    about: `Units of ${JSON.stringify(treatment)}: ${foundText(found)}`,
    model: { label: model.label, hash: model.info.hash },
    run: id,
  };
}

/** Of each unit found its score by every group, by tap, in the order of the units. */
function scoresByGroup({ units }: FoundRecord, all: UnitScores): Record<string, Record<string, number[]>> {
  return Object.fromEntries(
    [...all].map(([group, byTap]) => [
      group,
      Object.fromEntries(units.flatMap(({ tap, units }) => {
        const list = byTap.get(tap);
        return list ? [[tap, units.map((index) => list[index] ?? NaN)]] : [];
      })),
    ]),
  );
}

/**
 * "48 of 3,072 units by gradient_product on 96 items of fables (topic=food), top 48; mlp.gate 48; layers 0 to 3: 0, 16, 16, 16"; of items
 * told apart by country "48 country-associated units of 3,072 by ..."
 */
export function foundText({ record, model: { info } }: Found): string {
  const { scorer, sets, pool, selected, units, sampling } = record;
  const { top, per, sites, group, order } = selectOf(record), kind = unitsKind([record]);
  const looked = Object.values(sets).map(({ items, label }) =>
    `${counted(items.effective, "item")} of ${label}`
  );
  const how = [
    order === "highest" ? `top ${top}` : `top ${top} by ${order}`,
    ...(per === "all" ? [] : [`of each ${per}`]),
    ...(sites ? [`at ${sites.join(", ")}`] : []),
    ...(group === undefined ? [] : [`for ${group}`]),
  ].join(" ");
  const howMany = kind === "units"
    ? `${count(selected)} of ${counted(pool, "unit")}`
    : `${count(selected)} ${selected === 1 ? kind.slice(0, -1) : kind} of ${count(pool)}`;
  return [
    `${howMany} by ${scorer.name}${looked.length > 0 ? ` on ${looked.join(" and ")}` : ""}, ${how}`,
    ...(sampling ? [samplingText(sampling)] : []),
    ...placesText(units, info.layers),
  ].join("; ");
}

/** "scored by a sample: items 611 of 3,880, control 611 of 3,880, ended because 95.3 % of the units are expected of all samples too" */
function samplingText({ passes, overlap, stopped }: SamplingRecord): string {
  const seen = passes.map(({ name, samples, of }) => `${name} ${count(samples)} of ${count(of)}`).join(", ");
  const expected = overlap === null
    ? "without an estimate of how many of these units all samples would give"
    : `${(100 * overlap).toFixed(1)} % of the units are expected of all samples too`;
  const why = {
    stable: `ended because ${expected}`,
    most: `ended by their number, ${expected}`,
    all: "which are all",
  }[stopped];
  return `scored by a sample: ${seen}, ${why}`;
}

/** How units were selected, as the matrix has it. */
export function selectOf({ select }: Pick<FoundRecord, "select">): Select {
  return select as unknown as Select;
}

interface Select {
  readonly top: number;
  readonly per: string;
  readonly sites?: readonly string[];
  readonly group?: string;
  readonly order: string;
}

/** Units a site, and a layer: "mlp.gate 48", "layers 0 to 3: 0, 16, 16, 16". */
function placesText(units: FoundRecord["units"], layers: number): string[] {
  const sum = (some: FoundRecord["units"]) =>
    count(some.reduce((total, each) => total + each.units.length, 0));
  const bySite = Map.groupBy(units, ({ tap }) => siteOf(tap));
  const sites = ["embed", ...SITES].flatMap((site) => {
    const some = bySite.get(site);
    return some ? [`${site} ${sum(some)}`] : [];
  });
  const each = Array.from(
    { length: layers },
    (_, layer) => sum(units.filter(({ tap }) => tap.startsWith(`layers.${layer}.`))),
  );
  return [sites.join(", "), `layers 0 to ${layers - 1}: ${each.join(", ")}`];
}
