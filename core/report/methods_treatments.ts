/** What was done to the model, and what stood beside it, as sentences for a paper. */
import type { Json } from "../evaluator.ts";
import { type GrownRecord, type Results, type TrainedRecord, UNTOUCHED } from "../results.ts";
import { foundIn, foundName, foundText } from "./found.ts";
import { count, counted, paramsText, shortHash } from "./format.ts";

export function treatmentSentences(results: Results): string[] {
  const treated = results.treatments.filter(({ name }) => name !== UNTOUCHED);
  const found = foundIn(results);
  return treated.flatMap(({ name, steps, arms, controls, trained, opened }) => {
    if (!results.cells.some(({ treatment }) => treatment === name)) {
      return [`Treatment ${name} was run on no model: none reached its gate.`];
    }
    const [open] = openingsOf(steps);
    if (open) {
      return [
        `Treatment ${name} opens the model with ${paramsText(open)} in place of its own params (${
          (opened ?? []).map((each) => each.opened.label).join(", ")
        }).`,
        controlsSentence(results, name, controls),
      ];
    }
    if (trained) return [...trainingSentences(name, trained), controlsSentence(results, name, controls)];
    const mine = arms.filter(({ arm }) => arm === "treated");
    const units = [...new Set(mine.map((arm) => count(arm.units)))].join(" or ");
    const how = found.filter(({ treatment }) => treatment === name);
    return [
      `Treatment ${name} edits ${units} ${units === "1" ? "unit" : "units"}: ${
        editsText(mine[0]?.edits ?? [])
      }.`,
      ...(how.length === 0
        ? [`Its units are those that the matrix names.`]
        : how.map((each) =>
          `Units of ${foundName(each, results)}: ${
            foundText(each)
          }; scorer version ${each.record.scorer.version}, seed ${each.record.seed}.`
        )),
      controlsSentence(results, name, controls),
    ];
  });
}

/** Params of open steps. */
function openingsOf(steps: Json): readonly Json[] {
  const list = Array.isArray(steps) ? steps as readonly { readonly open?: Json }[] : [];
  return list.flatMap(({ open }) => open === undefined ? [] : [open]);
}

/** The same for all arms of a treatment on one model, but for seed, answers and what came of it. */
function trainingSentences(name: string, trained: readonly TrainedRecord[]): string[] {
  const byModel = [...Map.groupBy(trained, ({ model }) => model)];
  return byModel.flatMap(([model, all]) => {
    const own = all.filter(({ arm }) => arm === "treated" || /^seed /.test(arm)), first = own[0]!;
    const sets = Object.entries(first.sets).map(([set, { label }]) =>
      Object.keys(first.sets).length === 1 ? label : `${set}: ${label}`
    );
    return [
      `Treatment ${name} trains ${model} by ${first.tuner.name} ${first.tuner.version} (${
        paramsText(first.tuner.params)
      }) on ${counted(first.examples, "example")} of ${sets.join(", ")}${
        first.leftOut > 0 ? `, ${count(first.leftOut)} more being too long` : ""
      }: ${counted(first.steps, "update")}, seed ${
        own.map(({ seed, finalLoss, delta }) =>
          `${seed} (last loss ${finalLoss === null ? "unknown" : finalLoss.toFixed(3)} nats, delta ${
            shortHash(delta)
          })`
        ).join(", ")
      }.`,
    ];
  });
}

interface ControlRecord {
  readonly use?: string;
  readonly match?: string;
  readonly sets?: number;
  readonly stopAt?: number;
  readonly exclude?: boolean;
  readonly pool?: Json;
  readonly text?: string;
  readonly score?: { readonly use?: string };
  readonly tune?: { readonly use?: string; readonly on?: Readonly<Record<string, { readonly use: string }>> };
}

