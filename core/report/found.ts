/** How units were found, in words and as a file that another matrix can take. */
import type { Json } from "../evaluator.ts";
import { SITES } from "../model.ts";
import type { FoundRecord, Results } from "../results.ts";
import { siteOf } from "../select.ts";

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

/**
 * A units file, with what made it.
 *
 * @param madeOf What the store has under the key of a set of items; where it has one of them not, the file says nothing of its provenance.
 */
export function unitsFile(found: Found, { id }: Results, madeOf: (key: string) => Json | undefined): unknown {
  const { treatment, record, model } = found;
  const made = Object.values(record.sets).map((set) =>
    set.madeOf === undefined ? undefined : madeOf(set.madeOf)
  );
  return {
    ...record,
    ...(made.every((each) => each !== undefined) && { madeOf: made }),
    about: `Units of ${JSON.stringify(treatment)}: ${foundText(found)}`,
    model: { label: model.label, hash: model.info.hash },
    run: id,
  };
}

/**
 * "48 of 3,072 units by gradient_product on 96 items of fables (topic=food), top 48; mlp.gate 48; layers 0 to 3: 0, 16, 16, 16"
 */
export function foundText({ record, model: { info } }: Found): string {
  const { scorer, sets, select, pool, selected, units } = record;
  const { top, per, sites, group, order } = select as unknown as Select;
  const looked = Object.values(sets).map(({ items, label }) =>
    `${counted(items.effective, "item")} of ${label}`
  );
  const how = [
    order === "highest" ? `top ${top}` : `top ${top} by ${order}`,
    ...(per === "all" ? [] : [`of each ${per}`]),
    ...(sites ? [`at ${sites.join(", ")}`] : []),
    ...(group === undefined ? [] : [`for ${group}`]),
  ].join(" ");
  return [
    `${count(selected)} of ${counted(pool, "unit")} by ${scorer.name}${
      looked.length > 0 ? ` on ${looked.join(" and ")}` : ""
    }, ${how}`,
    ...placesText(units, info.layers),
  ].join("; ");
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

const counted = (number: number, noun: string) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
const count = (number: number) => number.toLocaleString("en");
