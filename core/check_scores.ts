/** What a scorer's own code gave, scores or their standard errors, before anything is made of it. */
import { UserError } from "./error.ts";
import type { Model } from "./model.ts";
import { ask } from "./passes.ts";
import type { Scorer, UnitScores } from "./scorer.ts";

/** @throws {UserError} naming the scorer and its method for whatever is not a Map of groups of taps of one finite number a unit. */
export function checkScores(
  { name }: Pick<Scorer, "name">,
  scores: UnitScores,
  { model, method }: { readonly model: Pick<Model, "units">; readonly method: "combine" | "errors" },
): void {
  const refuse = (state: string, wanted: string): never => {
    throw new UserError(`Cannot score by ${name}: its ${method}() gave ${state}, wanted ${wanted}`);
  };
  const isFilledMap = (value: unknown) => value instanceof Map && value.size > 0;
  if (!isFilledMap(scores)) refuse(kindOf(scores), "a Map of groups");
  for (const [group, byTap] of scores) {
    const place = `the group ${JSON.stringify(group)}`;
    if (typeof group !== "string") refuse(`a group named ${kindOf(group)}`, "a string");
    if (!isFilledMap(byTap)) refuse(`${kindOf(byTap)} for ${place}`, "a Map of taps");
    for (const [tap, values] of byTap) {
      const units = ask({ name }, method, () => model.units(tap));
      if (!(values instanceof Float64Array)) {
        refuse(`${kindOf(values)} for ${tap} in ${place}`, "a Float64Array");
      }
      if (values.length !== units) {
        refuse(`${values.length} scores for ${tap} in ${place}`, `${units}, one a unit`);
      }
      const odd = values.findIndex((value) => !Number.isFinite(value));
      if (odd >= 0) refuse(`${values[odd]} for unit ${odd} of ${tap} in ${place}`, "a finite number");
    }
  }
}

function kindOf(value: unknown): string {
  if (value instanceof Map) return "an empty Map";
  return typeof value === "object" && value !== null
    ? `a value of ${value.constructor?.name}`
    : String(value);
}