function controlsSentence({ cells, treatments }: Results, treatment: string, specs: Json): string {
  const of = cells.filter((cell) => cell.treatment === treatment);
  const labels = of[0]?.controls ?? [];
  if (labels.length === 0) return "It has no controls.";
  const list = Array.isArray(specs) ? specs as readonly ControlRecord[] : [];
  const grown = treatments.find(({ name }) => name === treatment)?.grown ?? [];
  const own = treatments.find(({ name }) => name === treatment)?.trained ?? [];
  const texts = labels.map(({ control }, i) => {
    const spec = list[i] ?? {};
    const drawn = of.map((cell) => cell.controls.find((each) => each.control === control)?.keys.length ?? 0);
    const [least, most] = [Math.min(...drawn), Math.max(...drawn)];
    const sets = least === most ? counted(most, "set") : `${least} to ${counted(most, "set")}`;
    switch (spec.use) {
      case "scored":
        return `${control}, the units that come first by ${
          spec.score?.use ?? "a score of their own"
        }, as many${spec.match === "tap" ? " in each tap" : ""} as are treated${left(spec)}`;
      case "identity":
        return `${control}, the treated units scaled by 1, which left every outcome as it was`;
      case "prompt":
        return `${control}, no edit, with ${JSON.stringify(spec.text)} before every prompt`;
      case "shuffled":
        return `${control}, the same training with any of its answers as an item's right one, ${
          counted(most, "seed")
        }`;
      case "tuned":
        return `${control}, a training by ${spec.tune?.use ?? "a tuner of its own"} on ${
          own.filter(({ arm }) => arm === control || arm.startsWith(`${control}, seed `)).slice(0, 1)
            .flatMap(({ sets }) => Object.values(sets).map(({ label }) => label)).join(", ")
        }, ${counted(most, "seed")}`;
      case "matchedDamage":
        return `${control}, ${sets} of units drawn at random${where(spec)}${
          left(spec)
        }, each grown until it cost as much as the treatment${
          grown.filter((each) => each.control === control).map((each) => `; ${grownText(each)}`).join("")
        }`;
      default:
        return `${control}, ${sets} of as many units drawn at random${where(spec)}${left(spec)}${
          spec.sets !== undefined && most < spec.sets || least < most
            ? `, up to ${spec.sets}, drawing ended for each benchmark once ${spec.stopAt} of them were as extreme as the treatment on either side`
            : ""
        }`;
    }
  });
  return `Its ${texts.length === 1 ? "control is" : "controls are"} ${texts.join("; and ")}.`;
}

/** "on plain_texts (loss) the treatment cost +0.210 and they +0.201 to +0.219, with 96 to 300 units". */
function grownText({ texts, metric, wanted, sets }: GrownRecord): string {
  const range = (values: readonly number[], text: (value: number) => string) => {
    const [from, to] = [Math.min(...values), Math.max(...values)].map(text);
    return from === to ? from : `${from} to ${to}`;
  };
  const cost = (value: number) => `${value < 0 ? "" : "+"}${value.toFixed(3)}`;
  return `on ${texts.label} (${metric}) the treatment cost ${cost(wanted)} and they ${
    range(sets.map((set) => set.cost), cost)
  }, with ${range(sets.map(({ units }) => units), count)} units`;
}

function where({ match, pool }: ControlRecord): string {
  if (match === "tap") return ", as many in each tap as are treated";
  if (pool !== undefined) return `, anywhere in ${JSON.stringify(pool)}`;
  return match === "uniform" ? ", anywhere in the same sites of all layers" : "";
}

function left({ exclude }: ControlRecord): string {
  return exclude === undefined ? "" : exclude ? ", treated units left out" : ", treated units among them";
}

/** What was done where: "scale 0 at 3 taps (layers.1.mlp.gate to layers.3.mlp.gate)". */
export function editsText(edits: Results["treatments"][number]["arms"][number]["edits"]): string {
  const ops = Map.groupBy(edits, ({ op, value }) => `${op} ${typeof value === "number" ? value : "by unit"}`);
  return [...ops].map(([op, list]) => {
    const taps = [...new Set(list.map(({ tap }) => tap))];
    return taps.length === 1
      ? `${op} at ${taps[0]}`
      : `${op} at ${taps.length} taps (${taps[0]} to ${taps.at(-1)})`;
  }).join(", ");
}
